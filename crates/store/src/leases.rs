//! The table of leases: which number is whose.

use rusqlite::{Row, named_params};

use crate::{StoreError, Transaction};

/// A row. What the words in it mean is said by `portcullis-ports`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeaseRow {
    /// Port space.
    pub space: String,
    /// `tcp` or `udp`.
    pub transport: String,
    /// 1 to 65535.
    pub port: u16,
    /// The configuration file that the service belongs to.
    pub project: String,
    /// The service.
    pub service: String,
    /// Its environment; empty if there is none.
    pub environment: String,
    /// Which of its replicas, from 0.
    pub replica: u32,
    /// The range; empty if there is none.
    pub range: String,
    /// Since when, in milliseconds since the Unix epoch.
    pub since: i64,
    /// How it ends.
    pub term: TermRow,
    /// When it ended.
    pub ended: Option<i64>,
    /// The process that holds its socket.
    pub holder: Option<HolderRow>,
}

/// How a lease ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TermRow {
    /// When it is released.
    Released,
    /// At this time, in milliseconds since the Unix epoch.
    Time(i64),
    /// With its holder.
    Holder,
}

/// A process, as it can be told from a later one with the same number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HolderRow {
    /// Its number.
    pub pid: i32,
    /// When it started, in clock ticks since boot.
    pub started: u64,
    /// Id of that boot.
    pub boot: String,
    /// Inode number of its pid namespace.
    pub namespace: u64,
    /// What runs in it.
    pub command: String,
}

const COLUMNS: &str = "space, transport, port, project, service, environment, replica, range, since, term, expires, \
     ended, holder_pid, holder_started, holder_boot, holder_namespace, holder_command";

/// The table within a transaction.
#[derive(Debug)]
pub struct Leases<'t> {
    transaction: &'t Transaction<'t>,
}

impl<'t> Leases<'t> {
    pub(crate) fn new(transaction: &'t Transaction<'t>) -> Self {
        Self { transaction }
    }

    /// Every row, by space, transport and port.
    pub fn all(&self) -> Result<Vec<LeaseRow>, StoreError> {
        let sql = format!("SELECT {COLUMNS} FROM leases ORDER BY space, transport, port");
        self.transaction.rows(&sql, [], read)
    }

    /// Those of one port space and transport, by port.
    pub fn in_space(&self, space: &str, transport: &str) -> Result<Vec<LeaseRow>, StoreError> {
        let sql = format!("SELECT {COLUMNS} FROM leases WHERE space = ?1 AND transport = ?2 ORDER BY port");
        self.transaction.rows(&sql, [space, transport], read)
    }

    /// Writes a row. What was known about its number, and about its owner's earlier number, is forgotten.
    pub fn put(&self, row: &LeaseRow) -> Result<(), StoreError> {
        let sql = format!(
            "INSERT OR REPLACE INTO leases ({COLUMNS}) VALUES (:space, :transport, :port, :project, :service, \
             :environment, :replica, :range, :since, :term, :expires, :ended, :pid, :started, :boot, :namespace, :command)"
        );
        let (term, expires) = match row.term {
            TermRow::Released => ("released", None),
            TermRow::Time(time) => ("time", Some(time)),
            TermRow::Holder => ("holder", None),
        };
        let holder = row.holder.as_ref();
        let parameters = named_params! {
            ":space": row.space, ":transport": row.transport, ":port": row.port, ":project": row.project,
            ":service": row.service, ":environment": row.environment, ":replica": row.replica, ":range": row.range,
            ":since": row.since, ":term": term, ":expires": expires, ":ended": row.ended,
            ":pid": holder.map(|holder| holder.pid), ":started": holder.map(|holder| holder.started.cast_signed()),
            ":boot": holder.map(|holder| &holder.boot),
            ":namespace": holder.map(|holder| holder.namespace.cast_signed()),
            ":command": holder.map(|holder| &holder.command),
        };
        self.transaction.execute(&sql, parameters).map(|_| ())
    }

    /// Forgets a number.
    pub fn remove(&self, space: &str, transport: &str, port: u16) -> Result<(), StoreError> {
        let sql = "DELETE FROM leases WHERE space = ?1 AND transport = ?2 AND port = ?3";
        self.transaction.execute(sql, (space, transport, port)).map(|_| ())
    }
}

fn read(row: &Row<'_>) -> rusqlite::Result<LeaseRow> {
    let term = match row.get_ref("term")?.as_str()? {
        "time" => TermRow::Time(row.get("expires")?),
        "holder" => TermRow::Holder,
        _ => TermRow::Released,
    };
    let holder = match row.get::<_, Option<i32>>("holder_pid")? {
        Some(pid) => Some(HolderRow {
            pid,
            started: row.get::<_, i64>("holder_started")?.cast_unsigned(),
            boot: row.get("holder_boot")?,
            namespace: row.get::<_, i64>("holder_namespace")?.cast_unsigned(),
            command: row.get("holder_command")?,
        }),
        None => None,
    };
    Ok(LeaseRow {
        space: row.get("space")?,
        transport: row.get("transport")?,
        port: row.get("port")?,
        project: row.get("project")?,
        service: row.get("service")?,
        environment: row.get("environment")?,
        replica: row.get("replica")?,
        range: row.get("range")?,
        since: row.get("since")?,
        term,
        ended: row.get("ended")?,
        holder,
    })
}
