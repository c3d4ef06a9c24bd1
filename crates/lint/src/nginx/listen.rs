//! `listen` lines (ngx_http_core_module, ngx_stream_core_module).

use std::net::{IpAddr, Ipv4Addr};

use portcullis_config::bind_conflict::Family;

use super::{lexer::Word, tree::Directive};
use crate::{estate, inputs::Span};

/// A line, or what a `server` without one listens on.
#[derive(Debug, Clone)]
pub(crate) struct Listen<'a> {
    pub(crate) address: Address,
    /// The line; `None` for a `server` that has none.
    pub(crate) directive: Option<&'a Directive>,
    /// The value, or the word `server`.
    pub(crate) span: Span,
}

/// What is listened on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Address {
    Internet {
        host: Host,
        /// First and last port.
        ports: (u16, u16),
        family: Family,
    },
    Unix,
    /// A variable of another tool decides.
    Open,
    /// nginx refuses it: what it is, and which bytes are to blame.
    Refused(&'static str, (usize, usize)),
}

/// The host part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Host {
    Ip(IpAddr),
    Name(String),
    /// A variable of another tool.
    Open,
}

/// Options that belong to the socket, so only one `listen` of an address may say them.
const SOCKET_OPTIONS: [&str; 5] = ["bind", "deferred", "reuseport", "multipath", "accept_filter"];
const SOCKET_SETTINGS: [&str; 8] =
    ["setfib=", "fastopen=", "backlog=", "rcvbuf=", "sndbuf=", "accept_filter=", "ipv6only=", "so_keepalive="];

impl<'a> Listen<'a> {
    /// Reads a line.
    pub(crate) fn of(directive: &'a Directive) -> Option<Self> {
        let word = directive.words.get(1)?;
        let v6only = directive.arguments().iter().all(|word| word.text != "ipv6only=off");
        let family = if v6only { Family::V6Only } else { Family::Dual };
        Some(Self { address: address(word, family), directive: Some(directive), span: word.span })
    }

    /// What nginx does where nothing is said.
    pub(crate) fn implied(server: &Directive) -> Self {
        let host = Host::Ip(Ipv4Addr::UNSPECIFIED.into());
        let address = Address::Internet { host, ports: (80, 80), family: Family::V6Only };
        let span = server.words.first().map_or(server.span, |word| word.span);
        Self { address, directive: None, span }
    }

    /// Whether an option stands on the line.
    pub(crate) fn has(&self, option: &str) -> bool {
        self.directive.is_some_and(|line| line.words.iter().skip(2).any(|word| word.text == option))
    }

    /// The first option that belongs to the socket.
    pub(crate) fn socket_option(&self) -> Option<&'a Word> {
        self.directive?.words.iter().skip(2).find(|word| {
            let text = word.text.as_str();
            SOCKET_OPTIONS.contains(&text) || SOCKET_SETTINGS.iter().any(|setting| text.starts_with(setting))
        })
    }

    pub(crate) fn is_default(&self) -> bool {
        self.has("default_server") || self.has("default")
    }

    pub(crate) fn is_datagram(&self) -> bool {
        self.has("quic") || self.has("http3") || self.has("udp")
    }

    pub(crate) fn has_tls(&self) -> bool {
        self.has("ssl") || self.has("quic")
    }

    /// The text of the value.
    pub(crate) fn text(&self) -> &'a str {
        self.directive.map_or("80", |line| line.text(1))
    }

    /// The one port, if there is one.
    pub(crate) fn port(&self) -> Option<u16> {
        match self.address {
            Address::Internet { ports: (first, last), .. } if first == last => Some(first),
            _ => None,
        }
    }

    pub(crate) fn is_wildcard(&self) -> bool {
        matches!(&self.address, Address::Internet { host: Host::Ip(ip), .. } if ip.is_unspecified())
    }

    /// The address as the estate says it.
    pub(crate) fn bound(&self) -> Option<estate::Address> {
        match &self.address {
            Address::Internet { host: Host::Ip(ip), family, .. } => Some(match family {
                Family::Dual if ip.is_ipv6() && ip.is_unspecified() => estate::Address::Dual,
                _ => estate::Address::Ip(*ip),
            }),
            Address::Internet { host: Host::Name(name), .. } => Some(estate::Address::Unknown(name.clone())),
            Address::Internet { host: Host::Open, .. } => Some(estate::Address::Unknown(self.text().to_owned())),
            _ => None,
        }
    }

    /// From how far away it can be reached.
    pub(crate) fn reach(&self) -> Option<estate::Reach> {
        Some(estate::Reach::of(self.bound()?.scope()?))
    }
}

fn address(word: &Word, family: Family) -> Address {
    let text = word.text.as_str();
    if text.starts_with("unix:") {
        return Address::Unix;
    }
    let all = (0, text.len());
    let (host, port, port_at) = match divide(text) {
        Some(at) => (Some(&text[..at]), Some(&text[at + 1..]), at + 1),
        None if text.starts_with('[') => (Some(text), None, text.len()),
        None if text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-') => (None, Some(text), 0),
        None if is_open(text) => return Address::Open,
        None => (Some(text), None, text.len()),
    };
    let ports = match port {
        None => (80, 80),
        Some(port) if is_open(port) => return Address::Open,
        Some(port) => match ports(port) {
            Ok(ports) => ports,
            Err(reason) => return Address::Refused(reason, if port.is_empty() { all } else { (port_at, text.len()) }),
        },
    };
    let host = match host {
        None | Some("*") => Host::Ip(Ipv4Addr::UNSPECIFIED.into()),
        Some(host) => {
            let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
            match bare.parse() {
                Ok(ip) => Host::Ip(ip),
                Err(_) if is_open(bare) => Host::Open,
                Err(_) if bare == "localhost" => Host::Ip(Ipv4Addr::LOCALHOST.into()),
                Err(_) => Host::Name(bare.to_owned()),
            }
        }
    };
    Address::Internet { host, ports, family }
}

/// The colon before the port: the last one, unless a bracket or a brace comes behind it.
fn divide(text: &str) -> Option<usize> {
    let last = text.rfind([':', ']', '}', '>'])?;
    match text.as_bytes()[last] {
        b':' => Some(last),
        b']' => None,
        // `[::]:${PORT}`, `*:{{ port }}`: the expression is the port if a colon stands before it.
        _ => ["${", "{{", "<%"]
            .iter()
            .filter_map(|begin| text.rfind(begin))
            .min()
            .filter(|at| *at > 0 && text.as_bytes()[at - 1] == b':')
            .map(|at| at - 1),
    }
}

fn is_open(text: &str) -> bool {
    text.contains(['$', '{', '<', '@', '%'])
        || text.contains('_') && !text.bytes().any(|byte| byte.is_ascii_lowercase())
        || !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_uppercase())
}

fn ports(text: &str) -> Result<(u16, u16), &'static str> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let number = |text: &str| -> Result<u16, &'static str> {
        if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err("that is no port number");
        }
        match text.parse() {
            Ok(0) | Err(_) => Err("a port is a number from 1 to 65535"),
            Ok(port) => Ok(port),
        }
    };
    match (number(first)?, number(last)?) {
        (first, last) if first > last => Err("the range ends before it begins"),
        ports => Ok(ports),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{inputs::FileId, nginx::tree::parse};

    fn shown(line: &str) -> String {
        let tree = parse(&format!("listen {line};"), FileId(0));
        let listen = Listen::of(&tree.directives[0]).unwrap();
        match &listen.address {
            Address::Internet { host, ports: (first, last), family } => {
                let host = match host {
                    Host::Ip(ip) => ip.to_string(),
                    Host::Name(name) => name.clone(),
                    Host::Open => "?".to_owned(),
                };
                let dual = if *family == Family::Dual { " dual" } else { "" };
                if first == last { format!("{host} {first}{dual}") } else { format!("{host} {first}-{last}{dual}") }
            }
            Address::Refused(reason, (from, to)) => format!("! {reason} {from}-{to}"),
            other => format!("{other:?}"),
        }
    }

    #[test]
    fn every_form_is_read() {
        for (line, expected) in [
            ("80", "0.0.0.0 80"),
            ("443 ssl http2 default_server", "0.0.0.0 443"),
            ("*:8000", "0.0.0.0 8000"),
            ("127.0.0.1:8000", "127.0.0.1 8000"),
            ("127.0.0.1", "127.0.0.1 80"),
            ("localhost:8000", "127.0.0.1 8000"),
            ("example.com:8000", "example.com 8000"),
            ("[::]:8000", ":: 8000"),
            ("[::]:8000 ipv6only=off", ":: 8000 dual"),
            ("[::1]", "::1 80"),
            ("unix:/run/nginx.sock", "Unix"),
            ("12345-12399 udp", "0.0.0.0 12345-12399"),
            ("10.0.0.1:100-200", "10.0.0.1 100-200"),
            ("${PORT}", "Open"),
            ("$PORT", "Open"),
            ("NGINX_PORT", "Open"),
            ("[::]:${PORT}", "Open"),
            ("{{ ip }}:80", "? 80"),
            ("{{ port }}", "Open"),
            ("{{ ip }}:{{ port }} ssl", "Open"),
            ("0", "! a port is a number from 1 to 65535 0-1"),
            ("10.0.0.1:70000", "! a port is a number from 1 to 65535 9-14"),
            ("200-100", "! the range ends before it begins 0-7"),
            ("10.0.0.1:80a", "! that is no port number 9-12"),
        ] {
            assert_eq!(shown(line), expected, "{line}");
        }
    }

    #[test]
    fn options_of_the_socket_are_known() {
        for (line, expected) in [
            ("80 ssl http2", None),
            ("80 reuseport", Some("reuseport")),
            ("[::]:80 ipv6only=on ssl", Some("ipv6only=on")),
            ("80 backlog=10", Some("backlog=10")),
        ] {
            let tree = parse(&format!("listen {line};"), FileId(0));
            let listen = Listen::of(&tree.directives[0]).unwrap();
            assert_eq!(listen.socket_option().map(|word| word.text.as_str()), expected, "{line}");
        }
    }

    proptest! {
        #[test]
        fn any_value_is_read(text in "[-0-9a-zA-Z:.*$_{}<>%ä\\[\\]]{1,24}") {
            let word = Word { text: text.clone(), span: Span::default(), is_template: false };
            if let Address::Refused(_, (from, to)) = address(&word, Family::V6Only) {
                prop_assert!(text.get(from..to).is_some());
            }
        }
    }
}
