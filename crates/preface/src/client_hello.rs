//! The TLS ClientHello, read without taking part in the handshake (RFC 8446 4.1.2, RFC 6066 3, RFC 7301 3.1).
//!
//! A hello that is spread over many records or many reads is put together first: a fragment must never look like a
//! hello without SNI, which would open the default for it (CVE-2026-32305). What names are host names is decided by
//! the same code that rustls uses, so that a port that passes TLS through and one that terminates it agree.

mod message;

/// Longest ClientHello, bytes. Post-quantum key shares make honest ones a few kilobytes long.
pub const LONGEST_HELLO: usize = 64 * 1024;
/// Most bytes on the wire for one ClientHello, record headers included. Honest senders fill their records; with
/// records of one byte, headers are five sixths of what an attacker makes us keep.
pub const LONGEST_INPUT: usize = 128 * 1024;

/// Longest record payload (RFC 8446 5.1).
const LONGEST_RECORD: usize = 16 * 1024;
/// Content type, version, length.
const RECORD_HEADER: usize = 5;
/// Type, length.
const MESSAGE_HEADER: usize = 4;
const HANDSHAKE: u8 = 22;
const CLIENT_HELLO: u8 = 1;

/// What the bytes so far are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Peek {
    /// The beginning of a ClientHello.
    Incomplete,
    /// A whole ClientHello.
    Hello {
        /// The name asked for, lower case, without trailing dot; `None` if none was sent. An IP address is no name
        /// (RFC 6066 3) and counts as none, as rustls has it.
        sni: Option<String>,
        /// The application protocols offered, in the client's order; empty if the extension was not sent.
        alpn: Vec<Vec<u8>>,
    },
}

/// Why the bytes are not a ClientHello.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HelloError {
    /// The first bytes are not a TLS handshake record.
    #[error("not TLS")]
    NotTls,
    /// A length or a structure that does not hold, or an extension that is sent twice.
    #[error("malformed ClientHello: {0}")]
    Malformed(&'static str),
    /// Longer than [`LONGEST_HELLO`] or, in its records, than [`LONGEST_INPUT`].
    #[error("ClientHello longer than {LONGEST_HELLO} bytes")]
    TooLong,
    /// A server name that is not a host name.
    #[error("the server name in the ClientHello is not a host name")]
    BadName,
}

/// Looks at the beginning of `bytes`. Where bytes come in pieces, [`HelloReader`] looks at each of them once.
pub fn peek(bytes: &[u8]) -> Result<Peek, HelloError> {
    HelloReader::default().read(bytes)
}

/// Puts a ClientHello together while its bytes arrive, in time linear in their number.
#[derive(Debug, Default)]
pub struct HelloReader {
    /// Handshake bytes so far: payloads of records, without their headers.
    message: Vec<u8>,
    /// Bytes of the input that are used up: `message` and the headers before and within it.
    used: usize,
    /// Bytes of the current record that have not come yet; 0 at a record border.
    owed: usize,
}

impl HelloReader {
    /// Goes on with `input`: everything that has arrived, from the first byte, also what earlier calls were given.
    pub fn read(&mut self, input: &[u8]) -> Result<Peek, HelloError> {
        loop {
            if self.owed == 0 && !self.begin_record(input)? {
                return Ok(Peek::Incomplete);
            }
            let arrived = input.get(self.used..).unwrap_or_default();
            let payload = &arrived[..arrived.len().min(self.owed)];
            self.message.extend_from_slice(payload);
            self.used += payload.len();
            self.owed -= payload.len();
            let length = self.message_length()?;
            if self.owed > 0 {
                return Ok(Peek::Incomplete);
            }
            match length {
                Some(length) if self.message.len() == length => return message::parse(&self.message[MESSAGE_HEADER..]),
                // Nothing may be said before the server has answered.
                Some(length) if self.message.len() > length => {
                    return Err(HelloError::Malformed("more than itself in its record"));
                }
                _ => {}
            }
        }
    }

    /// Reads a record's header; `false` if it is not whole yet. Each byte is judged as soon as it is there, so that
    /// what is not TLS need not send a fifth one to be known.
    fn begin_record(&mut self, input: &[u8]) -> Result<bool, HelloError> {
        if self.used + RECORD_HEADER > LONGEST_INPUT {
            return Err(HelloError::TooLong);
        }
        let arrived = input.get(self.used..).unwrap_or_default();
        let header = &arrived[..arrived.len().min(RECORD_HEADER)];
        let is_handshake = header.iter().zip([HANDSHAKE, 3]).all(|(byte, expected)| *byte == expected)
            && header.get(2).is_none_or(|minor| *minor <= 4);
        if !is_handshake {
            let is_first = self.used == 0;
            return Err(if is_first { HelloError::NotTls } else { HelloError::Malformed("a record of another kind") });
        }
        let &[_, _, _, high, low] = header else { return Ok(false) };
        self.owed = usize::from(u16::from_be_bytes([high, low]));
        self.used += RECORD_HEADER;
        // Empty handshake records are forbidden (RFC 8446 5.1); they would also be a way to send for ever.
        if self.owed == 0 || self.owed > LONGEST_RECORD {
            return Err(HelloError::Malformed("the length of a record"));
        }
        Ok(true)
    }

    /// How long the handshake message will be, header included, once that is known.
    fn message_length(&self) -> Result<Option<usize>, HelloError> {
        if self.message.first().is_some_and(|kind| *kind != CLIENT_HELLO) {
            return Err(HelloError::Malformed("another handshake message"));
        }
        let Some(&[_, high, middle, low]) = self.message.first_chunk() else { return Ok(None) };
        let length = usize::from(high) << 16 | usize::from(middle) << 8 | usize::from(low);
        if length > LONGEST_HELLO { Err(HelloError::TooLong) } else { Ok(Some(MESSAGE_HEADER + length)) }
    }
}
