//! What rests on a grant ends with it.
//!
//! Must not know: who was granted what, and why ([`crate::authorise`]).

use std::{future::poll_fn, pin::pin, task::Poll};

use portcullis_audit::Moment;
use portcullis_grants::Grant;
use portcullis_observe::Termination;

use crate::visit::Ended;

/// Runs `work` to its end, or to the end of the grant that it rests on, if it rests on one.
///
/// The work is asked once more when the grant has ended, so that it can end by itself and tell how far it came: see
/// [`has_ended`].
pub(crate) async fn while_granted<T>(grant: Option<&Grant>, work: impl Future<Output = T>) -> Result<T, Ended> {
    let Some(grant) = grant else { return Ok(work.await) };
    let (mut work, mut ended) = (pin!(work), pin!(grant.ended()));
    poll_fn(|context| {
        if let Poll::Ready(done) = work.as_mut().poll(context) {
            return Poll::Ready(Ok(done));
        }
        if ended.as_mut().poll(context).is_pending() {
            return Poll::Pending;
        }
        match work.as_mut().poll(context) {
            Poll::Ready(done) => Poll::Ready(Ok(done)),
            Poll::Pending => Poll::Ready(Err(because(grant))),
        }
    })
    .await
}

/// Whether the grant that something rests on holds no longer.
pub(crate) fn has_ended(grant: Option<&Grant>) -> bool {
    grant.is_some_and(|grant| !grant.holds(Moment::now()))
}

/// What is told of the end.
pub(crate) fn because(grant: &Grant) -> Ended {
    Ended::because(Termination::AccessEnded, format!("the grant {} has ended", grant.id))
}
