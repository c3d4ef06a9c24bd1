//! Rules about ways: where they should not lead, and where they lead to nothing.

use super::{
    facts::{Facts, Forward, Kind, Reach, Role, Space, Target, Workload},
    ways::{Found, Hop, Index, Way, Ways, target_text},
};
use crate::{
    finding::Finding,
    rule::{Default, Rule, Severity},
};

/// Traffic is passed on to a port that its receiver does not have.
pub(super) static TARGET_WITHOUT_PORT: Rule = Rule {
    id: "PC150",
    name: "target-without-port",
    severity: Severity::High,
    title: "traffic is passed on to a port on which the receiver does not say it listens",
    why: "The proxy answers 502 or closes the connection, and nothing says why: each file by itself looks right.",
    remedy: "Name the port that the receiver listens on (for a container, the port inside of it), or let it say the \
             missing one under `expose:` or EXPOSE.",
    default: Default::On,
};

/// A chain of proxies ends at something that must not be public.
pub(super) static EXPOSED_THROUGH: Rule = Rule {
    id: "PC151",
    name: "exposed-through-a-proxy",
    severity: Severity::Critical,
    title: "a database, cache, queue or console can be reached from the internet through a chain of proxies",
    why: "No single file shows it: a published port leads to a proxy, and the proxy leads on. Whoever finds the first \
          port speaks to the last one.",
    remedy: "Cut the chain where it is cheapest: publish the first port on 127.0.0.1 only, ask for a proof of identity \
             on the route, or remove the route.",
    default: Default::On,
};

pub(super) fn check(facts: &Facts, index: &Index<'_>, ways: &Ways<'_>) -> Vec<Finding> {
    let mut findings: Vec<Finding> =
        facts.forwards.iter().filter_map(|forward| misdirected(forward, facts, index)).collect();
    findings.extend(ways.ways.iter().filter(|way| is_exposed(way)).map(exposed));
    findings
}

/// A direct publication is for the rules of its format; here it takes at least one program between.
fn is_exposed(way: &Way<'_>) -> bool {
    way.reach == Some(Reach::Internet)
        && way.is_anonymous()
        && !way.has_unknown_guard
        && way.forwards >= 2
        && way.role().is_some_and(Role::is_private)
}

fn exposed(way: &Way<'_>) -> Finding {
    let role = way.role().map_or("", Role::word);
    let last = way.hops.last().map_or(way.listener.place, |hop| hop.place);
    let steps = way.forwards;
    let message = format!(
        "{} ({role}) can be reached from the internet through {}:{} in {steps} steps",
        way.workload.title, way.listener.address, way.listener.ports
    );
    let finding = Finding::new(&EXPOSED_THROUGH, last, message);
    shown(finding, &way.hops)
        .help("cut the chain: bind the first port to 127.0.0.1, ask for identity on the route, or remove it")
}

/// The hops in order and numbered, so that the report reads from the outside in.
pub(super) fn shown(finding: Finding, hops: &[Hop]) -> Finding {
    let numbered = |finding: Finding, (index, hop): (usize, &Hop)| {
        finding.related(hop.place, format!("{}. {}", index + 1, hop.text))
    };
    hops.iter().enumerate().fold(finding, numbered)
}

fn misdirected(forward: &Forward, facts: &Facts, index: &Index<'_>) -> Option<Finding> {
    let listener = index.listener(&forward.from);
    let found = match &forward.target {
        Target::Named { .. } | Target::Address { .. } => index.resolve(&forward.target, listener),
        // What a format resolved by itself it also judged by itself.
        Target::Workload { .. } | Target::Listener(_) => return None,
    };
    if let [Found::Workload(workload, Some(port))] = found.as_slice() {
        return lacks_port(workload, *port).then(|| without_port(forward, workload, *port));
    }
    let Target::Address { address, port } = &forward.target else { return None };
    let is_on_host = listener.is_none_or(|listener| index.space_of(listener) == Space::Host);
    if !found.is_empty() || !address.is_loopback() || !is_on_host {
        return None;
    }
    unpublished(forward, *port, facts)
}

/// A workload that says nothing about its ports may listen anywhere.
fn lacks_port(workload: &Workload, port: u16) -> bool {
    !workload.ports.is_empty() && !workload.ports.iter().any(|said| said.ports.contains(port))
}

fn without_port(forward: &Forward, workload: &Workload, port: u16) -> Finding {
    let said: Vec<String> = workload.ports.iter().map(|said| said.ports.to_string()).collect();
    let message = format!("{} does not say that it listens on {port}, only on {}", workload.title, said.join(", "));
    let severity = if workload.ports_are_complete { Severity::High } else { Severity::Medium };
    let mut finding = Finding::new(&TARGET_WITHOUT_PORT, forward.place, message).severity(severity);
    for said in &workload.ports {
        finding = finding.related(said.place, format!("{} says {}", workload.title, said.ports));
    }
    finding.help(format!("name one of its ports ({}), or let it declare {port}", said.join(", ")))
}

/// The port exists inside of a container, and only there.
fn unpublished(forward: &Forward, port: u16, facts: &Facts) -> Option<Finding> {
    let is_inside = |workload: &&Workload| {
        workload.kind == Kind::ComposeService && workload.ports.iter().any(|said| said.ports.contains(port))
    };
    let mut inside = facts.workloads.iter().filter(is_inside);
    let workload = inside.next()?;
    if inside.next().is_some() {
        return None;
    }
    let message = format!(
        "nothing listens on {}: {} has port {port} inside of its container only",
        target_text(&forward.target),
        workload.title
    );
    let finding = Finding::new(&TARGET_WITHOUT_PORT, forward.place, message).severity(Severity::Medium);
    Some(
        finding
            .related(workload.place, workload.title.clone())
            .help(format!("publish it for this host alone: `127.0.0.1:{port}:{port}`")),
    )
}
