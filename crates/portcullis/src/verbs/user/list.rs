//! `portcullis user list`

use std::time::{Duration, UNIX_EPOCH};

use clap::Args;
use portcullis_identity::local::{Roster, User};
use serde::Serialize;

use crate::{
    command_line::Format,
    output,
    verbs::ports::{StoreArguments, moment},
    verdict::Verdict,
};

/// Show who may log in with a password
#[derive(Debug, Args)]
pub(crate) struct List {
    #[command(flatten)]
    store: StoreArguments,
    /// How to print the answer
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

#[derive(Debug, Serialize)]
struct Record<'a> {
    name: &'a str,
    groups: &'a [String],
    /// In seconds since 1970.
    created: u64,
    password_changed: u64,
    sessions: usize,
}

impl List {
    pub(crate) fn run(self) -> anyhow::Result<Verdict> {
        let users = Roster::look(&self.store.path()?)?.list()?;
        match self.format {
            Format::Json => output::print_json(&users.iter().map(record).collect::<Vec<_>>())?,
            Format::Text if users.is_empty() => {
                output::print("nobody; add somebody with `portcullis user add NAME`\n")?;
            }
            Format::Text => output::print(&table(&users))?,
        }
        Ok(Verdict::Fine)
    }
}

fn record(user: &User) -> Record<'_> {
    Record {
        name: &user.name,
        groups: &user.groups,
        created: user.created,
        password_changed: user.changed,
        sessions: user.sessions,
    }
}

fn table(users: &[User]) -> String {
    let mut table = output::table(["NAME", "GROUPS", "SINCE", "PASSWORD SET", "SESSIONS"]);
    let at = |seconds| moment(UNIX_EPOCH + Duration::from_secs(seconds));
    for user in users {
        let groups = if user.groups.is_empty() { "-".to_owned() } else { user.groups.join(", ") };
        let (since, changed) = (at(user.created), at(user.changed));
        table.add_row([user.name.to_string(), groups, since, changed, user.sessions.to_string()]);
    }
    format!("{table}\n")
}
