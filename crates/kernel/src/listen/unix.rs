//! Unix sockets to listen on.

use std::{
    collections::HashSet,
    fs, io,
    os::unix::{fs::FileTypeExt, net::UnixListener},
    path::Path,
};

use rustix::fs::Mode;
use socket2::{Domain, SockAddr, Socket, Type};

use super::{BACKLOG, ListenError};
use crate::{holders::HoldingProcess, processes};

/// A non-blocking Unix socket that only this user may connect to. A socket file that nobody listens on any more, as a
/// killed process leaves behind, is replaced; anything else in its place is an error.
pub fn listen_unix(path: &Path) -> Result<UnixListener, ListenError> {
    let failed = |cause| ListenError::Failed { place: path.display().to_string(), cause };
    remove_stale(path)?;
    let open = || -> io::Result<UnixListener> {
        let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
        // The file takes the socket's mode when it is made (unix(7)): there is no moment at which others may connect,
        // as there would be with chmod after bind.
        rustix::fs::fchmod(&socket, Mode::RUSR | Mode::WUSR)?;
        socket.set_nonblocking(true)?;
        socket.bind(&SockAddr::unix(path)?)?;
        socket.listen(BACKLOG)?;
        Ok(socket.into())
    };
    open().map_err(failed)
}

fn remove_stale(path: &Path) -> Result<(), ListenError> {
    let failed = |cause| ListenError::Failed { place: path.display().to_string(), cause };
    let found = match fs::symlink_metadata(path) {
        Ok(found) => found,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(failed(error)),
    };
    if !found.file_type().is_socket() {
        return Err(ListenError::NotASocket { path: path.into() });
    }
    // Refused is the only answer that says nobody is there; a full queue, for one, says the opposite.
    match knock(path) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => fs::remove_file(path).map_err(failed),
        _ => Err(ListenError::TakenPath { path: path.into(), holder: holder_of(path) }),
    }
}

/// Connects without waiting.
fn knock(path: &Path) -> io::Result<()> {
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    socket.connect(&SockAddr::unix(path)?)
}

fn holder_of(path: &Path) -> Option<HoldingProcess> {
    let sockets: HashSet<u64> = procfs::net::unix()
        .ok()?
        .into_iter()
        .filter(|entry| entry.path.as_deref() == Some(path))
        .map(|entry| entry.inode)
        .collect();
    let pid = processes::owners(&sockets).into_values().flatten().min()?;
    Some(HoldingProcess { pid, command: processes::command(pid) })
}
