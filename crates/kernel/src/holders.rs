//! Who holds a port: what a person would find with `ss -tnap`, in words.

use std::{
    collections::{BTreeSet, HashMap},
    fmt, fs,
    net::{IpAddr, SocketAddr},
};

use procfs::{
    net::{TcpNetEntry, TcpState},
    process::{FDTarget, Process},
};

/// What somebody does with a port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Use {
    /// Listens on it.
    Listening,
    /// Uses it as the local port of a connection to this peer.
    Connected(SocketAddr),
}

/// A socket that holds a port.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Holder {
    /// Its local address.
    pub address: SocketAddr,
    /// What it does.
    pub usage: Use,
    /// Owner of the socket: user name, or `uid N`.
    pub user: String,
    /// Process, if this process may see it.
    pub process: Option<HoldingProcess>,
}

/// A process that holds a socket.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct HoldingProcess {
    /// Process id.
    pub pid: i32,
    /// Its command name.
    pub command: String,
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.process {
            Some(process) => write!(f, "{} (pid {}, user {})", process.command, process.pid, self.user)?,
            None => write!(f, "a process of user {} (run as root to see which)", self.user)?,
        }
        match self.usage {
            Use::Listening => write!(f, " listens on {}", self.address),
            Use::Connected(peer) => write!(f, " uses {} for an outbound connection to {peer}", self.address),
        }
    }
}

/// Every socket in this network namespace whose local port is `port` and which is not this process's own.
pub fn holders_of(port: u16) -> Vec<Holder> {
    let own = i32::try_from(std::process::id()).unwrap_or(0);
    let mut found = sockets(|entry| entry.local_address.port() == port && holds(&entry.state));
    found.retain(|holder| holder.process.as_ref().is_none_or(|process| process.pid != own));
    found
}

/// Every socket that listens, in this network namespace.
pub fn listeners() -> Vec<Holder> {
    sockets(|entry| entry.state == TcpState::Listen)
}

/// Whether `address` belongs to this host, so that its listeners can be seen.
pub fn is_local(address: IpAddr) -> bool {
    // The kernel answers it: one may bind to an address of this host and to no other.
    address.is_loopback() || std::net::UdpSocket::bind((address, 0)).is_ok()
}

/// What a refused connection to `endpoint` means on this host: nobody listens there, and on which ports the same
/// service probably does. `seen` is the command that was seen behind the endpoint while it was up, if it ever was.
pub fn explain_refused(endpoint: SocketAddr, seen: Option<&str>) -> String {
    let refused = format!("nobody listens on {endpoint}");
    if !is_local(endpoint.ip()) {
        return refused;
    }
    let all = listeners();
    let words = |holders: Vec<&Holder>| -> Option<String> {
        let shown: BTreeSet<String> = holders.iter().map(ToString::to_string).collect();
        (!shown.is_empty()).then(|| shown.into_iter().take(5).collect::<Vec<_>>().join("; "))
    };
    let command = |holder: &Holder| holder.process.as_ref().map(|process| process.command.clone());
    let same_port = words(all.iter().filter(|holder| holder.address.port() == endpoint.port()).collect());
    let same_command =
        words(all.iter().filter(|holder| seen.is_some() && command(holder).as_deref() == seen).collect());
    let near = words(all.iter().filter(|holder| holder.address.port() / 100 == endpoint.port() / 100).collect());
    match (same_port, same_command, near) {
        (Some(others), ..) => format!("{refused}; the port is open on another address: {others}"),
        (_, Some(others), _) => format!("{refused}; the process that served it listens elsewhere: {others}"),
        (.., Some(others)) => format!("{refused}; on ports nearby: {others}"),
        _ => refused,
    }
}

/// The command that listens on `endpoint`, if it can be seen.
pub fn command_behind(endpoint: SocketAddr) -> Option<String> {
    let serves = |address: SocketAddr| {
        address.port() == endpoint.port() && (address.ip() == endpoint.ip() || address.ip().is_unspecified())
    };
    listeners().into_iter().find(|holder| serves(holder.address))?.process.map(|process| process.command)
}

/// States in which a socket keeps others from binding.
fn holds(state: &TcpState) -> bool {
    !matches!(state, TcpState::TimeWait | TcpState::NewSynRecv | TcpState::SynRecv)
}

fn sockets(wanted: impl Fn(&TcpNetEntry) -> bool) -> Vec<Holder> {
    let entries: Vec<TcpNetEntry> = [procfs::net::tcp(), procfs::net::tcp6()]
        .into_iter()
        .flatten()
        .flatten()
        .filter(|entry| wanted(entry))
        .collect();
    if entries.is_empty() {
        return Vec::new();
    }
    let owners = owners(&entries.iter().map(|entry| entry.inode).collect());
    let mut found: Vec<Holder> = entries
        .into_iter()
        .map(|entry| Holder {
            address: entry.local_address,
            usage: if entry.state == TcpState::Listen { Use::Listening } else { Use::Connected(entry.remote_address) },
            user: user_name(entry.uid),
            process: owners.get(&entry.inode).cloned(),
        })
        .collect();
    found.sort();
    found.dedup();
    found
}

/// Which process has which of these sockets open.
fn owners(inodes: &BTreeSet<u64>) -> HashMap<u64, HoldingProcess> {
    let mut owners = HashMap::new();
    for process in procfs::process::all_processes().into_iter().flatten().flatten() {
        for descriptor in process.fd().into_iter().flatten().flatten() {
            if let FDTarget::Socket(inode) = descriptor.target
                && inodes.contains(&inode)
            {
                owners.entry(inode).or_insert_with(|| holding(&process));
            }
        }
        if owners.len() == inodes.len() {
            break;
        }
    }
    owners
}

fn holding(process: &Process) -> HoldingProcess {
    let command = fs::read_to_string(format!("/proc/{}/comm", process.pid)).unwrap_or_default();
    HoldingProcess { pid: process.pid, command: command.trim().to_owned() }
}

fn user_name(uid: u32) -> String {
    let users = fs::read_to_string("/etc/passwd").unwrap_or_default();
    let named = users.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)?.parse() == Ok(uid)).then(|| name.to_owned())
    });
    named.unwrap_or_else(|| format!("uid {uid}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refused_port_says_that_nobody_listens() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        assert!(command_behind(address).is_some());
        drop(listener);
        assert!(explain_refused(address, None).starts_with(&format!("nobody listens on {address}")));
        assert!(is_local("127.0.0.9".parse().unwrap()));
        assert!(!is_local("192.0.2.1".parse().unwrap()));
    }
}
