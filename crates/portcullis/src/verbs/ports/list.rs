//! `portcullis ports list`

use clap::Args;
use portcullis_config::{argument, declared::Transport};
use portcullis_ports::{Lease, Standing};
use serde::Serialize;

use super::{
    place::StoreArguments,
    records::{LeaseRecord, ReservationRecord, end, moment},
};
use crate::{command_line::Format, output, verdict::Verdict};

/// Show who has which number
///
/// Leases and reservations of all configuration files that use the store. Numbers that were given back are remembered
/// for their services and shown with `--all`.
#[derive(Debug, Args)]
pub(crate) struct List {
    /// Only those of this service
    #[arg(short, long, value_name = "NAME", value_parser = argument::name)]
    service: Option<String>,
    /// Numbers that are only remembered, too
    #[arg(short, long)]
    all: bool,
    #[command(flatten)]
    store: StoreArguments,
    /// How to print the answer
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

#[derive(Debug, Serialize)]
struct Listing<'a> {
    leases: Vec<LeaseRecord<'a>>,
    reservations: Vec<ReservationRecord<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    remembered: Option<Vec<LeaseRecord<'a>>>,
}

impl List {
    pub(crate) fn run(self) -> anyhow::Result<Verdict> {
        let mut standing = self.store.look()?.standing()?;
        if let Some(service) = &self.service {
            let is_meant = |lease: &Lease| lease.owner.service == *service;
            standing.leases.retain(is_meant);
            standing.remembered.retain(is_meant);
            standing.reservations.clear();
        }
        match self.format {
            Format::Json => {
                let Standing { leases, reservations, remembered } = &standing;
                output::print_json(&Listing {
                    leases: LeaseRecord::all(leases),
                    reservations: reservations.iter().map(ReservationRecord::of).collect(),
                    remembered: self.all.then(|| LeaseRecord::all(remembered)),
                })?;
            }
            Format::Text => output::print(&self.text(&standing))?,
        }
        Ok(Verdict::Fine)
    }

    fn text(&self, standing: &Standing) -> String {
        let remembered: &[Lease] = if self.all { &standing.remembered } else { &[] };
        if standing.leases.is_empty() && standing.reservations.is_empty() && remembered.is_empty() {
            return "no lease and no reservation\n".to_owned();
        }
        let mut table = output::table(["PORT", "SERVICE", "REPLICA", "RANGE", "SPACE", "SINCE", "ENDS", "PROJECT"]);
        let mut add = |lease: &Lease, end: String| {
            let over_udp = if lease.place.transport == Transport::Udp { "/udp" } else { "" };
            table.add_row([
                format!("{}{over_udp}", lease.place.port),
                lease.owner.group(),
                lease.owner.replica.to_string(),
                lease.range.clone().unwrap_or_else(|| "-".to_owned()),
                lease.place.space.to_string(),
                moment(lease.since),
                end,
                lease.owner.project.clone(),
            ]);
        };
        for lease in &standing.leases {
            add(lease, end(lease));
        }
        for lease in remembered {
            add(
                lease,
                lease
                    .ended
                    .map_or_else(|| "remembered".to_owned(), |ended| format!("remembered since {}", moment(ended))),
            );
        }
        for reservation in &standing.reservations {
            table.add_row([
                reservation.ports.to_string(),
                format!("reserved: {}", reservation.reason),
                "-".to_owned(),
                "-".to_owned(),
                reservation.space.to_string(),
                moment(reservation.since),
                reservation.expires.map_or_else(|| "when released".to_owned(), moment),
                "-".to_owned(),
            ]);
        }
        format!("{table}\n")
    }
}
