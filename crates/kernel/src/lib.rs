//! Everything that is asked of the Linux kernel: listening sockets, what is open and who holds a port, what a refused
//! connection means, network namespaces, addresses, splice, processors, limits.
//!
//! Must not know: configuration, plans, protocols. No runtime: sockets are handed out in their plain form.
//!
//! There is no `unsafe` here: `rustix` and `socket2` have safe calls for all of it. The table of sockets is asked for by
//! netlink, and `/proc` shows to whom they belong as far as this user may know; neither needs a privilege.

pub mod addresses;
pub mod cpus;
pub mod hand_over;
pub mod holders;
pub mod instance;
pub mod inventory;
pub mod lifetime;
pub mod limits;
pub mod listen;
pub mod namespace;
pub mod occupancy;
mod processes;
pub mod refused;
pub mod settings;
pub mod splice;
mod table;
pub mod tcp;
pub mod who;
