//! Adding to the log: each record is joined to the one before, and the newest is signed.

use std::{io::Write, ops::Range, path::Path, time::Duration};

use portcullis_store::{
    Store, StoreError, Transaction,
    audit::{Order, RecordRow, SignedRow, Stay},
};

use crate::{
    AuditError, AuditRecord, Event, Hash, Head, Moment, SigningKey, canonical,
    head::{Purpose, Signature, judge},
    verify,
};

/// How often a head is kept for good: whichever comes first. What lies between two heads that are kept can only be
/// narrowed down so far, if somebody rewrites it.
const KEEP_EVERY: Duration = Duration::from_mins(1);
const KEEP_EVERY_RECORDS: u64 = 10_000;

/// How many records are removed in one transaction: others want to write, too.
const REMOVED_AT_ONCE: u32 = 5000;

/// The log in a store, to add to it. Any number of processes may have it open: each addition is one transaction, and
/// the next goes on from where it ended.
#[derive(Debug)]
pub struct AuditLog {
    store: Store,
    key: SigningKey,
    /// Where the log ended when this last added to it.
    known: Option<End>,
}

/// The newest record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct End {
    id: u64,
    hash: Hash,
}

/// What was added.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Appended {
    /// The records' texts, in their order.
    pub lines: Vec<String>,
    /// The signature of the last of them.
    pub head: Head,
    /// Whether it stays for good.
    pub is_kept: bool,
}

/// What was cut off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cut {
    /// The last record that was cut off.
    pub last: u64,
    /// How many were.
    pub records: u64,
}

/// Whether damaged records may be cut off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Damage {
    /// What does not verify stays.
    Stays,
    /// It goes like the rest.
    Goes,
}

impl AuditLog {
    /// Opens the log in a store, which is made if it is not there, with its key beside it.
    pub fn open(path: &Path) -> Result<Self, AuditError> {
        let store = Store::open(path)?;
        let key = SigningKey::load_or_make(path)?;
        Ok(Self { store, key, known: None })
    }

    /// The key that signs.
    pub fn key(&self) -> &SigningKey {
        &self.key
    }

    /// Adds records. When this returns, they are on the disk.
    pub fn append(&mut self, mut records: Vec<AuditRecord>) -> Result<Appended, AuditError> {
        records.iter_mut().for_each(AuditRecord::bound);
        Ok(self.append_bounded(&records)?)
    }

    /// Adds records that are not too long.
    pub(crate) fn append_bounded(&mut self, records: &[AuditRecord]) -> Result<Appended, StoreError> {
        let Self { store, key, known } = self;
        let (appended, end) = store.write(|transaction| {
            let mut addition = Addition::begin(transaction, key, *known)?;
            for record in records {
                addition.add(record)?;
            }
            addition.finish(key)
        })?;
        *known = Some(end);
        Ok(appended)
    }

    /// The number of the newest record; 0 if there is none.
    pub(crate) fn last(&mut self) -> Result<u64, AuditError> {
        self.store.read(|transaction| Ok(transaction.audit().last()?.map_or(0, |last| last.id)))
    }

    /// At most so many of the texts from this number on, with their numbers.
    pub(crate) fn lines(&mut self, ids: Range<u64>, limit: u32) -> Result<Vec<(u64, String)>, AuditError> {
        self.store.read(|transaction| {
            let rows = transaction.audit().page(ids, Order::Ascending, limit)?;
            Ok(rows.into_iter().map(|row| (row.id, row.body)).collect())
        })
    }

    /// Has the newest signature stay for good. Returns it; `None` if there is none, or it does already.
    pub fn keep_head(&mut self) -> Result<Option<Head>, AuditError> {
        self.store.write(|transaction| {
            let audit = transaction.audit();
            let (newest, kept) = (audit.head()?, audit.kept_head()?);
            let Some(newest) = newest.filter(|newest| kept.is_none_or(|kept| kept.id != newest.id)) else {
                return Ok(None);
            };
            audit.put_head(&newest, Stay::Kept)?;
            Ok(Some(newest.into()))
        })
    }

    /// Cuts off the records that are older, after writing their texts to `archive`, if there is one. They are verified
    /// on the way: this is the last moment at which anybody can. `None` if there are none so old.
    pub fn cut(
        &mut self,
        before: Moment,
        damage: Damage,
        mut archive: Option<&mut dyn Write>,
    ) -> Result<Option<Cut>, AuditError> {
        let trusted = [self.key.public()];
        let Some((cut, findings)) = self.store.read(|transaction| {
            let younger = transaction.audit().enclosing(before.micros()..i64::MAX)?;
            let until = if younger.is_empty() { u64::MAX } else { younger.start };
            verify::before_cut(transaction, until, &trusted, archive.as_mut().map(|archive| archive as &mut dyn Write))
        })?
        else {
            return Ok(None);
        };
        if findings > 0 && damage == Damage::Stays {
            return Err(AuditError::Damaged { findings });
        }
        if let Some(archive) = archive {
            archive.flush()?;
        }
        self.sign_cut(cut, findings)?;
        while self.store.write(|transaction| transaction.audit().remove_cut_off(REMOVED_AT_ONCE))? > 0 {}
        Ok(Some(Cut { last: cut.last.0, records: cut.records }))
    }

    fn sign_cut(&mut self, cut: verify::Cutting, findings: u64) -> Result<(), StoreError> {
        let Self { store, key, known } = self;
        let end = store.write(|transaction| {
            let (id, hash) = cut.last;
            let damage = if findings > 0 { format!("; {findings} findings in them") } else { String::new() };
            let records = cut.records;
            let reason = format!("cut off {records} records up to record {id}, hash {hash}{damage}");
            let mut addition = Addition::begin(transaction, key, *known)?;
            addition.add(&AuditRecord { reason: Some(reason.into()), ..AuditRecord::new(Event::AuditCut) })?;
            transaction.audit().put_cut(&Head::sign(Purpose::Cut, id, hash, Moment::now(), key))?;
            addition.finish(key).map(|(_, end)| end)
        })?;
        *known = Some(end);
        Ok(())
    }
}

/// Adds records within a transaction of somebody else on the same store: what it does and the record of it are kept
/// together or not at all.
pub fn append_within(
    transaction: &Transaction<'_>,
    key: &SigningKey,
    mut records: Vec<AuditRecord>,
) -> Result<Appended, StoreError> {
    let mut addition = Addition::begin(transaction, key, None)?;
    for record in &mut records {
        record.bound();
        addition.add(record)?;
    }
    addition.finish(key).map(|(appended, _)| appended)
}

/// Records that are being added.
struct Addition<'t> {
    transaction: &'t Transaction<'t>,
    end: End,
    lines: Vec<String>,
}

impl<'t> Addition<'t> {
    /// Finds the end of the log. A log that does not end as it was signed is gone on with, for a log that stops because
    /// of it would be a way to stop it; a record says so, and where it was found.
    fn begin(transaction: &'t Transaction<'t>, key: &SigningKey, known: Option<End>) -> Result<Self, StoreError> {
        let audit = transaction.audit();
        let (last, head) = (audit.last()?, audit.head()?.map(Head::from));
        let lines = Vec::new();
        let Some(last) = last else {
            let begun = AuditRecord::new(Event::AuditBegun);
            let (end, found) = match head {
                None => (End { id: 0, hash: Hash::NONE }, None),
                Some(head) => (
                    End { id: head.id, hash: head.hash },
                    Some(format!("no record is left of those up to {}, which were signed for", head.id)),
                ),
            };
            let mut addition = Self { transaction, end, lines };
            addition.add(&found.map_or(begun, damaged))?;
            return Ok(addition);
        };
        let end = End { id: last.id, hash: Hash::of(&last.body) };
        if known == Some(end) && head.as_ref().is_some_and(|head| (head.id, head.hash) == (end.id, end.hash)) {
            return Ok(Self { transaction, end, lines });
        }
        let Some(found) = judge_end(end, head.as_ref(), key) else { return Ok(Self { transaction, end, lines }) };
        // Numbers that were signed for are not used again, so that what is missing stays missing.
        let id = head.map_or(end.id, |head| head.id.max(end.id));
        let mut addition = Self { transaction, end: End { id, ..end }, lines };
        addition.add(&damaged(found))?;
        Ok(addition)
    }

    fn add(&mut self, record: &AuditRecord) -> Result<(), StoreError> {
        let id = self.end.id + 1;
        let row = RecordRow { id, time: record.time.micros(), body: canonical::write(id, self.end.hash, record) };
        self.transaction.audit().append(&row)?;
        self.end = End { id, hash: Hash::of(&row.body) };
        self.lines.push(row.body);
        Ok(())
    }

    fn finish(self, key: &SigningKey) -> Result<(Appended, End), StoreError> {
        let Self { transaction, end, lines } = self;
        let now = Moment::now();
        let head = Head::sign(Purpose::Head, end.id, end.hash, now, key);
        let stay = stay(transaction.audit().kept_head()?.as_ref(), end.id, now);
        transaction.audit().put_head(&head, stay)?;
        Ok((Appended { lines, head: head.into(), is_kept: stay == Stay::Kept }, end))
    }
}

fn stay(kept: Option<&SignedRow>, id: u64, now: Moment) -> Stay {
    let Some(kept) = kept else { return Stay::Kept };
    let away = now.micros().abs_diff(kept.time);
    if u128::from(away) >= KEEP_EVERY.as_micros() || id.saturating_sub(kept.id) >= KEEP_EVERY_RECORDS {
        Stay::Kept
    } else {
        Stay::InPassing
    }
}

/// What is wrong with the end of the log.
fn judge_end(end: End, head: Option<&Head>, key: &SigningKey) -> Option<String> {
    let Some(head) = head else { return Some("nobody has signed for the records before this one".to_owned()) };
    let (id, signed) = (head.id, head.time);
    match judge(Purpose::Head, head, &[key.public()]) {
        Signature::Good => {}
        Signature::Forged => return Some(format!("the signature for record {id} is forged")),
        Signature::Foreign => {
            let (theirs, ours) = (&head.key, key.public().id());
            return Some(format!(
                "record {id} is signed with the key {theirs}, and the key beside the store is {ours}"
            ));
        }
    }
    match end.id {
        last if last > id => Some(format!("records {} to {last} were added without a signature", id + 1)),
        last if last < id => Some(format!("records {} to {id}, signed for at {signed}, are missing", last + 1)),
        _ if end.hash != head.hash => Some(format!("record {id} is not the one that was signed for at {signed}")),
        _ => None,
    }
}

fn damaged(found: String) -> AuditRecord {
    AuditRecord { reason: Some(found.into()), ..AuditRecord::new(Event::AuditDamaged) }
}
