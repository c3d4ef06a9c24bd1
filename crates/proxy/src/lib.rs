//! The data plane: from accept to log, on one thread for each core.
//!
//! Owns: connections and everything that happens on them. [`flow`] is the map: it reads top to bottom in the order in
//! which things happen, and each step is one call into the module that owns it.
//!
//! Must not know: configuration files, the admin API, where plans come from. It runs the [`portcullis_plan::Plan`]
//! that it is given, and takes a new one between two requests.
//!
//! Invariants: a connection lives and dies on one worker; no lock and no shared counter on the way of a request; every
//! buffer is bounded; a message with two readings is never forwarded.

mod admission;
mod answer;
mod arrive;
mod assert;
mod attempt;
mod audit;
mod authenticate;
mod authorise;
mod body;
mod buffer;
mod callers;
pub mod clock;
mod connect;
mod cookies;
mod data_plane;
mod deadline;
mod downstream;
mod exchange;
mod failure;
mod flow;
mod forward;
mod granted;
mod io;
mod listening;
mod log_gate;
mod pages;
mod pool;
mod refusal;
mod respond;
mod session;
mod story;
mod tell;
mod transform;
mod tunnel;
mod unproven;
mod upstream;
mod visit;
mod watch;
mod worker;

pub use data_plane::{Change, DataPlane, PortSockets, Start};
