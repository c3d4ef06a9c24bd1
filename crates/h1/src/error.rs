//! Why a message was refused: closed sets, each reason with the status and the words that go with it.

use std::fmt;

/// Why a request was refused. After any of these the connection is closed: where the next message would begin is
/// not known (RFC 9112 9.6, 11.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RequestError {
    /// Bare LF where CRLF is required (RFC 9112 2.2 lets us accept it; others frame it differently).
    BareLineFeed,
    /// More than one empty line before the request line (RFC 9112 2.2).
    LeadingLines,
    /// Start line or a header line is not of its grammar (RFC 9112 3, 5).
    Malformed,
    /// A byte that can not begin a request; TLS sent to a plain port looks like this.
    NotHttp,
    /// The request target has bytes that no URL may have (RFC 3986 2), or is of no known form (RFC 9112 3.2).
    BadTarget,
    /// Longer than the limit of the target: 414.
    TargetTooLong,
    /// Head longer than the limit: 431.
    HeadTooLarge,
    /// More header lines than the limit: 431.
    TooManyFields,
    /// A version other than HTTP/1.0 and HTTP/1.1: 505. There is no HTTP/1.2 that we could know how to read.
    UnsupportedVersion,
    /// HTTP/1.1 without Host, or more than one Host (RFC 9112 3.2).
    BadHost,
    /// Content-Length that is not one number up to `i64::MAX` (RFC 9110 8.6); also repeated and equal.
    BadContentLength,
    /// Content-Length and Transfer-Encoding together (RFC 9112 6.1).
    LengthAndEncoding,
    /// Transfer-Encoding whose last coding is not chunked, or that is repeated, or in HTTP/1.0 (RFC 9112 6.1, 6.3).
    BadTransferEncoding,
    /// A transfer coding that is not implemented, before chunked: 501.
    UnknownTransferCoding,
    /// CONNECT: 501. A gateway makes no tunnels that the client chooses.
    ConnectMethod,
    /// `Connection` names a field that frames or addresses the message (RFC 9110 7.6.1 forbids it), or more than 32.
    BadConnectionOption,
    /// An expectation other than 100-continue: 417.
    UnknownExpectation,
    /// A chunk, or the trailer section, is not of its grammar (RFC 9112 7.1).
    BadChunk(crate::ChunkError),
    /// Body longer than the limit: 413.
    BodyTooLarge,
}

impl RequestError {
    /// The status to answer with (RFC 9110 15.5, 15.6).
    pub fn status(self) -> u16 {
        match self {
            Self::TargetTooLong => 414,
            Self::HeadTooLarge | Self::TooManyFields => 431,
            Self::BodyTooLarge => 413,
            Self::UnknownExpectation => 417,
            Self::UnknownTransferCoding | Self::ConnectMethod => 501,
            Self::UnsupportedVersion => 505,
            _ => 400,
        }
    }

    /// For the log and the answer's body.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::BareLineFeed => "bare line feed in the head",
            Self::LeadingLines => "empty lines before the request line",
            Self::Malformed => "malformed request line or header line",
            Self::NotHttp => "the first bytes are not HTTP",
            Self::BadTarget => "malformed request target",
            Self::TargetTooLong => "request target too long",
            Self::HeadTooLarge => "request head too large",
            Self::TooManyFields => "too many header lines",
            Self::UnsupportedVersion => "HTTP version not supported",
            Self::BadHost => "missing, repeated or malformed Host",
            Self::BadContentLength => "malformed or repeated Content-Length",
            Self::LengthAndEncoding => "both Content-Length and Transfer-Encoding",
            Self::BadTransferEncoding => "malformed, repeated or misplaced Transfer-Encoding",
            Self::UnknownTransferCoding => "transfer coding not implemented",
            Self::ConnectMethod => "CONNECT is not implemented",
            Self::BadConnectionOption => "Connection names a field that frames the message, or too many",
            Self::UnknownExpectation => "unknown expectation",
            Self::BadChunk(error) => error.as_str(),
            Self::BodyTooLarge => "request body too large",
        }
    }
}

impl fmt::Display for RequestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl std::error::Error for RequestError {}

/// Why an endpoint's answer was refused; the client gets 502 and the endpoint's connection is closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ResponseError {
    /// Bare LF where CRLF is required.
    BareLineFeed,
    /// Status line or a header line is not of its grammar (RFC 9112 4, 5), folded lines and an empty line before the
    /// status line included; or the endpoint does not speak HTTP at all.
    Malformed,
    /// Head longer than the limit.
    HeadTooLarge,
    /// More header lines than the limit.
    TooManyFields,
    /// A version other than HTTP/1.0 or HTTP/1.1.
    UnsupportedVersion,
    /// A status outside 100 to 599.
    BadStatus,
    /// Content-Length that is not one number.
    BadContentLength,
    /// Content-Length and Transfer-Encoding together (RFC 9112 6.1).
    LengthAndEncoding,
    /// Transfer-Encoding that is not chunked alone, or in HTTP/1.0 or where no body may be.
    BadTransferEncoding,
    /// A body announced on 1xx or 204 (RFC 9110 15.2, 15.3.5).
    BodyNotAllowed,
    /// 101 that nobody asked for (RFC 9110 15.2.2).
    UnexpectedUpgrade,
    /// 101 that does not say in `Upgrade` what the connection becomes (RFC 9110 15.2.2).
    UnnamedUpgrade,
    /// 101 to a protocol that the client has not offered (RFC 9110 7.8).
    UnofferedUpgrade,
    /// A chunk, or the trailer section, is not of its grammar.
    BadChunk(crate::ChunkError),
}

impl ResponseError {
    /// For the log.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::BareLineFeed => "bare line feed in the response head",
            Self::Malformed => "malformed status line or header line",
            Self::HeadTooLarge => "response head too large",
            Self::TooManyFields => "too many response header lines",
            Self::UnsupportedVersion => "response of an unsupported HTTP version",
            Self::BadStatus => "response status outside 100 to 599",
            Self::BadContentLength => "malformed or repeated Content-Length in the response",
            Self::LengthAndEncoding => "both Content-Length and Transfer-Encoding in the response",
            Self::BadTransferEncoding => "malformed, repeated or misplaced Transfer-Encoding in the response",
            Self::BodyNotAllowed => "body announced where the status allows none",
            Self::UnexpectedUpgrade => "101 without an upgrade request",
            Self::UnnamedUpgrade => "101 without Upgrade, so that nobody knows to what protocol",
            Self::UnofferedUpgrade => "101 to a protocol that the client has not offered",
            Self::BadChunk(error) => error.as_str(),
        }
    }
}

impl fmt::Display for ResponseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl std::error::Error for ResponseError {}
