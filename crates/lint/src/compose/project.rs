//! Which of the files under check make up one project, as Compose finds them.
//!
//! In each folder: the main file and its override, or what `COMPOSE_FILE` in `.env` names. Every other file is taken by
//! itself, unless it only makes sense on top of the main file (`compose.prod.yaml` with services that have neither image
//! nor build): then it is laid over that. What a project includes is checked there, with the variables that it has
//! there; what others only extend from is checked, and is no project of its own.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    path::{Path, PathBuf},
};

use rayon::prelude::*;

use super::{
    interpolate::Environment,
    load::{self, Loaded},
};
use crate::{
    finding::Finding,
    inputs::{FileId, Inputs},
    yaml::Node,
};

/// In the order in which Compose prefers them.
const MAIN_NAMES: [&str; 4] = ["compose.yaml", "compose.yml", "docker-compose.yml", "docker-compose.yaml"];
const OVERRIDE_NAMES: [&str; 4] =
    ["compose.override.yml", "compose.override.yaml", "docker-compose.override.yml", "docker-compose.override.yaml"];

/// A project, merged.
#[derive(Debug)]
pub(super) struct Assembled<'i> {
    pub(super) root: Node<'i>,
    /// Files laid over each other, in this order.
    pub(super) layers: Vec<FileId>,
    /// Files that went into it whole, by `include`.
    included: Vec<FileId>,
    /// Files from which only some services were taken, by `extends`.
    extended: Vec<FileId>,
    pub(super) part: Role,
    /// What is wrong with the files themselves.
    pub(super) findings: Vec<Finding>,
}

/// Whether a project is there on its own account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// It is what is started in its folder.
    Main,
    /// The main project again, with this file on top of it.
    Variant(FileId),
    /// Others extend from it; it is checked by itself, and not started by itself.
    Building,
}

/// The projects of all files.
pub(super) fn assemble<'i>(inputs: &'i Inputs, files: &[FileId]) -> Vec<Assembled<'i>> {
    let mut folders: BTreeMap<PathBuf, Vec<FileId>> = BTreeMap::new();
    for file in files {
        let folder = inputs.path(*file).parent().unwrap_or(Path::new("")).to_owned();
        folders.entry(folder).or_default().push(*file);
    }
    let folders: Vec<Vec<FileId>> = folders.into_values().collect();
    let projects: Vec<_> = folders.par_iter().flat_map_iter(|files| folder(inputs, files)).collect();
    settle(projects)
}

/// Only when all are read is it known what others include.
fn settle(mut projects: Vec<Assembled<'_>>) -> Vec<Assembled<'_>> {
    let mut includers: HashMap<FileId, Vec<FileId>> = HashMap::new();
    let mut extended: HashSet<FileId> = HashSet::new();
    for project in &projects {
        let Some(main) = project.layers.first() else { continue };
        extended.extend(project.extended.iter().filter(|file| !project.layers.contains(file)));
        for file in &project.included {
            includers.entry(*file).or_default().push(*main);
        }
    }
    // Of those that include each other none can be left out.
    let is_part = |project: &Assembled<'_>| match project.layers.as_slice() {
        [only] => includers.get(only).is_some_and(|by| by.iter().any(|by| !project.included.contains(by))),
        _ => false,
    };
    projects.retain(|project| !is_part(project));
    for project in &mut projects {
        if project.part == Role::Main
            && project.layers.len() == 1
            && project.layers.iter().all(|l| extended.contains(l))
        {
            project.part = Role::Building;
        }
    }
    projects
}

/// The projects of one folder.
fn folder<'i>(inputs: &'i Inputs, files: &[FileId]) -> Vec<Assembled<'i>> {
    let Some(first) = files.first().copied() else { return Vec::new() };
    let (environment, mut findings) = load::environment(inputs, first);
    let main = main_layers(inputs, files, &environment);
    let mut assembled: Vec<Assembled<'i>> = Vec::new();
    let finish = |layers: Vec<FileId>, part: Role| {
        let Loaded { root, included, extended, findings } = load::load(inputs, &layers, &environment);
        Assembled { root, layers, included, extended, part, findings }
    };
    let main_project = (!main.is_empty()).then(|| finish(main.clone(), Role::Main));
    for file in files.iter().filter(|file| !main.contains(file)) {
        let alone = finish(vec![*file], Role::Main);
        let needs_main = main_project.as_ref().is_some_and(|main| needs(&alone.root, &main.root));
        assembled.push(if needs_main {
            finish(main.iter().chain([file]).copied().collect(), Role::Variant(*file))
        } else {
            alone
        });
    }
    // A main file that nobody named is only what others are laid over.
    assembled.extend(main_project.filter(|project| project.layers.iter().any(|layer| files.contains(layer))));
    if let Some(first) = assembled.first_mut() {
        first.findings.append(&mut findings);
    }
    assembled
}

/// The files that Compose takes when it is started in the folder. Those that were not named are looked for beside
/// those that were, since Compose would take them as well.
fn main_layers(inputs: &Inputs, files: &[FileId], environment: &Environment) -> Vec<FileId> {
    let Some(any) = files.first().copied() else { return Vec::new() };
    if let Some(named) = environment.get("COMPOSE_FILE") {
        let separator = environment.get("COMPOSE_PATH_SEPARATOR").map_or(":", String::as_str);
        let named = named.split(separator).filter(|path| !path.is_empty());
        let layers: Option<Vec<FileId>> = named.map(|path| inputs.follow(any, Path::new(path)).ok()).collect();
        if let Some(layers) = layers.filter(|layers| layers.iter().any(|file| files.contains(file))) {
            return layers;
        }
    }
    let by_name: HashMap<&str, FileId> =
        files.iter().filter_map(|file| Some((inputs.path(*file).file_name()?.to_str()?, *file))).collect();
    let find = |name: &&str| by_name.get(name).copied().or_else(|| inputs.follow(any, Path::new(name)).ok());
    let Some(main) = MAIN_NAMES.iter().find_map(find) else { return Vec::new() };
    let over = OVERRIDE_NAMES.iter().find_map(find);
    [main].into_iter().chain(over).collect()
}

/// Whether a file says nothing by itself, but something about services of another.
fn needs(file: &Node<'_>, main: &Node<'_>) -> bool {
    let services = |root: &Node<'_>| -> HashSet<String> {
        let entries = root.get("services").map(Node::entries).unwrap_or_default();
        entries.iter().map(|entry| entry.key.text.to_string()).collect()
    };
    let of_main = services(main);
    let entries = file.get("services").map(Node::entries).unwrap_or_default();
    entries.iter().any(|entry| {
        let is_whole = ["image", "build", "provider"].iter().any(|key| entry.value.get(key).is_some());
        !is_whole && of_main.contains(&*entry.key.text)
    })
}
