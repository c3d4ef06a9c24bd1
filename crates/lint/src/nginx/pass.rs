//! Where requests are passed on to: `proxy_pass` and its kin.

use std::net::IpAddr;

use super::{
    lexer::Word,
    model::Upstream,
    tree::Directive,
    variables::{Origin, Variables},
};
use crate::{estate::Target, inputs::Span};

/// Directives that pass on, and the port that is meant where none is said.
const PASSES: [(&str, Option<u16>); 7] = [
    ("proxy_pass", None),
    ("grpc_pass", Some(80)),
    ("fastcgi_pass", None),
    ("uwsgi_pass", None),
    ("scgi_pass", None),
    ("memcached_pass", Some(11211)),
    ("tunnel_pass", None),
];

/// The names of them.
pub(crate) const NAMES: [&str; 7] =
    ["proxy_pass", "grpc_pass", "fastcgi_pass", "uwsgi_pass", "scgi_pass", "memcached_pass", "tunnel_pass"];

/// One address, and where it is written.
#[derive(Debug, Clone)]
pub(crate) struct Upstreamed {
    pub(crate) target: Target,
    pub(crate) place: Span,
}

/// The addresses that a directive passes on to, as far as the files say them.
pub(crate) fn targets(directive: &Directive, upstreams: &[Upstream<'_>], variables: &Variables<'_>) -> Vec<Upstreamed> {
    let Some(word) = directive.words.get(1) else { return Vec::new() };
    let default = PASSES.iter().find(|(name, _)| *name == directive.name()).and_then(|(_, port)| *port);
    let Origin::File(values) = variables.origin(&word.text) else { return Vec::new() };
    let mut targets = Vec::new();
    for value in values {
        let (authority, port) = authority(&value, default);
        let upstream = upstreams.iter().find(|upstream| upstream.name.eq_ignore_ascii_case(authority));
        match upstream {
            Some(upstream) => targets.extend(upstream.servers.iter().filter_map(|word| of_server(word, variables))),
            None => targets.extend(
                target(authority, port).map(|target| Upstreamed { target, place: authority_place(word, authority) }),
            ),
        }
    }
    targets
}

/// The address of a `server` line of an `upstream`; the port is 80 where none is said.
fn of_server(word: &Word, variables: &Variables<'_>) -> Option<Upstreamed> {
    let Origin::File(values) = variables.origin(&word.text) else { return None };
    Some(Upstreamed { target: target(values.first()?, Some(80))?, place: word.span })
}

/// Host and port of a URL, and the port that its scheme means.
pub(crate) fn authority(value: &str, default: Option<u16>) -> (&str, Option<u16>) {
    let (scheme, rest) = value.split_once("://").unwrap_or(("", value));
    let port = match scheme {
        "http" | "grpc" => Some(80),
        "https" | "grpcs" => Some(443),
        _ => default,
    };
    if rest.starts_with("unix:") {
        return (rest, port);
    }
    (rest.split(['/', '?']).next().unwrap_or(rest), port)
}

fn authority_place(word: &Word, authority: &str) -> Span {
    match word.text.find(authority) {
        Some(at) if !authority.is_empty() => word.part(at, at + authority.len()),
        _ => word.span,
    }
}

/// Port 0 to 65535 of an address; `None` for Unix sockets and what another tool fills in.
pub(crate) fn target(authority: &str, default: Option<u16>) -> Option<Target> {
    if authority.is_empty() || authority.starts_with("unix:") || authority.contains(['$', '{', '<', '@', '%']) {
        return None;
    }
    let (host, port) = match authority.rfind([':', ']']) {
        Some(at) if authority.as_bytes()[at] == b':' => (&authority[..at], Some(&authority[at + 1..])),
        _ => (authority, None),
    };
    let port = match port {
        Some(port) => Some(port.parse().ok()?),
        None => default,
    };
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    let address = match bare {
        "localhost" => Some(IpAddr::from([127, 0, 0, 1])),
        bare => bare.parse().ok(),
    };
    match address {
        Some(address) => Some(Target::Address { address, port: port? }),
        None => Some(Target::Named { networks: Vec::new(), host: bare.to_owned(), port }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        inputs::FileId,
        nginx::{model::Instance, tree::parse},
    };

    fn of(text: &str) -> Vec<String> {
        let directives = parse(text, FileId(0)).directives;
        let instance = Instance { root: FileId(0), directives, templated: false };
        let (upstreams, variables) = (instance.upstreams(), Variables::of(&instance));
        let pass = instance.directives.last().unwrap();
        let told = targets(pass, &upstreams, &variables).into_iter().map(|one| match one.target {
            Target::Address { address, port } => format!("{address} {port}"),
            Target::Named { host, port, .. } => format!("{host} {port:?}"),
            other => format!("{other:?}"),
        });
        told.collect()
    }

    #[test]
    fn targets_are_found_through_upstreams_and_variables() {
        for (text, expected) in [
            ("proxy_pass http://app:3000/x;", &["app Some(3000)"][..]),
            ("proxy_pass https://app;", &["app Some(443)"]),
            ("proxy_pass http://[::1]:80;", &["::1 80"]),
            ("proxy_pass http://localhost:8080;", &["127.0.0.1 8080"]),
            ("proxy_pass 10.0.0.1:5432;", &["10.0.0.1 5432"]),
            (
                "upstream app { server a:1; server b; server unix:/x; } proxy_pass http://app;",
                &["a Some(1)", "b Some(80)"],
            ),
            ("upstream app { server 10.0.0.1:1 weight=2; } fastcgi_pass app;", &["10.0.0.1 1"]),
            ("set $up app:8080; proxy_pass http://$up$request_method;", &["app Some(8080)"]),
            ("proxy_pass http://$host;", &[]),
            ("fastcgi_pass unix:/run/php.sock;", &[]),
            ("proxy_pass http://unix:/run/app.sock:/;", &[]),
            ("proxy_pass http://{{ app }}:80;", &[]),
            ("grpc_pass grpcs://app:50051;", &["app Some(50051)"]),
        ] {
            assert_eq!(of(text), expected, "{text}");
        }
    }
}
