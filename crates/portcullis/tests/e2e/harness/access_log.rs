//! The access log as a test reads it.

use std::{fs, path::PathBuf};

use serde_json::Value;

use super::{PATIENCE, proxy::HARNESS_PORT, wait_until};

/// The file that the proxy writes its access records to.
#[derive(Debug)]
pub(crate) struct AccessLog {
    path: PathBuf,
}

/// One line of it.
#[derive(Debug, Clone)]
pub(crate) struct Record(Value);

impl AccessLog {
    pub(crate) fn at(path: PathBuf) -> Self {
        Self { path }
    }

    /// Every record so far, but for those of the harness's own admin port. A line that is not JSON fails the test.
    pub(crate) fn records(&self) -> Vec<Record> {
        let text = fs::read_to_string(&self.path).unwrap_or_default();
        let Some((complete, _)) = text.rsplit_once('\n') else { return Vec::new() };
        let parse = |line: &str| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error} in record {line}"));
        let records = complete.lines().map(|line| Record(parse(line)));
        records.filter(|record| record.text("port") != HARNESS_PORT).collect()
    }

    /// The first record for which `is_meant` holds, as soon as it is there.
    #[track_caller]
    pub(crate) fn wait_for(&self, what: &str, is_meant: impl Fn(&Record) -> bool) -> Record {
        let began = std::time::Instant::now();
        loop {
            if let Some(record) = self.records().into_iter().find(&is_meant) {
                return record;
            }
            assert!(began.elapsed() < PATIENCE, "no record of {what} among {:#?}", self.records());
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
    }

    /// The first record with this termination reason.
    #[track_caller]
    pub(crate) fn wait_for_end(&self, reason: &str) -> Record {
        self.wait_for(reason, |record| record.text("end") == reason)
    }

    /// The first record of this path.
    #[track_caller]
    pub(crate) fn wait_for_path(&self, path: &str) -> Record {
        self.wait_for(path, |record| record.text("path") == path)
    }

    /// Waits until there are as many records.
    #[track_caller]
    pub(crate) fn wait_for_count(&self, count: usize) -> Vec<Record> {
        wait_until(&format!("there are {count} records"), || {
            Some(self.records()).filter(|records| records.len() >= count)
        })
    }
}

impl Record {
    /// A text field; empty if it is not there.
    pub(crate) fn text(&self, field: &str) -> &str {
        self.0[field].as_str().unwrap_or_default()
    }

    /// A number; 0 if it is not there.
    pub(crate) fn number(&self, field: &str) -> u64 {
        self.0[field].as_u64().unwrap_or_default()
    }

    /// Microseconds of a phase; `None` if it did not happen.
    pub(crate) fn phase(&self, phase: &str) -> Option<u64> {
        self.0["us"][phase].as_u64()
    }

    /// Whether the record has the field at all.
    pub(crate) fn has(&self, field: &str) -> bool {
        self.0.get(field).is_some()
    }

    /// `true` or `false`; false if it is not there.
    pub(crate) fn is(&self, field: &str) -> bool {
        self.0[field].as_bool().unwrap_or_default()
    }
}
