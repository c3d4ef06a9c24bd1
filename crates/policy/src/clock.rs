//! Days, hours and zones: when a window is open, and when the answer to that next changes.

use std::fmt;

use jiff::{Timestamp, tz::TimeZone};

const DAY: u16 = 24 * 60;

/// A day of the week.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Weekday {
    /// `mon`
    Monday,
    /// `tue`
    Tuesday,
    /// `wed`
    Wednesday,
    /// `thu`
    Thursday,
    /// `fri`
    Friday,
    /// `sat`
    Saturday,
    /// `sun`
    Sunday,
}

impl Weekday {
    /// All of them, from Monday.
    pub const ALL: [Self; 7] =
        [Self::Monday, Self::Tuesday, Self::Wednesday, Self::Thursday, Self::Friday, Self::Saturday, Self::Sunday];

    /// `mon`
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Monday => "mon",
            Self::Tuesday => "tue",
            Self::Wednesday => "wed",
            Self::Thursday => "thu",
            Self::Friday => "fri",
            Self::Saturday => "sat",
            Self::Sunday => "sun",
        }
    }

    fn next(self) -> Self {
        Self::ALL[(self as usize + 1) % 7]
    }
}

/// Days and hours of the week, on the clock of a route's zone. Hours that pass midnight belong to the day on which they
/// begin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Window {
    /// Sorted, each once, never empty.
    days: Vec<Weekday>,
    hours: Option<Hours>,
}

/// From one minute of the day to another, which is not part of it. `from` and `to` differ; 0 <= from < 1440,
/// 0 < to <= 1440; `to < from` passes midnight.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Hours {
    from: u16,
    to: u16,
}

impl Window {
    /// These days (none: all), between these minutes of the day (`None`: the whole day). `None` if the hours are empty
    /// or no minutes of a day.
    pub fn new(days: impl IntoIterator<Item = Weekday>, hours: Option<(u16, u16)>) -> Option<Self> {
        let mut days: Vec<Weekday> = days.into_iter().collect();
        days.sort_unstable();
        days.dedup();
        if days.is_empty() {
            days = Weekday::ALL.to_vec();
        }
        let hours = match hours {
            None => None,
            Some((from, to)) if from == to || from >= DAY || to > DAY => return None,
            // To midnight, said as 00:00.
            Some((from, 0)) => Some(Hours { from, to: DAY }),
            Some((from, to)) => Some(Hours { from, to }),
        };
        Some(Self { days, hours: hours.filter(|hours| (hours.from, hours.to) != (0, DAY)) })
    }

    /// The condition in Cedar, over `context.weekday` and `context.minute`.
    pub(crate) fn condition(&self) -> String {
        let on = |days: &[Weekday]| {
            let names: Vec<String> = days.iter().map(|day| format!("\"{}\"", day.as_str())).collect();
            format!("[{}].contains(context.weekday)", names.join(", "))
        };
        let days = (self.days.len() < 7).then(|| on(&self.days));
        let and = |days: Option<String>, hours: String| match days {
            Some(days) => format!("{days} && {hours}"),
            None => hours,
        };
        match self.hours {
            None => days.unwrap_or_else(|| "true".to_owned()),
            Some(Hours { from, to }) if from < to => {
                and(days, format!("context.minute >= {from} && context.minute < {to}"))
            }
            Some(Hours { from, to }) => {
                let mut mornings: Vec<Weekday> = self.days.iter().map(|day| day.next()).collect();
                mornings.sort_unstable();
                let mornings = days.is_some().then(|| on(&mornings));
                let evening = and(days, format!("context.minute >= {from}"));
                let morning = and(mornings, format!("context.minute < {to}"));
                format!("({evening} || {morning})")
            }
        }
    }

    /// Whether it is open at this moment, in seconds since 1970. For proposals; decisions are Cedar's.
    pub(crate) fn is_open(&self, zone: &Zone, now: u64) -> bool {
        let Some(Local { weekday, minute, .. }) = zone.local(now) else { return false };
        let is_on = |day: Weekday| self.days.contains(&day);
        match self.hours {
            None => is_on(weekday),
            Some(Hours { from, to }) if from < to => is_on(weekday) && (from..to).contains(&minute),
            Some(Hours { from, to }) => {
                is_on(weekday) && minute >= from || self.days.iter().any(|day| day.next() == weekday) && minute < to
            }
        }
    }

    /// The first moment after `now` at which the window may open or close, in seconds since 1970; `None`: it is always
    /// open.
    pub(crate) fn next_border(&self, zone: &Zone, now: u64) -> Option<u64> {
        let local = zone.local(now)?;
        let borders = match self.hours {
            None if self.days.len() == 7 => return None,
            None => [0, 0, 0],
            Some(Hours { from, to }) => [0, from, to % DAY],
        };
        let wait = |border: u16| {
            let minutes = (border + DAY - local.minute) % DAY;
            u64::from(if minutes == 0 { DAY } else { minutes }) * 60 - u64::from(local.second)
        };
        let naive = now + borders.into_iter().map(wait).min()?;
        Some(zone.next_change(now).map_or(naive, |change| naive.min(change)))
    }
}

/// `mon-fri 09:00-17:00`
impl fmt::Display for Window {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut runs: Vec<(Weekday, Weekday)> = Vec::new();
        for day in &self.days {
            match runs.last_mut() {
                Some(run) if run.1 < Weekday::Sunday && run.1.next() == *day => run.1 = *day,
                _ => runs.push((*day, *day)),
            }
        }
        let runs: Vec<String> = runs
            .into_iter()
            .map(|(first, last)| match last as u8 - first as u8 {
                0 => first.as_str().to_owned(),
                1 => format!("{}, {}", first.as_str(), last.as_str()),
                _ => format!("{}-{}", first.as_str(), last.as_str()),
            })
            .collect();
        let days = if self.days.len() == 7 { "every day".to_owned() } else { runs.join(", ") };
        formatter.write_str(&days)?;
        let Some(Hours { from, to }) = self.hours else { return Ok(()) };
        write!(formatter, " {:02}:{:02}-{:02}:{:02}", from / 60, from % 60, to / 60, to % 60)
    }
}

/// A zone of the tz database: whose clock days and hours are read from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Zone(TimeZone);

/// The tz database knows no zone of that name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no time zone; write one of the tz database, such as Europe/Berlin or UTC")]
pub struct UnknownZone(String);

/// What the clock on the wall says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Local {
    pub(crate) weekday: Weekday,
    pub(crate) minute: u16,
    pub(crate) second: u8,
}

impl Zone {
    /// Greenwich, which changes no clocks.
    pub const UTC: Self = Self(TimeZone::UTC);

    /// `Europe/Berlin`. The database of the host is used, and one of our own where there is none.
    pub fn named(name: &str) -> Result<Self, UnknownZone> {
        TimeZone::get(name).map(Self).map_err(|_| UnknownZone(name.to_owned()))
    }

    /// Its name.
    pub fn name(&self) -> &str {
        self.0.iana_name().unwrap_or("UTC")
    }

    /// `None` for a time that no calendar knows.
    pub(crate) fn local(&self, now: u64) -> Option<Local> {
        let at = Timestamp::from_second(i64::try_from(now).ok()?).ok()?;
        let at = self.0.to_datetime(at);
        let day = usize::try_from(at.weekday().to_monday_zero_offset()).ok()?;
        let minute = u16::try_from(i32::from(at.hour()) * 60 + i32::from(at.minute())).ok()?;
        Some(Local { weekday: Weekday::ALL[day % 7], minute, second: u8::try_from(at.second()).ok()? })
    }

    /// When its clocks are next changed, in seconds since 1970.
    fn next_change(&self, now: u64) -> Option<u64> {
        let now = Timestamp::from_second(i64::try_from(now).ok()?).ok()?;
        let change = self.0.following(now).next()?;
        u64::try_from(change.timestamp().as_second()).ok()
    }
}

impl Default for Zone {
    fn default() -> Self {
        Self::UTC
    }
}

/// The next full minute, in seconds since 1970. All zones agree on it: their offsets today are whole minutes.
pub(crate) fn next_minute(now: u64) -> u64 {
    now - now % 60 + 60
}

/// The next moment at which it may be another day, in seconds since 1970.
pub(crate) fn next_day(zone: &Zone, now: u64) -> u64 {
    let midnight = Window { days: vec![Weekday::Monday], hours: None };
    midnight.next_border(zone, now).unwrap_or(now + 1)
}

/// The moment in the form that Cedar reads.
pub(crate) fn datetime(now: u64) -> Option<String> {
    Timestamp::from_second(i64::try_from(now).ok()?).ok().map(|at| at.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> u64 {
        u64::try_from(text.parse::<Timestamp>().unwrap().as_second()).unwrap()
    }

    #[test]
    fn a_window_is_shown_as_people_write_it() {
        use Weekday::{Friday, Monday, Saturday, Sunday, Thursday, Tuesday, Wednesday};
        let work = [Monday, Tuesday, Wednesday, Thursday, Friday];
        for (days, hours, expected) in [
            (&work[..], Some((540, 1020)), "mon-fri 09:00-17:00"),
            (&[Sunday, Saturday], None, "sat, sun"),
            (&[], Some((1320, 360)), "every day 22:00-06:00"),
            (&[Monday, Wednesday], Some((0, 1440)), "mon, wed"),
            (&[Monday], Some((720, 0)), "mon 12:00-24:00"),
        ] {
            assert_eq!(Window::new(days.iter().copied(), hours).unwrap().to_string(), expected);
        }
        for hours in [(540, 540), (1440, 60), (0, 1441)] {
            assert_eq!(Window::new([], Some(hours)), None, "{hours:?}");
        }
    }

    #[test]
    fn a_border_is_where_the_answer_may_change_also_when_clocks_do() {
        let berlin = Zone::named("Europe/Berlin").unwrap();
        let window = Window::new([], Some((540, 1020))).unwrap();
        for (now, border) in [
            ("2026-01-15T07:59:30Z", "2026-01-15T08:00:00Z"),
            ("2026-01-15T08:00:00Z", "2026-01-15T16:00:00Z"),
            ("2026-01-15T16:00:00Z", "2026-01-15T23:00:00Z"),
            ("2026-07-15T06:00:00Z", "2026-07-15T07:00:00Z"),
            // Clocks go forward at 01:00Z: before that, 09:00 is further away than it seems.
            ("2026-03-29T00:30:00Z", "2026-03-29T01:00:00Z"),
            ("2026-03-29T01:00:00Z", "2026-03-29T07:00:00Z"),
        ] {
            assert_eq!(window.next_border(&berlin, at(now)), Some(at(border)), "{now}");
        }
        assert_eq!(Window::new([], None).unwrap().next_border(&berlin, at("2026-01-15T08:00:00Z")), None);
    }

    #[test]
    fn a_zone_that_nobody_knows_is_refused_by_name() {
        assert!(Zone::named("Europe/Berlim").unwrap_err().to_string().contains("Europe/Berlim"));
    }
}
