//! Becoming another program, with a socket for it.
//!
//! This process is replaced and not a parent left behind: signals, the exit code, the terminal and the process id are
//! the program's own, and nothing has to be forwarded. The protocol is that of systemd (`sd_listen_fds(3)`): the first
//! socket is descriptor 3, `LISTEN_FDS` says how many there are, and `LISTEN_PID` for whom they are.

use std::{
    io,
    os::{fd::OwnedFd, unix::process::CommandExt},
    process::{self, Command},
};

use command_fds::{CommandFdExt, FdMapping};

/// Descriptor of the first socket that is handed over (`SD_LISTEN_FDS_START`).
const FIRST: i32 = 3;

/// What becomes of a socket.
#[derive(Debug)]
pub enum Handing {
    /// The program is told of it, by this name.
    Told(OwnedFd, String),
    /// It stays open in the program, which knows nothing of it: it only keeps others from the port.
    Untold(OwnedFd),
    /// There is none.
    Nothing,
}

/// Replaces this process by `program`. Returns only if that fails; descriptors that were open before are then lost.
pub fn become_program(program: &mut Command, handing: Handing) -> io::Error {
    // What was meant for us is not for the program.
    for variable in ["LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES", "LISTEN_PIDFDID"] {
        program.env_remove(variable);
    }
    match handing {
        Handing::Told(socket, name) => {
            program.env("LISTEN_FDS", "1").env("LISTEN_FDNAMES", name);
            // It keeps our process id.
            program.env("LISTEN_PID", process::id().to_string());
            if let Err(error) = program.fd_mappings(vec![FdMapping { parent_fd: socket, child_fd: FIRST }]) {
                return io::Error::other(error);
            }
        }
        Handing::Untold(socket) => {
            program.preserved_fds(vec![socket]);
        }
        Handing::Nothing => {}
    }
    program.exec()
}
