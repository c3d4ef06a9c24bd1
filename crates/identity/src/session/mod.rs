//! Logins of people: a sealed cookie in the browser, and what it stands for here.
//!
//! Owns: the cookie, the table of sessions in memory and its other half in the store, how long a session lasts, and how
//! it is ended from wherever: its own logout, the provider, an operator, another process.
//!
//! Must not know: how somebody proved who they are when they logged in.
//!
//! Invariants:
//! - The cookie holds no claim: a random number of 256 bits and two times. Logs and the store know only its hash.
//! - A login always begins a new session; no number that a client brings becomes one (fixation).
//! - What was ended never comes back: not by its cookie, not by a restart, not by another process.
//! - A session is in the store before its cookie is in the browser.
//! - The number of sessions is bounded, in all and for each person.

mod person;
mod refresh;
mod table;
mod tend;
#[cfg(test)]
mod tests;
mod ticket;

use std::{
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicI64, AtomicU64, Ordering},
    },
    time::Duration,
};

use http::HeaderValue;
pub(crate) use person::with_groups;
pub use portcullis_store::sessions::Which;
use portcullis_store::{StoreError, Transaction, sessions::SessionRow};
pub use refresh::Due;
use table::Table;
use ticket::Ticket;

use crate::{
    Basis, NotProven, Presented, Principal, Refusal, Secret, Standing,
    cookie::Cookie,
    own_keys::{KeyError, Seal},
    site::Site,
    standing::now,
    vault::{Vault, VaultError},
};

/// How long a login lasts, and how many there may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SessionSettings {
    /// Ends a login that nobody uses.
    pub idle: Duration,
    /// Ends every login.
    pub lifetime: Duration,
    /// Sessions at once; past it, logins are refused.
    pub most: usize,
    /// Sessions of one person at once; past it, a login ends the person's oldest one.
    pub most_of_a_person: usize,
}

impl Default for SessionSettings {
    fn default() -> Self {
        Self { idle: Duration::from_hours(1), lifetime: Duration::from_hours(12), most: 50_000, most_of_a_person: 50 }
    }
}

/// Somebody who has just proven who they are.
#[derive(Debug)]
pub struct Login {
    /// Who.
    pub principal: Principal,
    /// The row of the table of users that it rests on.
    pub account: Option<Box<str>>,
    /// The provider's own name for its session (`sid`).
    pub provider_session: Option<Box<str>>,
    /// What the provider gave along.
    pub tokens: Option<ProviderTokens>,
}

/// Tokens of a provider. They are kept sealed, and never leave for a service or a page.
#[derive(Debug, Clone, Default)]
pub struct ProviderTokens {
    /// For asking again.
    pub refresh: Option<Secret>,
    /// For saying at the provider whose session is to end (`id_token_hint`).
    pub id: Option<Secret>,
}

/// A session that has just begun.
#[derive(Debug)]
pub struct Begun {
    /// `Set-Cookie` for the browser.
    pub cookie: HeaderValue,
    /// What it stands for.
    pub standing: Arc<Standing>,
}

/// Why a session could not begin or end.
#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    /// The store does not take it.
    #[error("cannot keep the session: {0}")]
    Vault(#[from] VaultError),
    /// There are as many as there may be.
    #[error("there are {0} sessions already, which is as many as there may be")]
    Full(usize),
    /// Sealing needs random bytes and a key.
    #[error("cannot seal a cookie: the system gives no random bytes, or the store no key")]
    Seal,
}

/// A session, for those who list them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Summary {
    /// Public id.
    pub id: Box<str>,
    /// Whose.
    pub principal: Arc<Principal>,
    /// Since when, in seconds since 1970.
    pub created: u64,
    /// Last use, in seconds since 1970.
    pub seen: u64,
    /// When it ends by itself, if it is used until then.
    pub expires: u64,
}

/// All sessions. One for the life of the process; it outlives every plan.
#[derive(Debug)]
pub struct Sessions {
    vault: Vault,
    seal: Seal,
    settings: RwLock<SessionSettings>,
    table: RwLock<Table>,
    /// Held from before a transaction until the table says the same: otherwise a slow reader could bring back what was
    /// ended meanwhile.
    order: tokio::sync::Mutex<()>,
    /// Number of the last change that was learnt from the store.
    learnt: AtomicI64,
    /// When keys, uses and old rows were last seen to.
    kept: AtomicU64,
}

impl Sessions {
    /// Everything that the store knows. Needs [`Sessions::tend`] beside it from then on.
    pub async fn open(vault: Vault, settings: SessionSettings) -> Result<Self, KeyError> {
        // Keys outlast what any later setting of the lifetime could have sealed with them, up to a month.
        let valid_for = settings.lifetime.max(Duration::from_hours(30 * 24));
        let sessions = Self {
            vault,
            seal: Seal::new(valid_for.as_secs()),
            settings: RwLock::new(settings),
            table: RwLock::default(),
            order: tokio::sync::Mutex::default(),
            learnt: AtomicI64::new(0),
            kept: AtomicU64::new(0),
        };
        sessions.seal.keep(&sessions.vault, now()).await?;
        sessions.learn(now()).await?;
        Ok(sessions)
    }

    /// Takes on other settings. Sessions that have begun keep their end.
    pub fn configure(&self, settings: SessionSettings) {
        *self.settings.write().unwrap_or_else(PoisonError::into_inner) = settings;
    }

    /// Who sends this, by the session cookie. Looks at memory alone, so that it may be called on the hot path; a
    /// session that another process has just begun is learnt of within a moment ([`Self::prove_after_looking`]).
    pub fn prove(&self, presented: &Presented) -> Result<Arc<Standing>, NotProven> {
        self.prove_at(presented, now())
    }

    /// [`Self::prove`], and where the session is not known, once more after asking the store.
    pub async fn prove_after_looking(&self, presented: &Presented) -> Result<Arc<Standing>, NotProven> {
        match self.prove(presented) {
            Err(NotProven::Refused(Refusal { reason: UNKNOWN, .. })) => {
                self.learn(now()).await.map_err(|error| NotProven::Unavailable(error.to_string().into()))?;
                self.prove(presented)
            }
            judged => judged,
        }
    }

    /// Begins a session. `replaced` is the session cookie of the request, whose session ends: a login never continues
    /// what was there before.
    pub async fn begin(&self, login: Login, site: Site<'_>, replaced: Option<&str>) -> Result<Begun, SessionError> {
        self.begin_at(login, site, replaced, now()).await
    }

    /// Ends sessions, here at once and everywhere within a second; what rests on them closes. Returns how many.
    pub async fn end(&self, which: Which) -> Result<usize, SessionError> {
        // First here: even where the store does not answer, whoever logs out is out.
        let here = self.table_mut().end(&which);
        let now = now();
        let there = self.commit(now, move |all| all.sessions().end(&which, now)).await?;
        Ok(there.len().max(here))
    }

    /// Ends the session of a cookie, and gives back what the provider knows it by.
    pub async fn end_by_cookie(&self, presented: &Presented) -> Result<Option<Ended>, SessionError> {
        let Ok(standing) = self.prove_after_looking(presented).await else { return Ok(None) };
        let Basis::Session(id) = &standing.basis else { return Ok(None) };
        let tokens = self.tokens(id).await?;
        self.end(Which::Id(id.to_string())).await?;
        Ok(Some(Ended { provider: Arc::clone(&standing.principal.provider), id_token: tokens.id }))
    }

    /// Learns now, and not within a moment, what other processes have changed.
    pub async fn look_again(&self) -> Result<(), VaultError> {
        self.learn(now()).await
    }

    /// All that have not ended, the oldest first.
    pub fn list(&self) -> Vec<Summary> {
        self.table().list()
    }

    fn prove_at(&self, presented: &Presented, now: u64) -> Result<Arc<Standing>, NotProven> {
        let Some(cookie) = &presented.session else { return Err(NotProven::Nobody) };
        let site = Site { scheme: presented.scheme, authority: &presented.authority };
        let ticket = Ticket::open(cookie, &self.seal, site).ok_or_else(|| {
            Refusal::token("foreign-cookie", "the session cookie was not made by this proxy for this host")
        })?;
        let refused = |reason, what: &str| Refusal::token(reason, format!("session {} {what}", ticket.id()));
        if ticket.expires <= now {
            return Err(refused("expired-session", "has reached the end of its lifetime").into());
        }
        let standing = self.table().find(&ticket.id()).ok_or_else(|| refused(UNKNOWN, "was ended, or never was"))?;
        if !standing.stands(now) {
            return Err(refused("expired-session", "has reached the end of its lifetime").into());
        }
        if standing.last_use() + self.settings().idle.as_secs() <= now {
            return Err(refused("idle-session", "was not used for too long").into());
        }
        standing.used(now);
        Ok(standing)
    }

    async fn begin_at(
        &self,
        login: Login,
        site: Site<'_>,
        replaced: Option<&str>,
        now: u64,
    ) -> Result<Begun, SessionError> {
        let settings = self.settings();
        if self.table().len() >= settings.most {
            return Err(SessionError::Full(settings.most));
        }
        let lifetime = settings.lifetime.as_secs();
        let ticket = Ticket::new(now, now + lifetime).ok_or(SessionError::Seal)?;
        let cookie = ticket.close(&self.seal, site, now).ok_or(SessionError::Seal)?;
        let id = ticket.id();
        let Login { principal, account, provider_session, tokens } = login;
        let row = SessionRow {
            provider: principal.provider.to_string(),
            subject: principal.subject.to_string(),
            name: principal.name.to_string(),
            account: account.map(Into::into),
            provider_session: provider_session.map(Into::into),
            person: person::write(&principal),
            tokens: tokens.and_then(|tokens| self.seal_tokens(&id, &tokens, now)),
            created: now,
            seen: now,
            expires: now + lifetime,
            confirmed: now,
            claimed: 0,
            ended: None,
            id,
        };
        let replaced = replaced.and_then(|cookie| Ticket::open(cookie, &self.seal, site)).map(|ticket| ticket.id());
        let written = self.commit(now, move |all| {
            let table = all.sessions();
            let mut written = Vec::new();
            if let Some(id) = replaced {
                written.extend(table.end(&Which::Id(id), now)?);
            }
            let person = Which::Subject { provider: row.provider.clone(), subject: row.subject.clone() };
            let mut others = table.open(&person)?;
            others.sort_unstable_by_key(|other| other.created);
            let too_many = (others.len() + 1).saturating_sub(settings.most_of_a_person);
            for oldest in others.into_iter().take(too_many) {
                written.extend(table.end(&Which::Id(oldest.id), now)?);
            }
            table.put(&row)?;
            written.push(row);
            Ok(written)
        });
        written.await?;
        let standing = self.table().find(&ticket.id()).ok_or(SessionError::Full(settings.most))?;
        let cookie = Cookie::Session.set(&cookie, lifetime, site).ok_or(SessionError::Seal)?;
        Ok(Begun { cookie, standing })
    }

    fn settings(&self) -> SessionSettings {
        *self.settings.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is sealed for other cookies and forms is sealed with the same keys.
    pub(crate) fn seal(&self) -> &Seal {
        &self.seal
    }

    fn table(&self) -> std::sync::RwLockReadGuard<'_, Table> {
        self.table.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn table_mut(&self) -> std::sync::RwLockWriteGuard<'_, Table> {
        self.table.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Brings the table to what rows of the store say.
    fn take_in(&self, rows: &[SessionRow], now: u64) {
        let most = self.settings().most;
        let mut table = self.table_mut();
        for row in rows {
            table.take_in(row, now, most);
        }
    }

    /// One transaction, and the table brought to what it wrote.
    async fn commit(
        &self,
        now: u64,
        work: impl FnOnce(&Transaction<'_>) -> Result<Vec<SessionRow>, StoreError> + Send + 'static,
    ) -> Result<Vec<SessionRow>, VaultError> {
        let _order = self.order.lock().await;
        let rows = self.vault.write(work).await?;
        self.take_in(&rows, now);
        Ok(rows)
    }

    /// Learns what was changed in the store since last time, by whomever.
    async fn learn(&self, now: u64) -> Result<(), VaultError> {
        let _order = self.order.lock().await;
        let since = self.learnt.load(Ordering::Acquire);
        let changes = self.vault.read(move |all| all.sessions().after(since)).await?;
        let Some(last) = changes.last().map(|(number, _)| *number) else { return Ok(()) };
        let rows: Vec<_> = changes.into_iter().map(|(_, row)| row).collect();
        self.take_in(&rows, now);
        self.learnt.fetch_max(last, Ordering::AcqRel);
        Ok(())
    }
}

/// What is left to say of a session that was ended.
#[derive(Debug)]
pub struct Ended {
    /// Whose it was.
    pub provider: Arc<str>,
    /// For the provider's own logout.
    pub id_token: Option<Secret>,
}

/// Reason of a refusal: an honest cookie whose session is not in the table.
const UNKNOWN: &str = "ended-session";
