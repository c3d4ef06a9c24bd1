//! PC502, PC509: who can connect to what frontends listen on, and in clear or not.

use std::collections::HashSet;

use super::super::{
    access,
    facts::{reach, stronger},
    model::{Bind, Bound, Instance, Mode, Proxy, SocketKind},
    syntax::Statement,
};
use crate::{
    estate::{Guard, PortSpan, Reach, Transport},
    finding::{Edit, Finding, Safety},
    inputs::Span,
    rule::{Default, Rule, Severity},
    sensitive::{Class, Exposure, Sensitive, within},
};

/// PC502.
pub(super) static WILDCARD_BIND: Rule = Rule {
    id: "PC502",
    name: "haproxy-wildcard-bind",
    severity: Severity::High,
    title: "HAProxy listens on every address with nothing that says it is meant for everybody",
    why: "`:8404` and `*:8404` are open on every interface the host has now and will ever have, the public one among \
          them. Ports 80 and 443, and HTTP over TLS, are taken as meant for the public; for any other port a frontend \
          should say from where it is used, by its address or by a rule on `src`.",
    remedy: "Bind the address of the interface that is meant, `127.0.0.1` for this host alone, or refuse others with \
             `tcp-request connection reject if !{ src 10.0.0.0/8 }`.",
    default: Default::On,
};

/// PC509.
pub(super) static PLAINTEXT: Rule = Rule {
    id: "PC509",
    name: "haproxy-plaintext",
    severity: Severity::Medium,
    title: "HAProxy serves the public in clear: no `ssl` on a port of the 443 class, or no redirect on port 80",
    why: "Clients that connect to port 443 expect TLS, and what is served on port 80 without a redirect, passwords and \
          cookies among it, can be read and changed on the way.",
    remedy: "Add `ssl crt PATH` to the `bind` line, and `http-request redirect scheme https unless { ssl_fc }` to \
             frontends on port 80.",
    default: Default::On,
};

/// `judged` are addresses of which a worse thing was said already.
pub(super) fn check(instance: &Instance, judged: &HashSet<Span>, findings: &mut Vec<Finding>) {
    for proxy in instance.listening() {
        let asked = access::at_proxy(instance, proxy);
        for bind in &proxy.binds {
            let guard = stronger(access::at_bind(bind), asked.clone());
            for bound in &bind.addresses {
                if bound.is_wildcard() && guard == Guard::Open && !judged.contains(&bound.span) {
                    findings.extend(wildcard(instance, proxy, bind, bound));
                }
                findings.extend(without_tls(instance, proxy, bind, bound));
            }
        }
        findings.extend(without_redirect(instance, proxy));
    }
    for socket in &instance.sockets {
        let what = match socket.kind {
            SocketKind::Peers => "stick tables are read and written by whoever can connect",
            SocketKind::Logs => "log lines are taken from whoever can connect",
            SocketKind::Peer | SocketKind::Control => continue,
        };
        for bound in socket.bind.addresses.iter().filter(|bound| bound.is_wildcard()) {
            if access::at_bind(&socket.bind) == Guard::Open {
                let message = format!("{} listen on every address: {what}", socket.kind.word());
                findings.push(
                    narrower(Finding::new(&WILDCARD_BIND, bound.span, message), bound).severity(Severity::Medium),
                );
            }
        }
    }
}

fn wildcard(instance: &Instance, proxy: &Proxy, bind: &Bind, bound: &Bound) -> Option<Finding> {
    let (first, last) = bound.span_of_ports()?;
    let ports = PortSpan::new(first, last)?;
    let mode = instance.mode(proxy);
    let known = sensitive(ports, bound);
    let is_internal_web = known.is_none_or(|known| known.class == Class::InternalWeb);
    if matches!((first, last), (80, 80) | (443, 443)) || bind.has_tls() && mode != Mode::Tcp && is_internal_web {
        return None;
    }
    let title = proxy.title();
    let (severity, message) = match known.filter(|known| known.class != Class::InternalWeb) {
        Some(known) => {
            let severity = known.class.severity(Exposure::Internet).unwrap_or(Severity::Medium).min(Severity::High);
            let words = known.class.words();
            (
                severity,
                format!("{title} listens on every address at port {ports}, where {} is usual: {words}", known.name),
            )
        }
        None if is_own_page(instance, proxy) => (
            Severity::High,
            format!("the statistics or metrics of {title} are served on every address at port {ports}"),
        ),
        None => {
            let severity = if mode == Mode::Tcp { Severity::Medium } else { Severity::Low };
            (
                severity,
                format!(
                    "{title} listens on every address at port {ports}, and nothing says that it is meant for everybody"
                ),
            )
        }
    };
    Some(narrower(Finding::new(&WILDCARD_BIND, bound.span, message).severity(severity), bound))
}

/// The worst that is usual on these ports.
fn sensitive(ports: PortSpan, bound: &Bound) -> Option<&'static Sensitive> {
    // In a wide range something sensitive is always found; it says nothing.
    if ports.count() > 100 {
        return None;
    }
    let transport = if bound.is_datagram() { Transport::Udp } else { Transport::Tcp };
    within(ports, Some(transport)).max_by_key(|known| known.class.severity(Exposure::Internet))
}

/// Nothing lies behind it but what HAProxy says of itself.
pub(super) fn is_own_page(instance: &Instance, proxy: &Proxy) -> bool {
    let says_something = instance.effective(proxy).any(|statement| {
        statement.text(0) == "stats" || statement.begins(&["http-request", "use-service", "prometheus-exporter"])
    });
    says_something && is_empty(instance, proxy)
}

/// Whether it passes nothing on.
fn is_empty(instance: &Instance, proxy: &Proxy) -> bool {
    proxy.servers.is_empty() && instance.uses(proxy).next().is_none()
}

/// With the address of this host instead of all.
pub(super) fn narrower(finding: Finding, bound: &Bound) -> Finding {
    let (Some(host), Some(internet)) = (bound.host_span, bound.internet()) else {
        return finding.help("bind the address of the interface that is meant, or `127.0.0.1` for this host alone");
    };
    let ports = bound.text.get(internet.ports_at.0..).unwrap_or("");
    let local = if bound.text.contains("::") || bound.text.contains("v6@") { "[::1]" } else { "127.0.0.1" };
    let prefix = bound.text.split_once('@').map(|(prefix, _)| format!("{prefix}@")).unwrap_or_default();
    let edit = Edit { span: host, replacement: format!("{prefix}{local}") };
    let text = format!(
        "write `{prefix}{local}:{ports}` for this host alone, or the address of the interface that is meant; what is \
         meant for everybody needs a suppression that says so"
    );
    finding.fix(Safety::NeedsReview, text, vec![edit])
}

/// Plain HTTP on a port where clients speak TLS.
fn without_tls(instance: &Instance, proxy: &Proxy, bind: &Bind, bound: &Bound) -> Option<Finding> {
    let is_https_port = matches!(bound.span_of_ports(), Some((443, 443) | (8443, 8443)));
    // Behind another proxy that ended TLS, `accept-proxy` is usual.
    let is_behind = bind.has("accept-proxy") || reach(bound, bind) == Some(Reach::Host);
    if !is_https_port || bind.has_tls() || is_behind || bound.is_datagram() || instance.mode(proxy) != Mode::Http {
        return None;
    }
    let message = format!("{} speaks plain HTTP on `{}`, where clients expect TLS", proxy.title(), bound.text);
    let help = format!("write `bind {} ssl crt /etc/haproxy/certs/`, or `mode tcp` to pass TLS through", bound.text);
    Some(Finding::new(&PLAINTEXT, bound.span, message).help(help))
}

fn without_redirect(instance: &Instance, proxy: &Proxy) -> Option<Finding> {
    if instance.mode(proxy) == Mode::Tcp || is_empty(instance, proxy) || is_guarded(instance, proxy) {
        return None;
    }
    let is_plain_web = |bind: &&Bind| !bind.has_tls() && !bind.has("accept-proxy");
    let bound = proxy.binds.iter().filter(is_plain_web).find_map(|bind| {
        bind.addresses
            .iter()
            .find(|bound| bound.span_of_ports() == Some((80, 80)) && reach(bound, bind) == Some(Reach::Internet))
    })?;
    let behind = instance.uses(proxy).filter_map(|(_, name)| instance.backend(&name.text));
    let redirects = |proxy: &Proxy| instance.effective(proxy).any(is_redirect);
    if redirects(proxy) || behind.into_iter().any(redirects) {
        return None;
    }
    let serves_tls = instance.listening().any(|proxy| proxy.binds.iter().any(Bind::has_tls));
    let severity = if serves_tls { Severity::Medium } else { Severity::Low };
    let message = format!("{} serves port 80 in clear and sends nobody to https", proxy.title());
    let help = "add `http-request redirect scheme https unless { ssl_fc }` to it";
    Some(Finding::new(&PLAINTEXT, bound.span, message).severity(severity).help(help))
}

fn is_guarded(instance: &Instance, proxy: &Proxy) -> bool {
    matches!(access::at_proxy(instance, proxy), Guard::Sources(_))
}

fn is_redirect(statement: &Statement) -> bool {
    let at = match statement.text(0) {
        "redirect" => 1,
        "http-request" if statement.text(1) == "redirect" => 2,
        _ => return false,
    };
    statement.begins_at(at, "scheme", "https") || {
        let target = statement.text(at + 1);
        matches!(statement.text(at), "location" | "prefix") && target.starts_with("https:")
    }
}
