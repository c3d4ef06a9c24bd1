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
    lines: usize,
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
    /// Looks at what was added to `buffer` since the last call. The buffer begins with the head every time.
    pub fn scan(&mut self, buffer: &[u8]) -> Scan {
        let from = self.scanned.min(buffer.len());
        for at in memchr_iter(b'\n', &buffer[from..]).map(|at| at + from) {
            if at == 0 || buffer[at - 1] != b'\r' || at - 1 < self.line_start {
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

    /// Whether the start line is there whole; if not, a head that is too long is too long because of its target.
    pub fn has_start_line(&self) -> bool {
        self.lines > 0
    }
}
