//! The sessions in memory.

use std::{collections::HashMap, sync::Arc};

use portcullis_store::sessions::{SessionRow, Which};

use super::{Summary, person};
use crate::{Basis, Principal, Standing};

/// By public id.
#[derive(Debug, Default)]
pub(super) struct Table {
    entries: HashMap<Box<str>, Entry>,
}

/// One session.
#[derive(Debug)]
pub(super) struct Entry {
    /// What workers rely on.
    pub(super) standing: Arc<Standing>,
    account: Option<Box<str>>,
    provider_session: Option<Box<str>>,
    created: u64,
    /// The last use that the store knows of.
    pub(super) kept_use: u64,
    /// When the provider last confirmed what is known.
    pub(super) confirmed: u64,
    /// Whether there are tokens to ask the provider again with.
    pub(super) has_tokens: bool,
}

impl Table {
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(super) fn find(&self, id: &str) -> Option<Arc<Standing>> {
        self.entries.get(id).map(|entry| Arc::clone(&entry.standing))
    }

    pub(super) fn entries(&self) -> impl Iterator<Item = (&str, &Entry)> {
        self.entries.iter().map(|(id, entry)| (&**id, entry))
    }

    pub(super) fn list(&self) -> Vec<Summary> {
        let summary = |(id, entry): (&str, &Entry)| Summary {
            id: id.into(),
            principal: Arc::clone(&entry.standing.principal),
            created: entry.created,
            seen: entry.standing.last_use(),
            expires: entry.standing.expires,
        };
        let mut list: Vec<_> = self.entries().map(summary).collect();
        list.sort_unstable_by(|one, other| (one.created, &one.id).cmp(&(other.created, &other.id)));
        list
    }

    /// Ends what is meant, as far as it is known here.
    pub(super) fn end(&mut self, which: &Which) -> usize {
        let before = self.entries.len();
        self.entries.retain(|id, entry| {
            let is_meant = entry.is_meant(id, which);
            if is_meant {
                entry.standing.end();
            }
            !is_meant
        });
        before - self.entries.len()
    }

    /// Brings one session to what the store says of it.
    pub(super) fn take_in(&mut self, row: &SessionRow, now: u64, most: usize) {
        if row.ended.is_some() || row.expires <= now {
            if let Some(entry) = self.entries.remove(&*row.id) {
                entry.standing.end();
            }
            return;
        }
        // One that this version can not read is one that nobody has: they log in again.
        let Some(principal) = person::read(&row.provider, &row.subject, &row.name, &row.person) else { return };
        if let Some(entry) = self.entries.get_mut(&*row.id) {
            entry.take_in(row, principal);
        } else if self.entries.len() < most {
            self.entries.insert(row.id.as_str().into(), Entry::new(row, principal));
        }
    }
}

impl Entry {
    fn new(row: &SessionRow, principal: Principal) -> Self {
        Self {
            standing: standing(row, principal),
            account: row.account.as_deref().map(Into::into),
            provider_session: row.provider_session.as_deref().map(Into::into),
            created: row.created,
            kept_use: row.seen,
            confirmed: row.confirmed,
            has_tokens: row.tokens.is_some(),
        }
    }

    /// Where the person's claims have changed, a new standing takes the old one's place.
    fn take_in(&mut self, row: &SessionRow, principal: Principal) {
        if *self.standing.principal != principal {
            let newer = standing(row, principal);
            newer.used(self.standing.last_use());
            std::mem::replace(&mut self.standing, newer).supersede();
        }
        self.standing.used(row.seen);
        self.kept_use = row.seen;
        self.confirmed = row.confirmed;
        self.has_tokens = row.tokens.is_some();
    }

    fn is_meant(&self, id: &str, which: &Which) -> bool {
        let principal = &self.standing.principal;
        match which {
            Which::Id(meant) => id == meant,
            Which::Subject { provider, subject } => {
                *principal.provider == **provider && *principal.subject == **subject
            }
            Which::ProviderSession { provider, provider_session } => {
                *principal.provider == **provider && self.provider_session.as_deref() == Some(provider_session)
            }
            Which::Name(name) => *principal.name == **name,
            Which::Account(account) => self.account.as_deref() == Some(account),
        }
    }
}

fn standing(row: &SessionRow, principal: Principal) -> Arc<Standing> {
    let standing = Standing::new(principal, Basis::Session(row.id.as_str().into()), row.expires);
    standing.used(row.seen);
    Arc::new(standing)
}
