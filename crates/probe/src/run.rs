//! One run: what is looked at, in which order, within which bounds.

use std::{
    collections::BTreeMap,
    time::{Instant, SystemTime, UNIX_EPOCH},
};

use portcullis_kernel::{
    inventory::{self, Inventory, Overflows, sockets},
    namespace::Namespace,
    settings::PortSettings,
};

use crate::{
    check::Group,
    estate::Estate,
    inventory::{Beyond, Live, check_overflows},
    outcome::THIS_HOST,
    report::{Listener, Report},
};

/// What a run does.
#[derive(Debug, Clone)]
pub struct Options {
    /// Which parts.
    pub groups: Vec<Group>,
    /// How far beyond the estate listeners are reported.
    pub beyond: Beyond,
    /// Further network namespaces to look into.
    pub namespaces: Vec<Namespace>,
}

/// Does it.
pub fn run(estate: &Estate<'_>, file: &str, options: &Options) -> Report {
    let began = Instant::now();
    let before = overflows();
    let mut report = Report {
        file: file.to_owned(),
        user: portcullis_kernel::who::user(),
        started: SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs()),
        took: began.elapsed(),
        connections: 0,
        outcomes: Vec::new(),
        listeners: Vec::new(),
        unseen: Vec::new(),
    };
    let live = look(estate, options, &mut report);
    if options.groups.contains(&Group::Inventory) {
        report.outcomes.extend(crate::inventory::check(estate, &live, options.beyond));
        report.outcomes.push(check_overflows(before, overflows()));
    }
    report.sort();
    report.took = began.elapsed();
    report
}

/// Reads the tables of this namespace, of those in which services live, and of those that were asked for.
pub fn look(estate: &Estate<'_>, options: &Options, report: &mut Report) -> Live {
    let mut take = |name: &str, namespace: &Namespace| -> Inventory {
        let inventory = sockets(namespace);
        report.unseen.extend(inventory.unseen.iter().map(|unseen| format!("{name}: {unseen}")));
        report.listeners.extend(Listener::of(name, &inventory));
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

fn overflows() -> Overflows {
    inventory::overflows(&Namespace::own()).unwrap_or_default()
}
