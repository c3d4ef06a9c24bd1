//! Keeps the counters across plans and finds all of them when somebody asks.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex, PoisonError, Weak},
};

use super::{
    Buckets, EndpointMetrics, EndpointSnapshot, PortMetrics, PortSnapshot, ProcessMetrics, RouteMetrics, RouteSnapshot,
    ServiceMetrics, ServiceSnapshot, exposition,
};

/// All counters of the process. Registering and reading are for the control plane.
///
/// The same name gives the same counters as long as anything holds them: a plan, or a request that began with an
/// older one. Once nothing does, they are gone from the exposition; when the name comes back, it counts from zero,
/// which Prometheus takes for the restart of a counter.
#[derive(Debug)]
pub struct Registry {
    all: Arc<All>,
    exposition: prometheus_client::registry::Registry,
}

/// What the exposition reads.
#[derive(Debug)]
pub(super) struct All {
    pub(super) workers: usize,
    buckets: Buckets,
    pub(super) process: ProcessMetrics,
    /// By name and role: a port that changes its role is counted anew.
    pub(super) ports: Family<(Box<str>, Box<str>), PortMetrics>,
    /// By port and name.
    pub(super) routes: Family<(Box<str>, Box<str>), RouteMetrics>,
    pub(super) services: Family<Box<str>, ServiceMetrics>,
    /// By service and address.
    pub(super) endpoints: Family<(Box<str>, Box<str>), EndpointMetrics>,
}

impl Registry {
    /// For a process with so many workers and these histogram bounds.
    pub fn new(workers: usize, buckets: Buckets) -> Self {
        let all = Arc::new(All {
            workers,
            buckets,
            process: ProcessMetrics::new(),
            ports: Family::default(),
            routes: Family::default(),
            services: Family::default(),
            endpoints: Family::default(),
        });
        let mut exposition = prometheus_client::registry::Registry::default();
        exposition.register_collector(Box::new(exposition::Exposition::new(Arc::clone(&all))));
        Self { all, exposition }
    }

    /// Number of shards that each set of counters has.
    pub fn workers(&self) -> usize {
        self.all.workers
    }

    /// Bounds of all histograms, fixed for the life of the process; a reload that declares others can only say so.
    pub fn buckets(&self) -> &Buckets {
        &self.all.buckets
    }

    /// Numbers of the whole process.
    pub fn process(&self) -> &ProcessMetrics {
        &self.all.process
    }

    /// Counters of a port.
    pub fn port(&self, name: &str, role: &str) -> Arc<PortMetrics> {
        self.all.ports.entry((name.into(), role.into()), || PortMetrics::new(name, role, self.all.workers))
    }

    /// Counters of a route of a port.
    pub fn route(&self, port: &str, name: &str) -> Arc<RouteMetrics> {
        let make = || RouteMetrics::new(port, name, self.all.workers, &self.all.buckets);
        self.all.routes.entry((port.into(), name.into()), make)
    }

    /// Counters of a service.
    pub fn service(&self, name: &str) -> Arc<ServiceMetrics> {
        self.all.services.entry(name.into(), || ServiceMetrics::new(name, self.all.workers, &self.all.buckets))
    }

    /// Counters of an endpoint of a service.
    pub fn endpoint(&self, service: &str, address: &str) -> Arc<EndpointMetrics> {
        let make = || EndpointMetrics::new(service, address, self.all.workers, &self.all.buckets);
        self.all.endpoints.entry((service.into(), address.into()), make)
    }

    /// Everything as OpenMetrics text; serve it as [`super::CONTENT_TYPE`].
    pub fn encode(&self) -> Result<String, fmt::Error> {
        let mut text = String::with_capacity(64 * 1024);
        prometheus_client::encoding::text::encode(&mut text, &self.exposition)?;
        Ok(text)
    }

    /// All ports, by name.
    pub fn port_snapshots(&self) -> Vec<PortSnapshot> {
        self.all.ports.read(PortMetrics::snapshot)
    }

    /// All routes, by port and name.
    pub fn route_snapshots(&self) -> Vec<RouteSnapshot> {
        self.all.routes.read(RouteMetrics::snapshot)
    }

    /// All services, by name.
    pub fn service_snapshots(&self) -> Vec<ServiceSnapshot> {
        self.all.services.read(ServiceMetrics::snapshot)
    }

    /// All endpoints, by service and address.
    pub fn endpoint_snapshots(&self) -> Vec<EndpointSnapshot> {
        self.all.endpoints.read(EndpointMetrics::snapshot)
    }
}

/// Everything of one kind that somebody holds.
#[derive(Debug)]
pub(super) struct Family<K, M>(Mutex<Known<K, M>>);

#[derive(Debug)]
struct Known<K, M> {
    metrics: BTreeMap<K, Weak<M>>,
    /// The dead are swept out once there are so many entries: twice what was left the last time, so that a plan with
    /// a hundred thousand routes is not searched for each of them.
    sweep_at: usize,
}

impl<K, M> Default for Family<K, M> {
    fn default() -> Self {
        Self(Mutex::new(Known { metrics: BTreeMap::new(), sweep_at: FIRST_SWEEP }))
    }
}

const FIRST_SWEEP: usize = 64;

impl<K: Ord, M> Family<K, M> {
    fn entry(&self, key: K, make: impl FnOnce() -> M) -> Arc<M> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(held) = known.metrics.get(&key).and_then(Weak::upgrade) {
            return held;
        }
        if known.metrics.len() >= known.sweep_at {
            known.metrics.retain(|_, metrics| metrics.strong_count() > 0);
            known.sweep_at = FIRST_SWEEP.max(known.metrics.len() * 2);
        }
        let new = Arc::new(make());
        known.metrics.insert(key, Arc::downgrade(&new));
        new
    }

    /// Reads all that is held, in the order of the keys.
    pub(super) fn read<S>(&self, snapshot: impl Fn(&M) -> S) -> Vec<S> {
        // Collected first: reading the shards of a hundred thousand routes must not keep a reload waiting.
        let held: Vec<_> = {
            let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            known.metrics.values().filter_map(Weak::upgrade).collect()
        };
        held.iter().map(|metrics| snapshot(metrics)).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn counters_live_as_long_as_somebody_holds_them() {
        let registry = Registry::new(2, Buckets::default());
        let old_plan = registry.port("web", "public");
        old_plan.shard(0).requests.add(3);
        let new_plan = registry.port("web", "public");
        drop(old_plan);
        assert_eq!(new_plan.snapshot().requests, 3);
        drop(new_plan);
        assert_eq!(registry.port_snapshots(), []);
        assert_eq!(registry.port("web", "public").snapshot().requests, 0);
    }

    #[test]
    fn names_that_are_gone_take_no_room_for_long() {
        let registry = Registry::new(1, Buckets::default());
        let _held = registry.service("shop");
        for number in 0..10_000 {
            registry.service(&number.to_string());
        }
        assert!(registry.all.services.0.lock().unwrap().metrics.len() <= FIRST_SWEEP);
    }

    #[test]
    fn workers_add_up_and_names_are_kept_apart() {
        let registry = Registry::new(3, Buckets::default());
        let (one, other) = (registry.route("web", "shop"), registry.route("mesh", "shop"));
        for worker in 0..3 {
            one.shard(worker).finished(Some(200), Duration::from_millis(2));
        }
        other.shard(2).finished(None, Duration::from_mins(5));
        let [mesh, web] = registry.route_snapshots().try_into().unwrap();
        assert_eq!((&*mesh.port, mesh.finished["none"], mesh.response_time.count), ("mesh", 1, 0));
        assert_eq!((&*web.port, web.finished["2xx"], web.response_time.count), ("web", 3, 3));
    }
}
