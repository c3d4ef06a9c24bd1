//! What can be wrong with a log.

use std::fmt;

use serde::Serialize;

use crate::{Moment, text::neutralise};

/// Something that is wrong. Each names its records by number, and by time where it is known.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "finding", rename_all = "kebab-case")]
pub enum Finding {
    /// Records are not there.
    Removed {
        /// The first of them.
        first: u64,
        /// The last of them.
        last: u64,
        /// When the record before them happened.
        after: Option<Moment>,
        /// When the record after them happened.
        before: Option<Moment>,
    },
    /// The log ends before it was signed to end.
    Truncated {
        /// The first record that is not there.
        first: u64,
        /// The last record that is not there.
        last: u64,
        /// When the last was signed for.
        signed: Moment,
    },
    /// A record is not what the one after it says.
    Changed {
        /// Its number.
        id: u64,
        /// When it says that it happened.
        time: Moment,
    },
    /// Of these records, which follow each other, at least one was changed.
    ChangedAmong {
        /// The first of them.
        first: u64,
        /// The last of them.
        last: u64,
        /// When the first says that it happened.
        time: Moment,
    },
    /// Something that is no record stands in its place.
    Unreadable {
        /// The row, or the line of a file.
        place: u64,
    },
    /// A record stands behind one that came after it.
    Moved {
        /// Its number.
        id: u64,
        /// When it says that it happened.
        time: Moment,
        /// The record that it stands behind.
        behind: u64,
    },
    /// A record was added between others.
    Inserted {
        /// The number that it gives itself.
        id: u64,
        /// When it says that it happened.
        time: Moment,
        /// The row, or the line of a file, that it stands in.
        place: u64,
    },
    /// Records follow that nobody has signed for.
    Unsigned {
        /// The first of them.
        first: u64,
        /// The last of them.
        last: u64,
    },
    /// The hashes fit each other, but not the signature: one of these records was changed, and all after it were
    /// written anew.
    Rewritten {
        /// The first that may be.
        first: u64,
        /// The last that may be.
        last: u64,
        /// When the last was signed for.
        signed: Moment,
    },
    /// A record is filed under another time than it says, so that it is not found.
    Misfiled {
        /// Its number.
        id: u64,
        /// When it says that it happened.
        time: Moment,
    },
    /// A signature is by a trusted key, and not of what it stands beside.
    ForgedHead {
        /// The record.
        id: u64,
    },
    /// The same of a cut.
    ForgedCut {
        /// The last record that it says was cut off.
        id: u64,
    },
    /// A signature is by a key that is not trusted.
    ForeignKey {
        /// The record.
        id: u64,
        /// Id of the key.
        key: String,
    },
    /// There is no signature at all.
    NoHead,
    /// A record in which Portcullis itself wrote down that the log was damaged.
    Noticed {
        /// Its number.
        id: u64,
        /// When.
        time: Moment,
        /// What it found.
        reason: String,
    },
}

impl fmt::Display for Finding {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Removed { first, last, after, before } => {
                write!(formatter, "{} removed", Were(*first, *last))?;
                match (after, before) {
                    (Some(after), Some(before)) => write!(formatter, ", between {after} and {before}"),
                    (None, Some(before)) => write!(formatter, ", before {before}"),
                    (Some(after), None) => write!(formatter, ", after {after}"),
                    (None, None) => Ok(()),
                }
            }
            Self::Truncated { first, last, signed } => {
                write!(formatter, "{} removed from the end; signed for at {signed}", Were(*first, *last))
            }
            Self::Changed { id, time } => write!(formatter, "record {id} ({time}) was changed"),
            Self::ChangedAmong { first, last, time } => {
                write!(formatter, "records {first} to {last} (from {time}) do not join: at least one was changed")
            }
            Self::Unreadable { place } => {
                write!(formatter, "what stands in place {place} is not a record: it was changed")
            }
            Self::Moved { id, time, behind } => {
                write!(formatter, "record {id} ({time}) was moved: it stands behind record {behind}")
            }
            Self::Inserted { id, time, place } => write!(
                formatter,
                "the record in place {place} was inserted: it calls itself record {id} ({time}), which is another one"
            ),
            Self::Unsigned { first, last } => {
                write!(formatter, "{} added at the end without a signature: not by Portcullis", Were(*first, *last))
            }
            Self::Rewritten { first, last, signed } if first == last => {
                write!(formatter, "record {first} was changed: it is not the one that was signed for at {signed}")
            }
            Self::Rewritten { first, last, signed } => write!(
                formatter,
                "one of the records {first} to {last} was changed and those after it rewritten to fit: record {last} is \
                 not the one that was signed for at {signed}"
            ),
            Self::Misfiled { id, time } => write!(
                formatter,
                "record {id} ({time}) is filed under another time: asking for its time does not find it"
            ),
            Self::ForgedHead { id } => write!(formatter, "the signature for record {id} is forged"),
            Self::ForgedCut { id } => write!(formatter, "the signature of the cut after record {id} is forged"),
            Self::ForeignKey { id, key } => write!(
                formatter,
                "record {id} is signed with the key {key}, which is not trusted here; if it was yours, name it with \
                 `--public-key`"
            ),
            Self::NoHead => {
                formatter.write_str("there is no signature: nothing says that these records are the real ones")
            }
            Self::Noticed { id, time, reason } => {
                write!(formatter, "record {id} ({time}) says that the log was damaged: {}", neutralise(reason))
            }
        }
    }
}

/// `record 5 was`, `records 5 to 7 were`.
struct Were(u64, u64);

impl fmt::Display for Were {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(first, last) = self;
        if first == last {
            write!(formatter, "record {first} was")
        } else {
            write!(formatter, "records {first} to {last} were")
        }
    }
}
