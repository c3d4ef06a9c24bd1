//! Which endpoint gets the next request, and which may get one at all.
//!
//! Owns: the runtime state of endpoints (checked up or down, ejected, requests in flight), the balancing policies and
//! the retry budget. The state outlives plans: it is keyed by service, address and TLS form in a [`Registry`] and
//! handed from one plan to the next.
//!
//! Must not know: sockets, protocols, configuration files. It is told what happened ([`EndpointState::succeeded`],
//! [`EndpointState::failed`]) and answers one question ([`Group::pick`]).
//!
//! Invariants: a pick allocates nothing and takes no lock; an endpoint that is down is never picked; passive ejection
//! alone never takes out the last half of a group.

mod budget;
mod endpoint;
mod group;
mod registry;

pub use budget::RetryBudget;
pub use endpoint::{Address, Checked, EjectPolicy, EndpointState, Fault, Standing};
pub use group::{Cursor, Group, Member, Policy, Tried};
pub use registry::{EndpointKey, Registry};
