//! Which process has which socket open.

use std::{
    collections::{HashMap, HashSet},
    fs,
};

use procfs::process::{FDTarget, Process};

/// A process that has a socket open.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SocketProcess {
    /// Process id.
    pub pid: i32,
    /// Its command name, made fit to be printed.
    pub command: String,
    /// Its effective user: name, or `uid N`.
    pub user: String,
}

impl SocketProcess {
    /// What is known of a process that runs.
    pub(crate) fn of(pid: i32) -> Self {
        let user = Process::new(pid).and_then(|process| process.uid()).map_or_else(|_| "?".to_owned(), user_name);
        Self { pid, command: command(pid), user }
    }
}

/// The processes that have these sockets open, each list by process id: a parent shares its sockets with its workers.
/// Those of other users are seen by root alone.
pub(crate) fn owners(sockets: &HashSet<u64>) -> HashMap<u64, Vec<i32>> {
    let mut owners: HashMap<u64, Vec<i32>> = HashMap::new();
    let mut processes: Vec<Process> = procfs::process::all_processes().into_iter().flatten().flatten().collect();
    processes.sort_by_key(Process::pid);
    for process in processes {
        for socket in sockets_of(&process).filter(|socket| sockets.contains(socket)) {
            let pids = owners.entry(socket).or_default();
            // A process may have one socket open twice.
            if pids.last() != Some(&process.pid()) {
                pids.push(process.pid());
            }
        }
    }
    owners
}

/// Sockets that this process has open.
pub(crate) fn own() -> HashSet<u64> {
    Process::myself().map(|process| sockets_of(&process).collect()).unwrap_or_default()
}

/// Inode numbers of the sockets that a process has open.
pub(crate) fn sockets_of(process: &Process) -> impl Iterator<Item = u64> {
    process.fd().into_iter().flatten().flatten().filter_map(|descriptor| match descriptor.target {
        FDTarget::Socket(inode) => Some(inode),
        _ => None,
    })
}

/// The name of a process's command, as `ss` and `ps -o comm` have it. A process chooses it freely, so nothing in it
/// may reach a terminal that is not print.
pub(crate) fn command(pid: i32) -> String {
    let command = fs::read(format!("/proc/{pid}/comm")).unwrap_or_default();
    let command = String::from_utf8_lossy(command.trim_ascii_end());
    command.chars().map(|character| if character.is_control() { '?' } else { character }).collect()
}

/// The user's name by `/etc/passwd`, or `uid N`.
pub(crate) fn user_name(uid: u32) -> String {
    let users = fs::read_to_string("/etc/passwd").unwrap_or_default();
    let named = users.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)?.parse() == Ok(uid)).then(|| name.to_owned())
    });
    named.unwrap_or_else(|| format!("uid {uid}"))
}
