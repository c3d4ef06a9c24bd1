//! Units: a file, and the drop-ins that add to it or take from it (systemd.unit(5)).

use std::{
    collections::{BTreeMap, HashMap},
    path::{Path, PathBuf},
};

use super::{
    address::{self, Listening},
    file::{Entry, UnitFile, parse},
};
use crate::{
    finding::Finding,
    inputs::{FileId, Inputs},
    reading::BOUNDS,
};

/// Which kind of unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Socket,
    Service,
    /// Neither, such as `resolved.conf`.
    Other,
}

/// A unit with all that adds to it.
#[derive(Debug)]
pub(crate) struct Unit {
    /// `docker.socket`.
    pub(crate) name: String,
    pub(crate) kind: Kind,
    /// The folder of the unit, or that of the folder of its drop-ins.
    pub(crate) folder: PathBuf,
    /// The main file first, then drop-ins by name. Without a main file, the unit itself is not among the files.
    pub(crate) files: Vec<(FileId, Origin, UnitFile)>,
}

/// Where a file stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Origin {
    Main,
    DropIn,
}

/// A socket of a socket unit.
#[derive(Debug, Clone)]
pub(crate) struct Listened<'a> {
    pub(crate) listening: Listening,
    /// Datagrams rather than streams.
    pub(crate) is_datagram: bool,
    pub(crate) entry: &'a Entry,
    pub(crate) origin: Origin,
}

/// Keys that add to the list of sockets. An empty one of any empties the list.
pub(crate) const LISTEN_KEYS: [&str; 8] = [
    "ListenStream",
    "ListenDatagram",
    "ListenSequentialPacket",
    "ListenFIFO",
    "ListenSpecial",
    "ListenNetlink",
    "ListenMessageQueue",
    "ListenUSBFunction",
];

/// Endings by which files are handed to a template tool before they become units.
const TEMPLATE_ENDINGS: [&str; 8] = ["in", "j2", "tmpl", "tpl", "erb", "template", "m4", "jinja"];

/// `docker.socket` of `docker.socket.j2`.
pub(crate) fn unit_name(path: &Path) -> Option<String> {
    let name = path.file_name()?.to_string_lossy();
    let mut name = name.as_ref();
    while let Some((stem, end)) = name.rsplit_once('.') {
        if !TEMPLATE_ENDINGS.contains(&end) {
            break;
        }
        name = stem;
    }
    Some(name.to_owned())
}

/// `docker.socket` of `docker.socket.d/listen.conf`.
pub(crate) fn unit_of_drop_in(path: &Path) -> Option<String> {
    let is_conf = unit_name(path)?.rsplit_once('.').is_some_and(|(_, end)| end == "conf");
    let folder = path.parent()?.file_name()?.to_string_lossy();
    let unit = folder.strip_suffix(".d")?;
    (is_conf && kind(unit) != Kind::Other).then(|| unit.to_owned())
}

/// By the ending of a unit's name.
pub(crate) fn kind(name: &str) -> Kind {
    match name.rsplit_once('.').map_or(name, |(_, end)| end) {
        "socket" => Kind::Socket,
        "service" => Kind::Service,
        _ => Kind::Other,
    }
}

/// Reads all files and puts drop-ins to their units.
pub(crate) fn units(inputs: &Inputs, files: &[FileId]) -> (Vec<Unit>, Vec<Finding>) {
    let mut findings = Vec::new();
    let mut units: Vec<Unit> = Vec::new();
    let mut drop_ins: BTreeMap<(String, PathBuf), Vec<FileId>> = BTreeMap::new();
    let mut read = |file: FileId| {
        let unit = parse(inputs.text(file), file);
        let message = "more assignments than any unit has: the rest is not read";
        findings.extend(unit.cut.map(|span| Finding::new(&BOUNDS, span, message)));
        unit
    };
    for file in files {
        let path = inputs.path(*file);
        let folder = path.parent().unwrap_or(Path::new("")).to_owned();
        if let Some(name) = unit_of_drop_in(path) {
            let above = folder.parent().unwrap_or(Path::new("")).to_owned();
            drop_ins.entry((name, above)).or_default().push(*file);
        } else if let Some(name) = unit_name(path) {
            let kind = kind(&name);
            units.push(Unit { name, kind, folder, files: vec![(*file, Origin::Main, read(*file))] });
        }
    }
    units.sort_by(|a, b| (&a.folder, &a.name).cmp(&(&b.folder, &b.name)));
    let mut by_name: HashMap<String, Vec<usize>> = HashMap::new();
    for (index, unit) in units.iter().enumerate() {
        by_name.entry(unit.name.clone()).or_default().push(index);
    }
    for ((name, folder), mut files) in drop_ins {
        files.sort_by_key(|file| inputs.path(*file).file_name());
        let files = files.into_iter().map(|file| (file, Origin::DropIn, read(file)));
        let known = by_name.get(&name).into_iter().flatten().copied();
        // The unit beside its drop-ins, or else the only one of that name: packages keep theirs elsewhere.
        let beside = known.clone().find(|index| units[*index].folder == folder);
        let only = || known.clone().next().filter(|_| known.clone().count() == 1);
        if let Some(index) = beside.or_else(only) {
            units[index].files.extend(files);
        } else {
            let kind = kind(&name);
            units.push(Unit { name, kind, folder, files: files.collect() });
        }
    }
    (units, findings)
}

impl Unit {
    /// All assignments, in the order in which systemd reads them.
    pub(crate) fn entries(&self) -> impl Iterator<Item = (&Entry, Origin)> {
        self.files.iter().flat_map(|(_, origin, file)| file.entries.iter().map(move |entry| (entry, *origin)))
    }

    /// Values of a key that hold: an empty one takes back those before it.
    pub(crate) fn values(&self, section: &str, key: &str) -> Vec<&Entry> {
        let mut values = Vec::new();
        for (entry, _) in self.entries().filter(|(entry, _)| entry.is(section, key)) {
            if entry.value.is_empty() {
                values.clear();
            } else {
                values.push(entry);
            }
        }
        values
    }

    /// The value of a key that may be said once: the last.
    pub(crate) fn value(&self, section: &str, key: &str) -> Option<&Entry> {
        self.values(section, key).pop()
    }

    /// Whether a boolean is on.
    pub(crate) fn is_on(&self, section: &str, key: &str) -> bool {
        self.value(section, key)
            .is_some_and(|entry| matches!(entry.value.as_str(), "1" | "yes" | "y" | "true" | "t" | "on"))
    }

    /// The section in which its kind is configured.
    pub(crate) fn section(&self) -> &'static str {
        if self.kind == Kind::Socket { "Socket" } else { "Service" }
    }

    /// The sockets that hold in the end.
    pub(crate) fn listened(&self) -> Vec<Listened<'_>> {
        let mut listened = Vec::new();
        for (entry, origin) in self.entries().filter(|(entry, _)| entry.section == "Socket") {
            if !LISTEN_KEYS.contains(&entry.key.as_str()) {
                continue;
            }
            if entry.value.is_empty() {
                listened.clear();
                continue;
            }
            let has_port = matches!(entry.key.as_str(), "ListenStream" | "ListenDatagram" | "ListenSequentialPacket");
            let listening = if has_port { address::parse(&entry.value) } else { Listening::Local };
            let is_datagram = entry.key == "ListenDatagram";
            listened.push(Listened { listening, is_datagram, entry, origin });
        }
        listened
    }

    /// Whether the unit itself is among the files, and not only what adds to it.
    pub(crate) fn has_main(&self) -> bool {
        self.files.iter().any(|(_, origin, _)| *origin == Origin::Main)
    }

    /// The name of the service that a socket starts.
    pub(crate) fn starts(&self) -> Option<String> {
        let stem = self.name.strip_suffix(".socket")?;
        Some(self.value("Socket", "Service").map_or_else(|| format!("{stem}.service"), |entry| entry.value.clone()))
    }
}
