//! Pods and what makes them: PC401 to PC412.

mod arguments;
pub(super) mod flags;
pub(super) mod host_network;
pub(super) mod host_ports;
pub(super) mod localhost;
pub(super) mod low_ports;
pub(super) mod names;
pub(super) mod port_forward;
pub(super) mod probes;

use super::{rule, some_of};
