//! Signed heads in the order of their records, from the store or from a file that was kept elsewhere.

use std::{
    collections::VecDeque,
    fs,
    io::{self, BufRead, BufReader, Read},
    path::{Path, PathBuf},
};

use portcullis_store::Transaction;

use super::PAGE;
use crate::{AuditError, Head};

/// Longest line of a file of heads.
const LONGEST_LINE: usize = 4096;

/// Heads that are read as they are needed.
pub(super) struct Heads<'t> {
    source: Source<'t>,
    next: Option<Head>,
    /// Only those before this record.
    until: u64,
}

enum Source<'t> {
    Store { transaction: &'t Transaction<'t>, from: u64, page: VecDeque<Head> },
    File(File),
}

/// Where heads come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Origin {
    /// The store: the last one is of the newest record.
    Store,
    /// Kept elsewhere, now and then.
    Elsewhere,
}

impl<'t> Heads<'t> {
    pub(super) fn in_store(transaction: &'t Transaction<'t>) -> Self {
        Self { source: Source::Store { transaction, from: 0, page: VecDeque::new() }, next: None, until: u64::MAX }
    }

    pub(super) fn in_file(file: File) -> Self {
        Self { source: Source::File(file), next: None, until: u64::MAX }
    }

    /// Only those for records before this one.
    pub(super) fn before(self, until: u64) -> Self {
        Self { until, ..self }
    }

    /// Whether the last of them has to be that of the newest record.
    pub(super) fn end_with_the_log(&self) -> bool {
        self.origin() == Origin::Store && self.until == u64::MAX
    }

    pub(super) fn origin(&self) -> Origin {
        match self.source {
            Source::Store { .. } => Origin::Store,
            Source::File(_) => Origin::Elsewhere,
        }
    }

    /// The next head, if it is for this record or one before it.
    pub(super) fn up_to(&mut self, id: u64) -> Result<Option<Head>, AuditError> {
        if self.next.is_none() {
            self.next = self.source.read()?;
        }
        Ok(self.next.take_if(|head| head.id <= id && head.id < self.until))
    }
}

impl Source<'_> {
    fn read(&mut self) -> Result<Option<Head>, AuditError> {
        match self {
            Self::Store { transaction, from, page } => {
                if page.is_empty() {
                    page.extend(transaction.audit().heads(*from, PAGE)?.into_iter().map(Head::from));
                    *from = page.back().map_or(*from, |last| last.id + 1);
                }
                Ok(page.pop_front())
            }
            Self::File(file) => file.read(),
        }
    }
}

/// A file of heads, one in a line.
#[derive(Debug)]
pub(super) struct File {
    path: PathBuf,
    lines: BufReader<fs::File>,
    line: Vec<u8>,
    number: usize,
}

impl File {
    pub(super) fn open(path: &Path) -> Result<Self, AuditError> {
        let failed = |cause| AuditError::File { path: path.to_path_buf(), cause };
        let lines = BufReader::new(fs::File::open(path).map_err(failed)?);
        Ok(Self { path: path.to_path_buf(), lines, line: Vec::new(), number: 0 })
    }

    fn read(&mut self) -> Result<Option<Head>, AuditError> {
        let Self { path, lines, line, number } = self;
        let failed = |cause| AuditError::File { path: path.clone(), cause };
        if !read_line(lines, line, LONGEST_LINE).map_err(failed)? {
            return Ok(None);
        }
        *number += 1;
        let head = String::from_utf8_lossy(line).parse();
        let head = head.map_err(|_| io::Error::other(format!("line {number} is not a signed head")));
        head.map(Some).map_err(failed)
    }
}

/// Reads a line without its end into `line`; false if there is none. One that is too long is an error.
pub(super) fn read_line(lines: &mut impl BufRead, line: &mut Vec<u8>, longest: usize) -> io::Result<bool> {
    line.clear();
    let read = lines.by_ref().take(longest as u64 + 1).read_until(b'\n', line)?;
    if line.last() == Some(&b'\n') {
        line.pop();
    } else if line.len() > longest {
        return Err(io::Error::other(format!("a line has more than {longest} bytes")));
    }
    Ok(read > 0)
}
