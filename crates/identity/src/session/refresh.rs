//! Asking the provider again: which sessions are due, and what its answer does to them.

use std::time::Duration;

use portcullis_store::sessions::{SessionRow, Which};
use serde::{Deserialize, Serialize};

use super::{ProviderTokens, SessionError, Sessions, person};
use crate::{Principal, Secret, standing::now};

/// How long one process has to get the provider's answer, in seconds. Longer than any exchange with it may take.
const CLAIM: u64 = 60;
/// Purpose of what is sealed here.
const PURPOSE: &str = "provider-tokens";

/// A session whose claims the provider is to be asked for again, by this process and no other.
#[derive(Debug)]
pub struct Due {
    /// Public id.
    pub id: Box<str>,
    /// The provider's name for the person; the answer has to be about the same one.
    pub subject: Box<str>,
    /// What to ask with.
    pub tokens: ProviderTokens,
}

/// As they are sealed.
#[derive(Serialize, Deserialize)]
struct Plain<'a> {
    refresh: Option<&'a str>,
    id: Option<&'a str>,
}

impl Sessions {
    /// Takes on at most so many sessions of a provider that it has not confirmed for so long. No other process gets the
    /// same one: a refresh token is often good for one use.
    pub async fn take_due(&self, provider: &str, age: Duration, most: usize) -> Result<Vec<Due>, SessionError> {
        self.take_due_at(provider, age, most, now()).await
    }

    pub(super) async fn take_due_at(
        &self,
        provider: &str,
        age: Duration,
        most: usize,
        now: u64,
    ) -> Result<Vec<Due>, SessionError> {
        let age = age.as_secs();
        let due: Vec<String> = {
            let table = self.table();
            let of_provider = table.entries().filter(|(_, entry)| *entry.standing.principal.provider == *provider);
            let due = of_provider.filter(|(_, entry)| entry.has_tokens && entry.confirmed + age <= now);
            due.map(|(id, _)| id.to_owned()).take(most).collect()
        };
        if due.is_empty() {
            return Ok(Vec::new());
        }
        let taken = self.commit(now, move |all| {
            let mut taken = Vec::new();
            for id in due {
                let Some(mut row) = all.sessions().open(&Which::Id(id))?.pop() else { continue };
                if row.claimed <= now && row.confirmed + age <= now {
                    row.claimed = now + CLAIM;
                    all.sessions().put(&row)?;
                    taken.push(row);
                }
            }
            Ok(taken)
        });
        let due = |row: SessionRow| {
            let tokens = row.tokens.as_deref().and_then(|sealed| self.open_tokens(&row.id, sealed))?;
            tokens.refresh.is_some().then(|| Due { id: row.id.into(), subject: row.subject.into(), tokens })
        };
        Ok(taken.await?.into_iter().filter_map(due).collect())
    }

    /// The provider has confirmed a session: what it says of the person now holds at once, and new tokens take the
    /// place of the old ones.
    pub async fn confirm(&self, id: &str, principal: &Principal, tokens: &ProviderTokens) -> Result<(), SessionError> {
        let now = now();
        let (name, person) = (principal.name.to_string(), person::write(principal));
        let sealed = self.seal_tokens(id, tokens, now);
        self.change(id, now, move |row| {
            row.name.clone_from(&name);
            row.person.clone_from(&person);
            row.tokens.clone_from(&sealed);
            row.confirmed = now;
            row.claimed = 0;
        })
        .await
    }

    /// The provider could not be asked: the session stays as it is, and is due again after so long.
    pub async fn postpone(&self, id: &str, by: Duration) -> Result<(), SessionError> {
        let now = now();
        self.change(id, now, move |row| row.claimed = now + by.as_secs()).await
    }

    async fn change(
        &self,
        id: &str,
        now: u64,
        mut change: impl FnMut(&mut SessionRow) + Send + 'static,
    ) -> Result<(), SessionError> {
        let id = id.to_owned();
        let changed = self.commit(now, move |all| {
            let mut rows = all.sessions().open(&Which::Id(id))?;
            for row in &mut rows {
                change(row);
                all.sessions().put(row)?;
            }
            Ok(rows)
        });
        changed.await?;
        Ok(())
    }

    /// The tokens of a session.
    pub(super) async fn tokens(&self, id: &str) -> Result<ProviderTokens, SessionError> {
        let owned = id.to_owned();
        let row = self.vault.read(move |all| all.sessions().find(&owned)).await?;
        let sealed = row.and_then(|row| row.tokens);
        Ok(sealed.and_then(|sealed| self.open_tokens(id, &sealed)).unwrap_or_default())
    }

    pub(super) fn seal_tokens(&self, id: &str, tokens: &ProviderTokens, now: u64) -> Option<Vec<u8>> {
        let expose = |token: &'_ Option<Secret>| token.as_ref().map(|token| token.expose().to_owned());
        let (refresh, id_token) = (expose(&tokens.refresh), expose(&tokens.id));
        let plain = Plain { refresh: refresh.as_deref(), id: id_token.as_deref() };
        self.seal.close(PURPOSE, id, &serde_json::to_vec(&plain).ok()?, now)
    }

    fn open_tokens(&self, id: &str, sealed: &[u8]) -> Option<ProviderTokens> {
        let plain = self.seal.open(PURPOSE, id, sealed)?;
        let plain: Plain<'_> = serde_json::from_slice(&plain).ok()?;
        Some(ProviderTokens { refresh: plain.refresh.map(Secret::new), id: plain.id.map(Secret::new) })
    }
}
