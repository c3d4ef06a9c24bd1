//! Reachability: what can be connected to from where, held against what is declared, both ways round.
//!
//! Every port and endpoint of the file is tried at every address of this host, over IPv4 and IPv6, from this host and from
//! each network namespace that was asked for. What must be open is, and speaks what it is declared to speak; what must
//! not be open is not.

mod cases;
mod certificates;
mod isolation;
mod judge;

use std::{collections::BTreeMap, sync::Arc};

use portcullis_kernel::{inventory::Inventory, namespace::Namespace};
use tokio::{runtime::Builder, sync::Semaphore, task::JoinSet};

use crate::{
    bounds::Budget,
    estate::Estate,
    outcome::{Outcome, THIS_HOST},
    permit::{Permit, Target},
    wire::{Answer, Expected, Protocol, Speaks, dial, speak},
};

pub(crate) use cases::{host_of, protocol_of_port, reachable_through};
pub(crate) use judge::admits;

/// Where it is tried from, and with which means.
#[derive(Debug)]
pub struct Vantages<'r> {
    /// Network namespaces beside this one.
    pub namespaces: &'r [Namespace],
    /// What listens in them, by name.
    pub inventories: &'r BTreeMap<String, Inventory>,
    /// What may be spoken to.
    pub permit: &'r Permit,
    /// What is left of the bounds.
    pub budget: &'r Arc<Budget>,
}

/// Tries everything from everywhere.
pub fn check(estate: &Estate<'_>, vantages: &Vantages<'_>) -> Vec<Outcome> {
    let mut outcomes = Vec::new();
    let cases = cases::from_here(estate, vantages.permit);
    let results = attempt_all(&Namespace::own(), &cases, vantages.budget);
    outcomes.extend(judge::judge(THIS_HOST, &cases, results));
    outcomes.extend(certificates::check(estate, vantages.permit, vantages.budget));
    for name in estate.namespaces() {
        let Ok(namespace) = Namespace::named(name) else { continue };
        let cases = cases::inside(estate, name, vantages.permit);
        let results = attempt_all(&namespace, &cases, vantages.budget);
        outcomes.extend(judge::judge(name, &cases, results));
    }
    for namespace in vantages.namespaces.iter().filter(|namespace| !namespace.is_own()) {
        let cases = cases::from_elsewhere(estate, vantages.permit);
        let results = attempt_all(namespace, &cases, vantages.budget);
        outcomes.extend(judge::judge(&namespace.to_string(), &cases, results));
    }
    outcomes.extend(isolation::check(vantages));
    outcomes
}

/// One connection to try.
#[derive(Debug, Clone)]
pub(crate) struct Attempt {
    pub(crate) target: Target,
    pub(crate) expected: Expected,
    pub(crate) curiosity: Curiosity,
}

/// What to do with somebody who accepts and closes without a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Curiosity {
    /// That is the answer.
    None,
    /// Speak to it in other protocols: it may be another program than expected.
    TryOthers,
}

/// What came of one: the answer, and as whom it was asked.
#[derive(Debug, Clone)]
pub(crate) struct Attempted {
    pub(crate) answer: Answer,
    pub(crate) source: Option<std::net::IpAddr>,
}

impl Attempted {
    fn not_tried(why: &str) -> Self {
        Self { answer: Answer::NotTried(why.to_owned()), source: None }
    }
}

fn attempt_all(from: &Namespace, cases: &[cases::Case<'_>], budget: &Arc<Budget>) -> Vec<Attempted> {
    attempt(from, cases.iter().map(|case| case.attempt.clone()).collect(), budget)
}

/// Tries all of them, several at one time, on a thread that is inside the namespace. In the order in which they were
/// given.
pub(crate) fn attempt(from: &Namespace, attempts: Vec<Attempt>, budget: &Arc<Budget>) -> Vec<Attempted> {
    let count = attempts.len();
    let inside = from.run(|| {
        // A runtime of its own: its sockets belong to the namespace of the thread that makes them.
        let runtime = Builder::new_current_thread().enable_all().build().map_err(|error| error.to_string())?;
        Ok::<_, String>(runtime.block_on(attempt_here(attempts, budget)))
    });
    match inside {
        Ok(Ok(attempted)) => attempted,
        Ok(Err(why)) => vec![Attempted::not_tried(&why); count],
        Err(error) => vec![Attempted::not_tried(&error.to_string()); count],
    }
}

async fn attempt_here(attempts: Vec<Attempt>, budget: &Arc<Budget>) -> Vec<Attempted> {
    let room = Arc::new(Semaphore::new(budget.bounds().at_once));
    let mut attempted = vec![Attempted::not_tried("it was given up"); attempts.len()];
    let mut running = JoinSet::new();
    for (index, attempt) in attempts.into_iter().enumerate() {
        let (room, budget) = (Arc::clone(&room), Arc::clone(budget));
        running.spawn(async move {
            let _place = room.acquire_owned().await;
            (index, one(attempt, &budget).await)
        });
    }
    while let Some(done) = running.join_next().await {
        if let Ok((index, result)) = done {
            attempted[index] = result;
        }
    }
    attempted
}

async fn one(attempt: Attempt, budget: &Budget) -> Attempted {
    let mut source = None;
    let (address, expected) = (attempt.target.address().ip(), &attempt.expected);
    let answer = dial(attempt.target, budget, |wire| {
        source = Some(wire.source().ip().to_canonical());
        speak(wire, address, expected)
    });
    let mut answer = answer.await;
    // Redis, for one, closes without a word on whoever speaks HTTP to it.
    if answer == Answer::Denied && attempt.curiosity == Curiosity::TryOthers {
        for protocol in
            [Protocol::Redis, Protocol::Http, Protocol::Postgres].iter().filter(|other| **other != expected.protocol)
        {
            let other = Expected { protocol: *protocol, ..expected.clone() };
            match dial(attempt.target, budget, |wire| speak(wire, address, &other)).await {
                Answer::Open(speaks) if speaks != Speaks::Silent => {
                    answer = Answer::Open(speaks);
                    break;
                }
                _ => {}
            }
        }
    }
    Attempted { answer, source }
}
