//! Bounds on open connections: in all, per port, per source (invariant 10). Past a bound the newest are refused.
//!
//! Shared by all workers, because the kernel spreads one source's connections over them; touched once when a
//! connection opens and once when it closes, never by a request.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU32, Ordering::Relaxed},
    },
};

use portcullis_config::declared::ListenAddress;
use portcullis_observe::Termination;
use portcullis_plan::PortLimits;

/// The open connections of the process.
#[derive(Debug)]
pub(crate) struct Admission {
    total: AtomicU32,
    ports: Mutex<HashMap<ListenAddress, Arc<PortGate>>>,
}

/// The open connections of one port; outlives plans.
#[derive(Debug)]
pub(crate) struct PortGate {
    open: AtomicU32,
    /// Sharded by source, so that workers seldom meet.
    sources: [Mutex<HashMap<u128, u32>>; SHARDS],
}

const SHARDS: usize = 16;

/// The right to be open; dropping it makes room.
#[derive(Debug)]
pub(crate) struct Place {
    admission: Arc<Admission>,
    gate: Arc<PortGate>,
    source: u128,
}

impl Admission {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self { total: AtomicU32::new(0), ports: Mutex::default() })
    }

    /// Client connections open now.
    pub(crate) fn open(&self) -> u32 {
        self.total.load(Relaxed)
    }

    /// The gate of the port that listens here.
    pub(crate) fn gate(&self, listen: &ListenAddress) -> Arc<PortGate> {
        let mut ports = self.ports.lock().unwrap_or_else(PoisonError::into_inner);
        let new = || Arc::new(PortGate { open: AtomicU32::new(0), sources: Default::default() });
        Arc::clone(ports.entry(listen.clone()).or_insert_with(new))
    }

    /// A place for one more connection, or which bound is reached.
    pub(crate) fn enter(
        self: &Arc<Self>,
        gate: &Arc<PortGate>,
        source: IpAddr,
        limits: &PortLimits,
        in_all: u32,
    ) -> Result<Place, Termination> {
        // Each count is taken before it is judged, so that two workers can not both take the last place. The place
        // gives everything back when it is dropped, also on the early returns.
        let key = source_key(source);
        let place = Place { admission: Arc::clone(self), gate: Arc::clone(gate), source: key };
        let total = self.total.fetch_add(1, Relaxed);
        let on_port = gate.open.fetch_add(1, Relaxed);
        let of_source = {
            let mut shard = gate.shard(key).lock().unwrap_or_else(PoisonError::into_inner);
            let count = shard.entry(key).or_insert(0);
            *count += 1;
            *count
        };
        if total >= in_all {
            Err(Termination::RefusedLimitProcess)
        } else if on_port >= limits.connections {
            Err(Termination::RefusedLimitPort)
        } else if of_source > limits.connections_per_source {
            Err(Termination::RefusedLimitSource)
        } else {
            Ok(place)
        }
    }
}

impl PortGate {
    fn shard(&self, key: u128) -> &Mutex<HashMap<u128, u32>> {
        let mixed = (key as u64) ^ ((key >> 64) as u64);
        &self.sources[(mixed.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 60) as usize % SHARDS]
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.admission.total.fetch_sub(1, Relaxed);
        self.gate.open.fetch_sub(1, Relaxed);
        let mut shard = self.gate.shard(self.source).lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = shard.get_mut(&self.source) {
            *count -= 1;
            if *count == 0 {
                shard.remove(&self.source);
            }
        }
    }
}

/// An IPv4 address is one source; of IPv6 a /64 is, since a single host commands one.
fn source_key(source: IpAddr) -> u128 {
    match source.to_canonical() {
        IpAddr::V4(address) => u128::from(address.to_bits()),
        IpAddr::V6(address) => (address.to_bits() >> 64) << 64,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_bound_refuses_the_newest_and_makes_room_again() {
        let admission = Admission::new();
        let gate = admission.gate(&ListenAddress::Tcp(([127, 0, 0, 1], 1).into()));
        let limits = PortLimits {
            connections: 3,
            connections_per_source: 2,
            head_bytes: 0,
            headers: 0,
            target_bytes: 0,
            body_bytes: None,
            minimum_rate: 0,
        };
        let (one, two): (IpAddr, IpAddr) = ([127, 0, 0, 1].into(), [127, 0, 0, 2].into());
        let first = admission.enter(&gate, one, &limits, 10).unwrap();
        let _second = admission.enter(&gate, one, &limits, 10).unwrap();
        assert_eq!(admission.enter(&gate, one, &limits, 10).unwrap_err(), Termination::RefusedLimitSource);
        let _third = admission.enter(&gate, two, &limits, 10).unwrap();
        assert_eq!(admission.enter(&gate, two, &limits, 10).unwrap_err(), Termination::RefusedLimitPort);
        assert_eq!(admission.enter(&gate, two, &limits, 3).unwrap_err(), Termination::RefusedLimitProcess);
        drop(first);
        assert!(admission.enter(&gate, one, &limits, 10).is_ok());
        assert_eq!(admission.open(), 2);
    }
}
