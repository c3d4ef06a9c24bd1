//! Unit files as text: sections of assignments (systemd.syntax(7)).
//!
//! A backslash at the end of a line continues it, comment lines in between are passed over, and the same key may be
//! said again. What an assignment means, and that an empty one may take back earlier ones, is for the unit to say.

use crate::inputs::{FileId, Span};

/// More assignments than any unit has.
const MAX_ENTRIES: usize = 100_000;

/// A file.
#[derive(Debug, Default)]
pub(crate) struct UnitFile {
    pub(crate) entries: Vec<Entry>,
    /// Lines that are neither a section nor an assignment, as systemd warns of.
    pub(crate) mistakes: Vec<Span>,
    /// Whether there are lines of a template tool, or of old versions of systemd, that are neither.
    pub(crate) templated: bool,
    /// The first line that is not read any more.
    pub(crate) cut: Option<Span>,
}

/// `Key=value` in a section.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    /// Without brackets; empty before the first one.
    pub(crate) section: String,
    pub(crate) key: String,
    pub(crate) key_span: Span,
    /// Lines joined by blanks, without blanks at the ends.
    pub(crate) value: String,
    /// Of the first line of it; empty where the value is.
    pub(crate) value_span: Span,
    /// Where each joined line begins in the value, and in the file.
    pieces: Vec<(usize, u32)>,
}

impl Entry {
    /// The place of a part of the value.
    pub(crate) fn part(&self, start: usize, end: usize) -> Span {
        let piece = self.pieces.iter().rfind(|(offset, _)| *offset <= start).copied();
        let Some((offset, at)) = piece else { return self.value_span };
        let place = at + (start - offset) as u32;
        Span { start: place, end: place + (end - start) as u32, ..self.value_span }
    }

    /// The end of the assignment in the file.
    pub(crate) fn end(&self) -> u32 {
        match self.pieces.last() {
            Some((offset, at)) => at + (self.value.len() - offset) as u32,
            None => self.value_span.end,
        }
    }

    pub(crate) fn is(&self, section: &str, key: &str) -> bool {
        self.section == section && self.key == key
    }
}

/// Reads a file.
pub(crate) fn parse(text: &str, file: FileId) -> UnitFile {
    let mut unit = UnitFile::default();
    let mut section = String::new();
    let mut open: Option<Entry> = None;
    let mut start = 0;
    for line in text.split_inclusive('\n') {
        let at = start;
        start += line.len();
        let line = line.trim_end_matches(['\n', '\r']);
        let body = line.trim_start();
        let body_at = at + line.len() - body.len();
        let body = body.trim_end();
        if body.starts_with(['#', ';']) || body.is_empty() && open.is_none() {
            continue;
        }
        let span = Span { file, start: body_at as u32, end: (body_at + body.len()) as u32 };
        if unit.entries.len() >= MAX_ENTRIES {
            unit.cut = Some(span);
            break;
        }
        let (text, continues) = match body.strip_suffix('\\') {
            Some(text) => (text.trim_end(), true),
            None => (body, false),
        };
        if let Some(entry) = &mut open {
            entry.join(text, body_at);
        } else if let Some(name) = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')) {
            name.clone_into(&mut section);
            continue;
        } else if let Some(entry) = assignment(&section, text, body_at, file) {
            open = Some(entry);
        } else {
            let is_template =
                ["{%", "{{", "{#", "<%", "@", "m4_", "%", ".include"].iter().any(|begin| text.starts_with(begin));
            unit.templated |= is_template;
            if !is_template {
                unit.mistakes.push(span);
            }
            continue;
        }
        if !continues {
            unit.entries.extend(open.take());
        }
    }
    unit.entries.extend(open);
    unit
}

fn assignment(section: &str, text: &str, at: usize, file: FileId) -> Option<Entry> {
    let (key, value) = text.split_once('=')?;
    let (name, rest) = (key.trim_end(), value.trim_start());
    let value_at = at + text.len() - rest.len();
    let span = |from: usize, length: usize| Span { file, start: from as u32, end: (from + length) as u32 };
    Some(Entry {
        section: section.to_owned(),
        key: name.to_owned(),
        key_span: span(at, name.len()),
        value: rest.to_owned(),
        value_span: span(value_at, rest.len()),
        pieces: vec![(0, value_at as u32)],
    })
}

impl Entry {
    fn join(&mut self, text: &str, at: usize) {
        if text.is_empty() {
            return;
        }
        if !self.value.is_empty() {
            self.value.push(' ');
        }
        self.pieces.push((self.value.len(), at as u32));
        self.value.push_str(text);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn assignments_have_sections_and_places() {
        let text = "# x\n[Unit]\nDescription = a b \n\n[Socket]\nListenStream=80\nListenStream=\n; y\nodd\n\
                    ExecStart=/bin/x \\\n# in between\n  --port 80 \\\n  --y\n";
        let unit = parse(text, FileId(0));
        let shown: Vec<_> =
            unit.entries.iter().map(|entry| format!("{}.{}={}", entry.section, entry.key, entry.value)).collect();
        assert_eq!(
            shown,
            [
                "Unit.Description=a b",
                "Socket.ListenStream=80",
                "Socket.ListenStream=",
                "Socket.ExecStart=/bin/x --port 80 --y",
            ]
        );
        let place = |span: Span| &text[span.start as usize..span.end as usize];
        assert_eq!(unit.mistakes.iter().map(|span| place(*span)).collect::<Vec<_>>(), ["odd"]);
        assert_eq!(place(unit.entries[0].key_span), "Description");
        assert_eq!(place(unit.entries[0].value_span), "a b");
        let command = &unit.entries[3];
        let at = command.value.find("80").unwrap();
        assert_eq!(place(command.part(at, at + 2)), "80");
        assert_eq!(&text[..command.end() as usize].lines().last().unwrap().trim(), &"--y");
    }

    #[test]
    fn a_crowd_is_bounded() {
        let unit = parse(&"a=b\n".repeat(200_000), FileId(0));
        assert_eq!(unit.entries.len(), MAX_ENTRIES);
        assert!(unit.cut.is_some());
    }

    proptest! {
        #[test]
        fn any_text_is_read(text in "(\\[Socket\\]|ListenStream=|[ -~ä]|\\\\|\n|#){0,60}") {
            for entry in parse(&text, FileId(0)).entries {
                prop_assert!(text.get(entry.key_span.start as usize..entry.key_span.end as usize).is_some());
                prop_assert!(text.get(..entry.end() as usize).is_some());
                for (at, _) in entry.value.char_indices() {
                    prop_assert!((entry.part(at, at).start as usize) <= text.len());
                }
            }
        }
    }
}
