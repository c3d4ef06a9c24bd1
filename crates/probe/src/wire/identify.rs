//! Which protocol somebody speaks, by the first bytes of what they say.

use std::fmt;

use super::http::status_of;

/// What somebody speaks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Speaks {
    /// HTTP/1, with the status of its answer.
    Http(u16),
    /// TLS: what the handshake came to.
    Tls(String),
    /// TLS, and asks clients for a certificate.
    TlsForCertificates,
    /// HTTP within TLS.
    Https(u16),
    /// PostgreSQL.
    Postgres,
    /// Redis: its answer to PING.
    Redis(String),
    /// SSH: its banner.
    Ssh(String),
    /// MySQL or MariaDB.
    Mysql,
    /// Something that greets in a line: SMTP, FTP, IMAP, POP3.
    Greeting(String),
    /// Something else.
    Other(String),
    /// Accepts and says nothing.
    Silent,
}

impl fmt::Display for Speaks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Http(status) => write!(f, "HTTP, status {status}"),
            Self::Https(status) => write!(f, "HTTPS, status {status}"),
            Self::Tls(detail) => write!(f, "TLS, {detail}"),
            Self::TlsForCertificates => f.write_str("TLS, asks for a client certificate"),
            Self::Postgres => f.write_str("PostgreSQL"),
            Self::Redis(answer) => write!(f, "Redis, {answer}"),
            Self::Ssh(banner) => write!(f, "SSH, {banner}"),
            Self::Mysql => f.write_str("MySQL"),
            Self::Greeting(line) => write!(f, "a greeting, \"{line}\""),
            Self::Other(bytes) => write!(f, "something else, \"{bytes}\""),
            Self::Silent => f.write_str("says nothing"),
        }
    }
}

/// Recognises a protocol by how it begins; nothing for no bytes.
pub(super) fn identify(bytes: &[u8]) -> Option<Speaks> {
    if bytes.is_empty() {
        return None;
    }
    if let Some(status) = status_of(bytes) {
        return Some(Speaks::Http(status));
    }
    let line = || printable(bytes.split(|byte| *byte == b'\r' || *byte == b'\n').next().unwrap_or_default());
    Some(match bytes {
        [b'S', b'S', b'H', b'-', ..] => Speaks::Ssh(line()),
        [b'-' | b'+', rest @ ..] if rest.first().is_some_and(u8::is_ascii_uppercase) => Speaks::Redis(line()),
        // Alert or handshake, in a record of SSL 3.0 to TLS 1.3.
        [21 | 22, 3, 0..=4, ..] => Speaks::Tls("no more is known".to_owned()),
        [b'E' | b'R', length @ ..] if is_postgres_message(length) => Speaks::Postgres,
        // A packet of protocol version 10 with its sequence number 0.
        [_, _, 0, 0, 10, ..] => Speaks::Mysql,
        [b'2', b'2', b'0', b' ' | b'-', ..] | [b'*', b' ', b'O', b'K', ..] | [b'+', b'O', b'K', ..] => {
            Speaks::Greeting(line())
        }
        _ => Speaks::Other(printable(bytes)),
    })
}

/// Whether a length of four bytes (big-endian, itself included) makes sense for PostgreSQL's error or authentication
/// message.
fn is_postgres_message(length: &[u8]) -> bool {
    let length = length.first_chunk().copied().map_or(0, u32::from_be_bytes);
    (8..16_384).contains(&length)
}

/// A stranger's bytes for a terminal: short, and without anything that is not print.
pub(crate) fn printable(bytes: &[u8]) -> String {
    const LONGEST: usize = 80;
    let text = String::from_utf8_lossy(&bytes[..bytes.len().min(LONGEST)]);
    let print = |character: char| {
        let is_print = character == ' ' || (character.is_ascii_graphic() && character != '"');
        if is_print { character } else { '.' }
    };
    text.chars().map(print).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn protocols_are_known_by_how_they_begin() {
        for (bytes, expected) in [
            (&b"HTTP/1.1 404 Not Found\r\n"[..], "HTTP, status 404"),
            (b"SSH-2.0-OpenSSH_9.9\r\n", "SSH, SSH-2.0-OpenSSH_9.9"),
            (b"+PONG\r\n", "Redis, +PONG"),
            (b"-NOAUTH Authentication required.\r\n", "Redis, -NOAUTH Authentication required."),
            (b"\x15\x03\x03\0\x02\x02\x28", "TLS, no more is known"),
            (b"R\0\0\0\x08\0\0\0\0", "PostgreSQL"),
            (b"E\0\0\0\x20SFATAL\0", "PostgreSQL"),
            (b"J\0\0\0\n8.0.36\0", "MySQL"),
            (b"220 mail.example.com ESMTP\r\n", "a greeting, \"220 mail.example.com ESMTP\""),
            (b"Error: what\x1b[31m\r\n", "something else, \"Error: what.[31m..\""),
        ] {
            assert_eq!(identify(bytes).map(|speaks| speaks.to_string()).as_deref(), Some(expected));
        }
        assert_eq!(identify(b""), None);
    }

    proptest! {
        #[test]
        fn no_answer_breaks_the_reader_or_reaches_a_terminal_as_it_is(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            if let Some(speaks) = identify(&bytes) {
                let said = speaks.to_string();
                prop_assert!(said.chars().all(|character| character == ' ' || character.is_ascii_graphic()), "{said:?}");
                prop_assert!(said.len() < 400);
            }
        }
    }
}
