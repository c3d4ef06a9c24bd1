//! Unix sockets to listen on.

use std::{
    collections::HashSet,
    fs, io,
    os::unix::{fs::FileTypeExt, net::UnixListener},
    path::Path,
};

use rustix::fs::{Access, Mode};
use socket2::{Domain, SockAddr, Socket, Type};

use super::{BACKLOG, ListenError};
use crate::{holders::HoldingProcess, processes};

/// A non-blocking Unix socket that only this user may connect to. A socket file that nobody listens on any more, as a
/// killed process leaves behind, is replaced; anything else in its place is an error.
pub fn listen_unix(path: &Path) -> Result<UnixListener, ListenError> {
    let failed = |cause| ListenError::Failed { place: path.display().to_string(), cause };
    if let Found::Stale = find(path)? {
        fs::remove_file(path).map_err(failed)?;
    }
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

/// Whether [`listen_unix`] would get the place now. Nothing is made or removed.
pub fn rehearse_unix(path: &Path) -> Result<(), ListenError> {
    let failed = |cause: io::Error| ListenError::Failed { place: path.display().to_string(), cause };
    find(path)?;
    let directory = path.parent().unwrap_or(Path::new("/"));
    rustix::fs::access(directory, Access::WRITE_OK | Access::EXEC_OK).map_err(|error| failed(error.into()))
}

/// What is in the place of the socket.
enum Found {
    Nothing,
    /// The file of a socket that nobody listens on any more.
    Stale,
}

fn find(path: &Path) -> Result<Found, ListenError> {
    let found = match fs::symlink_metadata(path) {
        Ok(found) => found,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Found::Nothing),
        Err(cause) => return Err(ListenError::Failed { place: path.display().to_string(), cause }),
    };
    if !found.file_type().is_socket() {
        return Err(ListenError::NotASocket { path: path.into() });
    }
    // Refused is the only answer that says nobody is there; a full queue, for one, says the opposite.
    match knock(path) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => Ok(Found::Stale),
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
