//! The embedded store: one SQLite file in which Portcullis remembers what must outlive a process.
//!
//! Owns: where the file lies, who may read it, how it is opened, its schema and the way from an older schema to this
//! one, and the rows of each table ([`audit`], [`grants`], [`leases`], [`reservations`], [`keys`], [`sessions`],
//! [`tokens`], [`users`]).
//!
//! Must not know: what the rows mean. Which port is free, when a lease ends and who may have it is decided by the
//! crates above; the store keeps what they say, all of it or nothing.
//!
//! Invariants: the file is readable by its owner alone; every change is one transaction, which a crash at any moment
//! leaves done or not begun; several processes may use the file at once, and writers wait for each other.

pub mod audit;
mod error;
pub mod grants;
pub mod keys;
pub mod leases;
mod migrations;
mod open;
mod place;
pub mod reservations;
pub mod sessions;
pub mod tokens;
mod transaction;
pub mod users;

pub use error::StoreError;
pub use open::Store;
pub use place::{Place, default_place};
pub use transaction::Transaction;
