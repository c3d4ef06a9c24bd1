//! A ClientHello as it arrives in pieces, and as rustls reads it. Shared with the fuzz target.

use std::io::Cursor;

use portcullis_preface::client_hello::{HelloError, HelloReader, Peek};

/// Reads `bytes` as they would arrive in these pieces.
pub(crate) fn read_in_pieces(bytes: &[u8], mut pieces: impl Iterator<Item = usize>) -> Result<Peek, HelloError> {
    let mut reader = HelloReader::default();
    let mut arrived = 0;
    loop {
        match reader.read(&bytes[..arrived]) {
            Ok(Peek::Incomplete) if arrived < bytes.len() => {
                arrived = (arrived + pieces.next().unwrap_or(1)).min(bytes.len());
            }
            decided => return decided,
        }
    }
}

/// What rustls reads: name and protocols, `None` if it wants more, or its refusal.
pub(crate) type Theirs = Result<Option<(Option<String>, Vec<Vec<u8>>)>, ()>;

pub(crate) fn read_by_rustls(bytes: &[u8]) -> Theirs {
    let mut acceptor = rustls::server::Acceptor::default();
    let mut input = Cursor::new(bytes);
    while input.position() < bytes.len() as u64 {
        acceptor.read_tls(&mut input).map_err(|_| ())?;
        if let Some(accepted) = acceptor.accept().map_err(|_| ())? {
            let hello = accepted.client_hello();
            let alpn = hello.alpn().map(|names| names.map(<[u8]>::to_vec).collect()).unwrap_or_default();
            let name = hello.server_name().map(|name| name.trim_end_matches('.').to_owned());
            return Ok(Some((name, alpn)));
        }
    }
    Ok(None)
}

/// What a port that passes TLS through and an endpoint that terminates it would read differently. A refusal on one
/// side is none: we do not look at most extensions, and rustls skips over what follows an unknown type of name.
pub(crate) fn difference(ours: &Result<Peek, HelloError>, theirs: &Theirs) -> Option<&'static str> {
    match (ours, theirs) {
        (Ok(Peek::Hello { sni, .. }), Ok(Some((name, _)))) if sni != name => Some("another name"),
        (Ok(Peek::Hello { alpn, .. }), Ok(Some((_, protocols)))) if alpn != protocols => Some("other protocols"),
        (Ok(Peek::Incomplete), Ok(Some(_))) => Some("rustls has read it whole"),
        (Ok(Peek::Hello { .. }), Ok(None)) => Some("rustls wants more"),
        _ => None,
    }
}
