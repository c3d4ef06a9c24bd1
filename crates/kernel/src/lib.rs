//! Everything that is asked of the Linux kernel: listening sockets, who holds a port, splice, processors, limits.
//!
//! Must not know: configuration, plans, protocols. No runtime: sockets are handed out in their plain form.
//!
//! There is no `unsafe` here: `rustix` and `socket2` have safe calls for all of it.

pub mod cpus;
pub mod holders;
pub mod limits;
pub mod listen;
pub mod splice;
