//! Network namespaces: finding them, and doing something inside one.
//!
//! A namespace is entered by a thread that was made for it and ends with the job. A thread of a pool is never moved:
//! where the way back fails, it would go on to serve other work in the wrong place.

use std::{
    collections::BTreeMap,
    fmt, fs, io,
    os::{fd::AsFd, unix::fs::MetadataExt},
    path::{Path, PathBuf},
    thread,
};

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use thiserror::Error;

/// Where `ip netns` and container runtimes leave namespaces by name.
const NAMED: [&str; 2] = ["/run/netns", "/run/docker/netns"];

/// A network namespace of this host.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Namespace {
    name: Name,
    /// The file that stands for it.
    path: PathBuf,
    /// The namespace's own number: what two files of one namespace have in common, and what proves, once one is open,
    /// that it is still the namespace that was meant.
    inode: u64,
    /// A process inside, through which it can be looked at without being entered.
    process: Option<i32>,
}

/// How people know a namespace.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Name {
    Own,
    Named(String),
    Process(i32),
}

/// Why a namespace can not be used.
#[derive(Debug, Error)]
pub enum NamespaceError {
    /// There is no namespace of that name.
    #[error("there is no network namespace `{name}` (`ip netns list` shows those with a name){}", others(.known))]
    Unknown {
        /// What was asked for.
        name: String,
        /// Those that there are.
        known: Vec<String>,
    },
    /// Its file can not be read.
    #[error("network namespace {name} can not be looked at: {cause}")]
    Unreadable {
        /// Which.
        name: String,
        /// What the kernel said.
        cause: io::Error,
    },
    /// This process may not enter it.
    #[error("network namespace {name} can not be entered: {cause}; that needs CAP_SYS_ADMIN here and there")]
    Forbidden {
        /// Which.
        name: String,
        /// What the kernel said.
        cause: io::Error,
    },
    /// Another namespace has taken its place.
    #[error("network namespace {name} is gone; another one has taken its place")]
    Replaced {
        /// Which.
        name: String,
    },
}

fn others(names: &[String]) -> String {
    if names.is_empty() { String::new() } else { format!("; there is {}", names.join(", ")) }
}

impl fmt::Display for Namespace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.name {
            Name::Own => f.write_str("this host"),
            Name::Named(name) => f.write_str(name),
            Name::Process(pid) => write!(f, "pid:{pid}"),
        }
    }
}

impl Namespace {
    /// The one that this process is in.
    pub fn own() -> Self {
        let path = PathBuf::from("/proc/self/ns/net");
        let inode = fs::metadata(&path).map_or(0, |metadata| metadata.ino());
        Self { name: Name::Own, path, inode, process: i32::try_from(std::process::id()).ok() }
    }

    /// `blue` for one that has a name, `pid:1234` for that of a process.
    pub fn parse(text: &str) -> Result<Self, NamespaceError> {
        match text.strip_prefix("pid:").map(str::parse) {
            Some(Ok(pid)) => Self::of_process(pid),
            _ => Self::named(text),
        }
    }

    /// One that has a name.
    pub fn named(name: &str) -> Result<Self, NamespaceError> {
        // A name is one part of a path: anything else would name other files.
        let is_name = !name.is_empty() && !name.contains('/') && name != "." && name != "..";
        let found = NAMED.iter().map(|folder| Path::new(folder).join(name)).find(|path| is_name && path.exists());
        let Some(path) = found else {
            let known = named().into_iter().map(|(name, _)| name).collect();
            return Err(NamespaceError::Unknown { name: name.to_owned(), known });
        };
        Self::at(Name::Named(name.to_owned()), path, None)
    }

    /// That of a process.
    pub fn of_process(pid: i32) -> Result<Self, NamespaceError> {
        Self::at(Name::Process(pid), format!("/proc/{pid}/ns/net").into(), Some(pid))
    }

    fn at(name: Name, path: PathBuf, process: Option<i32>) -> Result<Self, NamespaceError> {
        let inode = fs::metadata(&path).map(|metadata| metadata.ino());
        let mut namespace = Self { name, path, inode: 0, process };
        namespace.inode = inode.map_err(|cause| NamespaceError::Unreadable { name: namespace.to_string(), cause })?;
        Ok(namespace)
    }

    /// Every namespace that this user can see: this one first, then those with a name, then those that only processes
    /// are in. The number tells in how many processes it could not be looked which they are in.
    pub fn all() -> (Vec<Self>, usize) {
        let mut found: BTreeMap<u64, Self> = BTreeMap::new();
        let named = named().into_iter().filter_map(|(name, path)| Self::at(Name::Named(name), path, None).ok());
        for namespace in [Self::own()].into_iter().chain(named) {
            found.entry(namespace.inode).or_insert(namespace);
        }
        let mut hidden = 0;
        let processes = procfs::process::all_processes().into_iter().flatten().flatten();
        for pid in processes.map(|process| process.pid()) {
            match Self::of_process(pid) {
                Ok(namespace) => {
                    let known = found.entry(namespace.inode).or_insert(namespace);
                    known.process.get_or_insert(pid);
                }
                // Kernel threads and processes that have just ended have no such file.
                Err(NamespaceError::Unreadable { cause, .. }) if cause.kind() == io::ErrorKind::PermissionDenied => {
                    hidden += 1;
                }
                Err(_) => {}
            }
        }
        let mut all: Vec<Self> = found.into_values().collect();
        all.sort();
        (all, hidden)
    }

    /// Whether it is the one that this process is in.
    pub fn is_own(&self) -> bool {
        self.inode == Self::own().inode
    }

    /// A process inside, if one is known.
    pub fn process(&self) -> Option<i32> {
        self.process
    }

    /// Does a job inside, on a thread of its own that ends with it. The job must resolve no names: what resolves them
    /// may live outside.
    pub fn run<T: Send>(&self, job: impl FnOnce() -> T + Send) -> Result<T, NamespaceError> {
        if self.is_own() {
            return Ok(job());
        }
        thread::scope(|scope| {
            let inside = scope.spawn(|| {
                self.enter()?;
                Ok(job())
            });
            // A job that panics would have panicked on this thread as well.
            inside.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
    }

    /// Moves this thread. It must not do anything else afterwards but what belongs there.
    fn enter(&self) -> Result<(), NamespaceError> {
        let name = || self.to_string();
        let file = fs::File::open(&self.path).map_err(|cause| NamespaceError::Unreadable { name: name(), cause })?;
        let inode = file.metadata().map(|metadata| metadata.ino());
        if inode.ok() != Some(self.inode) {
            return Err(NamespaceError::Replaced { name: name() });
        }
        move_into_link_name_space(file.as_fd(), Some(LinkNameSpaceType::Network))
            .map_err(|cause| NamespaceError::Forbidden { name: name(), cause: cause.into() })
    }
}

fn named() -> Vec<(String, PathBuf)> {
    let folders = NAMED.iter().filter_map(|folder| fs::read_dir(folder).ok());
    let entries = folders.flatten().flatten().map(|entry| entry.path());
    let mut found: Vec<(String, PathBuf)> =
        entries.filter_map(|path| Some((path.file_name()?.to_str()?.to_owned(), path))).collect();
    found.sort();
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_in_the_own_namespace_runs_here() {
        let here = thread::current().id();
        assert_eq!(Namespace::own().run(|| thread::current().id()).unwrap(), here);
        assert!(Namespace::all().0.iter().any(Namespace::is_own));
    }

    #[test]
    fn names_are_names_and_no_paths() {
        for name in ["", ".", "..", "../../etc/passwd", "/run/netns/x", "no-such-namespace-here", "pid:", "pid:x"] {
            let refused = Namespace::parse(name);
            assert!(matches!(refused, Err(NamespaceError::Unknown { .. })), "{name}: {refused:?}");
        }
        let gone = Namespace::parse("pid:2147483647");
        assert!(matches!(gone, Err(NamespaceError::Unreadable { .. })), "{gone:?}");
    }

    #[test]
    fn the_namespace_of_this_process_by_pid_is_its_own() {
        assert!(Namespace::parse(&format!("pid:{}", std::process::id())).unwrap().is_own());
    }
}
