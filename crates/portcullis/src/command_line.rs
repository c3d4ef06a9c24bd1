//! The arguments of the program, as `clap` reads them. Each verb brings its own.

use clap::{Parser, Subcommand, ValueEnum};

use crate::{
    verbs::{
        access, audit, check, connect, drain, explain, generate, import, init, map, ports, probe, reload, run, schema,
        status, token, user,
    },
    verdict::Verdict,
};

const EXAMPLES: &str = "\
Examples:
  portcullis check portcullis.yaml     what is wrong with the file, before any socket is opened
  portcullis run portcullis.yaml       the proxy, in the foreground
  portcullis map --live                which port leads where, and whether it is so
  portcullis probe portcullis.yaml     what is really open, held against the file
  portcullis status                    ports, services and endpoints of the running proxy
  portcullis reload                    take on the edited file, or say why not

Exit codes: 0 fine, 1 findings, 2 could not do it.";

/// Access proxy and load balancer in which ports are policy.
#[derive(Debug, Parser)]
#[command(name = "portcullis", version = env!("PORTCULLIS_VERSION"), about, after_help = EXAMPLES, disable_help_subcommand = true)]
#[command(max_term_width = 100, subcommand_value_name = "VERB", subcommand_help_heading = "Verbs")]
pub(crate) struct CommandLine {
    #[command(subcommand)]
    pub(crate) verb: Verb,
}

/// What the program can do.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    Run(run::Run),
    Check(check::Check),
    Explain(explain::Explain),
    Access(access::Access),
    Map(map::Map),
    Generate(generate::Generate),
    Init(init::Init),
    Import(import::Import),
    Probe(probe::Probe),
    Ports(ports::Ports),
    Schema(schema::Schema),
    Audit(audit::Audit),
    Connect(connect::Connect),
    Status(status::Status),
    Token(token::Token),
    Reload(reload::Reload),
    Drain(drain::Drain),
    User(user::User),
}

impl Verb {
    /// Does it.
    pub(crate) fn run(self) -> anyhow::Result<Verdict> {
        match self {
            Self::Run(verb) => verb.run(),
            Self::Check(verb) => verb.run(),
            Self::Explain(verb) => verb.run(),
            Self::Access(verb) => verb.run(),
            Self::Map(verb) => verb.run(),
            Self::Generate(verb) => verb.run(),
            Self::Init(verb) => verb.run(),
            Self::Import(verb) => verb.run(),
            Self::Probe(verb) => verb.run(),
            Self::Ports(verb) => verb.run(),
            Self::Schema(verb) => verb.run(),
            Self::Audit(verb) => verb.run(),
            Self::Connect(verb) => verb.run(),
            Self::Status(verb) => verb.run(),
            Self::Token(verb) => verb.run(),
            Self::Reload(verb) => verb.run(),
            Self::Drain(verb) => verb.run(),
            Self::User(verb) => verb.run(),
        }
    }
}

/// For whom the output is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(crate) enum Format {
    /// For people.
    #[default]
    Text,
    /// For programs.
    Json,
}

#[cfg(test)]
mod tests {
    use clap::{Command, CommandFactory};

    use super::*;

    #[test]
    fn the_definition_holds_together() {
        CommandLine::command().debug_assert();
    }

    #[test]
    fn the_reference_names_every_verb_and_every_option() {
        let page = include_str!("../../../docs/reference/command-line.md");
        let command = CommandLine::command();
        for verb in command.get_subcommands().map(Command::get_name) {
            assert!(page.contains(&format!("## `portcullis {verb}`")), "{verb} is missing");
        }
        for verb in command.get_subcommands() {
            let section = page.split(&format!("## `portcullis {}`", verb.get_name())).nth(1).unwrap();
            let section = section.split("\n## ").next().unwrap();
            for verb in verb.get_subcommands().chain([verb]) {
                for option in verb.get_arguments().filter_map(|argument| argument.get_long()) {
                    assert!(section.contains(&format!("`--{option}")), "--{option} of {} is missing", verb.get_name());
                }
            }
        }
    }
}
