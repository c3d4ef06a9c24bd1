//! PC551, PC552: who can connect to a server that is not meant for everybody, and who sees the state of nginx.

use super::super::{
    access,
    facts::is_status,
    listen::{Address, Listen},
    model::{Chain, Layer, Server},
    pass,
    tree::Directive,
};
use crate::{
    estate::{Guard, PortSpan, Reach, Transport},
    finding::{Edit, Finding, Safety},
    rule::{Default, Rule, Severity},
    sensitive::{Class, Exposure, within},
};

/// PC551.
pub(super) static WILDCARD_LISTEN: Rule = Rule {
    id: "PC551",
    name: "nginx-wildcard-listen",
    severity: Severity::High,
    title: "nginx listens on every address with nothing that says it is meant for everybody",
    why: "`listen 9100` is `*:9100`, open on every interface the host has now and will ever have. Ports 80 and 443, and \
          HTTP over TLS, are taken as meant for the public; for any other port a server should say from where it is \
          used, by its address or by `allow` and `deny`.",
    remedy: "Listen on the address of the interface that is meant, `127.0.0.1:PORT` for this host alone, or refuse \
             others with `allow 10.0.0.0/8; deny all;`.",
    default: Default::On,
};

/// PC552.
pub(super) static OPEN_STATUS: Rule = Rule {
    id: "PC552",
    name: "nginx-open-status",
    severity: Severity::High,
    title: "a status or metrics page of nginx is open to everybody",
    why: "The page tells how busy the server is, which hosts and upstreams it has and, with some modules, lets them be \
          changed. Attackers read it first.",
    remedy: "Add `allow 127.0.0.1; allow 10.0.0.0/8; deny all;` to the location, or give it a server of its own on \
             `127.0.0.1`.",
    default: Default::On,
};

pub(super) fn check(servers: &[Server<'_>], findings: &mut Vec<Finding>) {
    for server in servers {
        let shown = status(server, findings);
        if access::guard(&server.chain) == Guard::Open {
            let mut told: Vec<(PortSpan, Finding)> = Vec::new();
            for listen in &server.listens {
                let Some((ports, finding)) = wildcard(server, listen, shown) else { continue };
                // `listen 9100` and `listen [::]:9100` are one matter.
                match told.iter_mut().find(|(known, _)| *known == ports) {
                    Some((_, known)) => known.related.push((finding.span, "and here".to_owned())),
                    None => told.push((ports, finding)),
                }
            }
            findings.extend(told.into_iter().map(|(_, finding)| finding));
        }
    }
}

/// What was said about the status pages of a server.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Shown {
    Nothing,
    /// The whole server is one, and was told of.
    ToldOf,
    /// The whole server is one, and it is guarded.
    Guarded,
}

fn wildcard(server: &Server<'_>, listen: &Listen<'_>, shown: Shown) -> Option<(PortSpan, Finding)> {
    let line = listen.directive.filter(|_| listen.is_wildcard() && shown == Shown::Nothing)?;
    let Address::Internet { ports: (first, last), .. } = listen.address else { return None };
    let ports = PortSpan::new(first, last)?;
    let is_http = server.layer == Layer::Http;
    let transport = if listen.is_datagram() { Transport::Udp } else { Transport::Tcp };
    // In a wide range something sensitive is always found; it says nothing.
    let known = (ports.count() <= 100)
        .then(|| within(ports, Some(transport)).max_by_key(|known| known.class.severity(Exposure::Internet)))
        .flatten()
        .filter(|known| {
            known.class != Class::InternalWeb && (server.layer != Layer::Mail || known.class != Class::Mail)
        });
    let has_tls = listen.has_tls() || line.words.iter().any(|word| word.text == "ssl");
    if matches!((first, last), (80, 80) | (443, 443)) || is_http && has_tls && known.is_none() {
        return None;
    }
    let title = server.title();
    let (severity, message) = match known {
        Some(known) => {
            let severity = known.class.severity(Exposure::Internet).unwrap_or(Severity::Medium).min(Severity::High);
            (
                severity,
                format!(
                    "{title} listens on every address at port {ports}, where {} is usual: {}",
                    known.name,
                    known.class.words()
                ),
            )
        }
        None if server.layer == Layer::Mail => return None,
        None => {
            let severity = if is_http { Severity::Low } else { Severity::Medium };
            (
                severity,
                format!(
                    "{title} listens on every address at port {ports}, and nothing says that it is meant for everybody"
                ),
            )
        }
    };
    let local = if listen.text().starts_with('[') { format!("[::1]:{ports}") } else { format!("127.0.0.1:{ports}") };
    let edit = Edit { span: listen.span, replacement: local.clone() };
    let text = format!(
        "write `listen {local}` for this host alone, or the address of the interface that is meant; what is meant for \
         everybody needs a suppression that says so"
    );
    let finding = Finding::new(&WILDCARD_LISTEN, listen.span, message).severity(severity);
    Some((ports, finding.fix(Safety::NeedsReview, text, vec![edit])))
}

/// Tells of open status pages of a server.
fn status(server: &Server<'_>, findings: &mut Vec<Finding>) -> Shown {
    if server.layer != Layer::Http {
        return Shown::Nothing;
    }
    let widest =
        server.listens.iter().filter_map(|listen| Some((listen.reach()?, listen))).max_by_key(|(reach, _)| *reach);
    let Some((Reach::Internet | Reach::Private, listen)) = widest else { return Shown::Nothing };
    let (mut pages, mut told, mut others) = (0, 0, 0);
    server.visit(|chain| {
        let block = chain.last();
        let shows = block.inside().iter().find(|inner| is_status(inner.name(), inner.text(1)));
        let Some((place, what)) = shows.map(|line| (line, "the state of nginx")).or_else(|| metrics(chain)) else {
            let serves = |inner: &&Directive| {
                pass::NAMES.contains(&inner.name()) || matches!(inner.name(), "root" | "alias" | "return")
            };
            others += usize::from(block.inside().iter().any(|inner| serves(&inner)));
            return;
        };
        pages += 1;
        if access::guard(chain) != Guard::Open {
            return;
        }
        told += 1;
        let span = place.words.first().map_or(place.span, |word| word.span);
        let message = format!("{} shows {what} at `{}` to everybody", server.title(), listen.text());
        let severity = if shows.is_some() { Severity::High } else { Severity::Medium };
        findings.push(
            Finding::new(&OPEN_STATUS, span, message)
                .severity(severity)
                .help("add `allow 127.0.0.1; deny all;` beside it, with a line for each network that may see it"),
        );
    });
    match (pages, told, others) {
        (0, ..) => Shown::Nothing,
        (_, 0, 0) => Shown::Guarded,
        (_, _, 0) => Shown::ToldOf,
        _ => Shown::Nothing,
    }
}

/// A location that passes a path on which programs show their metrics.
fn metrics<'a>(chain: &Chain<'a>) -> Option<(&'a Directive, &'static str)> {
    const PATHS: [(&str, &str); 8] = [
        ("/metrics", "metrics"),
        ("/actuator", "the actuator of a program"),
        ("/actuator/", "the actuator of a program"),
        ("/nginx_status", "the state of nginx"),
        ("/server-status", "the state of the server"),
        ("/fpm-status", "the state of PHP-FPM"),
        ("/php-fpm-status", "the state of PHP-FPM"),
        ("/fpm_status", "the state of PHP-FPM"),
    ];
    let block = chain.last();
    let path = block.words.last().filter(|_| block.name() == "location")?;
    let (_, what) = PATHS.iter().find(|(known, _)| path.text == *known)?;
    let passes = block.inside().iter().find(|inner| pass::NAMES.contains(&inner.name()))?;
    Some((passes, what))
}
