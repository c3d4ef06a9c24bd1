//! Services: PC421 to PC431.

pub(super) mod exposure;
pub(super) mod load_balancers;
pub(super) mod node_ports;
pub(super) mod overlaps;
pub(super) mod targets;
pub(super) mod traffic;

use super::{rule, some_of};
