//! `portcullis import`: what another tool's file opens, as a `portcullis.yaml` that does the same.

use std::path::PathBuf;

use anyhow::bail;
use clap::{Args, ValueEnum};
use portcullis_import::{Imported, Note, import, proxied};
use portcullis_lint::inputs::Inputs;
use serde::Serialize;

use super::check::reading::{self, Place};
use crate::{command_line::Format, file, output, verdict::Verdict};

/// Write a portcullis.yaml from the files of another tool
///
/// Of Compose files every port that is published is declared, and passed on as it comes to the container that has it. Of
/// HAProxy and nginx configurations ports, certificates, hosts, paths, sources, servers, health checks and plain headers are
/// carried over, of Kubernetes manifests what lets the outside in: Ingresses, Gateways and their routes, load balancers and
/// node ports. What is not, and what a person must decide, is said on standard error, each with its place; a route whose
/// callers were kept out by what could not be carried over is closed.
#[derive(Debug, Args)]
pub(crate) struct Import {
    /// Whose file it is
    #[arg(value_enum)]
    tool: Tool,
    /// The file; what it includes, extends and is overridden by is read as well
    file: PathBuf,
    /// Where to write, instead of to standard output; nothing that is there is replaced
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// How to print
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Tool {
    /// Docker Compose
    Compose,
    /// HAProxy
    Haproxy,
    /// nginx
    Nginx,
    /// Kubernetes
    #[value(alias = "k8s")]
    Kubernetes,
}

impl Tool {
    /// The name of the format among those that are checked.
    fn format(self) -> &'static str {
        match self {
            Self::Compose => "Compose",
            Self::Haproxy => "HAProxy",
            Self::Nginx => "nginx",
            Self::Kubernetes => "Kubernetes",
        }
    }
}

#[derive(Serialize)]
struct Record<'a> {
    text: &'a str,
    notes: Vec<String>,
}

impl Import {
    pub(crate) fn run(self) -> anyhow::Result<Verdict> {
        let path = file::existing(Some(self.file.clone()))?;
        let checked = reading::check(std::slice::from_ref(&path), Place::Anywhere)?;
        if !checked.outcome.recognised.iter().any(|(format, _)| *format == self.tool.format()) {
            bail!("{} is not a {} file, as far as it can be read", path.display(), self.tool.format());
        }
        let Imported { text, notes } = match self.tool {
            Tool::Compose => import(&checked.outcome.facts, &checked.inputs),
            Tool::Haproxy | Tool::Nginx | Tool::Kubernetes => {
                let proxied = portcullis_lint::proxied(&checked.inputs, &checked.files, self.tool.format());
                proxied::import(&proxied, &checked.inputs)
            }
        };
        let notes: Vec<String> = notes.iter().map(|note| said(note, &checked.inputs)).collect();
        if self.format == Format::Json {
            output::print_json(&Record { text: &text, notes })?;
            return Ok(Verdict::Fine);
        }
        for note in &notes {
            output::note(note);
        }
        if text.is_empty() {
            bail!("{} publishes nothing that could be declared", path.display());
        }
        match &self.output {
            None => output::print(&text)?,
            Some(to) => output::write_new(to, &text)?,
        }
        let next = match self.tool {
            Tool::Haproxy | Tool::Nginx => return Ok(Verdict::Fine),
            Tool::Compose => format!(
                "the names of services mean something only on the networks of the project: run Portcullis there, as \
                 `portcullis generate compose` writes it, and take `ports:` out of {}",
                path.display()
            ),
            Tool::Kubernetes => {
                "the names of services mean something only within the cluster: run Portcullis there, as \
                 `portcullis generate kubernetes` writes it, with each TLS secret as a volume `tls/NAME`"
                    .to_owned()
            }
        };
        output::note(&next);
        Ok(Verdict::Fine)
    }
}

fn said(note: &Note, inputs: &Inputs) -> String {
    match note.place {
        Some(place) => {
            let at = inputs.position(place);
            format!("{}:{}:{}: {}", inputs.path(place.file).display(), at.line, at.column, note.text)
        }
        None => note.text.clone(),
    }
}
