//! The words of a watch: a line for each event, for people or for programs.

use portcullis_config::declared::Declared;
use portcullis_probe::{output::render_outcome, report::Report, watch::Event};
use serde::Serialize;
use time::OffsetDateTime;

use super::super::{Probe, ProbeFormat, style};
use crate::output;

/// A line for programs.
#[derive(Serialize)]
struct Line<'e> {
    time: String,
    #[serde(flatten)]
    event: &'e Event,
}

/// What is said beside the events.
#[derive(Serialize)]
struct Note<'n> {
    time: String,
    event: &'static str,
    message: &'n str,
}

impl Probe {
    pub(super) fn begin(&self, report: &Report, declared: &Declared) -> anyhow::Result<()> {
        let (file, listeners) = (&report.file, report.listeners.iter().filter(|listener| !listener.client).count());
        let (ports, services) = (declared.ports.len(), declared.services.len());
        let declared = format!("{} and {}", count(ports, "port"), count(services, "service"));
        self.note(&format!("watching {} against {file}: {declared}", count(listeners, "listener")))?;
        report.unseen.iter().try_for_each(|unseen| self.note(&format!("not seen: {unseen}")))
    }

    pub(super) fn note(&self, message: &str) -> anyhow::Result<()> {
        match self.format {
            ProbeFormat::Json => line(&Note { time: now(), event: "note", message }),
            _ => output::print(&format!("{} {message}\n", now())),
        }
    }

    pub(super) fn tell_event(&self, event: &Event) -> anyhow::Result<()> {
        if self.format == ProbeFormat::Json {
            return line(&Line { time: now(), event });
        }
        let text = match event {
            Event::Appeared(one) => format!("+ {}\n", one.words()),
            Event::Gone(one) => format!("- {}\n", one.words()),
            Event::Handed { listener, before } => format!("~ {} instead of {before}\n", listener.words()),
            Event::Failed(outcome) | Event::Unclear(outcome) => render_outcome(outcome, style()),
            Event::Resolved(outcome) => format!("resolved[{}]: {}\n", outcome.check.id(), outcome.subject),
        };
        output::print(&format!("{} {text}", now()))
    }
}

fn count(number: usize, word: &str) -> String {
    if number == 1 { format!("1 {word}") } else { format!("{number} {word}s") }
}

fn line(value: &impl Serialize) -> anyhow::Result<()> {
    output::print(&format!("{}\n", serde_json::to_string(value)?))
}

/// `2026-11-21T10:15:03.250Z`, as long in every line.
fn now() -> String {
    let now = OffsetDateTime::now_utc();
    let (date, hour, minute, second) = (now.date(), now.hour(), now.minute(), now.second());
    format!("{date}T{hour:02}:{minute:02}:{second:02}.{:03}Z", now.millisecond())
}
