//! The TLS ClientHello, read without taking part in the handshake (RFC 8446 4.1.2, RFC 6066 3).

/// Longest ClientHello, bytes. Post-quantum key shares make honest ones a few kilobytes long.
const MAX_HELLO: usize = 64 * 1024;
/// Longest record payload (RFC 8446 5.1).
const MAX_RECORD: usize = 16 * 1024;

/// What the bytes so far are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Peek {
    /// The beginning of a ClientHello.
    Incomplete,
    /// A whole ClientHello.
    Hello {
        /// The name asked for, lower case, if one was sent and it is a host name.
        sni: Option<String>,
    },
}

/// Why the bytes are not a ClientHello.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HelloError {
    /// The first bytes are not a TLS handshake record.
    #[error("not TLS")]
    NotTls,
    /// A length or a structure that does not hold.
    #[error("malformed ClientHello")]
    Malformed,
    /// Longer than the bound.
    #[error("ClientHello too long")]
    TooLong,
    /// A server name that is not a host name.
    #[error("malformed server name")]
    BadName,
}

/// Looks at the beginning of `bytes`. A hello that is spread over many records is put together first: a fragment
/// must never look like a hello without SNI (CVE-2026-32305).
pub fn peek(bytes: &[u8]) -> Result<Peek, HelloError> {
    let mut message = Vec::new();
    let mut rest = bytes;
    loop {
        let header = &rest[..rest.len().min(5)];
        // Each byte is judged as soon as it is there, so that what is not TLS does not wait for a fifth byte.
        if !header.iter().zip([22, 3]).all(|(byte, expected)| *byte == expected)
            || header.get(2).is_some_and(|minor| *minor > 4)
        {
            return Err(if message.is_empty() { HelloError::NotTls } else { HelloError::Malformed });
        }
        let [_, _, _, high, low] = *header else { return Ok(Peek::Incomplete) };
        let length = usize::from(u16::from_be_bytes([high, low]));
        if length == 0 || length > MAX_RECORD {
            return Err(HelloError::Malformed);
        }
        let available = &rest[5..rest.len().min(5 + length)];
        message.extend_from_slice(available);
        if message.first().is_some_and(|kind| *kind != 1) {
            return Err(HelloError::Malformed);
        }
        if let Some(&[_, high, middle, low]) = message.get(..4) {
            let body = usize::from(high) << 16 | usize::from(middle) << 8 | usize::from(low);
            if body > MAX_HELLO {
                return Err(HelloError::TooLong);
            }
            if let Some(body) = message.get(4..4 + body) {
                return Ok(Peek::Hello { sni: server_name(body)? });
            }
        }
        if available.len() < length {
            return Ok(Peek::Incomplete);
        }
        rest = &rest[5 + length..];
    }
}

/// A cursor over length-prefixed structures.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8], HelloError> {
        let (taken, rest) = self.0.split_at_checked(count).ok_or(HelloError::Malformed)?;
        self.0 = rest;
        Ok(taken)
    }

    fn u16(&mut self) -> Result<u16, HelloError> {
        let bytes = self.take(2)?;
        Ok(u16::from_be_bytes([bytes[0], bytes[1]]))
    }

    fn vector8(&mut self) -> Result<&'a [u8], HelloError> {
        let length = self.take(1)?[0];
        self.take(usize::from(length))
    }

    fn vector16(&mut self) -> Result<Reader<'a>, HelloError> {
        let length = self.u16()?;
        self.take(usize::from(length)).map(Reader)
    }
}

fn server_name(body: &[u8]) -> Result<Option<String>, HelloError> {
    let mut hello = Reader(body);
    hello.take(2 + 32)?;
    hello.vector8()?;
    hello.vector16()?;
    hello.vector8()?;
    // A hello without extensions is legal before TLS 1.3.
    if hello.0.is_empty() {
        return Ok(None);
    }
    let mut extensions = hello.vector16()?;
    let mut name = None;
    let mut seen = false;
    while !extensions.0.is_empty() {
        let kind = extensions.u16()?;
        let mut content = extensions.vector16()?;
        if kind != 0 {
            continue;
        }
        if std::mem::replace(&mut seen, true) {
            return Err(HelloError::Malformed);
        }
        let mut names = content.vector16()?;
        while !names.0.is_empty() {
            let is_host = names.take(1)?[0] == 0;
            let value = names.vector16()?.0;
            if is_host {
                name = Some(value);
            }
        }
    }
    name.map(host_name).transpose().map(Option::flatten)
}

/// Letters, digits, `-`, `_` and dots; an address is not a name (RFC 6066 3) and counts as none.
fn host_name(value: &[u8]) -> Result<Option<String>, HelloError> {
    let value = value.strip_suffix(b".").unwrap_or(value);
    let is_name_byte = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    let text = std::str::from_utf8(value).map_err(|_| HelloError::BadName)?;
    if text.parse::<std::net::IpAddr>().is_ok() {
        return Ok(None);
    }
    if value.is_empty() || value.len() > 253 || !value.iter().all(is_name_byte) || text.split('.').any(str::is_empty) {
        return Err(HelloError::BadName);
    }
    Ok(Some(text.to_ascii_lowercase()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A hello with these extensions, in records of at most `record` bytes.
    fn hello(extensions: &[(u16, Vec<u8>)], record: usize) -> Vec<u8> {
        let mut body = vec![3, 3];
        body.extend([7; 32]);
        body.extend([0, 0, 2, 0x13, 0x01, 1, 0]);
        let list: Vec<u8> = extensions
            .iter()
            .flat_map(|(kind, content)| {
                [&kind.to_be_bytes()[..], &(content.len() as u16).to_be_bytes(), content].concat()
            })
            .collect();
        body.extend((list.len() as u16).to_be_bytes());
        body.extend(list);
        let mut message = vec![1, 0, (body.len() >> 8) as u8, body.len() as u8];
        message.extend(body);
        message
            .chunks(record)
            .flat_map(|part| [&[22, 3, 1][..], &(part.len() as u16).to_be_bytes(), part].concat())
            .collect()
    }

    fn sni(name: &[u8]) -> (u16, Vec<u8>) {
        let length = name.len() as u16;
        (0, [&(length + 3).to_be_bytes()[..], &[0], &length.to_be_bytes(), name].concat())
    }

    #[test]
    fn a_hello_split_over_any_records_and_reads_has_its_name() {
        let padding = (21, vec![0; 3000]);
        for record in [1, 7, 500, 16_000] {
            let bytes = hello(&[padding.clone(), sni(b"Shop.Example.COM.")], record);
            for cut in (0..bytes.len()).step_by(13) {
                assert_eq!(peek(&bytes[..cut]), Ok(Peek::Incomplete), "record {record}, cut {cut}");
            }
            assert_eq!(peek(&bytes), Ok(Peek::Hello { sni: Some("shop.example.com".into()) }));
        }
    }

    #[test]
    fn names_that_are_not_host_names_are_refused_and_addresses_are_none() {
        assert_eq!(peek(&hello(&[], 100)), Ok(Peek::Hello { sni: None }));
        assert_eq!(peek(&hello(&[sni(b"127.0.0.1")], 100)), Ok(Peek::Hello { sni: None }));
        for bad in [&b"a\0.example.com"[..], b"a b", b"", b"a..b", b"\xff"] {
            assert_eq!(peek(&hello(&[sni(bad)], 100)), Err(HelloError::BadName));
        }
        assert_eq!(peek(&hello(&[sni(b"a"), sni(b"b")], 100)), Err(HelloError::Malformed));
        assert_eq!(peek(b"GET / HTTP/1.1\r\n"), Err(HelloError::NotTls));
    }

    proptest! {
        #[test]
        fn nothing_panics(bytes: Vec<u8>) {
            let _ = peek(&[&[22, 3, 1][..], &bytes].concat());
            let mut mutated = hello(&[sni(b"shop.example.com")], 50);
            for (at, byte) in bytes.iter().enumerate() {
                let at = (at * 31 + usize::from(*byte)) % mutated.len();
                mutated[at] = *byte;
            }
            let _ = peek(&mutated);
        }
    }
}
