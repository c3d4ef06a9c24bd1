//! Where the lines go, and how to write there without being stuck for long.

use std::{
    fs::{File, OpenOptions},
    io::{self, Write},
    os::{fd::AsFd, unix::fs::OpenOptionsExt},
    path::Path,
};

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    fs::OFlags,
};

use super::{AccessLogError, Target};

/// How long one attempt to write waits for the reader.
const PATIENCE: Timespec = Timespec { tv_sec: 0, tv_nsec: 100_000_000 };

/// Writes of up to this many bytes to a pipe are atomic, and do not block once `poll` says that there is room
/// (`PIPE_BUF` in pipe(7)).
const PIPE_ATOMIC: usize = 4096;

#[derive(Debug)]
pub(super) enum Sink {
    Off,
    /// Takes all that is written at once.
    RegularFile(File),
    /// A pipe, a terminal, a socket: something with a reader, who may be slow.
    Stream(File),
}

impl Sink {
    pub(super) fn open(target: &Target) -> Result<Self, AccessLogError> {
        match target {
            Target::Off => Ok(Self::Off),
            // A descriptor of its own, past the buffer of `io::stdout`: what that holds back could neither be
            // counted nor bounded.
            Target::Stdout => io::stdout()
                .as_fd()
                .try_clone_to_owned()
                .and_then(|descriptor| Self::of(descriptor.into()))
                .map_err(AccessLogError::Stdout),
            Target::File(path) => open_file(path).map_err(|source| AccessLogError::Open { path: path.clone(), source }),
        }
    }

    fn of(file: File) -> io::Result<Self> {
        Ok(if file.metadata()?.is_file() { Self::RegularFile(file) } else { Self::Stream(file) })
    }

    /// Writes some of `lines`, which is not empty. `WouldBlock`: the reader is slow, try again. To a stream whole
    /// lines go out together where that is possible, so that another writer does not tear them.
    pub(super) fn write(&mut self, lines: &[u8]) -> io::Result<usize> {
        match self {
            Self::Off => Ok(lines.len()),
            Self::RegularFile(file) => file.write(lines),
            Self::Stream(stream) => {
                // Stdout is shared with other processes, so it cannot be made non-blocking; it is polled instead. An
                // error or a hang-up counts as ready, and the write tells what it is.
                let ready = poll(&mut [PollFd::new(stream, PollFlags::OUT)], Some(&PATIENCE))?;
                if ready == 0 { Err(io::ErrorKind::WouldBlock.into()) } else { stream.write(atomic_part(lines)) }
            }
        }
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
    Sink::of(
        OpenOptions::new().append(true).create(true).mode(0o640).custom_flags(flags.bits().cast_signed()).open(path)?,
    )
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
