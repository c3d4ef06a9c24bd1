//! Why a step can not be taken.

use std::time::Duration;

use portcullis_audit::AuditError;
use portcullis_store::StoreError;

/// Why a step can not be taken.
#[derive(Debug, thiserror::Error)]
pub enum GrantError {
    /// The store fails.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The audit can not be kept, so nothing is granted.
    #[error(transparent)]
    Audit(#[from] AuditError),
    /// The service is not granted to anybody.
    #[error("access to `{service}` is not granted on request; `grants` of the file names the services that are")]
    NotGrantable {
        /// What was asked for.
        service: String,
    },
    /// Whoever asks may not.
    #[error("{who} may not {what} for `{service}`")]
    NotAllowed {
        /// Who.
        who: String,
        /// What: `ask`, `approve`.
        what: &'static str,
        /// For which service.
        service: String,
    },
    /// Nobody decides on what is for themselves.
    #[error("nobody approves or refuses a grant of their own; somebody else has to")]
    OwnGrant,
    /// Too long.
    #[error("access to `{service}` is granted for at most {} min", longest.as_secs().div_ceil(60))]
    TooLong {
        /// For which service.
        service: String,
        /// The longest time.
        longest: Duration,
    },
    /// The time is nothing.
    #[error("a grant is for more than no time")]
    NoTime,
    /// No reason, or none that can be shown.
    #[error("expected a reason of 1 to {longest} characters in one line")]
    Reason {
        /// Most characters.
        longest: usize,
    },
    /// So many questions of one principal wait already.
    #[error("{waiting} questions of {who} wait for an answer already")]
    TooMany {
        /// Who.
        who: String,
        /// How many.
        waiting: usize,
    },
    /// There is no such grant.
    #[error("there is no grant {id}; `portcullis access list` shows those that there are")]
    Unknown {
        /// What was named.
        id: String,
    },
    /// It is past that.
    #[error("grant {id} is {state} already")]
    Past {
        /// Which.
        id: String,
        /// `approved`, `refused`, `ended`.
        state: String,
    },
    /// The system gives no randomness to make an id from.
    #[error("the system gives no randomness to make an id from")]
    NoRandomness,
}
