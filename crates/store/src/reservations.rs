//! The table of reservations: numbers that a person keeps from being handed out.

use rusqlite::Row;

use crate::{StoreError, Transaction};

/// A row: some numbers, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReservationRow {
    /// Port space.
    pub space: String,
    /// Lowest number.
    pub first: u16,
    /// Highest number, inclusive.
    pub last: u16,
    /// Why.
    pub reason: String,
    /// Since when, in milliseconds since the Unix epoch.
    pub since: i64,
    /// When it ends; `None`: when it is released.
    pub expires: Option<i64>,
}

/// The table within a transaction.
#[derive(Debug)]
pub struct Reservations<'t> {
    transaction: &'t Transaction<'t>,
}

impl<'t> Reservations<'t> {
    pub(crate) fn new(transaction: &'t Transaction<'t>) -> Self {
        Self { transaction }
    }

    /// Every row, by space and number.
    pub fn all(&self) -> Result<Vec<ReservationRow>, StoreError> {
        let sql = "SELECT space, first, last, reason, since, expires FROM reservations ORDER BY space, first, last";
        self.transaction.rows(sql, [], read)
    }

    /// Writes a row, in place of an earlier one for the same numbers.
    pub fn put(&self, row: &ReservationRow) -> Result<(), StoreError> {
        let sql = "INSERT OR REPLACE INTO reservations (space, first, last, reason, since, expires) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
        let parameters = (&row.space, row.first, row.last, &row.reason, row.since, row.expires);
        self.transaction.execute(sql, parameters).map(|_| ())
    }

    /// Forgets the reservation of exactly these numbers.
    pub fn remove(&self, space: &str, first: u16, last: u16) -> Result<(), StoreError> {
        let sql = "DELETE FROM reservations WHERE space = ?1 AND first = ?2 AND last = ?3";
        self.transaction.execute(sql, (space, first, last)).map(|_| ())
    }
}

fn read(row: &Row<'_>) -> rusqlite::Result<ReservationRow> {
    Ok(ReservationRow {
        space: row.get("space")?,
        first: row.get("first")?,
        last: row.get("last")?,
        reason: row.get("reason")?,
        since: row.get("since")?,
        expires: row.get("expires")?,
    })
}
