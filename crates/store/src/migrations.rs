//! The schema, and how an older file comes to it.

use std::path::Path;

use rusqlite::{Connection, TransactionBehavior};

use crate::StoreError;

/// Says that a file is ours (`PRAGMA application_id`): "Prtc".
const APPLICATION_ID: i64 = 0x5072_7463;

/// Each step brings a file one version further. What has been released is never edited: a change is a further step.
const STEPS: [&str; 5] = [
    include_str!("schema/1-leases.sql"),
    include_str!("schema/2-identity.sql"),
    include_str!("schema/3-audit.sql"),
    include_str!("schema/4-tokens.sql"),
    include_str!("schema/5-grants.sql"),
];
/// The version after all of them.
const LATEST: i64 = 5;

/// Brings the file to the latest version. Several processes may do it at once: the first does, the others find it done.
pub(crate) fn run(connection: &mut Connection, path: &Path) -> Result<(), StoreError> {
    let failed = |cause| StoreError::from_sqlite(path, cause);
    if version(connection, path)? == LATEST {
        return Ok(());
    }
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(failed)?;
    let found = version(&transaction, path)?;
    for (step, number) in STEPS.iter().zip(1_i64..).skip(usize::try_from(found).unwrap_or(0)) {
        transaction.execute_batch(step).map_err(failed)?;
        transaction.pragma_update(None, "user_version", number).map_err(failed)?;
    }
    transaction.pragma_update(None, "application_id", APPLICATION_ID).map_err(failed)?;
    transaction.commit().map_err(failed)
}

/// An error for a file that is not ours, or from the future.
pub(crate) fn recognise(connection: &Connection, path: &Path) -> Result<(), StoreError> {
    version(connection, path).map(drop)
}

/// Version of the schema; 0 for an empty file. An error for a file that is not ours, or from the future.
fn version(connection: &Connection, path: &Path) -> Result<i64, StoreError> {
    let failed = |cause| StoreError::from_sqlite(path, cause);
    let pragma = |name| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0)).map_err(failed);
    let tables: i64 =
        connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0)).map_err(failed)?;
    let (application, found) = (pragma("application_id")?, pragma("user_version")?);
    let is_empty = application == 0 && found == 0 && tables == 0;
    if application != APPLICATION_ID && !is_empty {
        return Err(StoreError::Foreign { path: path.to_path_buf() });
    }
    if found > LATEST {
        return Err(StoreError::Newer { path: path.to_path_buf(), found, known: LATEST });
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_a_step_to_every_version() {
        assert_eq!(i64::try_from(STEPS.len()), Ok(LATEST));
    }
}
