//! `portcullis token`: keys for programs.

mod create;
mod lifetime;
mod list;
mod record;
mod revoke;

use std::time::{SystemTime, UNIX_EPOCH};

use clap::{Args, Subcommand};

use crate::verdict::Verdict;

const EXAMPLES: &str = "\
Examples:
  portcullis token create ci --group deploy --service shop    good for 90 days and for one service
  KEY=$(portcullis token create backup --expires 30d)         standard output is the key alone
  curl -H \"Authorization: Bearer $KEY\" https://shop.example.com/
  portcullis token list                                       whose, until when, last used when
  portcullis token revoke 3f9a62d1c0b4e857                    by its id, or by the key that somebody found";

/// Make and revoke keys for programs that no identity provider knows
///
/// A key is shown once, when it is made: only a hash of it is kept, in the store. Policies know a program by the name of
/// its key; several keys may have one name, so that one can be exchanged for the next without a gap.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Token {
    #[command(subcommand)]
    verb: TokenVerb,
}

#[derive(Debug, Subcommand)]
#[command(subcommand_value_name = "VERB", subcommand_help_heading = "Verbs")]
enum TokenVerb {
    Create(create::Create),
    List(list::List),
    Revoke(revoke::Revoke),
}

impl Token {
    pub(crate) fn run(self) -> anyhow::Result<Verdict> {
        match self.verb {
            TokenVerb::Create(verb) => verb.run(),
            TokenVerb::List(verb) => verb.run(),
            TokenVerb::Revoke(verb) => verb.run(),
        }
    }
}

/// Seconds since 1970.
fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}
