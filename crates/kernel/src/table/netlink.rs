//! `sock_diag(7)`: a dump of the sockets of one family, one protocol and the states that are asked for.

use std::{io, net::SocketAddr, os::fd::OwnedFd, time::Duration};

use netlink_packet_core::{NLM_F_DUMP, NLM_F_REQUEST, NetlinkHeader, NetlinkMessage, NetlinkPayload};
use netlink_packet_sock_diag::{
    SockDiagMessage,
    constants::{AF_INET, AF_INET6, IPPROTO_TCP, IPPROTO_UDP},
    inet::{ExtensionFlags, InetRequest, InetResponse, SocketId, StateFlags, nlas::Nla},
};
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, netlink, recv, send, socket_with,
    sockopt::{Timeout, set_socket_timeout},
};

use super::{Entry, Protocol, State, Wanted, state};

/// Sockets that are read at most from one dump: a bound on memory, far above what a host has open.
const MAXIMUM_SOCKETS: usize = 2_000_000;

/// The kernel writes no more into one datagram of a dump than 32 KiB.
const DATAGRAM: usize = 64 * 1024;

/// The kernel answers from memory; where it does not within this, something else answers.
const PATIENCE: Duration = Duration::from_secs(5);

/// `TCPF_BOUND_INACTIVE`: sockets that are bound and neither listen nor are connected. Older kernels ignore it.
const BOUND_INACTIVE: u32 = 1 << 13;

/// Sockets of both families in the network namespace of this thread. A host without IPv6 has none of that family.
pub(super) fn read(protocol: Protocol, wanted: Wanted) -> io::Result<Vec<Entry>> {
    let socket = open()?;
    let mut entries = Vec::new();
    for (family, id) in [(AF_INET, SocketId::new_v4()), (AF_INET6, SocketId::new_v6())] {
        let request = InetRequest {
            family,
            protocol: match protocol {
                Protocol::Tcp => IPPROTO_TCP,
                Protocol::Udp => IPPROTO_UDP,
            },
            extensions: ExtensionFlags::empty(),
            states: states(protocol, wanted),
            socket_id: id,
        };
        ask(&socket, request)?;
        collect(&socket, protocol, &mut entries)?;
    }
    if wanted == Wanted::Listening {
        entries.retain(|entry| entry.state == State::Listening);
    }
    Ok(entries)
}

fn open() -> io::Result<OwnedFd> {
    let flags = SocketFlags::CLOEXEC;
    let socket = socket_with(AddressFamily::NETLINK, SocketType::RAW, flags, Some(netlink::SOCK_DIAG))?;
    set_socket_timeout(&socket, Timeout::Recv, Some(PATIENCE))?;
    Ok(socket)
}

fn states(protocol: Protocol, wanted: Wanted) -> StateFlags {
    match (wanted, protocol) {
        (Wanted::Listening, Protocol::Tcp) => StateFlags::LISTEN,
        (Wanted::Listening, Protocol::Udp) => StateFlags::CLOSE,
        (Wanted::All, _) => StateFlags::from_bits_retain(u32::MAX | BOUND_INACTIVE),
    }
}

fn ask(socket: &OwnedFd, request: InetRequest) -> io::Result<()> {
    let mut header = NetlinkHeader::default();
    header.flags = NLM_F_REQUEST | NLM_F_DUMP;
    let mut message = NetlinkMessage::new(header, SockDiagMessage::InetRequest(request).into());
    message.finalize();
    let mut bytes = vec![0; message.buffer_len()];
    message.serialize(&mut bytes);
    // Not connected: a netlink socket sends to the kernel unless it is told otherwise.
    send(socket, &bytes, SendFlags::empty())?;
    Ok(())
}

/// Reads datagrams until the dump is done.
fn collect(socket: &OwnedFd, protocol: Protocol, entries: &mut Vec<Entry>) -> io::Result<()> {
    let mut buffer = vec![0; DATAGRAM];
    loop {
        let (count, whole) = recv(socket, &mut buffer[..], RecvFlags::TRUNC)?;
        if whole > count {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "a datagram of the kernel was cut off"));
        }
        if read_datagram(&buffer[..count], protocol, entries)? == Progress::Done {
            return Ok(());
        }
        if entries.len() > MAXIMUM_SOCKETS {
            return Err(io::Error::new(io::ErrorKind::OutOfMemory, "more sockets than are read"));
        }
    }
}

/// How far a dump has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Progress {
    More,
    Done,
}

/// Takes one datagram of a dump apart: messages one after another, each on a boundary of four bytes.
fn read_datagram(datagram: &[u8], protocol: Protocol, entries: &mut Vec<Entry>) -> io::Result<Progress> {
    let malformed = |error: &dyn std::fmt::Display| io::Error::new(io::ErrorKind::InvalidData, error.to_string());
    let mut rest = datagram;
    while !rest.is_empty() {
        let message = NetlinkMessage::<SockDiagMessage>::deserialize(rest).map_err(|error| malformed(&error))?;
        match message.payload {
            NetlinkPayload::Done(_) => return Ok(Progress::Done),
            NetlinkPayload::Error(error) if error.code.is_some() => return Err(error.to_io()),
            NetlinkPayload::InnerMessage(SockDiagMessage::InetResponse(response)) => {
                entries.push(entry(protocol, &response));
            }
            _ => {}
        }
        let length = (message.header.length as usize).next_multiple_of(4);
        if length == 0 {
            return Err(malformed(&"a message without length"));
        }
        rest = rest.get(length..).unwrap_or_default();
    }
    Ok(Progress::More)
}

fn entry(protocol: Protocol, response: &InetResponse) -> Entry {
    let header = &response.header;
    let id = &header.socket_id;
    let state = state(protocol, header.state);
    let mut local = SocketAddr::new(id.source_address, id.source_port);
    if let SocketAddr::V6(local) = &mut local
        && local.ip().is_unicast_link_local()
    {
        local.set_scope_id(id.interface_id);
    }
    let is_listener = protocol == Protocol::Tcp && state == State::Listening;
    Entry {
        protocol,
        state,
        local,
        remote: SocketAddr::new(id.destination_address, id.destination_port),
        uid: header.uid,
        inode: header.inode.into(),
        receive_queue: header.recv_queue,
        backlog: is_listener.then_some(header.send_queue),
        v6_only: response.nlas.iter().find_map(|attribute| match attribute {
            Nla::SkV6Only(only) => Some(*only),
            _ => None,
        }),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn no_datagram_breaks_the_reader(mut datagram in proptest::collection::vec(any::<u8>(), 0..400), plausible: bool) {
            if plausible && datagram.len() >= 20 {
                let length = u32::try_from(datagram.len()).unwrap_or(0).to_ne_bytes();
                datagram[..4].copy_from_slice(&length);
                datagram[4..6].copy_from_slice(&20_u16.to_ne_bytes());
            }
            let mut entries = Vec::new();
            let _ = read_datagram(&datagram, Protocol::Tcp, &mut entries);
            prop_assert!(entries.len() <= 400 / 16);
        }
    }
}
