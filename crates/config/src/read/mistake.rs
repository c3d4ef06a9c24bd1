//! What is wrong with a text, without saying where it stands.

use crate::{declared::Word, rule::RuleId};

/// Why a text is not the value that it should be. The caller knows the place and shows the text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mistake {
    /// Completes the sentence that begins with the text: "is not a duration".
    pub(crate) message: String,
    /// Completes "expected": "a number with ms, s, m or h, such as 500ms"; may be empty.
    pub(crate) expected: String,
    /// What to write instead.
    pub(crate) help: Option<String>,
    /// The rule that it breaks.
    pub(crate) rule: RuleId,
}

impl Mistake {
    pub(crate) fn new(message: impl Into<String>, expected: impl Into<String>) -> Self {
        Self { message: message.into(), expected: expected.into(), help: None, rule: RuleId::InvalidValue }
    }

    pub(crate) fn rule(mut self, rule: RuleId) -> Self {
        self.rule = rule;
        self
    }

    pub(crate) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

/// One word out of a closed set.
pub(crate) fn word<W: Word>(text: &str) -> Result<W, Mistake> {
    if let Some((_, value)) = W::WORDS.iter().find(|(word, _)| *word == text) {
        return Ok(*value);
    }
    let words = W::WORDS.iter().map(|(word, _)| *word);
    let mut mistake = Mistake::new(format!("is not {}", W::WHAT), alternatives(words.clone()));
    mistake.help = nearest(text, words).map(did_you_mean);
    Err(mistake)
}

/// "a, b or c"
pub(crate) fn alternatives<'a>(words: impl Iterator<Item = &'a str>) -> String {
    let words: Vec<&str> = words.collect();
    match words.as_slice() {
        [] => String::new(),
        [only] => (*only).to_owned(),
        [first @ .., last] => format!("{} or {last}", first.join(", ")),
    }
}

/// Longest name that is compared with others, bytes: what is longer was not misspelt.
const LONGEST_COMPARED: usize = 300;

/// The known name that was most likely meant: one that differs in case or in few letters.
pub(crate) fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let wanted = name.to_ascii_lowercase().replace('_', "-");
    let allowed = match wanted.chars().count() {
        0..=2 => 1,
        3..=5 => 2,
        _ => 3,
    };
    // A distance is at least the difference in length; only what is left is worth computing.
    let is_as_long =
        |candidate: &&str| candidate.len().abs_diff(wanted.len()) <= allowed && wanted.len() <= LONGEST_COMPARED;
    known
        .filter(is_as_long)
        .map(|candidate| (strsim::osa_distance(&wanted, &candidate.to_ascii_lowercase()), candidate))
        .filter(|(distance, candidate)| *distance <= allowed && *distance < candidate.chars().count())
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

pub(crate) fn did_you_mean(name: &str) -> String {
    format!("did you mean `{name}`?")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::declared::Role;

    #[test]
    fn the_nearest_name_is_near() {
        let known = ["shop", "ledger", "connections-per-source"];
        for (name, expected) in [
            ("shpo", Some("shop")),
            ("Shop", Some("shop")),
            ("ledgr", Some("ledger")),
            ("connections_per_source", Some("connections-per-source")),
            ("x", None),
            ("database", None),
        ] {
            assert_eq!(nearest(name, known.into_iter()), expected, "{name}");
        }
    }

    #[test]
    fn an_unknown_word_lists_the_known_ones() {
        let Err(mistake) = word::<Role>("pubic") else { panic!("not a role") };
        assert_eq!(mistake.message, "is not a role");
        assert_eq!(mistake.expected, "public, internal, admin or metrics");
        assert_eq!(mistake.help.as_deref(), Some("did you mean `public`?"));
    }
}
