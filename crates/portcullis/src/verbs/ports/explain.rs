//! `portcullis ports explain`

use clap::Args;
use portcullis_config::{argument, bands::Declarant, declared::Space};
use portcullis_kernel::occupancy::Occupancy;
use portcullis_ports::{Explanation, Lease, Rival};
use serde::Serialize;

use super::{
    place::{ConfigArguments, StoreArguments, or_findings},
    records::{LeaseRecord, ReservationRecord, end, moment},
};
use crate::{command_line::Format, output, verdict::Verdict};

/// Tell everything that is known about a number
///
/// Who declares it and where, in which range and band it is, whose it is by lease and since when, who has it now, why it
/// is kept back, and what else could take it.
#[derive(Debug, Args)]
pub(crate) struct Explain {
    /// The number
    #[arg(value_name = "PORT", value_parser = clap::value_parser!(u16).range(1..))]
    port: u16,
    /// In which port space: host, netns:NAME, or the name of another host
    #[arg(long, value_name = "SPACE", default_value = "host", value_parser = argument::space)]
    space: Space,
    #[command(flatten)]
    config: ConfigArguments,
    #[command(flatten)]
    store: StoreArguments,
    /// How to print the answer
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

#[derive(Debug, Serialize)]
struct ExplanationRecord<'a> {
    port: u16,
    space: String,
    declared: Vec<MentionRecord<'a>>,
    range: Option<RangeRecord<'a>>,
    leases: Vec<LeaseRecord<'a>>,
    remembered: Vec<LeaseRecord<'a>>,
    reservations: Vec<ReservationRecord<'a>>,
    /// `vacant`, `passing`, `taken`, `forbidden`, or `null` where it cannot be seen.
    occupancy: Option<&'static str>,
    /// Who has it now, in words.
    holders: &'a [String],
    /// Who else could take it, in words.
    rivals: Vec<String>,
}

#[derive(Debug, Serialize)]
struct MentionRecord<'a> {
    by: &'static str,
    name: &'a str,
    place: &'a str,
}

#[derive(Debug, Serialize)]
struct RangeRecord<'a> {
    name: &'a str,
    ports: String,
    place: &'a str,
    band: &'static str,
    reason: Option<&'a str>,
}

impl Explain {
    pub(crate) fn run(self) -> anyhow::Result<Verdict> {
        let project = match self.config.project_if_any() {
            Ok(project) => project,
            Err(error) => return or_findings(error),
        };
        let explanation = self.store.look()?.explain(project.as_ref(), &self.space, self.port)?;
        match self.format {
            Format::Json => output::print_json(&record(&explanation))?,
            Format::Text => output::print(&text(&explanation, project.is_some()))?,
        }
        Ok(Verdict::Fine)
    }
}

fn record(explanation: &Explanation) -> ExplanationRecord<'_> {
    ExplanationRecord {
        port: explanation.port,
        space: explanation.space.to_string(),
        declared: explanation
            .declared
            .iter()
            .map(|mention| MentionRecord { by: by(mention.by), name: &mention.name, place: &mention.place })
            .collect(),
        range: explanation.range.as_ref().map(|range| RangeRecord {
            name: &range.name,
            ports: range.ports.to_string(),
            place: &range.place,
            band: range.band.word(),
            reason: range.reason.as_deref(),
        }),
        leases: LeaseRecord::all(&explanation.leases),
        remembered: LeaseRecord::all(&explanation.remembered),
        reservations: explanation.reservations.iter().map(ReservationRecord::of).collect(),
        occupancy: explanation.occupancy.map(|occupancy| match occupancy {
            Occupancy::Vacant => "vacant",
            Occupancy::Passing => "passing",
            Occupancy::Taken => "taken",
            Occupancy::Forbidden => "forbidden",
        }),
        holders: &explanation.holders,
        rivals: explanation.rivals.iter().map(Rival::to_string).collect(),
    }
}

fn by(declarant: Declarant) -> &'static str {
    match declarant {
        Declarant::Service => "service",
        Declarant::Port => "port",
    }
}

/// One line for each question; each answer of several stands on a line of its own.
fn text(explanation: &Explanation, has_file: bool) -> String {
    let declared = explanation.declared.iter();
    let declared =
        declared.map(|mention| format!("{} `{}` ({})", by(mention.by), mention.name, mention.place)).collect();
    let range = explanation.range.iter().map(|range| {
        let reason = range.reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default();
        format!("{} {} ({}), {}{reason}", range.name, range.ports, range.place, range.band.word())
    });
    let lease = |lease: &Lease| format!("{} of {}, since {}", lease.owner, lease.owner.project, moment(lease.since));
    let leases = explanation.leases.iter().map(|found| format!("{}, ends {}", lease(found), end(found)));
    let remembered =
        explanation.remembered.iter().map(|found| format!("{} had it before, and gets it again", found.owner));
    let reservations = explanation.reservations.iter().map(|reservation| {
        let until = reservation.expires.map(|time| format!(", until {}", moment(time))).unwrap_or_default();
        format!("{} (since {}{until})", reservation.reason, moment(reservation.since))
    });
    let questions: [(&str, Vec<String>, &str); 6] = [
        ("declared by", declared, if has_file { "nobody" } else { "no file was read" }),
        ("range", range.collect(), "none"),
        ("leased to", leases.chain(remembered).collect(), "nobody"),
        ("reserved", reservations.collect(), "no"),
        ("in use by", in_use(explanation), "nobody"),
        ("could be taken by", explanation.rivals.iter().map(Rival::to_string).collect(), "nobody else"),
    ];
    let space = match &explanation.space {
        Space::Host => String::new(),
        other => format!(" in {other}"),
    };
    let width = questions.iter().map(|(question, ..)| question.len()).max().unwrap_or(0);
    let mut lines = vec![format!("port {}{space}", explanation.port)];
    for (question, answers, none) in questions {
        let answers = if answers.is_empty() { vec![none.to_owned()] } else { answers };
        for (index, answer) in answers.iter().enumerate() {
            let question = if index == 0 { question } else { "" };
            lines.push(format!("  {question:width$}  {answer}"));
        }
    }
    lines.join("\n") + "\n"
}

fn in_use(explanation: &Explanation) -> Vec<String> {
    if !explanation.holders.is_empty() {
        return explanation.holders.clone();
    }
    match explanation.occupancy {
        Some(Occupancy::Vacant) => Vec::new(),
        Some(Occupancy::Passing) => vec!["connections of a server that is gone".to_owned()],
        Some(Occupancy::Taken) => vec!["somebody whom this user cannot see; root can".to_owned()],
        Some(Occupancy::Forbidden) => vec!["not known: this user may not bind it".to_owned()],
        None => vec![format!("not known: it is on {}", explanation.space)],
    }
}
