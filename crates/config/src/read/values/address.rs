//! Addresses: what ports listen on, what endpoints are, networks.

use std::{
    net::{IpAddr, Ipv6Addr, SocketAddr},
    path::PathBuf,
};

use ipnet::IpNet;

use super::{host_name, port_number};
use crate::{declared::ListenAddress, read::mistake::Mistake};

/// Longest path of a Unix socket: `sun_path` with its final NUL (unix(7)).
const LONGEST_UNIX_PATH: usize = 107;

/// `127.0.0.1:8443`, `[::1]:443`, `unix:/run/portcullis.sock`. Always an address, so that nobody has to know what a
/// bare port number, `*` or a name would have opened.
pub(crate) fn listen(text: &str) -> Result<ListenAddress, Mistake> {
    let mistake = |message: &str| Mistake::new(message, "an IP address with port, such as 127.0.0.1:8080");
    if let Some(path) = text.strip_prefix("unix:") {
        return unix_path(path).map(ListenAddress::Unix);
    }
    if let Ok(address) = text.parse::<SocketAddr>() {
        return match address.ip() {
            IpAddr::V6(v6) if let Some(v4) = v6.to_ipv4_mapped() => {
                let mistake = mistake("is an IPv4 address in IPv6 clothes, which an IPv6-only socket cannot take");
                Err(mistake.help(format!("write `{v4}:{}`", address.port())))
            }
            _ => Ok(ListenAddress::Tcp(address)),
        };
    }
    if is_digits(text) {
        let mistake = mistake("is a port without an address");
        return Err(mistake.help(format!("write `127.0.0.1:{text}` for this host, `0.0.0.0:{text}` for all addresses")));
    }
    if let Some((host, port)) = text.rsplit_once(':')
        && let (Ok(address), Ok(port)) = (host.parse::<Ipv6Addr>(), port.parse::<u16>())
    {
        return Err(mistake("lacks the brackets of an IPv6 address").help(format!("write `\"[{address}]:{port}\"`")));
    }
    if let Ok(address) = text.parse::<IpAddr>() {
        return Err(mistake("is an address without a port").help(format!("write `{}`", SocketAddr::new(address, 8080))));
    }
    match split_port(text) {
        Some(("" | "*", port)) => Err(mistake("does not say on which address").help(format!(
            "write `0.0.0.0:{port}` (and `\"[::]:{port}\"`) for all addresses, `127.0.0.1:{port}` for this host"
        ))),
        Some(("localhost", port)) => Err(mistake("is a name, and names change what they mean")
            .help(format!("write `127.0.0.1:{port}` or `\"[::1]:{port}\"`"))),
        Some((host, port)) if port.parse::<u16>().is_ok() && host_name(host).is_ok() && !is_address_like(host) => {
            Err(mistake("is a name, and names change what they mean").help("write the IP address to listen on"))
        }
        _ => Err(mistake("is not an address to listen on")),
    }
}

/// What was written for an endpoint; a missing port is filled in from the service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum EndpointText {
    Tcp(SocketAddr),
    Address(IpAddr),
    NameWithPort(String, u16),
    Name(String),
    Unix(PathBuf),
}

/// `127.0.0.1:3000`, `[::1]:3000`, `shop.internal:3000`, any of them without port, `unix:/run/shop.sock`.
pub(crate) fn endpoint(text: &str) -> Result<EndpointText, Mistake> {
    let mistake = |message: &str| Mistake::new(message, "an endpoint such as 127.0.0.1:3000 or unix:/run/shop.sock");
    if let Some(path) = text.strip_prefix("unix:") {
        return unix_path(path).map(EndpointText::Unix);
    }
    if let Ok(address) = text.parse::<SocketAddr>() {
        port_number(&address.port().to_string())?;
        return Ok(EndpointText::Tcp(address));
    }
    if let Ok(address) = text.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>() {
        return Ok(EndpointText::Address(address));
    }
    if is_digits(text) {
        return Err(mistake("is a port without an address").help(format!("write `127.0.0.1:{text}` for this host")));
    }
    if text.contains("://") {
        return Err(mistake("is a URL").help("write host and port alone; TLS goes under `tls:`"));
    }
    match split_port(text) {
        Some((host, port)) => {
            let port = port_number(port)?;
            Ok(EndpointText::NameWithPort(host_name(host)?, port))
        }
        None => Ok(EndpointText::Name(host_name(text)?)),
    }
}

/// `10.0.0.0/8`; a bare address is a network of one.
pub(crate) fn network(text: &str) -> Result<IpNet, Mistake> {
    let mistake = |message: &str| Mistake::new(message, "a network such as 10.0.0.0/8, or an address");
    if let Ok(address) = text.parse::<IpAddr>() {
        return Ok(IpNet::from(address));
    }
    let Ok(network) = text.parse::<IpNet>() else {
        return Err(match text {
            "any" | "all" | "*" => mistake("is not a network").help("write `0.0.0.0/0` and `\"::/0\"` for everyone"),
            _ => mistake("is not a network"),
        });
    };
    if network.addr() != network.network() {
        return Err(mistake("has bits set beyond its prefix").help(format!("did you mean `{}`?", network.trunc())));
    }
    Ok(network)
}

fn unix_path(path: &str) -> Result<PathBuf, Mistake> {
    let mistake = |message: &str| Mistake::new(message, "an absolute path, such as unix:/run/portcullis.sock");
    if !path.starts_with('/') {
        return Err(mistake("is not an absolute path"));
    }
    if path.len() > LONGEST_UNIX_PATH {
        return Err(mistake("is longer than the 107 bytes that the kernel takes"));
    }
    if path.contains('\0') || path.ends_with('/') {
        return Err(mistake("is not the path of a socket"));
    }
    Ok(PathBuf::from(path))
}

fn split_port(text: &str) -> Option<(&str, &str)> {
    text.rsplit_once(':')
}

/// Digits and dots that were meant to be an IPv4 address.
fn is_address_like(host: &str) -> bool {
    host.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.')
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listen_address_is_an_address() {
        for text in ["0.0.0.0:443", "127.0.0.1:0", "[::]:443", "[::1]:80", "unix:/run/p.sock"] {
            assert!(listen(text).is_ok(), "{text}");
        }
        for (text, help) in [
            ("443", "write `127.0.0.1:443` for this host, `0.0.0.0:443` for all addresses"),
            ("127.0.0.1", "write `127.0.0.1:8080`"),
            (":443", "write `0.0.0.0:443` (and `\"[::]:443\"`) for all addresses, `127.0.0.1:443` for this host"),
            ("*:443", "write `0.0.0.0:443` (and `\"[::]:443\"`) for all addresses, `127.0.0.1:443` for this host"),
            ("localhost:80", "write `127.0.0.1:80` or `\"[::1]:80\"`"),
            ("::1:80", "write `\"[::1]:80\"`"),
            ("web.example.com:80", "write the IP address to listen on"),
            ("[::ffff:10.0.0.1]:80", "write `10.0.0.1:80`"),
        ] {
            let mistake = listen(text).err().and_then(|mistake| mistake.help);
            assert_eq!(mistake.as_deref(), Some(help), "{text}");
        }
        for text in ["", "10.0.0.300:80", "127.0.0.1:99999", "127.0.0.1:http", "unix:run/x", "unix:", "unix:/x/"] {
            assert!(listen(text).is_err(), "{text}");
        }
    }

    #[test]
    fn endpoints_may_leave_out_the_port() {
        let address = |text: &str| text.parse::<IpAddr>().map(EndpointText::Address).ok();
        for (text, expected) in [
            ("127.0.0.1:3000", "127.0.0.1:3000".parse().map(EndpointText::Tcp).ok()),
            ("[::1]:3000", "[::1]:3000".parse().map(EndpointText::Tcp).ok()),
            ("10.0.0.7", address("10.0.0.7")),
            ("::1", address("::1")),
            ("[::1]", address("::1")),
            ("Shop.internal:3000", Some(EndpointText::NameWithPort("shop.internal".to_owned(), 3000))),
            ("shop", Some(EndpointText::Name("shop".to_owned()))),
            ("unix:/run/shop.sock", Some(EndpointText::Unix(PathBuf::from("/run/shop.sock")))),
            ("3000", None),
            ("127.0.0.1:0", None),
            ("shop:0", None),
            ("shop:http", None),
            (":3000", None),
            ("http://shop:3000", None),
            ("10.0.0.300", None),
            ("", None),
        ] {
            assert_eq!(endpoint(text).ok(), expected, "{text}");
        }
    }

    #[test]
    fn networks_have_no_bits_beyond_their_prefix() {
        assert_eq!(network("10.0.0.0/8").map(|network| network.to_string()).as_deref(), Ok("10.0.0.0/8"));
        assert_eq!(network("10.0.0.1").map(|network| network.to_string()).as_deref(), Ok("10.0.0.1/32"));
        assert_eq!(network("::1").map(|network| network.to_string()).as_deref(), Ok("::1/128"));
        let mistake = network("10.0.0.1/8").err().and_then(|mistake| mistake.help);
        assert_eq!(mistake.as_deref(), Some("did you mean `10.0.0.0/8`?"));
        for text in ["", "10.0.0.0/33", "10/8", "any", "example.com"] {
            assert!(network(text).is_err(), "{text}");
        }
    }
}
