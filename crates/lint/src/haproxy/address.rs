//! Addresses as HAProxy writes them (configuration manual, "Address formats"; `str2sa_range()` in its source).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// What an address names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Address {
    /// `10.0.0.1:80`, `:80`, `*:80`, `:::80`, `[::]:80`, `name:80`.
    Internet(Internet),
    /// `/run/x.sock`, `unix@x.sock`.
    Unix(String),
    /// `abns@name`: a Unix socket without a file.
    Abstract(String),
    /// `fd@3`, `sockpair@5`, `rhttp@`: a socket that something else opened.
    Inherited,
    /// The whole address is a variable.
    Open,
}

/// An address of the internet protocols.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Internet {
    pub(crate) host: Host,
    pub(crate) ports: Ports,
    pub(crate) transport: Transport,
    /// Bytes of the text that say the ports; empty where there are none.
    pub(crate) ports_at: (usize, usize),
    /// Bytes of the text that say the host, with prefix; empty for `:80`.
    pub(crate) host_at: (usize, usize),
}

/// The host part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Host {
    Ip(IpAddr),
    Name(String),
    /// A variable.
    Open,
}

/// The port part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ports {
    /// None is said: a server then uses the port that the client connected to.
    None,
    /// From first to last; both the same for one.
    Span { first: u16, last: u16 },
    /// `+1000`: that much more than the port that the client connected to.
    Offset(i32),
    /// A variable.
    Open,
}

/// How packets travel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Transport {
    Tcp,
    /// Plain datagrams.
    Udp,
    /// HTTP/3: datagrams to the kernel.
    Quic,
}

/// What an address is used for: it decides what may be left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Use {
    /// `bind`: needs a port, and may have several.
    Listen,
    /// `dgram-bind`: the same with datagrams.
    ListenDatagram,
    /// `server`: the port may be left out or relative.
    Connect,
}

/// Why HAProxy would refuse an address, and which bytes of it are to blame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) reason: Reason,
    pub(crate) at: (usize, usize),
}

/// The reasons.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reason {
    NoPort,
    /// 0, or above 65535.
    PortOutOfRange,
    ReversedRange,
    RangeNotAllowed,
    OffsetNotAllowed,
    NotAPort,
}

impl Reason {
    /// In the words of a report.
    pub(crate) fn text(self) -> &'static str {
        match self {
            Self::NoPort => "there is no port in it",
            Self::PortOutOfRange => "a port is a number from 1 to 65535",
            Self::ReversedRange => "the range ends before it begins",
            Self::RangeNotAllowed => "a range of ports is not possible here",
            Self::OffsetNotAllowed => "a relative port is not possible here",
            Self::NotAPort => "that is no port number",
        }
    }
}

struct Prefix {
    name: &'static str,
    family: Option<Family>,
    transport: Option<Transport>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Family {
    V4,
    V6,
    Unix,
    Abstract,
    Inherited,
}

const fn prefix(name: &'static str, family: Option<Family>, transport: Option<Transport>) -> Prefix {
    Prefix { name, family, transport }
}

const PREFIXES: [Prefix; 23] = [
    prefix("unix@", Some(Family::Unix), None),
    prefix("uxdg@", Some(Family::Unix), Some(Transport::Udp)),
    prefix("uxst@", Some(Family::Unix), None),
    prefix("abns@", Some(Family::Abstract), None),
    prefix("abnsz@", Some(Family::Abstract), None),
    prefix("fd@", Some(Family::Inherited), None),
    prefix("sockpair@", Some(Family::Inherited), None),
    prefix("rhttp@", Some(Family::Inherited), None),
    prefix("ip@", None, None),
    prefix("ipv4@", Some(Family::V4), None),
    prefix("ipv6@", Some(Family::V6), None),
    prefix("tcp@", None, Some(Transport::Tcp)),
    prefix("tcp4@", Some(Family::V4), Some(Transport::Tcp)),
    prefix("tcp6@", Some(Family::V6), Some(Transport::Tcp)),
    prefix("mptcp@", None, Some(Transport::Tcp)),
    prefix("mptcp4@", Some(Family::V4), Some(Transport::Tcp)),
    prefix("mptcp6@", Some(Family::V6), Some(Transport::Tcp)),
    prefix("udp@", None, Some(Transport::Udp)),
    prefix("udp4@", Some(Family::V4), Some(Transport::Udp)),
    prefix("udp6@", Some(Family::V6), Some(Transport::Udp)),
    prefix("quic@", None, Some(Transport::Quic)),
    prefix("quic4@", Some(Family::V4), Some(Transport::Quic)),
    prefix("quic6@", Some(Family::V6), Some(Transport::Quic)),
];

const KINDS: [(&str, Transport); 3] =
    [("stream+", Transport::Tcp), ("dgram+", Transport::Udp), ("quic+", Transport::Quic)];

/// Reads one address. Offsets in the result count from the start of `text`.
pub(crate) fn parse(text: &str, usage: Use) -> Result<Address, Refusal> {
    let mut transport = if usage == Use::ListenDatagram { Transport::Udp } else { Transport::Tcp };
    let mut rest = text;
    if let Some((kind, said)) = KINDS.iter().find(|(kind, _)| rest.starts_with(kind)) {
        rest = &rest[kind.len()..];
        transport = *said;
    }
    let mut family = None;
    if let Some(prefix) = PREFIXES.iter().find(|prefix| rest.starts_with(prefix.name)) {
        rest = &rest[prefix.name.len()..];
        family = prefix.family;
        transport = prefix.transport.unwrap_or(transport);
    }
    match family {
        Some(Family::Unix) => return Ok(Address::Unix(rest.to_owned())),
        Some(Family::Abstract) => return Ok(Address::Abstract(rest.to_owned())),
        Some(Family::Inherited) => return Ok(Address::Inherited),
        None if rest.starts_with('/') => return Ok(Address::Unix(rest.to_owned())),
        _ => {}
    }
    let offset = text.len() - rest.len();
    // The last colon divides, unless a bracket comes behind it; colons inside of variables do not count.
    let divider = rest.rfind([':', ']', '}', '>']).filter(|at| rest.as_bytes()[*at] == b':');
    let (host, ports, ports_start) = match divider {
        Some(at) => (&rest[..at], &rest[at + 1..], at + 1),
        // A variable that ends the text may have been the port as well.
        None if rest.ends_with(['}', '>']) => match variable_port(rest) {
            Some(at) => (&rest[..at], &rest[at + 1..], at + 1),
            None => return Ok(Address::Open),
        },
        None if rest.starts_with('$') => return Ok(Address::Open),
        None => (rest, "", rest.len()),
    };
    let ports_at = (offset + ports_start, text.len());
    let ports = self::ports(ports, usage, ports_at, text.len())?;
    let host_at = (0, offset + host.len());
    Ok(Address::Internet(Internet { host: self::host(host, family), ports, transport, ports_at, host_at }))
}

/// The colon before a variable that ends the text: `*:${PORT}`, `10.0.0.1:{{ port }}`.
fn variable_port(text: &str) -> Option<usize> {
    ["${", "{{", "<%", "<"]
        .iter()
        .filter_map(|begin| text.rfind(begin))
        .filter(|at| *at > 0 && text.as_bytes()[at - 1] == b':')
        .map(|at| at - 1)
        .min()
}

fn host(text: &str, family: Option<Family>) -> Host {
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    match bare {
        "" | "*" if family == Some(Family::V6) => return Host::Ip(Ipv6Addr::UNSPECIFIED.into()),
        "" | "*" => return Host::Ip(Ipv4Addr::UNSPECIFIED.into()),
        _ => {}
    }
    // A zone (`fe80::1%eth0`) says on which link, not which address.
    let without_zone = bare.split_once('%').map_or(bare, |(address, _)| address);
    match without_zone.parse() {
        Ok(ip) => Host::Ip(ip),
        Err(_) if bare.contains(['$', '{', '<']) => Host::Open,
        Err(_) => Host::Name(bare.to_owned()),
    }
}

fn ports(text: &str, usage: Use, at: (usize, usize), whole: usize) -> Result<Ports, Refusal> {
    let refuse = |reason| Err(Refusal { reason, at });
    if text.is_empty() {
        return match usage {
            Use::Connect => Ok(Ports::None),
            _ => Err(Refusal { reason: Reason::NoPort, at: (0, whole) }),
        };
    }
    if is_open(text) {
        return Ok(Ports::Open);
    }
    if let Some(sign) = text.chars().next().filter(|sign| matches!(sign, '+' | '-')) {
        return match (usage, number(&text[1..])) {
            (Use::Connect, Some(offset)) if offset <= i32::from(u16::MAX) => {
                Ok(Ports::Offset(if sign == '-' { -offset } else { offset }))
            }
            (Use::Connect, Some(_)) => refuse(Reason::PortOutOfRange),
            (Use::Connect, None) => refuse(Reason::NotAPort),
            _ => refuse(Reason::OffsetNotAllowed),
        };
    }
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let (Some(low), Some(high)) = (number(first), number(last)) else { return refuse(Reason::NotAPort) };
    if usage == Use::Connect && text.contains('-') {
        return refuse(Reason::RangeNotAllowed);
    }
    let lowest = u16::from(usage != Use::Connect);
    match (u16::try_from(low), u16::try_from(high)) {
        (Ok(first), Ok(last)) if first < lowest || last < lowest => refuse(Reason::PortOutOfRange),
        (Ok(first), Ok(last)) if first > last => refuse(Reason::ReversedRange),
        // Port 0 of a server is the same as none.
        (Ok(0), Ok(_)) => Ok(Ports::None),
        (Ok(first), Ok(last)) => Ok(Ports::Span { first, last }),
        _ => refuse(Reason::PortOutOfRange),
    }
}

/// Whether another tool fills this in: a variable, a template expression, a placeholder such as `PORT` or `@port@`.
fn is_open(text: &str) -> bool {
    text.contains(['$', '{', '<', '@', '%', '_'])
        || text.bytes().all(|byte| byte.is_ascii_uppercase()) && !text.is_empty()
}

/// Digits alone; so many that they do not fit count as too large.
fn number(text: &str) -> Option<i32> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().unwrap_or(i32::MAX))
}

/// The addresses of a `bind` line: the text between commas, with the offset of each.
pub(crate) fn list(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut depth = 0_u32;
    let mut start = 0;
    let mut parts = Vec::new();
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'{' => depth += 1,
            b'}' => depth = depth.saturating_sub(1),
            b',' if depth == 0 => {
                parts.push((start, &text[start..at]));
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push((start, &text[start..]));
    parts.into_iter().filter(|(_, part)| !part.is_empty())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn shown(address: &Address) -> String {
        let Address::Internet(Internet { host, ports, transport, .. }) = address else { return format!("{address:?}") };
        let host = match host {
            Host::Ip(ip) => ip.to_string(),
            Host::Name(name) => name.clone(),
            Host::Open => "?".to_owned(),
        };
        let ports = match ports {
            Ports::None => "none".to_owned(),
            Ports::Span { first, last } if first == last => first.to_string(),
            Ports::Span { first, last } => format!("{first}-{last}"),
            Ports::Offset(offset) => format!("{offset:+}"),
            Ports::Open => "?".to_owned(),
        };
        format!("{transport:?} {host} {ports}")
    }

    #[test]
    fn addresses_that_are_listened_on() {
        for (text, expected) in [
            (":80", "Tcp 0.0.0.0 80"),
            ("*:80", "Tcp 0.0.0.0 80"),
            (":::80", "Tcp :: 80"),
            ("[::]:80", "Tcp :: 80"),
            ("::1:80", "Tcp ::1 80"),
            ("[::1]:80", "Tcp ::1 80"),
            (":1000-1010", "Tcp 0.0.0.0 1000-1010"),
            ("ipv4@:80", "Tcp 0.0.0.0 80"),
            ("ipv6@:80", "Tcp :: 80"),
            ("ipv6@*:80", "Tcp :: 80"),
            ("ipv4@10.0.0.1:443", "Tcp 10.0.0.1 443"),
            ("quic4@:443", "Quic 0.0.0.0 443"),
            ("quic6@[::]:443", "Quic :: 443"),
            ("udp@:514", "Udp 0.0.0.0 514"),
            ("dgram+:514", "Udp 0.0.0.0 514"),
            ("mptcp6@:::80", "Tcp :: 80"),
            ("fe80::1%eth0:80", "Tcp fe80::1 80"),
            ("*:${PORT}", "Tcp 0.0.0.0 ?"),
            ("${IP}:80", "Tcp ? 80"),
            ("${IP}:${PORT}", "Tcp ? ?"),
            ("{{ ip }}:{{ port }}", "Tcp ? ?"),
            ("{{ a.b:c }}:80", "Tcp ? 80"),
            ("<%= @ip %>:80", "Tcp ? 80"),
            ("*:PORT", "Tcp 0.0.0.0 ?"),
            ("$IP", "Open"),
            ("${BIND}", "Open"),
            ("{{ bind }}", "Open"),
            ("/run/a:1.sock", "Unix(\"/run/a:1.sock\")"),
            ("unix@a.sock", "Unix(\"a.sock\")"),
            ("abns@edge", "Abstract(\"edge\")"),
            ("fd@3", "Inherited"),
            ("sockpair@5", "Inherited"),
        ] {
            assert_eq!(parse(text, Use::Listen).as_ref().map(shown), Ok(expected.to_owned()), "{text}");
        }
    }

    #[test]
    fn addresses_that_are_connected_to() {
        for (text, expected) in [
            ("10.0.0.1:80", "Tcp 10.0.0.1 80"),
            ("10.0.0.1", "Tcp 10.0.0.1 none"),
            ("10.0.0.1:0", "Tcp 10.0.0.1 none"),
            ("1::1:", "Tcp 1::1 none"),
            ("::1.1.1.1:80", "Tcp ::101:101 80"),
            ("[2001:db8::1]", "Tcp 2001:db8::1 none"),
            ("web:8080", "Tcp web 8080"),
            ("app-{{ n }}:80", "Tcp ? 80"),
            ("localhost:+1", "Tcp localhost +1"),
            (":-13004", "Tcp 0.0.0.0 -13004"),
            ("/var/run/app.sock", "Unix(\"/var/run/app.sock\")"),
        ] {
            assert_eq!(parse(text, Use::Connect).as_ref().map(shown), Ok(expected.to_owned()), "{text}");
        }
    }

    #[test]
    fn what_haproxy_refuses_is_refused() {
        for (text, usage, reason, at) in [
            (":", Use::Listen, Reason::NoPort, (0, 1)),
            ("10.0.0.1", Use::Listen, Reason::NoPort, (0, 8)),
            (":::+11011", Use::Listen, Reason::OffsetNotAllowed, (3, 9)),
            (":::0", Use::Listen, Reason::PortOutOfRange, (3, 4)),
            (":::0-11", Use::Listen, Reason::PortOutOfRange, (3, 7)),
            (":::65016-", Use::Listen, Reason::NotAPort, (3, 9)),
            (":::65016-1024", Use::Listen, Reason::ReversedRange, (3, 13)),
            (":70000", Use::Listen, Reason::PortOutOfRange, (1, 6)),
            (":99999999999999999999", Use::Listen, Reason::PortOutOfRange, (1, 21)),
            (":80x", Use::Listen, Reason::NotAPort, (1, 4)),
            (":13005-13010", Use::Connect, Reason::RangeNotAllowed, (1, 12)),
            ("a:70000", Use::Connect, Reason::PortOutOfRange, (2, 7)),
        ] {
            assert_eq!(parse(text, usage), Err(Refusal { reason, at }), "{text}");
        }
    }

    #[test]
    fn lists_are_divided_at_commas_outside_of_expressions() {
        let parts: Vec<_> = list(":80,,[::]:80,{{ a(1,2) }}:8").collect();
        assert_eq!(parts, [(0, ":80"), (5, "[::]:80"), (13, "{{ a(1,2) }}:8")]);
    }

    proptest! {
        #[test]
        fn any_text_is_read(text in "[-0-9a-z:.*@/$%{}<>+,ä\\[\\]]{0,24}") {
            for usage in [Use::Listen, Use::ListenDatagram, Use::Connect] {
                match parse(&text, usage) {
                    Ok(Address::Internet(internet)) => {
                        prop_assert!(text.get(internet.ports_at.0..internet.ports_at.1).is_some());
                        prop_assert!(text.get(internet.host_at.0..internet.host_at.1).is_some());
                    }
                    Ok(_) => {}
                    Err(refusal) => prop_assert!(text.get(refusal.at.0..refusal.at.1).is_some()),
                }
            }
            prop_assert!(list(&text).all(|(at, part)| text[at..].starts_with(part)));
        }
    }
}
