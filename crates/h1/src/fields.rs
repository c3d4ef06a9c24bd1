//! Header lines as a flat list over the buffer that they arrived in.

use std::ops::Range;

use crate::Version;

/// A part of the head's buffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Span {
    /// First byte.
    pub start: u32,
    /// One past the last byte.
    pub end: u32,
}

impl Span {
    /// The bytes in `buffer`, the buffer that the head was parsed from.
    pub fn of(self, buffer: &[u8]) -> &[u8] {
        buffer.get(self.range()).unwrap_or_default()
    }

    /// As a range.
    pub fn range(self) -> Range<usize> {
        self.start as usize..self.end as usize
    }

    /// Where `part`, a part of `buffer`, lies in it.
    pub(crate) fn locate(buffer: &[u8], part: &[u8]) -> Self {
        let start = part.as_ptr() as usize - buffer.as_ptr() as usize;
        Self { start: start as u32, end: (start + part.len()) as u32 }
    }
}

/// The names that a proxy itself reads or must not pass on; everything else is [`Known::Other`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)] // each variant is the field of that name
pub enum Known {
    Other,
    Host,
    ContentLength,
    TransferEncoding,
    Connection,
    KeepAlive,
    ProxyConnection,
    ProxyAuthenticate,
    ProxyAuthorization,
    Te,
    Trailer,
    Upgrade,
    Http2Settings,
    Expect,
    Authorization,
    Cookie,
    Via,
    Forwarded,
    XForwardedFor,
    XForwardedHost,
    XForwardedPort,
    XForwardedProto,
    XForwardedPrefix,
    XForwardedUri,
    XForwardedClientCert,
    /// Any other name of the `X-Forwarded-` family, `X-Forwarded-User` for one.
    XForwardedOther,
    XRealIp,
    XRequestId,
    Date,
    Server,
    /// A name that CGI-like services read as another one, so never passed on: a known name with `_` or other
    /// punctuation for `-` (CVE-2025-64484), and `Proxy`, which becomes `HTTP_PROXY` (CVE-2016-5385).
    Disguised,
}

impl Known {
    /// Recognises a name in any case.
    pub fn from_name(name: &[u8]) -> Self {
        for &(known, is) in Self::candidates(name) {
            match Likeness::of(name, known.as_bytes()) {
                Likeness::Same => return is,
                Likeness::Disguised => return Self::Disguised,
                Likeness::None => {}
            }
        }
        match name.get(..X_FORWARDED.len()).map(|start| Likeness::of(start, X_FORWARDED)) {
            Some(Likeness::Same) if name.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'-') => {
                Self::XForwardedOther
            }
            Some(Likeness::Same | Likeness::Disguised) => Self::Disguised,
            Some(Likeness::None) | None => Self::Other,
        }
    }

    /// Known names of this length and first letter: for almost every other name, none.
    fn candidates(name: &[u8]) -> &'static [(&'static str, Self)] {
        match (name.len(), name.first().map_or(0, u8::to_ascii_lowercase)) {
            (2, b't') => &[("te", Self::Te)],
            (3, b'v') => &[("via", Self::Via)],
            (4, b'h') => &[("host", Self::Host)],
            (4, b'd') => &[("date", Self::Date)],
            (5, b'p') => &[("proxy", Self::Disguised)],
            (6, b'c') => &[("cookie", Self::Cookie)],
            (6, b'e') => &[("expect", Self::Expect)],
            (6, b's') => &[("server", Self::Server)],
            (7, b'u') => &[("upgrade", Self::Upgrade)],
            (7, b't') => &[("trailer", Self::Trailer)],
            (9, b'f') => &[("forwarded", Self::Forwarded)],
            (9, b'x') => &[("x-real-ip", Self::XRealIp)],
            (10, b'c') => &[("connection", Self::Connection)],
            (10, b'k') => &[("keep-alive", Self::KeepAlive)],
            (12, b'x') => &[("x-request-id", Self::XRequestId)],
            (13, b'a') => &[("authorization", Self::Authorization)],
            (14, b'c') => &[("content-length", Self::ContentLength)],
            (14, b'h') => &[("http2-settings", Self::Http2Settings)],
            (15, b'x') => &[("x-forwarded-for", Self::XForwardedFor), ("x-forwarded-uri", Self::XForwardedUri)],
            (16, b'x') => &[("x-forwarded-host", Self::XForwardedHost), ("x-forwarded-port", Self::XForwardedPort)],
            (16, b'p') => &[("proxy-connection", Self::ProxyConnection)],
            (17, b't') => &[("transfer-encoding", Self::TransferEncoding)],
            (17, b'x') => &[("x-forwarded-proto", Self::XForwardedProto)],
            (18, b'x') => &[("x-forwarded-prefix", Self::XForwardedPrefix)],
            (18, b'p') => &[("proxy-authenticate", Self::ProxyAuthenticate)],
            (19, b'p') => &[("proxy-authorization", Self::ProxyAuthorization)],
            (23, b'x') => &[("x-forwarded-client-cert", Self::XForwardedClientCert)],
            _ => &[],
        }
    }

    const fn bit(self) -> u64 {
        1 << self as u8
    }

    /// Fields that are for one connection only and never forwarded (RFC 9110 7.6.1). `Te`, `Upgrade` and `Trailer`
    /// are written anew where they are meant to pass.
    pub fn is_hop_by_hop(self) -> bool {
        matches!(
            self,
            Self::Connection
                | Self::KeepAlive
                | Self::ProxyConnection
                | Self::ProxyAuthenticate
                | Self::ProxyAuthorization
                | Self::Te
                | Self::Trailer
                | Self::TransferEncoding
                | Self::Upgrade
                | Self::Http2Settings
        )
    }

    /// Claims about where a request comes from; only the proxy may make them.
    pub fn is_forwarding_claim(self) -> bool {
        matches!(
            self,
            Self::Forwarded
                | Self::XForwardedFor
                | Self::XForwardedHost
                | Self::XForwardedPort
                | Self::XForwardedProto
                | Self::XForwardedPrefix
                | Self::XForwardedUri
                | Self::XForwardedClientCert
                | Self::XForwardedOther
                | Self::XRealIp
        )
    }

    /// Fields that a `Connection` option must not name: without them the message means something else.
    pub(crate) fn frames_or_addresses(self) -> bool {
        matches!(self, Self::Host | Self::ContentLength | Self::TransferEncoding)
    }
}

const X_FORWARDED: &[u8] = b"x-forwarded-";

/// How a name compares to a known one of the same length.
enum Likeness {
    /// In any case.
    Same,
    /// CGI maps a name to a variable, and several names to the same one: whatever is not alphanumeric becomes `_`.
    Disguised,
    None,
}

impl Likeness {
    /// Eight bytes at a time: every line of every head comes through here. Only control bytes could be taken for the
    /// lower-case letters, digits and hyphens of `known`, and a name has none.
    fn of(name: &[u8], known: &[u8]) -> Self {
        const LOWER: u64 = u64::from_ne_bytes([b' '; 8]);
        let ((name_words, name_rest), (known_words, known_rest)) = (name.as_chunks::<8>(), known.as_chunks::<8>());
        let is_same_word =
            |(name, known): (&[u8; 8], &[u8; 8])| u64::from_ne_bytes(*name) | LOWER == u64::from_ne_bytes(*known);
        if name_words.iter().zip(known_words).all(is_same_word)
            && name_rest.iter().zip(known_rest).all(|(name, known)| name | b' ' == *known)
        {
            return Self::Same;
        }
        let is_alike = |(byte, known): (&u8, &u8)| match known {
            b'-' => !byte.is_ascii_alphanumeric(),
            _ => byte.eq_ignore_ascii_case(known),
        };
        if name.iter().zip(known).all(is_alike) { Self::Disguised } else { Self::None }
    }
}

/// One header line.
#[derive(Debug, Clone, Copy)]
pub struct Field {
    /// Name as it arrived.
    pub name: Span,
    /// Value without surrounding white space.
    pub value: Span,
    /// Which name it is.
    pub known: Known,
    /// Not to be forwarded.
    pub struck: bool,
}

/// The header lines of one head, in the order of arrival. Kept and refilled from message to message.
#[derive(Debug, Default)]
pub struct Fields {
    list: Vec<Field>,
    /// A bit for each [`Known`] in the list: most heads have few, and nobody looks for what is not there.
    seen: u64,
}

impl Fields {
    /// Takes over what `httparse` found in `buffer`.
    pub(crate) fn refill(&mut self, buffer: &[u8], parsed: &[httparse::Header<'_>]) {
        self.clear();
        let mut seen = 0;
        self.list.extend(parsed.iter().map(|header| {
            let known = Known::from_name(header.name.as_bytes());
            seen |= known.bit();
            Field {
                name: Span::locate(buffer, header.name.as_bytes()),
                value: Span::locate(buffer, header.value),
                known,
                struck: false,
            }
        }));
        self.seen = seen;
    }

    /// Forgets all lines, keeps their memory.
    pub(crate) fn clear(&mut self) {
        self.list.clear();
        self.seen = 0;
    }

    /// Whether there is a line of one of these names, struck or not.
    pub(crate) fn has_any<const N: usize>(&self, names: [Known; N]) -> bool {
        names.into_iter().any(|known| self.seen & known.bit() != 0)
    }

    /// All lines, struck ones too.
    pub fn iter(&self) -> std::slice::Iter<'_, Field> {
        self.list.iter()
    }

    /// Strikes every line of this name.
    pub fn strike(&mut self, known: Known) {
        if !self.has_any([known]) {
            return;
        }
        for field in self.list.iter_mut().filter(|field| field.known == known) {
            field.struck = true;
        }
    }

    /// Strikes every line whose name passes `test`.
    pub fn strike_names(&mut self, buffer: &[u8], test: impl Fn(&[u8]) -> bool) {
        for field in &mut self.list {
            field.struck |= test(field.name.of(buffer));
        }
    }

    /// The values of a known name.
    pub fn values<'a>(&'a self, buffer: &'a [u8], known: Known) -> impl Iterator<Item = &'a [u8]> {
        self.list.iter().filter(move |field| field.known == known).map(|field| field.value.of(buffer))
    }

    /// What `Connection` says, and strikes every line that it names (RFC 9110 7.6.1).
    pub(crate) fn read_connection(&mut self, buffer: &[u8]) -> Result<Connection, BadNomination> {
        let mut said = Connection::default();
        if !self.has_any([Known::Connection]) {
            return Ok(said);
        }
        let mut left = MAX_NOMINATED;
        for at in 0..self.list.len() {
            let connection = self.list[at];
            if connection.known != Known::Connection {
                continue;
            }
            for option in tokens(connection.value.of(buffer)) {
                // These name nothing.
                if option.eq_ignore_ascii_case(b"keep-alive") {
                    said.keep_alive = true;
                    continue;
                }
                if option.eq_ignore_ascii_case(b"close") {
                    said.close = true;
                    continue;
                }
                left = left.checked_sub(1).ok_or(BadNomination)?;
                let nominated = Known::from_name(option);
                if nominated.frames_or_addresses() {
                    return Err(BadNomination);
                }
                said.upgrade |= nominated == Known::Upgrade;
                for field in &mut self.list {
                    field.struck |= field.name.of(buffer).eq_ignore_ascii_case(option);
                }
            }
        }
        Ok(said)
    }
}

/// What `Connection` says of the connection itself.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Connection {
    pub(crate) close: bool,
    pub(crate) keep_alive: bool,
    pub(crate) upgrade: bool,
}

impl Connection {
    /// RFC 9112 9.3.
    pub(crate) fn persists(self, version: Version) -> bool {
        !self.close && (self.keep_alive || version == Version::Http11)
    }
}

/// Each option that `Connection` names is sought in all lines; without a bound a head of 16 KiB could ask for a
/// million comparisons.
const MAX_NOMINATED: usize = 32;

impl<'a> IntoIterator for &'a Fields {
    type Item = &'a Field;
    type IntoIter = std::slice::Iter<'a, Field>;
    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

/// `Connection` named a field without which the message means something else, or too many.
#[derive(Debug)]
pub(crate) struct BadNomination;

/// The members of a comma-separated list (RFC 9110 5.6.1), empty ones left out.
pub fn tokens(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value.split(|&byte| byte == b',').map(<[u8]>::trim_ascii).filter(|token| !token.is_empty())
}
