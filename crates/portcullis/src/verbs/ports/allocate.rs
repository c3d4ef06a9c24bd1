//! `portcullis ports allocate`

use std::time::Duration;

use clap::Args;
use portcullis_config::argument;
use portcullis_ports::{Allocation, Outcome};

use super::{
    place::{ConfigArguments, ServiceArguments, StoreArguments, or_findings},
    records::{AllocationRecord, end, outcome},
};
use crate::{command_line::Format, output, verdict::Verdict};

/// Give each replica of a service its number
///
/// The same number each time, also after a restart and when there are more replicas. With fewer replicas, the numbers of
/// the last ones are taken back. A service's declared `port` or `ports` come first; further replicas take theirs from the
/// automatic band of its range.
#[derive(Debug, Args)]
pub(crate) struct Allocate {
    #[command(flatten)]
    service: ServiceArguments,
    /// How many replicas there are; without it as many as have a port now, and one at least
    #[arg(short, long, value_name = "COUNT", value_parser = argument::number::<u32>(1..=1000))]
    replicas: Option<u32>,
    /// End the leases after this time, unless they are asked for again by then
    #[arg(long = "for", value_name = "DURATION", value_parser = argument::duration)]
    duration: Option<Duration>,
    /// Print the numbers alone, one for each replica
    #[arg(short, long, conflicts_with = "format")]
    numbers: bool,
    #[command(flatten)]
    config: ConfigArguments,
    #[command(flatten)]
    store: StoreArguments,
    /// How to print the answer
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

impl Allocate {
    pub(crate) fn run(self) -> anyhow::Result<Verdict> {
        let project = match self.config.project() {
            Ok(project) => project,
            Err(error) => return or_findings(error),
        };
        let demand = self.service.demand(&project)?;
        let allocation = self.store.open()?.allocate(&demand, self.replicas, self.duration)?;
        match (self.format, self.numbers) {
            (Format::Json, _) => output::print_json(&AllocationRecord::of(&allocation))?,
            (Format::Text, true) => output::print(&numbers(&allocation))?,
            (Format::Text, false) => output::print(&text(&allocation))?,
        }
        Ok(Verdict::Fine)
    }
}

fn numbers(allocation: &Allocation) -> String {
    let numbers = allocation.ports.iter().map(|allocated| allocated.lease.place.port.to_string());
    numbers.chain([String::new()]).collect::<Vec<_>>().join("\n")
}

fn text(allocation: &Allocation) -> String {
    let mut table = output::table(["REPLICA", "PORT", "RANGE", "ENDS", ""]);
    for allocated in &allocation.ports {
        let lease = &allocated.lease;
        let how = match allocated.outcome {
            Outcome::Moved { from } => format!("moved from {from}, which something else has taken"),
            other => outcome(other).to_owned(),
        };
        table.add_row([
            lease.owner.replica.to_string(),
            lease.place.port.to_string(),
            lease.range.clone().unwrap_or_else(|| "-".to_owned()),
            end(lease),
            how,
        ]);
    }
    let reclaimed = allocation
        .reclaimed
        .iter()
        .map(|lease| format!("taken back: {} of replica {}\n", lease.place.port, lease.owner.replica));
    let still_held = allocation.still_held.iter().map(|lease| {
        format!("not taken back: {} of replica {}, which ends {}\n", lease.place.port, lease.owner.replica, end(lease))
    });
    format!("{table}\n") + &reclaimed.chain(still_held).collect::<String>()
}
