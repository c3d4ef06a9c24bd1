//! Why a configuration does not run.

use std::{fmt, io, sync::Arc};

use portcullis_config::{finding::Finding, sources::Sources};
use portcullis_identity::OpenError;
use portcullis_kernel::listen::ListenError;
use portcullis_observe::AccessLogError;

use crate::{OfficeError, TrailError};

/// Why a configuration was not taken on. What ran before goes on as it was.
#[derive(Debug)]
pub enum Rejection {
    /// The file, or what it refers to, is wrong.
    Findings {
        /// In reading order; at least one is an error.
        findings: Vec<Finding>,
        /// The texts that they point into.
        sources: Arc<Sources>,
    },
    /// Ports could not be opened; each says by whom it is taken, or what else is in the way.
    Listen(Vec<ListenError>),
    /// The access log could not be opened.
    AccessLog(AccessLogError),
    /// Decisions can not be recorded.
    Audit(TrailError),
    /// Nobody can be granted anything.
    Grants(OfficeError),
    /// What logins and assertions are kept in could not be opened.
    Identity(OpenError),
    /// The threads of the data plane could not be started.
    Workers(io::Error),
    /// The process is on its way out and takes no new configuration.
    Draining,
    /// The attempt itself broke off; the program's own log says how.
    Internal,
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Findings { findings, .. } => {
                let errors = findings.iter().filter(|finding| finding.is_error()).count();
                write!(f, "the configuration has {errors} {}", if errors == 1 { "error" } else { "errors" })
            }
            Self::Listen(errors) => {
                let errors: Vec<String> = errors.iter().map(ToString::to_string).collect();
                write!(f, "can not listen: {}", errors.join("; "))
            }
            Self::AccessLog(error) => error.fmt(f),
            Self::Audit(error) => write!(f, "the audit can not be kept: {error}"),
            Self::Grants(error) => write!(f, "grants can not be kept: {error}"),
            Self::Identity(error) => write!(f, "nobody could prove who they are: {error}"),
            Self::Workers(error) => write!(f, "can not start the worker threads: {error}"),
            Self::Draining => f.write_str("the process is draining and takes no new configuration"),
            Self::Internal => f.write_str("the attempt broke off; see the program's own log"),
        }
    }
}

impl std::error::Error for Rejection {}

impl Rejection {
    /// The findings, if it was for findings.
    pub fn findings(&self) -> Option<(&[Finding], &Sources)> {
        match self {
            Self::Findings { findings, sources } => Some((findings, sources)),
            _ => None,
        }
    }
}
