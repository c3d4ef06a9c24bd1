//! Assertions over the estate: `public -/-> role:database` says that no way leads from the internet to a database.
//!
//! Proven, refuted with the ways that refute it, or unknown with what would have to be known. A way that cannot be
//! followed to its end is never counted as harmless.

use std::{fmt, str::FromStr};

use super::{
    chains,
    facts::{Assertion, Facts, Reach, Role},
    ways::{LooseEnd, Way, Ways},
};
use crate::{
    finding::Finding,
    rule::{Default, Rule, Severity},
    sensitive,
};

/// An assertion of the file that does not hold.
pub static REFUTED: Rule = Rule {
    id: "PC152",
    name: "refuted-assertion",
    severity: Severity::Critical,
    title: "an assertion about who reaches what does not hold, or cannot be proven",
    why: "Somebody wrote down what must never happen, and the files together say that it does.",
    remedy: "Cut the way that is shown at one of its hops, or change the assertion if it is no longer meant.",
    default: Default::On,
};

/// What is asserted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    from: Source,
    relation: Relation,
    to: Sink,
    /// `unless identified`: ways that ask for a proof of identity do not count.
    only_anonymous: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Relation {
    /// `->`
    Reaches,
    /// `-/->`
    DoesNotReach,
}

/// Who calls.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Source {
    /// Whoever is at least this far away.
    Zone(Reach),
    /// Whoever comes in by a listener whose part or title has this name.
    Listener(String),
}

/// What is called.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Sink {
    Anything,
    Role(Role),
    Workload(String),
    Port(u16),
}

/// Why a text is no assertion.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// There is no arrow.
    #[error("an assertion is written `public -/-> role:database`, with `->` for what must be reached")]
    Arrow,
    /// The word before the arrow.
    #[error("`{0}` is no caller; write `public`, `private`, `host` or `port:NAME`")]
    Source(String),
    /// The word behind the arrow.
    #[error("`{0}` is no receiver; write `role:ROLE`, `service:NAME`, `port:NUMBER` or `*`")]
    Sink(String),
    /// `role:something`.
    #[error("there is no role `{0}`; there are {roles}", roles = roles())]
    Role(String),
}

/// What came of it.
#[derive(Debug)]
pub enum Verdict<'w, 'f> {
    /// It holds.
    Proven,
    /// It does not, and these ways show it; none for something that should be reached and is not.
    Refuted(Vec<&'w Way<'f>>),
    /// These ends would have to be known.
    Unknown(Vec<&'w LooseEnd<'f>>),
}

impl FromStr for Claim {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        let (text, only_anonymous) = match text.trim().strip_suffix("unless identified") {
            Some(text) => (text.trim(), true),
            None => (text.trim(), false),
        };
        let (relation, (from, to)) = match text.split_once("-/->") {
            Some(sides) => (Relation::DoesNotReach, sides),
            None => (Relation::Reaches, text.split_once("->").ok_or(Malformed::Arrow)?),
        };
        Ok(Self { from: from.trim().parse()?, relation, to: to.trim().parse()?, only_anonymous })
    }
}

impl FromStr for Source {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        match text {
            "public" | "internet" => Ok(Self::Zone(Reach::Internet)),
            "private" | "lan" => Ok(Self::Zone(Reach::Private)),
            "host" => Ok(Self::Zone(Reach::Host)),
            _ => match text.strip_prefix("port:") {
                Some(name) if !name.is_empty() => Ok(Self::Listener(name.to_owned())),
                _ => Err(Malformed::Source(text.to_owned())),
            },
        }
    }
}

impl FromStr for Sink {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        let malformed = || Malformed::Sink(text.to_owned());
        match text.split_once(':') {
            None if text == "*" => Ok(Self::Anything),
            Some(("role", word)) => {
                let role = Role::ALL.into_iter().find(|role| role.word() == word);
                role.map(Self::Role).ok_or_else(|| Malformed::Role(word.to_owned()))
            }
            Some(("service" | "workload", name)) if !name.is_empty() => Ok(Self::Workload(name.to_owned())),
            Some(("port", number)) => number.parse().map(Self::Port).map_err(|_| malformed()),
            _ => Err(malformed()),
        }
    }
}

impl fmt::Display for Verdict<'_, '_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Proven => "proven",
            Self::Refuted(_) => "refuted",
            Self::Unknown(_) => "unknown",
        })
    }
}

impl Claim {
    /// Judges it over all ways.
    pub fn judge<'w, 'f>(&self, ways: &'w Ways<'f>) -> Verdict<'w, 'f> {
        let holds: Vec<&Way<'_>> = ways.ways.iter().filter(|way| self.is_met_by(way)).collect();
        // A guard or an address that is not known may let in more than what is seen.
        let doubts: Vec<&LooseEnd<'_>> = ways.loose_ends.iter().filter(|end| self.may_be_met_by(end)).collect();
        match (self.relation, holds.is_empty()) {
            (Relation::DoesNotReach, false) => Verdict::Refuted(holds),
            (_, true) if !doubts.is_empty() || ways.is_cut => Verdict::Unknown(doubts),
            (Relation::Reaches, true) => Verdict::Refuted(Vec::new()),
            (Relation::Reaches, false) | (Relation::DoesNotReach, true) => Verdict::Proven,
        }
    }

    fn is_met_by(&self, way: &Way<'_>) -> bool {
        let is_to = match &self.to {
            Sink::Anything => true,
            Sink::Role(role) => way.role() == Some(*role),
            Sink::Workload(name) => way.workload.name == *name,
            Sink::Port(port) => way.port == Some(*port),
        };
        is_to && self.starts_at(way.listener, way.reach) && (!self.only_anonymous || way.is_anonymous())
    }

    fn may_be_met_by(&self, end: &LooseEnd<'_>) -> bool {
        let may_be = match &self.to {
            Sink::Anything => true,
            Sink::Role(role) => end.port.is_none_or(|port| {
                let known = sensitive::lookup(port, end.listener.transport).and_then(|known| known.class.role());
                known == Some(*role)
            }),
            Sink::Workload(name) => end.target.starts_with(name.as_str()),
            Sink::Port(port) => end.port.is_none_or(|own| own == *port),
        };
        may_be && self.starts_at(end.listener, end.reach)
    }

    /// What is not known may be as far away as it likes.
    fn starts_at(&self, listener: &super::Listener, reach: Option<Reach>) -> bool {
        match &self.from {
            Source::Zone(zone) => reach.is_none_or(|reach| reach >= *zone),
            Source::Listener(name) => {
                listener.key.rsplit(':').next() == Some(name) || listener.title.contains(&format!("`{name}`"))
            }
        }
    }
}

/// The assertions that stand in files.
pub(super) fn check(facts: &Facts, ways: &Ways<'_>) -> Vec<Finding> {
    facts.assertions.iter().filter_map(|assertion| refuted(assertion, ways)).collect()
}

fn refuted(assertion: &Assertion, ways: &Ways<'_>) -> Option<Finding> {
    let claim: Claim = match assertion.text.parse() {
        Ok(claim) => claim,
        Err(malformed) => return Some(Finding::new(&REFUTED, assertion.place, malformed.to_string())),
    };
    match claim.judge(ways) {
        Verdict::Proven => None,
        Verdict::Refuted(found) => Some(told(assertion, &found)),
        Verdict::Unknown(doubts) => {
            let message = format!("`{}` cannot be proven", assertion.text);
            let finding = Finding::unknown(&REFUTED, assertion.place, message);
            let related = |finding: Finding, end: &&LooseEnd<'_>| {
                finding.related(end.place, format!("nobody says what {} is", end.target))
            };
            Some(doubts.iter().take(8).fold(finding, related))
        }
    }
}

fn told(assertion: &Assertion, found: &[&Way<'_>]) -> Finding {
    let Some(first) = found.first() else {
        let message = format!("`{}` does not hold: no way leads there", assertion.text);
        return Finding::new(&REFUTED, assertion.place, message);
    };
    let more = if found.len() > 1 { format!(" and {} more ways", found.len() - 1) } else { String::new() };
    let message =
        format!("`{}` does not hold: {} leads to {}{more}", assertion.text, first.listener.title, first.workload.title);
    let finding = Finding::new(&REFUTED, assertion.place, message);
    chains::shown(finding, &first.hops)
}

fn roles() -> String {
    Role::ALL.map(Role::word).join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn assertions_are_read_or_refused_with_what_would_be_right() {
        for (text, expected) in [
            ("public -/-> role:database", Ok((Reach::Internet, Relation::DoesNotReach, false))),
            (" private->service:shop ", Ok((Reach::Private, Relation::Reaches, false))),
            ("host -/-> port:5432 unless identified", Ok((Reach::Host, Relation::DoesNotReach, true))),
            ("lan -/-> *", Ok((Reach::Private, Relation::DoesNotReach, false))),
            ("public role:database", Err(Malformed::Arrow)),
            ("moon -/-> *", Err(Malformed::Source("moon".to_owned()))),
            ("port: -/-> *", Err(Malformed::Source("port:".to_owned()))),
            ("public -/-> role:databse", Err(Malformed::Role("databse".to_owned()))),
            ("public -/-> port:99999", Err(Malformed::Sink("port:99999".to_owned()))),
            ("public -/->", Err(Malformed::Sink(String::new()))),
        ] {
            let read = text.parse::<Claim>().map(|claim| {
                let Source::Zone(zone) = claim.from else { panic!("a zone") };
                (zone, claim.relation, claim.only_anonymous)
            });
            assert_eq!(read, expected, "{text}");
        }
    }
}
