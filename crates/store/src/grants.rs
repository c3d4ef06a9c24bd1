//! The table of grants: who asked for what, and what became of it.

use rusqlite::{Row, named_params};

use crate::{StoreError, Transaction};

/// A row. Times are microseconds since the Unix epoch. What the texts mean is said by `portcullis-grants`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GrantRow {
    /// Its public id.
    pub id: String,
    /// A person or a program.
    pub kind: String,
    /// Who vouches for it.
    pub provider: String,
    /// The provider's name for it.
    pub subject: String,
    /// The name that people know.
    pub name: String,
    /// To what.
    pub service: String,
    /// Why.
    pub reason: String,
    /// For how long, in microseconds.
    pub duration: i64,
    /// `asked`, `approved`, `refused` or `ended`.
    pub state: String,
    /// Whether nobody approved.
    pub break_glass: bool,
    /// When it was asked for.
    pub asked: i64,
    /// When the question, and once it is approved the grant, ends by itself.
    pub expires: i64,
    /// When it was approved or refused.
    pub decided: Option<i64>,
    /// By whom.
    pub decided_by: Option<String>,
    /// What they said to it.
    pub answer: Option<String>,
    /// When it ended.
    pub ended: Option<i64>,
    /// Why.
    pub ended_because: Option<String>,
}

const COLUMNS: &str = "id, kind, provider, subject, name, service, reason, duration, state, break_glass, asked, \
     expires, decided, decided_by, answer, ended, ended_because";

/// The table within a transaction.
#[derive(Debug)]
pub struct Grants<'t> {
    transaction: &'t Transaction<'t>,
}

impl<'t> Grants<'t> {
    pub(crate) fn new(transaction: &'t Transaction<'t>) -> Self {
        Self { transaction }
    }

    /// What was written after the change with this number, with the numbers, in their order. From 0: everything.
    pub fn after(&self, change: i64) -> Result<Vec<(i64, GrantRow)>, StoreError> {
        let sql = format!("SELECT change, {COLUMNS} FROM grants WHERE change > ?1 ORDER BY change");
        self.transaction.rows(&sql, [change], |row| Ok((row.get("change")?, read(row)?)))
    }

    /// One, whatever became of it.
    pub fn find(&self, id: &str) -> Result<Option<GrantRow>, StoreError> {
        let sql = format!("SELECT {COLUMNS} FROM grants WHERE id = ?1");
        Ok(self.transaction.rows(&sql, [id], read)?.pop())
    }

    /// Those that wait for an answer, and those that were approved and have not ended, in the order in which they end.
    pub fn in_force(&self) -> Result<Vec<GrantRow>, StoreError> {
        let sql = format!("SELECT {COLUMNS} FROM grants WHERE state IN ('asked', 'approved') ORDER BY expires");
        self.transaction.rows(&sql, [], read)
    }

    /// The newest, whatever became of them; at most `limit`.
    pub fn newest(&self, limit: u32) -> Result<Vec<GrantRow>, StoreError> {
        let sql = format!("SELECT {COLUMNS} FROM grants ORDER BY asked DESC LIMIT ?1");
        self.transaction.rows(&sql, [limit], read)
    }

    /// Writes a row, in place of an earlier one with its id, and gives it a new number of change.
    pub fn put(&self, row: &GrantRow) -> Result<(), StoreError> {
        let sql = format!(
            "INSERT OR REPLACE INTO grants ({COLUMNS}) VALUES (:id, :kind, :provider, :subject, :name, :service, \
             :reason, :duration, :state, :break_glass, :asked, :expires, :decided, :decided_by, :answer, :ended, \
             :ended_because)"
        );
        let parameters = named_params! {
            ":id": row.id, ":kind": row.kind, ":provider": row.provider, ":subject": row.subject, ":name": row.name,
            ":service": row.service, ":reason": row.reason, ":duration": row.duration, ":state": row.state,
            ":break_glass": row.break_glass, ":asked": row.asked, ":expires": row.expires, ":decided": row.decided,
            ":decided_by": row.decided_by, ":answer": row.answer, ":ended": row.ended,
            ":ended_because": row.ended_because,
        };
        self.transaction.execute(&sql, parameters).map(|_| ())
    }

    /// Forgets those that ended, or were refused, before this time.
    pub fn forget(&self, before: i64) -> Result<usize, StoreError> {
        let sql = "DELETE FROM grants WHERE state IN ('refused', 'ended') AND coalesce(ended, decided, asked) < ?1";
        self.transaction.execute(sql, [before])
    }
}

fn read(row: &Row<'_>) -> rusqlite::Result<GrantRow> {
    Ok(GrantRow {
        id: row.get("id")?,
        kind: row.get("kind")?,
        provider: row.get("provider")?,
        subject: row.get("subject")?,
        name: row.get("name")?,
        service: row.get("service")?,
        reason: row.get("reason")?,
        duration: row.get("duration")?,
        state: row.get("state")?,
        break_glass: row.get("break_glass")?,
        asked: row.get("asked")?,
        expires: row.get("expires")?,
        decided: row.get("decided")?,
        decided_by: row.get("decided_by")?,
        answer: row.get("answer")?,
        ended: row.get("ended")?,
        ended_because: row.get("ended_because")?,
    })
}
