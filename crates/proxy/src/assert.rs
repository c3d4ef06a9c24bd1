//! The signed word about a caller that goes to a service, in one header.
//!
//! Routes that ask nobody who they are tell nothing: what is forwarded there could be anybody's claim.
//!
//! Signing costs some ten microseconds, so that an assertion is kept beside the caller and sent again until the middle of
//! its life.

use portcullis_identity::assertion::Assertion;
use portcullis_plan::{Access, Plan, RoutePlan, ServicePlan};

use crate::{callers::Known, clock};

/// Writes the header line with its end, if there is somebody to tell of and a key to sign with.
pub(crate) fn line(
    plan: &Plan,
    (route, service): (&RoutePlan, &ServicePlan),
    caller: Option<&Known>,
    out: &mut Vec<u8>,
) {
    if !matches!(route.access, Access::Judged { asks_identity: true, .. }) {
        return;
    }
    let (Some(known), Some(identity), Some(header)) = (caller, &plan.identity, &plan.assertion_header) else { return };
    let now = clock::unix_seconds();
    let mut kept = known.assertions.borrow_mut();
    let is_good = |(of, assertion): &(usize, Assertion)| *of == service.index && now < assertion.valid_until;
    if !kept.iter().any(is_good) {
        kept.retain(|(of, assertion)| *of != service.index && now < assertion.valid_until);
        let Some(made) = identity.assertion(&known.standing, &service.name) else { return };
        kept.push((service.index, made));
    }
    if let Some((_, assertion)) = kept.iter().find(|(of, _)| *of == service.index) {
        out.extend_from_slice(header);
        out.extend_from_slice(b": ");
        out.extend_from_slice(assertion.token.as_bytes());
        out.extend_from_slice(b"\r\n");
    }
}
