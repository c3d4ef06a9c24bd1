//! One line of a HAProxy configuration, taken apart into words (configuration manual, "Quoting and escaping").
//!
//! Follows `parse_line()` of HAProxy: blanks separate words, `#` begins a comment anywhere outside of quotes, weak
//! quotes keep blanks and expand variables, strong quotes keep everything, a backslash escapes. Files are often
//! templates of another tool; an expression of Jinja or ERB stays one word, so that the rest of the line keeps its
//! meaning.

use std::collections::HashMap;

use crate::inputs::{FileId, Span};

/// One word, as HAProxy sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Word {
    /// Without quotes and escapes. A variable without a value stands as it was written.
    pub(crate) text: String,
    /// As written, with its quotes.
    pub(crate) span: Span,
    /// The first variable or template expression in it whose value is not in the files.
    pub(crate) open: Option<String>,
}

/// A line.
#[derive(Debug, Default)]
pub(crate) struct Line {
    /// Those before the mistake, if there is one.
    pub(crate) words: Vec<Word>,
    pub(crate) mistake: Option<Mistake>,
}

/// What HAProxy refuses a line for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Mistake {
    pub(crate) kind: MistakeKind,
    pub(crate) span: Span,
}

/// The kinds of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum MistakeKind {
    UnmatchedQuote,
    UnmatchedBrace,
    VariableName,
    Hexadecimal,
}

impl MistakeKind {
    /// In the words of a report.
    pub(crate) fn text(self) -> &'static str {
        match self {
            Self::UnmatchedQuote => "a quote is not closed on its line",
            Self::UnmatchedBrace => "the brace of a variable is not closed",
            Self::VariableName => "the name of a variable begins with a letter or `_`",
            Self::Hexadecimal => "`\\x` needs two hexadecimal digits",
        }
    }
}

/// What `setenv` and `presetenv` in the files say. The environment of this process means nothing.
#[derive(Debug, Default)]
pub(crate) struct Environment {
    values: HashMap<String, String>,
}

impl Environment {
    pub(crate) fn set(&mut self, name: &str, value: &str) {
        self.values.insert(name.to_owned(), value.to_owned());
    }

    pub(crate) fn unset(&mut self, name: &str) {
        self.values.remove(name);
    }

    pub(crate) fn value(&self, name: &str) -> Option<&str> {
        self.values.get(name).map(String::as_str)
    }
}

impl Word {
    /// The place of a part of the text, exact where the word is written without quotes, escapes and variables.
    pub(crate) fn part(&self, start: usize, end: usize) -> Span {
        if self.is_verbatim() {
            let at = |offset: usize| self.span.start + offset as u32;
            return Span { start: at(start), end: at(end), ..self.span };
        }
        self.span
    }

    /// Whether the text stands in the file byte for byte.
    pub(crate) fn is_verbatim(&self) -> bool {
        (self.span.end - self.span.start) as usize == self.text.len()
    }
}

/// Takes a line apart. `start` is the offset of its first byte in the file.
pub(crate) fn split(line: &str, file: FileId, start: usize, environment: &Environment) -> Line {
    let mut splitter = Splitter {
        line,
        bytes: line.as_bytes(),
        at: 0,
        file,
        start,
        environment,
        word: None,
        quote: None,
        barren: false,
    };
    let mut words = Vec::new();
    let mistake = splitter.run(&mut words).err();
    Line { words, mistake }
}

struct Splitter<'a> {
    line: &'a str,
    bytes: &'a [u8],
    at: usize,
    file: FileId,
    start: usize,
    environment: &'a Environment,
    /// The word that is being read and where it began.
    word: Option<(usize, Pending)>,
    /// The open quote and where it stands.
    quote: Option<(u8, usize)>,
    /// Whether an expression of a template language was found not to end; then no other is searched for.
    barren: bool,
}

#[derive(Default)]
struct Pending {
    text: String,
    open: Option<String>,
}

/// HAProxy itself allows 128.
const MAX_WORDS: usize = 10_000;

/// Where a template expression begins and ends.
const TEMPLATES: [(&str, &str); 3] = [("{{", "}}"), ("{%", "%}"), ("<%", "%>")];

impl Splitter<'_> {
    fn run(&mut self, words: &mut Vec<Word>) -> Result<(), Mistake> {
        while let Some(&byte) = self.bytes.get(self.at) {
            match (byte, self.quote.map(|(quote, _)| quote)) {
                (b'#', None) => break,
                (b' ' | b'\t' | b'\r' | b'\n' | 0x0b | 0x0c, None) => {
                    self.finish(words);
                    self.at += 1;
                }
                (b'"' | b'\'', None) => {
                    self.quote = Some((byte, self.at));
                    self.pending();
                    self.at += 1;
                }
                (b'"' | b'\'', Some(quote)) if quote == byte => {
                    self.quote = None;
                    self.at += 1;
                }
                (b'\\', None | Some(b'"')) => self.escape()?,
                (b'$', Some(b'"')) => self.variable(words)?,
                (b'{' | b'<', _) if self.template() => {}
                _ => self.literal(),
            }
        }
        if let Some((_, opened)) = self.quote {
            return Err(self.mistake(MistakeKind::UnmatchedQuote, opened, opened + 1));
        }
        self.finish(words);
        Ok(())
    }

    fn pending(&mut self) -> &mut Pending {
        &mut self.word.get_or_insert_with(|| (self.at, Pending::default())).1
    }

    fn finish(&mut self, words: &mut Vec<Word>) {
        if let Some((began, Pending { text, open })) = self.word.take()
            && words.len() < MAX_WORDS
        {
            words.push(Word { text, span: self.span(began, self.at), open });
        }
    }

    /// One character as it stands.
    fn literal(&mut self) {
        let Some(character) = self.line[self.at..].chars().next() else { return };
        self.pending().text.push(character);
        self.at += character.len_utf8();
    }

    fn escape(&mut self) -> Result<(), Mistake> {
        let quoted = self.quote.is_some();
        let next = self.bytes.get(self.at + 1).copied();
        let (meant, length) = match next {
            Some(next @ (b' ' | b'\\' | b'#' | b'\'' | b'"')) => (char::from(next), 2),
            Some(b't') => ('\t', 2),
            Some(b'n') => ('\n', 2),
            Some(b'r') => ('\r', 2),
            Some(b'$') if quoted => ('$', 2),
            Some(b'x') => {
                let digits = self.bytes.get(self.at + 2..self.at + 4).and_then(|digits| str::from_utf8(digits).ok());
                let code = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok());
                let code = code.ok_or_else(|| self.mistake(MistakeKind::Hexadecimal, self.at, self.at + 2))?;
                (char::from(code), 4)
            }
            _ => ('\\', 1),
        };
        self.pending().text.push(meant);
        self.at += length;
        Ok(())
    }

    /// `$NAME`, `${NAME}`, `${NAME-default}`, `${NAME[*]}`.
    fn variable(&mut self, words: &mut Vec<Word>) -> Result<(), Mistake> {
        let began = self.at;
        let braced = self.bytes.get(began + 1) == Some(&b'{');
        let name_at = began + 1 + usize::from(braced);
        let first = self.bytes.get(name_at).copied().unwrap_or(0);
        if !(first.is_ascii_alphabetic() || first == b'_' || first == b'.') {
            return Err(self.mistake(MistakeKind::VariableName, began, name_at));
        }
        let length = self.bytes[name_at + 1..].iter().take_while(|byte| is_name(**byte)).count() + 1;
        let name = &self.line[name_at..name_at + length];
        let mut end = name_at + length;
        let expands = braced && self.line[end..].starts_with("[*]");
        end += if expands { 3 } else { 0 };
        let mut default = None;
        if braced {
            let rest = &self.line[end..];
            let close = rest.find('}').filter(|close| *close == 0 || rest.starts_with('-'));
            let close = close.ok_or_else(|| self.mistake(MistakeKind::UnmatchedBrace, began, end))?;
            default = rest[..close].strip_prefix('-');
            end += close + 1;
        }
        let environment = self.environment;
        let value = environment.value(name).or(default);
        let written = self.line[began..end].to_owned();
        let pending = self.pending();
        match value {
            None => {
                pending.text.push_str(&written);
                pending.open.get_or_insert(written);
            }
            Some(value) if !expands => pending.text.push_str(value),
            Some(value) => {
                // Each blank begins a new word; all of them have the place of the variable.
                let mut parts = value.split_ascii_whitespace();
                pending.text.push_str(parts.next().unwrap_or_default());
                for part in parts {
                    self.at = end;
                    self.finish(words);
                    self.word = Some((began, Pending { text: part.to_owned(), open: None }));
                }
            }
        }
        self.at = end;
        Ok(())
    }

    /// Takes an expression of a template language as one piece of a word, if one begins here and ends on this line.
    fn template(&mut self) -> bool {
        let rest = &self.line[self.at..];
        let known = TEMPLATES.iter().find(|(begin, _)| !self.barren && rest.starts_with(begin));
        let Some((begin, end)) = known else { return false };
        let Some(length) = rest[begin.len()..].find(end) else {
            self.barren = true;
            return false;
        };
        let length = begin.len() + length + end.len();
        let expression = rest[..length].to_owned();
        let pending = self.pending();
        pending.text.push_str(&expression);
        pending.open.get_or_insert(expression);
        self.at += length;
        true
    }

    fn span(&self, from: usize, to: usize) -> Span {
        Span { file: self.file, start: (self.start + from) as u32, end: (self.start + to) as u32 }
    }

    fn mistake(&self, kind: MistakeKind, from: usize, to: usize) -> Mistake {
        Mistake { kind, span: self.span(from, to.min(self.bytes.len())) }
    }
}

fn is_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn texts(line: &str) -> Vec<String> {
        let mut environment = Environment::default();
        environment.set("A", "x y");
        let Line { words, mistake } = split(line, FileId(0), 0, &environment);
        assert_eq!(mistake, None, "{line}");
        words.into_iter().map(|word| word.text).collect()
    }

    #[test]
    fn words_are_what_haproxy_makes_of_them() {
        for (line, expected) in [
            ("  bind\t:80  # web", &["bind", ":80"][..]),
            ("bind :80#web", &["bind", ":80"]),
            (r"a\ b c\#d \x41\t", &["a b", "c#d", "A\t"]),
            (r#"log-format "a b" 'c "d"' """#, &["log-format", "a b", "c \"d\"", ""]),
            (r#"one"two"'three'"#, &["onetwothree"]),
            (r#"bind "${A}":80"#, &["bind", "x y:80"]),
            (r#"bind "${A[*]}""#, &["bind", "x", "y"]),
            (r#"bind "*:${PORT-8080}""#, &["bind", "*:8080"]),
            (r#"bind "*:${PORT}""#, &["bind", "*:${PORT}"]),
            ("bind ${A}:80", &["bind", "${A}:80"]),
            (r"acl x path_reg ^/\d+", &["acl", "x", "path_reg", r"^/\d+"]),
            (r#"say "\$A \"q\"""#, &["say", "$A \"q\""]),
            ("bind {{ ip }}:{{ port }} ssl", &["bind", "{{ ip }}:{{ port }}", "ssl"]),
            ("use_backend x if { path / }", &["use_backend", "x", "if", "{", "path", "/", "}"]),
            ("bind <%= @ip %>:80", &["bind", "<%= @ip %>:80"]),
            ("größe ü", &["größe", "ü"]),
        ] {
            assert_eq!(texts(line), expected, "{line}");
        }
    }

    #[test]
    fn mistakes_are_told_with_their_place() {
        for (line, kind, start) in [
            ("bind \"*:80", MistakeKind::UnmatchedQuote, 5),
            ("bind 'x", MistakeKind::UnmatchedQuote, 5),
            ("bind \"${A\"", MistakeKind::UnmatchedBrace, 6),
            ("bind \"${A x}\"", MistakeKind::UnmatchedBrace, 6),
            ("bind \"$1\"", MistakeKind::VariableName, 6),
            ("a \\x4", MistakeKind::Hexadecimal, 2),
        ] {
            let mistake = split(line, FileId(0), 0, &Environment::default()).mistake;
            assert_eq!(mistake.map(|mistake| (mistake.kind, mistake.span.start)), Some((kind, start)), "{line}");
        }
    }

    #[test]
    fn parts_of_plain_words_have_places_of_their_own() {
        let line = split("bind 10.0.0.1:80,:81", FileId(3), 100, &Environment::default());
        assert_eq!(line.words[1].part(12, 15), Span { file: FileId(3), start: 117, end: 120 });
        assert_eq!(line.words[1].span, Span { file: FileId(3), start: 105, end: 120 });
    }

    proptest! {
        #[test]
        fn any_line_is_taken_apart(line in "[ -~äß\t]{0,80}") {
            let parts = split(&line, FileId(0), 0, &Environment::default());
            let mut last = 0;
            for word in &parts.words {
                prop_assert!(last <= word.span.start && word.span.start <= word.span.end);
                prop_assert!(line.get(word.span.start as usize..word.span.end as usize).is_some());
                last = word.span.end;
            }
        }
    }
}
