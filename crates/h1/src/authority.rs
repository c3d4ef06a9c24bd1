//! `host[:port]` of Host fields and absolute-form targets (RFC 3986 3.2, RFC 9110 7.2).

use crate::Span;

/// A parsed authority. Spans point into the bytes it was parsed from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Authority {
    /// Name or address, without port; an IPv6 literal keeps its brackets. Never empty.
    pub host: Span,
    /// Port, if one was written.
    pub port: Option<u16>,
}

/// Parses `value`. No user information, no empty host, no percent-encoding, no bytes outside the grammar: what is
/// compared here must be what the service sees.
pub fn parse_authority(value: &[u8]) -> Option<Authority> {
    let host_end = if value.first()? == &b'[' {
        let close = memchr::memchr(b']', value)?;
        let inside = std::str::from_utf8(&value[1..close]).ok()?;
        inside.parse::<std::net::Ipv6Addr>().ok()?;
        close + 1
    } else {
        let end = value.iter().position(|&byte| !IN_NAME[usize::from(byte)]).unwrap_or(value.len());
        (end > 0).then_some(end)?
    };
    let port = match value.get(host_end..)? {
        [] | b":" => None,
        [b':', digits @ ..] if digits.len() <= 5 => Some(digits.iter().try_fold(0_u16, |port, byte| {
            let digit = byte.is_ascii_digit().then(|| u16::from(byte - b'0'))?;
            port.checked_mul(10)?.checked_add(digit)
        })?),
        _ => return None,
    };
    Some(Authority { host: Span { start: 0, end: host_end as u32 }, port })
}

/// `reg-name` (RFC 3986 3.2.2) without percent-encoding, and without `,` and `;`, which end an authority elsewhere.
const IN_NAME: [bool; 256] = {
    let mut allowed = [false; 256];
    let mut byte = b'!';
    while byte <= b'~' {
        allowed[byte as usize] = byte.is_ascii_alphanumeric()
            || matches!(
                byte,
                b'-' | b'.' | b'_' | b'~' | b'!' | b'$' | b'&' | b'\'' | b'(' | b')' | b'*' | b'+' | b'='
            );
        byte += 1;
    }
    allowed
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_host_and_port_are_an_authority() {
        for (value, expected) in [
            ("shop.example.com", Some(("shop.example.com", None))),
            ("shop:8080", Some(("shop", Some(8080)))),
            ("shop:", Some(("shop", None))),
            ("[::1]:443", Some(("[::1]", Some(443)))),
            ("127.0.0.1:80", Some(("127.0.0.1", Some(80)))),
            ("", None),
            (":80", None),
            ("a@b", None),
            ("a b", None),
            ("a,b", None),
            ("a/b", None),
            ("a%2eb", None),
            ("a:99999", None),
            ("a:+80", None),
            ("a:80:80", None),
            ("[::1", None),
            ("[::1]x", None),
            ("[v1.x]", None),
            ("a\0b", None),
        ] {
            let parsed = parse_authority(value.as_bytes());
            let found = parsed.map(|found| (&value[found.host.range()], found.port));
            assert_eq!(found, expected, "{value:?}");
        }
    }
}
