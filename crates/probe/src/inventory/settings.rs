//! Settings of the kernel that undo what a file declares.

use std::collections::BTreeSet;

use portcullis_config::scope::Scope;
use portcullis_kernel::{listen::BACKLOG, settings::PortSettings};

use super::{Live, places};
use crate::{
    check::Check,
    estate::{Estate, Seat},
    outcome::Outcome,
};

/// Below this a port is privileged, as far as anybody remembers.
const PRIVILEGED_BELOW: u16 = 1024;

pub(super) fn check(estate: &Estate<'_>, live: &Live, outcomes: &mut Vec<Outcome>) {
    let Some(settings) = &live.settings else {
        let got = "/proc/sys/net can not be read";
        outcomes.push(Outcome::unknown(Check::EphemeralPort, "settings of the kernel", "read them", got));
        return;
    };
    outcomes.push(ephemeral(estate, settings));
    outcomes.extend(unprivileged(estate, settings));
    outcomes.extend(loopback(estate, settings));
    outcomes.push(queue(settings));
}

fn ephemeral(estate: &Estate<'_>, settings: &PortSettings) -> Outcome {
    let (first, last) = (settings.ephemeral.start(), settings.ephemeral.end());
    let subject = "declared numbers";
    let tried = format!("compared them with net.ipv4.ip_local_port_range ({first}-{last})");
    let mut spans: BTreeSet<(u16, u16)> = BTreeSet::new();
    let here = places(estate).into_iter().filter(|place| place.seat == Seat::Here);
    for number in here.map(|place| place.address.port()).filter(|port| settings.is_ephemeral(*port)) {
        spans.insert((number, number));
    }
    let mut place = None;
    for range in &estate.declared.ranges {
        let (from, to) = (range.ports.first.max(*first), range.ports.last.min(*last));
        if from <= to && (from..=to).any(|port| settings.is_ephemeral(port)) {
            spans.retain(|(number, _)| !(from..=to).contains(number));
            spans.insert((from, to));
            place = estate.place(range.ports.span);
        }
    }
    if spans.is_empty() {
        return Outcome::pass(Check::EphemeralPort, subject, tried, "none of them is given to outgoing connections");
    }
    let written = |(from, to): &(u16, u16)| if from == to { from.to_string() } else { format!("{from}-{to}") };
    let list = spans.iter().map(written).collect::<Vec<_>>().join(",");
    Outcome::fail(Check::EphemeralPort, subject, tried, format!("an outgoing connection can take {list} at any moment"))
        .fix(format!("`sysctl -w net.ipv4.ip_local_reserved_ports={list}`, and keep it in /etc/sysctl.d"))
        .at(place)
}

fn unprivileged(estate: &Estate<'_>, settings: &PortSettings) -> Option<Outcome> {
    let start = settings.unprivileged_start;
    let privileged: Vec<_> = estate.ports.iter().filter(|port| port.address.port() < PRIVILEGED_BELOW).collect();
    let first = privileged.first()?;
    let tried = format!("read net.ipv4.ip_unprivileged_port_start ({start})");
    let open: Vec<_> = privileged.iter().filter(|port| port.address.port() >= start).collect();
    Some(match open.first() {
        None => Outcome::pass(Check::UnprivilegedPort, "ports below 1024", tried, "they need CAP_NET_BIND_SERVICE"),
        Some(port) => {
            let got = format!("any user of this host may listen on {} while the proxy does not", port.address.port());
            Outcome::fail(Check::UnprivilegedPort, "ports below 1024", tried, got)
                .fix("`sysctl -w net.ipv4.ip_unprivileged_port_start=1024` and give the proxy CAP_NET_BIND_SERVICE")
                .at(estate.place(first.port.listen.span))
        }
    })
}

fn loopback(estate: &Estate<'_>, settings: &PortSettings) -> Option<Outcome> {
    const TRIED: &str = "read net.ipv4.conf.*.route_localnet";
    let places = places(estate);
    let private =
        places.iter().find(|place| place.seat == Seat::Here && Scope::of(place.address.ip()) == Scope::Loopback)?;
    let subject = "loopback ports";
    if settings.loopback_routed.is_empty() {
        return Some(Outcome::pass(
            Check::RoutedLoopback,
            subject,
            TRIED,
            "no interface takes 127.0.0.0/8 from outside",
        ));
    }
    let interfaces = settings.loopback_routed.join(", ");
    let got = format!("{interfaces} takes packets for 127.0.0.0/8 from the network, so also for {}", private.title);
    let fix =
        "`sysctl -w net.ipv4.conf.all.route_localnet=0` and the same for each interface; Docker and kube-proxy set it";
    Some(Outcome::fail(Check::RoutedLoopback, subject, TRIED, got).fix(fix).at(private.place.clone()))
}

fn queue(settings: &PortSettings) -> Outcome {
    let longest = settings.longest_queue;
    let tried = format!("read net.core.somaxconn ({longest})");
    let wanted = u32::try_from(BACKLOG).unwrap_or(u32::MAX);
    if longest >= wanted {
        return Outcome::pass(
            Check::ShortQueue,
            "queues of listeners",
            tried,
            format!("{wanted} connections may wait"),
        );
    }
    let got = format!("{longest} connections may wait where the proxy asks for {wanted}");
    Outcome::fail(Check::ShortQueue, "queues of listeners", tried, got)
        .fix(format!("`sysctl -w net.core.somaxconn={wanted}`"))
}
