//! `portcullis init`: a first file for this machine.

use std::{
    net::{Ipv4Addr, TcpListener},
    path::{Path, PathBuf},
};

use anyhow::{Context, bail};
use clap::Args;
use portcullis_import::propose::{Found, Machine, propose};
use portcullis_kernel::{
    inventory::{Protocol, listeners},
    namespace::Namespace,
};

use crate::{file, output, verdict::Verdict};

/// Propose a first portcullis.yaml from what listens on this machine and the Compose files of this folder
///
/// A port on loopback from which every program that seems to speak HTTP can be reached by a name, and an admin port on a Unix
/// socket: nothing becomes reachable from further away than it was.
#[derive(Debug, Args)]
pub(crate) struct Init {
    /// Where to write, instead of to standard output; nothing that is there is replaced
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

/// Names under which Compose looks for its file.
const COMPOSE_FILES: [&str; 4] = ["compose.yaml", "compose.yml", "docker-compose.yaml", "docker-compose.yml"];

/// Numbers that are tried for the proposed port.
const NUMBERS: std::ops::RangeInclusive<u16> = 8080..=8179;

impl Init {
    pub(crate) fn run(self) -> anyhow::Result<Verdict> {
        let inventory = listeners(&Namespace::own());
        let sockets = inventory.sockets.iter().filter(|socket| socket.protocol == Protocol::Tcp);
        let found = sockets.map(|socket| Found {
            address: socket.address,
            command: socket.processes.first().map(|process| process.command.clone()),
        });
        // A proxy that runs already is not behind another one.
        let listeners = found.filter(|found| found.command.as_deref() != Some("portcullis")).collect();
        let here = COMPOSE_FILES.into_iter().filter(|name| Path::new(name).is_file());
        let Some(port) = NUMBERS.into_iter().find(|number| TcpListener::bind((Ipv4Addr::LOCALHOST, *number)).is_ok())
        else {
            bail!("no number from {} to {} is free on 127.0.0.1", NUMBERS.start(), NUMBERS.end());
        };
        let folder = std::env::current_dir().context("there is no current folder")?;
        let text = propose(&Machine { listeners, compose_files: here.map(str::to_owned).collect(), port, folder });
        match &self.output {
            None => output::print(&text)?,
            Some(to) => {
                output::write_new(to, &text)?;
                output::note(&format!("{} is written; read it, then: portcullis check {}", to.display(), to.display()));
            }
        }
        if self.output.is_none() && !Path::new(file::DEFAULT).exists() {
            output::note(&format!("to keep it: portcullis init --output {}", file::DEFAULT));
        }
        Ok(Verdict::Fine)
    }
}
