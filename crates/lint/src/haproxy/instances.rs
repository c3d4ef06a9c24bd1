//! Which files one HAProxy process reads: its command line says it, which is not among the files, so the shape of the
//! folder has to.
//!
//! A file with a `global` section stands for itself. Files without one join it where people put parts: in a folder
//! beside it whose name ends in `.d`, or in the same folder if that is one of those. Everything else stands alone, so
//! that two variants of a configuration in one folder are never taken for one process.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use super::{
    model::Instance,
    syntax::{SectionKind, parse},
    words::Environment,
};
use crate::{
    finding::Finding,
    inputs::{FileId, Inputs},
    reading::{BOUNDS, SYNTAX},
};

/// Each process, and what is to be said of reading its files.
pub(super) fn of(inputs: &Inputs, files: &[FileId]) -> Vec<(Instance, Vec<Finding>)> {
    groups(inputs, files).into_iter().map(|group| read(inputs, group)).collect()
}

fn read(inputs: &Inputs, files: Vec<FileId>) -> (Instance, Vec<Finding>) {
    let mut instance = Instance::default();
    let mut environment = Environment::default();
    let mut findings = Vec::new();
    for file in &files {
        let document = parse(inputs.text(*file), *file, &mut environment);
        findings.extend(document.mistakes.iter().map(|mistake| {
            let message = format!("HAProxy does not take this line: {}", mistake.text);
            Finding::new(&SYNTAX, mistake.span, message)
        }));
        let cut = "more lines than any configuration has: the rest is not read";
        findings.extend(document.cut.map(|span| Finding::new(&BOUNDS, span, cut)));
        instance.add(document);
    }
    instance.files = files;
    (instance, findings)
}

fn groups(inputs: &Inputs, files: &[FileId]) -> Vec<Vec<FileId>> {
    let mut wholes: Vec<Vec<FileId>> = Vec::new();
    let mut parts: BTreeMap<PathBuf, Vec<FileId>> = BTreeMap::new();
    for file in files {
        let folder = inputs.path(*file).parent().unwrap_or(Path::new("")).to_owned();
        if !is_folder_of_parts(&folder) {
            wholes.push(vec![*file]);
            continue;
        }
        parts.entry(folder).or_default().push(*file);
    }
    for (folder, mut files) in parts {
        files.sort_by_key(|file| inputs.path(*file));
        let has_global = |file: &FileId| is_main(inputs.text(*file));
        if files.iter().filter(|file| has_global(file)).count() > 1 {
            wholes.extend(files.into_iter().map(|file| vec![file]));
            continue;
        }
        // The one main file of the folder above, unless the parts bring their own.
        let above = folder.parent().unwrap_or(Path::new(""));
        let is_above = |group: &&mut Vec<FileId>| {
            let is_beside = group.first().is_some_and(|file| inputs.path(*file).parent() == Some(above));
            is_beside && group.first().is_some_and(has_global)
        };
        let bring_their_own = files.iter().any(has_global);
        let mut mains: Vec<&mut Vec<FileId>> = wholes.iter_mut().filter(is_above).collect();
        match mains.as_mut_slice() {
            [main] if !bring_their_own => main.extend(files),
            _ => wholes.push(files),
        }
    }
    wholes
}

fn is_folder_of_parts(folder: &Path) -> bool {
    folder.extension().is_some_and(|end| end == "d")
}

fn is_main(text: &str) -> bool {
    let first_word = |line: &str| line.split_ascii_whitespace().next().and_then(SectionKind::of);
    text.lines().any(|line| first_word(line) == Some(SectionKind::Global))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_join_the_main_file_beside_their_folder() {
        let inputs = Inputs::default();
        let add = |path: &str, text: &str| inputs.add(Path::new(path), text.into()).unwrap();
        let main = add("a/haproxy.cfg", "global\n");
        let part = add("a/conf.d/20.cfg", "listen x\n");
        let earlier = add("a/conf.d/10.cfg", "listen y\n");
        let (dev, live) = (add("b/dev.cfg", "global\n"), add("b/live.cfg", "global\n"));
        let (own, more) = (add("c/haproxy.d/00.cfg", "global\n"), add("c/haproxy.d/01.cfg", "listen x\n"));
        let fragment = add("d/fragment.cfg", "frontend x\n");
        let groups = groups(&inputs, &[main, part, earlier, dev, live, own, more, fragment]);
        assert_eq!(groups, [vec![main, earlier, part], vec![dev], vec![live], vec![fragment], vec![own, more],]);
    }
}
