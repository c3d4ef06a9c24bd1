//! `portcullis probe --watch`: what changes, within a second.

use std::{
    collections::BTreeSet,
    fs, io,
    path::{Path, PathBuf},
    time::{Duration, Instant, SystemTime},
};

use anyhow::bail;
use portcullis_config::{Loaded, load};
use portcullis_kernel::inventory::Mark;
use portcullis_probe::{
    check::Group,
    estate::Estate,
    output::render_outcome,
    report::Report,
    run::{Options, marks, run},
    watch::{Event, Watch},
};
use serde::Serialize;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};
use tokio::{
    runtime::{Builder, Runtime},
    signal::unix::{Signal, SignalKind, signal},
    time::sleep,
};

use super::{Probe, ProbeFormat, style};
use crate::{output, verdict::Verdict};

/// Between two looks at what listens.
const TICK: Duration = Duration::from_millis(250);

/// Between two looks at who listens, and at queues, where nothing has come or gone.
const SLOW: Duration = Duration::from_secs(2);

impl Probe {
    /// Goes on until a signal says stop; the verdict is that of the last moment.
    pub(super) fn go_on(&self, path: &Path, loaded: Loaded, options: &Options) -> anyhow::Result<Verdict> {
        if !matches!(self.format, ProbeFormat::Text | ProbeFormat::Json) {
            bail!("--watch has no end, so there is nothing for a report in that form; use text or json");
        }
        let mut clock = Clock::start()?;
        let mut watching = Watching { probe: self, path, options, watch: None, stamps: Stamps::default() };
        let mut loaded = loaded;
        loop {
            match watching.one_file(&loaded, &mut clock)? {
                Next::Stop => return Ok(watching.watch.map_or(Verdict::Fine, |watch| self.verdict(watch.report()))),
                Next::File(fresh) => loaded = *fresh,
            }
        }
    }
}

/// What ends the watch over one state of the file.
enum Next {
    Stop,
    /// It was changed, and is right.
    File(Box<Loaded>),
}

/// Waits for a moment, or for a signal.
struct Clock {
    runtime: Runtime,
    terminate: Signal,
    interrupt: Signal,
}

impl Clock {
    fn start() -> io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let entered = runtime.enter();
        let (terminate, interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
        drop(entered);
        Ok(Self { runtime, terminate, interrupt })
    }

    /// Whether to go on.
    fn tick(&mut self) -> bool {
        let Self { runtime, terminate, interrupt } = self;
        runtime.block_on(async {
            tokio::select! {
                () = sleep(TICK) => true,
                _ = terminate.recv() => false,
                _ = interrupt.recv() => false,
            }
        })
    }
}

struct Watching<'p> {
    probe: &'p Probe,
    path: &'p Path,
    options: &'p Options,
    watch: Option<Watch>,
    stamps: Stamps,
}

impl Watching<'_> {
    fn one_file(&mut self, loaded: &Loaded, clock: &mut Clock) -> anyhow::Result<Next> {
        let Some(declared) = &loaded.declared else { return Ok(Next::Stop) };
        self.stamps = Stamps::of(&declared.sources);
        let estate = Estate::new(declared, &loaded.sources);
        let mut known = marks(&estate, self.options);
        self.look(&estate, &self.options.groups)?;
        let (mut looked, mut tried) = (Instant::now(), Instant::now());
        loop {
            if !clock.tick() {
                return Ok(Next::Stop);
            }
            if let Some(fresh) = self.changed_file()? {
                return Ok(Next::File(Box::new(fresh)));
            }
            let now: BTreeSet<Mark> = marks(&estate, self.options);
            let has_changed = now != known;
            known = now;
            if has_changed || looked.elapsed() >= SLOW {
                self.look(&estate, &self.wanted(&[Group::Inventory]))?;
                looked = Instant::now();
            }
            if tried.elapsed() >= self.probe.every {
                self.look(&estate, &self.options.groups)?;
                tried = Instant::now();
            } else if has_changed {
                self.look(&estate, &self.wanted(&[Group::Reach]))?;
            }
        }
    }

    /// Those of these groups that were asked for.
    fn wanted(&self, groups: &[Group]) -> Vec<Group> {
        groups.iter().copied().filter(|group| self.options.groups.contains(group)).collect()
    }

    /// Runs some groups and tells what has changed.
    fn look(&mut self, estate: &Estate<'_>, groups: &[Group]) -> anyhow::Result<()> {
        let since = self.watch.as_ref().map(|watch| watch.report().overflows);
        let options = Options { groups: groups.to_vec(), since, ..self.options.clone() };
        let report = run(estate, &self.path.display().to_string(), &options);
        if self.watch.is_none() {
            self.probe.begin(&report)?;
            // What fails already is news to whoever begins to watch.
            self.watch = Some(Watch::new(Report { outcomes: Vec::new(), ..report.clone() }));
        }
        let Some(watch) = &mut self.watch else { return Ok(()) };
        for event in watch.observe(report, groups) {
            self.probe.tell_event(&event)?;
        }
        self.probe.write_metrics(watch.report())
    }

    /// The file as it is now, if it was changed and is right. What is wrong with it is told once, and the last state
    /// that was right goes on to count.
    fn changed_file(&mut self) -> anyhow::Result<Option<Loaded>> {
        if !self.stamps.differ() {
            return Ok(None);
        }
        let fresh = load(self.path);
        self.stamps.renew();
        if fresh.has_errors() || fresh.declared.is_none() {
            let count = fresh.findings.iter().filter(|finding| finding.is_error()).count();
            let shown = self.path.display();
            self.probe.note(&format!(
                "{shown} has changed and has {count} errors (`portcullis check`); the last one counts"
            ))?;
            return Ok(None);
        }
        self.probe.note(&format!("{} has changed", self.path.display()))?;
        Ok(Some(fresh))
    }
}

/// When files were last changed.
#[derive(Debug, Default)]
struct Stamps(Vec<(PathBuf, Option<SystemTime>)>);

impl Stamps {
    fn of(paths: &[PathBuf]) -> Self {
        Self(paths.iter().map(|path| (path.clone(), stamp(path))).collect())
    }

    fn differ(&self) -> bool {
        self.0.iter().any(|(path, known)| stamp(path) != *known)
    }

    fn renew(&mut self) {
        for (path, known) in &mut self.0 {
            *known = stamp(path);
        }
    }
}

fn stamp(path: &Path) -> Option<SystemTime> {
    fs::metadata(path).and_then(|metadata| metadata.modified()).ok()
}

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
    fn begin(&self, report: &Report) -> anyhow::Result<()> {
        let (file, listeners) = (&report.file, report.listeners.len());
        self.note(&format!("watching {listeners} listeners against {file}: {}", report.counts().summary()))
    }

    fn note(&self, message: &str) -> anyhow::Result<()> {
        match self.format {
            ProbeFormat::Json => line(&Note { time: now(), event: "note", message }),
            _ => output::print(&format!("{} {message}\n", now())),
        }
    }

    fn tell_event(&self, event: &Event) -> anyhow::Result<()> {
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

fn line(value: &impl Serialize) -> anyhow::Result<()> {
    output::print(&format!("{}\n", serde_json::to_string(value)?))
}

/// `2026-11-21T10:15:03.25Z`
fn now() -> String {
    let now = OffsetDateTime::now_utc();
    let now = now.replace_millisecond(now.millisecond()).unwrap_or(now);
    now.format(&Rfc3339).unwrap_or_default()
}
