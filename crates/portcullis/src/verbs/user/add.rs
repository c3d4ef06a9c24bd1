//! `portcullis user add`

use clap::Args;
use portcullis_identity::local::{GroupName, Roster, UserName};

use super::typed;
use crate::{output, verbs::ports::StoreArguments, verdict::Verdict};

/// Let somebody log in
#[derive(Debug, Args)]
pub(crate) struct Add {
    /// Name, often an e-mail address; without case
    #[arg(value_name = "NAME")]
    name: UserName,
    /// A group; may be said several times
    #[arg(short, long = "group", value_name = "GROUP")]
    groups: Vec<GroupName>,
    #[command(flatten)]
    store: StoreArguments,
}

impl Add {
    pub(crate) fn run(self) -> anyhow::Result<Verdict> {
        let password = typed::password()?;
        Roster::open(&self.store.path()?)?.add(&self.name, &password, &self.groups)?;
        output::print(&format!("added {}\n", self.name))?;
        Ok(Verdict::Fine)
    }
}
