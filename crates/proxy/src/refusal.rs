//! Requests that are not served: with which status, for which reason, and in which words.

use portcullis_h1::RequestError;
use portcullis_observe::Termination;

use crate::visit::Ended;

/// A refusal that the client is answered with.
#[derive(Debug)]
pub(crate) struct Refused {
    pub(crate) status: u16,
    pub(crate) ended: Ended,
    /// What the client is told; the log is told more.
    pub(crate) told: &'static str,
    /// Further header lines of the answer, each with its end.
    pub(crate) lines: Vec<u8>,
    pub(crate) form: Form,
}

/// How a refusal is written down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// For people.
    Text,
    /// For programs: a problem document (RFC 9457).
    Problem,
}

impl Refused {
    /// With nothing but a status and words.
    pub(crate) fn new(status: u16, ended: impl Into<Ended>, told: &'static str) -> Self {
        Self { status, ended: ended.into(), told, lines: Vec::new(), form: Form::Text }
    }

    /// The request is none that HTTP/1.1 lets through.
    pub(crate) fn malformed(error: RequestError) -> Self {
        let termination = match error {
            RequestError::TargetTooLong => Termination::TargetTooLong,
            RequestError::HeadTooLarge | RequestError::TooManyFields => Termination::HeadTooLarge,
            RequestError::BodyTooLarge => Termination::RequestTooLarge,
            RequestError::UnknownTransferCoding | RequestError::ConnectMethod => Termination::NotImplemented,
            _ => Termination::BadRequest,
        };
        Self::new(error.status(), Ended::because(termination, error.as_str()), error.as_str())
    }

    /// No endpoint could be had for the request.
    pub(crate) fn by_endpoints(ended: Ended) -> Self {
        let (status, told) = match ended.termination {
            Termination::NoEndpoint => (503, "no endpoint of this service is up"),
            Termination::ConnectTimeout => (504, "the service did not accept the connection in time"),
            Termination::EndpointTlsTimeout => (504, "the service did not finish the TLS handshake in time"),
            Termination::ConnectRefused => (503, "the service refuses connections"),
            _ => (502, "the service can not be reached"),
        };
        Self::new(status, ended, told)
    }

    /// Its record is required, and can not be kept.
    pub(crate) fn unrecorded(ended: Ended) -> Self {
        Self::new(503, ended, "this can not be recorded at the moment")
    }

    /// A host that the https port does not go by: nobody is sent there on the word of a client.
    pub(crate) fn unknown_host(host: &str) -> Self {
        let detail = format!("no route of the https port that this port redirects to names the host `{host}`");
        Self::new(404, Ended::because(Termination::NoRoute, detail), "nothing is served here")
    }
}
