//! Every rule there is.

use crate::{estate, format::FORMATS, own, reading, rule::Rule, suppression};

/// All rules by number: those of reading itself, of each format, and of the estate. A rule that several formats apply
/// is listed once.
pub fn all() -> Vec<&'static Rule> {
    let of_formats = FORMATS.iter().flat_map(|format| format.rules);
    let of_all = [reading::RULES, suppression::RULES, estate::RULES].into_iter().flatten();
    let mut rules: Vec<&'static Rule> = of_formats.chain(of_all).copied().collect();
    rules.sort_by_key(|rule| rule.id);
    rules.dedup();
    rules
}

/// The rule of an id or a name, in any case; also one of Portcullis' own file.
pub fn find(named: &str) -> Option<&'static Rule> {
    all()
        .into_iter()
        .chain(own::rules())
        .find(|rule| rule.id.eq_ignore_ascii_case(named) || rule.name.eq_ignore_ascii_case(named))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_and_names_are_well_formed_and_unique() {
        let rules = all();
        for (index, rule) in rules.iter().enumerate() {
            let number = rule.id.strip_prefix("PC").and_then(|number| number.parse::<u16>().ok());
            assert!(number.is_some_and(|number| (100..1000).contains(&number)), "{}", rule.id);
            assert!(rule.name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-'));
            assert!(!rule.title.ends_with('.') && rule.why.ends_with('.') && rule.remedy.ends_with('.'), "{}", rule.id);
            for other in &rules[index + 1..] {
                assert!(rule.id != other.id && rule.name != other.name, "{} and {}", rule.id, other.id);
            }
        }
    }
}
