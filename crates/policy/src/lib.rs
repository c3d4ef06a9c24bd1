//! May they: deciding whether a principal may pass, by Cedar policies.
//!
//! Owns: the Cedar schema of ports, routes, services and principals; the translation of `allow:` and `deny:` of routes
//! into Cedar; policies of one's own beside them; the decision, which policies made it, and for how long it holds.
//!
//! Must not know: how an identity was proven, connections, the configuration file.
//!
//! Invariants: there is one engine and one answer; what no policy permits is refused; a policy that fails to evaluate
//! permits nothing.

mod access;
mod asked;
mod clock;
mod decide;
mod explain;
mod lists;
mod own;
mod reads;
mod schema;
mod set;
mod short;

pub use access::{Answer, OwnSay, Reach, Requirement, RouteAccess};
pub use asked::{Action, Asked, Caller, Certificate, Identity, Kind, RouteId};
pub use clock::{UnknownZone, Weekday, Window, Zone};
pub use decide::{Decision, Failure, Holds};
pub use explain::{Change, Deciding, Explanation};
pub use own::{Place, PolicyError};
pub use reads::Attributes;
pub use schema::SCHEMA;
pub use set::{CERTIFICATE, PolicySet, PolicyText, Port, Route, Settings, Source};
pub use short::{Allow, Conditions, Grant, Name};
