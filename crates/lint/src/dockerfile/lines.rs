//! From the text of a Dockerfile to its instructions: directives, comments, continued lines, heredocs.
//!
//! As BuildKit reads them (`frontend/dockerfile/parser`), because what it sees is what gets built: comments and empty
//! lines inside a continued instruction vanish, and the escape character is whatever the file's first line says.

use crate::inputs::{FileId, Span};

/// One instruction with its continuation lines joined.
#[derive(Debug, Clone)]
pub(super) struct Instruction {
    /// In lower case: `expose`.
    pub(super) keyword: String,
    /// Where the keyword stands.
    pub(super) keyword_span: Span,
    /// What follows it, without the space around.
    pub(super) rest: Joined,
}

/// Text that was put together from several lines and still knows where each byte comes from.
#[derive(Debug, Clone)]
pub(super) struct Joined {
    file: FileId,
    text: String,
    /// (offset in `text`, offset in the file), ascending, the first for offset 0: from there on they run in step.
    pieces: Vec<(usize, usize)>,
}

/// The instructions of a text, and the escape character that it declares.
pub(super) fn instructions(file: FileId, text: &str) -> (Vec<Instruction>, char) {
    let escape = declared_escape(text);
    let mut instructions = Vec::new();
    let mut lines = Lines { text, at: 0, heredocs_end: true };
    while let Some((start, line)) = lines.next() {
        if is_comment_or_blank(line) {
            continue;
        }
        let joined = joined(file, start, line, &mut lines, escape);
        let Some(instruction) = Instruction::of(&joined) else { continue };
        for heredoc in instruction.heredocs() {
            lines.skip_heredoc(&heredoc);
        }
        instructions.push(instruction);
    }
    (instructions, escape)
}

fn joined(file: FileId, start: usize, first: &str, lines: &mut Lines<'_>, escape: char) -> Joined {
    let mut joined = Joined { file, text: String::new(), pieces: Vec::new() };
    let (mut start, mut line) = (start, first);
    loop {
        let Some(continued) = without_continuation(line, escape) else {
            joined.push(start, line);
            return joined;
        };
        joined.push(start, continued);
        loop {
            let Some((next_start, next)) = lines.next() else { return joined };
            if !is_comment_or_blank(next) {
                (start, line) = (next_start, next);
                break;
            }
        }
    }
}

/// A line without the escape character at its end, if it has one that is not itself escaped.
fn without_continuation(line: &str, escape: char) -> Option<&str> {
    let kept = line.trim_end_matches([' ', '\t']).strip_suffix(escape)?;
    (!kept.ends_with(escape)).then_some(kept)
}

fn is_comment_or_blank(line: &str) -> bool {
    let line = line.trim_start();
    line.is_empty() || line.starts_with('#')
}

/// `# escape=` counts in the block of directives at the very top only.
fn declared_escape(text: &str) -> char {
    for line in text.lines() {
        let Some((key, value)) = line.trim_start().strip_prefix('#').and_then(|comment| comment.split_once('=')) else {
            break;
        };
        match (key.trim().to_ascii_lowercase().as_str(), value.trim()) {
            ("escape", "`") => return '`',
            ("syntax" | "check", _) => {}
            _ => break,
        }
    }
    '\\'
}

/// The lines of a text with their offsets, without line ends.
struct Lines<'a> {
    text: &'a str,
    at: usize,
    /// Whether each heredoc so far had an end.
    heredocs_end: bool,
}

impl<'a> Lines<'a> {
    fn next(&mut self) -> Option<(usize, &'a str)> {
        let rest = self.text.get(self.at..).filter(|rest| !rest.is_empty())?;
        let line = rest.split_inclusive('\n').next()?;
        let start = self.at;
        self.at += line.len();
        let line = line.strip_suffix('\n').unwrap_or(line);
        Some((start, line.strip_suffix('\r').unwrap_or(line)))
    }

    /// Skips the body of a heredoc. One that never ends is none: the shell of an old builder meant something else, and
    /// so it does for those that follow.
    fn skip_heredoc(&mut self, heredoc: &Heredoc) {
        let before = self.at;
        while self.heredocs_end
            && let Some((_, line)) = self.next()
        {
            let line = if heredoc.strips_tabs { line.trim_start_matches('\t') } else { line };
            if line == heredoc.name {
                return;
            }
        }
        self.at = before;
        self.heredocs_end = false;
    }
}

struct Heredoc {
    name: String,
    strips_tabs: bool,
}

impl Instruction {
    fn of(joined: &Joined) -> Option<Self> {
        let start = joined.text.len() - joined.text.trim_start().len();
        let length = joined.text[start..].find(char::is_whitespace).unwrap_or(joined.text.len() - start);
        if length == 0 {
            return None;
        }
        Some(Self {
            keyword: joined.text[start..start + length].to_ascii_lowercase(),
            keyword_span: joined.span(start, start + length),
            rest: joined.part(start + length),
        })
    }

    /// What an `ONBUILD` puts off.
    pub(super) fn put_off(&self) -> Option<Self> {
        if self.keyword == "onbuild" { Self::of(&self.rest) } else { None }
    }

    fn heredocs(&self) -> Vec<Heredoc> {
        match self.keyword.as_str() {
            "run" | "copy" | "add" => self.rest.text.split_whitespace().filter_map(heredoc).collect(),
            "onbuild" => self.put_off().map(|inner| inner.heredocs()).unwrap_or_default(),
            _ => Vec::new(),
        }
    }
}

/// `<<EOF`, `<<-EOF`, `<<"EOF"`, `3<<EOF`.
fn heredoc(word: &str) -> Option<Heredoc> {
    let word = word.trim_start_matches(|character: char| character.is_ascii_digit()).strip_prefix("<<")?;
    let (strips_tabs, name) = word.strip_prefix('-').map_or((false, word), |name| (true, name));
    let name = name.trim_matches(['"', '\'']);
    (!name.is_empty() && !name.contains('<')).then(|| Heredoc { name: name.to_owned(), strips_tabs })
}

impl Joined {
    fn push(&mut self, source: usize, text: &str) {
        self.pieces.push((self.text.len(), source));
        self.text.push_str(text);
    }

    /// What is left from an offset on, trimmed.
    fn part(&self, from: usize) -> Self {
        let tail = &self.text[from..];
        let from = from + (tail.len() - tail.trim_start().len());
        let text = self.text[from..].trim_end().to_owned();
        let first = (0, self.source(from));
        let later = self.pieces.iter().filter(|(at, _)| *at > from).map(|(at, source)| (at - from, *source));
        Self { file: self.file, text, pieces: std::iter::once(first).chain(later).collect() }
    }

    /// The text.
    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// Where bytes of the text stand in the file; from the first to the last, should lines lie between them.
    pub(super) fn span(&self, start: usize, end: usize) -> Span {
        // The end is taken from its last byte: the byte behind it may be the first of a later line.
        let end = if end > start { self.source(end - 1) + 1 } else { self.source(start) };
        Span { file: self.file, start: self.source(start) as u32, end: end as u32 }
    }

    fn source(&self, offset: usize) -> usize {
        let piece = self.pieces.partition_point(|(at, _)| *at <= offset);
        piece.checked_sub(1).and_then(|index| self.pieces.get(index)).map_or(0, |(at, source)| source + (offset - at))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Vec<(String, String, String)> {
        let (instructions, _) = instructions(FileId(0), text);
        let shown = |instruction: &Instruction| {
            let words: Vec<String> = instruction
                .rest
                .text()
                .split_whitespace()
                .map(|word| {
                    let at = word.as_ptr() as usize - instruction.rest.text().as_ptr() as usize;
                    let span = instruction.rest.span(at, at + word.len());
                    text[span.start as usize..span.end as usize].to_owned()
                })
                .collect();
            (instruction.keyword.clone(), instruction.rest.text().to_owned(), words.join(" "))
        };
        instructions.iter().map(shown).collect()
    }

    #[test]
    fn lines_are_joined_and_every_word_keeps_its_place() {
        for (text, expected) in [
            ("EXPOSE 80", vec![("expose", "80")]),
            ("  expose\t80 443 \r\n", vec![("expose", "80 443")]),
            ("EXPOSE 80 \\\n  443\n", vec![("expose", "80   443")]),
            ("EXPOSE 80 \\  \n# why\n\n  443\nUSER x", vec![("expose", "80   443"), ("user", "x")]),
            ("# escape=`\nEXPOSE 80 `\n 443\nRUN c:\\", vec![("expose", "80  443"), ("run", "c:\\")]),
            ("#syntax=x\n# Escape = ` \nRUN a `\nb", vec![("run", "a b")]),
            ("\n# escape=`\nEXPOSE 80 \\\n 443", vec![("expose", "80  443")]),
            ("RUN a \\\\\nUSER x", vec![("run", "a \\\\"), ("user", "x")]),
            ("EXPOSE \\\n80", vec![("expose", "80")]),
            ("EXPOSE 80 \\", vec![("expose", "80")]),
            ("\\\nEXPOSE 80", vec![("expose", "80")]),
            ("RUN <<EOF\nEXPOSE 22\nEOF\nEXPOSE 80", vec![("run", "<<EOF"), ("expose", "80")]),
            ("RUN cat <<-\"A\" <<B\n1\n\tA\nEXPOSE 22\nB\nUSER x", vec![("run", "cat <<-\"A\" <<B"), ("user", "x")]),
            ("ONBUILD RUN <<E\nEXPOSE 22\nE\n", vec![("onbuild", "RUN <<E")]),
            ("RUN a <<E\nEXPOSE 80", vec![("run", "a <<E"), ("expose", "80")]),
            ("EXPOSE", vec![("expose", "")]),
            ("# only a comment", vec![]),
            ("", vec![]),
        ] {
            let told = read(text);
            let pairs: Vec<(&str, &str)> = told.iter().map(|(keyword, rest, _)| (&**keyword, &**rest)).collect();
            assert_eq!(pairs, expected, "{text:?}");
            for (_, rest, found) in &told {
                assert_eq!(rest.split_whitespace().collect::<Vec<_>>().join(" "), *found, "{text:?}");
            }
        }
    }

    #[test]
    fn what_onbuild_puts_off_is_an_instruction() {
        let (instructions, _) = instructions(FileId(0), "ONBUILD  expose 22");
        let inner = instructions[0].put_off().unwrap();
        assert_eq!((inner.keyword.as_str(), inner.rest.text(), inner.rest.span(0, 2).start), ("expose", "22", 16));
        assert!(inner.put_off().is_none());
    }
}
