//! For how long a key is good.

use std::str::FromStr;

use portcullis_config::argument;

const DAY: u64 = 24 * 60 * 60;
/// Ten years; who means longer means never, and should say it.
const LONGEST_DAYS: u64 = 3653;

/// For how long a key is good.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lifetime {
    Seconds(u64),
    Never,
}

impl Lifetime {
    /// When a key that is made now ends.
    pub(super) fn end(self, now: u64) -> Option<u64> {
        match self {
            Self::Seconds(seconds) => Some(now + seconds),
            Self::Never => None,
        }
    }
}

impl FromStr for Lifetime {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "never" {
            return Ok(Self::Never);
        }
        if let Some(days) = text.strip_suffix('d') {
            let days = days.parse().ok().filter(|days| (1..=LONGEST_DAYS).contains(days));
            let days = days.ok_or_else(|| format!("expected 1d to {LONGEST_DAYS}d, or never"))?;
            return Ok(Self::Seconds(days * DAY));
        }
        match argument::duration(text).map(|duration| duration.as_secs()) {
            Ok(0) => Err("expected a second or more".to_owned()),
            Ok(seconds) => Ok(Self::Seconds(seconds)),
            Err(_) => Err("expected a time such as 30d or 12h, or never".to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lifetime_is_days_or_a_duration_or_said_to_have_no_end() {
        for (text, expected) in [
            ("30d", Some(Lifetime::Seconds(30 * DAY))),
            ("12h", Some(Lifetime::Seconds(12 * 3600))),
            ("90s", Some(Lifetime::Seconds(90))),
            ("never", Some(Lifetime::Never)),
            ("0d", None),
            ("4000d", None),
            ("-1d", None),
            ("1", None),
            ("", None),
            ("10ms", None),
            ("99999999999999999999d", None),
        ] {
            assert_eq!(text.parse().ok(), expected, "{text}");
        }
    }
}
