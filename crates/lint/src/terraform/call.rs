//! A root module and all modules of these files that it calls, each with the values that it is given.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    path::{Path, PathBuf},
    rc::Rc,
};

use super::{
    load::{Folder, called_folder},
    module::{Module, given_by},
    resource::{Resource, instances, resources as resources_of},
    usage::used,
    value::Term,
};

/// Modules within modules.
const MAX_DEPTH: usize = 4;
/// Calls beneath one root.
const MAX_CALLS: usize = 400;

/// What a root module and those that it calls make.
#[derive(Debug, Default)]
pub(super) struct Called {
    pub(super) resources: Vec<Resource>,
    /// Addresses of resources that something uses.
    pub(super) named: HashSet<String>,
    /// Addresses of resources that are used where it cannot be followed.
    pub(super) escaping: HashSet<String>,
}

/// All that a root module makes.
pub(super) fn resources(folders: &BTreeMap<PathBuf, Folder>, root: &Path) -> Called {
    let Some(folder) = folders.get(root) else { return Called::default() };
    let mut given: HashMap<Rc<str>, Term> = HashMap::new();
    for file in &folder.values {
        given.extend(given_by(file));
    }
    let mut calling = Calling { folders, called: Called::default(), calls: 0 };
    calling.module(String::new(), root, given, MAX_DEPTH, Wanted::Everything);
    calling.called
}

/// What is wanted of a called module.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wanted {
    Outputs,
    Everything,
}

struct Calling<'a> {
    folders: &'a BTreeMap<PathBuf, Folder>,
    called: Called,
    calls: usize,
}

impl Calling<'_> {
    fn module(
        &mut self,
        path: String,
        folder: &Path,
        given: HashMap<Rc<str>, Term>,
        depth: usize,
        wanted: Wanted,
    ) -> HashMap<String, Term> {
        let Some(files) = self.folders.get(folder).map(|folder| folder.files.as_slice()) else { return HashMap::new() };
        let module = Module::new(path, files, given);
        // What one call puts out may be what another is given, whichever stands first in the files.
        self.calls_of(&module, folder, depth, Wanted::Outputs);
        if wanted == Wanted::Everything {
            self.calls_of(&module, folder, depth, Wanted::Everything);
            self.called.resources.extend(resources_of(&module, is_of_interest));
            let used = used(files);
            let full = |address: String| format!("{}{address}", module.path);
            self.called.named.extend(used.anywhere.into_iter().map(full));
            self.called.escaping.extend(used.outside.into_iter().map(full));
        }
        module.put_out()
    }

    fn calls_of(&mut self, module: &Module<'_>, folder: &Path, depth: usize, wanted: Wanted) {
        for placed in module.blocks("module") {
            let Some(name) = placed.block.labels.first().map(|label| label.as_str().to_owned()) else { continue };
            let mut calls = Vec::new();
            instances(module, placed, |instance, body| calls.push((instance, body)));
            for (instance, body) in calls {
                self.calls += 1;
                let source = body.text("source").and_then(|source| called_folder(folder, &source));
                let Some(source) = source.filter(|_| depth > 0 && self.calls <= MAX_CALLS) else { continue };
                let given = body.value.as_map().into_iter().flatten().cloned().collect();
                let of = instance.map(|instance| format!("[{instance}]")).unwrap_or_default();
                let path = format!("{}module.{name}{of}.", module.path);
                let outputs = self.module(path, &source, given, depth - 1, wanted);
                module.remember(&name, outputs);
            }
        }
    }
}

/// Kinds of resources that say something about ports.
fn is_of_interest(kind: &str) -> bool {
    const PROVIDERS: [&str; 9] =
        ["aws", "azurerm", "google", "digitalocean", "hcloud", "linode", "openstack", "alicloud", "oci"];
    kind.split('_').next().is_some_and(|provider| PROVIDERS.contains(&provider))
}
