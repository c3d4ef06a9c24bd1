//! What changes from one look to the next.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::{
    check::{Check, Group},
    outcome::{Outcome, Verdict},
    report::{Listener, Report},
};

/// The last that is known, and what has changed since.
#[derive(Debug)]
pub struct Watch {
    report: Report,
}

/// A change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum Event {
    /// Something listens that did not.
    Appeared(Listener),
    /// Something listens no more.
    Gone(Listener),
    /// Another process listens where one did.
    Handed {
        /// As it is now.
        #[serde(flatten)]
        listener: Listener,
        /// Who listened before.
        before: String,
    },
    /// A check fails that did not.
    Failed(Outcome),
    /// A check fails no more, or what it was about is gone; as it was when it failed.
    Resolved(Outcome),
    /// A check that failed can not be made any more; as it is now.
    Unclear(Outcome),
}

type Place<'r> = (&'r str, &'static str, &'r str);

impl Watch {
    /// Begins with a whole run.
    pub fn new(report: Report) -> Self {
        Self { report }
    }

    /// Everything as it was last seen.
    pub fn report(&self) -> &Report {
        &self.report
    }

    /// Takes in a run of some groups; tells what has changed. What other groups said stays as it was.
    pub fn observe(&mut self, mut run: Report, groups: &[Group]) -> Vec<Event> {
        let mut events = listeners(&self.report.listeners, &run.listeners);
        events.extend(outcomes(&self.report.outcomes, &run.outcomes, groups));
        let is_kept = |outcome: &Outcome| !groups.contains(&outcome.check.group());
        run.outcomes.extend(self.report.outcomes.drain(..).filter(is_kept));
        run.sort();
        self.report = run;
        events
    }
}

fn listeners(before: &[Listener], now: &[Listener]) -> Vec<Event> {
    fn by_place(listeners: &[Listener]) -> BTreeMap<Place<'_>, &Listener> {
        listeners.iter().map(|one| ((one.namespace.as_str(), one.protocol, one.address.as_str()), one)).collect()
    }
    let (before, now) = (by_place(before), by_place(now));
    let gone = before.iter().filter(|(place, _)| !now.contains_key(*place)).map(|(_, one)| Event::Gone((*one).clone()));
    let mut events: Vec<Event> = gone.collect();
    for (place, listener) in &now {
        match before.get(place) {
            None => events.push(Event::Appeared((*listener).clone())),
            Some(old) if old.holder != listener.holder => {
                events.push(Event::Handed { listener: (*listener).clone(), before: old.holder.clone() });
            }
            Some(_) => {}
        }
    }
    events
}

fn outcomes(before: &[Outcome], now: &[Outcome], groups: &[Group]) -> Vec<Event> {
    // A subject may be asked one thing in several ways, of a certificate for each host for one.
    type Key<'o> = (Check, &'o str, &'o str, &'o str);
    fn by_key<'o>(outcomes: &'o [Outcome], groups: &[Group]) -> BTreeMap<Key<'o>, &'o Outcome> {
        let of_groups = outcomes.iter().filter(|outcome| groups.contains(&outcome.check.group()));
        let key = |outcome: &'o Outcome| {
            let way = if outcome.check == Check::WrongCertificate { outcome.tried.as_str() } else { "" };
            (outcome.check, outcome.subject.as_str(), outcome.vantage.as_str(), way)
        };
        of_groups.map(|outcome| (key(outcome), outcome)).collect()
    }
    let (before, now) = (by_key(before, groups), by_key(now, groups));
    let failed = |outcome: Option<&&Outcome>| outcome.is_some_and(|outcome| outcome.verdict == Verdict::Fail);
    let mut events = Vec::new();
    for (key, old) in before.iter().filter(|(_, old)| old.verdict == Verdict::Fail) {
        match now.get(key) {
            Some(new) if new.verdict == Verdict::Unknown => events.push(Event::Unclear((*new).clone())),
            Some(new) if new.verdict == Verdict::Fail => {}
            _ => events.push(Event::Resolved((*old).clone())),
        }
    }
    for (key, new) in now.iter().filter(|(_, new)| new.verdict == Verdict::Fail) {
        if !failed(before.get(key)) {
            events.push(Event::Failed((*new).clone()));
        }
    }
    events
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use portcullis_kernel::inventory::Overflows;

    use super::*;

    fn report(listeners: &[(&str, &str)], outcomes: Vec<Outcome>) -> Report {
        let listener = |(address, holder): &(&str, &str)| Listener {
            namespace: "this host".to_owned(),
            protocol: "tcp",
            address: (*address).to_owned(),
            holder: (*holder).to_owned(),
            sockets: 1,
        };
        Report {
            file: String::new(),
            user: String::new(),
            started: 0,
            took: Duration::ZERO,
            connections: 0,
            outcomes,
            listeners: listeners.iter().map(listener).collect(),
            unseen: Vec::new(),
            overflows: Overflows::default(),
        }
    }

    fn names(events: &[Event]) -> Vec<String> {
        let name = |event: &Event| serde_json::to_value(event).unwrap_or_default()["event"].as_str().map(str::to_owned);
        events.iter().filter_map(name).collect()
    }

    #[test]
    fn listeners_that_come_go_and_change_hands_are_told() {
        let mut watch = Watch::new(report(&[("127.0.0.1:1", "a"), ("127.0.0.1:2", "b")], Vec::new()));
        let events = watch.observe(report(&[("127.0.0.1:2", "c"), ("127.0.0.1:3", "d")], Vec::new()), &Group::ALL);
        assert_eq!(names(&events), ["gone", "handed", "appeared"]);
        let events = watch.observe(report(&[("127.0.0.1:2", "c"), ("127.0.0.1:3", "d")], Vec::new()), &Group::ALL);
        assert_eq!(events, []);
    }

    #[test]
    fn verdicts_are_told_when_they_change_and_kept_for_groups_that_were_not_looked_at() {
        let dead = |verdict| Outcome { verdict, ..Outcome::pass(Check::DeadPort, "port `web`", "", "") };
        let exposed = Outcome::fail(Check::ExposedPort, "port `web`", "", "");
        let mut watch = Watch::new(report(&[], vec![dead(Verdict::Pass), exposed.clone()]));
        let mut see = |outcomes: Vec<Outcome>, groups: &[Group]| names(&watch.observe(report(&[], outcomes), groups));
        assert_eq!(see(vec![dead(Verdict::Fail)], &[Group::Inventory]), ["failed"]);
        assert_eq!(see(vec![dead(Verdict::Fail)], &[Group::Inventory]), Vec::<String>::new());
        assert_eq!(see(vec![dead(Verdict::Unknown)], &[Group::Inventory]), ["unclear"]);
        assert_eq!(see(vec![dead(Verdict::Fail)], &[Group::Inventory]), ["failed"]);
        assert_eq!(see(vec![], &[Group::Inventory]), ["resolved"]);
        assert_eq!(see(vec![], &[Group::Reach]), ["resolved"], "it was still known");
    }
}
