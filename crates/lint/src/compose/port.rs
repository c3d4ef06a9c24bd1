//! What an entry of `ports:` says, in either syntax.
//!
//! The short syntax follows what the Docker libraries make of it, to the letter: `[HOST:]CONTAINER[/PROTOCOL]`, where
//! HOST is `[IP:](PORT|RANGE)`. A part that holds a [`HOLE`] is unknown, and nothing is concluded from it.

use std::net::IpAddr;

use super::interpolate::HOLE;
use crate::estate::{PortSpan, Transport};

/// A value that may depend on a variable which no file sets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Certain<T> {
    /// It is this.
    Known(T),
    /// Somebody outside of the files decides.
    Unknown,
}

impl<T> Certain<T> {
    pub(super) fn known(self) -> Option<T> {
        match self {
            Self::Known(value) => Some(value),
            Self::Unknown => None,
        }
    }
}

/// On which addresses of the host a port is published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum HostAddress {
    /// Nothing is said, so Docker takes every interface, IPv4 and IPv6.
    Unsaid,
    /// This one, which may be a wildcard.
    Ip(IpAddr),
    /// A name such as `localhost`, which Docker does not take.
    Name(String),
    /// A variable decides.
    Unknown,
}

/// Which port of the host leads to the container.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum HostPort {
    /// Docker picks any free one, another at every start.
    Random,
    /// Exactly these, one for each port of the container.
    Fixed(PortSpan),
    /// Docker picks one of these.
    OneOf(PortSpan),
    /// A variable decides.
    Unknown,
}

/// A published port, or a range of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Mapping {
    pub(super) address: HostAddress,
    pub(super) published: HostPort,
    pub(super) target: Certain<PortSpan>,
    pub(super) transport: Certain<Transport>,
}

/// Why Docker would refuse an entry.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Invalid {
    #[error("no container port is given")]
    NoTarget,
    #[error("`{0}` is not a port number")]
    NotANumber(String),
    #[error("`{0}` is outside of 1-65535")]
    OutOfRange(String),
    #[error("port 0 is no port that a container can be reached at")]
    Zero,
    #[error("the range `{0}` ends before it begins")]
    Reversed(String),
    #[error("{published} host ports cannot stand for {target} container ports")]
    UnequalRanges { published: u32, target: u32 },
    #[error("`{0}` is neither tcp, udp nor sctp")]
    Protocol(String),
    #[error("`{0}` is not an IP address")]
    Address(String),
}

/// Reads the short syntax.
pub(super) fn short(text: &str) -> Result<Mapping, Invalid> {
    let (address, published, target) = split(text);
    let (target, protocol) = target.split_once('/').unwrap_or((target, ""));
    if target.is_empty() {
        return Err(Invalid::NoTarget);
    }
    // A variable that stands alone may bring more along: `HTTP=127.0.0.1:80`, `PORTS=80:80`.
    let is_whole = !text.contains(':') && target.contains(HOLE);
    let brings_address = is_whole || address.is_empty() && published.contains(HOLE);
    let mapping = Mapping {
        address: if brings_address { HostAddress::Unknown } else { self::address(address)? },
        published: if is_whole { HostPort::Unknown } else { self::published(published)? },
        target: self::target(target)?,
        transport: transport(protocol)?,
    };
    mapping.paired()
}

impl Mapping {
    /// Decides what a host range means: one each for as many container ports, or any of them for a single one.
    pub(super) fn paired(mut self) -> Result<Self, Invalid> {
        let (HostPort::Fixed(published), Certain::Known(target)) = (self.published, self.target) else {
            return Ok(self);
        };
        if published.count() != target.count() {
            if target.count() > 1 {
                return Err(Invalid::UnequalRanges { published: published.count(), target: target.count() });
            }
            self.published = HostPort::OneOf(published);
        }
        Ok(self)
    }
}

/// Address, host port and container port; what is missing is empty. An IPv6 address may stand without brackets, since
/// the last two parts are never part of it.
fn split(text: &str) -> (&str, &str, &str) {
    let Some((rest, target)) = text.rsplit_once(':') else { return ("", "", text) };
    match rest.rsplit_once(':') {
        Some((address, published)) => (address, published, target),
        None => ("", rest, target),
    }
}

/// The host address of either syntax; empty if nothing is said.
pub(super) fn address(text: &str) -> Result<HostAddress, Invalid> {
    let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
    // An address with a zone is none that Docker takes.
    match bare.parse::<IpAddr>() {
        _ if text.is_empty() => Ok(HostAddress::Unsaid),
        _ if text.contains(HOLE) => Ok(HostAddress::Unknown),
        Ok(address) => Ok(HostAddress::Ip(address)),
        Err(_) if is_host_name(text) => Ok(HostAddress::Name(text.to_owned())),
        Err(_) => Err(Invalid::Address(text.to_owned())),
    }
}

/// The host port of either syntax; empty if nothing is said.
pub(super) fn published(text: &str) -> Result<HostPort, Invalid> {
    if text.is_empty() {
        return Ok(HostPort::Random);
    }
    match range(text)? {
        Certain::Unknown => Ok(HostPort::Unknown),
        // Port 0 leaves the choice to the kernel.
        Certain::Known(PortSpan { first: 0, last: 0 }) => Ok(HostPort::Random),
        Certain::Known(span) => Ok(HostPort::Fixed(span)),
    }
}

/// The container port of either syntax.
pub(super) fn target(text: &str) -> Result<Certain<PortSpan>, Invalid> {
    match range(text)? {
        Certain::Known(span) if span.first == 0 => Err(Invalid::Zero),
        span => Ok(span),
    }
}

/// The protocol of either syntax; empty means TCP.
pub(super) fn transport(text: &str) -> Result<Certain<Transport>, Invalid> {
    match text.to_ascii_lowercase().as_str() {
        _ if text.contains(HOLE) => Ok(Certain::Unknown),
        "" | "tcp" => Ok(Certain::Known(Transport::Tcp)),
        "udp" => Ok(Certain::Known(Transport::Udp)),
        "sctp" => Ok(Certain::Known(Transport::Sctp)),
        _ => Err(Invalid::Protocol(text.to_owned())),
    }
}

/// `80` or `80-90`.
pub(super) fn range(text: &str) -> Result<Certain<PortSpan>, Invalid> {
    if text.contains(HOLE) {
        return Ok(Certain::Unknown);
    }
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let (first, last) = (number(first)?, number(last)?);
    PortSpan::new(first, last).map(Certain::Known).ok_or_else(|| Invalid::Reversed(text.to_owned()))
}

fn number(text: &str) -> Result<u16, Invalid> {
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    match text.parse() {
        Ok(number) if is_number => Ok(number),
        _ if is_number => Err(Invalid::OutOfRange(text.to_owned())),
        _ => Err(Invalid::NotANumber(text.to_owned())),
    }
}

fn is_host_name(text: &str) -> bool {
    let is_part = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
    text.bytes().all(is_part) && text.bytes().any(|byte| byte.is_ascii_alphabetic())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// `address published target transport`, each as a word.
    fn told(text: &str) -> String {
        let read = match short(&text.replace('?', "\0A\0")) {
            Ok(read) => read,
            Err(error) => return error.to_string(),
        };
        let address = match read.address {
            HostAddress::Unsaid => "all".to_owned(),
            HostAddress::Ip(address) => address.to_string(),
            HostAddress::Name(name) => format!("name:{name}"),
            HostAddress::Unknown => "?".to_owned(),
        };
        let published = match read.published {
            HostPort::Random => "random".to_owned(),
            HostPort::Fixed(span) => span.to_string(),
            HostPort::OneOf(span) => format!("any of {span}"),
            HostPort::Unknown => "?".to_owned(),
        };
        let target = read.target.known().map_or("?".to_owned(), |span| span.to_string());
        let transport = read.transport.known().map_or("?".to_owned(), |transport| transport.to_string());
        format!("{address} {published} {target} {transport}")
    }

    #[test]
    fn the_short_syntax_is_read_as_docker_does() {
        for (text, expected) in [
            ("3000", "all random 3000 tcp"),
            ("3000-3005", "all random 3000-3005 tcp"),
            ("8000:8000", "all 8000 8000 tcp"),
            ("9090-9091:8080-8081", "all 9090-9091 8080-8081 tcp"),
            ("49100:22", "all 49100 22 tcp"),
            ("8000-9000:80", "all any of 8000-9000 80 tcp"),
            ("80-80:80", "all 80 80 tcp"),
            ("127.0.0.1:8001:8001", "127.0.0.1 8001 8001 tcp"),
            ("127.0.0.1:5000-5010:5000-5010", "127.0.0.1 5000-5010 5000-5010 tcp"),
            ("127.0.0.1::5000", "127.0.0.1 random 5000 tcp"),
            ("::5000", "all random 5000 tcp"),
            (":5000", "all random 5000 tcp"),
            ("0:5000", "all random 5000 tcp"),
            ("6060:6060/udp", "all 6060 6060 udp"),
            ("6060:6060/UDP", "all 6060 6060 udp"),
            ("53/udp", "all random 53 udp"),
            ("53/", "all random 53 tcp"),
            ("36412:36412/sctp", "all 36412 36412 sctp"),
            ("[::1]:80:80", "::1 80 80 tcp"),
            ("[::]:80:80", ":: 80 80 tcp"),
            ("::1:80:80", "::1 80 80 tcp"),
            ("::::80", ":: random 80 tcp"),
            ("2001:4860:0:2001::68::333", "2001:4860:0:2001::68 random 333 tcp"),
            ("[2001:4860:0:2001::68]::333", "2001:4860:0:2001::68 random 333 tcp"),
            ("0.0.0.0:1234-1235:3333-3334/tcp", "0.0.0.0 1234-1235 3333-3334 tcp"),
            ("0123:0080", "all 123 80 tcp"),
            ("localhost:80:80", "name:localhost 80 80 tcp"),
        ] {
            assert_eq!(told(text), expected, "{text}");
        }
    }

    #[test]
    fn what_depends_on_a_variable_is_unknown_and_the_rest_is_known() {
        for (text, expected) in [
            ("?", "? ? ? tcp"),
            ("?:80", "? ? 80 tcp"),
            ("80?:80", "? ? 80 tcp"),
            ("127.0.0.1:?:80", "127.0.0.1 ? 80 tcp"),
            ("?:8080:80", "? 8080 80 tcp"),
            ("8080:?", "all 8080 ? tcp"),
            ("8080:80/?", "all 8080 80 ?"),
            ("?-?:80-90", "? ? 80-90 tcp"),
        ] {
            assert_eq!(told(text), expected, "{text}");
        }
    }

    #[test]
    fn what_docker_refuses_is_refused() {
        for (text, expected) in [
            ("", "no container port is given"),
            ("80:", "no container port is given"),
            ("80:/tcp", "no container port is given"),
            ("80:http", "`http` is not a port number"),
            ("80:80/http", "`http` is neither tcp, udp nor sctp"),
            ("80 : 80", "`80 ` is not a port number"),
            ("70000:80", "`70000` is outside of 1-65535"),
            ("80:65536", "`65536` is outside of 1-65535"),
            ("80:-1", "`` is not a port number"),
            ("80:0", "port 0 is no port that a container can be reached at"),
            ("90-80:90-80", "the range `90-80` ends before it begins"),
            ("80-81:80-90", "2 host ports cannot stand for 11 container ports"),
            ("8000:80-81", "1 host ports cannot stand for 2 container ports"),
            ("256.0.0.1:80:80", "`256.0.0.1` is not an IP address"),
            ("*:80:80", "`*` is not an IP address"),
        ] {
            assert_eq!(told(text), expected, "{text}");
        }
    }

    proptest! {
        #[test]
        fn arbitrary_text_never_panics(text in "\\PC*|[0-9:\\-/.\\[\\]\0a-d]{0,40}") {
            let _ = short(&text);
        }

        #[test]
        fn what_is_written_is_what_is_read(
            address: Option<IpAddr>,
            published in proptest::option::of(1_u16..),
            target in 1_u16..,
            is_udp: bool,
        ) {
            let host = match address {
                Some(IpAddr::V6(address)) => format!("[{address}]:"),
                Some(address) => format!("{address}:"),
                None => String::new(),
            };
            let port = published.map_or(String::new(), |port| port.to_string());
            let separator = if published.is_some() || address.is_some() { ":" } else { "" };
            let text = format!("{host}{port}{separator}{target}{}", if is_udp { "/udp" } else { "" });
            let expected = Mapping {
                address: address.map_or(HostAddress::Unsaid, HostAddress::Ip),
                published: published.map_or(HostPort::Random, |port| HostPort::Fixed(PortSpan::one(port))),
                target: Certain::Known(PortSpan::one(target)),
                transport: Certain::Known(if is_udp { Transport::Udp } else { Transport::Tcp }),
            };
            prop_assert_eq!(short(&text), Ok(expected));
        }
    }
}
