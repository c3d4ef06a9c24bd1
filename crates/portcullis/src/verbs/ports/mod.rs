//! `portcullis ports`: who has which internal port.

mod allocate;
mod exec;
mod explain;
mod list;
mod place;
mod records;
mod release;
mod reserve;

use clap::{Args, Subcommand};
pub(crate) use place::StoreArguments;
pub(crate) use records::{end, moment};

use crate::verdict::Verdict;

const EXAMPLES: &str = "\
Examples:
  portcullis ports allocate --service shop --replicas 3    the same three numbers each time
  portcullis ports exec --service shop -- ./server         the server gets its socket, as from systemd
  portcullis ports exec --service shop --env-only -- ./server --port '${PORT}'
  portcullis ports list                                    who has what, and for how long
  portcullis ports explain 3001                            everything that is known about a number
  portcullis ports reserve 3050-3059 --reason 'old printers'
  portcullis ports release 3001";

/// Hand out internal ports, remember whose they are, and tell why
///
/// Numbers come from the `ranges:` of the file. The same service, environment and replica get the same number again. A
/// number that anybody has, by a listening socket, an outbound connection or one that has just ended, is never handed
/// out. What was handed out is remembered in the store.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Ports {
    #[command(subcommand)]
    verb: PortsVerb,
}

#[derive(Debug, Subcommand)]
#[command(subcommand_value_name = "VERB", subcommand_help_heading = "Verbs")]
enum PortsVerb {
    Allocate(allocate::Allocate),
    Exec(exec::Exec),
    List(list::List),
    Release(release::Release),
    Reserve(reserve::Reserve),
    Explain(explain::Explain),
}

impl Ports {
    pub(crate) fn run(self) -> anyhow::Result<Verdict> {
        match self.verb {
            PortsVerb::Allocate(verb) => verb.run(),
            PortsVerb::Exec(verb) => verb.run(),
            PortsVerb::List(verb) => verb.run(),
            PortsVerb::Release(verb) => verb.run(),
            PortsVerb::Reserve(verb) => verb.run(),
            PortsVerb::Explain(verb) => verb.run(),
        }
    }
}
