//! How long a body is: RFC 9112 6.

use crate::fields::{Fields, Known, tokens};

/// How the body of a message is delimited.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Framing {
    /// There is no body.
    #[default]
    None,
    /// Exactly this many bytes, 1 to `i64::MAX`.
    Length(u64),
    /// Chunked coding.
    Chunked,
    /// Everything until the connection closes (responses only).
    UntilClose,
}

/// What the two framing fields say, before version, method and status are considered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Declared {
    Nothing,
    Length(u64),
    Chunked,
}

/// Why the framing fields have no single meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FramingError {
    ContentLength,
    LengthAndEncoding,
    TransferEncoding,
    UnknownCoding,
}

/// Reads Content-Length and Transfer-Encoding. Repeated lines are refused even where they agree: a peer that sends
/// them is broken or hostile, and the next hop may read another one.
pub(crate) fn declared(buffer: &[u8], fields: &Fields) -> Result<Declared, FramingError> {
    if !fields.has_any([Known::ContentLength, Known::TransferEncoding]) {
        return Ok(Declared::Nothing);
    }
    let mut length = None;
    let mut encoding = None;
    for field in fields {
        match field.known {
            Known::ContentLength if length.is_some() => return Err(FramingError::ContentLength),
            Known::ContentLength => length = Some(field.value.of(buffer)),
            Known::TransferEncoding if encoding.is_some() => return Err(FramingError::TransferEncoding),
            Known::TransferEncoding => encoding = Some(field.value.of(buffer)),
            _ => {}
        }
    }
    match (length, encoding) {
        (None, None) => Ok(Declared::Nothing),
        (Some(length), None) => decimal(length).map(Declared::Length).ok_or(FramingError::ContentLength),
        (None, Some(encoding)) => chunked_alone(encoding).map(|()| Declared::Chunked),
        (Some(_), Some(_)) => Err(FramingError::LengthAndEncoding),
    }
}

/// No body is longer: a number that a service's signed 64 bits can not hold is another number there.
pub(crate) const MAX_LENGTH: u64 = i64::MAX as u64;

/// `1*DIGIT` (RFC 9110 8.6): no sign, no space, no list.
fn decimal(value: &[u8]) -> Option<u64> {
    if value.is_empty() {
        return None;
    }
    value.iter().try_fold(0_u64, |number, byte| {
        let digit = byte.is_ascii_digit().then(|| u64::from(byte - b'0'))?;
        number.checked_mul(10)?.checked_add(digit).filter(|number| *number <= MAX_LENGTH)
    })
}

/// Exactly `chunked`, any case. Other codings before it are known to exist, so they are "not implemented" rather
/// than malformed (RFC 9112 6.1); a list that does not end in one chunked can not be framed (6.3).
fn chunked_alone(value: &[u8]) -> Result<(), FramingError> {
    if value.eq_ignore_ascii_case(b"chunked") {
        return Ok(());
    }
    let is_chunked = |coding: &[u8]| coding.eq_ignore_ascii_case(b"chunked");
    let codings = || tokens(value);
    let well_formed =
        codings().all(|coding| coding.iter().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(byte)));
    let ends_in_one_chunked =
        codings().last().is_some_and(is_chunked) && codings().filter(|coding| is_chunked(coding)).count() == 1;
    // `chunked` alone was accepted above; with empty list members beside it, it is another spelling, so refused.
    if well_formed && ends_in_one_chunked && codings().count() > 1 {
        Err(FramingError::UnknownCoding)
    } else {
        Err(FramingError::TransferEncoding)
    }
}
