//! The texts that were read, kept so that findings can show the line they speak of.

use std::path::{Path, PathBuf};

use crate::span::{FileId, Span};

/// Every file that was read, in the order of reading: the main file is the first.
#[derive(Debug, Default)]
pub struct Sources {
    files: Vec<SourceFile>,
}

/// One file. A byte order mark is not part of `text`.
#[derive(Debug)]
struct SourceFile {
    path: PathBuf,
    text: String,
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
        self.files.push(SourceFile { path, text, lines });
        FileId(self.files.len() as u32 - 1)
    }

    /// Path of a file as it was given; never made absolute, so that reports are the same on every machine.
    pub fn path(&self, file: FileId) -> &Path {
        self.files.get(file.0 as usize).map_or(Path::new(""), |file| &file.path)
    }

    /// Text of a file; empty if it could not be read.
    pub fn text(&self, file: FileId) -> &str {
        self.files.get(file.0 as usize).map_or("", |file| &file.text)
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

    /// The line (without its end) that holds an offset, and the offset of its first byte.
    pub(crate) fn line(&self, file: FileId, line: usize) -> (&str, usize) {
        let Some(file) = self.files.get(file.0 as usize) else { return ("", 0) };
        let start = file.lines.get(line.saturating_sub(1)).copied().unwrap_or(0) as usize;
        let end = file.lines.get(line).map_or(file.text.len(), |next| *next as usize);
        (file.text.get(start..end).unwrap_or("").trim_end_matches(['\r', '\n']), start)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_count_lines_and_characters_from_one() {
        let mut sources = Sources::default();
        let file = sources.add(PathBuf::from("a.yaml"), "a: 1\r\nüb: 2\n".to_owned());
        let at = |start| sources.position(Span { file, start, end: start });
        assert_eq!(at(0), Position { line: 1, column: 1 });
        assert_eq!(at(6), Position { line: 2, column: 1 });
        assert_eq!(at(9), Position { line: 2, column: 3 }, "ü is two bytes and one column");
        assert_eq!(at(13), Position { line: 3, column: 1 }, "the end of the file");
        assert_eq!(sources.line(file, 1), ("a: 1", 0));
        assert_eq!(sources.line(file, 2), ("üb: 2", 6));
    }
}
