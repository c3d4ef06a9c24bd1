//! Values of the file, read from the command line: the same words, the same bounds, the same mistakes.

use std::{ops::RangeInclusive, time::Duration};

use crate::{
    declared::{PortSpan, Space},
    read::{self, Mistake},
};

/// `shop`: a name as the file gives them.
pub fn name(text: &str) -> Result<String, String> {
    read::name(text).map_err(said)
}

/// `2h`: a duration, above zero.
pub fn duration(text: &str) -> Result<Duration, String> {
    let duration = read::duration(text).map_err(said)?;
    if duration.is_zero() { Err("expected more than nothing, such as 2h".to_owned()) } else { Ok(duration) }
}

/// `3000` or `3000-3009`.
pub fn ports(text: &str) -> Result<PortSpan, String> {
    read::port_span(text).map_err(said)
}

/// A whole number within these bounds.
pub fn number<N: TryFrom<u64>>(bounds: RangeInclusive<u64>) -> impl Fn(&str) -> Result<N, String> + Clone {
    move |text| {
        let number = text.parse::<u64>().ok().filter(|number| bounds.contains(number));
        let number = number.and_then(|number| N::try_from(number).ok());
        number.ok_or_else(|| format!("expected a whole number from {} to {}", bounds.start(), bounds.end()))
    }
}

/// `host`, `netns:blue`, or the name of another host.
pub fn space(text: &str) -> Result<Space, String> {
    read::space(text).map_err(said)
}

/// The known name that was most likely meant.
pub fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    read::nearest(name, known)
}

fn said(mistake: Mistake) -> String {
    let Mistake { message, expected, help, .. } = mistake;
    let help = help.map(|help| format!("; {help}")).unwrap_or_default();
    format!("it {message}, expected {expected}{help}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_read_as_the_file_is() {
        assert_eq!(name("shop"), Ok("shop".to_owned()));
        assert_eq!(duration("2h"), Ok(Duration::from_hours(2)));
        assert_eq!(ports("3000-3009"), Ok(PortSpan { first: 3000, last: 3009 }));
        assert_eq!(space("netns:blue"), Ok(Space::Namespace("blue".to_owned())));
        assert_eq!(number::<u32>(1..=1000)("3"), Ok(3));
        let mistakes = [
            (number::<u32>(1..=1000)("x").unwrap_err(), "expected a whole number from 1 to 1000"),
            (number::<u32>(1..=1000)("0").unwrap_err(), "expected a whole number from 1 to 1000"),
            (number::<u32>(1..=1000)("99999999999999999999").unwrap_err(), "expected a whole number from 1 to 1000"),
            (name("a b").unwrap_err(), "it is not a name, expected a name of letters, digits, `-`, `_` and `.`"),
            (
                duration("2").unwrap_err(),
                "it is not a duration, expected a number with us, ms, s, m or h, such as 500ms or 2s; write the unit: `2s` or `2ms`",
            ),
            (duration("0s").unwrap_err(), "expected more than nothing, such as 2h"),
            (
                ports("9-1").unwrap_err(),
                "it ends before it begins, expected port numbers such as 3000-3999; did you mean `1-9`?",
            ),
        ];
        for (said, expected) in mistakes {
            assert_eq!(said, expected);
        }
    }
}
