//! The tables of the audit: records, signatures of their newest, and where old ones were cut off.

use std::ops::Range;

use rusqlite::Row;

use crate::{StoreError, Transaction};

/// A record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordRow {
    /// Its number, from 1.
    pub id: u64,
    /// When it happened, in microseconds since the Unix epoch.
    pub time: i64,
    /// Its text.
    pub body: String,
}

/// That somebody signed for a record and all before it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedRow {
    /// The record.
    pub id: u64,
    /// Its hash.
    pub hash: [u8; 32],
    /// When it was signed, in microseconds since the Unix epoch.
    pub time: i64,
    /// Which key.
    pub key: String,
    /// The signature.
    pub signature: Vec<u8>,
}

/// How long a head stays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stay {
    /// For good.
    Kept,
    /// Until there is a newer one.
    InPassing,
}

/// From which end records are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// Oldest first.
    Ascending,
    /// Newest first.
    Descending,
}

/// The tables within a transaction.
#[derive(Debug)]
pub struct Audit<'t> {
    transaction: &'t Transaction<'t>,
}

impl<'t> Audit<'t> {
    pub(crate) fn new(transaction: &'t Transaction<'t>) -> Self {
        Self { transaction }
    }

    /// Adds a record; its number has to be greater than any before.
    pub fn append(&self, row: &RecordRow) -> Result<(), StoreError> {
        let sql = "INSERT INTO audit_records (id, time, body) VALUES (?1, ?2, ?3)";
        self.transaction.execute(sql, (row.id.cast_signed(), row.time, &row.body)).map(|_| ())
    }

    /// The newest record.
    pub fn last(&self) -> Result<Option<RecordRow>, StoreError> {
        Ok(self.page(0..u64::MAX, Order::Descending, 1)?.pop())
    }

    /// At most `limit` of the records with these numbers, in this order.
    pub fn page(&self, ids: Range<u64>, order: Order, limit: u32) -> Result<Vec<RecordRow>, StoreError> {
        let sql = match order {
            Order::Ascending => {
                "SELECT id, time, body FROM audit_records WHERE id >= ?1 AND id < ?2 ORDER BY id LIMIT ?3"
            }
            Order::Descending => {
                "SELECT id, time, body FROM audit_records WHERE id >= ?1 AND id < ?2 ORDER BY id DESC LIMIT ?3"
            }
        };
        self.transaction.rows(sql, (bound(ids.start), bound(ids.end), limit), read_record)
    }

    /// Numbers that enclose every record of these times: times may go back from one to the next, as clocks do.
    pub fn enclosing(&self, times: Range<i64>) -> Result<Range<u64>, StoreError> {
        let sql = "SELECT min(id), max(id) FROM audit_records WHERE time >= ?1 AND time < ?2";
        let read = |row: &Row<'_>| Ok((row.get::<_, Option<i64>>(0)?, row.get::<_, Option<i64>>(1)?));
        let found = self.transaction.rows(sql, (times.start, times.end), read)?.pop();
        Ok(match found {
            Some((Some(first), Some(last))) => first.cast_unsigned()..last.cast_unsigned() + 1,
            _ => 0..0,
        })
    }

    /// Signs for the newest record. Heads in passing before it are forgotten.
    pub fn put_head(&self, head: &SignedRow, stay: Stay) -> Result<(), StoreError> {
        let id = head.id.cast_signed();
        let forget = "DELETE FROM audit_heads WHERE kept = 0 AND id <= ?1";
        self.transaction.execute(forget, [id])?;
        let sql = "INSERT OR REPLACE INTO audit_heads (id, hash, time, key, signature, kept) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
        let kept = i64::from(stay == Stay::Kept);
        self.transaction.execute(sql, (id, head.hash, head.time, &head.key, &head.signature, kept)).map(|_| ())
    }

    /// The newest head.
    pub fn head(&self) -> Result<Option<SignedRow>, StoreError> {
        let sql = "SELECT id, hash, time, key, signature FROM audit_heads ORDER BY id DESC LIMIT 1";
        Ok(self.transaction.rows(sql, [], read_signed)?.pop())
    }

    /// The newest head that is kept.
    pub fn kept_head(&self) -> Result<Option<SignedRow>, StoreError> {
        let sql = "SELECT id, hash, time, key, signature FROM audit_heads WHERE kept = 1 ORDER BY id DESC LIMIT 1";
        Ok(self.transaction.rows(sql, [], read_signed)?.pop())
    }

    /// At most `limit` heads from this number on.
    pub fn heads(&self, from: u64, limit: u32) -> Result<Vec<SignedRow>, StoreError> {
        let sql = "SELECT id, hash, time, key, signature FROM audit_heads WHERE id >= ?1 ORDER BY id LIMIT ?2";
        self.transaction.rows(sql, (bound(from), limit), read_signed)
    }

    /// The newest cut.
    pub fn cut(&self) -> Result<Option<SignedRow>, StoreError> {
        let sql = "SELECT id, hash, time, key, signature FROM audit_cuts ORDER BY id DESC LIMIT 1";
        Ok(self.transaction.rows(sql, [], read_signed)?.pop())
    }

    /// Cuts off what is not after this record. The records themselves go with [`Audit::remove_cut_off`].
    pub fn put_cut(&self, cut: &SignedRow) -> Result<(), StoreError> {
        let sql = "INSERT INTO audit_cuts (id, hash, time, key, signature) VALUES (?1, ?2, ?3, ?4, ?5)";
        let id = cut.id.cast_signed();
        self.transaction.execute(sql, (id, cut.hash, cut.time, &cut.key, &cut.signature)).map(|_| ())
    }

    /// Removes at most `limit` of the records that were cut off, and the heads that signed for them. Returns how many
    /// records.
    pub fn remove_cut_off(&self, limit: u32) -> Result<usize, StoreError> {
        let removed = self.transaction.execute(
            "DELETE FROM audit_records WHERE id IN (SELECT id FROM audit_records \
             WHERE id <= (SELECT coalesce(max(id), 0) FROM audit_cuts) ORDER BY id LIMIT ?1)",
            [limit],
        )?;
        self.transaction
            .execute("DELETE FROM audit_heads WHERE id <= (SELECT coalesce(max(id), 0) FROM audit_cuts)", [])?;
        Ok(removed)
    }

    /// How many records there are.
    pub fn count(&self) -> Result<u64, StoreError> {
        let counted = self.transaction.rows("SELECT count(*) FROM audit_records", [], |row| row.get::<_, i64>(0))?;
        Ok(counted.first().copied().unwrap_or_default().cast_unsigned())
    }
}

/// A bound as SQLite can hold it.
fn bound(id: u64) -> i64 {
    i64::try_from(id).unwrap_or(i64::MAX)
}

fn read_record(row: &Row<'_>) -> rusqlite::Result<RecordRow> {
    Ok(RecordRow { id: row.get::<_, i64>(0)?.cast_unsigned(), time: row.get(1)?, body: row.get(2)? })
}

fn read_signed(row: &Row<'_>) -> rusqlite::Result<SignedRow> {
    Ok(SignedRow {
        id: row.get::<_, i64>(0)?.cast_unsigned(),
        hash: row.get(1)?,
        time: row.get(2)?,
        key: row.get(3)?,
        signature: row.get(4)?,
    })
}
