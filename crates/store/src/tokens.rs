//! The table of tokens: keys that programs prove themselves with, as hashes.

use std::fmt;

use rusqlite::Row;

use crate::{StoreError, Transaction};

/// A row. Times are seconds since the Unix epoch.
#[derive(Clone, PartialEq, Eq)]
pub struct TokenRow {
    /// Public id.
    pub id: String,
    /// Whose it is; several may have one name.
    pub name: String,
    /// SHA-256 of the secret.
    pub hash: [u8; 32],
    /// Groups, sorted.
    pub groups: Vec<String>,
    /// The services that it may be used for, sorted; `None`: all.
    pub services: Option<Vec<String>>,
    /// Since when.
    pub created: u64,
    /// When it ends by itself.
    pub expires: Option<u64>,
    /// Last use, as far as it was written down.
    pub used: Option<u64>,
    /// When it was revoked.
    pub revoked: Option<u64>,
}

/// Does not tell the hash.
impl fmt::Debug for TokenRow {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("TokenRow")
            .field("id", &self.id)
            .field("name", &self.name)
            .field("revoked", &self.revoked)
            .finish_non_exhaustive()
    }
}

const NEXT_CHANGE: &str = "(SELECT coalesce(max(change), 0) + 1 FROM tokens)";

/// The table within a transaction.
#[derive(Debug)]
pub struct Tokens<'t> {
    transaction: &'t Transaction<'t>,
}

impl<'t> Tokens<'t> {
    pub(crate) fn new(transaction: &'t Transaction<'t>) -> Self {
        Self { transaction }
    }

    /// Every row, by name and age.
    pub fn all(&self) -> Result<Vec<TokenRow>, StoreError> {
        let sql = "SELECT id, name, hash, groups, services, created, expires, used, revoked FROM tokens \
             ORDER BY name, created, id";
        self.transaction.rows(sql, [], read)
    }

    /// Number of the last change; 0 before the first. Where it is the same as before, [`Self::all`] says nothing new but
    /// of last uses. (Rows are never deleted, so it never comes back.)
    pub fn change(&self) -> Result<u64, StoreError> {
        let sql = "SELECT coalesce(max(change), 0) AS change FROM tokens";
        let found = self.transaction.rows(sql, [], |row| row.get::<_, i64>("change"))?;
        Ok(found.first().map_or(0, |change| change.cast_unsigned()))
    }

    /// Adds a row.
    pub fn add(&self, row: &TokenRow) -> Result<(), StoreError> {
        let sql = format!(
            "INSERT INTO tokens (id, change, name, hash, groups, services, created, expires, used, revoked) \
             VALUES (?1, {NEXT_CHANGE}, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)"
        );
        let parameters = (
            &row.id,
            &row.name,
            row.hash,
            row.groups.join("\n"),
            row.services.as_ref().map(|services| services.join("\n")),
            row.created.cast_signed(),
            row.expires.map(u64::cast_signed),
            row.used.map(u64::cast_signed),
            row.revoked.map(u64::cast_signed),
        );
        self.transaction.execute(&sql, parameters).map(|_| ())
    }

    /// Says that a token is revoked; whether it was not before.
    pub fn revoke(&self, id: &str, now: u64) -> Result<bool, StoreError> {
        let sql = format!("UPDATE tokens SET revoked = ?2, change = {NEXT_CHANGE} WHERE id = ?1 AND revoked IS NULL");
        Ok(self.transaction.execute(&sql, (id, now.cast_signed()))? > 0)
    }

    /// Writes down that a token was used.
    pub fn used(&self, id: &str, at: u64) -> Result<(), StoreError> {
        let sql = "UPDATE tokens SET used = max(coalesce(used, 0), ?2) WHERE id = ?1";
        self.transaction.execute(sql, (id, at.cast_signed())).map(|_| ())
    }
}

fn read(row: &Row<'_>) -> rusqlite::Result<TokenRow> {
    let lines = |text: String| text.lines().map(str::to_owned).collect();
    let time = |name| row.get::<_, Option<i64>>(name).map(|time| time.map(i64::cast_unsigned));
    Ok(TokenRow {
        id: row.get("id")?,
        name: row.get("name")?,
        hash: row.get("hash")?,
        groups: lines(row.get("groups")?),
        services: row.get::<_, Option<String>>("services")?.map(lines),
        created: row.get::<_, i64>("created")?.cast_unsigned(),
        expires: time("expires")?,
        used: time("used")?,
        revoked: time("revoked")?,
    })
}
