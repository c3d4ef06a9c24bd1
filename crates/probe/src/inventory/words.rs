//! How sockets and their owners are called in reports.

use portcullis_kernel::inventory::{Families, OpenSocket, SocketProcess};

/// Processes that are named at most.
const NAMED: usize = 4;

/// `redis-server (pid 812, user redis)`; of several processes that share the sockets, the first of each program.
pub fn holders(sockets: &[&OpenSocket]) -> String {
    let mut named: Vec<String> = Vec::new();
    let mut seen: Vec<(&str, &str)> = Vec::new();
    for socket in sockets {
        let Some(first) = socket.processes.first() else {
            let unseen = format!("a process of user {} (root can see which)", socket.user);
            if !named.contains(&unseen) {
                named.push(unseen);
            }
            continue;
        };
        if !seen.contains(&(&first.command, &first.user)) {
            seen.push((&first.command, &first.user));
            named.push(process(first));
        }
    }
    let rest = named.len().saturating_sub(NAMED);
    named.truncate(NAMED);
    if rest > 0 {
        named.push(format!("{rest} more"));
    }
    named.join(" and ")
}

/// `redis-server (pid 812, user redis)`
pub(super) fn process(process: &SocketProcess) -> String {
    format!("{} (pid {}, user {})", process.command, process.pid, process.user)
}

/// `0.0.0.0:80`, and what an IPv6 wildcard takes beside IPv6.
pub(super) fn place(socket: &OpenSocket) -> String {
    match socket.families {
        Families::V4 | Families::V6 => socket.address.to_string(),
        Families::Both => format!("{} (IPv4 as well)", socket.address),
        Families::V6AndPerhapsV4 => format!("{} (perhaps IPv4 as well)", socket.address),
    }
}
