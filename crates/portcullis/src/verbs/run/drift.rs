//! The look for drift that the running proxy takes: that of `portcullis probe --only inventory`.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use portcullis_control::{DriftLook, DriftSeen, Running, answers::DriftReport};
use portcullis_kernel::inventory::{Mark, Overflows};
use portcullis_probe::{
    check::{CHECKS, Group},
    estate::Estate,
    outcome::{Outcome, Verdict},
    run::{Options, marks, run},
};

/// Whose sockets they are, and how full their queues, is looked at this often although no listener has come or gone: it
/// costs a look at every process.
const WHOLE_EVERY: Duration = Duration::from_mins(1);

/// A look that remembers what it saw.
pub(super) fn look() -> DriftLook {
    let mut looker = Looker::default();
    Box::new(move |running| looker.look(running))
}

#[derive(Default)]
struct Looker {
    last: Option<Look>,
    since: Option<Overflows>,
}

struct Look {
    at: Instant,
    generation: u64,
    marks: BTreeSet<Mark>,
    seen: DriftSeen,
}

impl Looker {
    fn look(&mut self, running: &Running) -> DriftSeen {
        let estate = Estate::new(&running.declared, &running.sources);
        let options = self.options();
        let (generation, marks) = (running.plan.generation, marks(&estate, &options));
        let is_same =
            |last: &&Look| last.generation == generation && last.marks == marks && last.at.elapsed() < WHOLE_EVERY;
        if let Some(last) = self.last.as_ref().filter(is_same) {
            return last.seen.clone();
        }
        let report = run(&estate, "", &options);
        self.since = Some(report.overflows);
        let failed = report.outcomes.iter().filter(|outcome| outcome.verdict == Verdict::Fail);
        let of_inventory = CHECKS.iter().filter(|entry| entry.check.group() == Group::Inventory);
        let seen =
            DriftSeen { drifts: failed.map(reported).collect(), checks: of_inventory.map(|entry| entry.id).collect() };
        self.last = Some(Look { at: Instant::now(), generation, marks, seen: seen.clone() });
        seen
    }

    fn options(&self) -> Options {
        Options {
            groups: vec![Group::Inventory],
            proxy: i32::try_from(std::process::id()).ok(),
            since: self.since,
            ..Options::default()
        }
    }
}

fn reported(outcome: &Outcome) -> DriftReport {
    DriftReport {
        check: outcome.check.id().to_owned(),
        severity: outcome.severity.word().to_owned(),
        subject: outcome.subject.clone(),
        message: outcome.got.clone(),
        fix: outcome.fix.clone(),
        place: outcome.place.as_ref().map(ToString::to_string),
    }
}
