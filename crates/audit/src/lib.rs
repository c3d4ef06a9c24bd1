//! What was let in and what was refused: a record that can not be changed unseen.
//!
//! Owns: the form of an audit record, the chain of hashes that joins each to the one before, the signatures of its
//! head, verifying them, and asking for records.
//!
//! Must not know: connections, policies, how identities are proven. It is told of a decision and keeps it.
//!
//! Invariants: records are only added; each carries the hash of the one before; a record that was removed, changed or
//! moved is found by `portcullis audit verify`.

mod canonical;
mod chain;
mod csv;
mod error;
mod head;
mod key;
mod moment;
mod query;
mod record;
mod recorder;
mod text;
mod verify;
mod writer;

pub use canonical::Hash;
pub use chain::{Appended, AuditLog, Cut, Damage, append_within};
pub use csv::{CSV_HEADER, csv_line};
pub use error::AuditError;
pub use head::Head;
pub use key::{PublicKey, SigningKey, key_path};
pub use moment::Moment;
pub use query::{Filter, Found, Selection, read};
pub use record::{Action, AuditRecord, Basis, Decision, Event, Kind, Principal};
pub use recorder::{AuditStatus, NotRecorded, Offer, Receipt, Recorder};
pub use text::neutralise;
pub use verify::{Finding, Report, verify_lines, verify_store};
pub use writer::{AuditWriter, Destination, Settings};
