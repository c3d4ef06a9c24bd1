//! Lines that stand further left than YAML 1.2 allows, and that libyaml and its kin read without a word:
//!
//! ```yaml
//! command: [
//!   "serve",
//! ]            # must be indented, by the letter
//! ```
//!
//! Our parser refuses them. Where that is all that is wrong, the line is indented and the text is read once more.

/// Spaces that are put before a line; more than anybody indents by hand.
pub(super) const PADDING: u32 = 100;
/// Bytes that are read again at most, over all attempts: a file with a few such lines, or a small one with many.
const MAX_WORK: usize = 32 * 1024 * 1024;

/// A text with more indentation on some of its lines.
pub(super) struct Indented<'o> {
    written: &'o str,
    /// Offsets of the lines, ascending, in the text as it is written.
    lines: Vec<u32>,
    text: String,
    work: usize,
}

impl<'o> Indented<'o> {
    pub(super) fn new(written: &'o str) -> Self {
        Self { written, lines: Vec::new(), text: String::new(), work: 0 }
    }

    /// Indents one more line; false if it is indented already, or if there were too many.
    pub(super) fn indent(&mut self, line: u32) -> bool {
        let Err(place) = self.lines.binary_search(&line) else { return false };
        self.lines.insert(place, line);
        let padding = " ".repeat(PADDING as usize);
        self.text.clear();
        let mut from = 0;
        for line in &self.lines {
            let to = (*line as usize).min(self.written.len());
            self.text.push_str(self.written.get(from..to).unwrap_or(""));
            self.text.push_str(&padding);
            from = to;
        }
        self.text.push_str(self.written.get(from..).unwrap_or(""));
        self.work += self.text.len();
        self.work <= MAX_WORK
    }

    pub(super) fn written(&self) -> &'o str {
        self.written
    }

    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// Offsets in [`Self::text`] where indentation was added.
    pub(super) fn added(&self) -> Vec<u32> {
        self.lines.iter().enumerate().map(|(before, line)| line + before as u32 * PADDING).collect()
    }
}

/// The start of a line that only wants indentation, if that is what the parser complains of; in the parsed text.
pub(super) fn wanting(complaint: &str, text: &str, at: u32) -> Option<u32> {
    let at = at as usize;
    match complaint {
        "invalid indentation" | "invalid indentation in flow construct" => {
            Some(text.get(..at)?.rfind('\n').map_or(0, |end| end + 1) as u32)
        }
        // The place is that of the opening quote; the line is the first one behind it that has no indentation yet.
        "invalid indentation in quoted scalar" => {
            let inside = text.get(at..)?;
            let mut line = at + inside.find('\n')? + 1;
            while text.get(line..)?.starts_with(&" ".repeat(PADDING as usize)) {
                line += text.get(line..)?.find('\n')? + 1;
            }
            Some(line as u32)
        }
        _ => None,
    }
}
