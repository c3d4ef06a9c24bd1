//! `portcullis token list`

use clap::Args;
use portcullis_store::{Store, StoreError, tokens::TokenRow};
use serde::Serialize;

use super::{
    now,
    record::{State, TokenRecord},
};
use crate::{command_line::Format, output, verbs::ports::StoreArguments, verdict::Verdict};

/// Show whose keys there are, until when, and when they were last used
///
/// Keys that have expired or were revoked are shown with `--all`. The keys themselves are not kept, so they can not be shown.
#[derive(Debug, Args)]
pub(crate) struct List {
    /// Those that have expired or were revoked, too
    #[arg(short, long)]
    all: bool,
    #[command(flatten)]
    store: StoreArguments,
    /// How to print the answer
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

#[derive(Debug, Serialize)]
struct Listing<'r> {
    tokens: Vec<TokenRecord<'r>>,
}

impl List {
    pub(crate) fn run(self) -> anyhow::Result<Verdict> {
        let now = now();
        let mut rows = self.rows()?;
        rows.retain(|row| self.all || State::of(row, now) == State::Active);
        let tokens: Vec<_> = rows.iter().map(|row| TokenRecord::of(row, now)).collect();
        match self.format {
            Format::Json => output::print_json(&Listing { tokens })?,
            Format::Text => output::print(&text(&tokens))?,
        }
        Ok(Verdict::Fine)
    }

    /// To look is not to make: a store that is not there has no keys.
    fn rows(&self) -> anyhow::Result<Vec<TokenRow>> {
        let path = self.store.path()?;
        if !path.try_exists()? {
            return Ok(Vec::new());
        }
        Ok(Store::open(&path)?.read(|all| all.tokens().all()).map_err(|error: StoreError| error)?)
    }
}

fn text(tokens: &[TokenRecord<'_>]) -> String {
    if tokens.is_empty() {
        return "no key; make one with `portcullis token create NAME`\n".to_owned();
    }
    let mut table = output::table(["ID", "NAME", "STATE", "GROUPS", "SERVICES", "ENDS", "LAST USED"]);
    let list = |names: &[String]| if names.is_empty() { "-".to_owned() } else { names.join(", ") };
    for token in tokens {
        table.add_row([
            token.id.to_owned(),
            token.name.to_owned(),
            token.state.word().to_owned(),
            list(token.groups),
            token.services.map_or_else(|| "all".to_owned(), list),
            token.expires.clone().unwrap_or_else(|| "never".to_owned()),
            token.used.clone().unwrap_or_else(|| "never".to_owned()),
        ]);
    }
    format!("{table}\n")
}
