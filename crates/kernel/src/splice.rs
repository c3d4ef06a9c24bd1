//! Bytes from socket to socket without passing through this process (splice(2)).

use std::{
    io,
    os::fd::{AsFd, OwnedFd},
};

use rustix::pipe::{PipeFlags, SpliceFlags, pipe_with, splice};

/// A pipe that holds bytes on their way from one socket to another.
#[derive(Debug)]
pub struct Pipe {
    read: OwnedFd,
    write: OwnedFd,
    /// Bytes in it.
    held: usize,
}

/// Bytes that one call moves at most; the default size of a pipe.
const MOST: usize = 64 * 1024;

impl Pipe {
    /// A new pipe, non-blocking.
    pub fn new() -> io::Result<Self> {
        let (read, write) = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK)?;
        Ok(Self { read, write, held: 0 })
    }

    /// Bytes that wait in the pipe.
    pub fn held(&self) -> usize {
        self.held
    }

    /// Moves bytes from a socket into the pipe, which must be empty (so that `WouldBlock` can only mean that the
    /// socket is). 0 is the end of the stream.
    pub fn fill(&mut self, from: impl AsFd) -> io::Result<usize> {
        let count = splice(from, None, &self.write, None, MOST, SpliceFlags::NONBLOCK | SpliceFlags::MOVE)?;
        self.held += count;
        Ok(count)
    }

    /// Moves bytes from the pipe into a socket.
    pub fn drain(&mut self, to: impl AsFd) -> io::Result<usize> {
        let count = splice(&self.read, None, to, None, self.held, SpliceFlags::NONBLOCK | SpliceFlags::MOVE)?;
        self.held -= count;
        Ok(count)
    }
}
