//! What is really open, held against what is declared.
//!
//! Owns: the checks on a running machine and what they report. Three groups: the inventory (what the kernel's tables
//! say), reachability (what can be connected to, and what it speaks) and attacks (what gets past a port that should
//! not).
//!
//! Must not know: how the proxy works inside, how reports are shown. It reads the declaration and the kernel, and speaks
//! to ports as a stranger would.
//!
//! Invariants: nothing is sent to an address that is neither of this host nor named by the caller; every run is bounded
//! in time, connections and bytes; a check that could not be made is `unknown`, never passed.

pub mod attack;
pub mod bounds;
pub mod check;
pub mod estate;
pub mod inventory;
pub mod outcome;
pub mod output;
pub mod permit;
pub mod reach;
pub mod report;
pub mod run;
pub mod watch;
mod wire;
