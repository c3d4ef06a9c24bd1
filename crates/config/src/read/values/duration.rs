//! `500ms`, `2s`, `1m`, `1h`.

use std::time::Duration;

use crate::read::mistake::Mistake;

/// Longest duration that means anything here; beyond it a number was mistyped.
const LONGEST: Duration = Duration::from_hours(24 * 365);

pub(crate) fn duration(text: &str) -> Result<Duration, Mistake> {
    const EXPECTED: &str = "a number with us, ms, s, m or h, such as 500ms or 2s";
    let mistake = || Mistake::new("is not a duration", EXPECTED);
    let digits = text.find(|character: char| !character.is_ascii_digit() && character != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let nanoseconds_per_unit: u64 = match unit {
        "us" => 1_000,
        "ms" => 1_000_000,
        "s" => 1_000_000_000,
        "m" => 60 * 1_000_000_000,
        "h" => 3600 * 1_000_000_000,
        "" if !number.is_empty() => return Err(mistake().help(format!("write the unit: `{number}s` or `{number}ms`"))),
        _ => return Err(mistake()),
    };
    let nanoseconds = decimal(number, nanoseconds_per_unit).ok_or_else(mistake)?;
    let duration = Duration::from_nanos(nanoseconds);
    if duration > LONGEST {
        return Err(Mistake::new("is longer than a year", EXPECTED));
    }
    Ok(duration)
}

/// Between two rounds of something that costs others more than us: a second at least.
pub(crate) fn interval(text: &str) -> Result<Duration, Mistake> {
    let every = duration(text)?;
    if every < Duration::from_secs(1) {
        return Err(Mistake::new("is too often", "a second or more"));
    }
    Ok(every)
}

/// `1`, `2.5`: digits with at most one dot between them, times `unit`. Exact, no floating point.
fn decimal(number: &str, unit: u64) -> Option<u64> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
    let is_digits = |text: &str| !text.is_empty() && text.len() <= 18 && text.bytes().all(|byte| byte.is_ascii_digit());
    if !is_digits(whole) || !is_digits(fraction) {
        return None;
    }
    let whole = whole.parse::<u64>().ok()?.checked_mul(unit)?;
    let scale = 10_u128.checked_pow(fraction.len() as u32)?;
    let fraction = fraction.parse::<u128>().ok()? * u128::from(unit) / scale;
    whole.checked_add(u64::try_from(fraction).ok()?)
}

/// As the file would write it: the largest unit that gives a whole number.
pub(crate) fn written(duration: Duration) -> String {
    let nanoseconds = duration.as_nanos();
    for (unit, size) in [("h", 3_600_000_000_000), ("m", 60_000_000_000), ("s", 1_000_000_000), ("ms", 1_000_000)] {
        if nanoseconds >= size && nanoseconds.is_multiple_of(size) {
            return format!("{}{unit}", nanoseconds / size);
        }
    }
    format!("{}us", nanoseconds / 1_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_need_a_unit() {
        for (text, expected) in [
            ("500ms", Some(500_000_000)),
            ("2s", Some(2_000_000_000)),
            ("2.5ms", Some(2_500_000)),
            ("100us", Some(100_000)),
            ("1m", Some(60_000_000_000)),
            ("1h", Some(3_600_000_000_000)),
            ("0s", Some(0)),
            ("", None),
            ("5", None),
            ("s", None),
            (".5s", None),
            ("5.s", None),
            ("1.2.3s", None),
            ("-1s", None),
            ("1 s", None),
            ("1d", None),
            ("1e3s", None),
            ("99999999999999999999s", None),
            ("10000h", None),
        ] {
            assert_eq!(duration(text).ok().map(|duration| duration.as_nanos()), expected, "{text}");
        }
    }

    #[test]
    fn a_written_duration_reads_the_same() {
        for text in ["100us", "1ms", "2500us", "5s", "90s", "1m", "1h"] {
            let read = duration(text).unwrap_or_default();
            assert_eq!(duration(&written(read)), Ok(read), "{text}");
        }
    }
}
