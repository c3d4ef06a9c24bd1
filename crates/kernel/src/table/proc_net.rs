//! `/proc/net/tcp` and its siblings: older, slower, and readable for every process whatever its namespace.

use std::{io, net::SocketAddr, path::Path};

use procfs::{
    FromReadSI, ProcError, current_system_info,
    net::{TcpNetEntries, UdpNetEntries},
};

use super::{Entry, Protocol, State, Wanted, state};

/// Sockets of both families below this `net` directory. A host without IPv6 has no file for it.
pub(super) fn read(directory: &Path, protocol: Protocol, wanted: Wanted) -> io::Result<Vec<Entry>> {
    let file = |family: &str| directory.join(format!("{}{family}", protocol.word()));
    let mut entries = read_family(&file(""), protocol).map_err(in_words)?;
    match read_family(&file("6"), protocol) {
        Ok(more) => entries.extend(more),
        Err(ProcError::NotFound(_)) => {}
        Err(error) => return Err(in_words(error)),
    }
    if wanted == Wanted::Listening {
        entries.retain(|entry| entry.state == State::Listening);
    }
    Ok(entries)
}

fn read_family(file: &Path, protocol: Protocol) -> Result<Vec<Entry>, ProcError> {
    let entry = |number: u8, local: SocketAddr, remote, uid, inode, receive_queue| Entry {
        protocol,
        state: state(protocol, number),
        local,
        remote,
        uid,
        inode,
        receive_queue,
        backlog: None,
        v6_only: None,
    };
    Ok(match protocol {
        Protocol::Tcp => TcpNetEntries::from_file(file, current_system_info())?
            .0
            .into_iter()
            .map(|e| entry(e.state.to_u8(), e.local_address, e.remote_address, e.uid, e.inode, e.rx_queue))
            .collect(),
        Protocol::Udp => UdpNetEntries::from_file(file, current_system_info())?
            .0
            .into_iter()
            .map(|e| entry(e.state.to_u8(), e.local_address, e.remote_address, e.uid, e.inode, e.rx_queue))
            .collect(),
    })
}

fn in_words(error: ProcError) -> io::Error {
    match error {
        ProcError::PermissionDenied(_) => io::ErrorKind::PermissionDenied.into(),
        ProcError::NotFound(_) => io::ErrorKind::NotFound.into(),
        ProcError::Io(error, _) => error,
        other => io::Error::other(other.to_string()),
    }
}
