//! What a HAProxy configuration does, for those who want the same. Every statement is either carried over or told.

mod condition;

use super::{
    access,
    address::Host,
    facts::bound_address,
    model::{Bind, Instance, Mode, Proxy, ProxyKind, Server},
    syntax::Statement,
};
use crate::{
    estate::Guard,
    inputs::Span,
    proxied::{
        Action, Allow, Balance, Endpoint, Health, Left, Match, Port, Proxied, Route, Service, Speaks, Verify, by_rank,
    },
};
use condition::Over;

/// Everything that an instance does.
pub(super) fn of(instance: &Instance) -> Proxied {
    let mut carrying = Carrying { instance, proxied: Proxied::default() };
    for statement in &instance.global {
        carrying.left(statement, "it is a setting of the process");
    }
    for socket in &instance.sockets {
        carrying.left(&socket.bind.statement, &format!("Portcullis has nothing like {}", socket.kind.word()));
    }
    for program in &instance.programs {
        carrying.left(&program.command, "Portcullis starts no programs");
    }
    for (index, proxy) in instance.proxies.iter().enumerate() {
        match proxy.kind {
            ProxyKind::Defaults => carrying.settings(proxy),
            ProxyKind::Frontend => carrying.frontend(proxy),
            ProxyKind::Backend => carrying.backend(proxy),
            ProxyKind::Listen => {
                carrying.backend(proxy);
                carrying.frontend(proxy);
            }
        }
        if index > MAX_PROXIES {
            break;
        }
    }
    carrying.proxied
}

/// More than any configuration has.
const MAX_PROXIES: usize = 5_000;

/// Statements that say what Portcullis does anyway, or what is read where it counts.
const CARRIED: [&[&str]; 18] = [
    &["bind"],
    &["mode"],
    &["acl"],
    &["use_backend"],
    &["default_backend"],
    &["server"],
    &["default-server"],
    &["balance"],
    &["description"],
    &["option", "forwardfor"],
    &["option", "httpchk"],
    &["option", "tcp-check"],
    &["option", "http-keep-alive"],
    &["option", "http-server-close"],
    &["http-request", "set-header", "X-Forwarded-Proto"],
    &["http-request", "add-header", "X-Forwarded-Proto"],
    &["http-request", "set-header", "X-Forwarded-Port"],
    &["http-reuse"],
];

/// What statements are about, for people.
fn reason(statement: &Statement) -> &'static str {
    match (statement.text(0), statement.text(1)) {
        ("timeout", _) => "Portcullis' own timeouts hold; see `timeouts` of ports and services",
        ("log" | "log-format" | "log-tag" | "error-log-format", _)
        | ("option", "httplog" | "tcplog" | "dontlognull" | "dontlog-normal" | "httpslog" | "log-health-checks") => {
            "Portcullis logs every request by itself; see `log`"
        }
        ("maxconn" | "fullconn" | "rate-limit", _) => "Portcullis' own bounds hold; see `limits`",
        ("retries", _) | ("option", "redispatch") => "Portcullis retries by its own rules; see `retries`",
        ("stats", _) => "`portcullis status` and a port of role `metrics` show it",
        ("compression" | "filter", _) => "Portcullis passes bodies on as they are",
        ("stick-table" | "stick" | "cookie" | "hash-type", _) => "Portcullis keeps no client on one endpoint",
        ("errorfile" | "errorfiles" | "errorloc" | "errorloc302", _) => "Portcullis answers errors in its own words",
        _ => "Portcullis has no word for it, or it was not understood",
    }
}

struct Carrying<'i> {
    instance: &'i Instance,
    proxied: Proxied,
}

impl<'i> Carrying<'i> {
    fn left(&mut self, statement: &Statement, why: &str) {
        let words: Vec<&str> = statement.words.iter().take(6).map(|word| word.text.as_str()).collect();
        let dots = if statement.words.len() > 6 { " …" } else { "" };
        // Passwords stand on such lines.
        let shown = match words.as_slice() {
            [first, second, ..] if matches!(*first, "stats" | "user") => format!("{first} {second}"),
            words => words.join(" ") + dots,
        };
        self.say(statement.span, format!("`{shown}` is not carried over: {why}"));
    }

    fn say(&mut self, place: Span, text: String) {
        let left = Left { place, text };
        if !self.proxied.left.contains(&left) {
            self.proxied.left.push(left);
        }
    }

    /// Statements of `defaults` that proxies do not read.
    fn settings(&mut self, defaults: &Proxy) {
        for statement in &defaults.statements {
            if !is_carried(statement) && !is_rule(statement) {
                self.left(statement, reason(statement));
            }
        }
    }

    fn backend(&mut self, proxy: &Proxy) {
        let mut endpoints = Vec::new();
        let (mut is_checked, mut tls, mut header) = (false, None, None);
        let settings: Vec<&Statement> =
            self.instance.effective(proxy).filter(|line| line.text(0) == "default-server").collect();
        for server in &proxy.servers {
            let lines = || std::iter::once(&server.statement).chain(settings.iter().copied());
            let has = |option: &str| lines().any(|line| line.has(1, option));
            let option = |name: &str| lines().find_map(|line| line.option(1, name)).map(|word| word.text.clone());
            if has("backup") || has("disabled") {
                self.left(&server.statement, "it takes traffic only when others do not, or not at all");
                continue;
            }
            let weight = option("weight").and_then(|weight| weight.parse().ok());
            match endpoint(server, weight) {
                Some(endpoint) => endpoints.push(endpoint),
                None => self.left(&server.statement, "its address is not one fixed host and port"),
            }
            is_checked |= has("check");
            if has("ssl") {
                tls = Some(match (option("verify").as_deref(), option("ca-file")) {
                    (Some("none"), _) | (None, None) => Verify::Off,
                    (_, Some(file)) if file != "@system-ca" => Verify::Authorities(file),
                    _ => Verify::System,
                });
            }
            if has("send-proxy-v2") || has("send-proxy-v2-ssl") {
                header = Some("v2");
            } else if has("send-proxy") {
                header = Some("v1");
            }
            self.server_options(server);
        }
        self.settings_of_backend(proxy);
        if endpoints.is_empty() {
            if proxy.kind == ProxyKind::Backend {
                self.say(proxy.name.span, format!("{} has no server that can be carried over", proxy.title()));
            }
            return;
        }
        let health = is_checked.then(|| match self.instance.setting(proxy, &["option", "httpchk"]) {
            Some(line) => Health::Http(checked_path(line)),
            None => Health::Tcp,
        });
        let balance = self.balance(proxy);
        self.proxied.services.push(Service {
            key: service_key(proxy),
            name: proxy.name.text.clone(),
            speaks: if self.mode(proxy) == Mode::Http { Speaks::Http } else { Speaks::Tcp },
            balance,
            endpoints,
            health,
            tls,
            proxy_header: header,
            place: proxy.name.span,
        });
    }

    /// Options of a server that are not read.
    fn server_options(&mut self, server: &Server) {
        const READ: [&str; 17] = [
            "check",
            "weight",
            "ssl",
            "verify",
            "none",
            "required",
            "ca-file",
            "send-proxy",
            "send-proxy-v2",
            "inter",
            "rise",
            "fall",
            "maxconn",
            "cookie",
            "init-addr",
            "resolvers",
            "sni",
        ];
        let options = server.statement.words.iter().skip(3).map(|word| word.text.as_str());
        let odd: Vec<&str> = options
            .filter(|word| word.starts_with(|first: char| first.is_ascii_alphabetic()))
            .filter(|word| {
                matches!(*word, "inter" | "rise" | "fall" | "maxconn" | "cookie" | "sni") || !READ.contains(word)
            })
            .collect();
        if !odd.is_empty() {
            let text = format!("of server `{}` these are not carried over: {}", server.name, odd.join(", "));
            self.say(server.statement.span, text);
        }
    }

    fn settings_of_backend(&mut self, proxy: &Proxy) {
        if proxy.kind != ProxyKind::Backend {
            return;
        }
        for statement in &proxy.statements {
            let is_of_guard = || is_guard(statement) && !access::keeps_out_more(self.instance, proxy, statement);
            if statement.text(0) == "server" || is_carried(statement) || is_of_guard() {
                continue;
            }
            self.left(statement, if is_guard(statement) { KEEPS_OUT } else { reason(statement) });
        }
    }

    fn balance(&mut self, proxy: &Proxy) -> Balance {
        let Some(line) = self.instance.setting(proxy, &["balance"]) else { return Balance::RoundRobin };
        match line.text(1) {
            "roundrobin" | "static-rr" | "random" => Balance::RoundRobin,
            "leastconn" => Balance::LeastRequests,
            _ => {
                self.left(line, "Portcullis knows `round-robin` and `least-requests`; it is the first now");
                Balance::RoundRobin
            }
        }
    }

    fn mode(&self, proxy: &Proxy) -> Mode {
        self.instance.mode(proxy)
    }

    fn frontend(&mut self, proxy: &'i Proxy) {
        let rules = self.rules(proxy);
        let routes_by_sni = self.mode(proxy) != Mode::Http && rules.iter().any(|route| route.matches.host.is_some());
        let speaks = match (self.mode(proxy), routes_by_sni) {
            (Mode::Http, _) => Speaks::Http,
            (_, true) => Speaks::TlsPassthrough,
            (_, false) => Speaks::Tcp,
        };
        let mut keys = Vec::new();
        for bind in &proxy.binds {
            keys.extend(self.ports(proxy, bind, speaks));
        }
        if keys.is_empty() {
            return;
        }
        if let Some(statement) = self.redirects_plain(proxy) {
            keys = self.redirect_plain(statement, keys);
        }
        if rules.is_empty() && self.proxied.ports.iter().any(|port| keys.contains(&port.key) && port.redirect.is_none())
        {
            self.say(proxy.name.span, format!("{} leads to no backend that can be carried over", proxy.title()));
        }
        let rules: Vec<Route> = rules.into_iter().map(|rule| Route { ports: keys.clone(), ..rule }).collect();
        if !keys.is_empty() {
            self.proxied.routes.extend(by_rank(&rules));
        }
    }

    fn ports(&mut self, proxy: &Proxy, bind: &Bind, speaks: Speaks) -> Vec<String> {
        let mut keys = Vec::new();
        for bound in &bind.addresses {
            let (Some(address), Some((first, last))) = (bound_address(bound, bind), bound.span_of_ports()) else {
                self.left(&bind.statement, "its address is a Unix socket, inherited, or not known");
                continue;
            };
            if bound.is_datagram() || first != last {
                self.left(&bind.statement, "it takes datagrams, or several ports at once");
                continue;
            }
            if bind.option("namespace").is_some() || bind.option("interface").is_some() {
                self.left(&bind.statement, "a port of Portcullis is of its own network namespace, on any interface");
                continue;
            }
            let certificates: Vec<(String, String)> = bind
                .statement
                .words
                .windows(2)
                .filter(|pair| pair[0].text == "crt")
                .map(|pair| (pair[1].text.clone(), pair[1].text.clone()))
                .collect();
            if bind.has_tls() && certificates.is_empty() {
                self.left(&bind.statement, "it speaks TLS, and no single certificate file is named");
                continue;
            }
            let key = format!("{}:{}", bound.span.file.0, bound.span.start);
            self.proxied.ports.push(Port {
                key: key.clone(),
                name: format!("{}-{first}", proxy.name.text),
                address,
                number: first,
                speaks,
                certificates: if bind.has_tls() { certificates } else { Vec::new() },
                clients: bind.option("ca-file").filter(|_| bind.asks_certificate()).map(|word| word.text.clone()),
                redirect: None,
                takes_proxy_header: bind.has("accept-proxy"),
                place: bound.span,
            });
            keys.push(key);
        }
        keys
    }

    /// The statement that sends what comes without TLS to the port with TLS, whatever it asks for.
    fn redirects_plain(&self, proxy: &'i Proxy) -> Option<&'i Statement> {
        self.instance.effective(proxy).find(|statement| {
            let at = usize::from(statement.text(0) == "http-request");
            statement.text(at) == "redirect"
                && statement.begins_at(at + 1, "scheme", "https")
                && condition::read(self.instance, proxy, statement, at + 3)
                    .is_ok_and(|condition| condition.any_of == [Match::default()])
        })
    }

    /// Marks ports without TLS; the keys of the others.
    fn redirect_plain(&mut self, statement: &Statement, keys: Vec<String>) -> Vec<String> {
        let has_tls = |port: &&Port| !port.certificates.is_empty();
        let own = self.proxied.ports.iter().filter(has_tls).find(|port| keys.contains(&port.key));
        // Frontends may stand in any order, so the port of another one is looked for at the end.
        let to = own.map_or_else(|| ANY_TLS.to_owned(), |port| port.key.clone());
        for port in
            self.proxied.ports.iter_mut().filter(|port| keys.contains(&port.key) && port.certificates.is_empty())
        {
            port.redirect = Some(to.clone());
        }
        self.say(statement.span, "the redirect to https has status 308 from now on".to_owned());
        let plain = |key: &String| self.proxied.ports.iter().any(|port| port.key == *key && port.redirect.is_none());
        keys.into_iter().filter(plain).collect()
    }

    /// Everything that decides where a request goes, the first that matches first.
    fn rules(&mut self, proxy: &'i Proxy) -> Vec<Route> {
        let instance = self.instance;
        let guard = access::at_proxy(instance, proxy);
        let asked_by_bind = proxy.binds.iter().map(access::at_bind).find(|guard| *guard != Guard::Open);
        let mut allow = Allow::of(&asked_by_bind.unwrap_or(Guard::Open)).and(Allow::of(&guard));
        let (mut rules, mut headers) = (Vec::new(), Headers::default());
        for statement in instance.effective(proxy) {
            let line = statement.text(0);
            if let Some((action, at)) = answer(statement) {
                let is_of_plain = self.redirects_plain(proxy).is_some_and(|redirect| redirect.span == statement.span);
                if is_of_plain || is_guard(statement) && !access::keeps_out_more(instance, proxy, statement) {
                    continue;
                }
                match condition::read(instance, proxy, statement, at) {
                    Ok(condition) if condition.over == Over::Any => {
                        let route =
                            |matches| Route::new(Vec::new(), matches, action.clone(), Allow::Anyone, statement.span);
                        rules.extend(condition.any_of.into_iter().map(route));
                    }
                    Ok(_) => self.left(statement, "it is for what comes without TLS alone"),
                    Err(why) if is_guard(statement) => {
                        self.left(statement, &format!("{why}; it keeps callers out, so its routes are closed"));
                        allow = Allow::Closed(KEEPS_OUT.to_owned());
                    }
                    Err(why) => self.left(statement, &why),
                }
            } else if headers.take(statement) || is_carried(statement) || is_passthrough(statement) {
            } else if is_guard(statement) {
                if access::keeps_out_more(instance, proxy, statement) {
                    self.left(statement, "it keeps callers out, so its routes are closed");
                    allow = Allow::Closed(KEEPS_OUT.to_owned());
                }
            } else if line != "server" && proxy.statements.iter().any(|own| own.span == statement.span) {
                self.left(statement, reason(statement));
            }
        }
        for (statement, name) in instance.uses(proxy) {
            let Some(backend) = instance.backend(&name.text) else {
                self.left(statement, "its backend is not in the file, or decided for each request");
                continue;
            };
            let conditions = match statement.text(0) {
                "use_backend" => condition::read(instance, proxy, statement, 2),
                _ => continue,
            };
            match conditions {
                Ok(condition) => {
                    let asked = allow.clone().and(asked_by_backend(instance, backend));
                    for matches in condition.any_of {
                        rules.push(to(backend, matches, asked.clone(), statement.span));
                    }
                }
                Err(why) => self.left(statement, &why),
            }
        }
        let default = instance.uses(proxy).find(|(statement, _)| statement.text(0) == "default_backend");
        if let Some((statement, backend)) = default.and_then(|(line, name)| Some((line, instance.backend(&name.text)?)))
        {
            let asked = allow.clone().and(asked_by_backend(instance, backend));
            rules.push(to(backend, Match::default(), asked, statement.span));
        } else if !proxy.servers.is_empty() {
            rules.push(to(proxy, Match::default(), allow.clone(), proxy.name.span));
        }
        self.say_closed(&rules);
        headers.give(rules)
    }

    fn say_closed(&mut self, rules: &[Route]) {
        for rule in rules {
            if let Allow::Closed(why) = &rule.allow {
                self.say(
                    rule.place,
                    format!("this route is closed (`allow` names nobody outside of this host) until you decide: {why}"),
                );
            }
        }
    }
}

/// Stands for whichever port speaks TLS.
pub(super) const ANY_TLS: &str = "any port with TLS";

const KEEPS_OUT: &str = "it keeps callers out and could not be carried over";

/// Headers that are set for every request, to plain values.
#[derive(Default)]
struct Headers {
    request: Vec<(String, String)>,
    response: Vec<(String, String)>,
}

impl Headers {
    /// Whether it was such a statement.
    fn take(&mut self, statement: &Statement) -> bool {
        let list = match (statement.text(0), statement.text(1)) {
            ("http-request", "set-header") => &mut self.request,
            ("http-response", "set-header") => &mut self.response,
            _ => return false,
        };
        let [_, _, name, value] = statement.words.as_slice() else { return false };
        let lower = name.text.to_ascii_lowercase();
        if value.text.contains('%') || lower == "host" || lower.starts_with("x-forwarded-") {
            return false;
        }
        list.push((name.text.clone(), value.text.clone()));
        true
    }

    fn give(self, rules: Vec<Route>) -> Vec<Route> {
        let with = |rule: Route| match rule.action {
            Action::Service(_) => {
                Route { request_headers: self.request.clone(), response_headers: self.response.clone(), ..rule }
            }
            _ => rule,
        };
        rules.into_iter().map(with).collect()
    }
}

/// Who may pass a backend: nobody yet, if it keeps callers out by more than can be said of all its requests.
fn asked_by_backend(instance: &Instance, backend: &Proxy) -> Allow {
    let is_more = |line: &Statement| is_guard(line) && access::keeps_out_more(instance, backend, line);
    if instance.effective(backend).any(is_more) {
        return Allow::Closed(KEEPS_OUT.to_owned());
    }
    Allow::of(&access::at_proxy(instance, backend))
}

fn to(backend: &Proxy, matches: Match, allow: Allow, place: Span) -> Route {
    Route::new(Vec::new(), matches, Action::Service(service_key(backend)), allow, place)
}

fn service_key(proxy: &Proxy) -> String {
    format!("{}:{}", proxy.name.span.file.0, proxy.name.span.start)
}

fn is_carried(statement: &Statement) -> bool {
    CARRIED.iter().any(|words| statement.begins(words))
}

/// What routes are made of, so that a proxy that inherits it reads it.
fn is_rule(statement: &Statement) -> bool {
    matches!(statement.text(0), "http-request" | "http-response" | "tcp-request" | "redirect" | "block")
}

/// What waits for the ClientHello, as a port with pass-through does.
fn is_passthrough(statement: &Statement) -> bool {
    statement.begins(&["tcp-request", "inspect-delay"])
        || statement.begins(&["tcp-request", "content", "accept"])
            && statement.words.iter().any(|word| word.text.contains("ssl_hello_type"))
}

fn is_guard(statement: &Statement) -> bool {
    let action = match statement.text(0) {
        "http-request" => statement.text(1),
        "tcp-request" => statement.text(2),
        "block" => "deny",
        _ => return false,
    };
    matches!(action, "deny" | "reject" | "tarpit" | "silent-drop" | "auth" | "accept")
}

/// An answer that the proxy gives itself, and from which word on its condition stands.
fn answer(statement: &Statement) -> Option<(Action, usize)> {
    let at = match statement.text(0) {
        "http-request" => 1,
        "redirect" => 0,
        _ => return None,
    };
    let option = |name: &str| statement.option(at, name).map(|word| word.text.as_str());
    let status = |name: &str, default: u16| option(name).map_or(Some(default), |text| text.parse().ok());
    match statement.text(at) {
        "deny" => Some((Action::Respond { status: status("deny_status", 403)?, body: String::new() }, at + 1)),
        "return" => {
            let body = option("string").unwrap_or_default().to_owned();
            let is_plain =
                !["file", "lf-file", "lf-string", "errorfile", "hdr"].iter().any(|word| statement.has(at, word));
            is_plain.then_some((Action::Respond { status: status("status", 200)?, body }, at + 1))
        }
        "redirect" => {
            let to = option("location").or(option("prefix"))?;
            let is_plain =
                !to.contains('%') && (to.starts_with("https://") || to.starts_with("http://") || to.starts_with('/'));
            let status = status("code", 302)?;
            let is_known = matches!(status, 301 | 302 | 303 | 307 | 308);
            (is_plain && is_known).then(|| (Action::Redirect { to: to.to_owned(), status }, at + 1))
        }
        _ => None,
    }
}

fn endpoint(server: &Server, weight: Option<u32>) -> Option<Endpoint> {
    let host = match &server.bound.internet()?.host {
        Host::Ip(ip) if ip.is_ipv6() => format!("[{ip}]"),
        Host::Ip(ip) => ip.to_string(),
        Host::Name(name) if name == "localhost" => "127.0.0.1".to_owned(),
        Host::Name(name) => name.clone(),
        Host::Open => return None,
    };
    let (first, last) = server.bound.span_of_ports()?;
    (first == last).then_some(Endpoint { host, port: first, weight })
}

/// `option httpchk [METHOD] [URI]`
fn checked_path(line: &Statement) -> String {
    let words = line.words.iter().skip(2).map(|word| word.text.as_str());
    words.take(2).find(|word| word.starts_with('/')).unwrap_or("/").to_owned()
}
