//! The table of users: people that the proxy itself knows.

use std::fmt;

use rusqlite::Row;

use crate::{StoreError, Transaction};

/// A row. Times are seconds since the Unix epoch.
#[derive(Clone, PartialEq, Eq)]
pub struct UserRow {
    /// Name in lower case.
    pub name: String,
    /// Hash of the password: a PHC string.
    pub password: String,
    /// Groups, sorted.
    pub groups: Vec<String>,
    /// Since when.
    pub created: u64,
    /// When the password was set.
    pub changed: u64,
}

/// Never shows the hash.
impl fmt::Debug for UserRow {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("UserRow")
            .field("name", &self.name)
            .field("groups", &self.groups)
            .finish_non_exhaustive()
    }
}

const COLUMNS: &str = "name, password, groups, created, changed";

/// The table within a transaction.
#[derive(Debug)]
pub struct Users<'t> {
    transaction: &'t Transaction<'t>,
}

impl<'t> Users<'t> {
    pub(crate) fn new(transaction: &'t Transaction<'t>) -> Self {
        Self { transaction }
    }

    /// Everybody, by name.
    pub fn all(&self) -> Result<Vec<UserRow>, StoreError> {
        self.transaction.rows(&format!("SELECT {COLUMNS} FROM users ORDER BY name"), [], read)
    }

    /// One person.
    pub fn find(&self, name: &str) -> Result<Option<UserRow>, StoreError> {
        let sql = format!("SELECT {COLUMNS} FROM users WHERE name = ?1");
        Ok(self.transaction.rows(&sql, [name], read)?.pop())
    }

    /// Writes a row, in place of an earlier one with its name.
    pub fn put(&self, row: &UserRow) -> Result<(), StoreError> {
        let sql = format!("INSERT OR REPLACE INTO users ({COLUMNS}) VALUES (?1, ?2, ?3, ?4, ?5)");
        let parameters =
            (&row.name, &row.password, row.groups.join("\n"), row.created.cast_signed(), row.changed.cast_signed());
        self.transaction.execute(&sql, parameters).map(|_| ())
    }

    /// Forgets a person; whether there was one.
    pub fn remove(&self, name: &str) -> Result<bool, StoreError> {
        Ok(self.transaction.execute("DELETE FROM users WHERE name = ?1", [name])? > 0)
    }
}

fn read(row: &Row<'_>) -> rusqlite::Result<UserRow> {
    let groups = row.get_ref("groups")?.as_str()?.lines().map(str::to_owned).collect();
    Ok(UserRow {
        name: row.get("name")?,
        password: row.get("password")?,
        groups,
        created: row.get::<_, i64>("created")?.cast_unsigned(),
        changed: row.get::<_, i64>("changed")?.cast_unsigned(),
    })
}
