//! Which records are meant, and where they are.

use std::path::PathBuf;

use anyhow::bail;
use clap::{Args, ValueEnum};
use portcullis_audit::{Decision, Filter, Moment};
use portcullis_config::argument;
use portcullis_store::Store;

use crate::verbs::ports::StoreArguments;

/// Which records.
#[derive(Debug, Args)]
pub(super) struct Wanted {
    /// From this time on: 1h (ago), 2026-11-21, 2026-11-21T12:00:00Z
    #[arg(long, value_name = "TIME", value_parser = moment)]
    pub(super) since: Option<Moment>,
    /// Before this time, in the same forms
    #[arg(long, value_name = "TIME", value_parser = moment)]
    until: Option<Moment>,
    /// Of this principal: its name or subject, or provider:subject
    #[arg(long, value_name = "NAME")]
    principal: Option<String>,
    /// To this service
    #[arg(long, value_name = "NAME")]
    service: Option<String>,
    /// Through this port
    #[arg(long, value_name = "NAME")]
    port: Option<String>,
    /// With this decision
    #[arg(long, value_enum)]
    decision: Option<DecisionWord>,
    /// In which this text occurs, in capitals or not
    #[arg(long, value_name = "TEXT")]
    text: Option<String>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum DecisionWord {
    Allowed,
    Refused,
}

impl Wanted {
    pub(super) fn filter(&self) -> Filter {
        Filter {
            since: self.since,
            until: self.until,
            principal: self.principal.clone(),
            service: self.service.clone(),
            port: self.port.clone(),
            decision: self.decision.map(|decision| match decision {
                DecisionWord::Allowed => Decision::Allowed,
                DecisionWord::Refused => Decision::Refused,
            }),
            event: None,
            text: self.text.clone(),
        }
    }
}

/// Where the log is.
#[derive(Debug, Args)]
pub(super) struct Place {
    #[command(flatten)]
    store: StoreArguments,
}

impl Place {
    /// The store, which has to be there: asking makes none.
    pub(super) fn open(&self) -> anyhow::Result<Store> {
        Ok(Store::open(&self.path()?)?)
    }

    pub(super) fn path(&self) -> anyhow::Result<PathBuf> {
        let path = self.store.path()?;
        if !path.exists() {
            bail!(
                "there is no store {}, so nothing was recorded there; name another with `--store FILE`",
                path.display()
            );
        }
        Ok(path)
    }
}

fn moment(text: &str) -> Result<Moment, String> {
    if let Ok(duration) = argument::duration(text) {
        return Ok(Moment::now().before(duration));
    }
    let of_the_day = || Moment::parse(&format!("{text}T00:00:00Z"));
    Moment::parse(text).or_else(of_the_day).ok_or_else(|| {
        "expected a duration such as 1h, a day such as 2026-11-21 or a time such as 2026-11-21T12:00:00Z".to_owned()
    })
}
