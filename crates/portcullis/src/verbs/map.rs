//! `portcullis map`: every port, what lies behind it, and whether it is true.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, bail};
use clap::{Args, ValueEnum};
use portcullis_control::answers::{Port, Service};
use portcullis_kernel::{
    inventory::{self, Families, Protocol},
    namespace::Namespace,
};
use portcullis_lint::estate::Transport;
use portcullis_portmap::{Form, LiveSocket, Map as PortMap, Running, RunningPort, RunningService, State, draw};

use crate::{
    admin::AdminArguments,
    file, output,
    verbs::check::{
        reading,
        reading::{Missing, Place},
    },
    verdict::Verdict,
};

/// Draw the port map: external port, who may pass, route, service, internal port, endpoints, and where each is declared
///
/// Reads the same files as `check`. With `--live` it looks at the sockets that are open on this host and says which
/// ports are live, dead, wider than declared, or declared nowhere; with `--running` it asks the running proxy which of them it
/// has open and which endpoints are up. Then it exits with 1 if any is not as declared. With `--admin` and no file to read, the
/// map is that of the running proxy alone.
#[derive(Debug, Args)]
pub(crate) struct Map {
    /// Files and folders [default: portcullis.yaml, or else this folder]
    #[arg(value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// One of Portcullis' own files, as an option
    #[arg(short, long, value_name = "FILE", conflicts_with = "paths")]
    config: Option<PathBuf>,
    /// Join the sockets that are open on this host
    #[arg(long)]
    live: bool,
    /// Join what the running proxy says of itself, asked at the admin port of the file
    #[arg(long)]
    running: bool,
    /// The same, asked at this admin port: unix:/run/portcullis.sock, 127.0.0.1:9900, https://admin.example.com:9900
    #[arg(long, value_name = "ADDRESS")]
    admin: Option<String>,
    /// File with the bearer token for it [default: `admin.token` of the file, or $PORTCULLIS_ADMIN_TOKEN]
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// How to draw it
    #[arg(long, value_enum, default_value_t)]
    format: MapFormat,
    /// Where to write it instead of standard output
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Exit with 1 if this file is not what would be written now
    #[arg(long, value_name = "FILE", conflicts_with_all = ["output", "live", "running", "admin"])]
    check: Option<PathBuf>,
}

/// The forms of a map.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
enum MapFormat {
    /// A table for people
    #[default]
    Text,
    /// `PORTS.md` for the repository
    Markdown,
    /// A flowchart that forges draw
    Mermaid,
    /// A picture
    Svg,
    /// A page in one file
    Html,
    /// For Graphviz
    Dot,
    /// For programs
    Json,
    /// For spreadsheets
    Csv,
}

impl Map {
    pub(crate) fn run(self) -> anyhow::Result<Verdict> {
        let is_named = !self.paths.is_empty() || self.config.is_some() || Path::new(file::DEFAULT).exists();
        let mut map = if self.admin.is_some() && !is_named {
            PortMap::default()
        } else {
            let read = reading::check(&reading::paths(&self.paths, self.config.as_ref())?, Place::Anywhere)?;
            read.refuse_unread(Missing::Told)?;
            PortMap::of(&read.outcome.facts, &read.inputs)
        };
        if let Some(path) = &self.check {
            return compare(&map, path);
        }
        if self.live {
            let inventory = inventory::listeners(&Namespace::own());
            let unseen = inventory.unseen.iter().map(ToString::to_string).collect();
            let sockets: Vec<LiveSocket> = inventory.sockets.iter().map(live_socket).collect();
            map.join(&sockets, unseen);
        }
        if self.running || self.admin.is_some() {
            map.join_running(&self.ask()?);
        }
        let text = draw(&map, self.form());
        match &self.output {
            None => output::print(&text)?,
            Some(path) => fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))?,
        }
        let is_wrong = map.ports.iter().any(|row| !matches!(row.state, State::Declared | State::Live));
        Ok(if is_wrong { Verdict::Findings } else { Verdict::Fine })
    }

    /// What the running proxy says of itself.
    fn ask(&self) -> anyhow::Result<Running> {
        let config = self.config.clone().or_else(|| self.paths.first().filter(|path| path.is_file()).cloned());
        let proxy = AdminArguments::of(self.admin.clone(), config, self.token_file.clone()).proxy()?;
        let (ports, services): (Vec<Port>, Vec<Service>) = (proxy.get("/v1/ports")?, proxy.get("/v1/services")?);
        let ports = ports.into_iter().map(|port| RunningPort {
            name: port.name,
            listen: port.listen,
            role: port.role,
            protocol: port.protocol,
            services: port.services,
        });
        let services = services.into_iter().map(|service| RunningService {
            name: service.name,
            endpoints: service
                .endpoints
                .into_iter()
                .map(|endpoint| (endpoint.address, !endpoint.state.is_out(), endpoint.state.as_str().to_owned()))
                .collect(),
        });
        Ok(Running { ports: ports.collect(), services: services.collect() })
    }

    /// The ending of a file says its form, unless a form is given.
    fn form(&self) -> Form {
        match self.format {
            MapFormat::Text => self.output.as_deref().and_then(form_of).unwrap_or(Form::Text),
            MapFormat::Markdown => Form::Markdown,
            MapFormat::Mermaid => Form::Mermaid,
            MapFormat::Svg => Form::Svg,
            MapFormat::Html => Form::Html,
            MapFormat::Dot => Form::Dot,
            MapFormat::Json => Form::Json,
            MapFormat::Csv => Form::Csv,
        }
    }
}

fn form_of(path: &Path) -> Option<Form> {
    match path.extension()?.to_str()? {
        "md" => Some(Form::Markdown),
        "mmd" => Some(Form::Mermaid),
        "svg" => Some(Form::Svg),
        "html" | "htm" => Some(Form::Html),
        "dot" | "gv" => Some(Form::Dot),
        "json" => Some(Form::Json),
        "csv" => Some(Form::Csv),
        _ => None,
    }
}

fn compare(map: &PortMap, path: &Path) -> anyhow::Result<Verdict> {
    let Some(form) = form_of(path) else {
        bail!("{}: its ending does not say its form; it is one of md, mmd, svg, html, dot, json, csv", path.display());
    };
    let there = fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    let now = draw(map, form);
    if there == now {
        output::print(&format!("{} is up to date\n", path.display()))?;
        return Ok(Verdict::Fine);
    }
    let path = path.display().to_string();
    let diff = similar::TextDiff::from_lines(there.as_str(), now.as_str());
    output::print(&diff.unified_diff().header(&path, "what the files say").to_string())?;
    output::print(&format!("{path} is stale; write it with: portcullis map -o {path}\n"))?;
    Ok(Verdict::Findings)
}

fn live_socket(socket: &inventory::OpenSocket) -> LiveSocket {
    let process =
        |process: &inventory::SocketProcess| format!("{} (pid {}, {})", process.command, process.pid, process.user);
    LiveSocket {
        address: socket.address,
        takes_v4: matches!(socket.families, Families::Both | Families::V6AndPerhapsV4),
        transport: match socket.protocol {
            Protocol::Tcp => Transport::Tcp,
            Protocol::Udp => Transport::Udp,
        },
        processes: socket.processes.iter().map(process).collect(),
    }
}
