//! Where the parser is, in bytes of the text as it is written.

use super::indentation::{Indented, PADDING};
use crate::inputs::{FileId, Span};

/// The parser counts characters of the text that it is given, we count bytes of the one that is written.
pub(super) struct Places<'w> {
    written: &'w str,
    file: FileId,
    /// Of the parsed text.
    length: u32,
    /// Byte offset of every character of the parsed text, unless all are ASCII and it is the same number.
    offsets: Option<Vec<u32>>,
    /// Offsets in the parsed text where indentation was added, ascending.
    added: Vec<u32>,
}

impl<'w> Places<'w> {
    /// For a text that is parsed as it is written.
    pub(super) fn new(text: &'w str, file: FileId) -> Self {
        Self { written: text, file, length: text.len() as u32, offsets: offsets(text), added: Vec::new() }
    }

    /// For a text that is parsed with more indentation.
    pub(super) fn indented(indented: &Indented<'w>, file: FileId) -> Self {
        let text = indented.text();
        let (length, offsets) = (text.len() as u32, offsets(text));
        Self { written: indented.written(), file, length, offsets, added: indented.added() }
    }

    /// Byte offset of a character in the text as it is written.
    pub(super) fn offset(&self, character: usize) -> u32 {
        self.written_offset(self.parsed_offset(character))
    }

    /// Byte offset of a character in the parsed text.
    pub(super) fn parsed_offset(&self, character: usize) -> u32 {
        let offset = match &self.offsets {
            None => character as u32,
            Some(offsets) => offsets.get(character).copied().unwrap_or(self.length),
        };
        offset.min(self.length)
    }

    /// The offset in the text as it is written of an offset in the parsed text.
    pub(super) fn written_offset(&self, parsed: u32) -> u32 {
        let before = self.added.partition_point(|added| *added < parsed) as u32;
        let Some(last) = self.added.get((before as usize).wrapping_sub(1)) else { return parsed };
        // Within what was added is where it was added.
        let beyond = (parsed - last).min(PADDING);
        parsed - (before - 1) * PADDING - beyond
    }

    /// The parser counts the spaces after a bracket as part of it; this is their number.
    pub(super) fn trailing_spaces(&self, start: u32, end: u32) -> u32 {
        let text = self.written.get(start as usize..end as usize).unwrap_or("");
        (text.len() - text.trim_end().len()) as u32
    }

    /// The parser counts a comment behind a closing quote as part of the text; this is the place up to the quote.
    pub(super) fn quoted(&self, span: Span) -> Span {
        let text = self.written.get(span.start as usize..span.end as usize).unwrap_or("").as_bytes();
        let Some(&quote) = text.first().filter(|first| matches!(first, b'"' | b'\'')) else { return span };
        let mut at = 1;
        while at < text.len() {
            match text[at] {
                b'\\' if quote == b'"' => at += 1,
                // Two single quotes stand for one.
                byte if byte == quote && quote == b'\'' && text.get(at + 1) == Some(&quote) => at += 1,
                byte if byte == quote => return self.between(span.start, span.start + at as u32 + 1),
                _ => {}
            }
            at += 1;
        }
        span
    }

    pub(super) fn span(&self, span: saphyr_parser::Span) -> Span {
        self.between(self.offset(span.start.index()), self.offset(span.end.index()))
    }

    pub(super) fn between(&self, start: u32, end: u32) -> Span {
        Span { file: self.file, start, end: end.max(start) }
    }
}

fn offsets(text: &str) -> Option<Vec<u32>> {
    (!text.is_ascii()).then(|| text.char_indices().map(|(offset, _)| offset as u32).collect())
}
