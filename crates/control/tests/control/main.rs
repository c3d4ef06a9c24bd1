//! The control plane with a real data plane below it, real sockets, and files that change.

#![allow(clippy::unwrap_used, reason = "a test that can not go on ends there, and says where")]

mod admin_ports;
mod harness;
mod reload;
mod watching;
