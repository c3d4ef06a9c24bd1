//! `portcullis ports exec`

use std::{ffi::OsString, net::IpAddr, os::unix::ffi::OsStrExt, path::Path, process::Command};

use anyhow::anyhow;
use clap::Args;
use portcullis_config::argument;
use portcullis_kernel::{
    hand_over::{Handing, become_program},
    occupancy::Form,
};
use portcullis_ports::{Held, Hold};

use super::place::{ConfigArguments, ServiceArguments, StoreArguments, or_findings};
use crate::{output, verdict::Verdict};

/// Run a program on the port of a service
///
/// The port is bound before the program starts and is handed to it as a listening socket, as systemd does: descriptor 3,
/// LISTEN_FDS, LISTEN_PID, LISTEN_FDNAMES (sd_listen_fds(3)). Nobody can come between. The number stands in $PORT, the
/// address in $ADDRESS, and `${PORT}` in arguments is replaced.
///
/// This process becomes the program: signals, exit code and process id are its own. The lease ends with it.
#[derive(Debug, Args)]
pub(crate) struct Exec {
    #[command(flatten)]
    service: ServiceArguments,
    /// Which replica [default: the first that does not run]
    #[arg(short, long, value_name = "NUMBER", value_parser = argument::number::<u32>(0..=999))]
    replica: Option<u32>,
    /// The program binds the port itself: it is told $PORT alone, and the port is kept for it until it does
    #[arg(long)]
    env_only: bool,
    /// With `--env-only`, let the port go just before the program starts: for one that sets neither SO_REUSEADDR nor
    /// SO_REUSEPORT. Somebody may come between
    #[arg(long, requires = "env_only")]
    no_hold: bool,
    /// The address [default: that of the service's endpoint with this port, or 127.0.0.1]
    #[arg(long, value_name = "IP")]
    address: Option<IpAddr>,
    #[command(flatten)]
    config: ConfigArguments,
    #[command(flatten)]
    store: StoreArguments,
    /// The program and its arguments
    #[arg(last = true, required = true, value_name = "PROGRAM")]
    program: Vec<OsString>,
}

impl Exec {
    pub(crate) fn run(self) -> anyhow::Result<Verdict> {
        let project = match self.config.project() {
            Ok(project) => project,
            Err(error) => return or_findings(error),
        };
        let demand = self.service.demand(&project)?;
        let Some((program, arguments)) = self.program.split_first() else {
            return Err(anyhow!("no program to run"));
        };
        let mut registry = self.store.open()?;
        let wanted = Hold {
            replica: self.replica,
            address: self.address,
            form: if self.env_only { Form::Bound } else { Form::Listening },
            command: command_name(program),
        };
        let Held { lease, address, socket } = registry.hold(&demand, &wanted)?;
        let port = address.port().to_string();
        let mut command = Command::new(program);
        command.args(arguments.iter().map(|argument| with_port(argument, &port)));
        command.env("PORT", &port).env("ADDRESS", address.ip().to_string());
        let handing = match (self.env_only, self.no_hold) {
            (false, _) => Handing::Told(socket, self.service.service.clone()),
            (true, false) => Handing::Untold(socket),
            (true, true) => Handing::Nothing,
        };
        let error = become_program(&mut command, handing);
        // Still here: there is no such program, or it may not be run.
        if let Err(second) = registry.let_go(&lease) {
            output::complain(&second.into());
        }
        Err(anyhow!(error).context(format!("cannot run {}", Path::new(program).display())))
    }
}

/// As `ps -o comm` will show it.
fn command_name(program: &OsString) -> String {
    let name = Path::new(program).file_name().unwrap_or(program).to_string_lossy();
    name.chars().map(|character| if character.is_control() { '?' } else { character }).take(64).collect()
}

/// `${PORT}` becomes the number, `$${` a plain `${`, as in the file.
fn with_port(argument: &OsString, port: &str) -> OsString {
    use std::os::unix::ffi::OsStringExt;
    let mut rest = argument.as_bytes();
    let mut replaced = Vec::with_capacity(rest.len());
    while let Some(first) = rest.first() {
        let (with, length): (&[u8], usize) = if rest.starts_with(b"$${") {
            (b"${", 3)
        } else if rest.starts_with(b"${PORT}") {
            (port.as_bytes(), 7)
        } else {
            (std::slice::from_ref(first), 1)
        };
        replaced.extend_from_slice(with);
        rest = &rest[length..];
    }
    OsString::from_vec(replaced)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_port_is_put_into_arguments_where_they_ask_for_it() {
        for (argument, expected) in [
            ("${PORT}", "3001"),
            ("--listen=127.0.0.1:${PORT}/${PORT}", "--listen=127.0.0.1:3001/3001"),
            ("$PORT", "$PORT"),
            ("$${PORT}", "${PORT}"),
            ("${PORTS}", "${PORTS}"),
            ("${PORT", "${PORT"),
            ("$$", "$$"),
            ("", ""),
        ] {
            assert_eq!(with_port(&argument.into(), "3001"), expected, "{argument}");
        }
    }

    #[test]
    fn the_name_of_a_program_is_fit_to_be_printed() {
        assert_eq!(command_name(&"/usr/bin/env".into()), "env");
        assert_eq!(command_name(&"./a\nb".into()), "a?b");
    }
}
