//! `portcullis access policies`: the Cedar policies that decide.

use std::path::PathBuf;

use anyhow::bail;
use clap::Args;
use portcullis_policy::PolicyText;
use serde::Serialize;

use super::{plan_of, services};
use crate::{command_line::Format, output, verdict::Verdict};

/// Print the Cedar policies that decide: what `allow:` and `deny:` become, and your own
#[derive(Debug, Args)]
pub(super) struct Policies {
    /// Name of a service, to see only what decides about it
    service: Option<String>,
    /// Print the schema that policies of your own are held against, instead
    #[arg(long, conflicts_with = "service")]
    schema: bool,
    /// The configuration file [default: portcullis.yaml]
    #[arg(short, long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// How to print
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// A route, and what decides about it.
#[derive(Debug, Serialize)]
struct OfRoute {
    route: String,
    policies: Vec<PolicyText>,
}

impl Policies {
    pub(super) fn run(self) -> anyhow::Result<Verdict> {
        if self.schema {
            output::print(portcullis_policy::SCHEMA)?;
            return Ok(Verdict::Fine);
        }
        let plan = plan_of(self.config)?;
        let set = &plan.policies;
        let is_meant = |service: Option<&str>| self.service.is_none() || service == self.service.as_deref();
        let routes = set.settings().routes.iter().enumerate();
        let found: Vec<OfRoute> = routes
            .filter(|(_, route)| is_meant(route.service.as_deref()))
            .filter_map(|(at, route)| {
                let id = portcullis_policy::RouteId(u32::try_from(at).ok()?);
                Some(OfRoute { route: route.name.clone(), policies: set.policies(id) })
            })
            .collect();
        if let (Some(service), []) = (&self.service, found.as_slice()) {
            bail!("no route leads to a service {service}; there are {}", services(&plan).join(", "));
        }
        match self.format {
            Format::Json => output::print_json(&found)?,
            Format::Text => output::print(&text(&found))?,
        }
        Ok(Verdict::Fine)
    }
}

/// A Cedar file: an own policy that is about several routes stands in it once.
fn text(routes: &[OfRoute]) -> String {
    let mut printed: Vec<&str> = Vec::new();
    let mut texts = Vec::new();
    for OfRoute { route, policies } in routes {
        if policies.is_empty() {
            texts.push(format!("// Nothing permits anything on route {route}.\n"));
        }
        for PolicyText { id, text, place } in policies {
            let Some(place) = place else {
                texts.push(format!("{text}\n"));
                continue;
            };
            if !printed.contains(&id.as_str()) {
                printed.push(id);
                texts.push(format!("// {place}\n{text}\n"));
            }
        }
    }
    texts.join("\n")
}
