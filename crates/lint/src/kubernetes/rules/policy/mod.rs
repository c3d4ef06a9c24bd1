//! NetworkPolicies: PC461 to PC471.

pub(super) mod broad;
pub(super) mod bypass;
pub(super) mod coverage;
pub(super) mod dns;
pub(super) mod enforcement;
pub(super) mod form;
pub(super) mod ports;
pub(super) mod selects;

use super::{rule, some_of};
