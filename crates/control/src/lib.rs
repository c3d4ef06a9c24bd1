//! The control plane: everything that steers and watches the workers, away from them.
//!
//! Owns: publishing plans ([`Publisher`]: the first one, reloads, renewed certificates), opening and closing ports,
//! active health checks, watching files, following host names, looking for strangers on our ports and for
//! drift, draining, and the ports that it serves
//! itself: the admin API and the metrics. All of it runs on one small runtime of its own ([`Control`]).
//!
//! Must not know: connections of the data plane. It tells workers what to run by publishing a plan, and which
//! endpoints are up by atomics on them; nothing comes back but counters.
//!
//! Invariants: what does not load never replaces what runs; nothing of the admin API is served on any other port; a
//! request to a control port leaves a record, also a refused one; a secret is in no answer.

mod admin;
pub mod answers;
mod candidate;
mod certificates;
mod control;
mod drift;
mod grants;
mod health;
mod identity;
mod names;
mod phase;
mod ports;
mod publisher;
pub mod registration;
mod rehearsal;
mod rejection;
mod running;
mod sockets;
mod strangers;
mod task;
mod trail;
mod watch;

pub use admin::openapi;
pub use candidate::{Candidate, Reading};
pub use control::Control;
pub use drift::{DriftLook, DriftSeen};
pub use grants::OfficeError;
pub use phase::Phase;
pub use publisher::{LogLevels, Publisher, Start};
pub use rehearsal::rehearse_start;
pub use rejection::Rejection;
pub use running::Running;
pub use trail::TrailError;
pub use watch::Watching;

use task::AbortOnDrop;
