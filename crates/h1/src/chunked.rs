//! Chunked transfer coding: RFC 9112 7.1.

use std::fmt;

use crate::{Known, framing::MAX_LENGTH};

/// Chunk extensions of one body are ignored up to this many bytes in all (CVE-2023-39326 and kin: a byte of data
/// with kilobytes of extension each).
const MAX_EXTENSION_BYTES: usize = 4 * 1024;
/// Trailer section, bytes.
const MAX_TRAILER_BYTES: usize = 8 * 1024;
const MAX_TRAILER_FIELDS: usize = 64;

/// Decodes a chunked body. Bytes go in as they come; data comes out as parts of the input.
#[derive(Debug, Default)]
pub struct ChunkedDecoder {
    state: State,
    extension_bytes: usize,
    /// Trailer lines as they arrived, CRLF included, without the final empty line.
    trailers: Vec<u8>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// `digits` hexadecimal digits so far.
    Size {
        size: u64,
        digits: u8,
    },
    Extension {
        size: u64,
    },
    SizeLineFeed {
        size: u64,
    },
    Data {
        left: u64,
    },
    DataReturn,
    DataLineFeed,
    /// In the trailer section; the current line has begun at this byte of `trailers`.
    Trailer {
        line_start: usize,
    },
    Done,
}

impl Default for State {
    fn default() -> Self {
        Self::Size { size: 0, digits: 0 }
    }
}

/// What one call of [`ChunkedDecoder::decode`] did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Bytes of the input that are dealt with; the rest is to be given again.
    pub consumed: usize,
    /// Data: the last `data` bytes of those consumed.
    pub data: usize,
    /// The body is complete.
    pub done: bool,
}

/// Why a chunked body was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChunkError {
    /// Not `1*HEXDIG` of at most 16 digits up to `i64::MAX`, or followed by something else than `;` or CRLF.
    Size,
    /// Control bytes in an extension, or too many bytes of them.
    Extension,
    /// CR without LF, LF without CR, or data longer than its chunk.
    Ending,
    /// Malformed or too long.
    Trailer,
    /// A trailer field that frames, routes or authenticates (RFC 9110 6.5.1).
    ForbiddenTrailer,
}

impl ChunkError {
    /// For the log.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Size => "malformed chunk size",
            Self::Extension => "malformed or too long chunk extension",
            Self::Ending => "chunk does not end where its size says",
            Self::Trailer => "malformed or too long trailer section",
            Self::ForbiddenTrailer => "trailer field that may only stand in the head",
        }
    }
}

impl fmt::Display for ChunkError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl ChunkedDecoder {
    /// Back to the beginning of a body; keeps the trailer buffer.
    pub fn reset(&mut self) {
        self.state = State::default();
        self.extension_bytes = 0;
        self.trailers.clear();
    }

    /// Trailer lines, each with its CRLF; complete once the body is done.
    pub fn trailers(&self) -> &[u8] {
        &self.trailers
    }

    /// Takes bytes until there is data to hand on, the body is done, or the input is used up.
    pub fn decode(&mut self, input: &[u8]) -> Result<Progress, ChunkError> {
        let mut at = 0;
        while self.state != State::Done {
            if let State::Data { left } = self.state {
                let data = usize::try_from(left).unwrap_or(usize::MAX).min(input.len() - at);
                let left = left - data as u64;
                self.state = if left == 0 { State::DataReturn } else { State::Data { left } };
                if data > 0 || at == input.len() {
                    return Ok(Progress { consumed: at + data, data, done: false });
                }
                continue;
            }
            let Some(&byte) = input.get(at) else { break };
            self.state = self.step(byte)?;
            at += 1;
        }
        Ok(Progress { consumed: at, data: 0, done: self.state == State::Done })
    }

    /// One byte of what is not data.
    fn step(&mut self, byte: u8) -> Result<State, ChunkError> {
        match self.state {
            State::Size { size, digits } => match (byte, digits) {
                (b'\r', 1..) => Ok(State::SizeLineFeed { size }),
                (b';', 1..) => Ok(State::Extension { size }),
                (_, 0..16) => {
                    let digit = char::from(byte).to_digit(16).ok_or(ChunkError::Size)?;
                    let size = (size << 4) | u64::from(digit);
                    if size > MAX_LENGTH { Err(ChunkError::Size) } else { Ok(State::Size { size, digits: digits + 1 }) }
                }
                _ => Err(ChunkError::Size),
            },
            State::Extension { size } => {
                self.extension_bytes += 1;
                match byte {
                    b'\r' => Ok(State::SizeLineFeed { size }),
                    b'\t' | 0x20..=0x7e if self.extension_bytes <= MAX_EXTENSION_BYTES => Ok(State::Extension { size }),
                    _ => Err(ChunkError::Extension),
                }
            }
            State::SizeLineFeed { size } => match (byte, size) {
                (b'\n', 0) => Ok(State::Trailer { line_start: 0 }),
                (b'\n', size) => Ok(State::Data { left: size }),
                _ => Err(ChunkError::Ending),
            },
            State::DataReturn if byte == b'\r' => Ok(State::DataLineFeed),
            State::DataLineFeed if byte == b'\n' => Ok(State::default()),
            State::DataReturn | State::DataLineFeed => Err(ChunkError::Ending),
            State::Trailer { line_start } => self.step_trailer(byte, line_start),
            // `decode` handles both before it comes here.
            State::Data { .. } | State::Done => Ok(self.state),
        }
    }

    fn step_trailer(&mut self, byte: u8, line_start: usize) -> Result<State, ChunkError> {
        if self.trailers.len() >= MAX_TRAILER_BYTES {
            return Err(ChunkError::Trailer);
        }
        self.trailers.push(byte);
        if byte != b'\n' {
            return Ok(State::Trailer { line_start });
        }
        let line = &self.trailers[line_start..];
        if line == b"\r\n" {
            check_trailers(&self.trailers)?;
            self.trailers.truncate(line_start);
            return Ok(State::Done);
        }
        if !line.ends_with(b"\r\n") {
            return Err(ChunkError::Trailer);
        }
        Ok(State::Trailer { line_start: self.trailers.len() })
    }
}

/// Grammar of the lines, and none that may only stand in the head.
fn check_trailers(section: &[u8]) -> Result<(), ChunkError> {
    if section == b"\r\n" {
        return Ok(());
    }
    let mut fields = [httparse::EMPTY_HEADER; MAX_TRAILER_FIELDS];
    match httparse::parse_headers(section, &mut fields) {
        Ok(httparse::Status::Complete((length, fields))) if length == section.len() => {
            if fields.iter().any(|field| is_forbidden_trailer(field.name.as_bytes())) {
                return Err(ChunkError::ForbiddenTrailer);
            }
            Ok(())
        }
        _ => Err(ChunkError::Trailer),
    }
}

/// Fields that frame, route, authenticate, condition or describe a message count only in the head (RFC 9110 6.5.1);
/// services that merge trailers into the head would believe them.
fn is_forbidden_trailer(name: &[u8]) -> bool {
    const FORBIDDEN: [&str; 12] = [
        "cache-control",
        "content-encoding",
        "content-range",
        "content-type",
        "location",
        "max-forwards",
        "pragma",
        "range",
        "set-cookie",
        "set-cookie2",
        "vary",
        "www-authenticate",
    ];
    !matches!(Known::from_name(name), Known::Other | Known::Date | Known::Server | Known::XRequestId)
        || name.get(..3).is_some_and(|start| start.eq_ignore_ascii_case(b"if-"))
        || FORBIDDEN.iter().any(|forbidden| name.eq_ignore_ascii_case(forbidden.as_bytes()))
}

/// Writes the line before a chunk's data. `length` is not 0: that would end the body.
pub fn write_size(length: usize, out: &mut Vec<u8>) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    debug_assert!(length > 0, "a chunk of length 0 ends the body");
    let digits = (usize::BITS - length.leading_zeros()).div_ceil(4);
    out.extend((0..digits).rev().map(|digit| DIGITS[(length >> (digit * 4)) & 0xf]));
    out.extend_from_slice(b"\r\n");
}

/// Writes the end of a body with these trailer lines (each with its CRLF).
pub fn write_end(trailers: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(b"0\r\n");
    out.extend_from_slice(trailers);
    out.extend_from_slice(b"\r\n");
}
