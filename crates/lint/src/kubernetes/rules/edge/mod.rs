//! What lets the outside in: Ingresses, gateways, routes, and the services behind them: PC441 to PC447.

pub(super) mod backends;
pub(super) mod exposed;
pub(super) mod gateways;
pub(super) mod hosts;
pub(super) mod snippets;
pub(super) mod tls;

use super::rule;
