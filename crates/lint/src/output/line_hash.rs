//! The hash by which GitHub's code scanning knows a line again while others move: `primaryLocationLineHash`.
//!
//! It is a rolling hash over the hundred characters that begin with the line, blanks left out, and the number of lines
//! with that hash so far. Whoever uploads without GitHub's own action must bring it, and the action compares what is
//! brought with its own: so it is the same to the bit (UTF-16 code units, a last unit of 0xFFFF for the end of the file).

use std::{collections::HashMap, iter};

/// Characters that the hash of a line covers.
const BLOCK: usize = 100;
const FACTOR: u64 = 37;
const END_OF_FILE: u16 = 0xFFFF;
const CARRIAGE_RETURN: u16 = b'\r' as u16;
const LINE_FEED: u16 = b'\n' as u16;

/// The hashes of all lines of a text, in their order.
pub(super) fn line_hashes(text: &str) -> Vec<String> {
    let mut rolling = Rolling::default();
    let mut after_return = false;
    for unit in text.encode_utf16().chain([END_OF_FILE]) {
        let is_second_half = after_return && unit == LINE_FEED;
        after_return = unit == CARRIAGE_RETURN;
        if !is_second_half && unit != u16::from(b' ') && unit != u16::from(b'\t') {
            rolling.take(if after_return { LINE_FEED } else { unit });
        }
    }
    rolling.finish()
}

struct Rolling {
    /// The last units, as a ring.
    window: [u16; BLOCK],
    /// Whether a line begins with the unit of the same index.
    begins: [bool; BLOCK],
    /// Of the oldest unit, which the next one replaces.
    at: usize,
    hash: u64,
    /// `FACTOR` to the power of `BLOCK`: the weight of the unit that falls out.
    weight: u64,
    at_line_start: bool,
    seen: HashMap<u64, usize>,
    hashes: Vec<String>,
}

impl Default for Rolling {
    fn default() -> Self {
        let weight = iter::repeat_n(FACTOR, BLOCK).fold(1, u64::wrapping_mul);
        Self {
            window: [0; BLOCK],
            begins: [false; BLOCK],
            at: 0,
            hash: 0,
            weight,
            at_line_start: true,
            seen: HashMap::new(),
            hashes: Vec::new(),
        }
    }
}

impl Rolling {
    fn take(&mut self, unit: u16) {
        self.tell();
        self.begins[self.at] = self.at_line_start;
        self.at_line_start = unit == LINE_FEED;
        self.push(unit);
    }

    /// A line that began a whole block ago is known now.
    fn tell(&mut self) {
        if std::mem::take(&mut self.begins[self.at]) {
            let times = self.seen.entry(self.hash).and_modify(|times| *times += 1).or_insert(1);
            self.hashes.push(format!("{:x}:{times}", self.hash));
        }
    }

    fn push(&mut self, unit: u16) {
        let gone = self.weight.wrapping_mul(u64::from(self.window[self.at]));
        self.hash = self.hash.wrapping_mul(FACTOR).wrapping_add(u64::from(unit)).wrapping_sub(gone);
        self.window[self.at] = unit;
        self.at = (self.at + 1) % BLOCK;
    }

    fn finish(mut self) -> Vec<String> {
        for _ in 0..BLOCK {
            self.tell();
            self.push(0);
        }
        self.hashes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_hashed_as_github_hashes_them() {
        for (text, expected) in [
            ("", &["c129715d7a2bc9a3:1"][..]),
            (
                " a\nb\n  \t\tc\n d",
                &["271789c17abda88f:1", "54703d4cd895b18:1", "180aee12dab6264:1", "a23a3dc5e078b07b:1"],
            ),
            (
                "alpha\nbeta\nalpha\n",
                &["8d07ce75f7b3af45:1", "ca140c3f893ffa65:1", "26f09ff008857193:1", "c129715d7a2bc9a3:1"],
            ),
            (
                " a l p h a \r\n\tbeta\r\nalpha\r\n",
                &["8d07ce75f7b3af45:1", "ca140c3f893ffa65:1", "26f09ff008857193:1", "c129715d7a2bc9a3:1"],
            ),
        ] {
            assert_eq!(line_hashes(text), expected, "{text:?}");
        }
    }

    #[test]
    fn lines_that_say_the_same_are_counted() {
        let hashes = line_hashes(&"x\n".repeat(300));
        assert_eq!(hashes.len(), 301);
        assert_eq!(hashes[0].strip_suffix(":1"), hashes[1].strip_suffix(":2"));
    }
}
