//! Connections to the ports, beside the looks.

use std::{
    path::{Path, PathBuf},
    sync::{
        Arc,
        mpsc::{Receiver, TryRecvError, sync_channel},
    },
    thread,
    time::{Duration, Instant},
};

use portcullis_config::Loaded;
use portcullis_probe::{
    bounds::Stop,
    check::Group,
    estate::Estate,
    report::Report,
    run::{Options, run},
};

use super::{SLOW, wanted};

/// What is tried over one state of the file: one run at a time, on a thread of its own.
pub(super) struct Trying<'o> {
    loaded: Arc<Loaded>,
    path: PathBuf,
    options: &'o Options,
    /// Between two runs of everything.
    every: Duration,
    under_way: Option<UnderWay>,
    everything_at: Option<Instant>,
    anything_at: Option<Instant>,
    is_reach_asked_for: bool,
}

struct UnderWay {
    groups: Vec<Group>,
    report: Receiver<Report>,
    stop: Stop,
}

impl<'o> Trying<'o> {
    pub(super) fn new(loaded: Arc<Loaded>, path: &Path, options: &'o Options, every: Duration) -> Self {
        Self {
            loaded,
            path: path.to_owned(),
            options,
            every,
            under_way: None,
            everything_at: None,
            anything_at: None,
            is_reach_asked_for: false,
        }
    }

    /// Listeners came or went: what can be reached may have changed.
    pub(super) fn ask_for_reach(&mut self) {
        self.is_reach_asked_for = true;
    }

    /// What came of the run that has just ended, if one has, and of which groups it was. Begins the next one when it is due.
    pub(super) fn go_on(&mut self) -> Option<(Report, Vec<Group>)> {
        let done = self.done();
        if self.under_way.is_none() {
            self.begin_what_is_due();
        }
        done
    }

    fn done(&mut self) -> Option<(Report, Vec<Group>)> {
        let under_way = self.under_way.as_ref()?;
        match under_way.report.try_recv() {
            Err(TryRecvError::Empty) => None,
            Err(TryRecvError::Disconnected) => {
                self.under_way = None;
                None
            }
            Ok(report) => self.under_way.take().map(|done| (report, done.groups)),
        }
    }

    /// Listeners that come and go all the time do not make for a run after each: ports have others to answer.
    fn begin_what_is_due(&mut self) {
        let is_past = |moment: Option<Instant>, pause: Duration| moment.is_none_or(|moment| moment.elapsed() >= pause);
        let is_all_due = is_past(self.everything_at, self.every);
        let is_reach_due = self.is_reach_asked_for && is_past(self.anything_at, SLOW);
        let groups = match (is_all_due, is_reach_due) {
            (true, _) => wanted(self.options, &[Group::Reach, Group::Attack]),
            (false, true) => wanted(self.options, &[Group::Reach]),
            (false, false) => return,
        };
        let now = Instant::now();
        if is_all_due {
            self.everything_at = Some(now);
        }
        self.anything_at = Some(now);
        self.is_reach_asked_for = false;
        if !groups.is_empty() {
            self.under_way = Some(self.begin(groups));
        }
    }

    fn begin(&self, groups: Vec<Group>) -> UnderWay {
        let (loaded, file, stop) = (Arc::clone(&self.loaded), self.path.display().to_string(), Stop::default());
        let options = Options { groups: groups.clone(), stop: stop.clone(), ..self.options.clone() };
        let (sender, report) = sync_channel(1);
        thread::spawn(move || {
            let Some(declared) = &loaded.declared else { return };
            // Names are resolved anew: they may lead elsewhere by now.
            let estate = Estate::new(declared, &loaded.sources);
            // Nobody waits for it any more where the file has changed.
            let _ = sender.send(run(&estate, &file, &options));
        });
        UnderWay { groups, report, stop }
    }
}

impl Drop for Trying<'_> {
    fn drop(&mut self) {
        if let Some(under_way) = &self.under_way {
            under_way.stop.now();
        }
    }
}
