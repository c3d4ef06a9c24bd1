//! Finding records that were removed, changed, moved or added by somebody else.
//!
//! Reads the log once, from its oldest record or the last cut, in constant memory.

mod finding;
mod heads;
mod walk;

use std::{
    io::{BufRead, Write},
    ops::Range,
    path::Path,
};

pub use finding::Finding;
use heads::Heads;
use portcullis_store::{Store, StoreError, Transaction, audit::Order};
use serde::Serialize;
use walk::{Place, Walk};

use crate::{
    AuditError, Hash, Head, Moment, PublicKey,
    head::{Purpose, Signature, judge},
};

/// Records and heads that are read at once.
const PAGE: u32 = 512;
/// Longest line of a file. Records are far shorter.
const LONGEST_LINE: usize = 1 << 20;

/// What was verified.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Report {
    /// How many records.
    pub records: u64,
    /// The oldest.
    pub first: Option<u64>,
    /// The newest.
    pub last: Option<u64>,
    /// When the newest happened.
    pub until: Option<Moment>,
    /// How many signatures were held against them.
    pub heads: u64,
    /// The last record that a good signature vouches for.
    pub signed: Option<u64>,
    /// Where older ones were cut off.
    pub cut: Option<u64>,
    /// How many findings there were.
    pub findings: u64,
}

/// Verifies the log in a store against its own heads and those of a file that was kept elsewhere.
pub fn verify_store(
    store: &mut Store,
    trusted: &[PublicKey],
    kept_elsewhere: Option<&Path>,
    mut found: impl FnMut(&Finding),
) -> Result<Report, AuditError> {
    let file = kept_elsewhere.map(heads::File::open).transpose()?;
    store.read(|transaction| {
        let mut heads = vec![Heads::in_store(transaction)];
        heads.extend(file.map(Heads::in_file));
        let mut walk = Walk::new(trusted, heads, &mut found);
        begin_at_cut(transaction, trusted, &mut walk)?;
        walk_pages(transaction, 0..u64::MAX, |row| {
            walk.step(Place::Row { number: row.id, time: row.time }, &row.body)
        })?;
        walk.finish()
    })
}

/// Verifies records that were exported as JSON lines.
pub fn verify_lines(
    mut lines: impl BufRead,
    trusted: &[PublicKey],
    kept_elsewhere: Option<&Path>,
    mut found: impl FnMut(&Finding),
) -> Result<Report, AuditError> {
    let heads = kept_elsewhere.map(heads::File::open).transpose()?.map(Heads::in_file);
    let mut walk = Walk::new(trusted, heads.into_iter().collect(), &mut found);
    let mut line = Vec::new();
    let mut number = 0;
    while heads::read_line(&mut lines, &mut line, LONGEST_LINE)? {
        number += 1;
        walk.step(Place::Line { number }, &String::from_utf8_lossy(&line))?;
    }
    walk.finish()
}

/// Records that are about to be cut off.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cutting {
    /// The last of them.
    pub(crate) last: (u64, Hash),
    pub(crate) records: u64,
}

/// Verifies and copies out the records before this one. Returns them with the number of findings; `None` if there are
/// none.
pub(crate) fn before_cut(
    transaction: &Transaction<'_>,
    until: u64,
    trusted: &[PublicKey],
    mut archive: Option<&mut dyn Write>,
) -> Result<Option<(Cutting, u64)>, AuditError> {
    let mut ignore = |_: &Finding| {};
    // The first that stays says what the last that goes was.
    let past_it = until.saturating_add(1);
    let mut walk = Walk::new(trusted, vec![Heads::in_store(transaction).before(past_it)], &mut ignore);
    let cut = begin_at_cut(transaction, trusted, &mut walk)?;
    let (mut last, mut records) = (None, 0);
    walk_pages(transaction, cut + 1..past_it, |row| {
        if row.id < until {
            if let Some(archive) = &mut archive {
                writeln!(archive, "{}", row.body)?;
            }
            last = Some((row.id, Hash::of(&row.body)));
            records += 1;
        }
        walk.step(Place::Row { number: row.id, time: row.time }, &row.body)
    })?;
    let findings = walk.finish()?.findings;
    Ok(last.map(|last| (Cutting { last, records }, findings)))
}

/// Tells the walk where the log was cut off, if its signature says so. Returns the last record that was.
fn begin_at_cut(transaction: &Transaction<'_>, trusted: &[PublicKey], walk: &mut Walk<'_>) -> Result<u64, StoreError> {
    let Some(cut) = transaction.audit().cut()?.map(Head::from) else { return Ok(0) };
    match judge(Purpose::Cut, &cut, trusted) {
        Signature::Good => {
            walk.begin_after(cut.id, cut.hash);
            Ok(cut.id)
        }
        Signature::Forged => {
            walk.found(&Finding::ForgedCut { id: cut.id });
            Ok(0)
        }
        Signature::Foreign => {
            walk.found(&Finding::ForeignKey { id: cut.id, key: cut.key });
            Ok(0)
        }
    }
}

fn walk_pages(
    transaction: &Transaction<'_>,
    mut ids: Range<u64>,
    mut step: impl FnMut(&portcullis_store::audit::RecordRow) -> Result<(), AuditError>,
) -> Result<(), AuditError> {
    loop {
        let page = transaction.audit().page(ids.clone(), Order::Ascending, PAGE)?;
        let Some(last) = page.last() else { return Ok(()) };
        ids.start = last.id + 1;
        page.iter().try_for_each(&mut step)?;
    }
}
