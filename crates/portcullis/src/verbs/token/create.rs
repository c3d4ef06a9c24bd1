//! `portcullis token create`

use clap::Args;
use portcullis_config::argument;
use portcullis_identity::keys::NewKey;
use portcullis_store::{Store, StoreError, tokens::TokenRow};
use serde::Serialize;

use super::{lifetime::Lifetime, now, record::TokenRecord};
use crate::{command_line::Format, output, verbs::ports::StoreArguments, verdict::Verdict};

/// Make a key
///
/// Prints the key alone, so that it can be piped to where it belongs. It can not be shown again.
#[derive(Debug, Args)]
pub(crate) struct Create {
    /// Whose it is: the name by which policies know the program
    #[arg(value_name = "NAME", value_parser = argument::name)]
    name: String,
    /// A group that it is in; may be given several times
    #[arg(long = "group", value_name = "NAME", value_parser = group)]
    groups: Vec<String>,
    /// A service that it may be used for; may be given several times [default: all that the policy allows]
    #[arg(long = "service", value_name = "NAME", value_parser = argument::name)]
    services: Vec<String>,
    /// When it ends: 30d, 12h, or never
    #[arg(long, value_name = "DURATION", default_value = "90d")]
    expires: Lifetime,
    #[command(flatten)]
    store: StoreArguments,
    /// How to print the answer
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// What is shown once.
#[derive(Debug, Serialize)]
struct Created<'r> {
    token: &'r str,
    #[serde(flatten)]
    record: TokenRecord<'r>,
}

impl Create {
    pub(crate) fn run(mut self) -> anyhow::Result<Verdict> {
        let path = self.store.path()?;
        let new = NewKey::make().map_err(anyhow::Error::msg)?;
        for names in [&mut self.groups, &mut self.services] {
            names.sort_unstable();
            names.dedup();
        }
        let now = now();
        let row = TokenRow {
            id: new.id.into(),
            name: self.name,
            hash: new.hash,
            groups: self.groups,
            services: (!self.services.is_empty()).then_some(self.services),
            created: now,
            expires: self.expires.end(now),
            used: None,
            revoked: None,
        };
        Store::open(&path)?.write(|all| all.tokens().add(&row)).map_err(|error: StoreError| error)?;
        let record = TokenRecord::of(&row, now);
        match self.format {
            Format::Json => output::print_json(&Created { token: new.token.expose(), record })?,
            Format::Text => {
                output::print(&format!("{}\n", new.token.expose()))?;
                let end = record.expires.as_ref().map_or_else(|| "never ends".to_owned(), |end| format!("ends {end}"));
                output::note(&format!(
                    "this is shown once; revoke it with `portcullis token revoke {}`; it {end}",
                    row.id
                ));
            }
        }
        Ok(Verdict::Fine)
    }
}

/// Groups are kept one on each line, and printed.
fn group(text: &str) -> Result<String, String> {
    const LONGEST: usize = 128;
    if text.trim() != text || text.is_empty() || text.len() > LONGEST || text.contains(char::is_control) {
        return Err(format!("expected a name of at most {LONGEST} bytes, without blanks around it"));
    }
    Ok(text.to_owned())
}
