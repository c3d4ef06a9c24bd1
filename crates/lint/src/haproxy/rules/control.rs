//! PC503, PC510: what steers HAProxy or tells of it, reachable by those who should not.

use std::collections::{HashMap, HashSet};

use super::{
    super::{
        access,
        address::Address,
        facts::{reach, stronger},
        model::{Bind, Bound, Instance, Mode, Proxy, ProxyKind, Socket, SocketKind},
        syntax::Statement,
        words::Word,
    },
    exposure::is_own_page,
};
use crate::{
    estate::{Guard, Reach},
    finding::Finding,
    inputs::Span,
    rule::{Default, Rule, Severity},
};

/// PC503.
pub(super) static EXPOSED_CONTROL: Rule = Rule {
    id: "PC503",
    name: "haproxy-exposed-control",
    severity: Severity::Critical,
    title: "HAProxy's control socket, statistics or metrics can be reached by those who should not",
    why: "The control socket has no password: whoever connects changes servers, weights and certificates. The \
          statistics page names every server behind the proxy with its state, and with `stats admin` takes them out \
          of service. On a port of the data plane everybody is offered it.",
    remedy: "Keep the control socket on a Unix socket with `mode 600`, give the statistics and metrics a `listen` of \
             their own on `127.0.0.1`, and ask for a password or a source with `stats auth` or `http-request deny if \
             !{ src 10.0.0.0/8 }`.",
    default: Default::On,
};

/// PC510.
pub(super) static SOCKETS_HANDED_OUT: Rule = Rule {
    id: "PC510",
    name: "haproxy-listeners-handed-out",
    severity: Severity::High,
    title: "a control socket hands out HAProxy's listening sockets to every local user",
    why: "`expose-fd listeners` gives whoever may connect the open listening sockets themselves: with them a program \
          takes the traffic of port 443 without any right of its own.",
    remedy: "Keep the socket for its owner: `mode 600`, or `mode 660` with a `group` of administrators.",
    default: Default::On,
};

/// Passwords that are tried first.
const GUESSED: [&str; 14] = [
    "admin",
    "password",
    "haproxy",
    "stats",
    "123456",
    "12345678",
    "1234",
    "changeme",
    "change_me",
    "test",
    "secret",
    "root",
    "pass",
    "passw0rd",
];

/// Adds findings; gives the addresses of frontends that are told of, so that nothing milder is said of them.
pub(super) fn check(instance: &Instance, findings: &mut Vec<Finding>) -> HashSet<Span> {
    for socket in instance.sockets.iter().filter(|socket| socket.kind == SocketKind::Control) {
        control_socket(socket, findings);
    }
    programs(instance, findings);
    let mut judged = HashSet::new();
    let mut by_place: HashMap<Span, Finding> = HashMap::new();
    for way in ways(instance) {
        for finding in [statistics(instance, &way), metrics(instance, &way)].into_iter().flatten() {
            if is_own_page(instance, way.front) {
                judged.extend(way.front.binds.iter().flat_map(|bind| &bind.addresses).map(|bound| bound.span));
            }
            let known = by_place.entry(finding.span).or_insert_with(|| finding.clone());
            if finding.severity > known.severity {
                *known = finding;
            }
        }
    }
    findings.extend(by_place.into_values());
    judged
}

fn control_socket(socket: &Socket, findings: &mut Vec<Finding>) {
    let bind = &socket.bind;
    let level = bind.option("level").map_or("operator", |word| word.text.as_str());
    for bound in &bind.addresses {
        match &bound.address {
            Address::Internet(_) if access::at_bind(bind) == Guard::Open => {
                let (severity, from) = match reach(bound, bind) {
                    Some(Reach::Host) if level == "admin" => (Severity::High, "every program of this host"),
                    Some(Reach::Host) => (Severity::Medium, "every program of this host"),
                    Some(Reach::Internet) => (Severity::Critical, "everybody who can reach this host"),
                    _ => (Severity::Critical, "everybody in that network"),
                };
                let message = format!(
                    "the control socket is on TCP at `{}` with level {level}, open to {from} without a password",
                    bound.text
                );
                let help = format!("write `stats socket /run/haproxy/admin.sock mode 600 level {level}`");
                findings.push(Finding::new(&EXPOSED_CONTROL, bound.span, message).severity(severity).help(help));
            }
            Address::Unix(_) => findings.extend(wide_socket(bind, bound, level)),
            _ => {}
        }
        if bind.option("expose-fd").is_some_and(|word| word.text == "listeners") && bound.internet().is_some() {
            let message = "`expose-fd listeners` on a TCP address";
            findings
                .push(Finding::new(&SOCKETS_HANDED_OUT, bound.span, message).help("use a Unix socket with `mode 600`"));
        }
    }
}

/// A Unix socket that every local user may write to.
fn wide_socket(bind: &Bind, bound: &Bound, level: &str) -> Option<Finding> {
    let mode = bind.option("mode")?;
    let bits = u32::from_str_radix(&mode.text, 8).ok()?;
    if bits & 0o002 == 0 {
        return None;
    }
    let narrow = format!("write `mode {:o}`, with `group` for those who need it", bits & 0o770);
    if bind.option("expose-fd").is_some_and(|word| word.text == "listeners") {
        let message = format!("every local user may take HAProxy's listening sockets from `{}`", bound.text);
        return Some(Finding::new(&SOCKETS_HANDED_OUT, mode.span, message).help(narrow));
    }
    let severity = if level == "admin" { Severity::High } else { Severity::Low };
    let message = format!("every local user may send commands of level {level} to `{}`", bound.text);
    Some(Finding::new(&EXPOSED_CONTROL, mode.span, message).severity(severity).help(narrow))
}

/// The Data Plane API rewrites the configuration; it is started as a program.
fn programs(instance: &Instance, findings: &mut Vec<Finding>) {
    for program in &instance.programs {
        let words = program.command.words.iter().skip(1).flat_map(|word| word.text.split_ascii_whitespace());
        let words: Vec<&str> = words.collect();
        if !words.first().is_some_and(|word| word.contains("dataplaneapi")) {
            continue;
        }
        let host = words.iter().enumerate().find_map(|(at, word)| match word.strip_prefix("--host") {
            Some("") => words.get(at + 1).copied(),
            Some(rest) => rest.strip_prefix('='),
            None => None,
        });
        let is_wild = |host: &str| matches!(host, "0.0.0.0" | "::" | "[::]");
        if let (Some(host), Some(place)) = (host.filter(|host| is_wild(host)), program.command.words.get(1)) {
            let message = format!("program `{}`: the Data Plane API listens on every address (`{host}`)", program.name);
            findings.push(Finding::new(&EXPOSED_CONTROL, place.span, message).help("write `--host 127.0.0.1`"));
        }
    }
}

/// A way by which requests come to a proxy that may serve pages of its own: through itself or another frontend.
struct Way<'a> {
    front: &'a Proxy,
    holder: &'a Proxy,
    bind: &'a Bind,
    bound: &'a Bound,
    reach: Reach,
    /// What was asked before.
    asked: Guard,
}

fn ways(instance: &Instance) -> Vec<Way<'_>> {
    let mut ways = Vec::new();
    for front in instance.listening() {
        if instance.mode(front) == Mode::Tcp {
            continue;
        }
        let Some((bind, bound, reach)) = widest(front) else { continue };
        let asked = stronger(access::at_bind(bind), access::at_proxy(instance, front));
        ways.push(Way { front, holder: front, bind, bound, reach, asked: asked.clone() });
        let mut seen = HashSet::new();
        for (statement, name) in instance.uses(front).filter(|(_, name)| seen.insert(name.text.as_str())) {
            let backend = instance.backend(&name.text).filter(|backend| backend.kind == ProxyKind::Backend);
            let Some(holder) = backend else { continue };
            let asked = stronger(asked.clone(), access::at_statement(instance, front, statement, 2));
            ways.push(Way { front, holder, bind, bound, reach, asked });
        }
    }
    ways
}

/// The address of a proxy that is reached from farthest away.
fn widest(proxy: &Proxy) -> Option<(&Bind, &Bound, Reach)> {
    let all = proxy.binds.iter().flat_map(|bind| bind.addresses.iter().map(move |bound| (bind, bound)));
    all.filter_map(|(bind, bound)| Some((bind, bound, reach(bound, bind)?)))
        .reduce(|a, b| if b.2 > a.2 { b } else { a })
}

fn statistics(instance: &Instance, way: &Way<'_>) -> Option<Finding> {
    let lines: Vec<&Statement> =
        instance.effective(way.holder).filter(|statement| statement.text(0) == "stats").collect();
    let place = stats_place(&lines)?;
    if way.reach == Reach::Host {
        return None;
    }
    let admin = lines.iter().find(|line| line.text(1) == "admin");
    let steers = admin.is_some_and(|line| access::at_statement(instance, way.holder, line, 2) == Guard::Open);
    let asked = stronger(way.asked.clone(), access::at_part(instance, way.holder));
    let (who, at) = (way.holder.title(), &way.bound.text);
    let passwords: Vec<&Word> =
        lines.iter().filter(|line| line.text(1) == "auth").filter_map(|line| line.words.get(2)).collect();
    if let Some(guessed) = passwords.iter().find(|word| is_guessed(word)) {
        let message = format!("the statistics of {who} at `{at}` have a password that is tried first");
        let severity = if way.reach == Reach::Internet { Severity::High } else { Severity::Medium };
        let finding = Finding::new(&EXPOSED_CONTROL, guessed.span, message).severity(severity);
        return (asked == Guard::Open).then(|| {
            finding.help(
                "take a long random password, from an environment variable: `stats auth \"ops:${STATS_PASSWORD}\"`",
            )
        });
    }
    if asked != Guard::Open {
        return None;
    }
    let help =
        "add `stats auth USER:PASSWORD`, or give the statistics a `listen` of their own with `bind 127.0.0.1:8404`";
    match (passwords.is_empty(), steers) {
        (true, _) => {
            let what = if admin.is_some() { "and can switch servers off" } else { "to everybody who can reach it" };
            let message = format!("{who} shows its statistics at `{at}` without a password, {what}");
            let severity = match (way.reach, steers || !is_own_page(instance, way.front)) {
                (Reach::Internet, true) => Severity::Critical,
                (Reach::Internet, false) => Severity::High,
                _ => Severity::Medium,
            };
            Some(Finding::new(&EXPOSED_CONTROL, place, message).severity(severity).help(help))
        }
        (false, true) if way.reach == Reach::Internet => {
            let clear = if way.bind.has_tls() { "" } else { ", and the password travels in clear" };
            let message =
                format!("whoever has the password of the statistics of {who} at `{at}` can switch servers off{clear}");
            let place = admin.and_then(|line| line.words.last()).map_or(place, |word| word.span);
            let severity = if way.bind.has_tls() { Severity::Medium } else { Severity::High };
            let help = "write `stats admin if LOCALHOST`, or a condition on `src`";
            Some(Finding::new(&EXPOSED_CONTROL, place, message).severity(severity).help(help))
        }
        _ => None,
    }
}

/// `enable`, or the value of `uri`, or the first word that switches the page on.
fn stats_place(lines: &[&Statement]) -> Option<Span> {
    let find = |what: &str| lines.iter().find(|line| line.text(1) == what);
    let word = find("enable")
        .and_then(|line| line.words.get(1))
        .or_else(|| find("uri").and_then(|line| line.words.get(2)))
        .or_else(|| lines.first().and_then(|line| line.words.get(1)));
    word.map(|word| word.span)
}

fn is_guessed(word: &Word) -> bool {
    let Some((user, password)) = word.text.split_once(':') else { return false };
    word.open.is_none()
        && (password.eq_ignore_ascii_case(user) || GUESSED.contains(&password.to_ascii_lowercase().as_str()))
}

fn metrics(instance: &Instance, way: &Way<'_>) -> Option<Finding> {
    let exporter = ["http-request", "use-service", "prometheus-exporter"];
    let statement = instance.effective(way.holder).find(|statement| statement.begins(&exporter))?;
    let asked = stronger(way.asked.clone(), access::at_statement(instance, way.holder, statement, 3));
    if way.reach != Reach::Internet || stronger(asked, access::at_part(instance, way.holder)) != Guard::Open {
        return None;
    }
    let message =
        format!("{} shows its metrics at `{}` to everybody who can reach it", way.holder.title(), way.bound.text);
    let help = "give the metrics a frontend of their own on an internal address, or add `!{ src 10.0.0.0/8 }` rules that deny others";
    Some(Finding::new(&EXPOSED_CONTROL, statement.words[2].span, message).severity(Severity::High).help(help))
}
