//! Host names of endpoints, and where they lead.
//!
//! A name that stops resolving keeps the addresses that it had: a name server that is down must not take services down
//! that are up.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs, UdpSocket},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering::Relaxed},
        mpsc,
    },
    thread,
    time::{Duration, Instant, SystemTime},
};

use portcullis_config::declared::{Declared, EndpointAddress};

/// For all names of one look-up together.
const LOOK_UP_TIME: Duration = Duration::from_secs(10);
/// Look-ups at the same time. One that hangs can not be broken off, so those of earlier rounds count too.
const AT_ONCE: usize = 64;

/// Where the names of a declaration lead.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Names(BTreeMap<String, ResolvedName>);

/// Where one name leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResolvedName {
    /// All its addresses, IPv4 first; of a family for which this host has no route only if there is no other. As they
    /// were last known if it does not resolve now; empty if it never did.
    pub addresses: Vec<IpAddr>,
    /// Why it does not resolve now, and since when.
    pub failure: Option<(String, SystemTime)>,
}

/// What is known of names, across plans.
#[derive(Debug, Default)]
pub struct NameRegistry(Mutex<Arc<Names>>);

impl NameRegistry {
    /// What was last learned.
    pub fn known(&self) -> Arc<Names> {
        Arc::clone(&self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Replaces it.
    pub fn learned(&self, names: Arc<Names>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = names;
    }
}

impl Names {
    /// Looks up every host name among the endpoints. Blocks, but no longer than ten seconds.
    pub fn of(declared: &Declared, before: &Self) -> Self {
        let endpoints = declared.services.iter().flat_map(|service| &service.endpoints);
        let hosts = endpoints.filter_map(|endpoint| match &endpoint.address {
            EndpointAddress::Name { host, .. } => Some(host.clone()),
            EndpointAddress::Tcp(_) | EndpointAddress::Unix(_) => None,
        });
        Self::look_up(hosts.collect(), before)
    }

    /// The same with what is newly known of these names; names that are not among them are not added.
    #[must_use]
    pub fn with(&self, newer: &Self) -> Self {
        let name = |(host, name): (&String, &ResolvedName)| (host.clone(), newer.0.get(host).unwrap_or(name).clone());
        Self(self.0.iter().map(name).collect())
    }

    /// Looks these names up. Blocks, but no longer than ten seconds.
    pub fn look_up(hosts: BTreeSet<String>, before: &Self) -> Self {
        let mut found = in_parallel(&hosts, LOOK_UP_TIME, addresses_of);
        let now = SystemTime::now();
        let resolved = hosts.into_iter().map(|host| {
            let late = || Err(format!("no answer within {LOOK_UP_TIME:?}"));
            let name = match (found.remove(&host).unwrap_or_else(late), before.get(&host)) {
                (Ok(addresses), _) => ResolvedName { addresses, failure: None },
                (Err(why), before) => {
                    let since = before.and_then(|name| name.failure.as_ref()).map_or(now, |(_, since)| *since);
                    let addresses = before.map(|name| name.addresses.clone()).unwrap_or_default();
                    ResolvedName { addresses, failure: Some((why, since)) }
                }
            };
            (host, name)
        });
        Self(resolved.collect())
    }

    /// What is known of this name.
    pub fn get(&self, host: &str) -> Option<&ResolvedName> {
        self.0.get(host)
    }

    /// All of them, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &ResolvedName)> {
        self.0.iter().map(|(host, name)| (host.as_str(), name))
    }

    /// Whether every name leads to the same addresses.
    pub fn leads_as(&self, other: &Self) -> bool {
        let is_same =
            |((host, name), (other_host, other_name)): ((&String, &ResolvedName), (&String, &ResolvedName))| {
                host == other_host && name.addresses == other_name.addresses
            };
        self.0.len() == other.0.len() && self.0.iter().zip(&other.0).all(is_same)
    }
}

type Found = Result<Vec<IpAddr>, String>;

/// Look-ups that have not come back yet.
static UNDER_WAY: AtomicUsize = AtomicUsize::new(0);

/// Asks for each host on a thread of its own, as far as there are some to be had; what has not come `within` that time
/// is missing in the result.
fn in_parallel(hosts: &BTreeSet<String>, within: Duration, ask: fn(&str) -> Found) -> BTreeMap<String, Found> {
    let deadline = Instant::now() + within;
    let queue = Arc::new(Mutex::new(hosts.iter().cloned().collect::<Vec<_>>()));
    let (found, results) = mpsc::channel();
    for _ in 0..hosts.len().min(AT_ONCE.saturating_sub(UNDER_WAY.load(Relaxed))) {
        let (queue, found) = (Arc::clone(&queue), found.clone());
        UNDER_WAY.fetch_add(1, Relaxed);
        let work = move || {
            while Instant::now() < deadline {
                let Some(host) = queue.lock().unwrap_or_else(PoisonError::into_inner).pop() else { break };
                let addresses = ask(&host);
                // Nobody waits any more for what comes too late.
                let _ = found.send((host, addresses));
            }
            UNDER_WAY.fetch_sub(1, Relaxed);
        };
        if thread::Builder::new().name("names".into()).spawn(work).is_err() {
            UNDER_WAY.fetch_sub(1, Relaxed);
            break;
        }
    }
    drop(found);
    let mut all = BTreeMap::new();
    while let Ok((host, addresses)) = results.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
        all.insert(host, addresses);
    }
    all
}

/// What the system's resolver says (`/etc/hosts`, DNS, whatever `nsswitch.conf` names).
fn addresses_of(host: &str) -> Found {
    let found = (host, 0).to_socket_addrs().map_err(|error| error.to_string())?;
    let mut addresses: Vec<IpAddr> = found.map(|address| address.ip().to_canonical()).collect();
    addresses.sort_unstable();
    addresses.dedup();
    let (mut with_route, without): (Vec<IpAddr>, Vec<IpAddr>) =
        addresses.into_iter().partition(|address| has_route(*address));
    if with_route.is_empty() {
        with_route = without;
    }
    if with_route.is_empty() { Err("the name has no address".to_owned()) } else { Ok(with_route) }
}

/// Whether this host knows a way to that address. Nothing is sent: connecting a UDP socket only asks for the route.
fn has_route(address: IpAddr) -> bool {
    let own: IpAddr = if address.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    UdpSocket::bind((own, 0)).and_then(|socket| socket.connect(SocketAddr::new(address, 9))).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hosts(names: &[&str]) -> BTreeSet<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn a_name_leads_to_all_its_addresses() {
        let names = Names::look_up(hosts(&["localhost"]), &Names::default());
        let localhost = names.get("localhost").unwrap();
        assert!(localhost.addresses.contains(&Ipv4Addr::LOCALHOST.into()), "{localhost:?}");
        assert!(localhost.addresses.iter().all(IpAddr::is_loopback) && localhost.failure.is_none(), "{localhost:?}");
    }

    #[test]
    fn a_name_that_does_not_resolve_keeps_what_it_had_and_says_since_when() {
        let nowhere = "nowhere.invalid";
        let first = Names::look_up(hosts(&[nowhere]), &Names::default());
        assert_eq!(first.get(nowhere).unwrap().addresses, [] as [IpAddr; 0]);
        let had = ResolvedName { addresses: vec![[10, 0, 0, 7].into()], failure: None };
        let before = Names(BTreeMap::from([(nowhere.to_owned(), had.clone())]));
        let second = before.with(&Names::look_up(hosts(&[nowhere, "localhost"]), &before));
        assert_eq!(second.get("localhost"), None, "nobody asked for it");
        let name = second.get(nowhere).unwrap();
        assert_eq!(name.addresses, had.addresses);
        let since = name.failure.as_ref().unwrap().1;
        assert!(second.leads_as(&before) && second != before);
        let third = second.with(&Names::look_up(hosts(&[nowhere]), &second));
        assert_eq!(third.get(nowhere).unwrap().failure.as_ref().unwrap().1, since);
        assert_eq!(second.with(&Names::default()), second);
    }

    #[test]
    fn a_look_up_that_hangs_holds_up_nobody() {
        let ask = |host: &str| -> Found {
            if host.starts_with("slow") {
                thread::sleep(Duration::from_secs(2));
            }
            Ok(vec![Ipv4Addr::LOCALHOST.into()])
        };
        let began = Instant::now();
        let found = in_parallel(&hosts(&["a", "slow-b", "c"]), Duration::from_millis(500), ask);
        assert!(began.elapsed() < Duration::from_millis(1900), "{:?}", began.elapsed());
        assert_eq!(found.keys().collect::<Vec<_>>(), ["a", "c"]);
    }
}
