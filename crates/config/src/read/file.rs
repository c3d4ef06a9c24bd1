//! One file: which keys the top has, and how the files of one configuration come together.

use std::collections::{HashMap, hash_map};

use super::{audit, grants, identity, mistake::Mistake, port, probe, reader::Reader, route, service, settings, values};
use crate::{
    declared::{Declared, Range, RangeAccept},
    finding::{Finding, Findings},
    rule::RuleId,
    span::{Span, Spanned},
    yaml::Node,
};

/// Keys that one file alone may give.
const SETTINGS: [&str; 10] =
    ["defaults", "limits", "log", "metrics", "admin", "identity", "audit", "grants", "probe", "workers"];

/// Collects what all files declare. Names and settings that two files give are reported with both places.
#[derive(Debug, Default)]
pub(crate) struct FileReader {
    pub(crate) declared: Declared,
    names: HashMap<(Kind, String), Span>,
    settings: HashMap<&'static str, Span>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Kind {
    Range,
    Port,
    Service,
    Route,
}

impl Kind {
    fn word(self) -> &'static str {
        match self {
            Self::Range => "range",
            Self::Port => "port",
            Self::Service => "service",
            Self::Route => "route",
        }
    }
}

impl FileReader {
    /// Reads one file into what is declared so far; returns what it includes.
    pub(crate) fn read(&mut self, reader: &mut Reader<'_>, root: &Node<'_>) -> Vec<Spanned<String>> {
        let includes = reader.mapping(root, "File", "the file", |map| {
            let includes = map.values("include", include_pattern);
            self.declared.assertions.extend(map.values("assert", |text| Ok(text.to_owned())));
            let mut are_mappings = true;
            if let Some(node) = map.node("ranges") {
                are_mappings &= map.reader.entries(node, |reader, name, node| self.range(reader, name, node));
            }
            if let Some(node) = map.node("ports") {
                are_mappings &= map.reader.entries(node, |reader, name, node| self.port(reader, name, node));
            }
            if let Some(node) = map.node("services") {
                are_mappings &= map.reader.entries(node, |reader, name, node| self.service(reader, name, node));
            }
            if let Some(node) = map.node("routes") {
                self.routes(map.reader, node);
            }
            for (key, span) in map.present(&SETTINGS) {
                self.setting(map.reader, key, span);
            }
            let declared = &mut self.declared;
            replace(&mut declared.defaults, map.optional("defaults", settings::defaults));
            replace(&mut declared.limits, map.optional("limits", settings::process_limits));
            replace(&mut declared.log, map.optional("log", settings::log));
            replace(&mut declared.metrics, map.optional("metrics", settings::metrics));
            replace(&mut declared.probe, map.optional("probe", probe::probe));
            replace(&mut declared.identity, map.optional("identity", identity::identity));
            replace(&mut declared.grants, map.optional("grants", grants::grants));
            if let Some(audit) = map.optional("audit", audit::audit) {
                declared.audit = Some(audit);
            }
            let directory = map.reader.directory;
            declared.policies.extend(map.values("policies", |text| policy_file(text, directory)));
            if let Some(Spanned { value: (admin, is_token_unreadable), .. }) = map.optional("admin", settings::admin) {
                declared.admin = admin;
                declared.unreadable.token |= is_token_unreadable;
            }
            if let Some(workers) = map.value("workers", settings::workers) {
                declared.workers = Some(workers);
            }
            // A misspelt section is a missing one.
            declared.unreadable.sections |= !are_mappings || map.may_have_misspelt_keys();
            includes
        });
        self.declared.unreadable.sections |= includes.is_none();
        includes.unwrap_or_default()
    }

    fn range(&mut self, reader: &mut Reader<'_>, name: Spanned<String>, node: &Node<'_>) {
        if !self.claim(reader.findings, Kind::Range, &name) {
            return;
        }
        let what = format!("range `{}`", *name);
        let unreadable = name.value.clone();
        let range = reader.mapping(node, "Range", &what, |map| {
            let ports = map.required("ports", values::port_span);
            let pinned = map.value("pinned", values::port_span);
            let reserve = map.values("reserve", values::port_span);
            let accept = map.optional("accept", range_accept).map(|accept| accept.value).unwrap_or_default();
            Some(Range { name, ports: ports?, pinned, reserve, accept })
        });
        match range.flatten() {
            Some(range) => self.declared.ranges.push(range),
            None => self.declared.unreadable.ranges.push(unreadable),
        }
    }

    fn port(&mut self, reader: &mut Reader<'_>, name: Spanned<String>, node: &Node<'_>) {
        if !self.claim(reader.findings, Kind::Port, &name) {
            return;
        }
        match port::port(reader, name.clone(), node) {
            Some(port) => self.declared.ports.push(port),
            None => self.declared.unreadable.ports.push(name.value),
        }
    }

    fn service(&mut self, reader: &mut Reader<'_>, name: Spanned<String>, node: &Node<'_>) {
        if !self.claim(reader.findings, Kind::Service, &name) {
            return;
        }
        match service::service(reader, name.clone(), node) {
            Some(service) => self.declared.services.push(service),
            None => self.declared.unreadable.services.push(name.value),
        }
    }

    fn routes(&mut self, reader: &mut Reader<'_>, node: &Node<'_>) {
        let unreadable = &mut self.declared.unreadable.routes;
        let routes = reader.list(node, |reader, item| {
            route::route(reader, item).map_err(|references| unreadable.push(references)).ok()
        });
        for route in routes {
            if let Some(name) = &route.name {
                self.claim(reader.findings, Kind::Route, name);
            }
            self.declared.routes.push(route.value);
        }
    }

    /// Whether the name is well formed and still free.
    fn claim(&mut self, findings: &mut Findings, kind: Kind, name: &Spanned<String>) -> bool {
        if let Err(mistake) = values::name(name) {
            let message = format!("`{}` {}", name.escape_debug(), mistake.message);
            findings
                .push(Finding::new(mistake.rule, name.span, message).label(format!("expected {}", mistake.expected)));
            self.declared.unreadable.sections = true;
            return false;
        }
        match self.names.entry((kind, name.value.clone())) {
            hash_map::Entry::Occupied(first) => {
                let message = format!("{} `{}` is declared twice", kind.word(), **name);
                findings.push(
                    Finding::new(RuleId::DuplicateName, name.span, message)
                        .label("again here")
                        .related(*first.get(), "first declared here"),
                );
                false
            }
            hash_map::Entry::Vacant(slot) => {
                slot.insert(name.span);
                true
            }
        }
    }

    /// A setting is given in one file only: which one would count is not to be guessed.
    fn setting(&mut self, reader: &mut Reader<'_>, key: &'static str, span: Span) {
        match self.settings.get(key) {
            Some(first) => {
                let finding = Finding::new(RuleId::DuplicateName, span, format!("`{key}` is given in two files"))
                    .label("again here")
                    .related(*first, "first given here");
                reader.findings.push(finding);
            }
            None => {
                self.settings.insert(key, span);
            }
        }
    }
}

/// The path of a file with Cedar policies.
fn policy_file(text: &str, directory: &std::path::Path) -> Result<std::path::PathBuf, Mistake> {
    if text.is_empty() || text.contains('\0') {
        return Err(Mistake::new("is not a path", "the path of a file with Cedar policies, such as access.cedar"));
    }
    Ok(directory.join(text))
}

/// `accept: { node-ports: "why" }`
fn range_accept(reader: &mut Reader<'_>, node: &Node<'_>) -> Option<RangeAccept> {
    reader.mapping(node, "RangeAccept", "`accept` of a range", |map| RangeAccept {
        node_ports: map.value("node-ports", values::reason),
    })
}

fn replace<T>(setting: &mut T, read: Option<Spanned<T>>) {
    if let Some(read) = read {
        *setting = read.value;
    }
}

/// A relative path, whose last component may have `*` in it.
fn include_pattern(text: &str) -> Result<String, Mistake> {
    const EXPECTED: &str = "a relative path such as ports.yaml or services/*.yaml";
    let (directory, name) = text.rsplit_once('/').unwrap_or(("", text));
    if text.starts_with('/') {
        return Err(Mistake::new("is an absolute path", EXPECTED)
            .help("includes are relative to the file that names them, so that the whole can be moved"));
    }
    if name.is_empty() || text.contains('\0') {
        return Err(Mistake::new("is not the path of a file", EXPECTED));
    }
    if directory.contains('*') {
        return Err(Mistake::new("has `*` before its last `/`", EXPECTED));
    }
    Ok(text.to_owned())
}
