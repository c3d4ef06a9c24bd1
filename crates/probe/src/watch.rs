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

    /// Takes in a look: who listens by now, and what some groups have to say. What others said stays as it was.
    pub fn looked(&mut self, run: Report, groups: &[Group]) -> Vec<Event> {
        let mut events = listeners(&self.report.listeners, &run.listeners);
        events.extend(self.take_in(run.outcomes, groups));
        self.report.started = run.started;
        self.report.listeners = run.listeners;
        self.report.unseen = run.unseen;
        self.report.overflows = run.overflows;
        events
    }

    /// Takes in what came of trying, which began a while ago: listeners have been looked at since.
    pub fn tried(&mut self, run: Report, groups: &[Group]) -> Vec<Event> {
        let Report { outcomes, took, connections, .. } = run;
        (self.report.took, self.report.connections) = (took, connections);
        self.take_in(outcomes, groups)
    }

    fn take_in(&mut self, fresh: Vec<Outcome>, groups: &[Group]) -> Vec<Event> {
        let events = outcomes(&self.report.outcomes, &fresh, groups);
        self.report.outcomes.retain(|outcome| !groups.contains(&outcome.check.group()));
        self.report.outcomes.extend(fresh);
        self.report.sort();
        events
    }
}

fn listeners(before: &[Listener], now: &[Listener]) -> Vec<Event> {
    fn by_place(listeners: &[Listener]) -> BTreeMap<Place<'_>, &Listener> {
        let servers = listeners.iter().filter(|one| !one.client);
        servers.map(|one| ((one.namespace.as_str(), one.protocol, one.address.as_str()), one)).collect()
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

/// What stays the same of an outcome from run to run, and which it is of several that have that in common: a subject may
/// be asked one thing in several ways, of a certificate for each host for one.
type Key<'o> = ((Check, &'o str, &'o str), usize);

fn by_key<'o>(outcomes: &'o [Outcome], groups: &[Group]) -> BTreeMap<Key<'o>, &'o Outcome> {
    let mut of_groups: Vec<&Outcome> =
        outcomes.iter().filter(|outcome| groups.contains(&outcome.check.group())).collect();
    of_groups.sort_by_key(|outcome| (outcome.key(), &outcome.tried));
    let alike = of_groups.chunk_by(|first, second| first.key() == second.key());
    let numbered = alike.flat_map(|alike| alike.iter().enumerate());
    numbered.map(|(index, outcome)| ((outcome.key(), index), *outcome)).collect()
}

fn outcomes(before: &[Outcome], now: &[Outcome], groups: &[Group]) -> Vec<Event> {
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
            client: false,
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
        let events = watch.looked(report(&[("127.0.0.1:2", "c"), ("127.0.0.1:3", "d")], Vec::new()), &Group::ALL);
        assert_eq!(names(&events), ["gone", "handed", "appeared"]);
        let events = watch.looked(report(&[("127.0.0.1:2", "c"), ("127.0.0.1:3", "d")], Vec::new()), &Group::ALL);
        assert_eq!(events, []);
    }

    #[test]
    fn clients_that_come_and_go_are_not_told() {
        let mut with_client = report(&[("0.0.0.0:45123", "resolver")], Vec::new());
        with_client.listeners[0].client = true;
        let mut watch = Watch::new(report(&[], Vec::new()));
        assert_eq!(watch.looked(with_client, &Group::ALL), []);
        assert_eq!(watch.looked(report(&[], Vec::new()), &Group::ALL), []);
    }

    #[test]
    fn what_was_tried_says_nothing_of_listeners_that_came_meanwhile() {
        let mut watch = Watch::new(report(&[("127.0.0.1:1", "a")], Vec::new()));
        let exposed = Outcome::fail(Check::ExposedPort, "port `web`", "", "");
        let events = watch.tried(report(&[], vec![exposed.clone()]), &[Group::Reach]);
        assert_eq!(events, [Event::Failed(exposed)]);
        assert_eq!(watch.report().listeners.len(), 1);
    }

    #[test]
    fn several_outcomes_of_one_subject_are_each_told() {
        let shown = |host: &str, verdict| Outcome {
            verdict,
            ..Outcome::pass(Check::WrongCertificate, "port `web`", format!("asked for {host}"), "")
        };
        let mut watch = Watch::new(report(&[], Vec::new()));
        let both = vec![shown("a", Verdict::Fail), shown("b", Verdict::Fail)];
        assert_eq!(names(&watch.tried(report(&[], both), &[Group::Reach])), ["failed", "failed"]);
        let one = vec![shown("a", Verdict::Pass), shown("b", Verdict::Fail)];
        assert_eq!(names(&watch.tried(report(&[], one), &[Group::Reach])), ["resolved"]);
    }

    #[test]
    fn verdicts_are_told_when_they_change_and_kept_for_groups_that_were_not_looked_at() {
        let dead = |verdict| Outcome { verdict, ..Outcome::pass(Check::DeadPort, "port `web`", "", "") };
        let exposed = Outcome::fail(Check::ExposedPort, "port `web`", "", "");
        let mut watch = Watch::new(report(&[], vec![dead(Verdict::Pass), exposed.clone()]));
        let mut see = |outcomes: Vec<Outcome>, groups: &[Group]| names(&watch.looked(report(&[], outcomes), groups));
        assert_eq!(see(vec![dead(Verdict::Fail)], &[Group::Inventory]), ["failed"]);
        assert_eq!(see(vec![dead(Verdict::Fail)], &[Group::Inventory]), Vec::<String>::new());
        assert_eq!(see(vec![dead(Verdict::Unknown)], &[Group::Inventory]), ["unclear"]);
        assert_eq!(see(vec![dead(Verdict::Fail)], &[Group::Inventory]), ["failed"]);
        assert_eq!(see(vec![], &[Group::Inventory]), ["resolved"]);
        assert_eq!(see(vec![], &[Group::Reach]), ["resolved"], "it was still known");
    }
}
