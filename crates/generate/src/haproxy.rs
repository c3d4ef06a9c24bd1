//! The same ports and routes for HAProxy.

use std::fmt::Write;

use portcullis_config::declared::{
    Action, Balance, ClientCertificate, Declared, HeaderEdits, HealthProbe, HostPattern, PathPattern, Protocol, Route,
    Service, ValuePattern, Verify,
};

use crate::{
    Artefact, Generated,
    flows::{self, Open},
    text::{comment, identifier},
};

const HEAD: &str = "\
# The ports and routes of portcullis.yaml, as far as HAProxy can express them. Written by `portcullis generate haproxy`.
global
    maxconn 50000
    ssl-default-bind-options ssl-min-ver TLSv1.2

defaults
    timeout connect 5s
    timeout client 60s
    timeout server 60s
    timeout http-request 10s
    timeout tunnel 1h
    log stdout format raw local0
";

pub(crate) fn generate(declared: &Declared) -> Generated {
    let mut text = HEAD.to_owned();
    let mut notes = Vec::new();
    for open in flows::open(declared).iter().filter(|open| open.is_data()) {
        frontend(&mut text, declared, open, &mut notes);
    }
    for service in &declared.services {
        backend(&mut text, declared, service, &mut notes);
    }
    notes.sort();
    notes.dedup();
    Generated { artefacts: vec![Artefact { name: "haproxy.cfg".to_owned(), text }], notes }
}

fn frontend(text: &mut String, declared: &Declared, open: &Open<'_>, notes: &mut Vec<String>) {
    let name = identifier(open.name(), '_');
    let is_http = is_http(open);
    let mode = if is_http { "http" } else { "tcp" };
    let log = if is_http { "option httplog\n    option forwardfor" } else { "option tcplog" };
    let _ = write!(text, "\nfrontend {name}\n    mode {mode}\n    log global\n    {log}\n    bind {}", bind(open));
    tls(text, open, notes);
    text.push('\n');
    if !open.deny.is_empty() {
        let _ = writeln!(text, "    tcp-request connection reject if {{ src {} }}", sources(&open.deny));
    }
    if !open.from.is_empty() {
        let _ = writeln!(text, "    tcp-request connection reject unless {{ src {} }}", sources(&open.from));
    }
    if let Some(target) = &open.port.redirect {
        let port = flows::open(declared)
            .into_iter()
            .find(|other| other.name() == target.value)
            .map(|other| other.address.port());
        let host = match port {
            Some(443) | None => "%[req.hdr(host),field(1,:)]".to_owned(),
            Some(port) => format!("%[req.hdr(host),field(1,:)]:{port}"),
        };
        let _ = writeln!(text, "    http-request redirect location https://{host}%[capture.req.uri] code 308");
        return;
    }
    // Rules are taken in their order here, so the most specific come first, as Portcullis would choose.
    let mut routes = flows::routes(declared, open.name());
    routes.sort_by_key(|route| std::cmp::Reverse(specificity(route)));
    // A backend is chosen after all other rules, so those lines stand last, as HAProxy wants them.
    let mut choices = String::new();
    for (index, route) in routes.into_iter().enumerate() {
        self::route(text, &mut choices, &format!("{name}_{index}"), route, is_http, notes);
    }
    // What no route takes is refused, unless the last route takes everything.
    let takes_all = text.lines().next_back().is_some_and(|line| line == "    http-request allow");
    if is_http && !takes_all {
        text.push_str("    http-request deny deny_status 404\n");
    }
    text.push_str(&choices);
}

fn is_http(open: &Open<'_>) -> bool {
    matches!(open.protocol(), Protocol::Http | Protocol::Https)
}

/// `[::]:443` is IPv6 only, as Portcullis binds it.
fn bind(open: &Open<'_>) -> String {
    if open.address.is_ipv6() { format!("{} v6only", open.address) } else { open.address.to_string() }
}

fn tls(text: &mut String, open: &Open<'_>, notes: &mut Vec<String>) {
    let Some(tls) = &open.port.tls else { return };
    if tls.passthrough.is_some_and(|said| said.value) {
        return;
    }
    text.push_str(" ssl");
    for certificate in &tls.certificates {
        let _ = write!(text, " crt {}", certificate.cert.value.display());
        notes.push(format!(
            "HAProxy looks for the key of {0} in the same file or in {0}.key",
            certificate.cert.value.display()
        ));
    }
    let clients = open.port.clients.as_ref();
    if let Some((clients, ca)) = clients.and_then(|clients| clients.ca.as_ref().map(|ca| (clients, ca))) {
        let verify = match clients.certificate.value {
            ClientCertificate::Required => "required",
            ClientCertificate::Optional => "optional",
            ClientCertificate::None => "none",
        };
        let _ = write!(text, " ca-file {} verify {verify}", ca.value.display());
    }
    if is_http(open) {
        text.push_str(" alpn http/1.1");
    }
}

/// More conditions, and longer ones, are more specific.
fn specificity(route: &Route) -> (u8, u8, usize, usize) {
    let host = match route.matches.host.as_ref().or(route.matches.sni.as_ref()).map(|host| &host.value) {
        Some(HostPattern::Exact(_)) => 2,
        Some(HostPattern::Suffix(_)) => 1,
        Some(HostPattern::Any) | None => 0,
    };
    let (path, length) = match route.matches.path.as_ref().map(|path| &path.value) {
        Some(PathPattern::Exact(path)) => (3, path.len()),
        Some(PathPattern::Prefix(path)) => (2, path.len()),
        Some(PathPattern::Regex(regex)) => (1, regex.len()),
        None => (0, 0),
    };
    let matches = &route.matches;
    (
        host,
        path,
        length,
        matches.methods.len().min(1) + matches.headers.len() + matches.query.len() + matches.from.len().min(1),
    )
}

fn route(text: &mut String, choices: &mut String, name: &str, route: &Route, is_http: bool, notes: &mut Vec<String>) {
    let mut conditions: Vec<String> = Vec::new();
    let mut acl = |criterion: String| {
        let acl = format!("{name}_{}", conditions.len());
        let _ = writeln!(text, "    acl {acl} {criterion}");
        conditions.push(acl);
    };
    let fetch = if is_http { "req.hdr(host),field(1,:)" } else { "req.ssl_sni" };
    match route.matches.host.as_ref().or(route.matches.sni.as_ref()).map(|host| &host.value) {
        Some(HostPattern::Exact(host)) => acl(format!("{fetch} -i {host}")),
        Some(HostPattern::Suffix(host)) => acl(format!("{fetch} -m end -i .{host}")),
        Some(HostPattern::Any) | None => {}
    }
    match route.matches.path.as_ref().map(|path| &path.value) {
        Some(PathPattern::Exact(path)) => acl(format!("path {}", word(path))),
        Some(PathPattern::Prefix(path)) if path == "/" => {}
        Some(PathPattern::Prefix(path)) => {
            let path = path.trim_end_matches('/');
            acl(format!("path -m reg ^{}(/.*)?$", word(&escaped_regex(path))));
        }
        Some(PathPattern::Regex(regex)) => acl(format!("path -m reg {}", word(&format!("^(?:{regex})$")))),
        None => {}
    }
    if !route.matches.methods.is_empty() {
        acl(format!(
            "method {}",
            route.matches.methods.iter().map(|method| method.value.as_str()).collect::<Vec<_>>().join(" ")
        ));
    }
    for (header, value) in &route.matches.headers {
        acl(match &value.value {
            ValuePattern::Present => format!("req.hdr({}) -m found", header.value),
            ValuePattern::Exact(value) => format!("req.hdr({}) {}", header.value, word(value)),
            ValuePattern::Regex(regex) => {
                format!("req.hdr({}) -m reg {}", header.value, word(&format!("^(?:{regex})$")))
            }
        });
    }
    for (key, value) in &route.matches.query {
        acl(match &value.value {
            ValuePattern::Present => format!("url_param({}) -m found", key.value),
            ValuePattern::Exact(value) => format!("url_param({}) {}", key.value, word(value)),
            ValuePattern::Regex(regex) => {
                format!("url_param({}) -m reg {}", key.value, word(&format!("^(?:{regex})$")))
            }
        });
    }
    if !route.matches.from.is_empty() {
        acl(format!("src {}", sources(&route.matches.from.iter().map(|from| from.value).collect::<Vec<_>>())));
    }
    let when = if conditions.is_empty() { String::new() } else { format!(" if {}", conditions.join(" ")) };
    let and = |condition: String| {
        if conditions.is_empty() {
            format!(" if {condition}")
        } else {
            format!(" if {} {condition}", conditions.join(" "))
        }
    };
    let refuse = if is_http { "http-request deny deny_status 403" } else { "tcp-request content reject" };
    if !route.deny.from.is_empty() {
        let deny: Vec<_> = route.deny.from.iter().map(|deny| deny.value).collect();
        let _ = writeln!(text, "    {refuse}{}", and(format!("{{ src {} }}", sources(&deny))));
    }
    match flows::sources(route) {
        Ok(sources) if sources.is_empty() => {}
        Ok(sources) => {
            let _ = writeln!(text, "    {refuse}{}", and(format!("!{{ src {} }}", self::sources(&sources))));
        }
        Err(what) => {
            notes.push(format!(
                "a route asks for {what}: only Portcullis can judge that, so HAProxy refuses everybody there"
            ));
            let _ = writeln!(text, "    {refuse}{when}");
            return;
        }
    }
    action(text, choices, route, &when, is_http, notes);
}

fn action(text: &mut String, choices: &mut String, route: &Route, when: &str, is_http: bool, notes: &mut Vec<String>) {
    match route.action.as_ref().map(|action| &action.value) {
        Some(Action::Service(service)) => {
            let _ = writeln!(choices, "    use_backend {}{when}", identifier(service, '_'));
            // A deny for what no route takes would stand before the choice of a backend, so what is taken is let by.
            if is_http {
                let _ = writeln!(text, "    http-request allow{when}");
            }
        }
        Some(Action::Redirect { to, status }) if is_http => {
            let _ = writeln!(text, "    http-request redirect location {} code {status}{when}", word(&literal(to)));
        }
        Some(Action::Respond { status, body, content_type }) if is_http => {
            let _ = writeln!(
                text,
                "    http-request return status {status} content-type {} string {}{when}",
                word(content_type),
                word(&literal(body))
            );
        }
        _ => notes.push("a route without an action that HAProxy knows is left out".to_owned()),
    }
    let edits = &route.request_headers;
    if route.rewrite.path.is_some()
        || route.rewrite.host.is_some()
        || !is_empty(edits)
        || !is_empty(&route.response_headers)
    {
        notes.push(
            "rewrites and header edits of routes are left out; write them as http-request and http-response rules"
                .to_owned(),
        );
    }
}

fn is_empty(edits: &HeaderEdits) -> bool {
    edits.set.is_empty() && edits.append.is_empty() && edits.remove.is_empty()
}

fn backend(text: &mut String, declared: &Declared, service: &Service, notes: &mut Vec<String>) {
    let name = identifier(&service.name.value, '_');
    let ports = declared.routes.iter().filter(|route| matches!(route.action.as_ref().map(|a| &a.value), Some(Action::Service(own)) if *own == service.name.value));
    let open = flows::open(declared);
    let is_http = ports
        .flat_map(|route| &route.ports)
        .any(|port| open.iter().any(|open| open.name() == port.value && is_http(open)));
    let balance = match service.balance.map(|balance| balance.value) {
        Some(Balance::LeastRequests) => "leastconn",
        _ => "roundrobin",
    };
    let mode = if is_http { "http" } else { "tcp" };
    let _ = writeln!(text, "\nbackend {name}\n    mode {mode}\n    balance {balance}");
    let check = health(text, service);
    let tls = match &service.tls {
        None => String::new(),
        Some(tls) => match (tls.verify.value, &tls.ca) {
            (Verify::Off, _) => " ssl verify none".to_owned(),
            (_, Some(ca)) => format!(" ssl verify required ca-file {}", ca.value.display()),
            (_, None) => " ssl verify required ca-file @system-ca".to_owned(),
        },
    };
    let endpoints = flows::endpoints(service);
    for (index, (host, port, weight)) in endpoints.iter().enumerate() {
        let host = if host.contains(':') { format!("[{host}]") } else { host.clone() };
        let _ = writeln!(text, "    server {name}_{index} {host}:{port} weight {weight}{tls}{check}");
    }
    if endpoints.len() < service.endpoints.len() {
        notes.push(format!("service `{}`: endpoints on Unix sockets are left out", comment(&service.name.value)));
    }
}

/// Writes what checks are, and returns what asks a server for them.
fn health(text: &mut String, service: &Service) -> String {
    let Some(health) = &service.health else { return String::new() };
    if let HealthProbe::Http { path, .. } = &health.probe {
        let _ = writeln!(text, "    option httpchk GET {}", word(&path.value));
    }
    let every = health.every.map_or(2_000, |every| every.value.as_millis());
    let (rise, fall) = (health.rise.map_or(2, |rise| rise.value), health.fall.map_or(3, |fall| fall.value));
    format!(" check inter {every}ms rise {rise} fall {fall}")
}

fn sources(networks: &[ipnet::IpNet]) -> String {
    networks.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
}

/// One word of the configuration, with what means something to HAProxy escaped.
fn word(text: &str) -> String {
    let mut word = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '\n' => word.push_str("\\n"),
            '\r' => word.push_str("\\r"),
            '\t' => word.push_str("\\t"),
            ' ' | '#' | '\\' | '"' | '\'' => {
                word.push('\\');
                word.push(character);
            }
            '$' => word.push_str("\\x24"),
            other => word.push(other),
        }
    }
    if word.is_empty() { "\"\"".to_owned() } else { word }
}

/// Text where HAProxy would look for variables.
fn literal(text: &str) -> String {
    text.replace('%', "%%")
}

fn escaped_regex(text: &str) -> String {
    let is_special = |c: char| "\\.+*?()|[]{}^$".contains(c);
    text.chars().flat_map(|c| is_special(c).then_some('\\').into_iter().chain([c])).collect()
}
