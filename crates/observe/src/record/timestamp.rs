//! RFC 3339 in UTC with microseconds; the date is worked out once a second and not for each record.

use std::time::{SystemTime, UNIX_EPOCH};

/// `2026-07-01T12:00:00.`: everything but the microseconds, for the second that was asked for last.
#[derive(Debug, Clone)]
pub(crate) struct TimestampCache {
    second: u64,
    prefix: [u8; 20],
}

impl TimestampCache {
    pub(crate) fn new() -> Self {
        Self { second: 0, prefix: *b"1970-01-01T00:00:00." }
    }

    /// Appends `time`. Times outside the years 1970 to 9999 are written as the nearest that is inside.
    pub(crate) fn append(&mut self, time: SystemTime, out: &mut Vec<u8>) {
        let since_epoch = time.duration_since(UNIX_EPOCH).unwrap_or_default();
        let second = since_epoch.as_secs().min(LAST_SECOND);
        if second != self.second {
            self.second = second;
            self.prefix = date_and_time(second);
        }
        out.extend_from_slice(&self.prefix);
        let mut fraction = *b"000000Z";
        digits(&mut fraction[..6], u64::from(since_epoch.subsec_micros()));
        out.extend_from_slice(&fraction);
    }
}

/// 9999-12-31T23:59:59Z.
const LAST_SECOND: u64 = 253_402_300_799;

fn date_and_time(second: u64) -> [u8; 20] {
    let (year, month, day) = civil_date(second / 86_400);
    let of_day = second % 86_400;
    let mut prefix = *b"0000-00-00T00:00:00.";
    digits(&mut prefix[0..4], year);
    digits(&mut prefix[5..7], month);
    digits(&mut prefix[8..10], day);
    digits(&mut prefix[11..13], of_day / 3600);
    digits(&mut prefix[14..16], of_day / 60 % 60);
    digits(&mut prefix[17..19], of_day % 60);
    prefix
}

/// Year, month and day of a day since 1970-01-01 (Howard Hinnant, "chrono-compatible low-level date algorithms").
/// Years begin in March there, so that the leap day is the last of its year.
fn civil_date(days_since_epoch: u64) -> (u64, u64, u64) {
    let days = days_since_epoch + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    (era * 400 + year_of_era + u64::from(month <= 2), month, day)
}

/// Writes `value` into all of `field`, with leading zeros.
fn digits(field: &mut [u8], mut value: u64) {
    for digit in field.iter_mut().rev() {
        *digit = b'0' + (value % 10) as u8;
        value /= 10;
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn known_times_are_written_as_they_are_known() {
        let mut cache = TimestampCache::new();
        for (seconds, micros, expected) in [
            (0, 0, "1970-01-01T00:00:00.000000Z"),
            (951_782_399, 999_999, "2000-02-28T23:59:59.999999Z"),
            (951_782_400, 1, "2000-02-29T00:00:00.000001Z"),
            (1_709_251_199, 120_000, "2024-02-29T23:59:59.120000Z"),
            (1_709_251_200, 0, "2024-03-01T00:00:00.000000Z"),
            (4_107_542_400, 0, "2100-03-01T00:00:00.000000Z"),
            (u64::MAX >> 2, 5, "9999-12-31T23:59:59.000005Z"),
        ] {
            let mut out = Vec::new();
            cache.append(UNIX_EPOCH + Duration::new(seconds, micros * 1000), &mut out);
            assert_eq!(String::from_utf8(out).unwrap(), expected);
        }
    }

    #[test]
    fn a_clock_before_1970_does_not_panic() {
        let mut out = Vec::new();
        TimestampCache::new().append(UNIX_EPOCH - Duration::from_secs(5), &mut out);
        assert_eq!(out, b"1970-01-01T00:00:00.000000Z");
    }
}
