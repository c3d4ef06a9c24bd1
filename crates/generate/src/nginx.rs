//! The same ports and routes for nginx: HTTP ports as servers, TCP ports as streams.

use std::{collections::BTreeMap, fmt::Write};

use portcullis_config::declared::{
    Action, Balance, ClientCertificate, Declared, HostPattern, PathPattern, Protocol, Route, Service,
};

use crate::{
    Artefact, Generated,
    flows::{self, Open},
    text::identifier,
};

pub(crate) fn generate(declared: &Declared) -> Generated {
    let (mut http, mut stream, mut notes) = (String::new(), String::new(), Vec::new());
    let open = flows::open(declared);
    for open in open.iter().filter(|open| open.is_data()) {
        match open.protocol() {
            Protocol::Http | Protocol::Https => servers(&mut http, declared, open, &mut notes),
            Protocol::Tcp | Protocol::Tls => self::stream(&mut stream, declared, open, &mut notes),
        }
    }
    let mut used_by: BTreeMap<bool, String> = BTreeMap::new();
    for service in &declared.services {
        for is_http in [true, false] {
            if is_used(declared, &open, service, is_http) {
                upstream(used_by.entry(is_http).or_default(), service, &mut notes);
            }
        }
    }
    let upstreams = |is_http| used_by.get(&is_http).cloned().unwrap_or_default();
    let mut text = "# The ports and routes of portcullis.yaml, as far as nginx can express them. Written by `portcullis generate nginx`.\n\
                    # A whole nginx.conf; the stream module is needed for TCP ports (Debian: libnginx-mod-stream).\n\
                    events { worker_connections 8192; }\n"
        .to_owned();
    if !http.is_empty() {
        let _ = write!(
            text,
            "\nhttp {{\n{}    server_tokens off;\n    proxy_http_version 1.1;\n    proxy_set_header Connection \"\";\n    proxy_set_header Host $host;\n    proxy_set_header X-Forwarded-For $remote_addr;\n    proxy_set_header X-Forwarded-Proto $scheme;\n{}{http}}}\n",
            if http.contains("${dollar}") { "    geo $dollar { default \"$\"; }\n" } else { "" },
            upstreams(true)
        );
    }
    if !stream.is_empty() {
        let _ = write!(text, "\nstream {{\n{}{stream}}}\n", upstreams(false));
    }
    notes.sort();
    notes.dedup();
    Generated { artefacts: vec![Artefact { name: "nginx.conf".to_owned(), text }], notes }
}

fn is_used(declared: &Declared, open: &[Open<'_>], service: &Service, by_http: bool) -> bool {
    let is_http = |port: &str| {
        let port = open.iter().find(|open| open.name() == port);
        port.map(|open| matches!(open.protocol(), Protocol::Http | Protocol::Https))
    };
    declared.routes.iter().any(|route| {
        let is_meant = matches!(route.action.as_ref().map(|action| &action.value), Some(Action::Service(own)) if *own == service.name.value);
        is_meant && route.ports.iter().any(|port| is_http(&port.value) == Some(by_http))
    })
}

fn upstream(text: &mut String, service: &Service, notes: &mut Vec<String>) {
    let _ = writeln!(text, "\n    upstream {} {{", identifier(&service.name.value, '_'));
    if service.balance.is_some_and(|balance| balance.value == Balance::LeastRequests) {
        text.push_str("        least_conn;\n");
    }
    for (host, port, weight) in flows::endpoints(service) {
        let host = if host.contains(':') { format!("[{host}]") } else { host };
        let _ = writeln!(text, "        server {host}:{port} weight={};", weight.max(1));
    }
    text.push_str("    }\n");
    if service.health.is_some() {
        notes.push(
            "active health checks are a feature of the commercial nginx; failures are noticed by requests here"
                .to_owned(),
        );
    }
}

/// One server for each host of the port, and one for all other hosts, which answers 404.
fn servers(text: &mut String, declared: &Declared, open: &Open<'_>, notes: &mut Vec<String>) {
    let mut by_host: BTreeMap<String, Vec<&Route>> = BTreeMap::new();
    by_host.entry(String::new()).or_default();
    for route in flows::routes(declared, open.name()) {
        by_host.entry(host(route)).or_default().push(route);
    }
    // Routes without a host are for every host; a server takes them after its own.
    let common = by_host.get("").cloned().unwrap_or_default();
    for (host, routes) in &by_host {
        let is_default = if host.is_empty() { " default_server" } else { "" };
        let ssl = if open.protocol() == Protocol::Https { " ssl" } else { "" };
        let v6 = if open.address.is_ipv6() { " ipv6only=on" } else { "" };
        let v6 = if host.is_empty() { v6 } else { "" };
        let _ = writeln!(text, "\n    server {{\n        listen {}{is_default}{ssl}{v6};", open.address);
        let _ = writeln!(text, "        server_name {};", if host.is_empty() { "_" } else { host });
        tls(text, open, notes);
        access(text, &open.from, &open.deny, "        ");
        if let Some(target) = &open.port.redirect {
            let port = flows::open(declared)
                .into_iter()
                .find(|other| other.name() == target.value)
                .map(|other| other.address.port());
            let port = port.filter(|port| *port != 443).map(|port| format!(":{port}")).unwrap_or_default();
            let _ = writeln!(text, "        return 308 https://$host{port}$request_uri;\n    }}");
            continue;
        }
        let all = routes.iter().chain(common.iter().filter(|_| !host.is_empty()));
        let mut seen: Vec<String> = Vec::new();
        for route in all {
            for location in locations(route) {
                if seen.contains(&location) {
                    notes.push(format!("several routes for `{location}` of one host: nginx takes the first one only"));
                } else {
                    self::location(text, &location, route, notes);
                    seen.push(location);
                }
            }
        }
        if !seen.iter().any(|location| location == "/") {
            text.push_str("        location / { return 404; }\n");
        }
        text.push_str("    }\n");
    }
}

fn host(route: &Route) -> String {
    match route.matches.host.as_ref().map(|host| &host.value) {
        Some(HostPattern::Exact(name)) => name.clone(),
        Some(HostPattern::Suffix(name)) => format!("*.{name}"),
        Some(HostPattern::Any) | None => String::new(),
    }
}

/// A prefix on a segment border takes two locations.
fn locations(route: &Route) -> Vec<String> {
    match route.matches.path.as_ref().map(|path| &path.value) {
        Some(PathPattern::Exact(path)) => vec![format!("= {}", word(path))],
        Some(PathPattern::Prefix(path)) if path == "/" => vec!["/".to_owned()],
        Some(PathPattern::Prefix(path)) => {
            let path = path.trim_end_matches('/');
            vec![format!("= {}", word(path)), word(&format!("{path}/"))]
        }
        Some(PathPattern::Regex(regex)) => vec![format!("~ {}", word(&format!("^(?:{regex})$")))],
        None => vec!["/".to_owned()],
    }
}

fn location(text: &mut String, location: &str, route: &Route, notes: &mut Vec<String>) {
    let matches = &route.matches;
    if !matches.headers.is_empty()
        || !matches.query.is_empty()
        || !matches.methods.is_empty()
        || !matches.from.is_empty()
    {
        notes.push("conditions on method, header, query or source choose no location in nginx; such routes refuse everybody here".to_owned());
        let _ = writeln!(text, "        location {location} {{ return 403; }}");
        return;
    }
    let _ = writeln!(text, "        location {location} {{");
    let deny: Vec<_> = route.deny.from.iter().map(|deny| deny.value).collect();
    match flows::sources(route) {
        Ok(from) => access(text, &from, &deny, "            "),
        Err(what) => {
            notes.push(format!(
                "a route asks for {what}: only Portcullis can judge that, so nginx refuses everybody there"
            ));
            text.push_str("            return 403;\n        }\n");
            return;
        }
    }
    match route.action.as_ref().map(|action| &action.value) {
        Some(Action::Service(service)) => {
            let _ = writeln!(text, "            proxy_pass http://{};", identifier(service, '_'));
        }
        Some(Action::Redirect { to, status }) => {
            let _ = writeln!(text, "            return {status} {};", literal(to));
        }
        Some(Action::Respond { status, body, content_type }) => {
            let _ = writeln!(
                text,
                "            default_type {};\n            return {status} {};",
                word(content_type),
                literal(body)
            );
        }
        None => text.push_str("            return 404;\n"),
    }
    text.push_str("        }\n");
    if route.rewrite.path.is_some() || route.rewrite.host.is_some() {
        notes.push("rewrites of routes are left out".to_owned());
    }
}

fn tls(text: &mut String, open: &Open<'_>, notes: &mut Vec<String>) {
    let Some(tls) =
        open.port.tls.as_ref().filter(|_| open.protocol() == Protocol::Https || open.protocol() == Protocol::Tls)
    else {
        return;
    };
    if tls.certificates.len() > 1 {
        notes.push("nginx takes one certificate for each server and key type; the first is used for all".to_owned());
    }
    if let Some(certificate) = tls.certificates.first() {
        let _ = writeln!(
            text,
            "        ssl_certificate {};\n        ssl_certificate_key {};\n        ssl_protocols TLSv1.2 TLSv1.3;",
            word(&certificate.cert.value.display().to_string()),
            word(&certificate.key.value.display().to_string())
        );
    }
    if let Some((clients, ca)) = open.port.clients.as_ref().and_then(|c| c.ca.as_ref().map(|ca| (c, ca))) {
        let verify = match clients.certificate.value {
            ClientCertificate::Required => "on",
            ClientCertificate::Optional => "optional",
            ClientCertificate::None => "off",
        };
        let _ = writeln!(
            text,
            "        ssl_client_certificate {};\n        ssl_verify_client {verify};",
            word(&ca.value.display().to_string())
        );
    }
}

/// `deny` goes before `allow`, and whoever is not allowed is denied.
fn access(text: &mut String, from: &[ipnet::IpNet], deny: &[ipnet::IpNet], indent: &str) {
    for network in deny {
        let _ = writeln!(text, "{indent}deny {network};");
    }
    for network in from {
        let _ = writeln!(text, "{indent}allow {network};");
    }
    if !from.is_empty() {
        let _ = writeln!(text, "{indent}deny all;");
    }
}

fn stream(text: &mut String, declared: &Declared, open: &Open<'_>, notes: &mut Vec<String>) {
    let routes = flows::routes(declared, open.name());
    let service = |route: &&Route| match route.action.as_ref().map(|action| &action.value) {
        Some(Action::Service(service)) => Some(identifier(service, '_')),
        _ => None,
    };
    let is_terminated = open.port.tls.as_ref().is_some_and(|tls| !tls.certificates.is_empty());
    let v6 = if open.address.is_ipv6() { " ipv6only=on" } else { "" };
    let by_name: Vec<(&&Route, String)> = routes.iter().filter_map(|route| Some((route, service(route)?))).collect();
    let has_names = by_name.iter().any(|(route, _)| route.matches.sni.is_some() || route.matches.host.is_some());
    let target = match by_name.as_slice() {
        [] => {
            notes.push(format!("port `{}` has no route to a service, and is left out", open.name()));
            return;
        }
        [(_, only)] if !has_names => only.clone(),
        several => {
            let variable = format!("$sni_{}", identifier(open.name(), '_'));
            let name = if is_terminated { "$ssl_server_name" } else { "$ssl_preread_server_name" };
            let _ = writeln!(text, "\n    map {name} {variable} {{\n        hostnames;");
            for (route, service) in several {
                match route.matches.sni.as_ref().or(route.matches.host.as_ref()).map(|host| &host.value) {
                    Some(HostPattern::Exact(host)) => writeln!(text, "        {host} {service};"),
                    Some(HostPattern::Suffix(host)) => writeln!(text, "        *.{host} {service};"),
                    Some(HostPattern::Any) | None => writeln!(text, "        default {service};"),
                }
                .unwrap_or_default();
            }
            text.push_str("    }\n");
            variable
        }
    };
    let ssl = if is_terminated { " ssl" } else { "" };
    let _ = writeln!(text, "\n    server {{\n        listen {}{ssl}{v6};", open.address);
    if is_terminated {
        tls(text, open, notes);
    } else if has_names {
        text.push_str("        ssl_preread on;\n");
    }
    access(text, &open.from, &open.deny, "        ");
    if let Some((route, _)) = by_name.first() {
        match flows::sources(route) {
            Ok(from) if by_name.len() == 1 => access(text, &from, &[], "        "),
            Ok(from) if from.is_empty() => {}
            Ok(_) => notes.push("sources of single routes of a TCP port are left out".to_owned()),
            Err(what) => {
                notes.push(format!(
                    "a route asks for {what}: only Portcullis can judge that, so nginx refuses everybody there"
                ));
                text.push_str("        deny all;\n");
            }
        }
    }
    let _ = writeln!(
        text,
        "        proxy_connect_timeout 5s;\n        proxy_timeout 1h;\n        proxy_pass {target};\n    }}"
    );
}

/// A word where nginx would look for variables: a dollar sign can only be written by a variable that holds one.
fn literal(text: &str) -> String {
    word(text).replace('$', "${dollar}")
}

/// One word of the configuration.
fn word(text: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "/._-:*".contains(c);
    if !text.is_empty() && text.chars().all(is_plain) {
        return text.to_owned();
    }
    let mut word = String::from("\"");
    for character in text.chars() {
        match character {
            '"' | '\\' => {
                word.push('\\');
                word.push(character);
            }
            '\n' => word.push_str("\\n"),
            '\r' => word.push_str("\\r"),
            '\t' => word.push_str("\\t"),
            other => word.push(other),
        }
    }
    word.push('"');
    word
}
