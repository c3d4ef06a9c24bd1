//! `${VARIABLE}` in values, as Compose substitutes it
//! (<https://github.com/compose-spec/compose-spec/blob/main/12-interpolation.md>).
//!
//! A variable that is set nowhere in the files is not replaced by nothing, as Compose does with a warning: whoever runs
//! the project may set it. It leaves its name between two [`HOLE`]s, and what holds a hole is not known.

use std::collections::HashMap;

/// Stands before and behind the name of a variable whose value is not known. YAML allows it nowhere but in an escape.
pub(super) const HOLE: char = '\0';

/// Levels of `${A:-${B:-…}}`. People use two.
const MAX_DEPTH: usize = 20;
/// A value that grows beyond this is made to exhaust its reader.
const MAX_LENGTH: usize = 1024 * 1024;

/// Variables and what they are set to.
pub(super) type Environment = HashMap<String, String>;

/// Why Compose would refuse a text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Malformed {
    /// `${` without a name, or without its `}`.
    #[error("`${{` begins a variable that is not well-formed; a dollar sign of its own is written `$$`")]
    Variable,
    /// More levels than anybody writes.
    #[error("defaults are nested more than {MAX_DEPTH} levels deep, or grow without end")]
    Bounds,
}

/// Replaces all variables of a text.
pub(super) fn interpolate(text: &str, environment: &Environment) -> Result<String, Malformed> {
    let mut result = String::with_capacity(text.len());
    substitute(text, environment, MAX_DEPTH, &mut result)?;
    Ok(result)
}

/// The names of the variables that are not set, in the order of their holes.
pub(super) fn unset(text: &str) -> impl Iterator<Item = &str> {
    text.split(HOLE).skip(1).step_by(2)
}

/// The text with `${NAME}` for each hole, for people.
pub(super) fn shown(text: &str) -> String {
    let mut shown = String::new();
    for (index, part) in text.split(HOLE).enumerate() {
        if index % 2 == 0 {
            shown.push_str(part);
        } else {
            shown.extend(["${", part, "}"]);
        }
    }
    shown
}

fn substitute(text: &str, environment: &Environment, depth: usize, result: &mut String) -> Result<(), Malformed> {
    let mut rest = text;
    while let Some(dollar) = rest.find('$') {
        if depth == 0 || result.len() > MAX_LENGTH {
            return Err(Malformed::Bounds);
        }
        result.push_str(&rest[..dollar]);
        rest = &rest[dollar + 1..];
        if let Some(after) = rest.strip_prefix('$') {
            result.push('$');
            rest = after;
        } else if let Some(inside) = rest.strip_prefix('{') {
            let end = closing_brace(inside).ok_or(Malformed::Variable)?;
            braced(&inside[..end], environment, depth, result)?;
            rest = &inside[end + 1..];
        } else {
            let name = leading_name(rest);
            if name.is_empty() {
                result.push('$');
            } else {
                push_value(result, name, environment.get(name));
            }
            rest = &rest[name.len()..];
        }
    }
    result.push_str(rest);
    Ok(())
}

/// What stands between `${` and `}`.
fn braced(inside: &str, environment: &Environment, depth: usize, result: &mut String) -> Result<(), Malformed> {
    let name = leading_name(inside);
    if name.is_empty() {
        return Err(Malformed::Variable);
    }
    let rest = &inside[name.len()..];
    let (empty_counts_as_unset, operator) = match rest.strip_prefix(':') {
        Some(operator) => (true, operator),
        None => (false, rest),
    };
    let value = environment.get(name);
    let set = value.filter(|value| !(empty_counts_as_unset && value.is_empty()));
    let mut characters = operator.chars();
    let (operator, word) = (characters.next(), characters.as_str());
    match (operator, set) {
        (None, _) if !empty_counts_as_unset => push_value(result, name, value),
        (Some('-' | '?'), Some(value)) => result.push_str(value),
        (Some('-'), None) | (Some('+'), Some(_)) => substitute(word, environment, depth - 1, result)?,
        (Some('+'), None) => {}
        // Compose stops without it, so that whoever runs the project has set it.
        (Some('?'), None) => push_value(result, name, None),
        _ => return Err(Malformed::Variable),
    }
    Ok(())
}

fn push_value(result: &mut String, name: &str, value: Option<&String>) {
    if let Some(value) = value {
        result.push_str(value);
    } else {
        result.push(HOLE);
        result.push_str(name);
        result.push(HOLE);
    }
}

/// `[_a-zA-Z][_a-zA-Z0-9]*` at the start; empty if there is none.
fn leading_name(text: &str) -> &str {
    let is_part = |byte: u8| byte == b'_' || byte.is_ascii_alphanumeric();
    let length = text.bytes().take_while(|byte| is_part(*byte)).count();
    if text.starts_with(|first: char| first.is_ascii_digit()) { "" } else { &text[..length] }
}

/// The `}` that belongs to a `{` before the text. Every brace counts, also those that no dollar sign precedes; where
/// they do not balance, the last one closes.
fn closing_brace(text: &str) -> Option<usize> {
    let mut open = 1;
    for (index, byte) in text.bytes().enumerate() {
        match byte {
            b'{' => open += 1,
            b'}' => open -= 1,
            _ => {}
        }
        if open == 0 {
            return Some(index);
        }
    }
    text.rfind('}')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn environment() -> Environment {
        [("SET", "value"), ("EMPTY", ""), ("PORT", "8080"), ("DOLLAR", "$SET")]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into()
    }

    #[test]
    fn variables_are_replaced_as_compose_does() {
        for (text, expected) in [
            ("plain", "plain"),
            ("$SET", "value"),
            ("${SET}", "value"),
            ("a${SET}b$SET-c", "avaluebvalue-c"),
            ("$$SET", "$SET"),
            ("$$$SET", "$value"),
            ("$${SET}", "${SET}"),
            ("${SET:-other}", "value"),
            ("${EMPTY:-other}", "other"),
            ("${EMPTY-other}", ""),
            ("${UNSET-other}", "other"),
            ("${UNSET:-}", ""),
            ("${UNSET:-${SET}}", "value"),
            ("${UNSET:-${ALSO:-deep}}x", "deepx"),
            ("${UNSET:-a:b-c?d}", "a:b-c?d"),
            ("${UNSET:-{}}", "{}"),
            ("${SET:+alt}", "alt"),
            ("${EMPTY:+alt}", ""),
            ("${EMPTY+alt}", "alt"),
            ("${UNSET:+alt}", ""),
            ("${SET:?must be set}", "value"),
            ("${EMPTY?must be set}", ""),
            ("${PORT}:80", "8080:80"),
            ("127.0.0.1:${PORT:-80}:80", "127.0.0.1:8080:80"),
            ("$DOLLAR", "$SET"),
            ("$1 costs 5$", "$1 costs 5$"),
            ("$UNSET", "${UNSET}"),
            ("${UNSET}:80", "${UNSET}:80"),
            ("${UNSET:?say it}", "${UNSET}"),
            ("${EMPTY:?say it}", "${EMPTY}"),
            ("${UNSET:-${ALSO}}", "${ALSO}"),
        ] {
            let read = interpolate(text, &environment()).map(|read| shown(&read));
            assert_eq!(read.as_deref(), Ok(expected), "{text}");
        }
    }

    #[test]
    fn what_is_not_set_is_named() {
        let read = interpolate("${A}:${B:-1}:$C", &environment()).unwrap();
        assert_eq!(unset(&read).collect::<Vec<_>>(), ["A", "C"]);
    }

    #[test]
    fn what_compose_refuses_is_refused() {
        for text in ["${", "${}", "${ SET}", "${SET", "${1}", "${SET!x}", "${SET:}", "${SET%x}"] {
            assert_eq!(interpolate(text, &environment()), Err(Malformed::Variable), "{text}");
        }
        let deep = format!("{}x{}", "${A:-".repeat(1000), "}".repeat(1000));
        assert_eq!(interpolate(&deep, &environment()), Err(Malformed::Bounds));
    }

    proptest! {
        #[test]
        fn arbitrary_text_never_panics(text in "\\PC*|[$({}:?+\\-A-C]{0,40}") {
            if let Ok(read) = interpolate(&text, &environment()) {
                prop_assert_eq!(read.matches(HOLE).count(), 2 * unset(&read).count());
            }
        }

        #[test]
        fn text_without_a_dollar_sign_stays_as_it_is(text in "[^$\0]*") {
            prop_assert_eq!(interpolate(&text, &environment()), Ok(text));
        }
    }
}
