//! One run: what is looked at, in which order, within which bounds.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
    ops::RangeInclusive,
    sync::Arc,
    time::{Instant, SystemTime, UNIX_EPOCH},
};

use portcullis_kernel::{
    inventory::{self, Inventory, Mark, Overflows, Protocol, sockets},
    namespace::Namespace,
    settings::PortSettings,
};
use portcullis_tls::material::Certificate;

use crate::{
    attack::{self, Means},
    bounds::{Bounds, Budget, Stop},
    check::Group,
    estate::Estate,
    inventory::{Beyond, Live, check_overflows},
    outcome::THIS_HOST,
    permit::Permit,
    reach::{self, Vantages},
    report::{Listener, Report},
};

/// What a run does.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Which parts.
    pub groups: Vec<Group>,
    /// How far beyond the estate listeners are reported.
    pub beyond: Beyond,
    /// Further network namespaces to look into, and to try from.
    pub namespaces: Vec<Namespace>,
    /// Addresses to try instead of those of this host; what they belong to is not this host, so its tables say nothing.
    pub targets: Vec<IpAddr>,
    /// How much the run may take.
    pub bounds: Bounds,
    /// A certificate that ports which ask their clients for one accept.
    pub client: Option<Certificate>,
    /// The counters of dropped connections that this run compares with; `None` for those at its beginning.
    pub since: Option<Overflows>,
    /// The process that is the proxy, where it is known; otherwise the one that looks most like it.
    pub proxy: Option<i32>,
    /// Ends the run before its time.
    pub stop: Stop,
}

/// Does it.
pub fn run(estate: &Estate<'_>, file: &str, options: &Options) -> Report {
    let began = Instant::now();
    let before = options.since.unwrap_or_else(overflows);
    let mut report = Report {
        file: file.to_owned(),
        user: portcullis_kernel::who::user(),
        started: SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs()),
        took: began.elapsed(),
        connections: 0,
        outcomes: Vec::new(),
        listeners: Vec::new(),
        unseen: Vec::new(),
        overflows: before,
    };
    let live = look(estate, options, &mut report);
    let wants = |group: Group| options.groups.contains(&group);
    if wants(Group::Inventory) && options.targets.is_empty() {
        report.outcomes.extend(crate::inventory::check(estate, &live, options.beyond, options.proxy));
        report.overflows = overflows();
        report.outcomes.push(check_overflows(before, report.overflows));
    }
    let budget = Arc::new(Budget::new(options.bounds, options.stop.clone()));
    let services = estate.namespaces().into_iter().filter_map(|name| Namespace::named(name).ok());
    let namespaces: Vec<Namespace> = options.namespaces.iter().cloned().chain(services).collect();
    let permit = Permit::new(&namespaces, &options.targets);
    if wants(Group::Reach) {
        let vantages = Vantages {
            namespaces: &options.namespaces,
            inventories: &live.namespaces,
            permit: &permit,
            budget: &budget,
        };
        report.outcomes.extend(reach::check(estate, &vantages));
    }
    if wants(Group::Attack) {
        let means = Means { permit: &permit, budget: &budget, client: options.client.as_ref() };
        report.outcomes.extend(attack::check(estate, &means));
    }
    report.connections = budget.opened();
    report.sort();
    report.took = began.elapsed();
    report
}

/// Reads the tables of this namespace, of those in which services live, and of those that were asked for.
pub fn look(estate: &Estate<'_>, options: &Options, report: &mut Report) -> Live {
    let mut take = |name: &str, namespace: &Namespace| -> Inventory {
        let inventory = sockets(namespace);
        let ephemeral = ephemeral(namespace);
        report.unseen.extend(inventory.unseen.iter().map(|unseen| format!("{name}: {unseen}")));
        report.listeners.extend(Listener::of(name, &inventory, &ephemeral));
        inventory
    };
    let here = take(THIS_HOST, &Namespace::own());
    let mut namespaces: BTreeMap<String, Inventory> = BTreeMap::new();
    for namespace in &options.namespaces {
        namespaces.insert(namespace.to_string(), take(&namespace.to_string(), namespace));
    }
    for name in estate.namespaces() {
        if !namespaces.contains_key(name)
            && let Ok(namespace) = Namespace::named(name)
        {
            namespaces.insert(name.to_owned(), take(name, &namespace));
        }
    }
    Live { here, namespaces, settings: PortSettings::of(&Namespace::own()).ok() }
}

/// What listens anywhere that a run looks, cheaply: when it changes it is worth to look again. UDP clients come and go
/// with every question that this host asks, and are left out.
pub fn marks(estate: &Estate<'_>, options: &Options) -> BTreeSet<Mark> {
    let services = estate.namespaces().into_iter().filter_map(|name| Namespace::named(name).ok());
    let others = options.namespaces.iter().cloned().chain(services);
    let of = |namespace: Namespace| {
        let ephemeral = ephemeral(&namespace);
        let marks = inventory::marks(&namespace).into_iter();
        marks.filter(move |(protocol, address, _)| !is_client(*protocol, address.port(), &ephemeral))
    };
    [Namespace::own()].into_iter().chain(others).flat_map(of).collect()
}

/// A UDP socket without a peer on an ephemeral number is mostly a client, of DNS for one.
pub(crate) fn is_client(protocol: Protocol, number: u16, ephemeral: &RangeInclusive<u16>) -> bool {
    protocol == Protocol::Udp && ephemeral.contains(&number)
}

fn ephemeral(namespace: &Namespace) -> RangeInclusive<u16> {
    PortSettings::of(namespace).map_or(EPHEMERAL, |settings| settings.ephemeral)
}

/// As the kernel has it by default.
const EPHEMERAL: RangeInclusive<u16> = 32_768..=60_999;

fn overflows() -> Overflows {
    inventory::overflows(&Namespace::own()).unwrap_or_default()
}
