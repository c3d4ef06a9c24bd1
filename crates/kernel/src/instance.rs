//! One run of a program: a process that can be told from a later one with the same number.

use std::{fs, io, os::unix::fs::MetadataExt};

use procfs::process::Process;
use rustix::{
    io::Errno,
    process::{Pid, test_kill_process},
};

use crate::processes;

/// A process, from its start to its end. `exec` changes the program and not the process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Instance {
    /// Its number, which is used again after its end.
    pub pid: i32,
    /// When it started, in clock ticks since boot.
    pub started: u64,
    /// Id of that boot.
    pub boot: String,
    /// Inode number of the pid namespace that counts it: containers count from 1 again.
    pub namespace: u64,
}

/// What can be known about the end of a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Life {
    /// It runs.
    Running,
    /// It has ended.
    Ended,
    /// It is counted by another pid namespace, or hidden from this user.
    Unknown,
}

impl Instance {
    /// This process.
    pub fn own() -> io::Result<Self> {
        let process = Process::myself().map_err(io::Error::other)?;
        let started = process.stat().map_err(io::Error::other)?.starttime;
        Ok(Self { pid: process.pid(), started, boot: boot()?, namespace: pid_namespace()? })
    }

    /// Whether it runs.
    pub fn life(&self) -> Life {
        match (boot(), pid_namespace()) {
            (Ok(boot), _) if boot != self.boot => return Life::Ended,
            (Ok(_), Ok(namespace)) if namespace == self.namespace => {}
            _ => return Life::Unknown,
        }
        match Process::new(self.pid).and_then(|process| process.stat()) {
            // A zombie has closed everything.
            Ok(stat) if stat.starttime == self.started && !matches!(stat.state, 'Z' | 'X' | 'x') => Life::Running,
            Ok(_) => Life::Ended,
            // Not there, or hidden (`hidepid`).
            Err(_) => match Pid::from_raw(self.pid).map(test_kill_process) {
                Some(Err(Errno::SRCH)) | None => Life::Ended,
                Some(_) => Life::Unknown,
            },
        }
    }

    /// The name of what it runs now; empty if it has ended.
    pub fn command(&self) -> String {
        if self.life() == Life::Ended { String::new() } else { processes::command(self.pid) }
    }
}

fn boot() -> io::Result<String> {
    Ok(fs::read_to_string("/proc/sys/kernel/random/boot_id")?.trim().to_owned())
}

fn pid_namespace() -> io::Result<u64> {
    Ok(fs::metadata("/proc/self/ns/pid")?.ino())
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use super::*;

    #[test]
    fn a_process_runs_until_it_ends_and_its_number_alone_says_nothing() {
        let own = Instance::own().unwrap();
        assert_eq!(own.life(), Life::Running);
        assert!(!own.command().is_empty());
        assert_eq!(Instance { started: own.started + 1, ..own.clone() }.life(), Life::Ended);
        assert_eq!(Instance { boot: "another".to_owned(), ..own.clone() }.life(), Life::Ended);
        assert_eq!(Instance { namespace: own.namespace + 1, ..own }.life(), Life::Unknown);
    }

    #[test]
    fn a_process_that_nobody_has_waited_for_has_ended_all_the_same() {
        let mut child = Command::new("cat").stdin(Stdio::piped()).spawn().unwrap();
        let pid = i32::try_from(child.id()).unwrap();
        let started = Process::new(pid).unwrap().stat().unwrap().starttime;
        let instance = Instance { pid, started, ..Instance::own().unwrap() };
        assert_eq!(instance.life(), Life::Running);
        drop(child.stdin.take());
        while Process::new(pid).unwrap().stat().unwrap().state != 'Z' {
            std::thread::yield_now();
        }
        assert_eq!(instance.life(), Life::Ended);
        child.wait().unwrap();
        assert_eq!(instance.life(), Life::Ended);
        assert_eq!(instance.command(), "");
    }
}
