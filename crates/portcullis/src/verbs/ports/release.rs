//! `portcullis ports release`

use clap::{ArgGroup, Args};
use portcullis_config::{argument, declared::PortSpan};
use portcullis_ports::{Lease, Memory, Selection};
use serde::Serialize;

use super::{
    place::{ConfigArguments, StoreArguments},
    records::{LeaseRecord, ReservationRecord},
};
use crate::{command_line::Format, output, verdict::Verdict};

/// Give numbers back: leases, and reservations
///
/// A service that asks again gets the same number again, as long as it can be had; `--forget` ends that, too. What a
/// running process holds (`portcullis ports exec`) is released when the process ends, and not before.
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("meant").args(["ports", "service"]).required(true))]
pub(crate) struct Release {
    /// Numbers, whosever they are: 3001, 3050-3059
    #[arg(value_name = "PORTS", value_parser = argument::ports)]
    ports: Vec<PortSpan>,
    /// All numbers of this service of the file
    #[arg(short, long, value_name = "NAME", value_parser = argument::name)]
    service: Option<String>,
    /// Of this environment alone
    #[arg(short, long, value_name = "NAME", requires = "service", value_parser = argument::name)]
    environment: Option<String>,
    /// Of this replica alone
    #[arg(short, long, value_name = "NUMBER", requires = "service", value_parser = argument::number::<u32>(0..=999))]
    replica: Option<u32>,
    /// Do not remember whose they were
    #[arg(long)]
    forget: bool,
    #[command(flatten)]
    config: ConfigArguments,
    #[command(flatten)]
    store: StoreArguments,
    /// How to print the answer
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// What was ended.
#[derive(Debug, Serialize)]
struct Released<'a> {
    leases: Vec<LeaseRecord<'a>>,
    reservations: Vec<ReservationRecord<'a>>,
    forgotten: Vec<LeaseRecord<'a>>,
}

impl Release {
    pub(crate) fn run(self) -> anyhow::Result<Verdict> {
        let selection = match self.service {
            Some(service) => Selection::Service {
                project: self.config.project_name(),
                service,
                environment: self.environment,
                replica: self.replica,
            },
            None => Selection::Ports(self.ports),
        };
        let memory = if self.forget { Memory::Forget } else { Memory::Keep };
        let released = self.store.look()?.release(&selection, memory)?;
        match self.format {
            Format::Json => output::print_json(&Released {
                leases: LeaseRecord::all(&released.leases),
                reservations: released.reservations.iter().map(ReservationRecord::of).collect(),
                forgotten: LeaseRecord::all(&released.remembered),
            })?,
            Format::Text => {
                let lease = |verb: &str, lease: &Lease| format!("{verb} {}: {}\n", lease.place.port, lease.owner);
                let leases = released.leases.iter().map(|found| lease("released", found));
                let forgotten = released.remembered.iter().map(|found| lease("forgot", found));
                let reservations =
                    released.reservations.iter().map(|found| format!("released {}: {}\n", found.ports, found.reason));
                output::print(&leases.chain(forgotten).chain(reservations).collect::<String>())?;
            }
        }
        Ok(Verdict::Fine)
    }
}
