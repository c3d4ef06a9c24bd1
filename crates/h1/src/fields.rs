//! Header lines as a flat list over the buffer that they arrived in.

use std::ops::Range;

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
    XRealIp,
    XRequestId,
    Date,
    Server,
    /// A known name spelt with `_` for `-`: read as one by CGI-like services (CVE-2025-64484), so never passed on.
    Disguised,
}

impl Known {
    /// Recognises a name in any case.
    pub fn from_name(name: &[u8]) -> Self {
        let known = Self::exact(name);
        if known == Self::Other && memchr::memchr(b'_', name).is_some() { Self::disguised(name) } else { known }
    }

    /// Length first: one comparison or two for almost every name.
    fn exact(name: &[u8]) -> Self {
        let candidates: &[(&str, Self)] = match name.len() {
            2 => &[("te", Self::Te)],
            3 => &[("via", Self::Via)],
            4 => &[("host", Self::Host), ("date", Self::Date)],
            6 => &[("cookie", Self::Cookie), ("expect", Self::Expect), ("server", Self::Server)],
            7 => &[("upgrade", Self::Upgrade), ("trailer", Self::Trailer)],
            9 => &[("forwarded", Self::Forwarded), ("x-real-ip", Self::XRealIp)],
            10 => &[("connection", Self::Connection), ("keep-alive", Self::KeepAlive)],
            12 => &[("x-request-id", Self::XRequestId)],
            13 => &[("authorization", Self::Authorization)],
            14 => &[("content-length", Self::ContentLength), ("http2-settings", Self::Http2Settings)],
            15 => &[("x-forwarded-for", Self::XForwardedFor), ("x-forwarded-uri", Self::XForwardedUri)],
            16 => &[
                ("x-forwarded-host", Self::XForwardedHost),
                ("x-forwarded-port", Self::XForwardedPort),
                ("proxy-connection", Self::ProxyConnection),
            ],
            17 => &[("transfer-encoding", Self::TransferEncoding), ("x-forwarded-proto", Self::XForwardedProto)],
            18 => &[("x-forwarded-prefix", Self::XForwardedPrefix), ("proxy-authenticate", Self::ProxyAuthenticate)],
            19 => &[("proxy-authorization", Self::ProxyAuthorization)],
            23 => &[("x-forwarded-client-cert", Self::XForwardedClientCert)],
            _ => &[],
        };
        candidates
            .iter()
            .find(|(known, _)| name.eq_ignore_ascii_case(known.as_bytes()))
            .map_or(Self::Other, |(_, known)| *known)
    }

    fn disguised(name: &[u8]) -> Self {
        let mut plain = [0; 32];
        let Some(plain) = plain.get_mut(..name.len()) else { return Self::Other };
        for (to, from) in plain.iter_mut().zip(name) {
            *to = if *from == b'_' { b'-' } else { *from };
        }
        if Self::exact(plain) == Self::Other { Self::Other } else { Self::Disguised }
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
                | Self::XRealIp
        )
    }

    /// Fields that a `Connection` option must not name: without them the message means something else.
    pub(crate) fn frames_or_addresses(self) -> bool {
        matches!(self, Self::Host | Self::ContentLength | Self::TransferEncoding)
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
}

impl Fields {
    /// Takes over what `httparse` found in `buffer`.
    pub(crate) fn refill(&mut self, buffer: &[u8], parsed: &[httparse::Header<'_>]) {
        self.list.clear();
        self.list.extend(parsed.iter().map(|header| Field {
            name: Span::locate(buffer, header.name.as_bytes()),
            value: Span::locate(buffer, header.value),
            known: Known::from_name(header.name.as_bytes()),
            struck: false,
        }));
    }

    /// All lines, struck ones too.
    pub fn iter(&self) -> std::slice::Iter<'_, Field> {
        self.list.iter()
    }

    /// Strikes every line of this name.
    pub fn strike(&mut self, known: Known) {
        for field in self.list.iter_mut().filter(|field| field.known == known) {
            field.struck = true;
        }
    }

    /// The values of a known name.
    pub fn values<'a>(&'a self, buffer: &'a [u8], known: Known) -> impl Iterator<Item = &'a [u8]> {
        self.list.iter().filter(move |field| field.known == known).map(|field| field.value.of(buffer))
    }

    /// Strikes every line that `options` (the values of `Connection`) names.
    pub(crate) fn strike_nominated(&mut self, buffer: &[u8]) -> Result<(), NominatedFraming> {
        for at in 0..self.list.len() {
            let connection = self.list[at];
            if connection.known != Known::Connection {
                continue;
            }
            for option in tokens(connection.value.of(buffer)) {
                // The usual options name nothing.
                if option.eq_ignore_ascii_case(b"close") || option.eq_ignore_ascii_case(b"keep-alive") {
                    continue;
                }
                if Known::from_name(option).frames_or_addresses() {
                    return Err(NominatedFraming);
                }
                for field in &mut self.list {
                    field.struck |= field.name.of(buffer).eq_ignore_ascii_case(option);
                }
            }
        }
        Ok(())
    }
}

impl<'a> IntoIterator for &'a Fields {
    type Item = &'a Field;
    type IntoIter = std::slice::Iter<'a, Field>;
    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

/// `Connection` named a field without which the message means something else.
#[derive(Debug)]
pub(crate) struct NominatedFraming;

/// The members of a comma-separated list (RFC 9110 5.6.1), empty ones left out.
pub fn tokens(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value.split(|&byte| byte == b',').map(<[u8]>::trim_ascii).filter(|token| !token.is_empty())
}
