//! `portcullis access`: who can reach what, read from the file; and access that somebody asks for.

mod grants;
mod policies;
mod what;
mod who;

use std::path::PathBuf;

use anyhow::bail;
use clap::{Args, Subcommand};
use portcullis_control::{Reading, Rejection};
use portcullis_plan::{self as plan, Action, Plan};
use portcullis_policy::{OwnSay, Requirement, RouteAccess};

use crate::{file, verdict::Verdict};

const EXAMPLES: &str = "\
Examples:
  portcullis access who ledger                              who can reach a service, and through which ports
  portcullis access what alice@example.com --groups dba     what somebody can reach
  portcullis access what                                    what somebody can reach who proves nothing
  portcullis access policies ledger                         the Cedar policies that decide
  portcullis access request ledger --as alice@example.com --for 2h --reason 'ticket 4711'
  portcullis access list                                    what waits for an answer, and what holds
  portcullis access approve g-0123456789ab --as boss@example.com --groups leads
  portcullis access revoke g-0123456789ab                   open connections that rest on it are closed";

/// List who can reach a service and what somebody can reach; ask for access, and approve it
///
/// Answers come from the same policies that the proxy decides by. What depends on the request (address, hour,
/// certificate, grant) is named as a condition.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Access {
    #[command(subcommand)]
    verb: AccessVerb,
}

#[derive(Debug, Subcommand)]
#[command(subcommand_value_name = "VERB", subcommand_help_heading = "Verbs")]
enum AccessVerb {
    Who(who::Who),
    What(what::What),
    Policies(policies::Policies),
    Request(grants::Request),
    List(grants::List),
    Approve(grants::Approve),
    Refuse(grants::Refuse),
    Revoke(grants::Revoke),
}

impl Access {
    pub(crate) fn run(self) -> anyhow::Result<Verdict> {
        match self.verb {
            AccessVerb::Who(verb) => verb.run(),
            AccessVerb::What(verb) => verb.run(),
            AccessVerb::Policies(verb) => verb.run(),
            AccessVerb::Request(verb) => verb.run(),
            AccessVerb::List(verb) => verb.run(),
            AccessVerb::Approve(verb) => verb.run(),
            AccessVerb::Refuse(verb) => verb.run(),
            AccessVerb::Revoke(verb) => verb.run(),
        }
    }
}

/// The plan that the file would run as.
fn plan_of(config: Option<PathBuf>) -> anyhow::Result<Plan> {
    let path = file::existing(config)?;
    let reading = Reading::of(&path);
    let registries = reading.registries();
    match reading.compile(&registries) {
        Ok(candidate) => Ok(candidate.plan),
        Err(Rejection::Findings { .. }) => {
            bail!("{} does not load; `portcullis check {0}` says why", path.display())
        }
        Err(other) => Err(other.into()),
    }
}

/// Services of the plan, for an error that names them.
fn services(plan: &Plan) -> Vec<&str> {
    plan.services.iter().map(|service| &*service.name).collect()
}

/// The routes through which everyone passes, port by port: no policy has a say in them, so none knows them.
fn open_routes(plan: &Plan) -> impl Iterator<Item = RouteAccess> {
    let routes = plan.ports.iter().flat_map(|port| port.routes.routes().map(move |route| (port, route)));
    routes.filter(|(_, route)| matches!(route.access, plan::Access::Open)).map(|(port, route)| RouteAccess {
        route: route.name.to_string(),
        ports: vec![port.name.to_string()],
        service: match &route.action {
            Action::Forward(service) => Some(service.name.to_string()),
            Action::Redirect(_) | Action::Respond(_) => None,
        },
        anyone: true,
        conditions: Vec::new(),
        except: Vec::new(),
        policies: Vec::new(),
    })
}

/// `groups dba or ops, from 10.0.0.0/8`
fn joined(requirements: &[Requirement]) -> String {
    requirements.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

/// `except users mallory; policies/base.cedar:3 may refuse`
fn remarks(except: &[Requirement], policies: &[OwnSay]) -> String {
    let mut remarks = Vec::new();
    if !except.is_empty() {
        let each: Vec<String> = except.iter().map(ToString::to_string).collect();
        remarks.push(format!("except {}", each.join(" or ")));
    }
    for OwnSay { permits, policy } in policies {
        remarks.push(format!("{policy} may {}", if *permits { "let pass" } else { "refuse" }));
    }
    remarks.join("; ")
}
