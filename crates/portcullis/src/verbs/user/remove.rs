//! `portcullis user remove`

use clap::Args;
use portcullis_identity::local::{Roster, UserName};

use super::ended;
use crate::{output, verbs::ports::StoreArguments, verdict::Verdict};

/// Let somebody log in no more, and end what is open
///
/// A running proxy closes the connections of this person within a second.
#[derive(Debug, Args)]
pub(crate) struct Remove {
    /// Name
    #[arg(value_name = "NAME")]
    name: UserName,
    #[command(flatten)]
    store: StoreArguments,
}

impl Remove {
    pub(crate) fn run(self) -> anyhow::Result<Verdict> {
        let sessions = Roster::look(&self.store.path()?)?.remove(&self.name)?;
        output::print(&format!("removed {}{}\n", self.name, ended(sessions)))?;
        Ok(Verdict::Fine)
    }
}
