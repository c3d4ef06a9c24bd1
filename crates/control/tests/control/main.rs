//! The control plane with a real data plane below it, real sockets, and files that change.

mod admin_ports;
mod harness;
mod reload;
mod watching;
