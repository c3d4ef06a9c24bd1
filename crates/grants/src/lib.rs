//! Rights that end by themselves: asked for with a reason, approved by somebody else, closed when their time is over.
//!
//! Owns: the life of a grant (asked, approved or refused, ended), who may approve, access without approval
//! (break-glass), telling a chat of each step.
//!
//! Must not know: connections, routes, how an identity is proven. Whoever relies on a grant asks [`Grants::active`] and
//! waits for [`Grant::ended`].
//!
//! Invariants:
//! - Nobody approves what is for themselves.
//! - A step and its audit record are one transaction: there is no grant without a record.
//! - A grant never outlives its time, whatever the store, other processes or the clock of a sleeping machine do.

mod clerk;
mod error;
mod grant;
mod settings;
mod table;
mod view;
mod webhook;

pub use clerk::{Clerk, Demand};
pub use error::GrantError;
pub use grant::Grant;
pub use settings::{Actor, Circle, Settings, Terms};
pub use table::Grants;
pub use view::{GrantView, State, Step};
pub use webhook::{Webhook, WebhookSettings};
