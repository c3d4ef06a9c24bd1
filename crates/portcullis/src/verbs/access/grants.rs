//! `portcullis access request`, `list`, `approve`, `refuse`, `revoke`: grants, by whoever may write to the store.

use std::{collections::BTreeMap, path::PathBuf, time::Duration};

use anyhow::{Context, bail};
use clap::Args;
use portcullis_config::argument;
use portcullis_grants::{Actor, Clerk, Demand, GrantView, Settings, State, Step};
use portcullis_identity::{Kind, Principal};
use portcullis_policy::Identity;

use super::plan_of;
use crate::{command_line::Format, output, sender::Traits, verbs::ports::StoreArguments, verdict::Verdict};

/// Grants that are shown.
const SHOWN: u32 = 200;

/// Ask for access to a service for somebody, for a time
///
/// Somebody else has to approve it, unless it is taken with `--break-glass`. The terms are those of `grants:` of the file.
#[derive(Debug, Args)]
pub(super) struct Request {
    /// The service
    #[arg(value_name = "SERVICE", value_parser = argument::name)]
    service: String,
    /// For whom: an e-mail address or a subject, `provider:name` of one provider
    #[arg(long = "as", value_name = "NAME")]
    sender: String,
    #[command(flatten)]
    traits: Traits,
    /// For how long
    #[arg(long = "for", value_name = "DURATION", value_parser = argument::duration)]
    duration: Duration,
    /// Why
    #[arg(long, value_name = "TEXT")]
    reason: String,
    /// Take it without approval, where the file lets them: everybody is told
    #[arg(long)]
    break_glass: bool,
    /// The configuration file [default: portcullis.yaml]
    #[arg(short, long, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(flatten)]
    place: Place,
}

/// Show grants: those that wait for an answer, and those that hold
#[derive(Debug, Args)]
pub(super) struct List {
    /// Those that were refused or have ended, too
    #[arg(short, long)]
    all: bool,
    #[command(flatten)]
    place: Place,
}

/// Approve what was asked for: from now on, for the time that was asked
#[derive(Debug, Args)]
pub(super) struct Approve {
    #[command(flatten)]
    reply: Reply,
}

/// Refuse what was asked for
#[derive(Debug, Args)]
pub(super) struct Refuse {
    #[command(flatten)]
    reply: Reply,
}

/// End a grant before its time: open connections that rest on it are closed
#[derive(Debug, Args)]
pub(super) struct Revoke {
    /// The grant
    #[arg(value_name = "ID")]
    id: String,
    #[command(flatten)]
    place: Place,
}

#[derive(Debug, Args)]
struct Reply {
    /// The grant
    #[arg(value_name = "ID")]
    id: String,
    /// On behalf of whom, if the file lets them; without it, as whoever has this machine
    #[arg(long = "as", value_name = "NAME")]
    sender: Option<String>,
    #[command(flatten)]
    traits: Traits,
    /// What whoever asked is told
    #[arg(long, value_name = "TEXT")]
    answer: Option<String>,
    /// The configuration file [default: portcullis.yaml]
    #[arg(short, long, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(flatten)]
    place: Place,
}

#[derive(Debug, Args)]
struct Place {
    #[command(flatten)]
    store: StoreArguments,
    /// How to print
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// What is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Approved,
    Refused,
}

impl Request {
    pub(super) fn run(self) -> anyhow::Result<Verdict> {
        let rights = Rights::read(self.config, Some(&self.sender), &self.traits)?;
        let principal = rights.principal.context("somebody has to ask")?;
        let operator = portcullis_kernel::who::user();
        let demand = Demand {
            principal: &principal,
            service: &self.service,
            duration: self.duration,
            reason: &self.reason,
            operator: Some(&operator),
        };
        let mut clerk = Clerk::open(&self.place.store.path()?)?;
        let step = if self.break_glass {
            clerk.break_glass(&rights.settings, &demand)
        } else {
            clerk.ask(&rights.settings, &demand)
        };
        self.place.show(&step?)
    }
}

impl List {
    pub(super) fn run(self) -> anyhow::Result<Verdict> {
        let mut grants = self.place.clerk()?.list(SHOWN)?;
        grants.retain(|grant| self.all || matches!(grant.state, State::Asked | State::Approved));
        match self.place.format {
            Format::Json => output::print_json(&grants)?,
            Format::Text => output::print(&draw(&grants))?,
        }
        Ok(Verdict::Fine)
    }
}

impl Approve {
    pub(super) fn run(self) -> anyhow::Result<Verdict> {
        self.reply.give(Outcome::Approved)
    }
}

impl Refuse {
    pub(super) fn run(self) -> anyhow::Result<Verdict> {
        self.reply.give(Outcome::Refused)
    }
}

impl Revoke {
    pub(super) fn run(self) -> anyhow::Result<Verdict> {
        let user = portcullis_kernel::who::user();
        self.place.show(&self.place.clerk()?.revoke(&Settings::default(), &self.id, Actor::Operator(&user))?)
    }
}

impl Reply {
    fn give(self, verdict: Outcome) -> anyhow::Result<Verdict> {
        let Self { id, sender, traits, answer, config, place } = self;
        let operator = portcullis_kernel::who::user();
        // Who has the machine needs no file to answer; who answers for somebody is bound by it.
        let rights = match &sender {
            Some(sender) => Rights::read(config, Some(sender), &traits)?,
            None => Rights::default(),
        };
        let by = match &rights.principal {
            Some(principal) => Actor::Delegate { principal, operator: &operator },
            None => Actor::Operator(&operator),
        };
        let mut clerk = place.clerk()?;
        let step = match verdict {
            Outcome::Approved => clerk.approve(&rights.settings, &id, by, answer.as_deref()),
            Outcome::Refused => clerk.refuse(&rights.settings, &id, by, answer.as_deref()),
        };
        place.show(&step?)
    }
}

/// What the file lets somebody do.
#[derive(Debug, Default)]
struct Rights {
    settings: Settings,
    principal: Option<Principal>,
}

impl Rights {
    fn read(config: Option<PathBuf>, sender: Option<&str>, traits: &Traits) -> anyhow::Result<Self> {
        let plan = plan_of(config)?;
        let identity = traits.identity(sender, &plan.policies.settings().providers)?;
        let settings = plan.grants.map(|grants| Settings::clone(&grants.settings)).unwrap_or_default();
        Ok(Self { settings, principal: identity.map(principal) })
    }
}

fn principal(identity: Identity) -> Principal {
    let texts = |list: Vec<String>| {
        let mut texts: Vec<Box<str>> = list.into_iter().map(Into::into).collect();
        texts.sort_unstable();
        texts.dedup();
        texts.into_boxed_slice()
    };
    Principal {
        kind: match identity.kind {
            portcullis_policy::Kind::User => Kind::User,
            portcullis_policy::Kind::Workload => Kind::Workload,
        },
        provider: identity.provider.into(),
        subject: identity.subject.into(),
        name: identity.name.into(),
        email: identity.email.map(Into::into),
        groups: texts(identity.groups),
        claims: BTreeMap::new(),
    }
}

impl Place {
    /// On a store that is there: what has no store has no grants.
    fn clerk(&self) -> anyhow::Result<Clerk> {
        let path = self.store.path()?;
        if !path.exists() {
            bail!(
                "there is no store {}, so nothing was asked for there; name another with `--store FILE`",
                path.display()
            );
        }
        Ok(Clerk::open(&path)?)
    }

    fn show(&self, step: &Step) -> anyhow::Result<Verdict> {
        match self.format {
            Format::Json => output::print_json(&step.grant)?,
            Format::Text => output::print(&format!("{}\n", step.text))?,
        }
        Ok(Verdict::Fine)
    }
}

fn draw(grants: &[GrantView]) -> String {
    if grants.is_empty() {
        return "no grant waits or holds\n".to_owned();
    }
    let mut table = output::table(["GRANT", "STATE", "FOR", "SERVICE", "ASKED", "ENDS", "BY", "REASON"]);
    for grant in grants {
        let word = grant.state.word();
        let state = if grant.break_glass { format!("{word} BREAK-GLASS") } else { word.to_owned() };
        let cells = [
            grant.id.clone(),
            state,
            format!("{} ({})", grant.name, grant.provider),
            grant.service.clone(),
            second(grant.asked),
            second(grant.ended.unwrap_or(grant.expires)),
            grant.decided_by.clone().unwrap_or_else(|| "-".to_owned()),
            grant.reason.clone(),
        ];
        table.add_row(cells.map(|text| portcullis_audit::neutralise(&text)));
    }
    format!("{}\n", table.trim_fmt())
}

/// `2026-11-21 12:51:36`
fn second(moment: portcullis_audit::Moment) -> String {
    let text = moment.to_string();
    text.get(..19).unwrap_or(&text).replace('T', " ")
}
