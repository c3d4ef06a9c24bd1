//! The table of keys: secrets that the proxy made for itself.

use std::fmt;

use rusqlite::Row;

use crate::{StoreError, Transaction};

/// A row. What its secret is, is known to whoever made it.
#[derive(Clone, PartialEq, Eq)]
pub struct KeyRow {
    /// Its number, which no other key ever has.
    pub id: u32,
    /// The secret.
    pub secret: Vec<u8>,
    /// When it was made, in seconds since the Unix epoch.
    pub created: u64,
}

/// Never shows the secret.
impl fmt::Debug for KeyRow {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("KeyRow").field("id", &self.id).field("created", &self.created).finish_non_exhaustive()
    }
}

/// The table within a transaction.
#[derive(Debug)]
pub struct Keys<'t> {
    transaction: &'t Transaction<'t>,
}

impl<'t> Keys<'t> {
    pub(crate) fn new(transaction: &'t Transaction<'t>) -> Self {
        Self { transaction }
    }

    /// Those of one purpose, the oldest first.
    pub fn of(&self, purpose: &str) -> Result<Vec<KeyRow>, StoreError> {
        let sql = "SELECT id, secret, created FROM keys WHERE purpose = ?1 ORDER BY id";
        self.transaction.rows(sql, [purpose], read)
    }

    /// Adds one.
    pub fn add(&self, purpose: &str, secret: &[u8], created: u64) -> Result<(), StoreError> {
        let sql = "INSERT INTO keys (purpose, secret, created) VALUES (?1, ?2, ?3)";
        self.transaction.execute(sql, (purpose, secret, created.cast_signed())).map(|_| ())
    }

    /// Forgets one.
    pub fn remove(&self, id: u32) -> Result<(), StoreError> {
        self.transaction.execute("DELETE FROM keys WHERE id = ?1", [id]).map(|_| ())
    }
}

fn read(row: &Row<'_>) -> rusqlite::Result<KeyRow> {
    Ok(KeyRow {
        id: row.get("id")?,
        secret: row.get("secret")?,
        created: row.get::<_, i64>("created")?.cast_unsigned(),
    })
}
