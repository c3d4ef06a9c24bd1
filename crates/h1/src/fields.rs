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
        match Self::exact(name) {
            Self::Other if is_x_forwarded(name) => Self::XForwardedOther,
            Self::Other if Self::is_disguised(name) => Self::Disguised,
            known => known,
        }
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

    /// CGI maps a name to a variable, and several names to the same one: whatever is not alphanumeric becomes `_`.
    fn is_disguised(name: &[u8]) -> bool {
        if name.eq_ignore_ascii_case(b"proxy") {
            return true;
        }
        if name.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'-') {
            return false;
        }
        // Longer than every known name, so that what is cut off is a longer name of a family.
        let mut plain = [0; 32];
        for (to, from) in plain.iter_mut().zip(name) {
            *to = if from.is_ascii_alphanumeric() { *from } else { b'-' };
        }
        let plain = &plain[..name.len().min(32)];
        is_x_forwarded(plain) || Self::exact(plain) != Self::Other
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

fn is_x_forwarded(name: &[u8]) -> bool {
    const FAMILY: &[u8] = b"x-forwarded-";
    name.get(..FAMILY.len()).is_some_and(|start| start.eq_ignore_ascii_case(FAMILY))
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

    /// Forgets all lines, keeps their memory.
    pub(crate) fn clear(&mut self) {
        self.list.clear();
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

    /// Strikes every line that a `Connection` line names (RFC 9110 7.6.1).
    pub(crate) fn strike_nominated(&mut self, buffer: &[u8]) -> Result<(), BadNomination> {
        let mut left = MAX_NOMINATED;
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
                left = left.checked_sub(1).ok_or(BadNomination)?;
                if Known::from_name(option).frames_or_addresses() {
                    return Err(BadNomination);
                }
                for field in &mut self.list {
                    field.struck |= field.name.of(buffer).eq_ignore_ascii_case(option);
                }
            }
        }
        Ok(())
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
