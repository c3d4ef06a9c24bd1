//! Which files one nginx reads. A main file says it by its includes; parts that no main file includes stand together
//! only in the folders that main files usually include as a whole.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use super::{include::Reader, model::Instance};
use crate::{
    finding::Finding,
    inputs::{FileId, Inputs},
};

/// Folders that are included with `*.conf` or `*`.
const FOLDERS_OF_PARTS: [&str; 7] =
    ["conf.d", "http.d", "http-conf.d", "stream.d", "sites-enabled", "sites.d", "vhosts.d"];

/// Blocks by which a main file is known, and those by which a part with servers is.
const MAIN: [&str; 4] = ["http", "stream", "mail", "events"];
const SERVERS: [&str; 2] = ["server", "upstream"];

/// All of them, and what is to be said of reading their files.
pub(super) fn of(inputs: &Inputs, files: &[FileId]) -> (Vec<Instance>, Vec<Finding>) {
    let mut reader = Reader::new(inputs);
    let mut instances = Vec::new();
    let has = |reader: &mut Reader<'_>, file: FileId, names: &[&str]| {
        reader.tree(file).directives.iter().any(|directive| names.contains(&directive.name()))
    };
    // Main files first, then parts with servers, then parts of those: each takes out what it includes.
    let mains: Vec<FileId> = files.iter().copied().filter(|file| has(&mut reader, *file, &MAIN)).collect();
    for file in &mains {
        instances.push(instance(&mut reader, &[*file]));
    }
    let left = |reader: &Reader<'_>, file: &FileId| !mains.contains(file) && !reader.included.contains(file);
    let servers: Vec<FileId> = files.iter().copied().filter(|file| left(&reader, file)).collect();
    let servers: Vec<FileId> = servers.into_iter().filter(|file| has(&mut reader, *file, &SERVERS)).collect();
    for group in groups(inputs, &servers) {
        instances.push(instance(&mut reader, &group));
    }
    let rest: Vec<FileId> =
        files.iter().copied().filter(|file| left(&reader, file) && !servers.contains(file)).collect();
    for file in rest {
        if !reader.included.contains(&file) {
            instances.push(instance(&mut reader, &[file]));
        }
    }
    // A main file that another one includes is no main file.
    let included = &reader.included;
    instances.retain(|instance: &Instance| !included.contains(&instance.root) || !mains.contains(&instance.root));
    (instances, reader.findings)
}

fn instance(reader: &mut Reader<'_>, files: &[FileId]) -> Instance {
    let mut directives = Vec::new();
    let mut templated = false;
    for file in files {
        templated |= reader.tree(*file).templated;
        directives.extend(reader.whole(*file));
    }
    Instance { root: files.first().copied().unwrap_or_default(), directives, templated }
}

fn groups(inputs: &Inputs, files: &[FileId]) -> Vec<Vec<FileId>> {
    let mut alone = Vec::new();
    let mut folders: BTreeMap<PathBuf, Vec<FileId>> = BTreeMap::new();
    for file in files {
        let folder = inputs.path(*file).parent().unwrap_or(Path::new(""));
        let name = folder.file_name().map(|name| name.to_string_lossy()).unwrap_or_default();
        if FOLDERS_OF_PARTS.contains(&name.as_ref()) {
            folders.entry(folder.to_owned()).or_default().push(*file);
        } else {
            alone.push(vec![*file]);
        }
    }
    for files in folders.values_mut() {
        files.sort_by_key(|file| inputs.path(*file));
    }
    alone.into_iter().chain(folders.into_values()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_stand_together_where_main_files_take_them_together() {
        let inputs = Inputs::default();
        let add = |path: &str| inputs.add(Path::new(path), b"server { listen 80; }".to_vec()).unwrap();
        let (a, b) = (add("x/conf.d/b.conf"), add("x/conf.d/a.conf"));
        let (dev, live) = (add("y/dev.conf"), add("y/live.conf"));
        let (instances, _) = of(&inputs, &[a, b, dev, live]);
        let servers: Vec<(FileId, usize)> =
            instances.iter().map(|instance| (instance.root, instance.servers().len())).collect();
        assert_eq!(servers, [(dev, 1), (live, 1), (b, 2)]);
    }
}
