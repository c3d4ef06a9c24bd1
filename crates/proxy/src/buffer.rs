//! Read buffers: one piece of memory with a filled part in the middle.

use std::cell::RefCell;

/// Size of a fresh buffer, bytes: a usual head and the beginning of its body.
pub(crate) const USUAL: usize = 16 * 1024;
/// Size to which a buffer grows while a long body passes.
pub(crate) const LARGE: usize = 64 * 1024;

/// Bytes that were read and not yet used: `bytes[start..end]`, `start <= end <= bytes.len()`.
#[derive(Debug, Default)]
pub(crate) struct Buffer {
    bytes: Vec<u8>,
    start: usize,
    end: usize,
    /// Bytes before this stay where they are (a head that is still in use), `floor <= start`.
    floor: usize,
}

impl Buffer {
    /// Unused bytes.
    pub(crate) fn filled(&self) -> &[u8] {
        &self.bytes[self.start..self.end]
    }

    /// Whether nothing is left to use.
    pub(crate) fn is_empty(&self) -> bool {
        self.start == self.end
    }

    /// Everything from the beginning of the memory up to the last byte read; the head's spans point into this.
    pub(crate) fn all(&self) -> &[u8] {
        &self.bytes[..self.end]
    }

    /// Marks `count` bytes as used.
    pub(crate) fn consume(&mut self, count: usize) {
        self.start = (self.start + count).min(self.end);
        if self.start == self.end {
            self.start = self.floor;
            self.end = self.floor;
        }
    }

    /// Keeps the first `length` unused bytes in place (they are used, but spans point at them) until
    /// [`Self::release`]. Call when the buffer begins with them.
    pub(crate) fn pin(&mut self, length: usize) {
        self.floor = self.start + length;
        self.start = self.floor;
    }

    /// Ends [`Self::pin`]: what is unused moves to the front.
    pub(crate) fn release(&mut self) {
        self.floor = 0;
        self.compact();
    }

    /// Room to read into. Empty only if the buffer is full of unused bytes.
    pub(crate) fn space(&mut self) -> &mut [u8] {
        if self.end == self.bytes.len() {
            self.compact();
        }
        &mut self.bytes[self.end..]
    }

    /// `count` bytes of [`Self::space`] have been written.
    pub(crate) fn advance(&mut self, count: usize) {
        self.end = (self.end + count).min(self.bytes.len());
    }

    /// Makes the memory at least `size` long.
    pub(crate) fn grow(&mut self, size: usize) {
        if self.bytes.len() < size {
            self.bytes.resize(size, 0);
        }
    }

    fn compact(&mut self) {
        if self.start > self.floor {
            self.bytes.copy_within(self.start..self.end, self.floor);
            self.end -= self.start - self.floor;
            self.start = self.floor;
        }
    }
}

/// Buffers that are not in use: an idle connection holds none.
#[derive(Debug, Default)]
pub(crate) struct Buffers {
    idle: RefCell<Vec<Vec<u8>>>,
}

/// Idle buffers kept by one worker; past it they go back to the allocator.
const KEPT: usize = 256;

impl Buffers {
    /// An empty buffer of at least [`USUAL`] bytes.
    pub(crate) fn take(&self) -> Buffer {
        let bytes = self.idle.borrow_mut().pop().unwrap_or_else(|| vec![0; USUAL]);
        Buffer { bytes, start: 0, end: 0, floor: 0 }
    }

    /// Gives a buffer back; a large one shrinks first, so that one long body does not keep memory for ever.
    pub(crate) fn give(&self, buffer: Buffer) {
        let mut bytes = buffer.bytes;
        let mut idle = self.idle.borrow_mut();
        if bytes.len() < USUAL || idle.len() >= KEPT {
            return;
        }
        if bytes.len() > USUAL {
            bytes.truncate(USUAL);
            bytes.shrink_to_fit();
        }
        idle.push(bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Buffer {
        fn append(&mut self, bytes: &[u8]) {
            self.grow(self.end + bytes.len());
            self.bytes[self.end..self.end + bytes.len()].copy_from_slice(bytes);
            self.end += bytes.len();
        }
    }

    #[test]
    fn a_pinned_head_stays_where_it_is_while_the_body_passes() {
        let mut buffer = Buffers::default().take();
        buffer.append(b"HEADbody");
        buffer.pin(4);
        assert_eq!(buffer.filled(), b"body");
        buffer.consume(4);
        buffer.append(b"more, and next");
        assert_eq!(&buffer.all()[..8], b"HEADmore");
        buffer.consume(10);
        buffer.release();
        assert_eq!(buffer.filled(), b"next");
        assert_eq!(buffer.all(), b"next");
    }

    #[test]
    fn space_is_found_by_moving_what_is_unused() {
        let mut buffer = Buffer::default();
        buffer.append(b"0123456789");
        buffer.consume(8);
        assert_eq!(buffer.space().len(), 8);
        assert_eq!(buffer.filled(), b"89");
    }
}
