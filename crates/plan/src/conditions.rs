//! What a route asks of traffic beyond port, host and path.

use std::net::IpAddr;

use regex::bytes::Regex;

use crate::AddressSet;

/// One request (or TCP session) as routing sees it. Everything is in the form in which it will be sent.
#[derive(Clone, Copy)]
pub struct Traffic<'a> {
    /// Client address, after a trusted PROXY header.
    pub source: IpAddr,
    /// SNI of the TLS handshake, lower case.
    pub sni: Option<&'a str>,
    /// Host without port, lower case, no trailing dot; empty if there is none.
    pub host: &'a str,
    /// Path in normal form, without query; empty for sessions.
    pub path: &'a [u8],
    /// Query without `?`.
    pub query: Option<&'a [u8]>,
    /// Method; empty for sessions.
    pub method: &'a [u8],
    /// Header lines.
    pub headers: &'a dyn HeaderLookup,
    /// Names on the proven client certificate; empty if there is none.
    pub certificate_names: &'a [String],
}

/// Read access to header lines, whatever the protocol version keeps them in.
pub trait HeaderLookup {
    /// Whether any line of this name (lower case) passes `test`.
    fn any(&self, name: &str, test: &mut dyn FnMut(&[u8]) -> bool) -> bool;
}

/// No headers: TCP sessions.
impl HeaderLookup for () {
    fn any(&self, _: &str, _: &mut dyn FnMut(&[u8]) -> bool) -> bool {
        false
    }
}

/// All that are present must hold. Empty is always true.
#[derive(Debug, Default)]
pub struct Conditions {
    /// SNI of a terminated TLS connection, as a host pattern.
    pub sni: Option<crate::table::HostTest>,
    /// Any of these methods; empty: any method.
    pub methods: Box<[Box<[u8]>]>,
    /// Header name to test.
    pub headers: Box<[(Box<str>, ValueTest)]>,
    /// Query parameter to test.
    pub query: Box<[(Box<[u8]>, ValueTest)]>,
    /// Client addresses.
    pub from: Option<AddressSet>,
}

/// What a value must be.
#[derive(Debug)]
pub enum ValueTest {
    /// Anything.
    Present,
    /// Exactly this.
    Exact(Box<[u8]>),
    /// A match of the whole value.
    Regex(Regex),
}

impl ValueTest {
    fn holds(&self, value: &[u8]) -> bool {
        match self {
            Self::Present => true,
            Self::Exact(expected) => **expected == *value,
            Self::Regex(regex) => regex.is_match(value),
        }
    }
}

impl Conditions {
    /// Number of kinds that are present, by which routes with one host and path are ordered.
    pub fn count(&self) -> usize {
        usize::from(self.sni.is_some())
            + usize::from(!self.methods.is_empty())
            + self.headers.len()
            + self.query.len()
            + usize::from(self.from.is_some())
    }

    /// Whether all hold. Cheap tests come first.
    pub fn hold(&self, traffic: &Traffic<'_>) -> bool {
        (self.methods.is_empty() || self.methods.iter().any(|method| **method == *traffic.method))
            && self.from.as_ref().is_none_or(|from| from.contains(traffic.source))
            && self.sni.as_ref().is_none_or(|sni| traffic.sni.is_some_and(|name| sni.holds(name)))
            && self.headers.iter().all(|(name, test)| traffic.headers.any(name, &mut |value| test.holds(value)))
            && self.query.iter().all(|(name, test)| query_holds(traffic.query, name, test))
    }
}

fn query_holds(query: Option<&[u8]>, name: &[u8], test: &ValueTest) -> bool {
    let Some(query) = query else { return false };
    query.split(|&byte| byte == b'&').any(|pair| {
        let (key, value) = match pair.iter().position(|&byte| byte == b'=') {
            Some(at) => (&pair[..at], &pair[at + 1..]),
            None => (pair, &[][..]),
        };
        key == name && test.holds(value)
    })
}
