//! Whole numbers, byte counts, percentages, port numbers, status codes.

use std::{fmt::Display, str::FromStr};

use crate::{
    declared::{Percent, PortSpan, StatusSpan},
    read::mistake::Mistake,
};

/// A whole number within bounds (inclusive).
pub(crate) fn number_between<T>(least: T, most: T) -> impl Fn(&str) -> Result<T, Mistake>
where
    T: FromStr + PartialOrd + Display + Copy,
{
    move |text| {
        let expected = format!("a whole number from {least} to {most}");
        if !is_digits(text) {
            return Err(Mistake::new("is not a number", expected));
        }
        match text.parse::<T>() {
            Ok(number) if number >= least && number <= most => Ok(number),
            _ => Err(Mistake::new("is out of bounds", expected)),
        }
    }
}

/// A number of things, at least 1.
pub(crate) fn count(text: &str) -> Result<u32, Mistake> {
    number_between(1, u32::MAX)(text)
}

/// `true` or `false`, as in YAML 1.2.
pub(crate) fn boolean(text: &str) -> Result<bool, Mistake> {
    match text {
        "true" => Ok(true),
        "false" => Ok(false),
        _ => Err(Mistake::new("is neither true nor false", "true or false")),
    }
}

/// `16KiB`, `1MiB`, `4096`: bytes.
pub(crate) fn bytes(text: &str) -> Result<u64, Mistake> {
    const EXPECTED: &str = "bytes, such as 4096, 16KiB or 1MiB";
    let digits = text.find(|character: char| !character.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let mistake = || Mistake::new("is not a size", EXPECTED);
    if !is_digits(number) {
        return Err(mistake());
    }
    let unit: u64 = match unit {
        "" | "B" => 1,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        "K" | "k" | "KB" | "kB" | "kb" => return Err(mistake().help(format!("write `{number}KiB` (1024 bytes)"))),
        "M" | "m" | "MB" | "mb" => return Err(mistake().help(format!("write `{number}MiB` (1024 KiB)"))),
        "G" | "g" | "GB" | "gb" => return Err(mistake().help(format!("write `{number}GiB` (1024 MiB)"))),
        _ => return Err(mistake()),
    };
    number
        .parse::<u64>()
        .ok()
        .and_then(|number| number.checked_mul(unit))
        .ok_or_else(|| Mistake::new("is larger than can be counted", EXPECTED))
}

/// `20%`
pub(crate) fn percent(text: &str) -> Result<Percent, Mistake> {
    let mistake = || Mistake::new("is not a percentage", "a whole number from 0% to 100%");
    let Some(number) = text.strip_suffix('%') else {
        let is_number = is_digits(text);
        return Err(if is_number { mistake().help(format!("write `{text}%`")) } else { mistake() });
    };
    match number.parse::<u8>() {
        Ok(percent @ 0..=100) if is_digits(number) => Ok(Percent(percent)),
        _ => Err(mistake()),
    }
}

/// 1 to 65535.
pub(crate) fn port_number(text: &str) -> Result<u16, Mistake> {
    const EXPECTED: &str = "a port number from 1 to 65535";
    if !is_digits(text) {
        return Err(Mistake::new("is not a port number", EXPECTED));
    }
    match text.parse::<u16>() {
        Ok(0) => Err(Mistake::new("means a random port, which cannot be policy", EXPECTED)),
        Ok(port) => Ok(port),
        Err(_) => Err(Mistake::new("is above the highest port number", EXPECTED)),
    }
}

/// `3000` or `3000-3999`
pub(crate) fn port_span(text: &str) -> Result<PortSpan, Mistake> {
    const EXPECTED: &str = "port numbers such as 3000-3999";
    let Some((first, last)) = text.split_once('-') else { return port_number(text).map(PortSpan::single) };
    let number = |text: &str| port_number(text.trim()).map_err(|mistake| Mistake::new(mistake.message, EXPECTED));
    let (first, last) = (number(first)?, number(last)?);
    if first > last {
        let mistake = Mistake::new("ends before it begins", EXPECTED);
        return Err(mistake.help(format!("did you mean `{last}-{first}`?")));
    }
    Ok(PortSpan { first, last })
}

/// `200` or `200-399`
pub(crate) fn status_span(text: &str) -> Result<StatusSpan, Mistake> {
    const EXPECTED: &str = "a status such as 200 or 200-399, from 100 to 599";
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let status = |text: &str| match text.parse::<u16>() {
        Ok(status @ 100..=599) if is_digits(text) => Ok(status),
        _ => Err(Mistake::new("is not an HTTP status", EXPECTED)),
    };
    let (first, last) = (status(first)?, status(last)?);
    if first > last {
        return Err(Mistake::new("ends before it begins", EXPECTED));
    }
    Ok(StatusSpan { first, last })
}

/// Rust's `parse` also takes `+5`.
fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_in_powers_of_two_or_plain_bytes() {
        for (text, expected) in [
            ("4096", Some(4096)),
            ("16KiB", Some(16384)),
            ("1MiB", Some(1 << 20)),
            ("2GiB", Some(2 << 30)),
            ("10B", Some(10)),
            ("16KB", None),
            ("16 KiB", None),
            ("-1", None),
            ("+1", None),
            ("1.5MiB", None),
            ("99999999999GiB", None),
            ("", None),
            ("KiB", None),
        ] {
            assert_eq!(bytes(text).ok(), expected, "{text}");
        }
    }

    #[test]
    fn port_spans_are_ordered_and_never_zero() {
        for (text, expected) in [
            ("3000", Some((3000, 3000))),
            ("3000-3999", Some((3000, 3999))),
            ("3000 - 3999", Some((3000, 3999))),
            ("65535", Some((65535, 65535))),
            ("0", None),
            ("0-10", None),
            ("65536", None),
            ("3999-3000", None),
            ("3000-", None),
            ("http", None),
            ("+80", None),
            ("0x50", None),
        ] {
            assert_eq!(port_span(text).ok().map(|span| (span.first, span.last)), expected, "{text}");
        }
    }

    #[test]
    fn percentages_and_statuses_are_within_bounds() {
        assert_eq!(percent("20%"), Ok(Percent(20)));
        for text in ["20", "101%", "-1%", "+1%", "%", "1.5%"] {
            assert!(percent(text).is_err(), "{text}");
        }
        assert_eq!(status_span("200-399"), Ok(StatusSpan { first: 200, last: 399 }));
        for text in ["99", "600", "399-200", "2xx", "+200", ""] {
            assert!(status_span(text).is_err(), "{text}");
        }
    }
}
