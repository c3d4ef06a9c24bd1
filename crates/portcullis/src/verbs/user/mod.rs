//! `portcullis user`: people that the proxy itself knows.

mod add;
mod groups;
mod list;
mod password;
mod remove;
mod typed;

use clap::{Args, Subcommand};

use crate::verdict::Verdict;

const EXAMPLES: &str = "\
Examples:
  portcullis user add alice@example.com --group dba     asks for the password, and shows nothing of it
  portcullis user add bob < password.txt                the first line of standard input
  portcullis user groups alice@example.com dba staff    in exactly these; holds at once, also where she is logged in
  portcullis user list
  portcullis user password bob                          another password; ends his sessions
  portcullis user remove bob                            ends his sessions and what is open with them";

/// Keep the people who log in with a password (`local: true` under `identity:`)
///
/// A password is never an argument: others on the machine would see it. Only its hash is kept, in the store.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct User {
    #[command(subcommand)]
    verb: UserVerb,
}

#[derive(Debug, Subcommand)]
#[command(subcommand_value_name = "VERB", subcommand_help_heading = "Verbs")]
enum UserVerb {
    Add(add::Add),
    List(list::List),
    Remove(remove::Remove),
    Password(password::Password),
    Groups(groups::Groups),
}

impl User {
    pub(crate) fn run(self) -> anyhow::Result<Verdict> {
        match self.verb {
            UserVerb::Add(verb) => verb.run(),
            UserVerb::List(verb) => verb.run(),
            UserVerb::Remove(verb) => verb.run(),
            UserVerb::Password(verb) => verb.run(),
            UserVerb::Groups(verb) => verb.run(),
        }
    }
}

/// How many sessions something has ended: `; 2 sessions ended`.
fn ended(sessions: usize) -> String {
    match sessions {
        0 => String::new(),
        1 => "; 1 session ended".to_owned(),
        more => format!("; {more} sessions ended"),
    }
}
