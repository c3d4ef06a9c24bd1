//! What was let in and what was refused: a record that can not be changed unseen.
//!
//! Owns: the form of an audit record, the chain of hashes that joins each to the one before, the signatures of its
//! head, verifying them, and asking for records.
//!
//! Must not know: connections, policies, how identities are proven. It is told of a decision and keeps it.
//!
//! Invariants: records are only added; each carries the hash of the one before; a record that was removed, changed or
//! moved is found by `portcullis audit verify`.
