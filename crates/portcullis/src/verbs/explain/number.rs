//! What is known of one port number.

use portcullis_config::{declared::Space, well_known};
use portcullis_kernel::{
    inventory::{self, OpenSocket},
    namespace::Namespace,
};
use portcullis_lint::{
    estate::{Facts, Transport, Workload},
    inputs::{Inputs, Span},
    sensitive,
};
use portcullis_portmap::{Map, Passage, Place, Row};

use super::{Answer, Explain};
use crate::verbs::{
    check::reading,
    ports::{end, moment},
};

/// Everything: the file, the ranges, this host, and what the number is known for.
pub(super) fn explain(arguments: &Explain) -> anyhow::Result<Answer> {
    let number = arguments.number()?;
    let paths = reading::paths(&[], arguments.config.as_ref())?;
    let read = reading::check(&paths, reading::Place::Anywhere)?;
    read.refuse_unread(reading::Missing::Told)?;
    let map = Map::of(&read.outcome.facts, &read.inputs);
    let mut answer = Answer::new(&format!("port {number}"));
    for row in map.ports.iter().filter(|row| holds(row, number)) {
        external(&mut answer, row);
    }
    for workload in &read.outcome.facts.workloads {
        internal(&mut answer, workload, number, &read.outcome.facts, &read.inputs);
    }
    if answer.lines.is_empty() {
        answer.say("declared", "nobody declares it", None);
    }
    ranges(&mut answer, &map, number);
    leases(&mut answer, arguments, number);
    listeners(&mut answer, number);
    known_for(&mut answer, number);
    Ok(answer)
}

fn holds(row: &Row, number: u16) -> bool {
    let (first, last) = row.ports.split_once('-').unwrap_or((&row.ports, &row.ports));
    matches!((first.parse::<u16>(), last.parse::<u16>()), (Ok(first), Ok(last)) if (first..=last).contains(&number))
}

/// A port that others come to.
fn external(answer: &mut Answer, row: &Row) {
    let what = [row.role, row.protocol].into_iter().flatten().collect::<Vec<_>>().join(" ");
    let what = if what.is_empty() { String::new() } else { format!(", {what}") };
    let place = row.place.as_ref().map(Place::short);
    answer.say("declared", format!("{} on {}{what}", plain(&row.title), row.socket()), place.clone());
    answer.say("reach", format!("from {}", reach(row.reach)), None);
    answer.say("may come", row.who.clone(), place);
    if let Some(reason) = &row.accepted {
        answer.say("accepted", format!("although its role forbids the address: {reason}"), None);
    }
    for passage in &row.passages {
        let when = if passage.when.is_empty() { "all traffic".to_owned() } else { passage.when.clone() };
        answer.say(
            "leads to",
            format!("{when} → {}, for {}", behind(passage), passage.who),
            passage.place.as_ref().map(Place::short),
        );
        for end in &passage.leads_to {
            answer.say("leads to", format!("  and on to {}", plain(end)), None);
        }
    }
    if row.passages.is_empty() && row.role.is_none_or(|role| role == "public" || role == "internal") {
        answer.say("leads to", "nothing: no route takes its traffic", None);
    }
}

fn behind(passage: &Passage) -> String {
    let ports = if passage.ports.is_empty() { String::new() } else { format!(":{}", passage.ports.join(",")) };
    let endpoints: Vec<&str> = passage.endpoints.iter().map(|endpoint| endpoint.address.as_str()).collect();
    let at = if endpoints.is_empty() { String::new() } else { format!(" at {}", endpoints.join(", ")) };
    format!("{}{ports}{at}", plain(&passage.service))
}

/// A service that says it listens there.
fn internal(answer: &mut Answer, workload: &Workload, number: u16, facts: &Facts, inputs: &Inputs) {
    let Some(said) = workload.ports.iter().find(|said| said.ports.contains(number)) else { return };
    let text = format!("internal port of {}", plain(&workload.title));
    answer.say("declared", text, Some(place(said.place, inputs)));
    for forward in facts.forwards.iter().filter(|forward| {
        matches!(&forward.target, portcullis_lint::estate::Target::Workload { key, .. } if *key == workload.key)
    }) {
        let listener = facts.listeners.iter().find(|listener| listener.key == forward.from);
        let title = listener.map_or(forward.from.as_str(), |listener| listener.title.as_str());
        let when = if forward.when.is_empty() { String::new() } else { format!(" for {}", forward.when) };
        answer.say("reached by", format!("{}{when}", plain(title)), Some(place(forward.place, inputs)));
    }
}

fn ranges(answer: &mut Answer, map: &Map, number: u16) {
    for range in map.ranges.iter().filter(|range| (range.first..=range.last).contains(&number)) {
        let reserved = range.reserved.iter().find(|(port, _)| *port == number);
        let is_pinned = range.pinned.is_some_and(|(first, last)| (first..=last).contains(&number));
        let band = match (reserved, is_pinned) {
            (Some((_, why)), _) => format!("reserved, never handed out: {why}"),
            (None, true) => "pinned band: for services that declare their number".to_owned(),
            (None, false) => "automatic band: handed out by `portcullis ports allocate`".to_owned(),
        };
        let text = format!("{} {}-{}, {band}", range.name, range.first, range.last);
        answer.say("range", text, Some(range.place.short()));
    }
}

/// Whose it is by the registry of this user (`portcullis ports`).
fn leases(answer: &mut Answer, arguments: &Explain, number: u16) {
    let standing = arguments.store.look().and_then(|mut registry| Ok(registry.standing()?));
    let standing = match standing {
        Ok(standing) => standing,
        Err(error) => return answer.say("leased", format!("not known: {error:#}"), None),
    };
    for lease in standing.leases.iter().filter(|lease| lease.place.port == number) {
        let space = match &lease.place.space {
            Space::Host => String::new(),
            other => format!(" in {other}"),
        };
        let text = format!("to {}{space} since {}, ends {}", lease.owner, moment(lease.since), end(lease));
        answer.say("leased", text, Some(lease.owner.project.clone()));
    }
    for reservation in standing.reservations.iter().filter(|reservation| reservation.ports.contains(number)) {
        answer.say("reserved", format!("{} since {}", reservation.reason, moment(reservation.since)), None);
    }
}

/// Who has it on this host, and what is not to be seen.
fn listeners(answer: &mut Answer, number: u16) {
    let listening = inventory::listeners(&Namespace::own());
    let mut found = false;
    for socket in listening.sockets.iter().filter(|socket| socket.address.port() == number) {
        found = true;
        answer.say("listens", format!("{} on {}/{}", holder(socket), socket.address, socket.protocol.word()), None);
    }
    if found {
        return;
    }
    let all = inventory::sockets(&Namespace::own());
    let held = all.sockets.iter().find(|socket| socket.address.port() == number);
    match held {
        Some(socket) => {
            let peer = socket.peer.map(|peer| format!(" to {peer}")).unwrap_or_default();
            let text = format!("nobody; but an outbound connection of {}{peer} holds the number", holder(socket));
            answer.say("listens", text, None);
        }
        None => answer.say("listens", "nobody on this host", None),
    }
}

fn holder(socket: &OpenSocket) -> String {
    match socket.processes.first() {
        Some(process) => format!("{} (pid {}, user {})", process.command, process.pid, process.user),
        None => format!("a process of user {} that only root can see", socket.user),
    }
}

fn known_for(answer: &mut Answer, number: u16) {
    for transport in [Transport::Tcp, Transport::Udp] {
        if let Some(known) = sensitive::lookup(number, transport) {
            let text = format!("{} ({transport}), {}: not for everybody", known.name, known.class.words());
            answer.say("known for", text, None);
            break;
        }
    }
    if well_known::is_blocked_by_browsers(number) {
        answer.say("known for", "browsers refuse to open it", None);
    }
}

fn reach(reach: &str) -> &str {
    match reach {
        "internet" => "anywhere, as far as the address goes",
        "private" => "private networks",
        "host" => "this host only",
        other => other,
    }
}

fn place(span: Span, inputs: &Inputs) -> String {
    format!("{}:{}", inputs.path(span.file).display(), inputs.position(span).line)
}

/// Backticks are for findings.
fn plain(text: &str) -> String {
    text.replace('`', "")
}
