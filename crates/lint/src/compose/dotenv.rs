//! `.env` files, as Compose reads them: `NAME=value`, quotes, escapes, comments, and references to earlier names.

use super::interpolate::{Environment, HOLE, Malformed, interpolate};

/// A line that Compose would refuse; it then refuses the whole project.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Mistake {
    /// Byte offset of the statement.
    pub(super) at: usize,
    /// What is wrong with it.
    pub(super) why: &'static str,
}

/// Adds what a file sets to what is set before. Names that are set already (by the project around an included one)
/// keep their value. A name whose value refers to something that is not set anywhere stays unset.
pub(super) fn read(text: &str, set_before: &Environment) -> Result<Environment, Mistake> {
    let mut set = set_before.clone();
    let mut rest = text;
    loop {
        rest = rest.trim_start();
        if rest.starts_with('#') {
            rest = rest.find('\n').map_or("", |end| &rest[end..]);
            continue;
        }
        if rest.is_empty() {
            return Ok(set);
        }
        let at = text.len() - rest.len();
        rest = statement(rest, set_before, &mut set).map_err(|why| Mistake { at, why })?;
    }
}

/// Reads one statement and gives what follows it.
fn statement<'t>(text: &'t str, set_before: &Environment, set: &mut Environment) -> Result<&'t str, &'static str> {
    let text = match text.strip_prefix("export") {
        Some(rest) if rest.starts_with([' ', '\t']) => rest.trim_start_matches([' ', '\t']),
        _ => text,
    };
    let is_part = |c: char| c.is_alphanumeric() || matches!(c, '_' | '.' | '-' | '[' | ']' | ' ' | '\t' | '\r');
    let end = text.find(|c| !is_part(c)).unwrap_or(text.len());
    let name = text[..end].trim();
    if name.contains([' ', '\t']) {
        return Err("a name cannot hold a space");
    }
    let Some(rest) = text[end..].strip_prefix(['=', ':']) else {
        // A name alone is taken from the environment of whoever runs Compose.
        return if text[end..].is_empty() || text[end..].starts_with('\n') {
            Ok(&text[end..])
        } else {
            Err("a name holds letters, digits, `_`, `.` and `-`, and `=` follows it")
        };
    };
    let rest = rest.trim_start_matches([' ', '\t', '\r']);
    let quote = rest.chars().next().filter(|first| matches!(first, '"' | '\''));
    let (value, rest) = match quote {
        Some(quote) => quoted(&rest[1..], quote)?,
        None => unquoted(rest),
    };
    let value = if quote == Some('\'') { Ok(Some(value)) } else { expanded(&value, set) };
    match value {
        Ok(_) if set_before.contains_key(name) => {}
        Ok(Some(value)) => {
            set.insert(name.to_owned(), value);
        }
        Ok(None) => {
            set.remove(name);
        }
        Err(_) => return Err("the value holds a `${` that is not well-formed"),
    }
    Ok(rest)
}

/// `None` if the value depends on what is not set.
fn expanded(value: &str, set: &Environment) -> Result<Option<String>, Malformed> {
    let read = interpolate(value, set)?;
    Ok((!read.contains(HOLE)).then_some(read))
}

/// Up to the end of the line or a comment.
fn unquoted(text: &str) -> (String, &str) {
    let end = text.find('\n').unwrap_or(text.len());
    let value = text[..end].split(" #").next().unwrap_or("");
    (value.trim_end().to_owned(), &text[end..])
}

/// Up to the closing quote, which may stand on a later line.
fn quoted(text: &str, quote: char) -> Result<(String, &str), &'static str> {
    let mut value = String::new();
    let mut characters = text.char_indices();
    while let Some((index, character)) = characters.next() {
        if character == quote {
            return Ok((value, &text[index + 1..]));
        }
        if character != '\\' {
            value.push(character);
            continue;
        }
        match characters.next() {
            Some((_, escaped)) if escaped == quote => value.push(escaped),
            Some((_, escaped)) if quote == '"' => push_escape(escaped, &mut value),
            Some((_, other)) => value.extend(['\\', other]),
            None => break,
        }
    }
    Err("the closing quote is missing")
}

/// The escapes of a double-quoted value. `\$` becomes `$$`, which substitution turns into a plain dollar sign.
fn push_escape(escaped: char, value: &mut String) {
    match escaped {
        'a' => value.push('\u{7}'),
        'b' => value.push('\u{8}'),
        'f' => value.push('\u{c}'),
        'n' => value.push('\n'),
        'r' => value.push('\r'),
        't' => value.push('\t'),
        'v' => value.push('\u{b}'),
        '\\' => value.push('\\'),
        '$' => value.push_str("$$"),
        other => value.extend(['\\', other]),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn value(text: &str, name: &str) -> Option<String> {
        read(text, &Environment::new()).unwrap().remove(name)
    }

    #[test]
    fn values_are_read_as_compose_does() {
        for (text, expected) in [
            ("A=1", Some("1")),
            ("A = 1 ", Some("1")),
            ("A: 1", Some("1")),
            ("export A=1", Some("1")),
            ("# A=2\n\nA=1 # not 2", Some("1")),
            ("A=1#2", Some("1#2")),
            ("A=", Some("")),
            ("A=\"1 # 2\" # 3", Some("1 # 2")),
            ("A='${B}\\n'", Some("${B}\\n")),
            ("A='it\\'s'", Some("it's")),
            ("A=\"a\\nb\\$c\"", Some("a\nb$c")),
            ("A=\"one\ntwo\"", Some("one\ntwo")),
            ("B=x\nA=${B}y", Some("xy")),
            ("A=${B:-z}", Some("z")),
            ("A=$B", None),
            ("A", None),
            ("A=1\nA=2", Some("2")),
            ("A=1\r\nB=2\r\n", Some("1")),
        ] {
            assert_eq!(value(text, "A").as_deref(), expected, "{text:?}");
        }
    }

    #[test]
    fn what_is_set_around_a_project_goes_before_its_file() {
        let outer: Environment = [("A".to_owned(), "outer".to_owned())].into();
        let set = read("A=inner\nB=$A", &outer).unwrap();
        assert_eq!((set["A"].as_str(), set["B"].as_str()), ("outer", "outer"));
    }

    #[test]
    fn mistakes_have_a_place() {
        for (text, at) in [("A=1\n!x=2", 4), ("A='open", 0), ("A=1\nB C=2", 4), ("A=${", 0)] {
            assert_eq!(read(text, &Environment::new()).unwrap_err().at, at, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn arbitrary_text_never_panics(text in "\\PC*|[A-B=:'\"\\\\$#{} \n\r]{0,40}") {
            let _ = read(&text, &Environment::new());
        }
    }
}
