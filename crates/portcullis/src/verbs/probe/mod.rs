//! `portcullis probe`: what is really open, held against what is declared.

mod watch;

use std::{io, net::IpAddr, path::PathBuf, time::Duration};

use clap::{Args, ValueEnum};
use portcullis_config::{
    Loaded,
    argument::{duration, number},
    load,
};
use portcullis_kernel::namespace::Namespace;
use portcullis_probe::{
    bounds::Bounds,
    check::Group,
    estate::Estate,
    inventory::Beyond,
    output::{Detail, Form, Style, metrics, render, render_text},
    report::Report,
    run::{Options, run},
};

use portcullis_tls::material::load_certificate;

use crate::{command_line::Format, file::FileArguments, findings, output, verdict::Verdict};

const EXAMPLES: &str = "\
Examples:
  portcullis probe                     this machine against portcullis.yaml
  portcullis probe --only inventory    what the kernel's tables say; nothing is sent
  portcullis probe --all               every listener that the file does not declare
  portcullis probe --from blue         also into, and from, the network namespace `blue`
  portcullis probe --watch             and go on: what appears, goes, breaks or is mended
  portcullis probe --format junit      for CI";

/// Hold what is really open against what the file declares
///
/// Looks at every listening socket of this host and says what is open and not declared, declared and not open, wider than
/// declared, or held by the wrong program; then connects to every declared port and endpoint at every address of this
/// host, over IPv4 and IPv6, and says what answers that should not, does not answer that should, or speaks something else
/// than declared; then tries to get past the ports as others have got past theirs. Only addresses of this host and those of
/// `--target` are spoken to. Needs no root, but root sees whose sockets they are; what could not be seen is said. Exits
/// with 1 if there are errors.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
#[allow(clippy::struct_excessive_bools, reason = "each is a switch of the command line")]
pub(crate) struct Probe {
    #[command(flatten)]
    file: FileArguments,
    /// Only these parts [default: all]
    #[arg(long, value_enum, value_name = "PART", value_delimiter = ',')]
    only: Vec<Part>,
    /// Report every listener of this host that the file does not declare
    #[arg(long)]
    all: bool,
    /// Look into this network namespace too, and try everything from there: its name, or pid:NUMBER
    #[arg(long, value_name = "NAMESPACE", value_delimiter = ',')]
    from: Vec<String>,
    /// Try this address instead of those of this host; its owner must have agreed
    #[arg(long, value_name = "ADDRESS", value_delimiter = ',')]
    target: Vec<IpAddr>,
    /// Time for one connection
    #[arg(long, value_name = "DURATION", value_parser = duration, default_value = "2s")]
    timeout: Duration,
    /// Time for all of it
    #[arg(long, value_name = "DURATION", value_parser = duration, default_value = "1m")]
    deadline: Duration,
    /// Connections in all
    #[arg(long, value_name = "NUMBER", default_value_t = 5_000, value_parser = number::<u64>(1..=1_000_000))]
    connections: u64,
    /// Go on looking, and tell what changes within a second
    #[arg(long)]
    watch: bool,
    /// With --watch: how often everything is tried again although nothing has changed
    #[arg(long, value_name = "DURATION", value_parser = duration, default_value = "1m", requires = "watch")]
    every: Duration,
    /// A client certificate, for ports that ask for one
    #[arg(long, value_name = "FILE", requires = "key")]
    cert: Option<PathBuf>,
    /// Its key
    #[arg(long, value_name = "FILE", requires = "cert")]
    key: Option<PathBuf>,
    /// Print what passed as well
    #[arg(short, long)]
    verbose: bool,
    /// Exit with 1 for warnings as well
    #[arg(long)]
    deny_warnings: bool,
    /// Write metrics to this file, for node-exporter's textfile collector
    #[arg(long, value_name = "FILE")]
    textfile: Option<PathBuf>,
    /// How to print it
    #[arg(long, value_enum, default_value_t)]
    format: ProbeFormat,
}

/// A part of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Part {
    /// What the kernel's tables say; nothing is sent.
    Inventory,
    /// What can be connected to, and what it speaks.
    Reach,
    /// What gets past a port that should not.
    Attack,
}

/// The forms of a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
enum ProbeFormat {
    /// For people.
    #[default]
    Text,
    /// For programs.
    Json,
    /// JUnit XML, for CI.
    Junit,
    /// Test Anything Protocol 14.
    Tap,
}

impl Probe {
    pub(crate) fn run(self) -> anyhow::Result<Verdict> {
        let options = self.options()?;
        let path = self.file.clone().path()?;
        let loaded = load(&path);
        let Some(declared) = loaded.declared.as_ref().filter(|_| !loaded.has_errors()) else {
            return self.refuse(&loaded);
        };
        if self.watch {
            return self.go_on(&path, loaded, &options);
        }
        let estate = Estate::new(declared, &loaded.sources);
        let report = run(&estate, &path.display().to_string(), &options);
        self.tell(&report)?;
        Ok(self.verdict(&report))
    }

    fn verdict(&self, report: &Report) -> Verdict {
        let counts = report.counts();
        let fails = counts.errors > 0 || (self.deny_warnings && counts.warnings > 0);
        if fails { Verdict::Findings } else { Verdict::Fine }
    }

    fn options(&self) -> anyhow::Result<Options> {
        let groups = if self.only.is_empty() {
            Group::ALL.to_vec()
        } else {
            self.only.iter().map(|part| part.group()).collect()
        };
        let namespaces = self.from.iter().map(|name| Namespace::parse(name)).collect::<Result<_, _>>()?;
        let beyond = if self.all { Beyond::Host } else { Beyond::Estate };
        let bounds =
            Bounds { each: self.timeout, whole: self.deadline, connections: self.connections, ..Bounds::default() };
        let files = self.cert.as_ref().zip(self.key.as_ref());
        let client = files.map(|(cert, key)| load_certificate(cert, key)).transpose()?;
        Ok(Options { client, groups, beyond, namespaces, targets: self.target.clone(), bounds, ..Options::default() })
    }

    /// A file that is wrong says nothing that could be held against the machine.
    fn refuse(&self, loaded: &Loaded) -> anyhow::Result<Verdict> {
        let format = if self.format == ProbeFormat::Json { Format::Json } else { Format::Text };
        findings::print(&loaded.findings, &loaded.sources, format)?;
        Ok(Verdict::Findings)
    }

    fn tell(&self, report: &Report) -> anyhow::Result<()> {
        self.write_metrics(report)?;
        output::print(&match self.format {
            ProbeFormat::Text => render_text(report, style(), self.detail()),
            ProbeFormat::Json => render(report, Form::Json),
            ProbeFormat::Junit => render(report, Form::Junit),
            ProbeFormat::Tap => render(report, Form::Tap),
        })
    }

    fn write_metrics(&self, report: &Report) -> anyhow::Result<()> {
        match &self.textfile {
            Some(path) => output::replace(path, &metrics(report)),
            None => Ok(()),
        }
    }

    fn detail(&self) -> Detail {
        if self.verbose { Detail::Everything } else { Detail::Findings }
    }
}

impl Part {
    fn group(self) -> Group {
        match self {
            Self::Inventory => Group::Inventory,
            Self::Reach => Group::Reach,
            Self::Attack => Group::Attack,
        }
    }
}

fn style() -> Style {
    if output::is_colourful(&io::stdout()) { Style::Coloured } else { Style::Plain }
}
