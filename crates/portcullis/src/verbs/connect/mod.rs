//! `portcullis connect`: a loopback port on this machine that leads to a service behind Portcullis.

mod client;
mod gate;

use std::{
    ffi::OsString,
    net::{Ipv4Addr, SocketAddr},
    os::unix::process::ExitStatusExt,
    path::{Path, PathBuf},
    process::{Command, ExitStatus},
    sync::Arc,
};

use anyhow::Context;
use clap::Args;
use tokio::{
    net::TcpListener,
    runtime,
    signal::unix::{SignalKind, signal},
    task::spawn_blocking,
};

use crate::{output, verdict::Verdict};
use client::Client;
use gate::Gate;

/// Reach a service through Portcullis, from a port of this machine
///
/// Opens a port on 127.0.0.1. Each connection to it is carried to the service inside of HTTP, through the one address
/// that is public anyway, and is let in or refused there by itself. HTTPS_PROXY is honoured.
///
/// Who is calling is proven by a token ($PORTCULLIS_TOKEN or --token-file, which is read again for each connection) or by
/// a client certificate. The file needs a route from a port with `http` or `https` to the service, without a path.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  portcullis connect ledger --through https://access.example.com --local 5432
  portcullis connect ledger --through https://access.example.com --exec psql -U shop shop")]
pub(crate) struct Connect {
    /// The service, as the file names it
    service: String,
    /// The port of Portcullis that leads to it
    #[arg(long, value_name = "URL")]
    through: String,
    /// The port to open here [default: any that is free]
    #[arg(long, value_name = "PORT", default_value_t = 0, hide_default_value = true)]
    local: u16,
    /// A file with the token
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// Certificate to show, PEM, with its intermediates
    #[arg(long, value_name = "FILE", requires = "key")]
    certificate: Option<PathBuf>,
    /// Its key, PEM
    #[arg(long, value_name = "FILE", requires = "certificate")]
    key: Option<PathBuf>,
    /// Authorities to believe instead of the system's, PEM
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
    /// Run this program on it, and end with it. psql, redis-cli and ssh are told where; in other arguments `{host}` and
    /// `{port}` are replaced
    #[arg(long, value_name = "PROGRAM", num_args = 1.., allow_hyphen_values = true)]
    exec: Vec<OsString>,
}

impl Connect {
    pub(crate) fn run(self) -> anyhow::Result<Verdict> {
        let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(self.serve())
    }

    async fn serve(self) -> anyhow::Result<Verdict> {
        let client = Arc::new(Client::new(&self)?);
        // Said now, and not to the first program that comes: whoever may not pass learns why.
        let speaks = client.ask().await?;
        let wished = SocketAddr::from((Ipv4Addr::LOCALHOST, self.local));
        let listener = TcpListener::bind(wished).await.with_context(|| format!("cannot open {wished}"))?;
        let address = listener.local_addr()?;
        let gate = Gate { listener, client };
        let Some((program, arguments)) = self.exec.split_first() else {
            output::note(&format!("{} is {} here; Ctrl-C ends it", self.service, told(&speaks, address)));
            tokio::select! {
                error = gate.serve() => return Err(error),
                _ = tokio::signal::ctrl_c() => return Ok(Verdict::Fine),
            }
        };
        let mut command = wired(program, arguments, address);
        let mut child = command.spawn().with_context(|| format!("cannot run {}", program.to_string_lossy()))?;
        // Ctrl-C is for the program, which is in the foreground with us: taken here, it means nothing. We end with it.
        let _interrupts = signal(SignalKind::interrupt())?;
        let ended = tokio::select! {
            error = gate.serve() => return Err(error),
            ended = spawn_blocking(move || child.wait()) => ended??,
        };
        Ok(Verdict::Program(code(ended)))
    }
}

/// The exit code of a program, as a shell tells it: 128 and the number of the signal that ended it.
fn code(ended: ExitStatus) -> u8 {
    let code = ended.code().or_else(|| Some(128 + ended.signal()?));
    code.and_then(|code| u8::try_from(code).ok()).unwrap_or(u8::MAX)
}

/// What to type, where the protocol is known.
fn told(speaks: &str, address: SocketAddr) -> String {
    let (host, port) = (address.ip(), address.port());
    match speaks {
        "postgres" => format!("at {address}: psql -h {host} -p {port}"),
        "redis" => format!("at {address}: redis-cli -h {host} -p {port}"),
        "ssh" => format!("at {address}: ssh -p {port} {host}"),
        _ => format!("at {address}"),
    }
}

/// The program, told where to connect to.
fn wired(program: &OsString, arguments: &[OsString], address: SocketAddr) -> Command {
    let (host, port) = (address.ip().to_string(), address.port().to_string());
    let mut command = Command::new(program);
    let name = Path::new(program).file_name().map(|name| name.to_string_lossy().into_owned());
    match name.as_deref() {
        Some("redis-cli") => drop(command.args(["-h", &host, "-p", &port])),
        // The key of the host is that of the service, wherever it is reached.
        Some("ssh") => drop(command.args(["-p", &port, "-o", &format!("HostKeyAlias=portcullis-{port}"), &host])),
        _ => {}
    }
    let replaced = |argument: &OsString| match argument.to_str() {
        Some(text) => text.replace("{host}", &host).replace("{port}", &port).into(),
        None => argument.clone(),
    };
    command.args(arguments.iter().map(replaced));
    command.env("PGHOST", &host).env("PGPORT", &port);
    command
}
