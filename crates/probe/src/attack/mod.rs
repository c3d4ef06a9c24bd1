//! What gets past a port that should not: the ways in that worked on others, tried on the ports of the file.
//!
//! Everything that is tried is harmless where the port holds: it asks for what it must not get. Requests are GETs, to
//! paths of the file or to a path that nobody has; no credential of anybody is sent but the client certificate that the
//! caller gives.

mod admin;
mod certificates;
mod door;
mod echo;
mod exchange;
mod identity;
mod old_tls;
mod plaintext;
mod request;
mod smuggling;

use std::sync::Arc;

use portcullis_tls::material::Certificate;
use tokio::runtime::{Builder, Runtime};

use crate::{bounds::Budget, check::Check, estate::Estate, outcome::Outcome, permit::Permit};
use door::{Door, Doors};

/// With what it is tried.
#[derive(Debug)]
pub struct Means<'r> {
    /// What may be spoken to.
    pub permit: &'r Permit,
    /// What is left of the bounds.
    pub budget: &'r Arc<Budget>,
    /// A certificate that ports which ask for one accept.
    pub client: Option<&'r Certificate>,
}

/// Tries everything.
pub fn check(estate: &Estate<'_>, means: &Means<'_>) -> Vec<Outcome> {
    // Where there is no runtime there are no descriptors either, and reachability has said so.
    let Ok(runtime) = Builder::new_current_thread().enable_all().build() else { return Vec::new() };
    let range = Range { runtime: &runtime, budget: means.budget };
    let doors = Doors::new(estate, means.permit, means.client);
    let mut outcomes = Vec::new();
    outcomes.extend(certificates::check(estate, &doors, range));
    outcomes.extend(plaintext::check(&doors, range));
    outcomes.extend(old_tls::check(&doors, range));
    outcomes.extend(admin::check(estate, &doors, range));
    outcomes.extend(smuggling::check(&doors, range));
    outcomes.extend(identity::check(estate, &doors, range));
    outcomes.extend(echo::check(estate, &doors, range));
    outcomes
}

/// Where and within which bounds exchanges run.
#[derive(Debug, Clone, Copy)]
struct Range<'r> {
    runtime: &'r Runtime,
    budget: &'r Arc<Budget>,
}

/// A subject that could not be tried, and why.
fn not_tried(door: &Door<'_>, check: Check, why: &str) -> Outcome {
    door.outcome(Outcome::unknown(check, door.title.clone(), "nothing was sent", why))
}
