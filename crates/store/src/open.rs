//! Opening the file.

use std::{
    fs::{self, DirBuilder, OpenOptions, Permissions},
    io,
    os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
    process, thread,
    time::{Duration, Instant},
};

use rusqlite::{Connection, ErrorCode, OpenFlags, TransactionBehavior};

use crate::{StoreError, Transaction, migrations};

/// How long a process waits for others that write. Long: each write is a few milliseconds, so whoever waits this long
/// waits for something that hangs.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// Between two tries.
const PAUSE: Duration = Duration::from_millis(2);

/// An open store. One for each process or thread that uses it; the file may be open many times.
#[derive(Debug)]
pub struct Store {
    connection: Connection,
    path: PathBuf,
}

impl Store {
    /// Opens the file, makes it (with its directory) if it is not there, and brings its schema up to date.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let unusable = |cause| StoreError::Unusable { path: path.to_path_buf(), cause };
        if !path.try_exists().map_err(unusable)? {
            create(path).map_err(unusable)?;
        }
        keep_private(path)?;
        let failed = |cause| StoreError::from_sqlite(path, cause);
        // Threads do not share a connection, so SQLite's own mutexes would guard nothing.
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let mut connection = Connection::open_with_flags(path, flags).map_err(failed)?;
        configure(&mut connection).map_err(failed)?;
        migrations::run(&mut connection, path)?;
        Ok(Self { connection, path: path.to_path_buf() })
    }

    /// A store that nobody else sees and that ends with this value: what there is where there is no file yet.
    pub fn in_memory() -> Result<Self, StoreError> {
        let path = PathBuf::from(":memory:");
        let mut connection = Connection::open_in_memory().map_err(|cause| StoreError::from_sqlite(&path, cause))?;
        migrations::run(&mut connection, &path)?;
        Ok(Self { connection, path })
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Reads and writes, alone: other writers wait until this is over. What `work` did is kept if it returns `Ok`, and
    /// undone otherwise.
    pub fn write<T, E: From<StoreError>>(
        &mut self,
        work: impl FnOnce(&Transaction<'_>) -> Result<T, E>,
    ) -> Result<T, E> {
        self.transact(TransactionBehavior::Immediate, work)
    }

    /// Reads: everything as it was at one moment, whatever others write meanwhile.
    pub fn read<T, E: From<StoreError>>(
        &mut self,
        work: impl FnOnce(&Transaction<'_>) -> Result<T, E>,
    ) -> Result<T, E> {
        self.transact(TransactionBehavior::Deferred, work)
    }

    fn transact<T, E: From<StoreError>>(
        &mut self,
        behaviour: TransactionBehavior,
        work: impl FnOnce(&Transaction<'_>) -> Result<T, E>,
    ) -> Result<T, E> {
        let path = &self.path;
        let failed = |cause| E::from(StoreError::from_sqlite(path, cause));
        let transaction = Transaction::new(self.connection.transaction_with_behavior(behaviour).map_err(failed)?, path);
        let result = work(&transaction)?;
        transaction.commit()?;
        Ok(result)
    }
}

/// Makes the directory and an empty file that nobody else may read. Another process may do the same at the same time:
/// the file comes to its name in one step, and whoever is second finds it there.
fn create(path: &Path) -> io::Result<()> {
    if let Some(directory) = path.parent().filter(|directory| *directory != Path::new("")) {
        DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
    }
    let mut fresh = path.as_os_str().to_owned();
    fresh.push(format!(".{}.{:?}.new", process::id(), thread::current().id()));
    drop(OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&fresh)?);
    let linked = fs::hard_link(&fresh, path);
    fs::remove_file(&fresh)?;
    match linked {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        _ => Ok(()),
    }
}

/// Takes from others what they may do with the file. It is opened for that by SQLite alone: closing a second descriptor would
/// drop the locks of every connection that this process has to it (fcntl(2), advisory record locking).
fn keep_private(path: &Path) -> Result<(), StoreError> {
    let unusable = |cause| StoreError::Unusable { path: path.to_path_buf(), cause };
    let metadata = fs::metadata(path).map_err(unusable)?;
    if !metadata.is_file() {
        return Err(StoreError::NotAFile { path: path.to_path_buf() });
    }
    let mode = metadata.mode() & 0o777;
    let of_others = mode & 0o077;
    if of_others == 0 {
        return Ok(());
    }
    // Somebody may have named another file by mistake, which must stay as it is.
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let looked_at = Connection::open_with_flags(path, flags).map_err(|cause| StoreError::from_sqlite(path, cause))?;
    migrations::recognise(&looked_at, path)?;
    let own = rustix::process::geteuid();
    if own.as_raw() == metadata.uid() || own.is_root() {
        return fs::set_permissions(path, Permissions::from_mode(0o600)).map_err(unusable);
    }
    Err(StoreError::Shared { path: path.to_path_buf(), mode })
}

fn configure(connection: &mut Connection) -> rusqlite::Result<()> {
    connection.busy_handler(Some(wait_for_others))?;
    // Readers and a writer side by side, and a crash that leaves a log to be read and no half-written page. SQLite does
    // not wait for others when it changes the mode, so we do.
    patiently(|| connection.pragma_update_and_check(None, "journal_mode", "wal", |_| Ok(())))?;
    // A lease that was handed out is on the disk, also when the power goes.
    connection.pragma_update(None, "synchronous", "full")?;
    // The file is data: nothing in it may call functions.
    connection.pragma_update(None, "trusted_schema", false)
}

/// SQLite's own way of waiting sleeps longer with each try, and whoever waits longest is asked least often: a few busy
/// writers starve the rest. Everybody asks equally often here.
fn wait_for_others(tries: i32) -> bool {
    thread::sleep(PAUSE);
    PAUSE.saturating_mul(tries.unsigned_abs()) < PATIENCE
}

fn patiently<T>(mut work: impl FnMut() -> rusqlite::Result<T>) -> rusqlite::Result<T> {
    let began = Instant::now();
    loop {
        match work() {
            Err(error) if error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy) && began.elapsed() < PATIENCE => {
                thread::sleep(PAUSE);
            }
            result => return result,
        }
    }
}
