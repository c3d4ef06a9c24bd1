//! Response heads: RFC 9112 4, 5, 6.

use std::mem::MaybeUninit;

use crate::{
    Fields, Framing, HeadScanner, Known, Limits, ResponseError, Scan, Span, Version,
    fields::tokens,
    framing::{self, Declared, FramingError},
    request::is_version,
};

/// One response head of an endpoint. Kept and refilled; see [`crate::RequestHead`] for the life of its spans.
#[derive(Debug, Default)]
pub struct ResponseHead {
    /// 100 to 599.
    pub status: u16,
    /// Reason phrase, may be empty.
    pub reason: Span,
    /// Version.
    pub version: Version,
    /// Header lines.
    pub fields: Fields,
    /// How the body is delimited.
    pub framing: Framing,
    /// Whether the endpoint keeps the connection open afterwards.
    pub keep_alive: bool,
}

/// What of the request decides how its response is framed (RFC 9112 6.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Asked {
    Head,
    Other,
}

impl ResponseHead {
    /// Reads what has come so far; `buffer` begins with the head every time, `scanner` is new for each head. `None`
    /// asks for more bytes, `Some` is where the head ends. However the bytes were split, the result is the same.
    pub fn read(
        &mut self,
        scanner: &mut HeadScanner,
        buffer: &[u8],
        method: &[u8],
        limits: &Limits,
    ) -> Result<Option<usize>, ResponseError> {
        const SCHEME: &[u8] = b"HTTP/";
        // An endpoint that speaks another protocol is told at once, not when its time is over.
        if !SCHEME.starts_with(&buffer[..buffer.len().min(SCHEME.len())]) {
            return Err(ResponseError::Malformed);
        }
        match scanner.scan_within(buffer, limits.head_bytes) {
            Some(Scan::Incomplete) => Ok(None),
            Some(Scan::Complete { start, end }) => self.parse(buffer, start, end, method, limits).map(|()| Some(end)),
            Some(Scan::BareLineFeed) => Err(ResponseError::BareLineFeed),
            Some(Scan::LeadingLines) => Err(ResponseError::Malformed),
            None => Err(ResponseError::HeadTooLarge),
        }
    }

    /// Parses the whole head `buffer[start..end]`. `method` is that of the request: a response to HEAD
    /// has no body.
    pub fn parse(
        &mut self,
        buffer: &[u8],
        start: usize,
        end: usize,
        method: &[u8],
        limits: &Limits,
    ) -> Result<(), ResponseError> {
        self.clear();
        // Only servers ignore an empty line (RFC 9112 2.2). Before a response it is the rest of another one.
        if start > 0 {
            return Err(ResponseError::Malformed);
        }
        if end > limits.head_bytes {
            return Err(ResponseError::HeadTooLarge);
        }
        let mut storage = [const { MaybeUninit::<httparse::Header<'_>>::uninit() }; Limits::MAX_FIELDS];
        let allowed = limits.fields.min(Limits::MAX_FIELDS);
        let mut parsed = httparse::Response::new(&mut []);
        let status = httparse::ParserConfig::default()
            .parse_response_with_uninit_headers(&mut parsed, &buffer[..end], &mut storage[..allowed])
            .map_err(|error| match error {
                httparse::Error::TooManyHeaders => ResponseError::TooManyFields,
                httparse::Error::Version if buffer.split(|&byte| byte == b' ').next().is_some_and(is_version) => {
                    ResponseError::UnsupportedVersion
                }
                _ => ResponseError::Malformed,
            })?;
        // Shorter than the head: `httparse` has seen an end where the scanner has not.
        if status != httparse::Status::Complete(end) {
            return Err(ResponseError::Malformed);
        }
        let (Some(code), Some(minor)) = (parsed.code, parsed.version) else { return Err(ResponseError::Malformed) };
        if !(100..=599).contains(&code) {
            return Err(ResponseError::BadStatus);
        }
        self.status = code;
        self.version = if minor == 0 { Version::Http10 } else { Version::Http11 };
        self.reason = parsed
            .reason
            .filter(|reason| !reason.is_empty())
            .map_or(Span::default(), |reason| Span::locate(buffer, reason.as_bytes()));
        self.fields.refill(buffer, parsed.headers);
        let connection = self.fields.read_connection(buffer).map_err(|_| ResponseError::Malformed)?;
        self.keep_alive = connection.persists(self.version);
        self.read_framing(buffer, if method == b"HEAD" { Asked::Head } else { Asked::Other })
    }

    /// Whether this 101 switches to protocols that the client has offered in its `Upgrade`, and to nothing else
    /// (RFC 9110 7.8). Names and versions are compared in any case, as everybody does (RFC 6455 4.2.1).
    pub fn agrees_to(&self, buffer: &[u8], offered: &[u8]) -> Result<(), ResponseError> {
        let is_offered = |protocol: &[u8]| tokens(offered).any(|offer| offer.eq_ignore_ascii_case(protocol));
        let mut protocols = self.fields.values(buffer, Known::Upgrade).flat_map(tokens).peekable();
        if protocols.peek().is_none() {
            return Err(ResponseError::UnnamedUpgrade);
        }
        if protocols.all(is_offered) { Ok(()) } else { Err(ResponseError::UnofferedUpgrade) }
    }

    /// Nothing of the head before is left, whatever becomes of this one.
    fn clear(&mut self) {
        let mut fields = std::mem::take(&mut self.fields);
        fields.clear();
        *self = Self { fields, ..Self::default() };
    }

    /// RFC 9112 6.3, with every doubt refused.
    fn read_framing(&mut self, buffer: &[u8], asked: Asked) -> Result<(), ResponseError> {
        let declared = framing::declared(buffer, &self.fields).map_err(|error| match error {
            FramingError::ContentLength => ResponseError::BadContentLength,
            FramingError::LengthAndEncoding => ResponseError::LengthAndEncoding,
            FramingError::TransferEncoding | FramingError::UnknownCoding => ResponseError::BadTransferEncoding,
        })?;
        if declared == Declared::Chunked && self.version == Version::Http10 {
            return Err(ResponseError::BadTransferEncoding);
        }
        if self.status < 200 || self.status == 204 {
            // Some servers say `Content-Length: 0` here. It is wrong and harmless; it is not passed on.
            if !matches!(declared, Declared::Nothing | Declared::Length(0)) {
                return Err(ResponseError::BodyNotAllowed);
            }
            self.fields.strike(Known::ContentLength);
            self.framing = Framing::None;
        } else if asked == Asked::Head || self.status == 304 {
            // The fields say what a GET would have had; no body follows.
            self.framing = Framing::None;
        } else {
            self.framing = match declared {
                Declared::Chunked => Framing::Chunked,
                Declared::Length(0) => Framing::None,
                Declared::Length(length) => Framing::Length(length),
                Declared::Nothing => Framing::UntilClose,
            };
        }
        self.keep_alive &= self.framing != Framing::UntilClose;
        Ok(())
    }
}
