//! The table of sessions: who has logged in.

use std::fmt;

use rusqlite::{Row, named_params};

use crate::{StoreError, Transaction};

/// A row. Times are seconds since the Unix epoch. What the texts mean is said by `portcullis-identity`.
#[derive(Clone, PartialEq, Eq)]
pub struct SessionRow {
    /// Public id.
    pub id: String,
    /// Who vouches.
    pub provider: String,
    /// The provider's name for whom.
    pub subject: String,
    /// The name that policies know.
    pub name: String,
    /// The row of the table of users that it rests on.
    pub account: Option<String>,
    /// The provider's own name for its session.
    pub provider_session: Option<String>,
    /// What is known of the person.
    pub person: String,
    /// Tokens of the provider, sealed.
    pub tokens: Option<Vec<u8>>,
    /// When it began.
    pub created: u64,
    /// Last use.
    pub seen: u64,
    /// When it ends by itself.
    pub expires: u64,
    /// When the provider last confirmed what is known.
    pub confirmed: u64,
    /// Until when one process is busy with it.
    pub claimed: u64,
    /// When it was ended.
    pub ended: Option<u64>,
}

/// Says which it is, not what is sealed in it.
impl fmt::Debug for SessionRow {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("SessionRow")
            .field("id", &self.id)
            .field("provider", &self.provider)
            .field("subject", &self.subject)
            .field("ended", &self.ended)
            .finish_non_exhaustive()
    }
}

/// Which sessions are meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Which {
    /// One, by its id.
    Id(String),
    /// All of one person at one provider.
    Subject {
        /// The provider.
        provider: String,
        /// Its name for the person.
        subject: String,
    },
    /// Those that rest on one session of the provider.
    ProviderSession {
        /// The provider.
        provider: String,
        /// Its name for its session.
        provider_session: String,
    },
    /// All of those that policies know by this name.
    Name(String),
    /// All that rest on a row of the table of users.
    Account(String),
}

const COLUMNS: &str = "id, provider, subject, name, account, provider_session, person, tokens, created, seen, expires, \
     confirmed, claimed, ended";

/// The table within a transaction.
#[derive(Debug)]
pub struct Sessions<'t> {
    transaction: &'t Transaction<'t>,
}

impl<'t> Sessions<'t> {
    pub(crate) fn new(transaction: &'t Transaction<'t>) -> Self {
        Self { transaction }
    }

    /// What was written after the change with this number, with the numbers, in their order. From 0: everything.
    pub fn after(&self, change: i64) -> Result<Vec<(i64, SessionRow)>, StoreError> {
        let sql = format!("SELECT change, {COLUMNS} FROM sessions WHERE change > ?1 ORDER BY change");
        self.transaction.rows(&sql, [change], |row| Ok((row.get("change")?, read(row)?)))
    }

    /// One, ended or not.
    pub fn find(&self, id: &str) -> Result<Option<SessionRow>, StoreError> {
        let sql = format!("SELECT {COLUMNS} FROM sessions WHERE id = ?1");
        Ok(self.transaction.rows(&sql, [id], read)?.pop())
    }

    /// Those that are meant and have not been ended.
    pub fn open(&self, which: &Which) -> Result<Vec<SessionRow>, StoreError> {
        let find = |condition: &str, parameters: &[&str]| {
            let sql = format!("SELECT {COLUMNS} FROM sessions WHERE ended IS NULL AND {condition}");
            self.transaction.rows(&sql, rusqlite::params_from_iter(parameters), read)
        };
        match which {
            Which::Id(id) => find("id = ?1", &[id]),
            Which::Subject { provider, subject } => find("provider = ?1 AND subject = ?2", &[provider, subject]),
            Which::ProviderSession { provider, provider_session } => {
                find("provider = ?1 AND provider_session = ?2", &[provider, provider_session])
            }
            Which::Name(name) => find("name = ?1", &[name]),
            Which::Account(account) => find("account = ?1", &[account]),
        }
    }

    /// Writes a row, in place of an earlier one with its id, and gives it a new number of change.
    pub fn put(&self, row: &SessionRow) -> Result<(), StoreError> {
        let sql = format!(
            "INSERT OR REPLACE INTO sessions ({COLUMNS}) VALUES (:id, :provider, :subject, :name, :account, \
             :provider_session, :person, :tokens, :created, :seen, :expires, :confirmed, :claimed, :ended)"
        );
        let parameters = named_params! {
            ":id": row.id, ":provider": row.provider, ":subject": row.subject, ":name": row.name,
            ":account": row.account, ":provider_session": row.provider_session, ":person": row.person,
            ":tokens": row.tokens, ":created": row.created.cast_signed(), ":seen": row.seen.cast_signed(),
            ":expires": row.expires.cast_signed(), ":confirmed": row.confirmed.cast_signed(),
            ":claimed": row.claimed.cast_signed(), ":ended": row.ended.map(u64::cast_signed),
        };
        self.transaction.execute(&sql, parameters).map(|_| ())
    }

    /// Ends those that are meant; returns them.
    pub fn end(&self, which: &Which, now: u64) -> Result<Vec<SessionRow>, StoreError> {
        let mut rows = self.open(which)?;
        for row in &mut rows {
            row.ended = Some(now);
            row.tokens = None;
            self.put(row)?;
        }
        Ok(rows)
    }

    /// Forgets what was ended, or ended by itself, before this time.
    pub fn forget_before(&self, time: u64) -> Result<usize, StoreError> {
        let sql = "DELETE FROM sessions WHERE expires < ?1 OR ended < ?1";
        self.transaction.execute(sql, [time.cast_signed()])
    }
}

fn read(row: &Row<'_>) -> rusqlite::Result<SessionRow> {
    let time = |name| row.get::<_, i64>(name).map(i64::cast_unsigned);
    Ok(SessionRow {
        id: row.get("id")?,
        provider: row.get("provider")?,
        subject: row.get("subject")?,
        name: row.get("name")?,
        account: row.get("account")?,
        provider_session: row.get("provider_session")?,
        person: row.get("person")?,
        tokens: row.get("tokens")?,
        created: time("created")?,
        seen: time("seen")?,
        expires: time("expires")?,
        confirmed: time("confirmed")?,
        claimed: time("claimed")?,
        ended: row.get::<_, Option<i64>>("ended")?.map(i64::cast_unsigned),
    })
}
