//! `portcullis probe --watch`: what changes, within a second.
//!
//! One thread looks at the kernel's tables, four times a second, and tells. What is sent to ports is sent from another,
//! so that a service that answers late or never holds up no look.

mod files;
mod telling;
mod trying;

use std::{
    collections::BTreeSet,
    io,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::bail;
use portcullis_config::{Loaded, declared::Declared};
use portcullis_kernel::inventory::Mark;
use portcullis_probe::{
    check::Group,
    estate::Estate,
    report::Report,
    run::{Options, marks, run},
    watch::Watch,
};
use tokio::{
    runtime::{Builder, Runtime},
    signal::unix::{Signal, SignalKind, signal},
    time::sleep,
};

use super::{Probe, ProbeFormat};
use crate::verdict::Verdict;
use files::Files;
use trying::Trying;

/// Between two looks at what listens.
const TICK: Duration = Duration::from_millis(250);

/// Between two looks at who listens, and at queues, where nothing has come or gone; and between two tries.
const SLOW: Duration = Duration::from_secs(2);

impl Probe {
    /// Goes on until a signal says stop; the verdict is that of the last moment.
    pub(super) fn go_on(&self, path: &Path, loaded: Loaded, options: &Options) -> anyhow::Result<Verdict> {
        if !matches!(self.format, ProbeFormat::Text | ProbeFormat::Json) {
            bail!("--watch has no end, so there is nothing for a report in that form; use text or json");
        }
        let mut clock = Clock::start()?;
        let files = Files::of(path, &loaded);
        let mut watching = Watching { probe: self, path, options, watch: None, files };
        let mut loaded = Arc::new(loaded);
        while let Next::File(fresh) = watching.one_file(&loaded, &mut clock)? {
            loaded = Arc::new(*fresh);
        }
        Ok(watching.watch.map_or(Verdict::Fine, |watch| self.verdict(watch.report())))
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
    files: Files,
}

impl Watching<'_> {
    fn one_file(&mut self, loaded: &Arc<Loaded>, clock: &mut Clock) -> anyhow::Result<Next> {
        let Some(declared) = &loaded.declared else { return Ok(Next::Stop) };
        let estate = Estate::new(declared, &loaded.sources);
        let mut known = marks(&estate, self.options);
        self.look(declared, &estate)?;
        let mut looked = Instant::now();
        let mut trying = Trying::new(Arc::clone(loaded), self.path, self.options, self.probe.every);
        loop {
            // Whoever stops reading ends the watch with the next word; a signal ends it at once.
            if !clock.tick() {
                return Ok(Next::Stop);
            }
            if let Some(fresh) = self.files.changed(|message| self.probe.note(message))? {
                return Ok(Next::File(Box::new(fresh)));
            }
            let now: BTreeSet<Mark> = marks(&estate, self.options);
            let has_changed = now != known;
            known = now;
            if has_changed || looked.elapsed() >= SLOW {
                self.look(declared, &estate)?;
                looked = Instant::now();
            }
            if has_changed {
                trying.ask_for_reach();
            }
            if let Some((report, groups)) = trying.go_on() {
                self.tried(report, &groups)?;
            }
        }
    }

    /// Looks at the kernel's tables, and tells what has changed.
    fn look(&mut self, declared: &Declared, estate: &Estate<'_>) -> anyhow::Result<()> {
        let groups = wanted(self.options, &[Group::Inventory]);
        let since = self.watch.as_ref().map(|watch| watch.report().overflows);
        let options = Options { groups: groups.clone(), since, ..self.options.clone() };
        let report = run(estate, &self.path.display().to_string(), &options);
        if self.watch.is_none() {
            self.probe.begin(&report, declared)?;
            // What fails already is news to whoever begins to watch.
            self.watch = Some(Watch::new(Report { outcomes: Vec::new(), ..report.clone() }));
        }
        let Some(watch) = &mut self.watch else { return Ok(()) };
        for event in watch.looked(report, &groups) {
            self.probe.tell_event(&event)?;
        }
        self.probe.write_metrics(watch.report())
    }

    /// Takes in what came of trying.
    fn tried(&mut self, report: Report, groups: &[Group]) -> anyhow::Result<()> {
        let Some(watch) = &mut self.watch else { return Ok(()) };
        let is_first = watch.report().outcomes.iter().all(|outcome| outcome.check.group() == Group::Inventory);
        for event in watch.tried(report, groups) {
            self.probe.tell_event(&event)?;
        }
        if is_first {
            let summary = watch.report().counts().summary();
            self.probe.note(&format!("everything was tried once: {summary}"))?;
        }
        self.probe.write_metrics(watch.report())
    }
}

/// Those of these groups that were asked for.
fn wanted(options: &Options, groups: &[Group]) -> Vec<Group> {
    groups.iter().copied().filter(|group| options.groups.contains(group)).collect()
}
