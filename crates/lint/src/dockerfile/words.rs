//! From what follows an instruction to its words: quotes, escapes, variables.
//!
//! As BuildKit's shell lexer does it. A variable whose value is not in the file makes its word unknown, never empty:
//! the base image may set it, or the one who builds.

use super::lines::Joined;
use crate::inputs::Span;

/// A value grows no longer than this, however often variables name each other.
const MAX_VALUE_BYTES: usize = 16 * 1024;
/// `${a:-${b:-…}}` is followed this deep.
const MAX_DEPTH: usize = 16;

/// A word of an instruction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Word {
    /// Its value, or what it depends on.
    pub(super) value: Value,
    /// Where it is written, before variables are replaced.
    pub(super) span: Span,
}

/// A text, as far as the file says it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Value {
    /// This.
    Known(String),
    /// It depends on the variable of this name.
    Unknown(String),
}

/// What a name stands for where it is used.
pub(super) trait Variables {
    /// `None` if nobody has said anything about it.
    fn value(&self, name: &str) -> Option<&Value>;
}

/// A raw word: its bytes in the joined text.
type Token = std::ops::Range<usize>;

/// Splits at spaces outside of quotes, `${…}` and escapes.
pub(super) fn tokens(text: &str, escape: char) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut start = None;
    let mut quote = None;
    let mut braces = 0_usize;
    let mut characters = text.char_indices().peekable();
    while let Some((at, character)) = characters.next() {
        if character.is_whitespace() && quote.is_none() && braces == 0 {
            tokens.extend(start.take().map(|start| start..at));
            continue;
        }
        start.get_or_insert(at);
        match (character, quote) {
            ('\'' | '"', None) => quote = Some(character),
            (_, Some(open)) if character == open => quote = None,
            ('$', None | Some('"')) if characters.next_if(|(_, next)| *next == '{').is_some() => braces += 1,
            ('}', _) => braces = braces.saturating_sub(1),
            (_, None | Some('"')) if character == escape => {
                characters.next();
            }
            _ => {}
        }
    }
    tokens.extend(start.map(|start| start..text.len()));
    tokens
}

/// The words of an instruction with their variables replaced; an unquoted value with spaces becomes several words.
pub(super) fn words(rest: &Joined, escape: char, variables: &impl Variables) -> Vec<Word> {
    let mut words = Vec::new();
    for token in tokens(rest.text(), escape) {
        let span = rest.span(token.start, token.end);
        let mut expansion = Expansion::new(escape, variables);
        expansion.word(&rest.text()[token], 0);
        match expansion.finish() {
            Ok(values) => words.extend(values.into_iter().map(|value| Word { value: Value::Known(value), span })),
            Err(name) => words.push(Word { value: Value::Unknown(name), span }),
        }
    }
    words
}

/// One text with its variables replaced and its quotes removed; never split.
pub(super) fn expand(text: &str, escape: char, variables: &impl Variables) -> Value {
    let mut expansion = Expansion::new(escape, variables);
    expansion.splits = false;
    expansion.word(text, 0);
    match expansion.finish() {
        Ok(values) => Value::Known(values.concat()),
        Err(name) => Value::Unknown(name),
    }
}

struct Expansion<'a, V> {
    escape: char,
    variables: &'a V,
    splits: bool,
    /// What is finished.
    words: Vec<String>,
    /// What is being put together; `None` between words.
    current: Option<String>,
    size: usize,
    unknown: Option<String>,
}

impl<'a, V: Variables> Expansion<'a, V> {
    fn new(escape: char, variables: &'a V) -> Self {
        Self { escape, variables, splits: true, words: Vec::new(), current: None, size: 0, unknown: None }
    }

    fn finish(mut self) -> Result<Vec<String>, String> {
        self.words.extend(self.current);
        self.unknown.map_or(Ok(self.words), Err)
    }

    fn word(&mut self, text: &str, depth: usize) {
        let mut quote = None;
        let mut rest = text;
        while let Some(character) = rest.chars().next() {
            let behind = &rest[character.len_utf8()..];
            rest = behind;
            match (character, quote) {
                ('\'' | '"', None) => {
                    quote = Some(character);
                    self.current.get_or_insert_default();
                }
                (_, Some(open)) if character == open => quote = None,
                ('$', None | Some('"')) => rest = self.variable(behind, quote.is_some(), depth),
                (_, None | Some('"')) if character == self.escape => rest = self.escaped(behind, quote.is_some()),
                _ => self.push(character),
            }
        }
    }

    /// Within quotes only what would mean something there can be escaped.
    fn escaped<'t>(&mut self, behind: &'t str, is_quoted: bool) -> &'t str {
        let Some(next) = behind.chars().next() else { return behind };
        if is_quoted && next != '"' && next != '$' && next != self.escape {
            self.push(self.escape);
        }
        self.push(next);
        &behind[next.len_utf8()..]
    }

    /// What follows a dollar sign. Returns what follows the variable.
    fn variable<'t>(&mut self, behind: &'t str, is_quoted: bool, depth: usize) -> &'t str {
        if let Some(inner) = behind.strip_prefix('{') {
            let (inner, rest) = until_brace(inner);
            self.in_braces(inner, is_quoted, depth);
            return rest;
        }
        let (name, rest) = behind.split_at(name_length(behind));
        if name.is_empty() {
            self.push('$');
        } else {
            self.put(name, is_quoted);
        }
        rest
    }

    /// `NAME`, `NAME:-word`, `NAME-word`, `NAME:+word`, `NAME+word`, `NAME:?word`; the forms that cut values up are not
    /// followed.
    fn in_braces(&mut self, inner: &str, is_quoted: bool, depth: usize) {
        let (name, form) = inner.split_at(name_length(inner));
        let (also_if_empty, form) = form.strip_prefix(':').map_or((false, form), |form| (true, form));
        let is_set = match self.variables.value(name) {
            Some(Value::Known(value)) => Some(!value.is_empty() || !also_if_empty),
            Some(Value::Unknown(_)) => None,
            // Nobody in this file has said anything: only here is there a default to fall back on.
            None => Some(false),
        };
        let mut characters = form.chars();
        match (characters.next(), is_set) {
            _ if name.is_empty() || depth >= MAX_DEPTH => self.give_up(inner),
            (None | Some('?'), _) | (Some('-'), Some(true)) => self.put(name, is_quoted),
            (Some('-'), Some(false)) | (Some('+'), Some(true)) => self.word(characters.as_str(), depth + 1),
            (Some('+'), Some(false)) => {}
            _ => self.give_up(name),
        }
    }

    fn put(&mut self, name: &str, is_quoted: bool) {
        match self.variables.value(name) {
            Some(Value::Known(value)) => {
                for character in value.chars() {
                    if character.is_whitespace() && !is_quoted && self.splits {
                        self.words.extend(self.current.take());
                    } else {
                        self.push(character);
                    }
                }
            }
            Some(Value::Unknown(name)) => self.give_up(name),
            None => self.give_up(name),
        }
    }

    fn push(&mut self, character: char) {
        self.size += character.len_utf8();
        if self.size > MAX_VALUE_BYTES {
            self.give_up("a value that grows too long");
            return;
        }
        self.current.get_or_insert_default().push(character);
    }

    fn give_up(&mut self, name: &str) {
        if self.unknown.is_none() {
            self.unknown = Some(name.to_owned());
        }
    }
}

/// Splits behind the closing brace of what began with `${`.
fn until_brace(text: &str) -> (&str, &str) {
    let mut open = 0_usize;
    for (at, character) in text.char_indices() {
        match character {
            '{' => open += 1,
            '}' if open == 0 => return (&text[..at], &text[at + 1..]),
            '}' => open -= 1,
            _ => {}
        }
    }
    (text, "")
}

fn name_length(text: &str) -> usize {
    let is_letter = |character: char| character.is_ascii_alphabetic() || character == '_';
    if !text.starts_with(is_letter) {
        return text.chars().next().filter(char::is_ascii_digit).map_or(0, |_| 1);
    }
    text.find(|character: char| !is_letter(character) && !character.is_ascii_digit()).unwrap_or(text.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{dockerfile::lines::instructions, inputs::FileId};

    struct Fixed;

    impl Variables for Fixed {
        fn value(&self, name: &str) -> Option<&Value> {
            static VALUES: std::sync::LazyLock<[(&str, Value); 4]> = std::sync::LazyLock::new(|| {
                [
                    ("PORT", Value::Known("80".to_owned())),
                    ("PORTS", Value::Known("80 443".to_owned())),
                    ("EMPTY", Value::Known(String::new())),
                    ("ARG", Value::Unknown("ARG".to_owned())),
                ]
            });
            VALUES.iter().find(|(known, _)| *known == name).map(|(_, value)| value)
        }
    }

    #[test]
    fn variables_are_replaced_as_docker_does() {
        for (text, expected) in [
            ("80 443/tcp", &["80", "443/tcp"][..]),
            ("$PORT ${PORT}/udp", &["80", "80/udp"]),
            ("$PORTS", &["80", "443"]),
            ("\"$PORTS\"", &["80 443"]),
            ("a$PORTS", &["a80", "443"]),
            ("'$PORT'", &["$PORT"]),
            ("\\$PORT", &["$PORT"]),
            ("\"\\$PORT\\n\"", &["$PORT\\n"]),
            ("${NONE:-8080}", &["8080"]),
            ("${NONE-8080}", &["8080"]),
            ("${EMPTY:-8080}", &["8080"]),
            ("${EMPTY-8080}", &[]),
            ("${EMPTY}", &[]),
            ("\"\"", &[""]),
            ("${PORT:-8080}", &["80"]),
            ("${PORT:+8080}", &["8080"]),
            ("${EMPTY:+8080}", &[]),
            ("${NONE:-${PORT}}-${NONE:-9 0}", &["80-9", "0"]),
            ("${PORT:?why}", &["80"]),
            ("$NONE", &["?NONE"]),
            ("1$ARG 2", &["?ARG", "2"]),
            ("${ARG:-3}", &["?ARG"]),
            ("${PORT%0}", &["?PORT"]),
            ("${", &["?"]),
            ("$", &["$"]),
            ("$9", &["?9"]),
            ("", &[]),
        ] {
            let (instructions, escape) = instructions(FileId(0), &format!("EXPOSE {text}"));
            let found: Vec<String> = words(&instructions[0].rest, escape, &Fixed)
                .into_iter()
                .map(|word| match word.value {
                    Value::Known(value) => value,
                    Value::Unknown(name) => format!("?{name}"),
                })
                .collect();
            // A default that holds spaces is one word to Docker and two to us; no port is written so.
            let expected: Vec<String> = expected.join(" ").split(' ').map(str::to_owned).collect();
            assert_eq!(found.join(" "), expected.join(" "), "{text}");
        }
    }
}
