//! A `portcullis.yaml` from what the configuration of another proxy does.

use std::{
    collections::{BTreeMap, HashMap},
    fmt::Write,
};

use portcullis_config::scope::Scope;
use portcullis_lint::{
    estate::Address,
    inputs::{Inputs, Span},
    proxied::{Action, Allow, Balance, Endpoint, Health, PathMatch, Port, Proxied, Route, Service, Speaks, Verify},
};

use crate::{Imported, Note, names::Names, text::place};

/// Declares what the configurations do.
pub fn import(proxied: &Proxied, inputs: &Inputs) -> Imported {
    let mut writer = Writer::new(proxied, inputs);
    let text = if proxied.ports.is_empty() { String::new() } else { writer.file() };
    let mut notes = writer.notes;
    notes.extend(proxied.left.iter().map(|left| Note { place: Some(left.place), text: left.text.clone() }));
    notes.sort_by_key(|note| note.place.map(|place| (place.file.0, place.start)));
    Imported { text, notes }
}

struct Writer<'p> {
    proxied: &'p Proxied,
    inputs: &'p Inputs,
    /// One port may become two: IPv4 and IPv6 each have their own.
    ports: HashMap<&'p str, Vec<String>>,
    services: HashMap<&'p str, String>,
    notes: Vec<Note>,
}

impl<'p> Writer<'p> {
    fn new(proxied: &'p Proxied, inputs: &'p Inputs) -> Self {
        let mut names = Names::default();
        let mut ports = HashMap::new();
        for port in &proxied.ports {
            let listens = listens(port);
            let of_port = listens.iter().map(|listen| {
                let family = if listen.starts_with('[') { "-v6" } else { "" };
                names.free("port", &format!("{}{family}", port.name))
            });
            ports.insert(port.key.as_str(), of_port.collect());
        }
        let services = proxied
            .services
            .iter()
            .map(|service| (service.key.as_str(), names.free("service", &service.name)))
            .collect();
        Self { proxied, inputs, ports, services, notes: Vec::new() }
    }

    /// Writing to a string cannot fail.
    fn file(&mut self) -> String {
        let mut text =
            "# Written by `portcullis import`. What it does not say, the notes of the import say.\nports:\n".to_owned();
        for port in &self.proxied.ports {
            self.port(port, &mut text);
        }
        let used = |service: &&Service| {
            let is_meant = |route: &Route| route.action == Action::Service(service.key.clone());
            self.proxied.routes.iter().any(is_meant)
        };
        let (used, idle): (Vec<&Service>, Vec<&Service>) = self.proxied.services.iter().partition(used);
        for service in idle {
            let text = format!("`{}` is not carried over: no route leads to it", service.name);
            self.notes.push(Note { place: Some(service.place), text });
        }
        if !used.is_empty() {
            text.push_str("\nservices:\n");
            for service in used {
                self.service(service, &mut text);
            }
        }
        if !self.proxied.routes.is_empty() {
            text.push_str("\nroutes:\n");
            for (route, keys) in together(&self.proxied.routes) {
                self.route(route, &keys, &mut text);
            }
        }
        text
    }

    fn port(&mut self, port: &Port, text: &mut String) {
        let (is_public, has_tls) = (port.address.scope() == Some(Scope::Public), !port.certificates.is_empty());
        let names = self.ports.get(port.key.as_str()).cloned().unwrap_or_default();
        for (name, listen) in names.iter().zip(listens(port)) {
            let protocol = match (port.speaks, has_tls) {
                (Speaks::Http, false) => "http",
                (Speaks::Http, true) => "https",
                (Speaks::Tcp, false) => "tcp",
                (Speaks::Tcp, true) | (Speaks::TlsPassthrough, _) => "tls",
            };
            let role = if is_public { "public" } else { "internal" };
            let mut keys =
                vec![format!("listen: {}", quoted(&listen)), format!("role: {role}"), format!("protocol: {protocol}")];
            if has_tls {
                let files = port
                    .certificates
                    .iter()
                    .map(|(cert, key)| format!("{{ cert: {}, key: {} }}", quoted(cert), quoted(key)));
                keys.push(format!("tls: {{ certificates: [{}] }}", files.collect::<Vec<_>>().join(", ")));
            } else if port.speaks == Speaks::TlsPassthrough {
                keys.push("tls: { passthrough: true }".to_owned());
            }
            if let Some(ca) = &port.clients {
                keys.push(format!("clients: {{ certificate: required, ca: {} }}", quoted(ca)));
            }
            let redirect = port.redirect.as_ref().and_then(|key| self.ports.get(key.as_str())?.first());
            match redirect {
                Some(to) => keys.push(format!("redirect: {to}")),
                None if is_public && protocol == "http" => keys.push("plaintext: accepted".to_owned()),
                None => {}
            }
            if port.takes_proxy_header {
                keys.push("proxy-protocol: { from: [127.0.0.0/8] }".to_owned());
                let text =
                    "it takes a PROXY header: say in `proxy-protocol: { from }` of whom, this host alone for now"
                        .to_owned();
                self.notes.push(Note { place: Some(port.place), text });
            }
            let _ = writeln!(text, "  {name}: {{ {} }} # {}", keys.join(", "), self.place(port.place));
        }
    }

    fn service(&mut self, service: &Service, text: &mut String) {
        let name = self.services.get(service.key.as_str()).cloned().unwrap_or_default();
        let numbers = || service.endpoints.iter().map(|endpoint| endpoint.port);
        let (first, last) = (numbers().min().unwrap_or(0), numbers().max().unwrap_or(0));
        let mut keys = vec![if first == last { format!("port: {first}") } else { format!("ports: {first}-{last}") }];
        if service.speaks == Speaks::Tcp || service.speaks == Speaks::TlsPassthrough {
            keys.push("protocol: tcp".to_owned());
        }
        let endpoints: Vec<String> = service.endpoints.iter().map(endpoint).collect();
        keys.push(format!("endpoints: [{}]", endpoints.join(", ")));
        if service.balance == Balance::LeastRequests {
            keys.push("balance: least-requests".to_owned());
        }
        match &service.health {
            Some(Health::Tcp) => keys.push("health: { tcp: true }".to_owned()),
            Some(Health::Http(path)) => keys.push(format!("health: {{ http: {} }}", quoted(path))),
            None => {}
        }
        match &service.tls {
            Some(Verify::Off) => {
                keys.push("tls: { verify: off }".to_owned());
                let text =
                    format!("`{name}` is believed whatever certificate it shows, as before; say `tls: {{ ca: FILE }}`");
                self.notes.push(Note { place: Some(service.place), text });
            }
            Some(Verify::System) => keys.push("tls: { verify: system }".to_owned()),
            Some(Verify::Authorities(file)) => keys.push(format!("tls: {{ ca: {} }}", quoted(file))),
            None => {}
        }
        if let Some(version) = service.proxy_header {
            keys.push(format!("proxy-protocol: {version}"));
        }
        let _ = writeln!(text, "  {name}: {{ {} }} # {}", keys.join(", "), self.place(service.place));
    }

    fn route(&self, route: &Route, ports: &[&str], text: &mut String) {
        let names: Vec<String> = ports.iter().filter_map(|key| self.ports.get(key)).flatten().cloned().collect();
        let of_first = self.proxied.ports.iter().find(|port| ports.contains(&port.key.as_str()));
        let is_http = of_first.is_some_and(|port| port.speaks == Speaks::Http);
        let mut keys = vec![format!("port: [{}]", names.join(", "))];
        if let Some(host) = &route.matches.host {
            keys.push(format!("{}: {}", if is_http { "host" } else { "sni" }, quoted(host)));
        }
        match &route.matches.path {
            PathMatch::Any => {}
            PathMatch::Prefix(path) => keys.push(format!("prefix: {}", quoted(path))),
            PathMatch::Exact(path) => keys.push(format!("path: {}", quoted(path))),
        }
        if !route.matches.from.is_empty() {
            keys.push(format!("from: [{}]", list(&route.matches.from)));
        }
        match &route.action {
            Action::Service(key) => {
                keys.push(format!("service: {}", self.services.get(key.as_str()).cloned().unwrap_or_default()));
            }
            Action::Redirect { to, status } => {
                keys.push(format!("redirect: {{ to: {}, status: {status} }}", quoted(to)));
            }
            Action::Respond { status, body } if body.is_empty() => {
                keys.push(format!("respond: {{ status: {status} }}"));
            }
            Action::Respond { status, body } => {
                keys.push(format!("respond: {{ status: {status}, body: {} }}", quoted(body)));
            }
        }
        match &route.allow {
            _ if matches!(route.action, Action::Redirect { .. }) => {}
            Allow::Anyone => keys.push("allow: anyone".to_owned()),
            Allow::From(networks) => keys.push(format!("allow: {{ from: [{}] }}", list(networks))),
            Allow::Certificates => keys.push("allow: { certificates: any }".to_owned()),
            Allow::Closed(_) => keys.push("allow: { from: [127.0.0.0/8, \"::1/128\"] }".to_owned()),
        }
        let rewrite = [("path-prefix", &route.path_prefix), ("host", &route.host)];
        let rewrite: Vec<String> =
            rewrite.iter().filter_map(|(key, value)| Some(format!("{key}: {}", quoted(value.as_ref()?)))).collect();
        if !rewrite.is_empty() {
            keys.push(format!("rewrite: {{ {} }}", rewrite.join(", ")));
        }
        for (key, headers) in
            [("request-headers", &route.request_headers), ("response-headers", &route.response_headers)]
        {
            // The last one counts where a name is set twice.
            let headers: BTreeMap<String, &String> =
                headers.iter().map(|(name, value)| (name.to_ascii_lowercase(), value)).collect();
            if !headers.is_empty() {
                let set: Vec<String> =
                    headers.iter().map(|(name, value)| format!("{}: {}", quoted(name), quoted(value))).collect();
                keys.push(format!("{key}: {{ set: {{ {} }} }}", set.join(", ")));
            }
        }
        let closed = if matches!(route.allow, Allow::Closed(_)) { " closed until you decide:" } else { "" };
        let _ = writeln!(text, "  - {{ {} }} #{closed} {}", keys.join(", "), self.place(route.place));
    }

    fn place(&self, span: Span) -> String {
        place(span, self.inputs)
    }
}

/// Routes that differ in their ports alone, as one.
fn together(routes: &[Route]) -> Vec<(&Route, Vec<&str>)> {
    let mut together: Vec<(&Route, Vec<&str>)> = Vec::new();
    for route in routes {
        let keys = route.ports.iter().map(String::as_str);
        let is_same = |other: &Route| {
            (&other.matches, &other.action, &other.allow, other.place)
                == (&route.matches, &route.action, &route.allow, route.place)
        };
        match together.iter_mut().find(|(other, _)| is_same(other)) {
            Some((_, of_other)) => of_other.extend(keys),
            None => together.push((route, keys.collect())),
        }
    }
    together
}

/// What to listen on: IPv6 sockets of Portcullis take no IPv4.
fn listens(port: &Port) -> Vec<String> {
    let number = port.number;
    match &port.address {
        Address::BothWildcards | Address::Dual => vec![format!("0.0.0.0:{number}"), format!("[::]:{number}")],
        address => vec![format!("{address}:{number}")],
    }
}

fn endpoint(endpoint: &Endpoint) -> String {
    let address = quoted(&format!("{}:{}", endpoint.host, endpoint.port));
    match endpoint.weight.filter(|weight| *weight != 1) {
        Some(weight) => format!("{{ address: {address}, weight: {} }}", weight.min(256)),
        None => address,
    }
}

fn list(networks: &[ipnet::IpNet]) -> String {
    networks.iter().map(|network| quoted(&network.to_string())).collect::<Vec<_>>().join(", ")
}

/// As YAML takes any text; `${` would be a reference.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text.replace("${", "$${")).to_string()
}
