//! Everything that is asked of the Linux kernel: listening sockets, who holds a port, what a refused connection means,
//! addresses, splice, processors, limits.
//!
//! Must not know: configuration, plans, protocols. No runtime: sockets are handed out in their plain form.
//!
//! There is no `unsafe` here: `rustix` and `socket2` have safe calls for all of it. Tables are read from `/proc`, which
//! needs no privilege for sockets and shows to whom they belong as far as this user may know.

pub mod addresses;
pub mod cpus;
pub mod holders;
pub mod limits;
pub mod listen;
pub mod refused;
mod sockets;
pub mod splice;
pub mod tcp;
