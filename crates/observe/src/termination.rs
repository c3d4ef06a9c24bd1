//! Why a request or a session ended: the closed set that log, metrics and documentation share.

use std::fmt;

use serde::{Serialize, Serializer};

/// Declares the enum, its list, its words and its descriptions from one list, so that they cannot drift apart.
macro_rules! terminations {
    ($( #[doc = $description:literal] $variant:ident = $word:literal, )+) => {
        /// Why a request or a session ended. Every record carries exactly one.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[repr(u8)]
        pub enum Termination {
            $( #[doc = $description] $variant, )+
        }

        impl Termination {
            /// All of them, in the order in which the documentation lists them.
            pub const ALL: &[Self] = &[ $( Self::$variant, )+ ];

            /// The word that logs and metrics use. Words are never renamed: people's dashboards hold them.
            pub const fn as_str(self) -> &'static str {
                match self { $( Self::$variant => $word, )+ }
            }

            /// One sentence for people; the reference page is checked against it.
            pub fn description(self) -> &'static str {
                match self { $( Self::$variant => $description.trim_ascii(), )+ }
            }
        }
    };
}

terminations! {
    /// The request was answered by an endpoint and the answer delivered whole, or both sides of the session ended it.
    Completed = "completed",
    /// The connection switched protocols (101) and the session that followed ended in order.
    Upgraded = "upgraded",
    /// The route answers with a redirect.
    Redirected = "redirected",
    /// The route answers with a fixed response.
    Responded = "responded",

    /// The connection ended before the client sent a byte: a port scan, or a load balancer's check.
    Empty = "empty",
    /// The client closed the connection before the request or its answer was complete.
    ClientClosed = "client-closed",
    /// The client reset the connection.
    ClientReset = "client-reset",
    /// The client did not finish the TLS handshake or the PROXY header in time.
    ClientTimeoutHandshake = "client-timeout-handshake",
    /// The client began a request and did not finish its head in time.
    ClientTimeoutHead = "client-timeout-head",
    /// The client held the connection open without ever asking for anything until the idle timeout.
    ClientTimeoutIdle = "client-timeout-idle",
    /// The client sent its body, or took the answer, slower than the least progress that is asked for.
    ClientTooSlow = "client-too-slow",

    /// The source address may not connect to this port.
    RefusedSource = "refused-source",
    /// The route asks who calls, and that was not proven.
    Unauthenticated = "unauthenticated",
    /// The route does not let this client pass.
    RefusedRoute = "refused-route",
    /// What it rested on ended while it was under way: a logout, a revoked token, a removed user, changed claims, or time.
    AccessEnded = "access-ended",
    /// The port has as many connections as it may have.
    RefusedLimitPort = "refused-limit-port",
    /// The source has as many connections as one source may have.
    RefusedLimitSource = "refused-limit-source",
    /// The whole process has as many connections as it may have.
    RefusedLimitProcess = "refused-limit-process",
    /// The proxy is draining, or a reload took the port away or changed its terms: nothing new is taken.
    RefusedDraining = "refused-draining",
    /// The port requires its log, which took no record in time (503).
    LogUnavailable = "log-unavailable",
    /// The route requires its audit record, which the store did not take (503).
    AuditUnavailable = "audit-unavailable",

    /// A declared source sent a PROXY header that is not one.
    ProxyHeaderInvalid = "proxy-header-invalid",
    /// A declared source sent no PROXY header where one is required.
    ProxyHeaderMissing = "proxy-header-missing",
    /// The TLS handshake with the client failed.
    TlsHandshakeFailed = "tls-handshake-failed",
    /// The client's certificate is missing, expired, or not from a trusted authority.
    TlsClientCertificate = "tls-client-certificate",
    /// The client refused the port's certificate: another name, a CA that it does not know, or expired.
    TlsCertificateRefused = "tls-certificate-refused",
    /// The client spoke plaintext on a TLS port.
    PlaintextOnTls = "plaintext-on-tls",
    /// The client spoke TLS on a plaintext port.
    TlsOnPlaintext = "tls-on-plaintext",

    /// The request is malformed or can be read in two ways (400).
    BadRequest = "bad-request",
    /// The request's body is larger than the route takes (413).
    RequestTooLarge = "request-too-large",
    /// The request target is longer than the port takes (414).
    TargetTooLong = "target-too-long",
    /// The request head is larger, or has more fields, than the port takes (431).
    HeadTooLarge = "head-too-large",
    /// The request asks for something that HTTP allows and the proxy does not do (501).
    NotImplemented = "not-implemented",
    /// No route of the port takes this request or server name.
    NoRoute = "no-route",

    /// No endpoint of the service is available: all are down or ejected (503).
    NoEndpoint = "no-endpoint",
    /// The endpoint refused the connection: nobody listens there.
    ConnectRefused = "connect-refused",
    /// The endpoint did not accept the connection in time.
    ConnectTimeout = "connect-timeout",
    /// The connection to the endpoint failed for another reason: unreachable, no descriptors, no such socket.
    ConnectFailed = "connect-failed",
    /// The endpoint is one of the proxy's own admin or metrics ports, and is never dialled.
    OwnControlPort = "own-control-port",
    /// The TLS handshake with the endpoint failed, or its certificate was not accepted.
    EndpointTlsFailed = "endpoint-tls-failed",
    /// The endpoint accepted the connection and did not finish the TLS handshake in time (504).
    EndpointTlsTimeout = "endpoint-tls-timeout",
    /// The endpoint closed the connection before it sent a response head.
    EndpointClosed = "endpoint-closed",
    /// The endpoint reset the connection.
    EndpointReset = "endpoint-reset",
    /// The endpoint did not answer in time (504).
    ResponseTimeout = "response-timeout",
    /// The endpoint's answer is malformed or can be read in two ways (502).
    ResponseInvalid = "response-invalid",
    /// The endpoint's answer ended before the length that it announced.
    ResponseTruncated = "response-truncated",

    /// Neither side sent anything for the idle timeout.
    IdleTimeout = "idle-timeout",
    /// One side had closed its direction, and the other did not follow in time.
    HalfCloseTimeout = "half-close-timeout",
    /// The proxy shut down and the time to drain was over.
    Shutdown = "shutdown",
    /// The proxy failed; the program's own log says how.
    Internal = "internal",
}

impl Termination {
    /// How many there are.
    pub const COUNT: usize = Self::ALL.len();

    /// Place in [`Self::ALL`], for tables of counters.
    pub const fn index(self) -> usize {
        self as usize
    }
}

impl fmt::Display for Termination {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.as_str())
    }
}

impl Serialize for Termination {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn words_are_distinct_kebab_case_and_indexed_in_order() {
        let mut seen = HashSet::new();
        for (place, termination) in Termination::ALL.iter().enumerate() {
            let word = termination.as_str();
            assert!(seen.insert(word), "{word} twice");
            assert!(word.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-'), "{word}");
            assert!(termination.description().ends_with('.'), "{word}");
            assert_eq!(termination.index(), place);
        }
    }
}
