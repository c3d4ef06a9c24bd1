//! `portcullis access who`: who can reach a service.

use std::path::PathBuf;

use anyhow::bail;
use clap::Args;
use portcullis_policy::RouteAccess;

use super::{joined, open_routes, plan_of, remarks, services};
use crate::{command_line::Format, output, verdict::Verdict};

/// List who can reach a service, route by route
#[derive(Debug, Args)]
pub(super) struct Who {
    /// Name of the service
    service: String,
    /// The configuration file [default: portcullis.yaml]
    #[arg(short, long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// How to print
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

impl Who {
    pub(super) fn run(self) -> anyhow::Result<Verdict> {
        let plan = plan_of(self.config)?;
        let mut routes = plan.policies.who(&self.service);
        routes.extend(open_routes(&plan).filter(|route| route.service.as_deref() == Some(self.service.as_str())));
        if routes.is_empty() && services(&plan).contains(&self.service.as_str()) {
            bail!("no route leads to service {}, so nobody reaches it", self.service);
        }
        if routes.is_empty() {
            bail!("there is no service {}; there are {}", self.service, services(&plan).join(", "));
        }
        match self.format {
            Format::Json => output::print_json(&routes)?,
            Format::Text => output::print(&text(&routes))?,
        }
        Ok(Verdict::Fine)
    }
}

fn text(routes: &[RouteAccess]) -> String {
    let mut table = output::table(["ROUTE", "PORTS", "WHO", ""]);
    for route in routes {
        let who = match (route.anyone, route.conditions.as_slice()) {
            (true, _) => "anyone".to_owned(),
            (false, []) => "nobody, unless a policy says so".to_owned(),
            (false, conditions) => joined(conditions),
        };
        table.add_row([&route.route, &route.ports.join(", "), &who, &remarks(&route.except, &route.policies)]);
    }
    format!("{}\n", table.trim_fmt())
}
