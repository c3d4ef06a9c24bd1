//! Request heads: RFC 9112 3, 5, 6.

use std::mem::MaybeUninit;

use crate::{
    Authority, Fields, Framing, HeadScanner, Known, Limits, RequestError, Scan, Span,
    authority::parse_authority,
    fields::tokens,
    framing::{self, Declared, FramingError},
};

/// HTTP/1.x minor version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Version {
    /// HTTP/1.0
    Http10,
    /// HTTP/1.1
    #[default]
    Http11,
}

/// Forms of the request target (RFC 9112 3.2) that a gateway serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Target {
    /// `/path?query`
    #[default]
    Origin,
    /// `http://host/path?query`; its authority stands in the place of Host.
    Absolute,
    /// `*`, OPTIONS only.
    Asterisk,
}

/// One request head. Kept and refilled from request to request; spans point into the buffer given to
/// [`RequestHead::parse`], which must stay as it is while the head is in use.
#[derive(Debug, Default)]
pub struct RequestHead {
    /// Method.
    pub method: Span,
    /// The target as it arrived.
    pub target: Span,
    /// Its form.
    pub form: Target,
    /// Path without query; empty if an absolute form has none, `*` for the asterisk form.
    pub path: Span,
    /// Query without `?`.
    pub query: Option<Span>,
    /// Version.
    pub version: Version,
    /// Host and port in the place that counts: the target if absolute, else Host. `None` only in HTTP/1.0.
    pub authority: Option<Span>,
    /// Host part of `authority`.
    pub host: Option<Span>,
    /// Port part of `authority`.
    pub port: Option<u16>,
    /// Header lines.
    pub fields: Fields,
    /// How the body is delimited.
    pub framing: Framing,
    /// Whether the client means to send another request afterwards (RFC 9112 9.3).
    pub keep_alive: bool,
    /// `Upgrade`, if it is asked for properly: HTTP/1.1, named in `Connection`, and not to another HTTP or to TLS.
    pub upgrade: Option<Span>,
    /// The client waits for 100 before it sends the body.
    pub expects_continue: bool,
    /// `TE: trailers` was sent.
    pub accepts_trailers: bool,
}

impl RequestHead {
    /// Reads what has come so far; `buffer` begins with the head every time, `scanner` is new for each head. `None`
    /// asks for more bytes, `Some` is where the head ends. However the bytes were split, the result is the same.
    pub fn read(
        &mut self,
        scanner: &mut HeadScanner,
        buffer: &[u8],
        limits: &Limits,
    ) -> Result<Option<usize>, RequestError> {
        // Asked first: in a ClientHello a line feed or two are likely, and "bare line feed" would not help anybody.
        let refused = if buffer.first().is_some_and(|byte| !byte.is_ascii_graphic() && !b"\r\n".contains(byte)) {
            RequestError::NotHttp
        } else {
            match scanner.scan_within(buffer, limits.head_bytes) {
                Some(Scan::Incomplete) => return Ok(None),
                Some(Scan::Complete { start, end }) => {
                    return self.parse(buffer, start, end, limits).map(|()| Some(end));
                }
                Some(Scan::BareLineFeed) => RequestError::BareLineFeed,
                Some(Scan::LeadingLines) => RequestError::LeadingLines,
                None if scanner.has_start_line() => RequestError::HeadTooLarge,
                None => RequestError::TargetTooLong,
            }
        };
        self.clear();
        Err(refused)
    }

    /// Parses the whole head `buffer[start..end]` as found by [`HeadScanner`]. Spans are relative to `buffer`.
    pub fn parse(&mut self, buffer: &[u8], start: usize, end: usize, limits: &Limits) -> Result<(), RequestError> {
        self.clear();
        if end - start > limits.head_bytes {
            return Err(RequestError::HeadTooLarge);
        }
        self.read_lines(buffer, start, end, limits)?;
        let absolute = self.read_target(buffer, limits)?;
        self.read_host(buffer, absolute)?;
        self.read_framing(buffer)?;
        self.read_connection(buffer)
    }

    /// Nothing of the head before is left, whatever becomes of this one.
    fn clear(&mut self) {
        let mut fields = std::mem::take(&mut self.fields);
        fields.clear();
        *self = Self { fields, ..Self::default() };
    }

    /// The grammar: RFC 9112 3 and 5.
    fn read_lines(&mut self, buffer: &[u8], start: usize, end: usize, limits: &Limits) -> Result<(), RequestError> {
        let head = &buffer[start..end];
        let mut storage = [const { MaybeUninit::<httparse::Header<'_>>::uninit() }; Limits::MAX_FIELDS];
        let allowed = limits.fields.min(Limits::MAX_FIELDS);
        let mut parsed = httparse::Request::new(&mut []);
        let status = parsed.parse_with_uninit_headers(head, &mut storage[..allowed]).map_err(|error| match error {
            httparse::Error::TooManyHeaders => RequestError::TooManyFields,
            httparse::Error::Version if names_another_version(head) => RequestError::UnsupportedVersion,
            _ => RequestError::Malformed,
        })?;
        // Shorter than the head: `httparse` has seen an end where the scanner has not.
        if status != httparse::Status::Complete(head.len()) {
            return Err(RequestError::Malformed);
        }
        let (Some(method), Some(target), Some(minor)) = (parsed.method, parsed.path, parsed.version) else {
            return Err(RequestError::Malformed);
        };
        self.method = Span::locate(buffer, method.as_bytes());
        self.target = Span::locate(buffer, target.as_bytes());
        self.version = if minor == 0 { Version::Http10 } else { Version::Http11 };
        self.fields.refill(buffer, parsed.headers);
        Ok(())
    }

    /// RFC 9112 3.2. A fragment is not part of any form: refused, because services disagree about it. Returns the
    /// authority of an absolute form.
    fn read_target(&mut self, buffer: &[u8], limits: &Limits) -> Result<Option<Authority>, RequestError> {
        let target = self.target.of(buffer);
        let method = self.method.of(buffer);
        if method == b"CONNECT" {
            return Err(RequestError::ConnectMethod);
        }
        if target.len() > limits.target_bytes {
            return Err(RequestError::TargetTooLong);
        }
        let (form, absolute) = match target {
            [b'/', ..] => (Target::Origin, None),
            b"*" if method == b"OPTIONS" => (Target::Asterisk, None),
            _ => (Target::Absolute, Some(self.read_absolute(target)?)),
        };
        self.form = form;
        let start = absolute.map_or(self.target.start, |(span, _)| span.end);
        let tail = Span { start, end: self.target.end }.of(buffer);
        let path_length = tail.iter().position(|&byte| !IN_PATH[usize::from(byte)]).unwrap_or(tail.len());
        self.path = Span { start, end: start + path_length as u32 };
        self.query = match &tail[path_length..] {
            [] => None,
            [b'?', query @ ..]
                if query.iter().all(|&byte| byte == b'?' || byte == b'`' || IN_PATH[usize::from(byte)]) =>
            {
                Some(Span { start: self.path.end + 1, end: self.target.end })
            }
            _ => return Err(RequestError::BadTarget),
        };
        self.authority = absolute.map(|(span, _)| span);
        Ok(absolute.map(|(_, authority)| authority))
    }

    /// RFC 9112 3.2.2: `http://authority/path`. Returns where the authority lies, and what it says.
    fn read_absolute(&self, target: &[u8]) -> Result<(Span, Authority), RequestError> {
        let scheme = [&b"http://"[..], b"https://"]
            .into_iter()
            .find(|scheme| target.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme)))
            .ok_or(RequestError::BadTarget)?;
        let rest = &target[scheme.len()..];
        let length = rest.iter().position(|byte| matches!(byte, b'/' | b'?')).unwrap_or(rest.len());
        let authority = parse_authority(&rest[..length]).ok_or(RequestError::BadTarget)?;
        let start = self.target.start + scheme.len() as u32;
        Ok((Span { start, end: start + length as u32 }, authority))
    }

    /// RFC 9112 3.2: exactly one valid Host in HTTP/1.1, at most one in HTTP/1.0; an absolute target replaces it
    /// (3.2.2), but it is checked all the same.
    fn read_host(&mut self, buffer: &[u8], absolute: Option<Authority>) -> Result<(), RequestError> {
        let mut hosts = self.fields.iter().filter(|field| field.known == Known::Host);
        let host = hosts.next().map(|field| field.value);
        if hosts.next().is_some() || (host.is_none() && self.version == Version::Http11) {
            return Err(RequestError::BadHost);
        }
        let asked = host.map(|host| parse_authority(host.of(buffer)).ok_or(RequestError::BadHost)).transpose()?;
        self.authority = self.authority.or(host);
        if let (Some(span), Some(authority)) = (self.authority, absolute.or(asked)) {
            self.host = Some(Span { start: span.start, end: span.start + authority.host.end });
            self.port = authority.port;
        }
        Ok(())
    }

    fn read_framing(&mut self, buffer: &[u8]) -> Result<(), RequestError> {
        let declared = framing::declared(buffer, &self.fields).map_err(|error| match error {
            FramingError::ContentLength => RequestError::BadContentLength,
            FramingError::LengthAndEncoding => RequestError::LengthAndEncoding,
            FramingError::TransferEncoding => RequestError::BadTransferEncoding,
            FramingError::UnknownCoding => RequestError::UnknownTransferCoding,
        })?;
        self.framing = match declared {
            // RFC 9112 6.1: chunked in HTTP/1.0 has faulty framing, whoever sends it.
            Declared::Chunked if self.version == Version::Http10 => return Err(RequestError::BadTransferEncoding),
            Declared::Chunked => Framing::Chunked,
            Declared::Length(0) | Declared::Nothing => Framing::None,
            Declared::Length(length) => Framing::Length(length),
        };
        Ok(())
    }

    /// Connection, Upgrade, Expect, TE: what is between this client and us.
    fn read_connection(&mut self, buffer: &[u8]) -> Result<(), RequestError> {
        let connection = self.fields.read_connection(buffer).map_err(|_| RequestError::BadConnectionOption)?;
        self.keep_alive = connection.persists(self.version);
        if !self.fields.has_any([Known::Upgrade, Known::Expect, Known::Te]) {
            return Ok(());
        }
        for field in &self.fields {
            let value = field.value.of(buffer);
            match field.known {
                Known::Upgrade if connection.upgrade && self.version == Version::Http11 => {
                    self.upgrade = Some(field.value).filter(|_| may_upgrade_to(value));
                }
                // RFC 9110 10.1.1: a 1.0 client can not be waiting for it.
                Known::Expect if value.eq_ignore_ascii_case(b"100-continue") => {
                    self.expects_continue = self.version == Version::Http11;
                }
                Known::Expect => return Err(RequestError::UnknownExpectation),
                Known::Te => {
                    self.accepts_trailers |= tokens(value).any(|coding| coding.eq_ignore_ascii_case(b"trailers"));
                }
                _ => {}
            }
        }
        Ok(())
    }
}

/// Visible ASCII without `"`, `#`, `<`, `>`, the backtick, and `?`, which ends a path. RFC 3986 2 allows less, but of
/// the rest (`[\]^{|}`) browsers leave some bare. These none does, the backtick only in queries; stricter servers
/// refuse them.
const IN_PATH: [bool; 256] = {
    let mut allowed = [false; 256];
    let mut byte = b'!';
    while byte <= b'~' {
        allowed[byte as usize] = !matches!(byte, b'"' | b'#' | b'<' | b'>' | b'?' | b'`');
        byte += 1;
    }
    allowed
};

/// Another HTTP inside the connection, or TLS, is a tunnel past routes and records: never offered to the service.
fn may_upgrade_to(protocols: &[u8]) -> bool {
    const NEVER: [&[u8]; 4] = [b"h2", b"h2c", b"http", b"tls"];
    let is_never = |protocol: &[u8]| {
        let name = protocol.split(|&byte| byte == b'/').next().unwrap_or_default();
        NEVER.iter().any(|never| name.eq_ignore_ascii_case(never))
    };
    tokens(protocols).next().is_some() && !tokens(protocols).any(is_never)
}

/// `METHOD target HTTP/x.y`: if this could not be read, then only because of the version.
fn names_another_version(head: &[u8]) -> bool {
    let line = head.split(|&byte| byte == b'\r').next().unwrap_or_default();
    let mut parts = line.split(|&byte| byte == b' ').skip(2);
    parts.next().is_some_and(is_version) && parts.next().is_none()
}

/// RFC 9112 2.3.
pub(crate) fn is_version(word: &[u8]) -> bool {
    matches!(word, [b'H', b'T', b'T', b'P', b'/', major, b'.', minor]
        if major.is_ascii_digit() && minor.is_ascii_digit())
}
