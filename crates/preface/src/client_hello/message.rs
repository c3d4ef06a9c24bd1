//! The body of the message: lengths within lengths, of which two extensions matter.

use std::collections::BTreeSet;

use rustls_pki_types::ServerName;

use super::{HelloError, Peek};

const SERVER_NAME: u16 = 0;
const APPLICATION_PROTOCOLS: u16 = 16;
const HOST_NAME: u8 = 0;

/// RFC 8446 4.1.2.
pub(super) fn parse(body: &[u8]) -> Result<Peek, HelloError> {
    let mut hello = Reader(body);
    let (_version, _random) = (hello.take(2)?, hello.take(32)?);
    let (_session_id, _cipher_suites, _compression) = (hello.vector8()?, hello.vector16()?, hello.vector8()?);
    let (mut sni, mut alpn) = (None, Vec::new());
    // A hello without extensions is legal before TLS 1.3.
    if !hello.is_empty() {
        let mut extensions = hello.vector16()?;
        let mut seen = BTreeSet::new();
        while !extensions.is_empty() {
            let kind = extensions.u16()?;
            let content = extensions.vector16()?;
            // One of them would be read here and the other by the endpoint (RFC 8446 4.2).
            if !seen.insert(kind) {
                return Err(HelloError::Malformed("an extension that is sent twice"));
            }
            match kind {
                SERVER_NAME => sni = server_name(content)?,
                APPLICATION_PROTOCOLS => alpn = protocols(content)?,
                _ => {}
            }
        }
    }
    hello.end()?;
    Ok(Peek::Hello { sni, alpn })
}

/// RFC 6066 3: one host name; no other type was ever defined, and one that is unknown can not be skipped.
fn server_name(mut content: Reader<'_>) -> Result<Option<String>, HelloError> {
    let mut names = content.vector16()?;
    content.end()?;
    if names.take(1)? != [HOST_NAME] {
        return Err(HelloError::Malformed("a server name of an unknown type"));
    }
    let name = names.vector16()?;
    names.end()?;
    match ServerName::try_from(name.0).map_err(|_| HelloError::BadName)? {
        ServerName::DnsName(name) => {
            let name = name.as_ref();
            Ok(Some(name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase()))
        }
        _ => Ok(None),
    }
}

/// RFC 7301 3.1.
fn protocols(mut content: Reader<'_>) -> Result<Vec<Vec<u8>>, HelloError> {
    let mut names = content.vector16()?;
    content.end()?;
    let mut protocols = Vec::new();
    while !names.is_empty() {
        protocols.push(names.vector8()?.0.to_vec());
    }
    if protocols.is_empty() || protocols.iter().any(Vec::is_empty) {
        return Err(HelloError::Malformed("an empty application protocol"));
    }
    Ok(protocols)
}

/// A cursor over length-prefixed structures.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8], HelloError> {
        let (taken, rest) = self.0.split_at_checked(count).ok_or(HelloError::Malformed("it ends too early"))?;
        self.0 = rest;
        Ok(taken)
    }

    fn u16(&mut self) -> Result<u16, HelloError> {
        let bytes = self.take(2)?;
        Ok(u16::from_be_bytes([bytes[0], bytes[1]]))
    }

    fn vector8(&mut self) -> Result<Reader<'a>, HelloError> {
        let length = self.take(1)?[0];
        self.take(usize::from(length)).map(Reader)
    }

    fn vector16(&mut self) -> Result<Reader<'a>, HelloError> {
        let length = self.u16()?;
        self.take(usize::from(length)).map(Reader)
    }

    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What is left over would be read by nobody, or by somebody else.
    fn end(&self) -> Result<(), HelloError> {
        if self.is_empty() { Ok(()) } else { Err(HelloError::Malformed("bytes after its end")) }
    }
}
