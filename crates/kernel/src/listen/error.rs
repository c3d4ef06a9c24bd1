//! Why there is no port to be had, as a person would find out, and what to do.

use std::{collections::BTreeSet, fmt, fs, io, net::IpAddr, net::SocketAddr, path::PathBuf};

use crate::holders::{Holder, HoldingProcess, Use};

/// Holders that are named at most; the rest is counted.
const NAMED: usize = 4;

/// Why a port could not be opened.
#[derive(Debug)]
pub enum ListenError {
    /// Others hold the address.
    Taken {
        /// What was asked for.
        address: SocketAddr,
        /// Who holds it; empty if they can not be seen.
        holders: Vec<Holder>,
    },
    /// This user may not bind to the port.
    Forbidden {
        /// What was asked for.
        address: SocketAddr,
    },
    /// No interface has the address.
    NoSuchAddress {
        /// What was asked for.
        address: SocketAddr,
        /// What there is.
        local: BTreeSet<IpAddr>,
    },
    /// Another process listens on a Unix socket.
    TakenPath {
        /// The socket's file.
        path: PathBuf,
        /// Who, if this user may see it.
        holder: Option<HoldingProcess>,
    },
    /// Something that is not a socket has the place of a Unix socket.
    NotASocket {
        /// The file.
        path: PathBuf,
    },
    /// Anything else.
    Failed {
        /// Address or path.
        place: String,
        /// What the kernel said.
        cause: io::Error,
    },
}

impl std::error::Error for ListenError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Failed { cause, .. } => Some(cause),
            _ => None,
        }
    }
}

impl fmt::Display for ListenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Taken { address, holders } => taken(f, *address, holders),
            Self::Forbidden { address } => write!(
                f,
                "{address}: this user may not listen on ports below {}; run as root, grant CAP_NET_BIND_SERVICE, or \
                 lower net.ipv4.ip_unprivileged_port_start",
                sysctl("net/ipv4/ip_unprivileged_port_start").as_deref().unwrap_or("1024"),
            ),
            Self::NoSuchAddress { address, local } => {
                let local: Vec<String> = local.iter().map(ToString::to_string).collect();
                write!(
                    f,
                    "{address}: no such address on this host, which has {}; listen on one of these, or allow others with \
                     net.ipv4.ip_nonlocal_bind",
                    local.join(", ")
                )
            }
            Self::TakenPath { path, holder: Some(HoldingProcess { pid, command }) } => {
                write!(
                    f,
                    "{} is taken: {command} (pid {pid}) listens on it; stop it, or choose another path",
                    path.display()
                )
            }
            Self::TakenPath { path, holder: None } => {
                write!(
                    f,
                    "{} is taken, by a process that this user can not see; `ss -lxp` as root tells which",
                    path.display()
                )
            }
            Self::NotASocket { path } => {
                write!(
                    f,
                    "{}: a file that is not a socket is in the way; remove it, or choose another path",
                    path.display()
                )
            }
            Self::Failed { place, cause } => {
                write!(f, "can not listen on {place}: {cause}")?;
                match cause.raw_os_error().map(rustix::io::Errno::from_raw_os_error) {
                    Some(rustix::io::Errno::MFILE) => write!(f, "; raise the limit of open files (`ulimit -n`)"),
                    Some(rustix::io::Errno::AFNOSUPPORT) => write!(f, "; this kernel has no IPv6, use an IPv4 address"),
                    _ => Ok(()),
                }
            }
        }
    }
}

fn taken(f: &mut fmt::Formatter<'_>, address: SocketAddr, holders: &[Holder]) -> fmt::Result {
    if holders.is_empty() {
        return write!(
            f,
            "{address} is taken, by a socket that this user can not see or that is bound without listening; \
             `ss -tanp` as root may tell whose it is"
        );
    }
    let named: Vec<String> = holders.iter().take(NAMED).map(ToString::to_string).collect();
    write!(f, "{address} is taken: {}", named.join("; "))?;
    if holders.len() > NAMED {
        write!(f, "; and {} more", holders.len() - NAMED)?;
    }
    if holders.iter().any(|holder| holder.usage == Use::Sharing) {
        return write!(f, "; connections would be dealt out between both, so stop it or choose another port");
    }
    if holders.iter().any(|holder| holder.usage.listens()) {
        return write!(f, "; stop it, or choose another port");
    }
    // Only connections hold it: the kernel has given the port away as if it were anybody's.
    match ephemeral_range() {
        Some((low, high)) if (low..=high).contains(&address.port()) => write!(
            f,
            "; outbound connections take their ports from {low}-{high} (net.ipv4.ip_local_port_range), so keep this one \
             for yourself with net.ipv4.ip_local_reserved_ports={}",
            address.port()
        ),
        _ => write!(f, "; it is free when that connection is gone"),
    }
}

fn ephemeral_range() -> Option<(u16, u16)> {
    let range = sysctl("net/ipv4/ip_local_port_range")?;
    let (low, high) = range.split_once(char::is_whitespace)?;
    Some((low.parse().ok()?, high.trim().parse().ok()?))
}

fn sysctl(name: &str) -> Option<String> {
    fs::read_to_string(format!("/proc/sys/{name}")).ok().map(|value| value.trim().to_owned())
}
