//! `portcullis generate`: what others must do so that exactly the declared ports are open.

use std::{collections::BTreeMap, fs, path::PathBuf};

use anyhow::{Context, bail};
use clap::{Args, ValueEnum};
use portcullis_config::report::{self, Style};
use portcullis_generate::{Artefact, Kind, Options, generate};
use serde::Serialize;

use crate::{command_line::Format, file::FileArguments, output, verdict::Verdict};

/// Write firewall rules, units, manifests or the configuration of another proxy from the file
///
/// One file is printed; several are printed one after the other, each under a line with its name, or written to the
/// folder of `--output`. What could not be expressed is said on standard error.
#[derive(Debug, Args)]
pub(crate) struct Generate {
    /// What to write
    #[arg(value_enum)]
    kind: ArtefactKind,
    #[command(flatten)]
    file: FileArguments,
    /// Folder to write to instead of standard output
    #[arg(short, long, value_name = "FOLDER")]
    output: Option<PathBuf>,
    /// A port that stays open besides the declared ones (nftables), such as 22
    #[arg(long, value_name = "PORT", value_delimiter = ',')]
    keep: Vec<u16>,
    /// Image of a service, or of `portcullis` itself (compose, kubernetes)
    #[arg(long, value_name = "SERVICE=IMAGE", value_parser = pair)]
    image: Vec<(String, String)>,
    /// Command of a service that takes its socket from systemd (systemd)
    #[arg(long, value_name = "SERVICE=COMMAND", value_parser = pair)]
    exec: Vec<(String, String)>,
    /// Where the program will be installed (systemd)
    #[arg(long, value_name = "PATH", default_value = "/usr/local/bin/portcullis")]
    program: String,
    /// How to print
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum ArtefactKind {
    /// A ruleset that drops everything else
    Nftables,
    /// Hardened units that may bind the declared ports only
    Systemd,
    /// A Compose file in which only the proxy publishes ports
    Compose,
    /// Deployment, Services and NetworkPolicies
    Kubernetes,
    /// AWS security groups
    Terraform,
    /// The same ports and routes for HAProxy
    Haproxy,
    /// The same ports and routes for nginx
    Nginx,
    /// A GitHub workflow that checks every change
    Github,
    /// The same for GitLab
    Gitlab,
}

#[derive(Serialize)]
struct Records<'a> {
    files: Vec<Record<'a>>,
    notes: &'a [String],
}

#[derive(Serialize)]
struct Record<'a> {
    name: &'a str,
    text: &'a str,
}

impl Generate {
    pub(crate) fn run(self) -> anyhow::Result<Verdict> {
        let path = self.file.path()?;
        let loaded = portcullis_config::load(&path);
        if loaded.has_errors() {
            // Standard output may be redirected into the artefact.
            output::complain_text(&report::render(&loaded.findings, &loaded.sources, Style::Plain));
            return Ok(Verdict::Findings);
        }
        let Some(declared) = &loaded.declared else {
            bail!("{}: {}", path.display(), report::summary(&loaded.findings));
        };
        let options = Options {
            keep: self.keep,
            images: self.image.into_iter().collect::<BTreeMap<_, _>>(),
            commands: self.exec.into_iter().collect::<BTreeMap<_, _>>(),
            program: self.program,
            file: path.display().to_string(),
        };
        let generated = generate(declared, kind(self.kind), &options);
        if let Some(folder) = &self.output {
            write(folder, &generated.artefacts)?;
        } else if self.format == Format::Json {
            let files = generated.artefacts.iter().map(|Artefact { name, text }| Record { name, text }).collect();
            output::print_json(&Records { files, notes: &generated.notes })?;
        } else {
            output::print(&text(&generated.artefacts))?;
        }
        for note in &generated.notes {
            output::note(note);
        }
        Ok(Verdict::Fine)
    }
}

fn kind(kind: ArtefactKind) -> Kind {
    match kind {
        ArtefactKind::Nftables => Kind::Nftables,
        ArtefactKind::Systemd => Kind::Systemd,
        ArtefactKind::Compose => Kind::Compose,
        ArtefactKind::Kubernetes => Kind::Kubernetes,
        ArtefactKind::Terraform => Kind::Terraform,
        ArtefactKind::Haproxy => Kind::Haproxy,
        ArtefactKind::Nginx => Kind::Nginx,
        ArtefactKind::Github => Kind::Github,
        ArtefactKind::Gitlab => Kind::Gitlab,
    }
}

fn pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() && !value.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("expected NAME=VALUE".to_owned()),
    }
}

/// A single file as it is; several with their names between.
fn text(artefacts: &[Artefact]) -> String {
    match artefacts {
        [only] => only.text.clone(),
        several => several.iter().fold(String::new(), |mut text, artefact| {
            text.extend(["# ==> ", &artefact.name, " <==\n", &artefact.text, "\n"]);
            text
        }),
    }
}

/// Existing files are replaced: they are ours, and say so in their first lines.
fn write(folder: &std::path::Path, artefacts: &[Artefact]) -> anyhow::Result<()> {
    for artefact in artefacts {
        let path = folder.join(&artefact.name);
        let parent = path.parent().context("a name without a folder")?;
        fs::create_dir_all(parent).with_context(|| format!("cannot make {}", parent.display()))?;
        if let Ok(there) = fs::read_to_string(&path)
            && !there.contains("Written by `portcullis generate")
        {
            bail!("{} exists and was not written by portcullis generate; move it away first", path.display());
        }
        fs::write(&path, &artefact.text).with_context(|| format!("cannot write {}", path.display()))?;
        output::print(&format!("{}\n", path.display()))?;
    }
    Ok(())
}
