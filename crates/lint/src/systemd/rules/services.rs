//! PC658, PC659 and, for commands, PC104 and PC112: what services open, and what keeps them from opening more.

use super::super::{
    command::{By, Opened},
    facts::opened,
    file::Entry,
    unit::{Kind, Unit},
};
use crate::{
    addresses::WILDCARD,
    estate::Transport,
    finding::{Edit, Finding, Safety},
    inputs::Span,
    numbers::PRIVILEGED,
    rule::{Default, Rule, Severity},
    sensitive::{Class, Exposure, lookup},
};

/// PC658.
pub(super) static UNFENCED: Rule = Rule {
    id: "PC658",
    name: "systemd-unfenced-service",
    severity: Severity::Medium,
    title: "a service opens a port and nothing keeps it from opening others",
    why: "systemd can hold a service to the ports that it declares: any other `bind()` fails, also that of an attacker \
          who runs code in it, and packets from elsewhere are dropped before they reach it.",
    remedy: "Add `SocketBindDeny=any` and `SocketBindAllow=tcp:PORT`, or `IPAddressDeny=any` with `IPAddressAllow=`.",
    default: Default::On,
};

/// PC659.
pub(super) static UNREACHABLE_NAMESPACE: Rule = Rule {
    id: "PC659",
    name: "systemd-unreachable-namespace",
    severity: Severity::Medium,
    title: "a service opens a port in a network namespace into which nothing leads",
    why: "A service with `PrivateNetwork=` or `NetworkNamespacePath=` has port numbers of its own. Unless a socket unit \
          or a proxy leads into it, nobody can reach what it opens, and people take the fence away again.",
    remedy: "Hand the socket in by a `.socket` unit, or add a `systemd-socket-proxyd` service that joins the namespace.",
    default: Default::On,
};

/// Any of these limits what a service can open, or who can reach it.
const FENCES: [&str; 7] = [
    "SocketBindAllow",
    "SocketBindDeny",
    "IPAddressDeny",
    "IPAddressAllow",
    "RestrictNetworkInterfaces",
    "PrivateNetwork",
    "NetworkNamespacePath",
];

pub(super) fn check(unit: &Unit, units: &[Unit], findings: &mut Vec<Finding>) {
    let opened = opened(unit);
    for one in opened.iter().filter(|one| one.by != By::EngineControl) {
        findings.extend(wildcard(unit, one));
        findings.extend(privileged(unit, one));
    }
    let own: Vec<&Opened> = opened.iter().filter(|one| one.by == By::Program).collect();
    if let Some(first) = own.first() {
        findings.extend(unfenced(unit, &own));
        findings.extend(unreachable(unit, units, first));
    }
}

fn wildcard(unit: &Unit, one: &Opened) -> Option<Finding> {
    one.ip.filter(std::net::IpAddr::is_unspecified)?;
    let known =
        one.port.and_then(|port| lookup(port, Transport::Tcp)).filter(|known| known.class != Class::InternalWeb);
    if matches!(one.port, Some(80 | 443)) || super::super::facts::guard(unit) != crate::estate::Guard::Open {
        return None;
    }
    let by_class = known.and_then(|known| known.class.severity(Exposure::Internet));
    let severity = by_class.map_or(Severity::Medium, |severity| severity.clamp(Severity::Medium, Severity::High));
    let usual = known.map_or_else(String::new, |known| format!(", where {} is usual", known.name));
    let port = one.port.map_or_else(String::new, |port| format!(" at port {port}"));
    let message = match one.by {
        By::Publication => {
            format!("{} publishes a container on every address{port}{usual}, past most firewalls", unit.name)
        }
        _ => format!("{} listens on every address{port}{usual}", unit.name),
    };
    let help = "write `127.0.0.1` for this host alone, or the address of the interface that is meant";
    Some(Finding::new(&WILDCARD, one.span, message).severity(severity).help(help))
}

fn privileged(unit: &Unit, one: &Opened) -> Option<Finding> {
    let port = one.port.filter(|port| *port < 1024 && one.by == By::Program)?;
    let user = unit.value("Service", "User").filter(|entry| !matches!(entry.value.as_str(), "root" | "0"));
    let who = match user {
        Some(entry) => format!("`{}`", entry.value),
        None if unit.is_on("Service", "DynamicUser") => "a dynamic user".to_owned(),
        None => return None,
    };
    let may = |key: &str| {
        unit.values("Service", key)
            .iter()
            .any(|entry| entry.value.contains("CAP_NET_BIND_SERVICE") && !entry.value.starts_with('~'))
    };
    let keeps_rights = unit.values("Service", "ExecStart").iter().any(|entry| entry.value.starts_with(['+', '!']));
    if may("AmbientCapabilities") || keeps_rights {
        return None;
    }
    let message = format!("{} runs as {who}, which may not bind port {port}", unit.name);
    let help = "add `AmbientCapabilities=CAP_NET_BIND_SERVICE`, or hand the socket in by a `.socket` unit";
    Some(Finding::new(&PRIVILEGED, one.span, message).help(help))
}

fn unfenced(unit: &Unit, opened: &[&Opened]) -> Option<Finding> {
    let has_fence = FENCES.iter().any(|key| !unit.values("Service", key).is_empty());
    let first = opened.first()?;
    if has_fence {
        return None;
    }
    let mut ports: Vec<u16> = opened.iter().filter_map(|one| one.port).collect();
    ports.sort_unstable();
    ports.dedup();
    let command = unit.values("Service", "ExecStart").pop()?;
    let allowed: Vec<String> = ports.iter().map(|port| format!("SocketBindAllow=tcp:{port}")).collect();
    let message = format!("nothing keeps {} from opening other ports than this", unit.name);
    let finding = Finding::new(&UNFENCED, first.span, message);
    if allowed.is_empty() {
        return Some(finding.help("add `SocketBindDeny=any` and `SocketBindAllow=tcp:PORT`"));
    }
    let edit = behind(command, &format!("\n{}\nSocketBindDeny=any", allowed.join("\n")));
    let text = format!("add `{}` and `SocketBindDeny=any`", allowed.join("` and `"));
    Some(finding.fix(Safety::NeedsReview, text, vec![edit]))
}

/// An insertion on the lines behind an assignment.
fn behind(entry: &Entry, text: &str) -> Edit {
    let at = entry.end();
    Edit { span: Span { start: at, end: at, ..entry.value_span }, replacement: text.to_owned() }
}

fn unreachable(unit: &Unit, units: &[Unit], first: &Opened) -> Option<Finding> {
    let path = unit.value("Service", "NetworkNamespacePath");
    let private = unit.is_on("Service", "PrivateNetwork");
    if path.is_none() && !private {
        return None;
    }
    let is_joined = units.iter().filter(|other| other.name != unit.name).any(|other| {
        let joins = other.values("Unit", "JoinsNamespaceOf").iter().any(|entry| entry.value.contains(&unit.name));
        let shares = path.is_some_and(|path| {
            other.value(other.section(), "NetworkNamespacePath").is_some_and(|entry| entry.value == path.value)
        });
        let hands_in = other.kind == Kind::Socket && other.starts().as_deref() == Some(&unit.name);
        joins || shares || hands_in
    });
    let joins = !unit.values("Unit", "JoinsNamespaceOf").is_empty();
    if is_joined || joins {
        return None;
    }
    let message = format!("what {} opens is in a network namespace of its own, and no unit leads into it", unit.name);
    let place = path
        .map(|entry| entry.value_span)
        .or_else(|| unit.value("Service", "PrivateNetwork").map(|entry| entry.value_span));
    let stem = unit.name.trim_end_matches(".service");
    Some(
        Finding::new(&UNREACHABLE_NAMESPACE, place.unwrap_or(first.span), message)
            .related(first.span, "opened here")
            .help(format!(
                "add `{stem}.socket` with the port, or a `systemd-socket-proxyd` service with `JoinsNamespaceOf={}`",
                unit.name
            )),
    )
}
