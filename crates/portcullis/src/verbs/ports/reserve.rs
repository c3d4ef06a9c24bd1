//! `portcullis ports reserve`

use std::time::Duration;

use clap::Args;
use portcullis_config::{
    argument,
    declared::{PortSpan, Space},
};

use super::{
    place::StoreArguments,
    records::{ReservationRecord, moment},
};
use crate::{command_line::Format, output, verdict::Verdict};

/// Keep numbers from being handed out
///
/// For what Portcullis does not start: a program with a number of its own, a rule in somebody's firewall. What every user
/// of the file should keep to belongs under `reserve:` of the range instead.
#[derive(Debug, Args)]
pub(crate) struct Reserve {
    /// The numbers: 3050, 3050-3059
    #[arg(value_name = "PORTS", value_parser = argument::ports)]
    ports: PortSpan,
    /// Why; shown to whoever would have been given one of them
    #[arg(long, value_name = "TEXT", value_parser = reason)]
    reason: String,
    /// End the reservation after this time
    #[arg(long = "for", value_name = "DURATION", value_parser = argument::duration)]
    duration: Option<Duration>,
    /// In which port space: host, netns:NAME, or the name of another host
    #[arg(long, value_name = "SPACE", default_value = "host", value_parser = argument::space)]
    space: Space,
    #[command(flatten)]
    store: StoreArguments,
    /// How to print the answer
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

impl Reserve {
    pub(crate) fn run(self) -> anyhow::Result<Verdict> {
        let reservation = self.store.open()?.reserve(&self.space, self.ports, &self.reason, self.duration)?;
        match self.format {
            Format::Json => output::print_json(&ReservationRecord::of(&reservation))?,
            Format::Text => {
                let until = reservation.expires.map(|time| format!(" until {}", moment(time))).unwrap_or_default();
                output::print(&format!("reserved {}{until}\n", reservation.ports))?;
            }
        }
        Ok(Verdict::Fine)
    }
}

/// It is printed where people read: one line, nothing that moves a cursor.
fn reason(text: &str) -> Result<String, String> {
    const LONGEST: usize = 200;
    let text = text.trim();
    if text.is_empty() || text.chars().count() > LONGEST || text.contains(char::is_control) {
        return Err(format!("expected a sentence of at most {LONGEST} characters that says why"));
    }
    Ok(text.to_owned())
}
