//! `audit:`

use std::time::Duration;

use super::{mistake::Mistake, reader::Reader, settings, tls::path, values};
use crate::{
    declared::{Audit, LogTarget},
    yaml::{Node, Value},
};

/// Longest time that records are kept for, if not for ever.
const LONGEST_DAYS: u64 = 36_500;

/// `audit: on`, or a mapping.
pub(super) fn audit(reader: &mut Reader<'_>, node: &Node<'_>) -> Option<Audit> {
    if !matches!(node.value, Value::Mapping(_)) {
        return reader.value_or_mapping(node, "`on` or a mapping", |text| match text {
            "on" => Ok(Audit::default()),
            _ => Err(Mistake::new("is not a way to audit", "on, or a mapping such as { copy: ./audit.jsonl }")),
        });
    }
    reader.mapping(node, "Audit", "`audit`", |map| {
        let directory = map.reader.directory;
        Audit {
            copy: map.value("copy", |text| match settings::log_target(text, directory)? {
                LogTarget::Off => Err(Mistake::new("is no place for a copy", "stdout, or a path with a slash")),
                place => Ok(place),
            }),
            heads: path(map, "heads"),
            retention: map.value("retention", retention),
        }
    })
}

/// `400d`, or any other duration of an hour or more.
fn retention(text: &str) -> Result<Duration, Mistake> {
    const EXPECTED: &str = "days such as 400d, or hours such as 72h";
    let days = text.strip_suffix('d').map(str::parse::<u64>);
    let time = match days {
        Some(Ok(days)) if days <= LONGEST_DAYS => Duration::from_hours(24 * days),
        Some(_) => return Err(Mistake::new("is not a time to keep records for", EXPECTED)),
        None => values::duration(text)?,
    };
    if time < Duration::from_hours(1) {
        return Err(Mistake::new("is too short to show anything later", EXPECTED));
    }
    Ok(time)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_kept_for_days_or_hours() {
        for (text, hours) in [("400d", Some(9600)), ("72h", Some(72)), ("1h", Some(1)), ("0d", None), ("59m", None)] {
            assert_eq!(retention(text).ok(), hours.map(Duration::from_hours), "{text}");
        }
        for wrong in ["", "d", "-1d", "36501d", "99999999999999999999d", "1w"] {
            assert!(retention(wrong).is_err(), "{wrong}");
        }
    }
}
