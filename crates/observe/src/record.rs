//! One access record, and the two forms in which it is written.

mod escape;
mod json;
mod text;
mod timestamp;

use std::{
    net::SocketAddr,
    time::{Duration, SystemTime},
};

use crate::{RequestId, Termination};

pub(crate) use timestamp::TimestampCache;

/// Everything that is said about one request or session. It borrows all of it: a record lives as long as the call
/// that writes it.
///
/// Bytes and strings may be anything that a client sent; they are escaped and bounded where they are written.
#[derive(Debug, Clone)]
pub struct AccessRecord<'a> {
    /// What it was.
    pub kind: RecordKind,
    /// When it ended.
    pub time: SystemTime,
    /// Name of the port.
    pub port: &'a str,
    /// Role of the port.
    pub role: &'a str,
    /// Who connected: the address that a trusted PROXY header names, or else the peer's; `None` through a Unix socket.
    pub source: Option<SocketAddr>,
    /// The direct peer, where a PROXY header named another source.
    pub peer: Option<SocketAddr>,
    /// TLS with the client, where the proxy ended it.
    pub tls: Option<TlsRecord<'a>>,
    /// Server name that the client asked for, also where TLS was passed through.
    pub sni: Option<&'a str>,
    /// Who called, if that was proven: the name, and the provider that vouches for it.
    pub principal: Option<PrincipalRecord<'a>>,
    /// Request method.
    pub method: Option<&'a [u8]>,
    /// Host of the request.
    pub host: Option<&'a [u8]>,
    /// Path and query as received or, once it was normalised, as sent on.
    pub path: Option<&'a [u8]>,
    /// Status of the response that the client got.
    pub status: Option<u16>,
    /// Bytes from the client, heads included, TLS excluded.
    pub bytes_received: u64,
    /// Bytes to the client, heads included, TLS excluded.
    pub bytes_sent: u64,
    /// Name of the route.
    pub route: Option<&'a str>,
    /// Name of the service.
    pub service: Option<&'a str>,
    /// Address of the endpoint that served it, or was tried last.
    pub endpoint: Option<&'a str>,
    /// Where the time went.
    pub phases: Phases,
    /// Endpoints that were tried in vain before.
    pub retries: u32,
    /// The id that was also sent to the endpoint.
    pub request_id: RequestId,
    /// Why it ended.
    pub termination: Termination,
    /// What exactly was wrong, for people; free text that may quote what came from outside.
    pub detail: Option<&'a str>,
}

/// A caller whose identity is proven.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PrincipalRecord<'a> {
    /// The name that policies know.
    pub name: &'a str,
    /// Name of the provider.
    pub provider: &'a str,
}

/// What a record is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RecordKind {
    /// One HTTP request, also a malformed one.
    Request,
    /// One TCP or TLS session, or a connection that ended before it became a request.
    Session,
}

impl RecordKind {
    /// The word in the log.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Request => "request",
            Self::Session => "session",
        }
    }
}

/// TLS between client and proxy.
#[derive(Debug, Clone, Copy)]
pub struct TlsRecord<'a> {
    /// Protocol version, such as `TLSv1.3`.
    pub version: &'a str,
    /// Cipher suite.
    pub cipher: &'a str,
    /// Whether an earlier session was resumed.
    pub resumed: bool,
    /// Subject, or first name, of the client certificate that was verified.
    pub client: Option<&'a str>,
}

/// How long each phase took; `None` where it did not happen.
#[derive(Debug, Clone, Copy, Default)]
pub struct Phases {
    /// PROXY header and TLS handshake. Only the first request of a connection has it.
    pub handshake: Option<Duration>,
    /// From the first byte of the head to its end.
    pub head: Option<Duration>,
    /// Finding or making a connection to an endpoint, retries included.
    pub connect: Option<Duration>,
    /// From the request's head sent to the response's head received.
    pub response: Option<Duration>,
    /// From the response's head to the end of its body; for a session, the time that bytes were relayed.
    pub body: Option<Duration>,
    /// All of it.
    pub total: Duration,
}

impl Phases {
    /// The phases that happened, with their names in the log, in order; the total is last.
    fn named(&self) -> impl Iterator<Item = (&'static str, Duration)> {
        [
            ("handshake", self.handshake),
            ("head", self.head),
            ("connect", self.connect),
            ("response", self.response),
            ("body", self.body),
            ("total", Some(self.total)),
        ]
        .into_iter()
        .filter_map(|(name, took)| Some((name, took?)))
    }
}

impl AccessRecord<'_> {
    /// Appends the record as one line of JSON, with its line feed.
    pub(crate) fn append_json(&self, out: &mut Vec<u8>, clock: &mut TimestampCache) {
        json::append(self, out, clock);
    }

    /// Appends the record as one line for people, with its line feed.
    pub(crate) fn append_text(&self, out: &mut Vec<u8>, clock: &mut TimestampCache) {
        text::append(self, out, clock);
    }
}

#[cfg(test)]
mod tests;
