//! The texts that were read, kept so that findings can show the line they speak of.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use crate::span::{FileId, Span};

/// Every file that was read, in the order of reading: the main file is the first.
#[derive(Debug, Default)]
pub struct Sources {
    files: Vec<SourceFile>,
    /// Values that came from elsewhere, each with the reference that stands for it. Longest first.
    concealed: Vec<(String, String)>,
    /// Places of secrets in clear text.
    concealed_places: Vec<Span>,
}

/// One file. A byte order mark is not part of `text`.
#[derive(Debug)]
struct SourceFile {
    path: PathBuf,
    text: Arc<str>,
    /// Byte offset of the start of each line, ascending, the first is 0.
    lines: Vec<u32>,
}

/// Where a person finds a byte: both count from 1, the column in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
}

impl Sources {
    /// Keeps a text under the path by which it was asked for.
    pub fn add(&mut self, path: PathBuf, text: String) -> FileId {
        let lines = std::iter::once(0)
            .chain(text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n').map(|(offset, _)| offset as u32 + 1))
            .collect();
        self.files.push(SourceFile { path, text: text.into(), lines });
        FileId(self.files.len() as u32 - 1)
    }

    /// Path of a file as it was given; never made absolute, so that reports are the same on every machine.
    pub fn path(&self, file: FileId) -> &Path {
        self.files.get(file.0 as usize).map_or(Path::new(""), |file| &file.path)
    }

    /// Where a person finds the first byte of a span: `portcullis.yaml:5:12`.
    pub fn place(&self, span: Span) -> String {
        let Position { line, column } = self.position(span);
        format!("{}:{line}:{column}", self.path(span.file).display())
    }

    /// Text of a file; empty if it could not be read.
    pub fn text(&self, file: FileId) -> &str {
        self.files.get(file.0 as usize).map_or("", |file| &file.text)
    }

    /// Text of a file, to be read while others are added.
    pub(crate) fn shared_text(&self, file: FileId) -> Arc<str> {
        self.files.get(file.0 as usize).map_or_else(|| Arc::from(""), |file| Arc::clone(&file.text))
    }

    /// What no report may show: values from elsewhere, each with what is shown instead, and places.
    pub(crate) fn conceal(&mut self, values: Vec<(String, String)>, places: Vec<Span>) {
        self.concealed.extend(values.into_iter().filter(|(value, _)| !value.is_empty()));
        self.concealed.sort_by_key(|(value, _)| std::cmp::Reverse(value.len()));
        self.concealed.dedup();
        self.concealed_places.extend(places);
    }

    /// A text for people without the values that came from `${env:}` and `${file:}`: the reference stands instead.
    /// Case does not matter, since names are compared in lower case.
    pub fn redact(&self, text: &str) -> String {
        // Shorter values would take every word apart and are no secrets.
        const SHORTEST: usize = 3;
        let mut text = text.to_owned();
        for (value, reference) in &self.concealed {
            if value.len() >= SHORTEST && !reference.contains(value.as_str()) {
                text = replace_any_case(&text, value, reference);
            } else {
                text = text.replace(&format!("`{value}`"), &format!("`{reference}`"));
            }
        }
        text
    }

    /// Paths of all files, the main one first.
    pub fn paths(&self) -> impl Iterator<Item = &Path> {
        self.files.iter().map(|file| file.path.as_path())
    }

    /// Line and column of the first byte of a span.
    pub fn position(&self, span: Span) -> Position {
        let Some(file) = self.files.get(span.file.0 as usize) else { return Position { line: 1, column: 1 } };
        let line = file.lines.partition_point(|start| *start <= span.start).max(1);
        let start = file.lines.get(line - 1).copied().unwrap_or(0) as usize;
        let before = file.text.get(start..span.start as usize).unwrap_or("");
        Position { line, column: before.chars().count() + 1 }
    }

    /// The whole text as it may be shown: secrets in clear text are masked with as many bytes.
    pub fn masked(&self, file: FileId) -> String {
        self.excerpt(file, 1, usize::MAX).0
    }

    /// Lines `first` to `last` (from 1, inclusive) and the offset of their first byte. Secrets in clear text are
    /// masked with as many bytes, so that offsets stay true.
    pub(crate) fn excerpt(&self, file: FileId, first: usize, last: usize) -> (String, usize) {
        let Some(source) = self.files.get(file.0 as usize) else { return (String::new(), 0) };
        let start = source.lines.get(first.saturating_sub(1)).map_or(source.text.len(), |start| *start as usize);
        let end = source.lines.get(last).map_or(source.text.len(), |next| *next as usize);
        let mut excerpt = source.text.get(start..end).unwrap_or("").to_owned();
        for place in self.concealed_places.iter().filter(|place| place.file == file) {
            let from = (place.start as usize).max(start);
            let to = (place.end as usize).min(start + excerpt.len());
            if from < to {
                mask(&mut excerpt, from - start, to - start);
            }
        }
        mask_tokens(&mut excerpt);
        (excerpt, start)
    }
}

/// What stands behind `token:` is masked even where the text could not be read as YAML.
fn mask_tokens(text: &mut String) {
    const KEY: &str = "token:";
    let mut from = 0;
    while let Some(at) = text.get(from..).and_then(|rest| rest.find(KEY)) {
        let start = from + at + KEY.len();
        let line = text[start..].find(['\n', '\r']).map_or(text.len(), |end| start + end);
        if !text[start..line].trim_start_matches([' ', '"', '\'']).starts_with("${") {
            let start = start + (text[start..line].len() - text[start..line].trim_start().len());
            let end = text[start..line].find([' ', ',', '}']).map_or(line, |end| start + end);
            mask(text, start, end);
        }
        from = line;
    }
}

fn mask(text: &mut String, start: usize, end: usize) {
    let stars: String = text[start..end]
        .chars()
        .flat_map(|c| std::iter::repeat_n(if c == '\n' { '\n' } else { '*' }, c.len_utf8()))
        .collect();
    text.replace_range(start..end, &stars);
}

/// A shorter value is looked for as a word of its own: within one of ours (`short` in `shorter`) it would take the
/// sentence apart, and tell by that what it is.
const WITHIN_WORDS: usize = 8;

/// Replaces each occurrence of `value`, in any ASCII case.
fn replace_any_case(text: &str, value: &str, replacement: &str) -> String {
    let (lower, wanted) = (text.to_ascii_lowercase(), value.to_ascii_lowercase());
    let mut replaced = String::with_capacity(text.len());
    let mut end = 0;
    let is_letter = |one: Option<char>| one.is_some_and(char::is_alphabetic);
    let is_within_word =
        |at: usize| is_letter(text[..at].chars().next_back()) || is_letter(text[at + value.len()..].chars().next());
    for (at, _) in lower.match_indices(&wanted) {
        if value.len() < WITHIN_WORDS && is_within_word(at) {
            continue;
        }
        replaced.push_str(&text[end..at]);
        replaced.push_str(replacement);
        end = at + value.len();
    }
    replaced.push_str(&text[end..]);
    replaced
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_from_elsewhere_are_shown_as_their_references() {
        let mut sources = Sources::default();
        let pair = |value: &str, reference: &str| (value.to_owned(), reference.to_owned());
        let values =
            vec![pair("10.0.0.7", "${env:HOST}"), pair("10.0.0.7:80", "${env:HOST}:80"), pair("a", "${env:A}")];
        sources.conceal(values, Vec::new());
        assert_eq!(sources.redact("endpoint `10.0.0.7:80` is bad"), "endpoint `${env:HOST}:80` is bad");
        assert_eq!(sources.redact("a name `a` and `ab`"), "a name `${env:A}` and `ab`");
        assert_eq!(sources.redact("`10.0.0.7:81`"), "`${env:HOST}:81`");
        sources.conceal(vec![pair("short", "${env:TOKEN}")], Vec::new());
        assert_eq!(sources.redact("`short` is shorter than 16"), "`${env:TOKEN}` is shorter than 16");
    }

    #[test]
    fn positions_count_lines_and_characters_from_one() {
        let mut sources = Sources::default();
        let file = sources.add(PathBuf::from("a.yaml"), "a: 1\r\nüb: 2\n".to_owned());
        let at = |start| sources.position(Span { file, start, end: start });
        assert_eq!(at(0), Position { line: 1, column: 1 });
        assert_eq!(at(6), Position { line: 2, column: 1 });
        assert_eq!(at(9), Position { line: 2, column: 3 }, "ü is two bytes and one column");
        assert_eq!(at(13), Position { line: 3, column: 1 }, "the end of the file");
        assert_eq!(sources.excerpt(file, 1, 1), ("a: 1\r\n".to_owned(), 0));
        assert_eq!(sources.excerpt(file, 2, 2), ("üb: 2\n".to_owned(), 6));
    }

    #[test]
    fn excerpts_hide_tokens() {
        let mut sources = Sources::default();
        let text = "admin: { token: hunter2-hunter2, tokn: x }\nb: |\n  secret\n";
        let file = sources.add(PathBuf::from("a.yaml"), text.to_owned());
        assert_eq!(sources.excerpt(file, 1, 1).0, "admin: { token: ***************, tokn: x }\n");
        sources.conceal(Vec::new(), vec![Span { file, start: 50, end: 56 }]);
        assert_eq!(sources.excerpt(file, 3, 3).0, "  ******\n");
        let text = "token: ${env:TOKEN}\n";
        let file = sources.add(PathBuf::from("b.yaml"), text.to_owned());
        assert_eq!(sources.excerpt(file, 1, 1).0, text);
    }
}
