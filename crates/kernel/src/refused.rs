//! What a refused connection means: nobody listens there, and where the service that should probably does.
//!
//! A mismatched port is the most ordinary of mistakes, and the answer lies in the kernel's tables as long as the
//! endpoint is on this host. All of this reads `/proc` whole: ask when a state changes, not for each request.

use std::{
    cmp::Reverse,
    fmt,
    hash::{DefaultHasher, Hash, Hasher},
    net::SocketAddr,
    path::PathBuf,
};

use procfs::{ProcError, process::Process};

use crate::{
    addresses::is_local,
    holders::{Holder, covers, listeners},
    lifetime::started,
    processes,
};

/// Listeners that are named at most.
const NAMED: usize = 4;
/// How far another port may lie and still be worth a mention when nothing better is known.
const NEAR: u16 = 10;

/// A process as it can be recognised later, also after it was started anew.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProcessIdentity {
    /// Process id.
    pub pid: i32,
    /// Its command name.
    pub command: String,
    /// Clock ticks from boot to its start: with the pid, unique.
    started: u64,
    /// What it runs and where; not visible for processes of other users.
    program: Option<(PathBuf, PathBuf)>,
    /// The words of its command line, each as a number: they may hold secrets.
    arguments: Vec<u64>,
}

impl ProcessIdentity {
    /// `None` if it has ended or is about to: the kernel takes a process's program away before its sockets, and what
    /// is then left of it would be recognised in nothing that is started later.
    fn of(pid: i32) -> Option<Self> {
        let process = Process::new(pid).ok()?;
        let program = match process.exe().and_then(|program| Ok((program, process.cwd()?))) {
            Ok(program) => Some(program),
            Err(ProcError::PermissionDenied(_)) => None,
            Err(_) => return None,
        };
        let arguments = process.cmdline().unwrap_or_default().iter().map(|argument| digest(argument)).collect();
        Some(Self { pid, command: processes::command(pid), started: started(pid)?, program, arguments })
    }

    fn is_same_process(&self, other: &Self) -> bool {
        (self.pid, self.started) == (other.pid, other.started)
    }

    /// The same program, started in the same folder: most likely the same service.
    fn is_same_program(&self, other: &Self) -> bool {
        self.command == other.command && self.program.is_some() && self.program == other.program
    }

    /// How many words of the command line they share: what tells the services of one interpreter apart.
    fn likeness(&self, other: &Self) -> usize {
        self.arguments.iter().filter(|argument| other.arguments.contains(argument)).count()
    }

    fn is_alive(&self) -> bool {
        Self::of(self.pid).is_some_and(|now| now.is_same_process(self))
    }
}

fn digest(argument: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    argument.hash(&mut hasher);
    hasher.finish()
}

/// The process that listens on `endpoint`, if it is on this host and can be seen. Health checks remember it while the
/// endpoint is up.
pub fn identify(endpoint: SocketAddr) -> Option<ProcessIdentity> {
    if !is_local(endpoint.ip()) {
        return None;
    }
    let mut serving: Vec<Holder> = listeners().into_iter().filter(|holder| covers(holder.address, endpoint)).collect();
    // The kernel gives a connection to the most specific listener.
    serving.sort_by_key(|holder| (holder.address.ip().is_unspecified(), holder.address.is_ipv6()));
    ProcessIdentity::of(serving.into_iter().find_map(|holder| holder.process)?.pid)
}

/// What is known about an endpoint that refuses connections. [`fmt::Display`] says it in a sentence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NobodyListens {
    /// The endpoint.
    pub endpoint: SocketAddr,
    /// Where to look next.
    pub lead: Lead,
    /// The listeners that the lead is about, nearest port first.
    pub listeners: Vec<Holder>,
}

/// How the listeners that were found belong to the endpoint that was not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lead {
    /// The endpoint is on another host, whose listeners can not be seen.
    Elsewhere,
    /// Somebody listens there by now, or a firewall refuses for them.
    ByNow,
    /// The port is open on another address of this host.
    OtherAddress,
    /// The process that served the endpoint before listens elsewhere.
    SameProcess,
    /// The same program as the one that served it before, started in the same folder, listens elsewhere.
    SameProgram,
    /// What served it before runs and listens on nothing.
    Silent(ProcessIdentity),
    /// What served it before has ended.
    Gone(ProcessIdentity),
    /// Nothing was ever seen there; these ports are near.
    Near,
    /// Nothing was ever seen there and nothing is near.
    Nothing,
}

/// Explains why `endpoint` refuses connections. `last_known` is what [`identify`] said while it was up, if it ever
/// was; `siblings` are the other endpoints of the service, whose listeners are where they belong and no answer.
pub fn nobody_listens(
    endpoint: SocketAddr,
    last_known: Option<&ProcessIdentity>,
    siblings: &[SocketAddr],
) -> NobodyListens {
    let found = |lead, mut listeners: Vec<Holder>| {
        listeners.sort_by_key(|holder| holder.address.port().abs_diff(endpoint.port()));
        NobodyListens { endpoint, lead, listeners }
    };
    if !is_local(endpoint.ip()) {
        return found(Lead::Elsewhere, Vec::new());
    }
    let (at_place, others): (Vec<Holder>, Vec<Holder>) =
        listeners().into_iter().partition(|holder| covers(holder.address, endpoint));
    if !at_place.is_empty() {
        return found(Lead::ByNow, at_place);
    }
    let is_sibling = |holder: &Holder| siblings.iter().any(|sibling| covers(holder.address, *sibling));
    let own = i32::try_from(std::process::id()).unwrap_or(0);
    let is_own = |holder: &Holder| holder.process.as_ref().is_some_and(|process| process.pid == own);
    let others: Vec<Holder> = others.into_iter().filter(|holder| !is_sibling(holder)).collect();

    let same_port = matching(&others, |holder| holder.address.port() == endpoint.port());
    if !same_port.is_empty() {
        return found(Lead::OtherAddress, same_port);
    }
    if let Some(last) = last_known {
        let identity = |holder: &Holder| ProcessIdentity::of(holder.process.as_ref()?.pid);
        let same_process = matching(&others, |holder| identity(holder).is_some_and(|now| now.is_same_process(last)));
        if !same_process.is_empty() {
            return found(Lead::SameProcess, same_process);
        }
        let same_program = most_alike(&others, |holder| {
            identity(holder).filter(|now| now.is_same_program(last)).map(|now| now.likeness(last))
        });
        if !same_program.is_empty() {
            return found(Lead::SameProgram, same_program);
        }
        let last = last.clone();
        return found(if last.is_alive() { Lead::Silent(last) } else { Lead::Gone(last) }, Vec::new());
    }
    let is_near = |holder: &Holder| holder.address.port().abs_diff(endpoint.port()) <= NEAR;
    let near = matching(&others, |holder| is_near(holder) && !is_own(holder));
    found(if near.is_empty() { Lead::Nothing } else { Lead::Near }, near)
}

fn matching(holders: &[Holder], wanted: impl Fn(&Holder) -> bool) -> Vec<Holder> {
    holders.iter().filter(|holder| wanted(holder)).cloned().collect()
}

/// Those of the holders that have a likeness of which it is the highest.
fn most_alike(holders: &[Holder], likeness: impl Fn(&Holder) -> Option<usize>) -> Vec<Holder> {
    let mut alike: Vec<(usize, &Holder)> =
        holders.iter().filter_map(|holder| Some((likeness(holder)?, holder))).collect();
    alike.sort_by_key(|(likeness, _)| Reverse(*likeness));
    let highest = alike.first().map(|(likeness, _)| *likeness);
    alike.into_iter().take_while(|(likeness, _)| Some(*likeness) == highest).map(|(_, holder)| holder.clone()).collect()
}

impl fmt::Display for NobodyListens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { endpoint, lead, listeners } = self;
        let named = listeners.iter().take(NAMED).map(ToString::to_string).collect::<Vec<_>>().join("; ");
        match lead {
            Lead::ByNow => {
                write!(
                    f,
                    "{endpoint} refused the connection, but {named}; it may have just begun, or a firewall refuses"
                )
            }
            Lead::Elsewhere => write!(f, "nobody listens on {endpoint}"),
            Lead::OtherAddress => {
                write!(f, "nobody listens on {endpoint}, but on the same port of another address: {named}")
            }
            Lead::SameProcess => {
                write!(f, "nobody listens on {endpoint}; what served it before listens elsewhere: {named}")
            }
            Lead::SameProgram => {
                write!(f, "nobody listens on {endpoint}; the program that served it before listens elsewhere: {named}")
            }
            Lead::Silent(last) => write!(
                f,
                "nobody listens on {endpoint}; {} (pid {}), which served it before, runs and listens on no port",
                last.command, last.pid
            ),
            Lead::Gone(last) => write!(
                f,
                "nobody listens on {endpoint}; {} (pid {}), which served it before, has ended",
                last.command, last.pid
            ),
            Lead::Near => write!(f, "nobody listens on {endpoint}; on ports near it: {named}"),
            Lead::Nothing => write!(f, "nobody listens on {endpoint}, nor on any port near it"),
        }
    }
}
