//! Bytes from socket to socket without passing through this process (splice(2)).

use std::{
    io,
    os::fd::{AsFd, OwnedFd},
};

use rustix::pipe::{PipeFlags, SpliceFlags, fcntl_getpipe_size, fcntl_setpipe_size, pipe_with, splice};

/// A pipe that holds bytes on their way from one socket to another. It is two descriptors.
#[derive(Debug)]
pub struct Pipe {
    read: OwnedFd,
    write: OwnedFd,
    /// Bytes in it.
    held: usize,
    /// Bytes that one call moves at most.
    capacity: usize,
}

/// The kernel's default size of a pipe, bytes.
const DEFAULT: usize = 64 * 1024;

impl Pipe {
    /// A new pipe, non-blocking, of the default size.
    pub fn new() -> io::Result<Self> {
        let (read, write) = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK)?;
        Ok(Self { read, write, held: 0, capacity: DEFAULT })
    }

    /// A new pipe of at least `bytes` if the kernel allows that (`fs.pipe-max-size`, and for all pipes of a user
    /// `fs.pipe-user-pages-soft`), else of the default size: bigger is only faster.
    pub fn with_capacity(bytes: usize) -> io::Result<Self> {
        let mut pipe = Self::new()?;
        let _ = fcntl_setpipe_size(&pipe.write, bytes);
        pipe.capacity = fcntl_getpipe_size(&pipe.write)?;
        Ok(pipe)
    }

    /// Bytes that wait in the pipe.
    pub fn held(&self) -> usize {
        self.held
    }

    /// Moves bytes from a socket into the pipe, which must be empty (so that `WouldBlock` can only mean that the
    /// socket is). 0 is the end of the stream.
    pub fn fill(&mut self, from: impl AsFd) -> io::Result<usize> {
        let count = splice(from, None, &self.write, None, self.capacity, SpliceFlags::NONBLOCK | SpliceFlags::MOVE)?;
        self.held += count;
        Ok(count)
    }

    /// Moves bytes from the pipe into a socket; how many, 0 only if none were held.
    pub fn drain(&mut self, to: impl AsFd) -> io::Result<usize> {
        if self.held == 0 {
            return Ok(0);
        }
        let count = splice(&self.read, None, to, None, self.held, SpliceFlags::NONBLOCK | SpliceFlags::MOVE)?;
        self.held -= count;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{
        io::{Read, Write},
        net::Shutdown,
        os::unix::net::UnixStream,
    };

    #[test]
    fn bytes_go_from_socket_to_socket_and_the_end_is_seen() {
        for mut pipe in [Pipe::new().unwrap(), Pipe::with_capacity(256 * 1024).unwrap()] {
            let (mut client, near) = UnixStream::pair().unwrap();
            let (far, mut server) = UnixStream::pair().unwrap();
            near.set_nonblocking(true).unwrap();
            assert_eq!(pipe.fill(&near).unwrap_err().kind(), io::ErrorKind::WouldBlock);
            client.write_all(b"hello").unwrap();
            client.shutdown(Shutdown::Write).unwrap();
            assert_eq!(pipe.fill(&near).unwrap(), 5);
            assert_eq!(pipe.held(), 5);
            assert_eq!(pipe.drain(&far).unwrap(), 5);
            assert_eq!((pipe.held(), pipe.drain(&far).unwrap()), (0, 0));
            assert_eq!(pipe.fill(&near).unwrap(), 0);
            let mut arrived = [0; 5];
            server.read_exact(&mut arrived).unwrap();
            assert_eq!(&arrived, b"hello");
        }
    }

    #[test]
    fn a_full_receiver_leaves_the_rest_in_the_pipe() {
        let mut pipe = Pipe::new().unwrap();
        let (mut client, near) = UnixStream::pair().unwrap();
        let (far, _server) = UnixStream::pair().unwrap();
        far.set_nonblocking(true).unwrap();
        loop {
            client.write_all(&[7; 4096]).unwrap();
            pipe.fill(&near).unwrap();
            match pipe.drain(&far) {
                Ok(_) => {}
                Err(error) => break assert_eq!(error.kind(), io::ErrorKind::WouldBlock),
            }
        }
        assert!(pipe.held() > 0);
    }
}
