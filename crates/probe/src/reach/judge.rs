//! What the answers mean, for each port and endpoint.

use std::net::IpAddr;

use portcullis_config::declared::Port;

use super::{
    Attempted,
    cases::{Case, Must, Subject},
};
use crate::{
    check::Check,
    outcome::Outcome,
    wire::{Answer, Speaks},
};

/// Addresses that are named at most in one outcome.
const NAMED: usize = 8;

/// One outcome for each subject and question, however many addresses there are.
pub(super) fn judge(vantage: &str, cases: &[Case<'_>], results: Vec<Attempted>) -> Vec<Outcome> {
    let mut tried: Vec<(&Case<'_>, Attempted)> = cases.iter().zip(results).collect();
    // Cases come sorted by what must be; the sort is stable, so subjects stay in the order of the file.
    tried.sort_by(|(first, _), (second, _)| first.title.cmp(&second.title));
    let mut outcomes = Vec::new();
    for of_subject in tried.chunk_by(|(first, _), (second, _)| first.title == second.title) {
        outcomes.extend(subject(of_subject).into_iter().map(|outcome| outcome.from(vantage)));
    }
    outcomes
}

type Tried<'c, 'a> = (&'c Case<'a>, Attempted);

fn subject(tried: &[Tried<'_, '_>]) -> Vec<Outcome> {
    let of = |must: Must| tried.iter().filter(|(case, _)| case.must == must).collect::<Vec<_>>();
    let (open, either) = (of(Must::Open), of(Must::OpenOrNot));
    let wanted: Vec<&Tried<'_, '_>> = open.iter().chain(&either).copied().collect();
    let mut outcomes = Vec::new();
    outcomes.extend(reachable(&open));
    outcomes.extend(protocol(&wanted));
    outcomes.extend(sources(&wanted));
    outcomes.extend(closed(&of(Must::Closed)));
    outcomes.extend(beside(&of(Must::Beside)));
    outcomes
}

/// Whether the port lets this client in, by its source; `None` if it never came that far.
fn is_admitted(case: &Case<'_>, attempted: &Attempted) -> Option<bool> {
    match case.subject {
        Subject::Endpoint => Some(true),
        Subject::Port(port) => attempted.source.map(|source| admits(port, source)),
    }
}

pub(crate) fn admits(port: &Port, source: IpAddr) -> bool {
    let is_denied = port.deny.iter().any(|network| network.value.contains(&source));
    let is_named = port.from.is_empty() || port.from.iter().any(|network| network.value.contains(&source));
    is_named && !is_denied
}

/// What must be open is.
fn reachable(open: &[&Tried<'_, '_>]) -> Option<Outcome> {
    let (first, _) = open.first()?;
    let (check, fix) = match first.subject {
        Subject::Port(_) => (Check::UnreachablePort, "look at the proxy, then at firewalls between here and there"),
        Subject::Endpoint => (Check::UnreachableEndpoint, "look at the service, then at firewalls on the way"),
    };
    let (mut good, mut bad, mut unknown) = (Vec::new(), Vec::new(), Vec::new());
    for (case, attempted) in open.iter().filter(|(case, attempted)| is_admitted(case, attempted) != Some(false)) {
        let told = told(case, &attempted.answer);
        match attempted.answer {
            Answer::Open(_) => good.push(told),
            Answer::NotTried(_) | Answer::Unreachable(_) => unknown.push(told),
            Answer::Unanswered(_) | Answer::Denied | Answer::Refused | Answer::Filtered => bad.push(told),
        }
    }
    let tried = first.attempt.expected.protocol.tried();
    verdict(first, check, tried, fix, [good, bad, unknown])
}

/// What is open speaks what it should.
fn protocol(wanted: &[&Tried<'_, '_>]) -> Option<Outcome> {
    let (first, _) = wanted.first()?;
    let protocol = first.attempt.expected.protocol;
    let (mut good, mut bad) = (Vec::new(), Vec::new());
    for (case, attempted) in wanted {
        if let Answer::Open(speaks) = &attempted.answer {
            let told = told(case, &attempted.answer);
            if protocol.is(speaks) { good.push(told) } else { bad.push(told) }
        }
    }
    let fix = format!("it is declared to speak {}: correct the file, or what listens there", protocol.word());
    verdict(first, Check::WrongProtocol, protocol.tried(), &fix, [good, bad, Vec::new()])
}

/// Whom the port keeps out by `from` and `deny` gets nothing.
fn sources(wanted: &[&Tried<'_, '_>]) -> Option<Outcome> {
    let (first, _) = wanted.first()?;
    let (mut good, mut bad) = (Vec::new(), Vec::new());
    for (case, attempted) in wanted.iter().filter(|(case, attempted)| is_admitted(case, attempted) == Some(false)) {
        let source = attempted.source.map(|source| format!(" as {source}")).unwrap_or_default();
        let told = format!("{}{source}", told(case, &attempted.answer));
        match &attempted.answer {
            // A port that waits for the client's first byte has answered nothing yet.
            Answer::Open(speaks) if *speaks != Speaks::Silent => bad.push(told),
            _ => good.push(told),
        }
    }
    let fix = "the port's `from` and `deny` do not hold: reload the proxy, or see what else listens there";
    verdict(first, Check::SourceList, first.attempt.expected.protocol.tried(), fix, [good, bad, Vec::new()])
}

/// What must not be open is not, neither over IPv4 nor over IPv6.
fn closed(closed: &[&Tried<'_, '_>]) -> Option<Outcome> {
    let (first, _) = closed.first()?;
    let (check, fix) = match first.subject {
        Subject::Port(_) => (Check::ExposedPort, "find out who listens there (`portcullis probe --only inventory`)"),
        Subject::Endpoint => (
            Check::ExposedEndpoint,
            "let the service listen on its declared address alone, or keep others out by firewall",
        ),
    };
    let (mut good, mut bad, mut unknown) = (Vec::new(), Vec::new(), Vec::new());
    for (case, attempted) in closed {
        let told = told(case, &attempted.answer);
        match attempted.answer {
            Answer::Open(_) | Answer::Unanswered(_) => bad.push(told),
            Answer::NotTried(_) => unknown.push(told),
            _ => good.push(told),
        }
    }
    verdict(first, check, "connected where nothing is declared, over IPv4 and IPv6", fix, [good, bad, unknown])
}

/// A service that can be reached beside the proxy, where it is declared.
fn beside(beside: &[&Tried<'_, '_>]) -> Option<Outcome> {
    let (first, _) = beside.first()?;
    let (mut good, mut bad, mut unknown) = (Vec::new(), Vec::new(), Vec::new());
    for (case, attempted) in beside {
        let told = told(case, &attempted.answer);
        match attempted.answer {
            Answer::Open(_) | Answer::Unanswered(_) => bad.push(told),
            Answer::NotTried(_) => unknown.push(told),
            _ => good.push(told),
        }
    }
    let fix = "let a firewall admit the proxy alone (`portcullis generate nftables`), or let it listen on loopback";
    verdict(first, Check::BesideProxy, "connected to the endpoint itself, beside the proxy", fix, [good, bad, unknown])
}

/// One outcome from what was good, bad and unknown; none if nothing was tried.
fn verdict(
    case: &Case<'_>,
    check: Check,
    tried: &str,
    fix: &str,
    [good, bad, unknown]: [Vec<String>; 3],
) -> Option<Outcome> {
    let title = case.title.clone();
    let outcome = if !bad.is_empty() {
        Outcome::fail(check, title, tried, listed(&bad)).fix(fix)
    } else if !unknown.is_empty() {
        Outcome::unknown(check, title, tried, listed(&unknown))
    } else if !good.is_empty() {
        Outcome::pass(check, title, tried, listed(&good))
    } else {
        return None;
    };
    Some(outcome.at(case.place.clone()))
}

fn told(case: &Case<'_>, answer: &Answer) -> String {
    format!("{} {}", case.attempt.target.address(), answer.words())
}

fn listed(told: &[String]) -> String {
    let named = told.iter().take(NAMED).map(String::as_str).collect::<Vec<_>>().join("; ");
    let rest = told.len().saturating_sub(NAMED);
    if rest > 0 { format!("{named}; and {rest} more") } else { named }
}
