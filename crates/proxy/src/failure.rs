//! What went wrong in an attempt, in the words of the log and of the client's answer.

use std::io;

use portcullis_h1::ResponseError;
use portcullis_observe::Termination;

use crate::{body::RelayError, upstream::HeadError, visit::Ended};

/// No response was begun.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) ended: Ended,
    /// The same request may be sent again, as far as this attempt goes.
    pub(crate) is_safe_to_repeat: bool,
    pub(crate) is_endpoints_fault: bool,
    /// What to answer; `None`: the client is gone or can not be answered.
    pub(crate) status: Option<u16>,
    pub(crate) told: &'static str,
    /// Bytes that the client was sent (interim responses).
    pub(crate) sent: u64,
}

/// The endpoint gave no acceptable head.
pub(crate) fn no_head(error: HeadError, repeatable: bool) -> Failure {
    let (termination, detail, status, told) = match error {
        HeadError::Closed => {
            let detail = "the endpoint closed the connection before it answered".to_owned();
            (Termination::EndpointClosed, detail, 502, "the service closed the connection")
        }
        HeadError::Io(error) if error.kind() == io::ErrorKind::TimedOut => {
            let detail = "the endpoint did not answer in time".to_owned();
            (Termination::ResponseTimeout, detail, 504, "the service did not answer in time")
        }
        HeadError::Io(error) => {
            (Termination::EndpointReset, error.to_string(), 502, "the service closed the connection")
        }
        HeadError::ClientGone(error) => {
            return Failure {
                ended: Ended::because(Termination::ClientReset, error.to_string()),
                is_safe_to_repeat: false,
                is_endpoints_fault: false,
                status: None,
                told: "",
                sent: 0,
            };
        }
        HeadError::Refused(error) => {
            (Termination::ResponseInvalid, error.to_string(), 502, "the service's answer can not be understood")
        }
    };
    let is_safe_to_repeat =
        repeatable && matches!(termination, Termination::EndpointClosed | Termination::EndpointReset);
    Failure {
        ended: Ended::because(termination, detail),
        is_safe_to_repeat,
        is_endpoints_fault: true,
        status: Some(status),
        told,
        sent: 0,
    }
}

/// The client's body could not be read.
pub(crate) fn upload_failure(error: Option<RelayError>) -> Failure {
    let (termination, detail, status, told) = match error {
        Some(RelayError::Coding(error)) => {
            (Termination::BadRequest, error.as_str().to_owned(), Some(400), "the request body is malformed")
        }
        Some(RelayError::TooLarge) => (
            Termination::RequestTooLarge,
            "request body too large".to_owned(),
            Some(413),
            "the request body is too large",
        ),
        Some(RelayError::SourceTooSlow) => {
            (Termination::ClientTooSlow, "the body came too slowly".to_owned(), Some(408), "the body came too slowly")
        }
        Some(RelayError::Read(error)) if error.kind() == io::ErrorKind::TimedOut => {
            (Termination::ClientTooSlow, "no more body came".to_owned(), Some(408), "the body came too slowly")
        }
        Some(RelayError::Read(error)) => (Termination::ClientReset, error.to_string(), None, ""),
        _ => (Termination::ClientClosed, "the client closed within its request".to_owned(), None, ""),
    };
    Failure {
        ended: Ended::because(termination, detail),
        is_safe_to_repeat: false,
        is_endpoints_fault: false,
        status,
        told,
        sent: 0,
    }
}

/// A body that turned out to be malformed before a byte of its head had left: the client can still be told.
pub(crate) fn unsent_failure(
    relayed: &Result<(), RelayError>,
    response_bytes: u64,
    interim_bytes: u64,
) -> Option<Failure> {
    match relayed {
        Err(RelayError::Coding(error)) if response_bytes == 0 => {
            let error = HeadError::Refused(ResponseError::BadChunk(*error));
            Some(Failure { sent: interim_bytes, ..no_head(error, false) })
        }
        _ => None,
    }
}

/// Why a response that had begun was not completed.
pub(crate) fn response_end(error: RelayError) -> Ended {
    match error {
        RelayError::Truncated => {
            Ended::because(Termination::ResponseTruncated, "the endpoint closed within its answer")
        }
        RelayError::Coding(error) => Ended::because(Termination::ResponseInvalid, error.as_str()),
        RelayError::TooLarge | RelayError::SourceTooSlow => Termination::ResponseTruncated.into(),
        RelayError::Read(error) if error.kind() == io::ErrorKind::TimedOut => Termination::IdleTimeout.into(),
        RelayError::Read(error) => Ended::because(Termination::EndpointReset, error.to_string()),
        RelayError::SinkTooSlow => Termination::ClientTooSlow.into(),
        RelayError::Write(error) if error.kind() == io::ErrorKind::TimedOut => Termination::ClientTooSlow.into(),
        RelayError::Write(error) => Ended::because(Termination::ClientClosed, error.to_string()),
    }
}
