//! `portcullis access what`: what somebody can reach.

use std::path::PathBuf;

use clap::Args;
use portcullis_policy::{Answer, Reach};

use super::{joined, open_routes, plan_of, remarks};
use crate::{command_line::Format, output, sender::Traits, verdict::Verdict};

/// List what somebody can reach, route by route
#[derive(Debug, Args)]
pub(super) struct What {
    /// The sender: an e-mail address or a subject, `provider:name` of one provider; without it, one that proves nothing
    principal: Option<String>,
    #[command(flatten)]
    traits: Traits,
    /// The configuration file [default: portcullis.yaml]
    #[arg(short, long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// How to print
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

impl What {
    pub(super) fn run(self) -> anyhow::Result<Verdict> {
        let plan = plan_of(self.config)?;
        let providers = &plan.policies.settings().providers;
        let identity = self.traits.identity(self.principal.as_deref(), providers)?;
        let mut reaches = plan.policies.what(identity.as_ref());
        reaches.extend(open_routes(&plan).map(|open| Reach {
            route: open.route,
            ports: open.ports,
            service: open.service,
            answer: Answer::Yes,
            conditions: Vec::new(),
            except: Vec::new(),
            policies: Vec::new(),
            changes: Vec::new(),
        }));
        match self.format {
            Format::Json => output::print_json(&reaches)?,
            Format::Text => output::print(&text(&reaches))?,
        }
        Ok(Verdict::Fine)
    }
}

fn text(reaches: &[Reach]) -> String {
    let mut table = output::table(["SERVICE", "ROUTE", "PORTS", "REACHES", ""]);
    for reach in reaches {
        let service = reach.service.as_deref().unwrap_or("-");
        let (answer, what) = match reach.answer {
            Answer::Yes if reach.conditions.is_empty() => ("yes", remarks(&reach.except, &reach.policies)),
            Answer::Yes => {
                let remarks = remarks(&reach.except, &reach.policies);
                let conditions = format!("if {}", joined(&reach.conditions));
                ("yes", if remarks.is_empty() { conditions } else { format!("{conditions}; {remarks}") })
            }
            Answer::ByPolicy => ("maybe", remarks(&reach.except, &reach.policies)),
            Answer::No => {
                let changes: Vec<String> = reach.changes.iter().map(ToString::to_string).collect();
                ("no", changes.join(", "))
            }
        };
        table.add_row([service, &reach.route, &reach.ports.join(", "), answer, &what]);
    }
    format!("{}\n", table.trim_fmt())
}
