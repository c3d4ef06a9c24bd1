//! `portcullis user password`

use clap::Args;
use portcullis_identity::local::{Roster, UserName};

use super::{ended, typed};
use crate::{output, verbs::ports::StoreArguments, verdict::Verdict};

/// Set another password, and end the sessions that began with the old one
#[derive(Debug, Args)]
pub(crate) struct Password {
    /// Name
    #[arg(value_name = "NAME")]
    name: UserName,
    #[command(flatten)]
    store: StoreArguments,
}

impl Password {
    pub(crate) fn run(self) -> anyhow::Result<Verdict> {
        let password = typed::password()?;
        let sessions = Roster::look(&self.store.path()?)?.set_password(&self.name, &password)?;
        output::print(&format!("changed the password of {}{}\n", self.name, ended(sessions)))?;
        Ok(Verdict::Fine)
    }
}
