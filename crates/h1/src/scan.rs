//! Where a head ends.

use memchr::memchr_iter;

/// Finds the empty line that ends a head, each byte looked at once however the head arrives: a peer that sends one
/// byte at a time costs no more than one that sends it whole.
#[derive(Debug, Default, Clone)]
pub struct HeadScanner {
    /// Bytes looked at, `<=` the buffer's length.
    scanned: usize,
    /// Where the current line begins, `<= scanned`.
    line_start: usize,
    /// Lines that are not empty.
    lines: usize,
    /// Empty lines before them, 0 or 1.
    leading_empty: usize,
}

/// What a scan found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scan {
    /// The empty line is not there yet.
    Incomplete,
    /// The head is `[start, end)` of the buffer, its empty line included.
    Complete {
        /// After the empty line that RFC 9112 2.2 tells servers to ignore.
        start: usize,
        /// One past the last byte of the head.
        end: usize,
    },
    /// A line ends in LF without CR.
    BareLineFeed,
    /// More than one empty line comes first.
    LeadingLines,
}

impl HeadScanner {
    /// Looks at what was added to `buffer` since the last call. The buffer begins with the head every time. Once it
    /// has found anything but [`Scan::Incomplete`], a scanner is used up.
    pub fn scan(&mut self, buffer: &[u8]) -> Scan {
        let from = self.scanned.min(buffer.len());
        for at in memchr_iter(b'\n', &buffer[from..]).map(|at| at + from) {
            // A CR is never the last byte of a line before, so it belongs to this one.
            if at == 0 || buffer[at - 1] != b'\r' {
                return Scan::BareLineFeed;
            }
            let is_empty = at - 1 == self.line_start;
            self.line_start = at + 1;
            if !is_empty {
                self.lines += 1;
            } else if self.lines > 0 {
                return Scan::Complete { start: self.leading_empty * 2, end: at + 1 };
            } else if self.leading_empty == 1 {
                return Scan::LeadingLines;
            } else {
                self.leading_empty = 1;
            }
        }
        self.scanned = buffer.len();
        Scan::Incomplete
    }

    /// Scans no further than a head of `head_bytes` can reach, so that what is found does not depend on how much was
    /// read at once; `None` if the head is longer.
    pub(crate) fn scan_within(&mut self, buffer: &[u8], head_bytes: usize) -> Option<Scan> {
        let reach = head_bytes.saturating_add(b"\r\n".len());
        match self.scan(&buffer[..buffer.len().min(reach)]) {
            Scan::Incomplete if buffer.len() >= reach => None,
            found => Some(found),
        }
    }

    /// Whether the start line is there whole; if not, a head that is too long is too long because of its target.
    pub fn has_start_line(&self) -> bool {
        self.lines > 0
    }
}
