//! PC501, PC504: two sockets on one address. HAProxy binds with `SO_REUSEPORT`, so the kernel takes both and hands each
//! connection to either, and `haproxy -c` says nothing (haproxy/haproxy#629, #868, #3459).

use std::{
    collections::{BTreeMap, btree_map::Entry},
    net::{IpAddr, SocketAddr},
};

use portcullis_config::bind_conflict::{Binding, Family, meet};

use super::super::{
    address::{Host, Transport},
    model::{Bind, Bound, Instance, Proxy, Socket, SocketKind},
    syntax::{Branch, excludes},
};
use crate::{
    finding::{Edit, Finding, Safety},
    inputs::Span,
    rule::{Default, Rule, Severity},
};

/// PC501.
pub(super) static OVERLAPPING_BIND: Rule = Rule {
    id: "PC501",
    name: "haproxy-overlapping-bind",
    severity: Severity::Critical,
    title: "two `bind` lines of HAProxy hold the same address and port",
    why: "HAProxy binds with SO_REUSEPORT, so the kernel accepts both and hands each connection to one of them, or all \
          of them to the more specific one. `haproxy -c` calls such a file valid; users see a part of their requests \
          answered by the wrong frontend, for months.",
    remedy: "Give each frontend an address or port of its own, or let one frontend hold the port and choose by host or \
             path with `use_backend`.",
    default: Default::On,
};

/// PC504.
pub(super) static CONTROL_SHARES_PORT: Rule = Rule {
    id: "PC504",
    name: "haproxy-control-shares-port",
    severity: Severity::Critical,
    title: "the control socket, the peers or a log receiver of HAProxy share a port with a frontend",
    why: "Requests of users reach the control socket or the peers at random, and commands and stick tables reach a \
          frontend. Nothing refuses this: both sockets are bound with SO_REUSEPORT.",
    remedy: "Move the control socket to a Unix socket, and peers and log receivers to a port of their own.",
    default: Default::On,
};

/// With how many of those behind it a socket is compared: nobody reads more, and a file of 100,000 equal lines must not
/// take the square of that.
const MAX_COMPARED: usize = 256;

/// A socket as the kernel sees it, and who holds it.
struct Held<'a> {
    holder: Holder<'a>,
    bind: &'a Bind,
    bound: &'a Bound,
    branches: Vec<&'a [Branch]>,
    host: IpAddr,
    family: Family,
    ports: (u16, u16),
    is_datagram: bool,
    namespace: Option<&'a str>,
    interface: Option<&'a str>,
    /// When it is read: which file of the process, and where in it. Numbers of files are in no order.
    read: (usize, u32),
}

#[derive(Clone, Copy)]
enum Holder<'a> {
    Proxy(&'a Proxy),
    Socket(&'a Socket),
}

/// How two sockets meet.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Meeting {
    /// Each connection goes to either.
    Same,
    /// The first takes all that comes to its address.
    FirstShadows,
    SecondShadows,
    /// `0.0.0.0` and a dual `::`: the kernel prefers the socket of the connection's own family.
    Families,
}

pub(super) fn check(instance: &Instance, findings: &mut Vec<Finding>) {
    let held = all(instance);
    // Sorted by first port, a socket is compared with those behind it that begin before it ends.
    let mut order: Vec<&Held<'_>> = held.iter().collect();
    order.sort_by_key(|socket| (socket.ports.0, socket.read));
    let mut by_place: BTreeMap<Span, Finding> = BTreeMap::new();
    for (index, first) in order.iter().enumerate() {
        let behind = order[index + 1..].iter().take_while(|second| second.ports.0 <= first.ports.1);
        for second in behind.take(MAX_COMPARED) {
            let (first, second) = if first.read <= second.read { (*first, *second) } else { (*second, *first) };
            let Some(finding) = first.meets(second).and_then(|meeting| told(instance, first, second, meeting)) else {
                continue;
            };
            match by_place.entry(finding.span) {
                Entry::Occupied(mut known) => together(known.get_mut(), finding),
                Entry::Vacant(place) => {
                    place.insert(finding);
                }
            }
        }
    }
    findings.extend(by_place.into_values());
}

fn all(instance: &Instance) -> Vec<Held<'_>> {
    let proxies = instance.listening().flat_map(|proxy| {
        proxy.binds.iter().map(move |bind| (Holder::Proxy(proxy), bind, Some(proxy.branches.as_slice())))
    });
    let sockets = instance.sockets.iter().map(|socket| (Holder::Socket(socket), &socket.bind, None));
    let mut held = Vec::new();
    for (holder, bind, around) in proxies.chain(sockets) {
        for bound in &bind.addresses {
            let Some(internet) = bound.internet() else { continue };
            let file = instance.files.iter().position(|file| *file == bound.span.file).unwrap_or(0);
            let (Host::Ip(host), Some(ports)) = (&internet.host, bound.span_of_ports()) else { continue };
            held.push(Held {
                holder,
                bind,
                bound,
                branches: around.into_iter().chain([bind.statement.branches.as_slice()]).collect(),
                host: *host,
                family: if bind.has("v6only") { Family::V6Only } else { Family::Dual },
                ports,
                is_datagram: internet.transport != Transport::Tcp,
                namespace: bind.option("namespace").map(|word| word.text.as_str()),
                interface: bind.option("interface").map(|word| word.text.as_str()),
                read: (file, bound.span.start),
            });
        }
    }
    held
}

impl Held<'_> {
    fn meets(&self, other: &Self) -> Option<Meeting> {
        let apart = |a: Option<&str>, b: Option<&str>| a.is_some() && b.is_some() && a != b;
        if self.is_datagram != other.is_datagram
            || self.namespace != other.namespace
            || apart(self.interface, other.interface)
            || self.branches.iter().any(|ours| other.branches.iter().any(|theirs| excludes(ours, theirs)))
            || self.shards_with(other)
        {
            return None;
        }
        let port = self.ports.0.max(other.ports.0);
        if port > self.ports.1.min(other.ports.1) {
            return None;
        }
        let binding = |held: &Self| Binding { address: SocketAddr::new(held.host, port), family: held.family };
        if !meet(binding(self), binding(other)) {
            return None;
        }
        let (ours, theirs) = (self.host.is_unspecified(), other.host.is_unspecified());
        Some(match (ours, theirs) {
            (true, true) if self.host != other.host => Meeting::Families,
            (true, false) => Meeting::SecondShadows,
            (false, true) => Meeting::FirstShadows,
            // A socket that is tied to an interface is preferred there.
            _ if self.interface.is_some() != other.interface.is_some() => match self.interface {
                Some(_) => Meeting::FirstShadows,
                None => Meeting::SecondShadows,
            },
            _ => Meeting::Same,
        })
    }

    /// Whether several sockets are meant: one for each process or thread.
    fn shards_with(&self, other: &Self) -> bool {
        ["process", "thread"].iter().any(|option| {
            let said = |held: &Self| held.bind.option(option).map(|word| word.text.clone());
            matches!((said(self), said(other)), (Some(ours), Some(theirs)) if ours != theirs)
        })
    }

    fn title(&self) -> String {
        match self.holder {
            Holder::Proxy(proxy) => proxy.title(),
            Holder::Socket(socket) if socket.section.is_empty() => socket.kind.word().to_owned(),
            Holder::Socket(socket) => format!("{} `{}`", socket.kind.word(), socket.section),
        }
    }

    /// Whether a connection is treated the same way, whichever of the two takes it.
    fn is_alike(&self, other: &Self) -> bool {
        let of_same_proxy = match (self.holder, other.holder) {
            (Holder::Proxy(ours), Holder::Proxy(theirs)) => std::ptr::eq(ours, theirs),
            _ => false,
        };
        let options = ["ssl", "accept-proxy", "accept-netscaler-cip"];
        of_same_proxy && options.iter().all(|option| self.bind.has(option) == other.bind.has(option))
    }

    fn common_ports(&self, other: &Self) -> String {
        let (first, last) = (self.ports.0.max(other.ports.0), self.ports.1.min(other.ports.1));
        if first == last { first.to_string() } else { format!("{first}-{last}") }
    }
}

fn told(instance: &Instance, first: &Held<'_>, second: &Held<'_>, meeting: Meeting) -> Option<Finding> {
    let rule = match (first.holder, second.holder) {
        (Holder::Proxy(ours), Holder::Proxy(theirs)) => {
            let sharded = |proxy| instance.setting(proxy, &["bind-process"]).map(|line| line.text(1).to_owned());
            if matches!((sharded(ours), sharded(theirs)), (Some(a), Some(b)) if a != b) {
                return None;
            }
            &OVERLAPPING_BIND
        }
        // Only one of the lines of a section is this host.
        (Holder::Socket(ours), Holder::Socket(theirs)) => {
            if ours.kind == SocketKind::Peer && theirs.kind == SocketKind::Peer && ours.section == theirs.section {
                return None;
            }
            &OVERLAPPING_BIND
        }
        _ => &CONTROL_SHARES_PORT,
    };
    let ports = first.common_ports(second);
    let (ours, theirs) = (first.title(), second.title());
    let within_one =
        matches!((first.holder, second.holder), (Holder::Proxy(a), Holder::Proxy(b)) if std::ptr::eq(a, b));
    let refused = instance.global.iter().any(|statement| statement.begins(&["noreuseport"]));
    let (severity, message) = match meeting {
        _ if refused => (Severity::Critical, {
            format!("{theirs} cannot bind port {ports}: {ours} holds it already, and `noreuseport` is set")
        }),
        Meeting::Same if first.is_alike(second) => {
            (Severity::Low, format!("{theirs} binds port {ports} of this address twice"))
        }
        Meeting::Same if within_one => (Severity::Critical, {
            format!(
                "{theirs} binds port {ports} twice with different options: each connection meets one of them at random"
            )
        }),
        Meeting::Same => (Severity::Critical, {
            format!("{theirs} binds port {ports}, which {ours} holds: each connection goes to one of them at random")
        }),
        // Options that differ by address, or address families one by one, are what several lines are for.
        _ if within_one => return None,
        Meeting::FirstShadows => (Severity::High, {
            format!(
                "{theirs} binds port {ports} of every address, but {ours} takes all that comes to `{}`",
                first.bound.text
            )
        }),
        Meeting::SecondShadows => (Severity::High, {
            format!(
                "{theirs} takes all that comes to `{}` from {ours}, which binds port {ports} of every address",
                second.bound.text
            )
        }),
        Meeting::Families => (Severity::Medium, {
            format!("{theirs} and {ours} both bind port {ports} of every IPv4 address, because `::` takes IPv4 as well")
        }),
    };
    let finding = Finding::new(rule, second.bound.span, message)
        .severity(severity)
        .related(first.bound.span, format!("{ours} binds it here"));
    Some(match meeting {
        Meeting::Families => with_v6only(finding, if second.host.is_ipv6() { second } else { first }),
        Meeting::Same if first.is_alike(second) => finding.help("remove one of the two"),
        _ if rule == &CONTROL_SHARES_PORT => {
            finding.help("use a Unix socket, such as `/run/haproxy/admin.sock mode 600`, or a port of its own")
        }
        _ => finding.help("bind another port or address, or join both in one frontend that chooses by host or path with `use_backend`"),
    })
}

/// IPv6 alone is what the line is for when IPv4 has one of its own.
fn with_v6only(finding: Finding, held: &Held<'_>) -> Finding {
    let words = &held.bind.statement.words;
    let Some(last) = words.get(held.bind.options - 1) else { return finding };
    if held.bind.has("v4v6") {
        return finding.help("write `v6only` instead of `v4v6`");
    }
    let span = Span { start: last.span.end, ..last.span };
    let edit = Edit { span, replacement: " v6only".to_owned() };
    finding.fix(Safety::Safe, format!("write `{} v6only`", held.bound.text), vec![edit])
}

/// An address that meets several others is told of once, by the worst, with all of them.
fn together(known: &mut Finding, other: Finding) {
    const SHOWN: usize = 8;
    let related = std::mem::take(&mut known.related);
    if other.severity > known.severity {
        *known = other;
        known.related.extend(related);
    } else {
        known.related = related;
        known.related.extend(other.related);
    }
    known.related.truncate(SHOWN);
}
