//! One piece of work on the store, all of it or nothing.

use std::path::Path;

use rusqlite::{Connection, Params, Row};

use crate::{
    StoreError, audit::Audit, grants::Grants, keys::Keys, leases::Leases, reservations::Reservations,
    sessions::Sessions, tokens::Tokens, users::Users,
};

/// A transaction, made by [`crate::Store::write`] and [`crate::Store::read`].
#[derive(Debug)]
pub struct Transaction<'s> {
    inner: rusqlite::Transaction<'s>,
    path: &'s Path,
}

impl<'s> Transaction<'s> {
    pub(crate) fn new(inner: rusqlite::Transaction<'s>, path: &'s Path) -> Self {
        Self { inner, path }
    }

    /// The tables of the audit.
    pub fn audit(&self) -> Audit<'_> {
        Audit::new(self)
    }

    /// The table of grants.
    pub fn grants(&self) -> Grants<'_> {
        Grants::new(self)
    }

    /// The table of leases.
    pub fn leases(&self) -> Leases<'_> {
        Leases::new(self)
    }

    /// The table of reservations.
    pub fn reservations(&self) -> Reservations<'_> {
        Reservations::new(self)
    }

    /// The table of keys.
    pub fn keys(&self) -> Keys<'_> {
        Keys::new(self)
    }

    /// The table of sessions.
    pub fn sessions(&self) -> Sessions<'_> {
        Sessions::new(self)
    }

    /// The table of tokens.
    pub fn tokens(&self) -> Tokens<'_> {
        Tokens::new(self)
    }

    /// The table of users.
    pub fn users(&self) -> Users<'_> {
        Users::new(self)
    }

    pub(crate) fn commit(self) -> Result<(), StoreError> {
        let path = self.path;
        self.inner.commit().map_err(|cause| StoreError::from_sqlite(path, cause))
    }

    /// Runs a statement; returns how many rows it changed.
    pub(crate) fn execute(&self, sql: &str, parameters: impl Params) -> Result<usize, StoreError> {
        self.on(|connection| connection.prepare_cached(sql)?.execute(parameters))
    }

    /// Every row of a query.
    pub(crate) fn rows<T>(
        &self,
        sql: &str,
        parameters: impl Params,
        read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Vec<T>, StoreError> {
        self.on(|connection| connection.prepare_cached(sql)?.query_map(parameters, read)?.collect())
    }

    fn on<T>(&self, work: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T, StoreError> {
        work(&self.inner).map_err(|cause| StoreError::from_sqlite(self.path, cause))
    }
}
