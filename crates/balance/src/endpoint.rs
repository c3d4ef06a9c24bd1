//! What is known of one endpoint while the process runs.

use std::{
    fmt,
    net::SocketAddr,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
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

/// What went wrong on real traffic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Nobody was reached. A health check that reaches somebody proves that it is over.
    Unreachable,
    /// Somebody was reached, and did not serve. A health check may pass all the while.
    Unserved,
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
    /// Whether the last fault on real traffic was [`Fault::Unreachable`].
    was_unreachable: AtomicBool,
    /// Milliseconds since 1970.
    ejected_at: AtomicU64,
    /// When the conclusion of active checks last changed, milliseconds since 1970.
    checked_at: AtomicU64,
    retired: AtomicBool,
    /// Why active checks concluded that it is down.
    check_failure: ArcSwapOption<String>,
    /// The first of the failures in a row on real traffic, or that for which it was ejected.
    traffic_failure: ArcSwapOption<String>,
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
            was_unreachable: AtomicBool::new(false),
            ejected_at: AtomicU64::new(0),
            checked_at: AtomicU64::new(wall_clock_ms()),
            retired: AtomicBool::new(false),
            check_failure: ArcSwapOption::empty(),
            traffic_failure: ArcSwapOption::empty(),
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
        self.check_failure.store(reason.map(Arc::new));
        if self.checked.swap(code, Relaxed) != code {
            self.checked_at.store(wall_clock_ms(), Relaxed);
        }
    }

    /// Why it is not up, in words, if that is known: what active checks found or, where they found nothing, what went
    /// wrong with real traffic.
    pub fn reason(&self) -> Option<Arc<String>> {
        match self.checked() {
            Checked::Down => self.check_failure.load_full(),
            Checked::Up | Checked::Unchecked => self.traffic_failure.load_full(),
        }
    }

    /// Since when it has the standing that it has at `now_ms` (milliseconds of the process clock).
    pub fn since(&self, now_ms: u64) -> SystemTime {
        let checked_at = at(self.checked_at.load(Relaxed));
        let ejected_until = self.ejected_until_ms.load(Relaxed);
        match self.standing(now_ms) {
            Standing::Down => checked_at,
            Standing::Ejected => at(self.ejected_at.load(Relaxed)),
            Standing::Available if ejected_until == 0 => checked_at,
            // Back since the ejection was over, unless checks brought it back later.
            Standing::Available => {
                let back_for = Duration::from_millis(now_ms.saturating_sub(ejected_until));
                checked_at.max(SystemTime::now() - back_for)
            }
        }
    }

    /// Failures in a row on real traffic, since the last success or ejection.
    pub fn consecutive_failures(&self) -> u32 {
        self.consecutive_failures.load(Relaxed)
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
    pub(crate) fn failed(&self, policy: EjectPolicy, fault: Fault, why: &str) -> bool {
        self.was_unreachable.store(fault == Fault::Unreachable, Relaxed);
        let failures = self.consecutive_failures.fetch_add(1, Relaxed).saturating_add(1);
        if failures == 1 {
            self.traffic_failure.store(Some(Arc::new(why.to_owned())));
        }
        failures >= policy.failures
    }

    pub(crate) fn eject(&self, until_ms: u64, why: &str) {
        self.consecutive_failures.store(0, Relaxed);
        self.traffic_failure.store(Some(Arc::new(why.to_owned())));
        self.ejected_at.store(wall_clock_ms(), Relaxed);
        self.ejected_until_ms.store(until_ms, Relaxed);
    }

    /// A health check has reached it at `now_ms` (milliseconds of the process clock): if it was out because nobody was
    /// reached, it is back, and what was said of it is no longer true.
    pub fn reached(&self, now_ms: u64) {
        if !self.was_unreachable.swap(false, Relaxed) {
            return;
        }
        self.consecutive_failures.store(0, Relaxed);
        self.traffic_failure.store(None);
        self.ejected_until_ms.fetch_min(now_ms, Relaxed);
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

/// Milliseconds since 1970: what people compare with other logs. Asked for when a standing changes, not on the way of a
/// request.
fn wall_clock_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

fn at(wall_clock_ms: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_millis(wall_clock_ms)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn endpoint() -> EndpointState {
        EndpointState::new(Address::Tcp(([127, 0, 0, 1], 3000).into()), 0, 1)
    }

    #[test]
    fn the_reason_is_that_of_the_standing() {
        let (endpoint, policy) = (endpoint(), EjectPolicy { failures: 2, duration_ms: 1000 });
        let reason = |endpoint: &EndpointState| endpoint.reason().map(|reason| reason.to_string());
        assert_eq!(reason(&endpoint), None);
        endpoint.failed(policy, Fault::Unserved, "reset");
        assert_eq!((reason(&endpoint).as_deref(), endpoint.consecutive_failures()), (Some("reset"), 1));
        endpoint.eject(1000, "reset again");
        endpoint.conclude(Checked::Down, Some("nobody listens".into()));
        assert_eq!(reason(&endpoint).as_deref(), Some("nobody listens"));
        // What was ejected before stays so for its time, and its own reason is told again.
        endpoint.conclude(Checked::Up, None);
        assert_eq!((endpoint.standing(0), reason(&endpoint).as_deref()), (Standing::Ejected, Some("reset again")));
    }

    #[test]
    fn a_check_that_reaches_it_ends_what_only_held_while_nobody_did() {
        for (fault, standing, reason) in [
            (Fault::Unreachable, Standing::Available, None),
            (Fault::Unserved, Standing::Ejected, Some("refused".to_owned())),
        ] {
            let endpoint = endpoint();
            assert!(endpoint.failed(EjectPolicy { failures: 1, duration_ms: 1000 }, fault, "refused"));
            endpoint.eject(1000, "refused");
            assert_eq!(endpoint.standing(500), Standing::Ejected);
            endpoint.reached(500);
            assert_eq!(endpoint.standing(500), standing, "{fault:?}");
            assert_eq!(endpoint.reason().map(|reason| reason.to_string()), reason, "{fault:?}");
        }
    }

    #[test]
    fn a_standing_lasts_while_only_its_reason_changes() {
        let endpoint = endpoint();
        endpoint.conclude(Checked::Down, Some("no answer".into()));
        let since = endpoint.since(0);
        while SystemTime::now() <= since + Duration::from_millis(2) {
            std::thread::yield_now();
        }
        endpoint.conclude(Checked::Down, Some("nobody listens".into()));
        assert_eq!(endpoint.since(0), since);
        endpoint.conclude(Checked::Up, None);
        assert!(endpoint.since(0) > since);
    }

    #[test]
    fn an_ejection_begins_now_and_what_follows_begins_with_its_end() {
        let endpoint = endpoint();
        let before = SystemTime::now() - Duration::from_millis(1);
        endpoint.eject(1000, "reset");
        assert!(endpoint.since(500) >= before);
        let back = SystemTime::now() - Duration::from_secs(4);
        assert_eq!(endpoint.standing(5000), Standing::Available);
        assert!(endpoint.since(5000) >= back, "and not before it was known at all");
    }
}
