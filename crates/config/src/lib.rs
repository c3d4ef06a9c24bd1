//! The file: what is declared, with the place of every word, and everything that can be said against it.
//!
//! Owns: reading `portcullis.yaml` and its includes into [`declared::Declared`], the checks on it, the findings and
//! how they are shown, the JSON Schema, the normal form of paths, and the built-in defaults (as numbers; the plan
//! applies them).
//!
//! Must not know: what runs. No socket is opened here, no certificate is parsed, no name is resolved, no default is
//! filled in.

pub mod declared;
pub mod defaults;
pub mod finding;
pub mod path;
pub mod rule;
pub mod secret;
pub mod sources;
pub mod span;
