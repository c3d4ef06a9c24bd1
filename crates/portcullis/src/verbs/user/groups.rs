//! `portcullis user groups`

use clap::Args;
use portcullis_identity::local::{GroupName, Roster, UserName};

use crate::{output, verbs::ports::StoreArguments, verdict::Verdict};

/// Say in which groups somebody is: exactly these
///
/// It holds at once, also for sessions that are open.
#[derive(Debug, Args)]
#[expect(clippy::struct_field_names, reason = "the field is the name of the argument")]
pub(crate) struct Groups {
    /// Name
    #[arg(value_name = "NAME")]
    name: UserName,
    /// The groups; none: in no group
    #[arg(value_name = "GROUP")]
    groups: Vec<GroupName>,
    #[command(flatten)]
    store: StoreArguments,
}

impl Groups {
    pub(crate) fn run(self) -> anyhow::Result<Verdict> {
        Roster::look(&self.store.path()?)?.set_groups(&self.name, &self.groups)?;
        let names: Vec<_> = self.groups.iter().map(ToString::to_string).collect();
        let groups = if names.is_empty() { "no group".to_owned() } else { names.join(", ") };
        output::print(&format!("{} is in {groups}\n", self.name))?;
        Ok(Verdict::Fine)
    }
}
