//! `portcullis audit key`

use clap::Args;
use portcullis_audit::{SigningKey, key_path};
use serde::Serialize;

use super::selection::Place;
use crate::{command_line::Format, output, verdict::Verdict};

/// Print the public key that verifies the signatures
///
/// An Ed25519 key in PEM. Keep it where whoever can write to the store can not: then they can not put another key in
/// its place.
#[derive(Debug, Args)]
pub(super) struct Key {
    #[command(flatten)]
    place: Place,
    /// How to print it
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

#[derive(Debug, Serialize)]
struct Answer {
    /// How signed heads name it.
    key: String,
    public_key: String,
}

impl Key {
    pub(super) fn run(self) -> anyhow::Result<Verdict> {
        let key = SigningKey::load(&key_path(&self.place.path()?))?.public();
        match self.format {
            Format::Json => output::print_json(&Answer { key: key.id(), public_key: key.to_pem() })?,
            Format::Text => output::print(&key.to_pem())?,
        }
        Ok(Verdict::Fine)
    }
}
