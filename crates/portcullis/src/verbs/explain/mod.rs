//! `portcullis explain`: everything that is known of one port number, or of one request.

mod access;
mod number;
mod recorded;
mod request;

use std::{net::IpAddr, path::PathBuf};

use anyhow::{Context, bail};
use clap::Args;
use portcullis_policy::Explanation;
use serde::Serialize;

use super::ports::StoreArguments;
use crate::{command_line::Format, output, sender::Traits, verdict::Verdict};

const EXAMPLES: &str = "\
Examples:
  portcullis explain 3001                              who has this number, who listens, who may reach it
  portcullis explain https://shop.example.com/cart     what would happen to this request, step by step
  portcullis explain https://shop.example.com/cart --from 203.0.113.7 --method POST
  portcullis explain https://ledger.example.com/ --as alice@example.com --groups dba --from 10.1.2.3 --on web
  portcullis explain --request 00c9a1f7e8d2b35460718293a4b5c6d7    what was decided about this one, and what would be now";

/// Say who declared a port, who listens, what lies behind and who may reach it; or what happens to a request, and why
///
/// A number or `ADDRESS:PORT` is a port; an URL is a request, which is walked through the file by the same code that
/// the proxy runs. Exits with 1 if the request would be refused.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Explain {
    /// A port number, `ADDRESS:PORT`, or an URL
    #[arg(required_unless_present = "request")]
    subject: Option<String>,
    /// Instead: a request that was made, by its id in the access log or the audit
    #[arg(long, value_name = "ID", conflicts_with = "subject")]
    request: Option<String>,
    /// Files and folders to look in [default: portcullis.yaml, or else this folder]
    #[arg(short, long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Address that a request comes from; without it, one that may be anywhere on the internet
    #[arg(long, value_name = "ADDRESS")]
    from: Option<IpAddr>,
    /// Port that a request comes to, by name; without it, the one with the number of the URL
    #[arg(long, value_name = "PORT")]
    on: Option<String>,
    /// Method of a request
    #[arg(long, value_name = "METHOD", default_value = "GET")]
    method: String,
    /// A header of a request; may be repeated
    #[arg(long, value_name = "NAME: VALUE")]
    header: Vec<String>,
    /// A name on the client certificate of a request; may be repeated
    #[arg(long, value_name = "NAME")]
    certificate: Vec<String>,
    /// Who sends a request, as if it were proven: an e-mail address or a subject, `provider:name` of one provider
    #[arg(long = "as", value_name = "NAME")]
    sender: Option<String>,
    #[command(flatten)]
    traits: Traits,
    /// The sender of a request holds a grant for the service
    #[arg(long)]
    granted: bool,
    /// When a request comes, in RFC 3339 [default: now]
    #[arg(long, value_name = "TIME")]
    at: Option<String>,
    #[command(flatten)]
    store: StoreArguments,
    /// How to print
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// One thing that is known, with where it is said.
#[derive(Debug, Serialize)]
struct Line {
    /// What it is about: `declared`, `listens`, `route`.
    about: &'static str,
    text: String,
    /// `portcullis.yaml:7`.
    #[serde(skip_serializing_if = "Option::is_none")]
    place: Option<String>,
}

/// All that is known of a subject.
#[derive(Debug, Serialize)]
struct Answer {
    subject: String,
    lines: Vec<Line>,
    /// What the policies say of a request.
    #[serde(skip_serializing_if = "Option::is_none")]
    decision: Option<Explanation>,
    #[serde(skip)]
    verdict: Option<Verdict>,
}

impl Answer {
    fn new(subject: &str) -> Self {
        Self { subject: subject.to_owned(), lines: Vec::new(), decision: None, verdict: None }
    }

    fn say(&mut self, about: &'static str, text: impl Into<String>, place: Option<String>) {
        self.lines.push(Line { about, text: text.into(), place });
    }

    /// Aligned, with what repeats left out.
    fn text(&self) -> String {
        let mut table = output::table([self.subject.as_str(), "", ""]);
        let mut last = "";
        for Line { about, text, place } in &self.lines {
            let about_shown = if *about == last { "" } else { about };
            last = about;
            table.add_row([about_shown, text.as_str(), place.as_deref().unwrap_or_default()]);
        }
        format!("{}\n", table.trim_fmt())
    }
}

impl Explain {
    pub(crate) fn run(mut self) -> anyhow::Result<Verdict> {
        let format = self.format;
        let answer = match self.request.take() {
            Some(id) => recorded::explain(self, &id)?,
            None if self.subject().contains("://") => request::explain(&self)?,
            None => number::explain(&self)?,
        };
        match format {
            Format::Json => output::print_json(&answer)?,
            Format::Text => output::print(&answer.text())?,
        }
        Ok(answer.verdict.unwrap_or(Verdict::Fine))
    }

    /// What is asked about.
    fn subject(&self) -> &str {
        self.subject.as_deref().unwrap_or_default()
    }

    /// The port number that is meant.
    fn number(&self) -> anyhow::Result<u16> {
        let number = self.subject().rsplit(':').next().unwrap_or_default();
        let port: u16 = number.parse().with_context(|| {
            format!(
                "`{}` is neither a port number nor an URL; write 3001, 127.0.0.1:3001 or https://host/path",
                self.subject()
            )
        })?;
        if port == 0 {
            bail!("port 0 means a random port, which nobody can name");
        }
        Ok(port)
    }
}
