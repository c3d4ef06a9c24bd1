//! Who has which internal port: handing numbers out, remembering whose they are, and telling why.
//!
//! Owns: the order in which numbers are tried, when a lease begins and ends, what is kept back, and the words for all of
//! it. A number is handed out only after nobody could be found to have it, and the finding is done by binding it.
//!
//! Must not know: how the store keeps rows (`portcullis-store`), what a file looks like (`portcullis-config`), how the
//! kernel is asked (`portcullis-kernel`), who is served by the port.
//!
//! Invariants: in one port space a number has one owner and an owner has one number; the same service, environment and
//! replica get the same number again as long as it can be had; what a living process holds is taken from nobody.

mod allocate;
mod book;
mod error;
mod explain;
mod hold;
mod lease;
mod project;
mod registry;
mod search;
mod world;

pub use allocate::{Allocated, Allocation, Outcome};
pub use error::{PortsError, RangeFull};
pub use explain::{BandWord, Explanation, InRange, Mention, Rival};
pub use hold::{Held, Hold};
pub use lease::{Holder, Lease, Owner, Place, Reservation, Term};
pub use project::{Demand, Project, Source};
pub use registry::{Memory, Registry, Selection, Standing};
pub use world::{Host, World};
