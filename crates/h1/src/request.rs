//! Request heads: RFC 9112 3, 5, 6.

use std::mem::MaybeUninit;

use crate::{
    Authority, Fields, Framing, Known, Limits, RequestError, Span,
    authority::parse_authority,
    fields::tokens,
    framing::{self, Declared, FramingError},
};

/// HTTP/1.x minor version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Version {
    /// HTTP/1.0
    Http10,
    /// HTTP/1.1 (and any later 1.x, RFC 9110 2.5).
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
    /// `Upgrade`, if it is asked for properly: HTTP/1.1, named in `Connection`, and not to HTTP/2.
    pub upgrade: Option<Span>,
    /// The client waits for 100 before it sends the body.
    pub expects_continue: bool,
    /// `TE: trailers` was sent.
    pub accepts_trailers: bool,
}

impl RequestHead {
    /// Parses the whole head `buffer[start..end]` as found by [`crate::HeadScanner`]. Spans are relative to `buffer`.
    pub fn parse(&mut self, buffer: &[u8], start: usize, end: usize, limits: &Limits) -> Result<(), RequestError> {
        if end - start > limits.head_bytes {
            return Err(RequestError::HeadTooLarge);
        }
        let mut storage = [const { MaybeUninit::<httparse::Header<'_>>::uninit() }; Limits::MAX_FIELDS];
        let allowed = limits.fields.min(Limits::MAX_FIELDS);
        let mut parsed = httparse::Request::new(&mut []);
        let status = parsed.parse_with_uninit_headers(&buffer[start..end], &mut storage[..allowed]).map_err(
            |error| match error {
                httparse::Error::TooManyHeaders => RequestError::TooManyFields,
                httparse::Error::Version if names_another_version(&buffer[start..end]) => {
                    RequestError::UnsupportedVersion
                }
                _ => RequestError::Malformed,
            },
        )?;
        if status.is_partial() {
            return Err(RequestError::Malformed);
        }
        let (Some(method), Some(target), Some(minor)) = (parsed.method, parsed.path, parsed.version) else {
            return Err(RequestError::Malformed);
        };
        self.method = Span::locate(buffer, method.as_bytes());
        self.target = Span::locate(buffer, target.as_bytes());
        self.version = if minor == 0 { Version::Http10 } else { Version::Http11 };
        self.fields.refill(buffer, parsed.headers);
        if target.len() > limits.target_bytes {
            return Err(RequestError::TargetTooLong);
        }
        self.read_target(buffer)?;
        self.read_host(buffer)?;
        self.read_framing(buffer)?;
        self.read_connection(buffer)
    }

    /// RFC 9112 3.2. A fragment is not part of any form: refused, because services disagree about it.
    fn read_target(&mut self, buffer: &[u8]) -> Result<(), RequestError> {
        let target = self.target.of(buffer);
        let method = self.method.of(buffer);
        if method == b"CONNECT" {
            return Err(RequestError::ConnectMethod);
        }
        if !target.iter().all(|byte| matches!(byte, 0x21..=0x7e)) || memchr::memchr(b'#', target).is_some() {
            return Err(RequestError::BadTarget);
        }
        self.authority = None;
        let path_start = match target {
            [b'/', ..] => {
                self.form = Target::Origin;
                0
            }
            b"*" if method == b"OPTIONS" => {
                self.form = Target::Asterisk;
                0
            }
            _ => self.read_absolute(target)?,
        };
        let tail = &target[path_start..];
        let path_length = memchr::memchr(b'?', tail).unwrap_or(tail.len());
        let at = self.target.start + path_start as u32;
        self.path = Span { start: at, end: at + path_length as u32 };
        self.query = (path_length < tail.len()).then(|| Span { start: self.path.end + 1, end: self.target.end });
        Ok(())
    }

    /// RFC 9112 3.2.2: `http://authority/path`. Returns where the path begins.
    fn read_absolute(&mut self, target: &[u8]) -> Result<usize, RequestError> {
        let has_scheme = |scheme: &str| {
            target.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme.as_bytes()))
        };
        let scheme =
            ["http://", "https://"].into_iter().find(|scheme| has_scheme(scheme)).ok_or(RequestError::BadTarget)?;
        let rest = &target[scheme.len()..];
        let length = rest.iter().position(|byte| matches!(byte, b'/' | b'?')).unwrap_or(rest.len());
        parse_authority(&rest[..length]).ok_or(RequestError::BadTarget)?;
        let start = self.target.start + scheme.len() as u32;
        self.form = Target::Absolute;
        self.authority = Some(Span { start, end: start + length as u32 });
        Ok(scheme.len() + length)
    }

    /// RFC 9112 3.2: exactly one valid Host in HTTP/1.1, at most one in HTTP/1.0; an absolute target replaces it
    /// (3.2.2), but it is checked all the same.
    fn read_host(&mut self, buffer: &[u8]) -> Result<(), RequestError> {
        let mut hosts = self.fields.iter().filter(|field| field.known == Known::Host);
        let host = hosts.next().map(|field| field.value);
        if hosts.next().is_some() || (host.is_none() && self.version == Version::Http11) {
            return Err(RequestError::BadHost);
        }
        if let Some(host) = host {
            parse_authority(host.of(buffer)).ok_or(RequestError::BadHost)?;
        }
        self.authority = self.authority.or(host);
        let parsed: Option<(Span, Authority)> =
            self.authority.and_then(|span| Some((span, parse_authority(span.of(buffer))?)));
        self.host = parsed.map(|(span, parsed)| Span { start: span.start, end: span.start + parsed.host.end });
        self.port = parsed.and_then(|(_, parsed)| parsed.port);
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
        self.keep_alive = self.version == Version::Http11;
        self.upgrade = None;
        self.expects_continue = false;
        self.accepts_trailers = false;
        let (mut names_upgrade, mut closes, mut has_connection) = (false, false, false);
        let mut upgrade: Option<Span> = None;
        for field in &self.fields {
            let value = field.value.of(buffer);
            match field.known {
                Known::Connection => {
                    has_connection = true;
                    for option in tokens(value) {
                        closes |= option.eq_ignore_ascii_case(b"close");
                        self.keep_alive |= option.eq_ignore_ascii_case(b"keep-alive");
                        names_upgrade |= option.eq_ignore_ascii_case(b"upgrade");
                    }
                }
                Known::Upgrade => upgrade = Some(field.value),
                Known::Expect if value.eq_ignore_ascii_case(b"100-continue") => {
                    // RFC 9110 10.1.1: a 1.0 client can not be waiting for it.
                    self.expects_continue = self.version == Version::Http11;
                }
                Known::Expect => return Err(RequestError::UnknownExpectation),
                Known::Te => {
                    self.accepts_trailers |= tokens(value).any(|coding| coding.eq_ignore_ascii_case(b"trailers"));
                }
                _ => {}
            }
        }
        if closes {
            self.keep_alive = false;
        }
        if names_upgrade && self.version == Version::Http11 {
            // h2c through a gateway is a tunnel past its routes: never offered to the service.
            self.upgrade =
                upgrade.filter(|span| !tokens(span.of(buffer)).any(|protocol| protocol.eq_ignore_ascii_case(b"h2c")));
        }
        if has_connection {
            self.fields.strike_nominated(buffer).map_err(|_| RequestError::BadConnectionOption)?;
        }
        Ok(())
    }
}

/// `METHOD target HTTP/x.y` with a major version that is not 1: another version, not a malformed line.
fn names_another_version(head: &[u8]) -> bool {
    let line = head.split(|&byte| byte == b'\r').next().unwrap_or_default();
    line.rsplit(|&byte| byte == b' ').next().is_some_and(|version| {
        matches!(version, [b'H', b'T', b'T', b'P', b'/', major, b'.', minor]
            if major.is_ascii_digit() && *major != b'1' && minor.is_ascii_digit())
    })
}
