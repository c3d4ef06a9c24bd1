//! The line of version 1 (section 2.1).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::{Parsed, ProxyError, proxied};

/// Longest header, CRLF included (section 2.1). A sender that goes on without CRLF is cut off here (CVE-2021-23351).
pub const LONGEST: usize = 107;

pub(super) const SIGNATURE: &[u8] = b"PROXY ";

/// `PROXY (TCP4|TCP6) source destination source-port destination-port CRLF`, single spaces, or
/// `PROXY UNKNOWN anything CRLF`.
pub(super) fn parse(bytes: &[u8]) -> Result<Parsed, ProxyError> {
    let window = &bytes[..bytes.len().min(LONGEST)];
    let Some(line_feed) = window.iter().position(|&byte| byte == b'\n') else {
        let is_full = window.len() == LONGEST;
        return if is_full { Err(ProxyError::TooLong { version: 1, limit: LONGEST }) } else { Ok(Parsed::Incomplete) };
    };
    let consumed = line_feed + 1;
    let line = window[..line_feed].strip_suffix(b"\r").ok_or(malformed("a line feed without carriage return"))?;
    let line = std::str::from_utf8(line).map_err(|_| malformed("not ASCII"))?;
    let mut words = line.split(' ').skip(1);
    let mut word = || words.next().ok_or(malformed("it ends too early"));
    let family = word()?;
    if family == "UNKNOWN" {
        return Ok(Parsed::Local { consumed });
    }
    let (source, destination) = (address(family, word()?)?, address(family, word()?)?);
    let (source_port, destination_port) = (port(word()?)?, port(word()?)?);
    if words.next().is_some() {
        return Err(malformed("more words than addresses and ports"));
    }
    Ok(proxied(consumed, (source, source_port), (destination, destination_port)))
}

fn address(family: &str, text: &str) -> Result<IpAddr, ProxyError> {
    match family {
        "TCP4" => text.parse().map(|address: Ipv4Addr| address.into()).map_err(|_| malformed("not an IPv4 address")),
        "TCP6" => text.parse().map(|address: Ipv6Addr| address.into()).map_err(|_| malformed("not an IPv6 address")),
        _ => Err(malformed("the family is none of TCP4, TCP6 and UNKNOWN")),
    }
}

/// Decimal, without sign and without leading zeros (section 2.1).
fn port(text: &str) -> Result<u16, ProxyError> {
    let is_decimal = text.bytes().all(|byte| byte.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    let number = if is_decimal { text.parse().ok() } else { None };
    number.ok_or(malformed("not a port number"))
}

fn malformed(why: &'static str) -> ProxyError {
    ProxyError::Malformed { version: 1, why }
}
