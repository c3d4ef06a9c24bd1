//! The steps of a grant, each one transaction together with its audit record.

use std::{path::Path, time::Duration};

use aws_lc_rs::rand;
use portcullis_audit::{AuditRecord, Decision, Event, Kind, Moment, Principal as Recorded, SigningKey, append_within};
use portcullis_identity::Principal;
use portcullis_store::{Store, StoreError, Transaction, grants::GrantRow};

use crate::{Actor, GrantError, GrantView, Settings, State, Step, Terms};

/// Longest reason and answer, in characters.
const LONGEST_TEXT: usize = 300;
/// Questions of one principal that may wait.
const WAITING: usize = 10;
/// How long a question waits for an answer.
const QUESTION: Duration = Duration::from_hours(24);
/// How long it is remembered what became of a grant; the audit remembers longer.
const REMEMBERED: Duration = Duration::from_hours(24 * 90);

/// Who takes the steps, on a store. Blocks as the store does: not for workers.
#[derive(Debug)]
pub struct Clerk {
    store: Store,
    key: SigningKey,
}

/// What is asked for.
#[derive(Debug, Clone, Copy)]
pub struct Demand<'a> {
    /// For whom.
    pub principal: &'a Principal,
    /// To what.
    pub service: &'a str,
    /// For how long.
    pub duration: Duration,
    /// Why.
    pub reason: &'a str,
    /// The operator who demands it on their behalf, if it is not themselves.
    pub operator: Option<&'a str>,
}

impl Clerk {
    /// Opens the store, and the key of its audit.
    pub fn open(path: &Path) -> Result<Self, GrantError> {
        Ok(Self { store: Store::open(path)?, key: SigningKey::load_or_make(path)? })
    }

    /// Asks for access.
    pub fn ask(&mut self, settings: &Settings, demand: &Demand<'_>) -> Result<Step, GrantError> {
        let terms = terms(settings, demand)?;
        if terms.askers.as_ref().is_some_and(|askers| !askers.has(demand.principal)) {
            return Err(demand.not_allowed("ask"));
        }
        let now = Moment::now();
        let row = demand.row(State::Asked, now, now.after(QUESTION))?;
        self.step(Event::GrantAsked, &demand.actor(), |transaction| {
            let is_own = |row: &&GrantRow| row.state == State::Asked.word() && is_for(row, demand.principal);
            let waiting = transaction.grants().in_force()?.iter().filter(is_own).count();
            if waiting >= WAITING {
                return Err(GrantError::TooMany { who: demand.principal.to_string(), waiting });
            }
            Ok(row)
        })
    }

    /// Takes access without approval, where the settings let this principal. Everybody is told.
    pub fn break_glass(&mut self, settings: &Settings, demand: &Demand<'_>) -> Result<Step, GrantError> {
        let terms = terms(settings, demand)?;
        if !terms.break_glass.as_ref().is_some_and(|circle| circle.has(demand.principal)) {
            return Err(demand.not_allowed("take access without approval"));
        }
        let now = Moment::now();
        let row = demand.row(State::Approved, now, now.after(demand.duration))?;
        let row = GrantRow { break_glass: true, ..row };
        self.step(Event::BreakGlass, &demand.actor(), |_| Ok(row))
    }

    /// Approves what was asked for: from now on, for the time that was asked.
    pub fn approve(
        &mut self,
        settings: &Settings,
        id: &str,
        by: Actor<'_>,
        answer: Option<&str>,
    ) -> Result<Step, GrantError> {
        let answer = answer.map(sentence).transpose()?;
        self.step(Event::GrantApproved, &by, |transaction| {
            let row = asked(transaction, id)?;
            may_decide(settings, &row, &by, "approve")?;
            let now = Moment::now();
            let duration = Duration::from_micros(row.duration.unsigned_abs());
            Ok(GrantRow {
                state: State::Approved.word().to_owned(),
                expires: now.after(duration).micros(),
                decided: Some(now.micros()),
                decided_by: Some(by.name()),
                answer,
                ..row
            })
        })
    }

    /// Refuses it.
    pub fn refuse(
        &mut self,
        settings: &Settings,
        id: &str,
        by: Actor<'_>,
        answer: Option<&str>,
    ) -> Result<Step, GrantError> {
        let answer = answer.map(sentence).transpose()?;
        self.step(Event::GrantRefused, &by, |transaction| {
            let row = asked(transaction, id)?;
            may_decide(settings, &row, &by, "refuse")?;
            Ok(GrantRow {
                state: State::Refused.word().to_owned(),
                decided: Some(Moment::now().micros()),
                decided_by: Some(by.name()),
                answer,
                ..row
            })
        })
    }

    /// Takes it back, or gives it back: approvers may, operators, and whom it is for.
    pub fn revoke(&mut self, settings: &Settings, id: &str, by: Actor<'_>) -> Result<Step, GrantError> {
        self.step(Event::GrantEnded, &by, |transaction| {
            let row = find(transaction, id)?;
            if row.state != State::Approved.word() && row.state != State::Asked.word() {
                return Err(GrantError::Past { id: row.id, state: row.state });
            }
            let is_own = matches!(
                by,
                Actor::Principal(principal) | Actor::Delegate { principal, .. } if is_for(&row, principal)
            );
            if !is_own {
                may_decide(settings, &row, &by, "revoke")?;
            }
            Ok(ended(row, &format!("{} took it back", by.name())))
        })
    }

    /// Ends what is over, and forgets what is long over. Of several processes one does so.
    pub fn end_expired(&mut self) -> Result<(), GrantError> {
        let now = Moment::now();
        let expired = |rows: Vec<GrantRow>| rows.into_iter().take_while(move |row| row.expires <= now.micros());
        // Looked at without keeping others from writing: nearly always there is nothing.
        if self.store.read::<_, StoreError>(|t| Ok(expired(t.grants().in_force()?).next().is_none()))? {
            return Ok(());
        }
        let Self { store, key } = self;
        store.write(|transaction| {
            for row in expired(transaction.grants().in_force()?) {
                let because = if row.state == State::Asked.word() { "nobody answered" } else { "its time is over" };
                let row = ended(row, because);
                transaction.grants().put(&row)?;
                append_within(transaction, key, vec![record(Event::GrantEnded, None, &row)])?;
            }
            transaction.grants().forget(now.before(REMEMBERED).micros())?;
            Ok(())
        })
    }

    /// The newest grants, whatever became of them; at most so many.
    pub fn list(&mut self, limit: u32) -> Result<Vec<GrantView>, GrantError> {
        let rows = self.store.read::<_, StoreError>(|transaction| transaction.grants().newest(limit))?;
        Ok(rows.into_iter().map(GrantView::of).collect())
    }

    /// What was written after the change with this number.
    pub(crate) fn after(&mut self, change: i64) -> Result<Vec<(i64, GrantRow)>, StoreError> {
        self.store.read(|transaction| transaction.grants().after(change))
    }

    fn step(
        &mut self,
        event: Event,
        by: &Actor<'_>,
        work: impl FnOnce(&Transaction<'_>) -> Result<GrantRow, GrantError>,
    ) -> Result<Step, GrantError> {
        let Self { store, key } = self;
        store.write(|transaction| {
            let row = work(transaction)?;
            transaction.grants().put(&row)?;
            append_within(transaction, key, vec![record(event, Some(by), &row)])?;
            Ok(Step::of(row))
        })
    }
}

impl Demand<'_> {
    fn actor(&self) -> Actor<'_> {
        match self.operator {
            Some(operator) => Actor::Delegate { principal: self.principal, operator },
            None => Actor::Principal(self.principal),
        }
    }

    fn row(&self, state: State, now: Moment, expires: Moment) -> Result<GrantRow, GrantError> {
        let Principal { kind, provider, subject, name, .. } = self.principal;
        let kind = match kind {
            portcullis_identity::Kind::User => "user",
            portcullis_identity::Kind::Workload => "workload",
        };
        Ok(GrantRow {
            id: fresh_id()?,
            kind: kind.to_owned(),
            provider: provider.to_string(),
            subject: subject.to_string(),
            name: name.to_string(),
            service: self.service.to_owned(),
            reason: sentence(self.reason)?,
            duration: i64::try_from(self.duration.as_micros()).unwrap_or(i64::MAX),
            state: state.word().to_owned(),
            break_glass: false,
            asked: now.micros(),
            expires: expires.micros(),
            decided: None,
            decided_by: None,
            answer: None,
            ended: None,
            ended_because: None,
        })
    }

    fn not_allowed(&self, what: &'static str) -> GrantError {
        GrantError::NotAllowed { who: self.principal.to_string(), what, service: self.service.to_owned() }
    }
}

/// The terms of a service, if what is demanded keeps to them.
fn terms<'s>(settings: &'s Settings, demand: &Demand<'_>) -> Result<&'s Terms, GrantError> {
    let service = demand.service.to_owned();
    let Some(terms) = settings.services.get(demand.service) else { return Err(GrantError::NotGrantable { service }) };
    if demand.duration.as_micros() == 0 {
        return Err(GrantError::NoTime);
    }
    if demand.duration > terms.longest {
        return Err(GrantError::TooLong { service, longest: terms.longest });
    }
    Ok(terms)
}

fn find(transaction: &Transaction<'_>, id: &str) -> Result<GrantRow, GrantError> {
    transaction.grants().find(id)?.ok_or_else(|| GrantError::Unknown { id: portcullis_audit::neutralise(id) })
}

/// A grant that waits for an answer.
fn asked(transaction: &Transaction<'_>, id: &str) -> Result<GrantRow, GrantError> {
    let row = find(transaction, id)?;
    if row.state != State::Asked.word() {
        return Err(GrantError::Past { id: row.id, state: row.state });
    }
    if row.expires <= Moment::now().micros() {
        return Err(GrantError::Past { id: row.id, state: "ended".to_owned() });
    }
    Ok(row)
}

fn may_decide(settings: &Settings, row: &GrantRow, by: &Actor<'_>, what: &'static str) -> Result<(), GrantError> {
    match by {
        Actor::Operator(user) if *user == row.name => Err(GrantError::OwnGrant),
        // Whoever may write to the store could write there what they like; here it is at least recorded.
        Actor::Operator(_) => Ok(()),
        // One person may be known to two providers: the name counts, too.
        Actor::Principal(principal) | Actor::Delegate { principal, .. }
            if is_for(row, principal) || *principal.name == *row.name =>
        {
            Err(GrantError::OwnGrant)
        }
        Actor::Delegate { operator, .. } if *operator == row.name => Err(GrantError::OwnGrant),
        Actor::Principal(principal) | Actor::Delegate { principal, .. } => {
            let terms = settings.services.get(row.service.as_str());
            if terms.is_some_and(|terms| terms.approvers.has(principal)) {
                return Ok(());
            }
            Err(GrantError::NotAllowed { who: principal.to_string(), what, service: row.service.clone() })
        }
    }
}

fn is_for(row: &GrantRow, principal: &Principal) -> bool {
    *row.provider == *principal.provider && *row.subject == *principal.subject
}

fn ended(row: GrantRow, because: &str) -> GrantRow {
    GrantRow {
        state: State::Ended.word().to_owned(),
        ended: Some(Moment::now().micros()),
        ended_because: Some(because.to_owned()),
        ..row
    }
}

/// The record of a step: the principal is who takes it, and of one that nobody takes, whom the grant is for.
fn record(event: Event, by: Option<&Actor<'_>>, row: &GrantRow) -> AuditRecord {
    let principal = match by {
        Some(Actor::Principal(principal)) => Recorded {
            kind: match principal.kind {
                portcullis_identity::Kind::User => Kind::User,
                portcullis_identity::Kind::Workload => Kind::Workload,
            },
            provider: (*principal.provider).into(),
            subject: principal.subject.clone(),
            name: principal.name.clone(),
            groups: principal.groups.clone(),
        },
        Some(Actor::Operator(user) | Actor::Delegate { operator: user, .. }) => Recorded {
            kind: Kind::Operator,
            provider: "command line".into(),
            subject: (*user).into(),
            name: (*user).into(),
            groups: Box::default(),
        },
        None => Recorded {
            kind: if row.kind == "workload" { Kind::Workload } else { Kind::User },
            provider: row.provider.as_str().into(),
            subject: row.subject.as_str().into(),
            name: row.name.as_str().into(),
            groups: Box::default(),
        },
    };
    let decision = match event {
        Event::GrantApproved | Event::BreakGlass => Some(Decision::Allowed),
        Event::GrantRefused => Some(Decision::Refused),
        _ => None,
    };
    let whose = format!("{} ({}:{})", row.name, row.provider, row.subject);
    let reason = match event {
        Event::GrantAsked | Event::BreakGlass => row.reason.clone(),
        Event::GrantEnded => format!("for {whose}: {}", row.ended_because.as_deref().unwrap_or_default()),
        _ => format!("for {whose}: {}", row.answer.as_deref().unwrap_or(&row.reason)),
    };
    let reason = match by {
        Some(Actor::Delegate { principal, .. }) => format!("on behalf of {principal}: {reason}"),
        _ => reason,
    };
    AuditRecord {
        decision,
        principal: Some(principal),
        service: Some(row.service.as_str().into()),
        grant: Some(row.id.as_str().into()),
        reason: Some(reason.into()),
        first: row.decided.or(Some(row.asked)).filter(|_| event == Event::GrantEnded).map(Moment::from_micros),
        last: (event != Event::GrantAsked && event != Event::GrantRefused)
            .then(|| Moment::from_micros(row.ended.unwrap_or(row.expires))),
        ..AuditRecord::new(event)
    }
}

/// A text that somebody wrote: one line, bounded, and nothing in it acts.
fn sentence(text: &str) -> Result<String, GrantError> {
    let text = text.trim();
    if text.is_empty() || text.chars().count() > LONGEST_TEXT || portcullis_audit::neutralise(text) != text {
        return Err(GrantError::Reason { longest: LONGEST_TEXT });
    }
    Ok(text.to_owned())
}

fn fresh_id() -> Result<String, GrantError> {
    let mut bytes = [0; 6];
    rand::fill(&mut bytes).map_err(|_| GrantError::NoRandomness)?;
    Ok(bytes.iter().fold("g-".to_owned(), |id, byte| id + &format!("{byte:02x}")))
}
