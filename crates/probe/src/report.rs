//! Everything that one run has to say.

use std::{ops::RangeInclusive, time::Duration};

use portcullis_kernel::inventory::{Inventory, OpenSocket, Overflows, State};
use serde::Serialize;

use crate::{
    check::Severity,
    inventory::holders,
    outcome::{Outcome, THIS_HOST, Verdict},
    run::is_client,
};

/// One run.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// The file that was held against the machine.
    pub file: String,
    /// As whom it was looked: root sees more than others.
    pub user: String,
    /// Seconds since 1970.
    pub started: u64,
    /// How long it took.
    #[serde(rename = "took_ms", serialize_with = "milliseconds")]
    pub took: Duration,
    /// Connections that were opened.
    pub connections: u64,
    /// Every check of every subject; failures first.
    pub outcomes: Vec<Outcome>,
    /// What listens, in every namespace that was looked at.
    pub listeners: Vec<Listener>,
    /// What could not be seen, and why.
    pub unseen: Vec<String>,
    /// The kernel's counters of dropped connections at its end, for the next run to compare with.
    #[serde(skip)]
    pub overflows: Overflows,
}

fn milliseconds<S: serde::Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u64(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX))
}

/// A socket that listens.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Listener {
    /// Network namespace: "this host", or its name.
    pub namespace: String,
    /// `tcp` or `udp`
    pub protocol: &'static str,
    /// Its address.
    pub address: String,
    /// Who listens.
    pub holder: String,
    /// Sockets on this address.
    pub sockets: usize,
    /// Whether it is most likely a client that waits for answers: a UDP socket on an ephemeral number.
    pub client: bool,
}

impl Listener {
    /// `tcp 0.0.0.0:80: nginx (pid 812, user www-data)`
    pub fn words(&self) -> String {
        let Self { protocol, address, holder, .. } = self;
        let namespace = if self.namespace == THIS_HOST { String::new() } else { format!(" in {}", self.namespace) };
        format!("{protocol} {address}{namespace}: {holder}")
    }

    /// Those of one namespace, one for each address and protocol.
    pub fn of(namespace: &str, inventory: &Inventory, ephemeral: &RangeInclusive<u16>) -> Vec<Self> {
        let listening: Vec<&OpenSocket> =
            inventory.sockets.iter().filter(|socket| socket.state == State::Listening).collect();
        let together =
            listening.chunk_by(|first, second| (first.protocol, first.address) == (second.protocol, second.address));
        together
            .map(|sockets| Self {
                namespace: namespace.to_owned(),
                protocol: sockets[0].protocol.word(),
                address: sockets[0].address.to_string(),
                holder: holders(sockets),
                sockets: sockets.len(),
                client: is_client(sockets[0].protocol, sockets[0].address.port(), ephemeral),
            })
            .collect()
    }
}

/// How many outcomes there are of each kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Counts {
    /// As declared.
    pub passed: usize,
    /// Not as declared, and bad.
    pub errors: usize,
    /// Not as declared, and a person should look.
    pub warnings: usize,
    /// Could not be made.
    pub unknown: usize,
}

impl Report {
    /// How many outcomes there are of each kind.
    pub fn counts(&self) -> Counts {
        let mut counts = Counts::default();
        for outcome in &self.outcomes {
            match (outcome.verdict, outcome.severity) {
                (Verdict::Pass, _) => counts.passed += 1,
                (Verdict::Unknown, _) => counts.unknown += 1,
                (Verdict::Fail, Severity::Error) => counts.errors += 1,
                (Verdict::Fail, Severity::Warning) => counts.warnings += 1,
            }
        }
        counts
    }

    /// Failures first, errors before warnings, then what is unknown, then what passed; in the order of the checks.
    pub fn sort(&mut self) {
        self.outcomes.sort_by_key(|outcome| {
            let rank = match outcome.verdict {
                Verdict::Fail => 0,
                Verdict::Unknown => 1,
                Verdict::Pass => 2,
            };
            (rank, outcome.severity, outcome.check)
        });
    }
}

impl Counts {
    /// `38 checks: 33 passed, 2 errors, 1 warning, 2 unknown`
    pub fn summary(self) -> String {
        let Self { passed, errors, warnings, unknown } = self;
        let count = |number: usize, word: &str| match number {
            1 => format!(", 1 {word}"),
            number => format!(", {number} {word}s"),
        };
        let mut text = match passed + errors + warnings + unknown {
            1 => format!("1 check: {passed} passed"),
            checks => format!("{checks} checks: {passed} passed"),
        };
        if errors > 0 {
            text.push_str(&count(errors, "error"));
        }
        if warnings > 0 {
            text.push_str(&count(warnings, "warning"));
        }
        let unknown = if unknown > 0 { format!(", {unknown} unknown") } else { String::new() };
        text + &unknown
    }
}
