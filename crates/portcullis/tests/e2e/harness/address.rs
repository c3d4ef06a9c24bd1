//! Free addresses on loopback that no other test takes before they are used.
//!
//! Numbers lie below the kernel's ephemeral range, so that no outgoing connection takes one in between. Each number is
//! held by the lock of a file until the test's process ends; nextest runs every test in a process of its own.

use std::{
    fs::{self, File},
    net::{Ipv4Addr, SocketAddr, TcpListener},
    path::Path,
    process,
    sync::{Mutex, PoisonError},
};

const FIRST: u16 = 10_000;
const LAST: u16 = 31_999;

struct Taken {
    locks: Vec<File>,
    next: u16,
}

static TAKEN: Mutex<Option<Taken>> = Mutex::new(None);

/// An address on 127.0.0.1 on which nobody listens.
pub(crate) fn free_address() -> SocketAddr {
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join("ports");
    fs::create_dir_all(&directory).unwrap();
    let mut taken = TAKEN.lock().unwrap_or_else(PoisonError::into_inner);
    let taken = taken.get_or_insert_with(|| Taken { locks: Vec::new(), next: first_of_this_process() });
    for _ in FIRST..=LAST {
        let number = taken.next;
        taken.next = if number == LAST { FIRST } else { number + 1 };
        let lock = File::create(directory.join(number.to_string())).unwrap();
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, number));
        let everywhere = SocketAddr::from((Ipv4Addr::UNSPECIFIED, number));
        if lock.try_lock().is_ok() && TcpListener::bind(address).is_ok() && TcpListener::bind(everywhere).is_ok() {
            taken.locks.push(lock);
            return address;
        }
    }
    panic!("no free port between {FIRST} and {LAST}");
}

/// Processes begin far from each other, so that they seldom ask for the same number.
fn first_of_this_process() -> u16 {
    let span = u32::from(LAST - FIRST);
    FIRST + u16::try_from(process::id().wrapping_mul(97) % span).unwrap()
}

/// Neighbouring numbers on which nobody listens, for one test alone.
#[derive(Debug)]
pub(crate) struct Ranges {
    first: u16,
    count: u16,
    _locks: Vec<File>,
}

impl Ranges {
    /// None of them is well known, so that all of them can be handed out.
    pub(crate) fn of(count: u16) -> Self {
        const LOWEST: u16 = 16_000;
        const HIGHEST: u16 = 26_999;
        let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join("ports");
        fs::create_dir_all(&directory).unwrap();
        let span = u32::from(HIGHEST - LOWEST - count);
        let mut first = LOWEST + u16::try_from(process::id().wrapping_mul(613) % span).unwrap();
        for _ in 0..2 * span {
            if let Some(locks) = lock_all(&directory, first, count) {
                return Self { first, count, _locks: locks };
            }
            first = if first + count >= HIGHEST { LOWEST } else { first + 1 };
        }
        panic!("no {count} free ports between {LOWEST} and {HIGHEST}");
    }

    pub(crate) fn first(&self) -> u16 {
        self.first
    }

    pub(crate) fn contains(&self, port: u16) -> bool {
        (self.first..self.first + self.count).contains(&port)
    }
}

impl std::fmt::Display for Ranges {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}-{}", self.first, self.first + self.count - 1)
    }
}

fn lock_all(directory: &Path, first: u16, count: u16) -> Option<Vec<File>> {
    (first..first + count)
        .map(|number| {
            let lock = File::create(directory.join(number.to_string())).unwrap();
            let is_free = lock.try_lock().is_ok() && TcpListener::bind((Ipv4Addr::UNSPECIFIED, number)).is_ok();
            is_free.then_some(lock)
        })
        .collect()
}
