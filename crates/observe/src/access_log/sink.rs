//! Where the lines go, and how to write there without ever being stuck for long.

use std::{
    fs::{File, OpenOptions},
    io::{self, Write},
    os::{
        fd::AsFd,
        unix::fs::{FileTypeExt, OpenOptionsExt},
    },
    path::Path,
};

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    fs::OFlags,
};

use super::{AccessLogError, Target};

/// How long one attempt to write waits for a pipe to have room.
const PATIENCE: Timespec = Timespec { tv_sec: 0, tv_nsec: 100_000_000 };

/// Writes to a pipe of up to this many bytes are atomic, and do not block once `poll` says that there is room
/// (pipe(7), `PIPE_BUF`).
const PIPE_ATOMIC: usize = 4096;

#[derive(Debug)]
pub(super) enum Sink {
    Off,
    /// Takes all that is written at once.
    RegularFile(File),
    /// Standard output, a FIFO, a terminal: something with a reader, who may be slow.
    Stream(Stream),
}

#[derive(Debug)]
pub(super) enum Stream {
    Stdout(io::Stdout),
    Fifo(File),
}

impl Sink {
    pub(super) fn open(target: &Target) -> Result<Self, AccessLogError> {
        match target {
            Target::Off => Ok(Self::Off),
            Target::Stdout => Ok(Self::Stream(Stream::Stdout(io::stdout()))),
            Target::File(path) => open_file(path).map_err(|source| AccessLogError::Open { path: path.clone(), source }),
        }
    }

    /// Writes some of `lines`, which is not empty. `WouldBlock`: the reader is slow, try again. Whole lines go out
    /// together where that is possible, so that another writer on the same pipe does not tear them.
    pub(super) fn write(&mut self, lines: &[u8]) -> io::Result<usize> {
        match self {
            Self::Off => Ok(lines.len()),
            Self::RegularFile(file) => file.write(lines),
            Self::Stream(stream) => stream.write(atomic_part(lines)),
        }
    }
}

impl Stream {
    fn write(&self, lines: &[u8]) -> io::Result<usize> {
        let descriptor = match self {
            Self::Stdout(stdout) => stdout.as_fd(),
            Self::Fifo(file) => file.as_fd(),
        };
        // Stdout is often shared with other processes, so it is not made non-blocking; polled instead. An error or a
        // hang-up counts as ready, and the write tells what it is.
        let ready = poll(&mut [PollFd::new(&descriptor, PollFlags::OUT)], Some(&PATIENCE))?;
        if ready == 0 {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        // Not through `Stdout`'s own buffer: what it holds back could neither be counted nor bounded.
        Ok(rustix::io::write(descriptor, lines)?)
    }
}

/// As many whole lines as fit into one atomic write, or a part of a line that does not fit.
fn atomic_part(lines: &[u8]) -> &[u8] {
    if lines.len() <= PIPE_ATOMIC {
        return lines;
    }
    let window = &lines[..PIPE_ATOMIC];
    match window.iter().rposition(|&byte| byte == b'\n') {
        Some(end) => &window[..=end],
        None => window,
    }
}

/// Appends to what is there; other users may not read it. Without `NONBLOCK`, opening a FIFO that nobody reads would
/// wait for a reader; with it, the kernel says so (ENXIO). It means nothing for a regular file.
fn open_file(path: &Path) -> io::Result<Sink> {
    let flags = OFlags::NONBLOCK | OFlags::NOCTTY;
    let file = OpenOptions::new().append(true).create(true).mode(0o640).custom_flags(flags.bits() as i32).open(path)?;
    let kind = file.metadata()?.file_type();
    let has_reader = kind.is_fifo() || kind.is_char_device() || kind.is_socket();
    Ok(if has_reader { Sink::Stream(Stream::Fifo(file)) } else { Sink::RegularFile(file) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_lines_are_cut_where_one_atomic_write_ends() {
        let line = [&[b'x'; 999][..], b"\n"].concat();
        let lines = line.repeat(10);
        assert_eq!(atomic_part(&lines).len(), 4000);
        assert_eq!(atomic_part(&line), line);
        assert_eq!(atomic_part(&[b'x'; 5000]).len(), PIPE_ATOMIC);
    }
}
