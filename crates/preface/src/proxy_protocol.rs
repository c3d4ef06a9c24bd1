//! The PROXY protocol, versions 1 and 2 (HAProxy `doc/proxy-protocol.txt`).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// Longest version 1 header, CRLF included (section 2.1).
const MAX_V1: usize = 107;
/// Longest version 2 payload that is accepted, bytes: addresses and a few TLVs. The protocol would allow 65,535,
/// which is memory for an attacker and of no use.
const MAX_V2_PAYLOAD: usize = 4096;
const V2_SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";

/// What the bytes so far are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Parsed {
    /// The beginning of a header.
    Incomplete,
    /// A header without addresses that count (v1 UNKNOWN, v2 LOCAL or a family that is not TCP): the connection
    /// speaks for itself. Addresses that stand in it all the same are ignored.
    Local {
        /// Length of the header.
        consumed: usize,
    },
    /// A proxied TCP connection.
    Proxied {
        /// Length of the header.
        consumed: usize,
        /// The client.
        source: SocketAddr,
        /// What the client connected to.
        destination: SocketAddr,
    },
}

/// Why the bytes are not a PROXY header.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ProxyError {
    /// Neither signature.
    #[error("no PROXY header")]
    Missing,
    /// Version 1 without CRLF within 107 bytes.
    #[error("PROXY v1 header too long")]
    TooLong,
    /// Version 1 line that is not of its grammar.
    #[error("malformed PROXY v1 header")]
    MalformedV1,
    /// Version 2 with an unknown version, command or family, or a payload that does not hold what it announces.
    #[error("malformed PROXY v2 header")]
    MalformedV2,
}

/// Parses the beginning of `bytes`.
pub fn parse(bytes: &[u8]) -> Result<Parsed, ProxyError> {
    let begins = |signature: &[u8]| {
        let known = bytes.len().min(signature.len());
        bytes[..known] == signature[..known]
    };
    if begins(V2_SIGNATURE) {
        parse_v2(bytes)
    } else if begins(b"PROXY ") {
        parse_v1(bytes)
    } else {
        Err(ProxyError::Missing)
    }
}

fn parse_v1(bytes: &[u8]) -> Result<Parsed, ProxyError> {
    let window = &bytes[..bytes.len().min(MAX_V1)];
    let Some(line_feed) = window.iter().position(|&byte| byte == b'\n') else {
        return if bytes.len() < MAX_V1 { Ok(Parsed::Incomplete) } else { Err(ProxyError::TooLong) };
    };
    let consumed = line_feed + 1;
    let line = window[..line_feed].strip_suffix(b"\r").ok_or(ProxyError::MalformedV1)?;
    let line = std::str::from_utf8(line).map_err(|_| ProxyError::MalformedV1)?;
    let mut words = line.split(' ').skip(1);
    let family = words.next().ok_or(ProxyError::MalformedV1)?;
    if family == "UNKNOWN" {
        return Ok(Parsed::Local { consumed });
    }
    let mut word = || words.next().ok_or(ProxyError::MalformedV1);
    let (source, destination, source_port, destination_port) = (word()?, word()?, word()?, word()?);
    if words.next().is_some() {
        return Err(ProxyError::MalformedV1);
    }
    let address = |text: &str| -> Option<IpAddr> {
        match family {
            "TCP4" => text.parse::<Ipv4Addr>().ok().map(IpAddr::V4),
            "TCP6" => text.parse::<Ipv6Addr>().ok().map(IpAddr::V6),
            _ => None,
        }
    };
    let port = |text: &str| -> Option<u16> {
        let is_decimal = text.bytes().all(|byte| byte.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
        is_decimal.then(|| text.parse().ok())?
    };
    let endpoint = |host: &str, number: &str| Some(SocketAddr::new(address(host)?, port(number)?));
    let source = endpoint(source, source_port).ok_or(ProxyError::MalformedV1)?;
    let destination = endpoint(destination, destination_port).ok_or(ProxyError::MalformedV1)?;
    Ok(Parsed::Proxied { consumed, source, destination })
}

fn parse_v2(bytes: &[u8]) -> Result<Parsed, ProxyError> {
    let Some(&[command, family, high, low]) = bytes.get(12..16) else { return Ok(Parsed::Incomplete) };
    let length = usize::from(u16::from_be_bytes([high, low]));
    if length > MAX_V2_PAYLOAD || command >> 4 != 2 || command & 0xf > 1 {
        return Err(ProxyError::MalformedV2);
    }
    let consumed = 16 + length;
    let Some(payload) = bytes.get(16..consumed) else { return Ok(Parsed::Incomplete) };
    // LOCAL: whatever addresses follow are the proxy's own business (section 2.2); believing them lets a health
    // checker's header choose the client address (sozu PR#1334).
    if command & 0xf == 0 {
        return Ok(Parsed::Local { consumed });
    }
    let (address_bytes, source, destination) = match family {
        0x11 => {
            let block: &[u8; 12] = payload.first_chunk().ok_or(ProxyError::MalformedV2)?;
            let ip = |at: usize| IpAddr::from([block[at], block[at + 1], block[at + 2], block[at + 3]]);
            (12, SocketAddr::new(ip(0), port_at(block, 8)), SocketAddr::new(ip(4), port_at(block, 10)))
        }
        0x21 => {
            let block: &[u8; 36] = payload.first_chunk().ok_or(ProxyError::MalformedV2)?;
            let ip = |at: usize| -> IpAddr { std::array::from_fn::<u8, 16, _>(|byte| block[at + byte]).into() };
            (36, SocketAddr::new(ip(0), port_at(block, 32)), SocketAddr::new(ip(16), port_at(block, 34)))
        }
        // UNSPEC, datagrams and Unix sockets name no TCP client.
        0x00 | 0x12 | 0x22 | 0x31 | 0x32 => return Ok(Parsed::Local { consumed }),
        _ => return Err(ProxyError::MalformedV2),
    };
    check_tlvs(&payload[address_bytes..])?;
    Ok(Parsed::Proxied { consumed, source, destination })
}

fn port_at(block: &[u8], at: usize) -> u16 {
    u16::from_be_bytes([block[at], block[at + 1]])
}

/// TLVs are not used, but they must be whole (section 2.2.7).
fn check_tlvs(mut rest: &[u8]) -> Result<(), ProxyError> {
    while !rest.is_empty() {
        let [_, high, low, tail @ ..] = rest else { return Err(ProxyError::MalformedV2) };
        rest = tail.get(usize::from(u16::from_be_bytes([*high, *low]))..).ok_or(ProxyError::MalformedV2)?;
    }
    Ok(())
}

/// Writes a version 1 header.
pub fn write_v1(source: SocketAddr, destination: SocketAddr, out: &mut Vec<u8>) {
    let (source, destination) = same_family(source, destination);
    let family = if source.is_ipv4() { "TCP4" } else { "TCP6" };
    let line =
        format!("PROXY {family} {} {} {} {}\r\n", source.ip(), destination.ip(), source.port(), destination.port());
    out.extend_from_slice(line.as_bytes());
}

/// Writes a version 2 header without TLVs.
pub fn write_v2(source: SocketAddr, destination: SocketAddr, out: &mut Vec<u8>) {
    out.extend_from_slice(V2_SIGNATURE);
    match same_family(source, destination) {
        (SocketAddr::V4(source), SocketAddr::V4(destination)) => {
            out.extend_from_slice(&[0x21, 0x11, 0, 12]);
            out.extend_from_slice(&source.ip().octets());
            out.extend_from_slice(&destination.ip().octets());
        }
        (source, destination) => {
            out.extend_from_slice(&[0x21, 0x21, 0, 36]);
            out.extend_from_slice(&v6(source.ip()).octets());
            out.extend_from_slice(&v6(destination.ip()).octets());
        }
    }
    out.extend_from_slice(&source.port().to_be_bytes());
    out.extend_from_slice(&destination.port().to_be_bytes());
}

/// Both plain IPv4 if both can be, else both IPv6.
fn same_family(source: SocketAddr, destination: SocketAddr) -> (SocketAddr, SocketAddr) {
    let canonical = |address: SocketAddr| SocketAddr::new(address.ip().to_canonical(), address.port());
    let (source, destination) = (canonical(source), canonical(destination));
    if source.is_ipv4() == destination.is_ipv4() {
        return (source, destination);
    }
    let widen = |address: SocketAddr| SocketAddr::new(v6(address.ip()).into(), address.port());
    (widen(source), widen(destination))
}

fn v6(address: IpAddr) -> Ipv6Addr {
    match address {
        IpAddr::V4(address) => address.to_ipv6_mapped(),
        IpAddr::V6(address) => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn version_1_is_read_strictly() {
        let proxied =
            |text: &[u8]| matches!(parse(text), Ok(Parsed::Proxied { consumed, .. }) if consumed == text.len());
        assert!(proxied(b"PROXY TCP4 192.0.2.1 198.51.100.1 56324 443\r\n"));
        assert!(proxied(b"PROXY TCP6 2001:db8::1 ::1 1 65535\r\n"));
        assert_eq!(parse(b"PROXY UNKNOWN whatever this is\r\n"), Ok(Parsed::Local { consumed: 32 }));
        for bad in [
            "PROXY TCP4 192.0.2.1 198.51.100.1 56324\r\n",
            "PROXY TCP4 192.0.2.1 198.51.100.1 056324 443\r\n",
            "PROXY TCP4 192.0.2.1 198.51.100.1 66000 443\r\n",
            "PROXY TCP4 ::1 ::1 1 2\r\n",
            "PROXY TCP4  192.0.2.1 198.51.100.1 1 2\r\n",
            "PROXY TCP4 192.0.2.1 198.51.100.1 1 2\n",
            "PROXY TCP4 192.0.2.1 198.51.100.1 +1 2\r\n",
            "PROXY UDP4 192.0.2.1 198.51.100.1 1 2\r\n",
        ] {
            assert_eq!(parse(bad.as_bytes()), Err(ProxyError::MalformedV1), "{bad:?}");
        }
        assert_eq!(parse(&[b"PROXY TCP4 ", [b'1'; 100].as_slice()].concat()), Err(ProxyError::TooLong));
        assert_eq!(parse(b"GET / HTTP/1.1\r\n"), Err(ProxyError::Missing));
    }

    #[test]
    fn version_2_local_ignores_its_addresses_and_lengths_are_bounded() {
        let mut header = Vec::new();
        write_v2(([192, 0, 2, 1], 1).into(), ([192, 0, 2, 2], 2).into(), &mut header);
        header[12] = 0x20;
        assert_eq!(parse(&header), Ok(Parsed::Local { consumed: 28 }));
        header[12] = 0x21;
        header[15] = 11;
        assert_eq!(parse(&header), Err(ProxyError::MalformedV2));
        (header[14], header[15]) = (0xff, 0xff);
        assert_eq!(parse(&header), Err(ProxyError::MalformedV2));
        (header[14], header[15]) = (0, 12);
        header[13] = 0x41;
        assert_eq!(parse(&header), Err(ProxyError::MalformedV2));
    }

    #[test]
    fn a_tlv_that_does_not_end_is_refused() {
        let mut header = Vec::new();
        write_v2(([192, 0, 2, 1], 1).into(), ([192, 0, 2, 2], 2).into(), &mut header);
        header.extend_from_slice(&[0x04, 0, 9, 1]);
        header[15] += 4;
        assert_eq!(parse(&header), Err(ProxyError::MalformedV2));
        header[18 + 12] = 1;
        assert!(matches!(parse(&header), Ok(Parsed::Proxied { .. })));
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_whatever_the_split(source: SocketAddr, destination: SocketAddr, v2: bool, rest: Vec<u8>) {
            let mut header = Vec::new();
            if v2 { write_v2(source, destination, &mut header) } else { write_v1(source, destination, &mut header) }
            let length = header.len();
            for cut in 0..length {
                prop_assert_eq!(parse(&header[..cut]), Ok(Parsed::Incomplete));
            }
            header.extend(rest);
            let Ok(Parsed::Proxied { consumed, source: read, .. }) = parse(&header) else { panic!("not read") };
            prop_assert_eq!(consumed, length);
            prop_assert_eq!((read.ip().to_canonical(), read.port()), (source.ip().to_canonical(), source.port()));
        }

        #[test]
        fn nothing_panics(bytes: Vec<u8>, v2: bool) {
            let start: &[u8] = if v2 { V2_SIGNATURE } else { b"PROXY " };
            let _ = parse(&[start, &bytes].concat());
        }
    }
}
