//! One walk along the records, from the oldest to the newest.

use std::collections::BTreeSet;

use super::{
    Finding, Report,
    heads::{Heads, Origin},
};
use crate::{
    AuditError, AuditRecord, Event, Hash, Head, Moment, PublicKey,
    canonical::Link,
    head::{Purpose, Signature, judge},
};

/// Gaps, and records that stand too early, that are remembered until the one turns up that fits. Beyond it, records
/// that were moved are told as removed here and inserted there.
const OUT_OF_PLACE: usize = 64;
/// Keys that are not trusted, and told.
const FOREIGN_KEYS: usize = 16;

/// Where a text stands.
#[derive(Debug, Clone, Copy)]
pub(super) enum Place {
    /// In the store, under this number and time.
    Row { number: u64, time: i64 },
    /// In a file.
    Line { number: u64 },
}

impl Place {
    fn number(self) -> u64 {
        match self {
            Self::Row { number, .. } | Self::Line { number } => number,
        }
    }
}

pub(super) struct Walk<'w> {
    trusted: &'w [PublicKey],
    heads: Vec<Heads<'w>>,
    report: Report,
    tell: &'w mut dyn FnMut(&Finding),
    /// The record with the highest number so far. Several, if several call themselves so: the next one tells which is
    /// the real one.
    end: Vec<Candidate>,
    /// Records of which at least one was changed, as far as that is known yet.
    suspects: Option<(u64, u64, Moment)>,
    gaps: Vec<Gap>,
    /// A record with a higher number than comes next.
    early: Option<Record>,
    /// Records that stood too early.
    displaced: Vec<Record>,
    /// The last record of which a good signature has the hash.
    vouched: u64,
    /// A record with another hash than was signed: told once, until a signature fits again.
    is_rewritten: bool,
    /// The newest head of the store.
    store_head: Option<u64>,
    /// Keys that are not trusted; each is told once.
    foreign: BTreeSet<String>,
}

#[derive(Debug, Clone, Copy)]
struct Candidate {
    id: u64,
    place: u64,
    time: Moment,
    hash: Hash,
    /// Whether it could be read, so that its hash means something.
    is_sound: bool,
}

/// A record, and what it says of the one before it.
#[derive(Debug, Clone, Copy)]
struct Record {
    candidate: Candidate,
    link: Link,
}

/// Records that are not where they should be.
#[derive(Debug, Clone, Copy)]
struct Gap {
    first: u64,
    last: u64,
    after: Option<Moment>,
    before: Option<Moment>,
    /// What the record behind the gap says is the hash of its last.
    hash: Hash,
}

impl<'w> Walk<'w> {
    pub(super) fn new(trusted: &'w [PublicKey], heads: Vec<Heads<'w>>, tell: &'w mut dyn FnMut(&Finding)) -> Self {
        Self {
            trusted,
            heads,
            report: Report::default(),
            tell,
            end: Vec::new(),
            suspects: None,
            gaps: Vec::new(),
            early: None,
            displaced: Vec::new(),
            vouched: 0,
            is_rewritten: false,
            store_head: None,
            foreign: BTreeSet::new(),
        }
    }

    /// The log goes on from this record, which is no longer there.
    pub(super) fn begin_after(&mut self, id: u64, hash: Hash) {
        self.report.cut = Some(id);
        self.vouched = id;
        self.end = vec![Candidate { id, place: id, time: Moment::default(), hash, is_sound: true }];
    }

    /// The next text.
    pub(super) fn step(&mut self, place: Place, text: &str) -> Result<(), AuditError> {
        if self.end.first().is_some_and(|end| self.report.records == 0 && place.number() <= end.id)
            && matches!(place, Place::Row { .. })
        {
            // Cut off, and not removed yet.
            return Ok(());
        }
        self.report.records += 1;
        let Some(link) = Link::read(text) else {
            return self.unreadable(place, text);
        };
        if let Place::Row { time, .. } = place
            && time != link.time.micros()
        {
            self.found(&Finding::Misfiled { id: link.id, time: link.time });
        }
        if link.event == Event::AuditDamaged {
            let reason = serde_json::from_str::<AuditRecord>(text).ok().and_then(|record| record.reason);
            let reason = reason.unwrap_or_default().into();
            self.found(&Finding::Noticed { id: link.id, time: link.time, reason });
        }
        let hash = Hash::of(text);
        let candidate = Candidate { id: link.id, place: place.number(), time: link.time, hash, is_sound: true };
        let record = Record { candidate, link };
        self.judge_early(&record)?;
        self.take_displaced(link.id)?;
        match self.end.first().map(|end| end.id) {
            Some(end) if link.id == end => self.end.push(candidate),
            Some(end) if link.id < end => self.out_of_order(candidate, end),
            Some(end) if link.id == end + 1 => self.follow(&record)?,
            Some(_) => self.early = Some(record),
            None => {
                // A file may begin anywhere; a store that was not cut begins with the first.
                if link.id > 1 && matches!(place, Place::Row { .. }) {
                    self.open_gap(1, &link);
                } else if link.id == 1 && link.previous != Hash::NONE {
                    self.suspect(1, link.time);
                }
                self.advance(candidate)?;
            }
        }
        Ok(())
    }

    /// What is known only when nothing follows.
    pub(super) fn finish(mut self) -> Result<Report, AuditError> {
        if let Some(early) = self.early.take() {
            self.displaced.push(early);
        }
        self.displaced.sort_by_key(|record| record.link.id);
        for record in std::mem::take(&mut self.displaced) {
            self.leap(&record)?;
        }
        self.settle_heads()?;
        self.tell_strangers();
        self.tell_suspects();
        for gap in std::mem::take(&mut self.gaps) {
            self.found(&gap.finding());
        }
        let last = self.end.first().map_or(0, |end| end.id);
        self.judge_truncation(last)?;
        if self.report.records > 0 {
            self.report.last = Some(last);
            self.report.until = self.end.first().map(|end| end.time);
        }
        if self.heads.iter().any(Heads::end_with_the_log) && self.report.records > 0 {
            match self.store_head {
                None if self.report.cut.is_none_or(|cut| cut < last) => self.found(&Finding::NoHead),
                Some(head) if head < last => self.found(&Finding::Unsigned { first: head + 1, last }),
                _ => {}
            }
        }
        self.report.signed = Some(self.vouched).filter(|vouched| *vouched > 0);
        Ok(self.report)
    }

    pub(super) fn found(&mut self, finding: &Finding) {
        self.report.findings += 1;
        (self.tell)(finding);
    }

    /// Decides about a record that came too early, by the one that stands behind it: either what should have been
    /// between is gone, or it is out of place itself.
    fn judge_early(&mut self, next: &Record) -> Result<(), AuditError> {
        let Some(early) = self.early.take() else { return Ok(()) };
        if next.link.id > early.link.id {
            return self.leap(&early);
        }
        let behind = self.end.first().map_or(0, |end| end.id);
        self.found(&Finding::Moved { id: early.link.id, time: early.link.time, behind });
        if self.displaced.len() < OUT_OF_PLACE {
            self.displaced.push(early);
        }
        Ok(())
    }

    /// Where the log comes to records that stood too early, they are held against their neighbours there.
    fn take_displaced(&mut self, until: u64) -> Result<(), AuditError> {
        while let Some(end) = self.end.first().map(|end| end.id).filter(|end| end + 1 < until) {
            let Some(at) = self.displaced.iter().position(|record| record.link.id == end + 1) else { break };
            let record = self.displaced.swap_remove(at);
            self.follow(&record)?;
        }
        Ok(())
    }

    /// Goes on with the record that comes next.
    fn follow(&mut self, record: &Record) -> Result<(), AuditError> {
        self.join(&record.link);
        self.advance(record.candidate)
    }

    /// Goes on with a record that does not come next, if there are some between.
    fn leap(&mut self, record: &Record) -> Result<(), AuditError> {
        let next = self.end.first().map_or(1, |end| end.id + 1);
        if record.link.id == next {
            return self.follow(record);
        }
        self.open_gap(next, &record.link);
        self.advance(record.candidate)
    }

    /// Takes a record as the new end of the log.
    fn advance(&mut self, candidate: Candidate) -> Result<(), AuditError> {
        self.settle_heads()?;
        self.report.first.get_or_insert(candidate.id);
        self.end = vec![candidate];
        Ok(())
    }

    /// Holds what a record says of the one before it against that one.
    fn join(&mut self, link: &Link) {
        if self.end.len() > 1
            && let Some(real) = self.end.iter().position(|candidate| candidate.hash == link.previous)
        {
            self.keep_only(real);
        }
        self.tell_strangers();
        let Some(end) = self.end.first().copied() else { return };
        if end.hash != link.previous && end.is_sound {
            self.suspect(end.id, end.time);
        } else {
            self.tell_suspects();
        }
    }

    /// Of several that call themselves by one number, one is the real one.
    fn keep_only(&mut self, real: usize) {
        let real = self.end.remove(real);
        for stranger in std::mem::replace(&mut self.end, vec![real]) {
            self.found(&Finding::Inserted { id: stranger.id, time: stranger.time, place: stranger.place });
        }
    }

    /// Nothing tells which is the real one: the first is taken for it.
    fn tell_strangers(&mut self) {
        if self.end.len() > 1 {
            self.keep_only(0);
        }
    }

    fn suspect(&mut self, id: u64, time: Moment) {
        match &mut self.suspects {
            Some((_, last, _)) if *last + 1 == id => *last = id,
            _ => {
                self.tell_suspects();
                self.suspects = Some((id, id, time));
            }
        }
    }

    fn tell_suspects(&mut self) {
        match self.suspects.take() {
            Some((first, last, time)) if first == last => self.found(&Finding::Changed { id: first, time }),
            Some((first, last, time)) => self.found(&Finding::ChangedAmong { first, last, time }),
            None => {}
        }
    }

    fn unreadable(&mut self, place: Place, text: &str) -> Result<(), AuditError> {
        self.found(&Finding::Unreadable { place: place.number() });
        let id = self.end.first().map_or(place.number(), |end| end.id + 1);
        let hash = Hash::of(text);
        self.advance(Candidate { id, place: place.number(), time: Moment::default(), hash, is_sound: false })
    }

    fn open_gap(&mut self, first: u64, link: &Link) {
        self.tell_strangers();
        self.tell_suspects();
        let after = self.end.first().map(|end| end.time).filter(|time| *time > Moment::default());
        if self.gaps.len() >= OUT_OF_PLACE {
            let oldest = self.gaps.remove(0);
            self.found(&oldest.finding());
        }
        let (last, before) = (link.id - 1, Some(link.time));
        self.gaps.push(Gap { first, last, after, before, hash: link.previous });
    }

    /// A record with a number that was passed already: it was moved here, or is none of ours.
    fn out_of_order(&mut self, candidate: Candidate, behind: u64) {
        let Candidate { id, time, place, hash, .. } = candidate;
        let Some(at) = self.gaps.iter().position(|gap| (gap.first..=gap.last).contains(&id)) else {
            self.found(&Finding::Inserted { id, time, place });
            return;
        };
        let gap = self.gaps.remove(at);
        self.found(&Finding::Moved { id, time, behind });
        if id == gap.last && hash != gap.hash {
            self.found(&Finding::Changed { id, time });
        }
        // What is still missing before and behind it. Nothing tells the hash of a record before it any more but itself.
        if gap.last > id {
            self.gaps.insert(at, Gap { first: id + 1, ..gap });
        }
        if gap.first < id {
            self.gaps.insert(at, Gap { last: id - 1, ..gap });
        }
    }

    /// Holds the signatures of the newest record, and those that were passed over, against it.
    fn settle_heads(&mut self) -> Result<(), AuditError> {
        let Some(id) = self.end.first().map(|end| end.id) else { return Ok(()) };
        for at in 0..self.heads.len() {
            while let Some(head) = self.heads[at].up_to(id)? {
                let origin = self.heads[at].origin();
                self.judge_head(&head, origin);
            }
        }
        Ok(())
    }

    fn judge_head(&mut self, head: &Head, origin: Origin) {
        if origin == Origin::Store {
            self.store_head = Some(head.id);
        }
        if self.report.cut.is_some_and(|cut| head.id <= cut) {
            return;
        }
        self.report.heads += 1;
        match judge(Purpose::Head, head, self.trusted) {
            Signature::Good => {}
            Signature::Forged => return self.found(&Finding::ForgedHead { id: head.id }),
            Signature::Foreign => {
                if self.foreign.len() < FOREIGN_KEYS && self.foreign.insert(head.key.clone()) {
                    self.found(&Finding::ForeignKey { id: head.id, key: head.key.clone() });
                }
                return;
            }
        }
        if self.end.first().is_none_or(|end| end.id != head.id) {
            // Its record is missing, which is told as such.
            return;
        }
        if let Some(real) = self.end.iter().position(|candidate| candidate.hash == head.hash) {
            self.keep_only(real);
            self.vouched = head.id;
            self.is_rewritten = false;
        } else if !std::mem::replace(&mut self.is_rewritten, true) {
            let first = self.vouched + 1;
            self.found(&Finding::Rewritten { first, last: head.id, signed: head.time });
        }
    }

    /// Good signatures for records behind the last one.
    fn judge_truncation(&mut self, last: u64) -> Result<(), AuditError> {
        let mut signed: Option<(u64, Moment)> = None;
        for at in 0..self.heads.len() {
            let origin = self.heads[at].origin();
            while let Some(head) = self.heads[at].up_to(u64::MAX)? {
                self.judge_head(&head, origin);
                let is_good = judge(Purpose::Head, &head, self.trusted) == Signature::Good;
                if is_good && signed.is_none_or(|(id, _)| id < head.id) {
                    signed = Some((head.id, head.time));
                }
            }
        }
        if let Some((id, time)) = signed {
            self.found(&Finding::Truncated { first: last + 1, last: id, signed: time });
        }
        Ok(())
    }
}

impl Gap {
    fn finding(self) -> Finding {
        let Self { first, last, after, before, hash: _ } = self;
        Finding::Removed { first, last, after, before }
    }
}
