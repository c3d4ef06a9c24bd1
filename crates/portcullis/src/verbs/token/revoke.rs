//! `portcullis token revoke`

use anyhow::bail;
use clap::Args;
use portcullis_config::argument;
use portcullis_identity::keys;
use portcullis_store::{
    Store, StoreError,
    tokens::{TokenRow, Tokens},
};
use serde::Serialize;

use super::{
    now,
    record::{State, TokenRecord},
};
use crate::{command_line::Format, output, verbs::ports::StoreArguments, verdict::Verdict};

/// End keys at once
///
/// A running proxy closes what rests on them within a second. There is no way back: make a new one instead.
#[derive(Debug, Args)]
pub(crate) struct Revoke {
    /// The id of a key, the key itself, or a name: then all keys of that name
    #[arg(value_name = "KEY", required = true)]
    keys: Vec<String>,
    #[command(flatten)]
    store: StoreArguments,
    /// How to print the answer
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

#[derive(Debug, Serialize)]
struct Revoked<'r> {
    revoked: Vec<TokenRecord<'r>>,
}

impl Revoke {
    pub(crate) fn run(self) -> anyhow::Result<Verdict> {
        let path = self.store.path()?;
        let now = now();
        // All or none: a mistake in the second name must not leave the first half done and the reader unsure.
        let rows = Store::open(&path)?.write(|all| self.revoke(&all.tokens(), now))?;
        let revoked: Vec<_> = rows.iter().map(|row| TokenRecord::of(row, now)).collect();
        match self.format {
            Format::Json => output::print_json(&Revoked { revoked })?,
            Format::Text => {
                let line = |record: &TokenRecord<'_>| format!("revoked {} of {}\n", record.id, record.name);
                output::print(&revoked.iter().map(line).collect::<String>())?;
            }
        }
        Ok(Verdict::Fine)
    }

    fn revoke(&self, tokens: &Tokens<'_>, now: u64) -> anyhow::Result<Vec<TokenRow>> {
        let known = tokens.all()?;
        let mut revoked = Vec::new();
        for key in &self.keys {
            let wanted = keys::id_of(key).unwrap_or(key);
            let named = |row: &&TokenRow| row.id == wanted || row.name == wanted;
            if !known.iter().any(|row| named(&row)) {
                bail!("{}", unknown(key, &known));
            }
            for row in known.iter().filter(named) {
                if tokens.revoke(&row.id, now).map_err(|error: StoreError| error)? {
                    revoked.push(TokenRow { revoked: Some(now), ..row.clone() });
                } else if State::of(row, now) == State::Revoked && row.id == wanted {
                    output::note(&format!("{} of {} was revoked before", row.id, row.name));
                }
            }
        }
        Ok(revoked)
    }
}

/// A key that somebody pasted is not printed back.
fn unknown(key: &str, known: &[TokenRow]) -> String {
    if let Some(id) = keys::id_of(key) {
        return format!("there is no key {id} in this store; name the right one with `--store FILE`");
    }
    if key.starts_with(keys::PREFIX) {
        return "that is a part of a key; give its id, the digits after `pct_`, as `portcullis token list` shows it"
            .to_owned();
    }
    let names = known.iter().flat_map(|row| [&*row.name, &*row.id]);
    let meant =
        argument::nearest(key, names).map_or_else(|| ";".to_owned(), |name| format!("; did you mean `{name}`?"));
    format!("there is no key with the id or name {key:?}{meant} `portcullis token list --all` shows those there are")
}
