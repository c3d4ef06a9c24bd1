//! Whether those who listen are those who should.

use std::collections::{BTreeMap, BTreeSet};

use portcullis_kernel::inventory::{OpenSocket, SocketProcess};

use super::{Declaration, Live, Sockets, Who, holders, places, words};
use crate::{check::Check, estate::Estate, outcome::Outcome};

/// The kernel keeps this many bytes of a command's name.
const COMMAND_BYTES: usize = 15;

/// The proxy's own command.
const PROXY: &str = "portcullis";

/// The running proxy: of the processes with its name the one that listens on most of the declared ports. Its admin port
/// is not asked: until it is known who listens there, no token is shown to it.
pub(super) fn proxy(estate: &Estate<'_>, live: &Live) -> Option<i32> {
    let mut counts: BTreeMap<i32, usize> = BTreeMap::new();
    for place in places(estate).iter().filter(|place| matches!(place.who, Who::Proxy)) {
        let sockets = Sockets::at(place, &live.here);
        let processes = sockets.serving().iter().flat_map(|socket| &socket.processes);
        let pids: BTreeSet<i32> =
            processes.filter(|process| process.command == PROXY).map(|process| process.pid).collect();
        for pid in pids {
            *counts.entry(pid).or_default() += 1;
        }
    }
    counts.into_iter().max_by_key(|(_, count)| *count).map(|(pid, _)| pid)
}

pub(super) fn check(
    place: &Declaration<'_, '_>,
    sockets: &Sockets<'_>,
    proxy: Option<i32>,
    outcomes: &mut Vec<Outcome>,
) {
    let serving = sockets.serving();
    if serving.is_empty() {
        return;
    }
    outcomes.extend(process(place, serving, proxy));
    outcomes.push(sharing(place, serving));
    if place.address.ip().is_unspecified() {
        outcomes.push(shadow(place, sockets));
    }
}

/// What is known of who should listen.
enum Expected<'e> {
    Process(i32),
    Command { command: &'e str, user: Option<&'e str> },
}

impl Expected<'_> {
    fn is_met_by(&self, process: &SocketProcess) -> bool {
        match self {
            Self::Process(pid) => process.pid == *pid,
            Self::Command { command, user } => {
                let cut = |name: &str| name.bytes().take(COMMAND_BYTES).collect::<Vec<u8>>();
                cut(&process.command) == cut(command) && user.is_none_or(|user| process.user == user)
            }
        }
    }

    fn words(&self) -> String {
        match self {
            Self::Process(pid) => format!("the running proxy, pid {pid}"),
            Self::Command { command, user: Some(user) } => format!("{command} as user {user}"),
            Self::Command { command, user: None } => (*command).to_owned(),
        }
    }
}

fn process(place: &Declaration<'_, '_>, serving: &[&OpenSocket], proxy: Option<i32>) -> Option<Outcome> {
    let expected = match place.who {
        Who::Proxy => proxy.map_or(Expected::Command { command: PROXY, user: None }, Expected::Process),
        Who::Service(endpoint) => {
            let declared = endpoint.service.process.as_ref()?;
            let user = declared.user.as_ref().map(|user| user.value.as_str());
            Expected::Command { command: &declared.command.value, user }
        }
    };
    let tried = format!("looked whether {} listens", expected.words());
    if serving.iter().any(|socket| socket.processes.is_empty()) {
        let got = format!("{} listens", holders(serving));
        return Some(place.unknown(Check::WrongProcess, &tried, got).fix("run the probe as root"));
    }
    // Of processes that share one socket one is enough: a server and its workers.
    let strangers: Vec<&OpenSocket> = serving
        .iter()
        .filter(|socket| !socket.processes.iter().any(|process| expected.is_met_by(process)))
        .copied()
        .collect();
    Some(if strangers.is_empty() {
        place.pass(Check::WrongProcess, &tried, format!("{} listens", holders(serving)))
    } else {
        let fix = match place.who {
            Who::Proxy => "stop the stranger, then start the proxy",
            Who::Service(_) => "stop the stranger, or say `process:` as it is",
        };
        let got = format!("{} listens instead of {}", holders(&strangers), expected.words());
        place.fail(Check::WrongProcess, &tried, got).fix(fix)
    })
}

/// Sockets on one address that belong to programs which know nothing of each other.
fn sharing(place: &Declaration<'_, '_>, serving: &[&OpenSocket]) -> Outcome {
    const TRIED: &str = "looked for further sockets on the same address";
    let of_one_address: Vec<&OpenSocket> =
        serving.iter().filter(|socket| socket.address == serving[0].address).copied().collect();
    if of_one_address.len() == 1 {
        return place.pass(Check::SharedPort, TRIED, "there is one socket");
    }
    if of_one_address.iter().any(|socket| socket.processes.is_empty()) {
        let users: BTreeSet<&str> = of_one_address.iter().map(|socket| socket.user.as_str()).collect();
        if users.len() > 1 {
            let got = format!("{} share it", holders(&of_one_address));
            return place.fail(Check::SharedPort, TRIED, got).fix("stop one of them");
        }
        let got = format!("{} sockets share it, and whose they are can not be seen", of_one_address.len());
        return place.unknown(Check::SharedPort, TRIED, got).fix("run the probe as root");
    }
    let programs: BTreeSet<Program<'_>> = of_one_address.iter().map(|socket| Program::of(place, socket)).collect();
    if programs.len() == 1 {
        let got = format!("{} sockets share it, all of {}", of_one_address.len(), holders(&of_one_address));
        return place.pass(Check::SharedPort, TRIED, got);
    }
    let mut named: Vec<&SocketProcess> = of_one_address.iter().filter_map(|socket| socket.processes.first()).collect();
    named.dedup_by_key(|process| process.pid);
    let named: Vec<String> = named.into_iter().map(words::process).collect();
    place
        .fail(
            Check::SharedPort,
            TRIED,
            format!("{} share it, and the kernel deals connections to each", named.join(" and ")),
        )
        .fix("stop one of them; connections reach either at random")
}

/// Who a socket belongs to, as far as two of them belong together. A second proxy is a stranger to the first; of a
/// service, processes of one program and user are replicas that share on purpose.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Program<'l> {
    Process(i32),
    Command(&'l str, &'l str),
}

impl<'l> Program<'l> {
    fn of(place: &Declaration<'_, '_>, socket: &'l OpenSocket) -> Self {
        match (&place.who, socket.processes.first()) {
            (_, None) => Self::Process(0),
            (Who::Proxy, Some(process)) => Self::Process(process.pid),
            (Who::Service(_), Some(process)) => Self::Command(&process.command, &process.user),
        }
    }
}

/// Strangers on specific addresses beneath a wildcard.
fn shadow(place: &Declaration<'_, '_>, sockets: &Sockets<'_>) -> Outcome {
    const TRIED: &str = "looked for listeners on specific addresses of the same number";
    let own: BTreeSet<i32> = pids(sockets.serving()).collect();
    let strangers: Vec<&OpenSocket> =
        sockets.narrower.iter().filter(|socket| pids(&[socket]).all(|pid| !own.contains(&pid))).copied().collect();
    let Some(first) = strangers.first() else {
        return place.pass(Check::ShadowedPort, TRIED, "there is none of a stranger");
    };
    let got = format!("{} listens on {} and takes what is sent there", holders(&strangers), words::place(first));
    place.fail(Check::ShadowedPort, TRIED, got).fix("stop it, or declare what belongs there")
}

fn pids<'s>(sockets: &'s [&OpenSocket]) -> impl Iterator<Item = i32> + 's {
    sockets.iter().flat_map(|socket| &socket.processes).map(|process| process.pid)
}
