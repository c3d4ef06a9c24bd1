//! Joining the map with the sockets that are really open.

use std::net::{IpAddr, SocketAddr};

use portcullis_lint::estate::{Address, Listener, Reach, Space, Transport};

use crate::map::{Map, Row, State};

/// A socket that listens on this host.
#[derive(Debug, Clone)]
pub struct LiveSocket {
    /// Where it is bound.
    pub address: SocketAddr,
    /// Whether a socket that is bound to `::` takes IPv4 as well.
    pub takes_v4: bool,
    /// TCP or UDP.
    pub transport: Transport,
    /// Who has it open: `nginx (pid 17, root)`; empty where that cannot be known.
    pub processes: Vec<String>,
}

impl Map {
    /// Says of every declared port and endpoint whether somebody listens, and adds what nobody declared.
    pub fn join(&mut self, sockets: &[LiveSocket], unseen: Vec<String>) {
        let mut is_declared = vec![false; sockets.len()];
        for row in &mut self.ports {
            join_row(row, sockets, &mut is_declared);
            for endpoint in row.passages.iter_mut().flat_map(|passage| &mut passage.endpoints) {
                // Only literal addresses of this host can be judged from here.
                let Ok(address) = endpoint.address.parse::<SocketAddr>() else { continue };
                if !address.ip().is_loopback() && !sockets.iter().any(|socket| socket.address.ip() == address.ip()) {
                    continue;
                }
                let serving: Vec<usize> = positions(sockets, |socket| {
                    socket.transport == Transport::Tcp
                        && socket.takes(address.ip())
                        && socket.address.port() == address.port()
                });
                endpoint.state = if serving.is_empty() { State::Dead } else { State::Live };
                endpoint.processes = processes(sockets, &serving);
                for index in serving {
                    is_declared[index] = true;
                }
            }
        }
        let strangers = sockets.iter().zip(is_declared).filter(|(_, is_declared)| !is_declared);
        self.ports.extend(strangers.map(|(socket, _)| undeclared(socket)));
        self.ports.sort_by_key(Row::order);
        self.ports.dedup_by(|later, earlier| {
            // Sockets that share a port by SO_REUSEPORT are one row.
            let is_same = later.place.is_none() && earlier.place.is_none() && later.socket() == earlier.socket();
            if is_same {
                earlier.processes.append(&mut later.processes);
                earlier.processes.sort();
                earlier.processes.dedup();
            }
            is_same
        });
        self.unseen = unseen;
    }
}

fn join_row(row: &mut Row, sockets: &[LiveSocket], is_declared: &mut [bool]) {
    let Some(listener) = row.listener.as_ref().filter(|listener| is_here(listener)) else { return };
    let here: Vec<usize> = positions(sockets, |socket| {
        socket.transport == listener.transport
            && listener.ports.contains(socket.address.port())
            && meets(&listener.address, socket)
    });
    let is_wider =
        here.iter().any(|index| sockets[*index].address.ip().is_unspecified() && !listener.address.is_wildcard());
    row.state = match (here.is_empty(), is_wider) {
        (true, _) => State::Dead,
        (false, true) => State::Wider,
        (false, false) => State::Live,
    };
    row.processes = processes(sockets, &here);
    for index in here {
        is_declared[index] = true;
    }
}

/// Ports of clusters and clouds are not on this host.
fn is_here(listener: &Listener) -> bool {
    matches!(listener.space, Space::Host | Space::Config(_)) && !matches!(listener.address, Address::Unknown(_))
}

fn meets(declared: &Address, socket: &LiveSocket) -> bool {
    match declared {
        Address::Ip(ip) if ip.is_unspecified() => ip.is_ipv4() == socket.address.is_ipv4() || socket.takes(*ip),
        Address::Ip(ip) => socket.takes(*ip),
        Address::BothWildcards | Address::Dual => true,
        Address::Unknown(_) => false,
    }
}

impl LiveSocket {
    /// Whether connections to this address come to it.
    fn takes(&self, address: IpAddr) -> bool {
        let own = self.address.ip();
        own == address || own.is_unspecified() && (own.is_ipv4() == address.is_ipv4() || own.is_ipv6() && self.takes_v4)
    }
}

fn positions(sockets: &[LiveSocket], is_meant: impl Fn(&LiveSocket) -> bool) -> Vec<usize> {
    sockets.iter().enumerate().filter(|(_, socket)| is_meant(socket)).map(|(index, _)| index).collect()
}

fn processes(sockets: &[LiveSocket], indices: &[usize]) -> Vec<String> {
    let mut processes: Vec<String> = indices.iter().flat_map(|index| sockets[*index].processes.clone()).collect();
    processes.sort();
    processes.dedup();
    processes
}

fn undeclared(socket: &LiveSocket) -> Row {
    let ip = socket.address.ip();
    Row {
        address: Address::Ip(ip).to_string(),
        ports: socket.address.port().to_string(),
        number: socket.address.port(),
        transport: socket.transport.to_string(),
        reach: Address::Ip(ip).scope().map_or("unknown", |scope| Reach::of(scope).word()),
        title: "not declared".to_owned(),
        role: None,
        protocol: None,
        who: "anyone".to_owned(),
        accepted: None,
        place: None,
        passages: Vec::new(),
        state: State::Undeclared,
        processes: socket.processes.clone(),
        listener: None,
    }
}
