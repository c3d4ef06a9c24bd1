//! What is known of one endpoint while the process runs.

use std::{
    fmt,
    net::SocketAddr,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, Ordering::Relaxed},
    },
};

use arc_swap::ArcSwapOption;

/// Where an endpoint is reached.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Address {
    /// TCP over IPv4 or IPv6.
    Tcp(SocketAddr),
    /// A Unix stream socket on this host.
    Unix(PathBuf),
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// What active health checks last concluded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Checked {
    /// No check is configured, or none has concluded yet: taken for up.
    Unchecked,
    /// `rise` checks in a row succeeded.
    Up,
    /// `fall` checks in a row failed.
    Down,
}

/// Whether an endpoint may get traffic now, and if not, why.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// May be picked.
    Available,
    /// Active checks failed.
    Down,
    /// Too many failures on real traffic; comes back by itself.
    Ejected,
}

/// When failures on real traffic take an endpoint out for a while.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EjectPolicy {
    /// Consecutive failures, at least 1.
    pub failures: u32,
    /// How long it stays out, milliseconds.
    pub duration_ms: u64,
}

/// One cache line, so that two workers that count on the same endpoint do not share one.
#[derive(Debug, Default)]
#[repr(align(64))]
struct InFlight(AtomicU32);

/// Runtime state of one endpoint, shared by all workers and the control plane through atomics alone.
#[derive(Debug)]
pub struct EndpointState {
    address: Address,
    slot: u32,
    checked: AtomicU8,
    consecutive_failures: AtomicU32,
    ejected_until_ms: AtomicU64,
    retired: AtomicBool,
    reason: ArcSwapOption<String>,
    in_flight: Box<[InFlight]>,
}

impl EndpointState {
    pub(crate) fn new(address: Address, slot: u32, workers: usize) -> Self {
        Self {
            address,
            slot,
            checked: AtomicU8::new(0),
            consecutive_failures: AtomicU32::new(0),
            ejected_until_ms: AtomicU64::new(0),
            retired: AtomicBool::new(false),
            reason: ArcSwapOption::empty(),
            in_flight: (0..workers).map(|_| InFlight::default()).collect(),
        }
    }

    /// Where it is reached.
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// Small number that is unique among the endpoints alive now; workers index their pools by it.
    pub fn slot(&self) -> u32 {
        self.slot
    }

    /// What active checks last concluded.
    pub fn checked(&self) -> Checked {
        match self.checked.load(Relaxed) {
            1 => Checked::Up,
            2 => Checked::Down,
            _ => Checked::Unchecked,
        }
    }

    /// Records the conclusion of active checks; `reason` says what was seen, for people.
    pub fn conclude(&self, checked: Checked, reason: Option<String>) {
        let code = match checked {
            Checked::Unchecked => 0,
            Checked::Up => 1,
            Checked::Down => 2,
        };
        self.reason.store(reason.map(Arc::new));
        self.checked.store(code, Relaxed);
    }

    /// Why it is not up, in words, if that is known.
    pub fn reason(&self) -> Option<Arc<String>> {
        self.reason.load_full()
    }

    /// Whether it may get traffic at `now_ms` (milliseconds of the process clock).
    pub fn standing(&self, now_ms: u64) -> Standing {
        if self.checked.load(Relaxed) == 2 {
            Standing::Down
        } else if self.ejected_until_ms.load(Relaxed) > now_ms {
            Standing::Ejected
        } else {
            Standing::Available
        }
    }

    /// A request or connection went well: failures start from zero again.
    pub fn succeeded(&self) {
        // Read first: a store on every request would pull the line from worker to worker.
        if self.consecutive_failures.load(Relaxed) != 0 {
            self.consecutive_failures.store(0, Relaxed);
        }
    }

    /// A request or connection failed; returns whether this one makes the endpoint due for ejection.
    pub(crate) fn failed(&self, policy: EjectPolicy) -> bool {
        let failures = self.consecutive_failures.fetch_add(1, Relaxed).saturating_add(1);
        failures >= policy.failures
    }

    pub(crate) fn eject(&self, until_ms: u64, why: &str) {
        self.consecutive_failures.store(0, Relaxed);
        if self.checked() != Checked::Down {
            self.reason.store(Some(Arc::new(why.to_owned())));
        }
        self.ejected_until_ms.store(until_ms, Relaxed);
    }

    /// Requests in flight over all workers; a moment's sum, not a snapshot.
    pub fn in_flight(&self) -> u32 {
        self.in_flight.iter().map(|shard| shard.0.load(Relaxed)).sum()
    }

    /// Counts a request in; only `worker` itself calls this, so that load and store need no lock prefix.
    pub fn began(&self, worker: usize) {
        if let Some(shard) = self.in_flight.get(worker) {
            shard.0.store(shard.0.load(Relaxed).wrapping_add(1), Relaxed);
        }
    }

    /// Counts a request out; pairs with [`Self::began`].
    pub fn ended(&self, worker: usize) {
        if let Some(shard) = self.in_flight.get(worker) {
            shard.0.store(shard.0.load(Relaxed).saturating_sub(1), Relaxed);
        }
    }

    /// No plan names it any more: connections to it are not pooled again.
    pub fn retire(&self) {
        self.retired.store(true, Relaxed);
    }

    /// A plan names it again.
    pub fn revive(&self) {
        self.retired.store(false, Relaxed);
    }

    /// Whether a plan still names it.
    pub fn is_retired(&self) -> bool {
        self.retired.load(Relaxed)
    }
}
