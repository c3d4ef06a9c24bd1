//! Values of `ListenStream=` and its kin (systemd.socket(5)).

use std::net::{IpAddr, Ipv6Addr};

/// What is listened on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Listening {
    /// A number alone: every address of both families.
    Bare(u16),
    /// An address and a port.
    Address { ip: IpAddr, port: u16, host_at: (usize, usize) },
    /// A path, an abstract name, a queue, a netlink family: nothing with a port.
    Local,
    /// Virtual machines reach it.
    Vsock,
    /// A specifier or another tool decides.
    Open,
    /// systemd refuses it, for this.
    Refused(&'static str),
}

/// Reads a value.
pub(crate) fn parse(value: &str) -> Listening {
    if value.starts_with('/') || value.starts_with('@') {
        return Listening::Local;
    }
    if value.starts_with("vsock:") {
        return Listening::Vsock;
    }
    if is_open(value) {
        return Listening::Open;
    }
    if value.bytes().all(|byte| byte.is_ascii_digit()) {
        return match port(value) {
            Ok(port) => Listening::Bare(port),
            Err(why) => Listening::Refused(why),
        };
    }
    let (host, number, host_at) = match value.strip_prefix('[') {
        Some(rest) => {
            // `[fe80::1]:80%eth0` says on which link.
            let (host, behind) = rest.split_once(']').unwrap_or((rest, ""));
            let number = behind.strip_prefix(':').map(|number| number.split('%').next().unwrap_or(number));
            (host.split('%').next().unwrap_or(host), number, (0, host.len() + 2))
        }
        None => match value.rsplit_once(':') {
            Some((host, number)) => (host, Some(number), (0, host.len())),
            None => (value, None, (0, value.len())),
        },
    };
    let Some(number) = number else { return Listening::Refused("there is no port in it") };
    match (host.parse::<IpAddr>(), port(number)) {
        (_, Err(why)) => Listening::Refused(why),
        (Ok(ip), Ok(port)) => Listening::Address { ip, port, host_at },
        (Err(_), Ok(_)) => Listening::Refused("systemd takes an address here, and no name"),
    }
}

fn port(text: &str) -> Result<u16, &'static str> {
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err("that is no port number");
    }
    match text.parse() {
        Ok(0) | Err(_) => Err("a port is a number from 1 to 65535"),
        Ok(port) => Ok(port),
    }
}

/// `%i` and the like, variables and expressions of templates. `%eth0` behind an address is a link.
pub(crate) fn is_open(value: &str) -> bool {
    let specifier = value.match_indices('%').any(|(at, _)| {
        let behind = &value[at + 1..];
        let name = behind.bytes().take_while(u8::is_ascii_alphanumeric).count();
        name <= 1 || !value[..at].contains(['.', ':'])
    });
    specifier || value.contains(['$', '{', '<']) || value.starts_with('@') && value.ends_with('@') && value.len() > 1
}

impl Listening {
    /// The port, and whether every interface is meant.
    pub(crate) fn port(&self) -> Option<u16> {
        match self {
            Self::Bare(port) | Self::Address { port, .. } => Some(*port),
            _ => None,
        }
    }

    /// The address; a bare number is `[::]`.
    pub(crate) fn ip(&self) -> Option<IpAddr> {
        match self {
            Self::Bare(_) => Some(Ipv6Addr::UNSPECIFIED.into()),
            Self::Address { ip, .. } => Some(*ip),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn every_form_is_read() {
        let address =
            |ip: &str, port, length| Listening::Address { ip: ip.parse().unwrap(), port, host_at: (0, length) };
        for (value, expected) in [
            ("8080", Listening::Bare(8080)),
            ("127.0.0.1:8080", address("127.0.0.1", 8080, 9)),
            ("[::1]:53", address("::1", 53, 5)),
            ("[::]:53", address("::", 53, 4)),
            ("[fe80::1]:53%eth0", address("fe80::1", 53, 9)),
            ("[fe80::1%eth0]:53", address("fe80::1", 53, 14)),
            ("/run/x.sock", Listening::Local),
            ("@x", Listening::Local),
            ("vsock:2:1234", Listening::Vsock),
            ("%i", Listening::Open),
            ("127.0.0.1:%i", Listening::Open),
            ("%t/x.sock", Listening::Open),
            ("${PORT}", Listening::Open),
            ("{{ port }}", Listening::Open),
            ("0", Listening::Refused("a port is a number from 1 to 65535")),
            ("70000", Listening::Refused("a port is a number from 1 to 65535")),
            ("127.0.0.1", Listening::Refused("there is no port in it")),
            ("localhost:80", Listening::Refused("systemd takes an address here, and no name")),
            ("127.0.0.1:http", Listening::Refused("that is no port number")),
            ("", Listening::Refused("a port is a number from 1 to 65535")),
        ] {
            let expected = if value.is_empty() { Listening::Refused("that is no port number") } else { expected };
            assert_eq!(parse(value), expected, "{value}");
        }
    }

    proptest! {
        #[test]
        fn any_value_is_read(value in "[-0-9a-z:.*@/$%{}ä\\[\\]]{0,24}") {
            if let Listening::Address { host_at: (from, to), .. } = parse(&value) {
                prop_assert!(value.get(from..to).is_some());
            }
        }
    }
}
