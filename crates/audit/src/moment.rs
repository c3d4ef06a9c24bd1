//! A time as records carry it.

use std::{
    fmt,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

/// Microseconds since the Unix epoch, in UTC. Written as `2026-11-21T12:51:36.000123Z`: always as long, so that
/// texts sort as times do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Moment(i64);

/// The last one that four digits of a year can say.
const LATEST: i64 = 253_402_300_799_999_999;

impl Moment {
    /// By the clock of this machine.
    pub fn now() -> Self {
        SystemTime::now().into()
    }

    /// From microseconds since the Unix epoch; what lies before it or after the year 9999 is brought to the next that
    /// does not.
    pub fn from_micros(micros: i64) -> Self {
        Self(micros.clamp(0, LATEST))
    }

    /// Microseconds since the Unix epoch.
    pub fn micros(self) -> i64 {
        self.0
    }

    /// This long before.
    #[must_use]
    pub fn before(self, duration: Duration) -> Self {
        Self::from_micros(self.0.saturating_sub(i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)))
    }

    /// This long after.
    #[must_use]
    pub fn after(self, duration: Duration) -> Self {
        Self::from_micros(self.0.saturating_add(i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)))
    }

    /// How long after `earlier` this is; zero if it is not after.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }

    /// Reads RFC 3339.
    pub fn parse(text: &str) -> Option<Self> {
        let time = OffsetDateTime::parse(text, &Rfc3339).ok()?;
        i64::try_from(time.unix_timestamp_nanos() / 1000).ok().filter(|micros| (0..=LATEST).contains(micros)).map(Self)
    }
}

impl From<SystemTime> for Moment {
    fn from(time: SystemTime) -> Self {
        let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
        Self::from_micros(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
    }
}

impl fmt::Display for Moment {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let time = OffsetDateTime::from_unix_timestamp(self.0 / 1_000_000).map_err(|_| fmt::Error)?;
        let (year, month, day) = (time.year(), u8::from(time.month()), time.day());
        let (hour, minute, second) = time.to_hms();
        let micros = self.0 % 1_000_000;
        write!(formatter, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{micros:06}Z")
    }
}

impl Serialize for Moment {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Moment {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| de::Error::custom("expected a time as in RFC 3339"))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn times_are_written_in_one_form() {
        for (micros, text) in [
            (0, "1970-01-01T00:00:00.000000Z"),
            (1_795_265_496_000_123, "2026-11-21T12:51:36.000123Z"),
            (LATEST, "9999-12-31T23:59:59.999999Z"),
        ] {
            assert_eq!(Moment::from_micros(micros).to_string(), text);
            assert_eq!(Moment::parse(text), Some(Moment(micros)));
        }
        assert_eq!(Moment::parse("2026-11-21T13:51:36+01:00"), Moment::parse("2026-11-21T12:51:36Z"));
        assert_eq!(Moment::parse("yesterday"), None);
        assert_eq!(Moment::from_micros(-5), Moment(0));
    }

    proptest! {
        #[test]
        fn texts_sort_as_times_do(a in 0..LATEST, b in 0..LATEST) {
            prop_assert_eq!(a.cmp(&b), Moment(a).to_string().cmp(&Moment(b).to_string()));
            prop_assert_eq!(Moment::parse(&Moment(a).to_string()), Some(Moment(a)));
        }
    }
}
