//! Which file and which store are meant.

use std::{
    io,
    path::{Path, PathBuf},
};

use anyhow::{Context, bail};
use clap::Args;
use portcullis_config::{
    Loaded, argument,
    declared::{Space, Transport},
    finding::Finding,
    report,
    rule::RuleId,
};
use portcullis_ports::{Demand, PortsError, Project, Registry};

use crate::{file, output};

/// Where the registry is.
#[derive(Debug, Args)]
pub(crate) struct StoreArguments {
    /// The store [default: $PORTCULLIS_STORE, or below /var/lib for root and $XDG_STATE_HOME for others]
    #[arg(long, value_name = "FILE")]
    store: Option<PathBuf>,
}

impl StoreArguments {
    /// To write to it.
    pub(super) fn open(&self) -> anyhow::Result<Registry> {
        Ok(Registry::open(&self.path()?)?)
    }

    /// To read it; one that is not there is empty.
    pub(crate) fn look(&self) -> anyhow::Result<Registry> {
        Ok(Registry::look(&self.path()?)?)
    }

    /// Where it is, whether or not it is there.
    pub(crate) fn path(&self) -> anyhow::Result<PathBuf> {
        let path = self.store.clone().or_else(portcullis_store::default_place);
        path.context("there is no home directory to keep the store in; name a file with `--store FILE`")
    }
}

/// The file that says what there is to hand out.
#[derive(Debug, Args)]
pub(super) struct ConfigArguments {
    /// The configuration file [default: portcullis.yaml]
    #[arg(short, long, value_name = "FILE")]
    config: Option<PathBuf>,
}

/// A file with errors; they have been shown.
#[derive(Debug, thiserror::Error)]
#[error("{} has errors, so nothing is handed out by it", .0.display())]
pub(super) struct BrokenFile(PathBuf);

impl ConfigArguments {
    /// Reads the file. Its errors go to standard error: standard output is for the answer.
    pub(super) fn project(&self) -> anyhow::Result<Project> {
        let path = file::existing(self.config.clone())?;
        let Loaded { declared, sources, mut findings } = portcullis_config::load(&path);
        // A file without ports of its own may well have ranges.
        findings.retain(|finding| finding.is_error() && finding.rule != RuleId::NoPorts);
        match declared {
            Some(declared) if findings.is_empty() => Ok(Project::new(&path, declared, sources)),
            _ => {
                complain(&findings, &sources);
                Err(BrokenFile(path).into())
            }
        }
    }

    /// Reads the file if one is named, or if there is one where it usually is.
    pub(super) fn project_if_any(&self) -> anyhow::Result<Option<Project>> {
        if self.config.is_none() && !Path::new(file::DEFAULT).exists() {
            return Ok(None);
        }
        self.project().map(Some)
    }

    /// Name of the project without its file being read, so that leases of a broken or lost file can be released.
    pub(super) fn project_name(&self) -> String {
        let path = self.config.clone().unwrap_or_else(|| file::DEFAULT.into());
        std::path::absolute(&path).unwrap_or(path).display().to_string()
    }
}

fn complain(findings: &[Finding], sources: &portcullis_config::sources::Sources) {
    let drawn = report::render(findings, sources, output::style(&io::stderr()));
    output::complain_in_full(&drawn);
}

/// Whose port is meant.
#[derive(Debug, Args)]
pub(super) struct ServiceArguments {
    /// The service
    #[arg(short, long, value_name = "NAME", value_parser = argument::name)]
    pub(super) service: String,
    /// Its environment; each has ports of its own
    #[arg(short, long, value_name = "NAME", value_parser = argument::name)]
    environment: Option<String>,
    /// The range, for a service that the file does not declare or that names none
    #[arg(long, value_name = "NAME", value_parser = argument::name)]
    range: Option<String>,
    /// Where its ports are: host, netns:NAME, or the name of another host [default: `space` of the service, or host]
    #[arg(long, value_name = "SPACE", value_parser = argument::space)]
    space: Option<Space>,
    /// A UDP port
    #[arg(long)]
    udp: bool,
}

impl ServiceArguments {
    pub(super) fn demand(&self, project: &Project) -> Result<Demand, PortsError> {
        let environment = self.environment.as_deref().unwrap_or_default();
        let mut demand = project.demand(&self.service, environment, self.range.as_deref())?;
        if let Some(space) = &self.space {
            demand.space = space.clone();
        }
        if self.udp {
            demand.transport = Transport::Udp;
        }
        Ok(demand)
    }
}

/// The exit code of a file with errors is that of findings; everything else could not be done.
pub(super) fn or_findings(error: anyhow::Error) -> anyhow::Result<crate::verdict::Verdict> {
    if error.is::<BrokenFile>() {
        output::complain(&error);
        return Ok(crate::verdict::Verdict::Findings);
    }
    bail!(error)
}
