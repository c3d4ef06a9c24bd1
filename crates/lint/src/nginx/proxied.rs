//! What an nginx configuration does, for those who want the same. Every directive is either carried over or told.

use std::collections::BTreeMap;

use super::{
    access,
    lexer::Word,
    listen::Listen,
    model::{Chain, Instance, Layer, Server},
    pass,
    tree::Directive,
};
use crate::{
    estate::{Guard, Target},
    inputs::Span,
    proxied::{
        Action, Allow, Balance, Endpoint, Left, Match, PathMatch, Port, Proxied, Route, Service, Speaks, Verify,
        by_rank,
    },
};

/// Everything that an instance does.
pub(super) fn of(instance: &Instance) -> Proxied {
    let mut carrying =
        Carrying { instance, proxied: Proxied::default(), ports: BTreeMap::new(), redirects: Vec::new() };
    carrying.outer(&instance.directives);
    let servers = instance.servers();
    for server in &servers {
        carrying.server(server);
    }
    carrying.redirects();
    carrying.proxied.routes = by_port(std::mem::take(&mut carrying.proxied.routes));
    carrying.proxied
}

/// Directives that say what Portcullis does anyway, or that are read where they count.
const CARRIED: [&str; 22] = [
    "http",
    "stream",
    "events",
    "server",
    "upstream",
    "location",
    "listen",
    "server_name",
    "ssl_certificate",
    "ssl_certificate_key",
    "ssl_client_certificate",
    "ssl_verify_client",
    "proxy_pass",
    "allow",
    "deny",
    "satisfy",
    "proxy_http_version",
    "return",
    "zone",
    "keepalive",
    "default_type",
    "proxy_ssl_verify",
];

/// Headers that Portcullis sends by itself, or that belong to one connection.
const OWN_HEADERS: [&str; 7] = [
    "x-forwarded-for",
    "x-forwarded-proto",
    "x-forwarded-host",
    "x-forwarded-port",
    "upgrade",
    "connection",
    "forwarded",
];

fn reason(name: &str) -> &'static str {
    match name {
        "access_log" | "error_log" | "log_format" | "log_not_found" => {
            "Portcullis logs every request by itself; see `log`"
        }
        "root" | "index" | "try_files" | "alias" | "autoindex" | "expires" => "Portcullis serves no files",
        "gzip" | "gzip_types" | "gzip_vary" | "gzip_proxied" | "brotli" => "Portcullis passes bodies on as they are",
        "auth_basic" | "auth_basic_user_file" | "auth_request" | "auth_jwt" | "limit_except" | "internal" => {
            "it keeps callers out"
        }
        "limit_req" | "limit_conn" | "limit_req_zone" | "limit_conn_zone" => "see `limits`",
        "user"
        | "worker_processes"
        | "worker_connections"
        | "pid"
        | "daemon"
        | "worker_rlimit_nofile"
        | "sendfile"
        | "tcp_nopush"
        | "tcp_nodelay"
        | "include"
        | "types"
        | "types_hash_max_size"
        | "server_tokens"
        | "multi_accept"
        | "load_module" => "it is a setting of nginx itself",
        name if name.ends_with("_timeout") => "Portcullis' own timeouts hold; see `timeouts` of ports and services",
        name if name.starts_with("ssl_") => "Portcullis speaks TLS 1.2 and 1.3 with its own choice of ciphers",
        name if name.starts_with("proxy_cache") || name.starts_with("proxy_buff") => {
            "Portcullis keeps and gathers no answers"
        }
        name if name.starts_with("fastcgi_") || name.starts_with("uwsgi_") || name.starts_with("scgi_") => {
            "Portcullis speaks HTTP to services"
        }
        _ => "Portcullis has no word for it, or it was not understood",
    }
}

struct Carrying<'i> {
    instance: &'i Instance,
    proxied: Proxied,
    /// Keys of ports by what they listen on: several servers share them.
    ports: BTreeMap<String, String>,
    redirects: Vec<ToTls<'i>>,
}

/// A server that sends everything to TLS, on one of its ports.
struct ToTls<'i> {
    key: String,
    is_default: bool,
    line: &'i Directive,
    names: Vec<String>,
}

impl<'i> Carrying<'i> {
    fn left(&mut self, directive: &Directive, why: &str) {
        let words: Vec<&str> = directive.words.iter().take(4).map(|word| word.text.as_str()).collect();
        let dots = if directive.words.len() > 4 { " …" } else { "" };
        self.say(directive.span, format!("`{}{dots}` is not carried over: {why}", words.join(" ")));
    }

    fn say(&mut self, place: Span, text: String) {
        let left = Left { place, text };
        if !self.proxied.left.contains(&left) {
            self.proxied.left.push(left);
        }
    }

    /// What stands around servers.
    fn outer(&mut self, directives: &[Directive]) {
        for directive in directives {
            match directive.name() {
                "http" | "stream" => self.outer(directive.inside()),
                "events" => directive.inside().iter().for_each(|inner| self.left(inner, reason("worker_connections"))),
                "mail" => self.left(directive, "Portcullis passes mail on as bytes alone; see `protocol: tcp`"),
                "server" | "upstream" => {}
                "map" if directive.words.iter().any(|word| word.text == "$connection_upgrade") => {}
                "proxy_set_header" | "add_header" => {
                    self.left(directive, "headers are carried over where a server or location sets them");
                }
                name if CARRIED.contains(&name) => {}
                name => self.left(directive, reason(name)),
            }
        }
    }

    fn server(&mut self, server: &Server<'i>) {
        if server.layer == Layer::Mail {
            return;
        }
        let keys: Vec<(String, bool)> = server
            .listens
            .iter()
            .filter_map(|listen| Some((self.port(server, listen)?, listen.is_default())))
            .collect();
        for inner in server.directive().inside() {
            if !CARRIED.contains(&inner.name()) && !matches!(inner.name(), "proxy_set_header" | "add_header") {
                self.left(inner, reason(inner.name()));
            }
        }
        let mut rules = Vec::new();
        for inner in server.directive().inside().iter().filter(|inner| inner.name() == "location") {
            self.location(server, &server.chain.with(inner), &mut rules);
        }
        if let Some(line) = to_tls(server) {
            for (key, is_default) in keys {
                self.redirects.push(ToTls { key, is_default, line, names: hosts(server) });
            }
            return;
        }
        let own = self.action(server, &server.chain);
        if let Some(rule) = own {
            // A `return` of the server itself answers before any location is looked at.
            if server.directive().one("return").is_some() {
                rules.clear();
            }
            rules.push(rule);
        }
        for (key, is_default) in keys {
            let is_first = !self.proxied.routes.iter().any(|route| route.ports.contains(&key));
            self.give(server, &key, is_default || is_first, &rules);
        }
    }

    /// The routes of a server on one port: of its names, and of all others if it is the default.
    fn give(&mut self, server: &Server<'i>, key: &str, is_default: bool, rules: &[Route]) {
        if server.layer == Layer::Stream {
            let routes = rules.iter().map(|rule| Route { ports: vec![key.to_owned()], ..rule.clone() });
            return self.proxied.routes.extend(routes);
        }
        let mut hosts: Vec<Option<String>> = Vec::new();
        for name in server.names() {
            match host(&name.text) {
                Ok(names) => hosts.extend(names.into_iter().map(Some)),
                Err(why) => self.say(name.span, format!("the name `{}` is not carried over: {why}", name.text)),
            }
        }
        if is_default {
            hosts.push(None);
        }
        for host in hosts {
            for rule in rules {
                let matches = Match { host: host.clone(), ..rule.matches.clone() };
                self.proxied.routes.push(Route { ports: vec![key.to_owned()], matches, ..rule.clone() });
            }
        }
    }

    /// A port whose every request goes to TLS is redirected as a whole, to the port that has it; on others each name is.
    fn redirects(&mut self) {
        for ToTls { key, is_default, line, names } in std::mem::take(&mut self.redirects) {
            if !self.proxied.routes.iter().any(|route| route.ports.contains(&key)) {
                let text = "the redirect to https has status 308 from now on, for the hosts that the https port has routes for";
                self.say(line.span, text.to_owned());
                for port in self.proxied.ports.iter_mut().filter(|port| port.key == key) {
                    port.redirect = Some(ANY_TLS.to_owned());
                }
                continue;
            }
            if is_default {
                self.left(line, "other servers of the port answer, so hosts that no server names are not redirected");
            }
            for name in names {
                let action = Action::Redirect { to: format!("https://{}", name.trim_start_matches("*.")), status: 301 };
                let matches = Match { host: Some(name), ..Match::default() };
                self.proxied.routes.push(Route::new(vec![key.clone()], matches, action, Allow::Anyone, line.span));
            }
        }
    }

    fn port(&mut self, server: &Server<'i>, listen: &Listen<'i>) -> Option<String> {
        let line = listen.directive.unwrap_or(server.directive());
        let (Some(address), Some(number)) = (listen.bound(), listen.port()) else {
            self.left(line, "its address is a Unix socket, not known, or several ports at once");
            return None;
        };
        if listen.is_datagram() {
            self.left(line, "it takes datagrams");
            return None;
        }
        let text = format!("{address}:{number}");
        let certificate = server.chain.setting("ssl_certificate").zip(server.chain.setting("ssl_certificate_key"));
        let certificate = certificate.map(|(cert, key)| (cert.text(1).to_owned(), key.text(1).to_owned()));
        let certificate = certificate.filter(|_| listen.has_tls());
        if listen.has_tls() && certificate.is_none() {
            self.left(line, "it speaks TLS, and no certificate is named");
            return None;
        }
        let asks = server.chain.setting("ssl_verify_client").is_some_and(|line| line.text(1) == "on");
        let clients = server.chain.setting("ssl_client_certificate").filter(|_| asks && listen.has_tls());
        if let Some(known) = self.ports.get(&text).cloned() {
            let port = self.proxied.ports.iter_mut().find(|port| port.key == known);
            if let (Some(port), Some(certificate)) = (port, certificate)
                && !port.certificates.contains(&certificate)
            {
                port.certificates.push(certificate);
            }
            return Some(known);
        }
        let key = format!("{}:{}", listen.span.file.0, listen.span.start);
        let speaks = if server.layer == Layer::Http { Speaks::Http } else { Speaks::Tcp };
        self.proxied.ports.push(Port {
            key: key.clone(),
            name: format!("port-{number}"),
            address,
            number,
            speaks,
            certificates: certificate.into_iter().collect(),
            clients: clients.map(|line| line.text(1).to_owned()),
            redirect: None,
            takes_proxy_header: listen.has("proxy_protocol"),
            place: listen.span,
        });
        self.ports.insert(text, key.clone());
        Some(key)
    }

    fn location(&mut self, server: &Server<'i>, chain: &Chain<'i>, rules: &mut Vec<Route>) {
        let block = chain.last();
        let path = match (block.text(1), block.text(2)) {
            ("=", path) => PathMatch::Exact(path.to_owned()),
            ("^~", path) | (path, "") if path.starts_with('/') => PathMatch::prefix(path),
            _ => return self.left(block, "regular expressions and named locations are for a person to decide; what they matched goes to the other routes"),
        };
        for inner in block.inside() {
            match inner.name() {
                "location" => self.location(server, &chain.with(inner), rules),
                "proxy_set_header" | "add_header" => {}
                name if CARRIED.contains(&name) => {}
                name => self.left(inner, reason(name)),
            }
        }
        match self.action(server, chain) {
            Some(rule) => rules.push(Route { matches: Match { path, ..Match::default() }, ..rule }),
            None if matches!(access::guard(chain), Guard::Sources(sources) if sources.is_empty()) => {
                let (matches, action) =
                    (Match { path, ..Match::default() }, Action::Respond { status: 403, body: String::new() });
                rules.push(Route::new(Vec::new(), matches, action, Allow::Anyone, block.span));
            }
            None => self.left(block, "it passes nothing on; what it matched goes to the other routes"),
        }
    }

    /// What happens to requests that end in this block.
    fn action(&mut self, server: &Server<'i>, chain: &Chain<'i>) -> Option<Route> {
        let block = chain.last();
        let mut allow = match chain.setting("limit_except") {
            Some(_) => Allow::Closed("`limit_except` asks more of some methods".to_owned()),
            None => Allow::of(&access::guard(chain)),
        };
        let action = if let Some(line) = block.one("return") {
            let Some(action) = returned(line) else {
                self.left(line, "it answers with what is decided for each request");
                return None;
            };
            return Some(Route::new(Vec::new(), Match::default(), action, Allow::Anyone, line.span));
        } else {
            block.one("proxy_pass")?
        };
        if let Allow::Closed(why) = &allow {
            self.say(
                action.span,
                format!("this route is closed (`allow` names nobody outside of this host) until you decide: {why}"),
            );
        }
        if allow == Allow::Certificates && !server.listens.iter().any(Listen::has_tls) {
            allow = Allow::Anyone;
        }
        let service = self.service(server, action, chain)?;
        let mut route = Route::new(Vec::new(), Match::default(), Action::Service(service), allow, action.span);
        if server.layer == Layer::Http {
            self.headers(chain, action, &mut route);
            let (_, rest) = divided(action.text(1));
            let path = rest.find('/').map(|at| &rest[at..]);
            if let Some(path) = path {
                let is_same = block.name() == "location" && block.words.last().is_some_and(|word| word.text == path);
                let is_whole = block.name() != "location" && path == "/";
                if !is_same && !is_whole {
                    route.path_prefix = Some(match path.trim_end_matches('/') {
                        "" => "/".to_owned(),
                        path => path.to_owned(),
                    });
                }
            }
        }
        Some(route)
    }

    /// Headers that are set; those of the innermost block that sets any count.
    fn headers(&mut self, chain: &Chain<'i>, pass: &Directive, route: &mut Route) {
        let of_block = |name: &'static str| {
            let link = chain.links().find(|link| link.own(name).is_some());
            link.into_iter().flat_map(move |link| link.last().inside().iter().filter(move |line| line.name() == name))
        };
        let mut says_host = false;
        for line in of_block("proxy_set_header") {
            let (name, value) = (line.text(1), line.text(2));
            let lower = name.to_ascii_lowercase();
            if lower == "host" {
                says_host = true;
                match value {
                    "$host" | "$http_host" => {}
                    value if !value.contains('$') && !value.is_empty() => route.host = Some(value.to_owned()),
                    "$proxy_host" => says_host = false,
                    _ => self.left(line, "it is decided for each request; the service sees the host of the client"),
                }
            } else if OWN_HEADERS.contains(&lower.as_str()) {
                // Portcullis says it itself.
            } else if value.contains('$') || value.is_empty() {
                self.left(line, "its value is decided for each request; `x-forwarded-for` and its kin are always sent");
            } else {
                route.request_headers.push((name.to_owned(), value.to_owned()));
            }
        }
        if !says_host {
            let (_, rest) = divided(pass.text(1));
            let authority = rest.split('/').next().unwrap_or(rest);
            route.host = Some(authority.to_owned()).filter(|authority| !authority.contains('$'));
        }
        for line in of_block("add_header") {
            if line.text(2).contains('$') {
                self.left(line, "its value is decided for each request");
            } else {
                route.response_headers.push((line.text(1).to_owned(), line.text(2).to_owned()));
            }
        }
    }

    /// The service behind a `proxy_pass`, as a key.
    fn service(&mut self, server: &Server<'i>, pass: &Directive, chain: &Chain<'i>) -> Option<String> {
        let word = pass.words.get(1)?;
        let (scheme, rest) = divided(&word.text);
        let authority = rest.split('/').next().unwrap_or(rest);
        if authority.contains('$') || authority.starts_with("unix:") {
            self.left(pass, "where it leads is a Unix socket, or decided for each request");
            return None;
        }
        let key = format!("{scheme}:{authority}");
        if self.proxied.services.iter().any(|service| service.key == key) {
            return Some(key);
        }
        let default = if scheme == "https" { 443 } else { 80 };
        let block = self.instance.shared(&["upstream"]).find(|block| block.text(1).eq_ignore_ascii_case(authority));
        let (endpoints, balance, place) = match block {
            Some(block) => {
                let balance =
                    if block.one("least_conn").is_some() { Balance::LeastRequests } else { Balance::RoundRobin };
                (self.upstream(block), balance, block.words.get(1).map_or(block.span, |name| name.span))
            }
            None => (endpoint(authority, default, None).into_iter().collect(), Balance::RoundRobin, word.span),
        };
        if endpoints.is_empty() {
            self.left(pass, "it leads to no server that can be carried over");
            return None;
        }
        let verifies = chain.setting("proxy_ssl_verify").is_some_and(|line| line.text(1) == "on");
        let authorities = chain.setting("proxy_ssl_trusted_certificate").map(|line| line.text(1).to_owned());
        let tls = (scheme == "https").then_some(match (verifies, authorities) {
            (true, Some(file)) => Verify::Authorities(file),
            (true, None) => Verify::System,
            // What nginx does where nothing is said.
            (false, _) => Verify::Off,
        });
        self.proxied.services.push(Service {
            key: key.clone(),
            name: if block.is_some() { authority.to_owned() } else { authority.replace([':', '[', ']'], "-") },
            speaks: if server.layer == Layer::Http { Speaks::Http } else { Speaks::Tcp },
            balance,
            endpoints,
            health: None,
            tls,
            proxy_header: chain.setting("proxy_protocol").filter(|line| line.text(1) == "on").map(|_| "v1"),
            place,
        });
        Some(key)
    }

    fn upstream(&mut self, block: &'i Directive) -> Vec<Endpoint> {
        let mut endpoints = Vec::new();
        for line in block.inside() {
            match line.name() {
                "server" if line.words.iter().any(|word| matches!(word.text.as_str(), "backup" | "down")) => {
                    self.left(line, "it takes traffic only when others do not, or not at all");
                }
                "server" => {
                    let weight = line.words.iter().find_map(|word| word.text.strip_prefix("weight=")?.parse().ok());
                    match endpoint(line.text(1), 80, weight) {
                        Some(endpoint) => endpoints.push(endpoint),
                        None => self.left(line, "its address is not one fixed host and port"),
                    }
                    let odd: Vec<&str> = line
                        .words
                        .iter()
                        .skip(2)
                        .map(|word| word.text.as_str())
                        .filter(|word| !word.starts_with("weight="))
                        .collect();
                    if !odd.is_empty() {
                        self.say(
                            line.span,
                            format!("of server `{}` these are not carried over: {}", line.text(1), odd.join(", ")),
                        );
                    }
                }
                "least_conn" | "keepalive" | "zone" => {}
                _ => self.left(line, "Portcullis knows `round-robin` and `least-requests`"),
            }
        }
        endpoints
    }
}

/// `http` and `app:3000/x`; an empty scheme where none is said.
fn divided(url: &str) -> (&str, &str) {
    url.split_once("://").unwrap_or(("", url))
}

fn endpoint(authority: &str, default: u16, weight: Option<u32>) -> Option<Endpoint> {
    match pass::target(authority, Some(default))? {
        Target::Address { address, port } if address.is_ipv6() => {
            Some(Endpoint { host: format!("[{address}]"), port, weight })
        }
        Target::Address { address, port } => Some(Endpoint { host: address.to_string(), port, weight }),
        Target::Named { host, port, .. } => Some(Endpoint { host, port: port?, weight }),
        _ => None,
    }
}

/// The hosts of a server that can be said.
fn hosts(server: &Server<'_>) -> Vec<String> {
    server.names().filter_map(|name| host(&name.text).ok()).flatten().collect()
}

/// The hosts of a `server_name`; none for what stands for no name.
fn host(name: &str) -> Result<Vec<String>, &'static str> {
    if matches!(name, "_" | "" | "\"\"") {
        return Ok(Vec::new());
    }
    if name.starts_with('~') {
        return Err("regular expressions are not for hosts");
    }
    if let Some(suffix) = name.strip_prefix('.') {
        return Ok(vec![suffix.to_owned(), format!("*.{suffix}")]);
    }
    if name.strip_prefix("*.").unwrap_or(name).contains(['*', '$', '{']) {
        return Err("only `*.` at its beginning stands for anything");
    }
    Ok(vec![name.to_ascii_lowercase()])
}

/// `return 301 https://host$request_uri;`, `return 404;`, `return 200 "text";`
fn returned(line: &Directive) -> Option<Action> {
    let (status, text) = match line.arguments() {
        [only] if only.text.contains("://") => (302, only.text.as_str()),
        [status] => (status.text.parse().ok()?, ""),
        [status, text] => (status.text.parse().ok()?, text.text.as_str()),
        _ => return None,
    };
    let to = text.strip_suffix("$request_uri").unwrap_or(text);
    match status {
        301 | 302 | 303 | 307 | 308 => {
            let is_plain = !to.contains('$') && (to.contains("://") || to.starts_with('/'));
            is_plain.then(|| Action::Redirect { to: to.to_owned(), status })
        }
        _ if text.contains('$') => None,
        // nginx closes the connection without a word.
        444 => Some(Action::Respond { status: 403, body: String::new() }),
        200..=599 => Some(Action::Respond { status, body: text.to_owned() }),
        _ => None,
    }
}

/// Each port's own, the most specific chosen; nginx tries locations of a server only, so hosts do not compete.
fn by_port(routes: Vec<Route>) -> Vec<Route> {
    let mut of_port: BTreeMap<(String, Option<String>), Vec<Route>> = BTreeMap::new();
    for route in routes {
        let key = (route.ports.first().cloned().unwrap_or_default(), route.matches.host.clone());
        of_port.entry(key).or_default().push(route);
    }
    // The longest location counts, as with Portcullis; of equal ones the first.
    of_port
        .into_values()
        .flat_map(|mut routes| {
            routes.sort_by_key(|route| std::cmp::Reverse(route.matches.rank()));
            by_rank(&routes)
        })
        .collect()
}

/// Stands for whichever port speaks TLS.
pub(super) const ANY_TLS: &str = "any port with TLS";

/// The `return` by which a whole server, or its only location, sends everything to TLS.
fn to_tls<'i>(server: &Server<'i>) -> Option<&'i Directive> {
    let block = server.directive();
    let in_location = || {
        let mut locations = block.all(&["location"]);
        let only = locations.next().filter(|only| only.text(1) == "/")?;
        if locations.next().is_some() { None } else { only.one("return") }
    };
    let line = block.one("return").or_else(in_location)?;
    let is_plain = server.listens.iter().all(|listen| !listen.has_tls());
    let is_host = |word: &Word| {
        matches!(
            word.text.as_str(),
            "https://$host$request_uri" | "https://$server_name$request_uri" | "https://$http_host$request_uri"
        )
    };
    (is_plain && line.arguments().last().is_some_and(is_host)).then_some(line)
}
