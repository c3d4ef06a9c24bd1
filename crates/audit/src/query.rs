//! Asking for records.

use std::collections::VecDeque;

use portcullis_store::{
    Store, Transaction,
    audit::{Order, RecordRow},
};

use crate::{AuditError, AuditRecord, Decision, Event, Moment};

/// Records that are read at once.
const PAGE: u32 = 512;

/// Which records are meant: those for which everything holds that is said.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Filter {
    /// From this time on.
    pub since: Option<Moment>,
    /// Before this time.
    pub until: Option<Moment>,
    /// The principal's name or subject, alone or as `provider:subject`.
    pub principal: Option<String>,
    /// The service.
    pub service: Option<String>,
    /// The port.
    pub port: Option<String>,
    /// The decision.
    pub decision: Option<Decision>,
    /// The event.
    pub event: Option<Event>,
    /// This text occurs in the record, in capitals or not.
    pub text: Option<String>,
}

/// How many of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Selection {
    /// All.
    All,
    /// The newest, at most so many.
    Newest(usize),
}

/// A record that was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Its number.
    pub id: u64,
    /// Its text, as it is kept.
    pub line: String,
    /// What it says; `None` if it is not a record, since somebody changed it.
    pub record: Option<AuditRecord>,
}

/// Reads the records that are meant, oldest first. With [`Selection::All`] in constant memory.
pub fn read(
    store: &mut Store,
    filter: &Filter,
    selection: Selection,
    mut sink: impl FnMut(Found) -> Result<(), AuditError>,
) -> Result<(), AuditError> {
    store.read(|transaction| match selection {
        Selection::All => each(transaction, filter, Order::Ascending, |found| {
            sink(found)?;
            Ok(Going::On)
        }),
        Selection::Newest(most) => {
            let mut newest = VecDeque::new();
            if most > 0 {
                each(transaction, filter, Order::Descending, |found| {
                    newest.push_front(found);
                    Ok(if newest.len() < most { Going::On } else { Going::NoFurther })
                })?;
            }
            newest.into_iter().try_for_each(sink)
        }
    })
}

enum Going {
    On,
    NoFurther,
}

fn each(
    transaction: &Transaction<'_>,
    filter: &Filter,
    order: Order,
    mut sink: impl FnMut(Found) -> Result<Going, AuditError>,
) -> Result<(), AuditError> {
    let lowered = filter.text.as_ref().map(|text| text.to_lowercase());
    let mut ids = if filter.since.is_some() || filter.until.is_some() {
        let since = filter.since.map_or(i64::MIN, Moment::micros);
        transaction.audit().enclosing(since..filter.until.map_or(i64::MAX, Moment::micros))?
    } else {
        0..u64::MAX
    };
    // What was cut off is gone, also while it is being removed.
    ids.start = ids.start.max(transaction.audit().cut()?.map_or(0, |cut| cut.id + 1));
    loop {
        let page = transaction.audit().page(ids.clone(), order, PAGE)?;
        let Some(last) = page.last() else { return Ok(()) };
        match order {
            Order::Ascending => ids.start = last.id + 1,
            Order::Descending => ids.end = last.id,
        }
        for row in page {
            let Some(found) = filter.judge(row, lowered.as_deref()) else { continue };
            if let Going::NoFurther = sink(found)? {
                return Ok(());
            }
        }
    }
}

impl Filter {
    fn judge(&self, row: RecordRow, lowered: Option<&str>) -> Option<Found> {
        if lowered.is_some_and(|text| !row.body.to_lowercase().contains(text)) {
            return None;
        }
        let RecordRow { id, body: line, .. } = row;
        let record: Option<AuditRecord> = serde_json::from_str(&line).ok();
        let is_meant = match &record {
            Some(record) => self.holds(record),
            // It may have been any: it is shown, so that it is seen.
            None => true,
        };
        is_meant.then_some(Found { id, line, record })
    }

    fn holds(&self, record: &AuditRecord) -> bool {
        let is = |wanted: &Option<String>, found: &Option<Box<str>>| {
            wanted.as_deref().is_none_or(|wanted| found.as_deref() == Some(wanted))
        };
        self.since.is_none_or(|since| record.time >= since)
            && self.until.is_none_or(|until| record.time < until)
            && is(&self.service, &record.service)
            && is(&self.port, &record.port)
            && self.decision.is_none_or(|decision| record.decision == Some(decision))
            && self.event.is_none_or(|event| record.event == event)
            && self.principal.as_deref().is_none_or(|wanted| is_principal(record, wanted))
    }
}

fn is_principal(record: &AuditRecord, wanted: &str) -> bool {
    record.principal.as_ref().is_some_and(|principal| {
        let whole = wanted.split_once(':').is_some_and(|(provider, subject)| {
            *principal.provider == *provider && (*principal.subject == *subject || *principal.name == *subject)
        });
        whole || *principal.name == *wanted || *principal.subject == *wanted
    })
}
