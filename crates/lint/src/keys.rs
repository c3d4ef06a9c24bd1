//! Words that a format does not know, which its program ignores or takes for something else.

use crate::rule::{Default, Rule, Severity};

/// A word close to one that protects something.
pub static UNKNOWN_KEY: Rule = Rule {
    id: "PC120",
    name: "unknown-key",
    severity: Severity::Critical,
    title: "a misspelt or unknown word where ports or their protection are decided",
    why: "A rule that is misspelt does not protect anything: it is ignored, or the program falls back to what it does \
          without it. Reviewers read the word that was meant.",
    remedy: "Write the word that the program knows; its validator (`haproxy -c`, `nginx -t`, `systemd-analyze verify`) \
             names those that it does not.",
    default: Default::On,
};

/// The known word that was probably meant; `None` if the word is known, or like no other.
pub(crate) fn meant<'a>(word: &str, known: &[&'a str]) -> Option<&'a str> {
    if word.len() < 4 || known.contains(&word) {
        return None;
    }
    let allowed = if word.len() < 8 { 1 } else { 2 };
    let near = known.iter().map(|known| (strsim::osa_distance(word, known), *known));
    near.filter(|(distance, _)| *distance <= allowed).min().map(|(_, known)| known)
}

#[cfg(test)]
mod tests {
    use super::meant;

    #[test]
    fn only_words_that_are_nearly_right_are_mistakes() {
        let known = ["bind", "server", "default_backend", "allow", "deny"];
        for (word, expected) in [
            ("bind", None),
            ("bnid", Some("bind")),
            ("sever", Some("server")),
            ("defualt_backend", Some("default_backend")),
            ("alow", Some("allow")),
            ("dny", None),
            ("something", None),
        ] {
            assert_eq!(meant(word, &known), expected, "{word}");
        }
    }
}
