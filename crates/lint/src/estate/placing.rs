//! Where the process is that reads a configuration file: in the container that has the file mounted, in one of an image
//! that it is copied into, or on the host.
//!
//! Several configurations of one program that are in no container are variants: for development and for production,
//! for several hosts, examples. Only one of them runs on a host, so each is taken for itself.

use std::{
    collections::{HashMap, HashSet},
    path::{Component, Path, PathBuf},
};

use super::facts::{Build, Facts, Listener, Mount, Space};
use crate::inputs::Inputs;

/// By the key of the listener.
pub(super) struct Placing<'f> {
    places: HashMap<&'f str, Place<'f>>,
}

enum Place<'f> {
    Mounted(&'f Mount),
    Built(&'f Build),
    /// In an image that no workload runs, by the Dockerfile.
    Image(&'f Path),
    /// One of several, by the project.
    Variant(&'f str),
}

impl<'f> Placing<'f> {
    pub(super) fn new(facts: &'f Facts, inputs: &Inputs) -> Self {
        let copies = copies(facts);
        let mut places = HashMap::new();
        let mut on_host: Vec<&'f Listener> = Vec::new();
        for listener in &facts.listeners {
            let Space::Config(file) = listener.space else { continue };
            let path = inputs.path(file);
            // Of several containers that are given the file the first stands for all: they are replicas.
            let mount = facts.mounts.iter().find(|mount| path.starts_with(&mount.source)).map(Place::Mounted);
            let place = mount.or_else(|| {
                let (_, place) = copies.iter().find(|(source, _)| path.starts_with(source))?;
                Some(match place {
                    Copy::Built(build) => Place::Built(build),
                    Copy::Image(dockerfile) => Place::Image(dockerfile),
                })
            });
            match place {
                Some(place) => {
                    places.insert(listener.key.as_str(), place);
                }
                None => on_host.push(listener),
            }
        }
        let mut projects: HashMap<&str, HashSet<&str>> = HashMap::new();
        for listener in &on_host {
            projects.entry(program(listener)).or_default().insert(&listener.owner.project);
        }
        for listener in on_host {
            if projects.get(program(listener)).is_some_and(|projects| projects.len() > 1) {
                places.insert(&listener.key, Place::Variant(&listener.owner.project));
            }
        }
        Self { places }
    }

    /// The space of a listener, with configuration files placed.
    pub(super) fn space(&self, listener: &Listener) -> Space {
        let Space::Config(_) = listener.space else { return listener.space.clone() };
        match self.places.get(listener.key.as_str()) {
            None => Space::Host,
            Some(Place::Mounted(mount)) => Space::Workload(mount.workload.clone()),
            Some(Place::Built(build)) => Space::Workload(build.workload.clone()),
            Some(Place::Image(dockerfile)) => Space::Own(format!("image:{}", dockerfile.display())),
            Some(Place::Variant(project)) => Space::Own(format!("{}:{project}", program(listener))),
        }
    }

    /// The networks in which the process of a listener looks up names; empty if any may be meant.
    pub(super) fn networks(&self, listener: &Listener) -> &'f [String] {
        match self.places.get(listener.key.as_str()) {
            Some(Place::Mounted(mount)) => &mount.networks,
            Some(Place::Built(build)) => &build.networks,
            _ => &[],
        }
    }
}

/// `nginx` of a key such as `nginx:3:120`.
fn program(listener: &Listener) -> &str {
    listener.key.split(':').next().unwrap_or("")
}

#[derive(Clone, Copy)]
enum Copy<'f> {
    Built(&'f Build),
    Image(&'f Path),
}

/// What is copied into images, as paths of the inputs.
fn copies(facts: &Facts) -> Vec<(PathBuf, Copy<'_>)> {
    let mut copies = Vec::new();
    for copied in &facts.copied {
        let builds = facts.builds.iter().filter(|build| build.file == copied.dockerfile);
        let mut contexts: Vec<(&Path, Copy<'_>)> =
            builds.map(|build| (build.context.as_path(), Copy::Built(build))).collect();
        if contexts.is_empty() {
            let folder = copied.dockerfile.parent().unwrap_or(Path::new(""));
            contexts.push((folder, Copy::Image(&copied.dockerfile)));
        }
        for (context, place) in contexts {
            copies.push((beneath(context, &copied.source), place));
        }
    }
    copies
}

/// A source in its context, up to the first pattern: `/nginx/*.conf` is all of `nginx`.
fn beneath(context: &Path, source: &Path) -> PathBuf {
    let mut path = context.to_owned();
    for component in source.components() {
        match component {
            Component::Normal(name) if name.to_string_lossy().contains(['*', '?', '[']) => break,
            Component::Normal(name) => path.push(name),
            _ => {}
        }
    }
    path
}
