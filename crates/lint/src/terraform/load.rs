//! From files to modules: what lies in one folder is read together, and folders that are called as modules follow.

use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet},
    fs,
    ops::Range,
    path::{Path, PathBuf},
};

use hcl_edit::{Span as _, expr::Expression, parser::parse_body, structure::Body};
use rayon::prelude::*;

use super::{evaluate::place, module::File};
use crate::{
    circles::circular,
    finding::Finding,
    inputs::{FileId, Inputs, Span},
    reading,
};

/// All folders that are read, with what was wrong in reading them.
#[derive(Debug, Default)]
pub(super) struct Loaded {
    pub(super) folders: BTreeMap<PathBuf, Folder>,
    pub(super) findings: Vec<Finding>,
}

/// The files of one folder.
#[derive(Debug, Default)]
pub(super) struct Folder {
    /// `*.tf`, by name.
    pub(super) files: Vec<File>,
    /// `terraform.tfvars` and `*.auto.tfvars`, in the order in which they are applied.
    pub(super) values: Vec<File>,
    /// Whether a module of another folder calls this one, and is not called by it.
    pub(super) is_called: bool,
}

/// A call of a module that lies in these files.
#[derive(Debug)]
struct Call {
    from: PathBuf,
    to: PathBuf,
    /// Where the source is named.
    place: Span,
}

/// Reads the folders of these files, and those that they call.
pub(super) fn load(inputs: &Inputs, files: &[FileId]) -> Loaded {
    let mut loaded = Loaded::default();
    let mut named: BTreeMap<PathBuf, Vec<FileId>> = BTreeMap::new();
    for file in files {
        named.entry(folder_of(inputs.path(*file))).or_default().push(*file);
    }
    let mut next: BTreeSet<PathBuf> = named.keys().cloned().collect();
    while !next.is_empty() {
        let wanted: Vec<PathBuf> = std::mem::take(&mut next).into_iter().collect();
        let read: Vec<(PathBuf, (Folder, Vec<Finding>))> = wanted
            .into_par_iter()
            .map(|path| {
                let named = named.get(&path).map_or(&[][..], Vec::as_slice);
                let folder = folder(inputs, named, files.first().copied(), &path);
                (path, folder)
            })
            .collect();
        for (path, (folder, findings)) in read {
            next.extend(folder.files.iter().flat_map(|file| calls(&path, file)).map(|call| call.to));
            loaded.folders.insert(path, folder);
            loaded.findings.extend(findings);
        }
        next.retain(|path| !loaded.folders.contains_key(path));
    }
    let calls = loaded.folders.iter().flat_map(|(path, folder)| folder.files.iter().flat_map(|file| calls(path, file)));
    let (circles, called) = circles(calls.collect());
    loaded.findings.extend(refused(&circles));
    let called: BTreeSet<PathBuf> = called.into_iter().map(|call| call.to).collect();
    for (path, folder) in &mut loaded.folders {
        folder.is_called = called.contains(path);
    }
    loaded
}

/// The calls that lead in circles, and all others.
fn circles(calls: Vec<Call>) -> (Vec<Call>, Vec<Call>) {
    let arrows: Vec<(&Path, &Path)> = calls.iter().map(|call| (call.from.as_path(), call.to.as_path())).collect();
    let mut is_circular = circular(&arrows).into_iter();
    calls.into_iter().partition(|_| is_circular.next().unwrap_or(false))
}

/// One finding, however many circles there are.
fn refused(circles: &[Call]) -> Option<Finding> {
    const MAX_PLACES: usize = 3;
    let (first, rest) = circles.split_first()?;
    let message = "this module calls itself, or is called by one that it calls: Terraform refuses it";
    let mut finding = Finding::new(&reading::SYNTAX, first.place, message);
    for call in rest.iter().take(MAX_PLACES) {
        finding = finding.related(call.place, "and on the way");
    }
    Some(finding.help("take what both need into a module of its own"))
}

/// The folder that a call names, if it is one of these files and not one from a registry.
pub(super) fn called_folder(from: &Path, source: &str) -> Option<PathBuf> {
    let is_local = source == "." || source == ".." || source.starts_with("./") || source.starts_with("../");
    is_local.then(|| tidy(&from.join(source)))
}

fn calls(folder: &Path, file: &File) -> Vec<Call> {
    let sources = file.body.get_blocks("module").filter_map(|block| block.body.get_attribute("source"));
    let named = sources.filter_map(|attribute| match &attribute.value {
        Expression::String(text) => Some(Call {
            from: folder.to_owned(),
            to: called_folder(folder, text.value())?,
            place: place(file.id, attribute.value.span()),
        }),
        _ => None,
    });
    named.collect()
}

fn folder_of(path: &Path) -> PathBuf {
    tidy(path.parent().unwrap_or(Path::new("")))
}

/// `a/./b/../c` is `a/c`; leading `..` stay.
fn tidy(path: &Path) -> PathBuf {
    let mut tidy = PathBuf::new();
    for component in path.components() {
        match component {
            std::path::Component::CurDir => {}
            std::path::Component::ParentDir
                if matches!(tidy.components().next_back(), Some(std::path::Component::Normal(_))) =>
            {
                tidy.pop();
            }
            other => tidy.push(other),
        }
    }
    tidy
}

/// The files of a folder: those that are under check, and those beside them that may be read. A folder of which none is
/// under check is reached from any file that is.
fn folder(inputs: &Inputs, named: &[FileId], any: Option<FileId>, path: &Path) -> (Folder, Vec<Finding>) {
    let mut ids: Vec<FileId> = named.to_vec();
    if let Some(first) = named.first().copied().or(any) {
        ids.extend(beside(inputs, first, path));
    }
    ids.sort_by_key(|file| inputs.path(*file).to_owned());
    ids.dedup();
    let (mut read, mut findings) = (Folder::default(), Vec::new());
    for id in ids {
        let kind = kind(inputs.path(id));
        let (body, mistakes) = parse(inputs.text(id), id);
        findings.extend(mistakes);
        let files = if kind == Some(Kind::Module) { &mut read.files } else { &mut read.values };
        files.extend(body.map(|body| File { id, body }));
    }
    // `terraform.tfvars` first: what is applied later wins.
    read.values.sort_by_key(|file| !inputs.path(file.id).ends_with("terraform.tfvars"));
    (read, findings)
}

/// Files of a folder that nobody named.
fn beside(inputs: &Inputs, from: FileId, folder: &Path) -> Vec<FileId> {
    let listed = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    if !inputs.may_list(listed) {
        return Vec::new();
    }
    let entries = fs::read_dir(listed).into_iter().flatten().flatten();
    let names = entries.map(|entry| folder.join(entry.file_name())).filter(|path| kind(path).is_some());
    let base = inputs.path(from).parent().map(Path::to_owned).unwrap_or_default();
    names.filter_map(|path| inputs.follow(from, &relative(&base, &path)).ok()).collect()
}

/// A path as seen from a folder, so that it can be followed from a file there.
fn relative(from: &Path, to: &Path) -> PathBuf {
    let shared = from.components().zip(to.components()).take_while(|(left, right)| left == right).count();
    let up = from.components().skip(shared).map(|_| std::path::Component::ParentDir);
    up.chain(to.components().skip(shared)).collect()
}

/// What a file of Terraform is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Module,
    Values,
}

/// By its name.
pub(super) fn kind(path: &Path) -> Option<Kind> {
    let name = path.file_name()?.to_string_lossy().into_owned();
    if name == "terraform.tfvars" || name.ends_with(".auto.tfvars") {
        Some(Kind::Values)
    } else if path.extension().is_some_and(|end| end == "tf" || end == "tofu") {
        Some(Kind::Module)
    } else {
        None
    }
}

/// A text as far as it can be understood. A block that cannot be is left out and told of, so that it hides no other.
fn parse(text: &str, file: FileId) -> (Option<Body>, Vec<Finding>) {
    const MAX_MISTAKES: usize = 5;
    let mut mistakes = Vec::new();
    let mut left = Cow::Borrowed(text);
    loop {
        let error = match parse_body(&left) {
            Ok(body) => return (Some(body), mistakes),
            Err(error) => error,
        };
        mistakes.push(mistake(file, &error));
        let broken = block_around(&left, error.location().offset());
        // What is nested too deeply is one mistake, however often it could be found again further in.
        let is_bound = mistakes.last().is_some_and(|mistake| mistake.rule.id == reading::BOUNDS.id);
        if is_bound || mistakes.len() > MAX_MISTAKES || left[broken.clone()].trim().is_empty() {
            return (None, mistakes);
        }
        let mut bytes = left.into_owned().into_bytes();
        bytes[broken].iter_mut().filter(|byte| **byte != b'\n').for_each(|byte| *byte = b' ');
        left = Cow::Owned(String::from_utf8(bytes).unwrap_or_default());
    }
}

/// From the last line before a place that begins with a letter, as blocks do, to the next one.
fn block_around(text: &str, offset: usize) -> Range<usize> {
    let begins_block = |line: &str| line.starts_with(|first: char| first.is_ascii_alphabetic());
    let mut around = 0..text.len();
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        if begins_block(line) {
            if at > offset {
                around.end = at;
                break;
            }
            around.start = at;
        }
        at += line.len();
    }
    around
}

fn mistake(file: FileId, error: &hcl_edit::parser::Error) -> Finding {
    let at = error.location().offset() as u32;
    let is_bound = error.message().contains("nesting depth") || error.message().contains("chained binary operators");
    let rule = if is_bound { &reading::BOUNDS } else { &reading::SYNTAX };
    Finding::new(rule, Span { file, start: at, end: at }, format!("not the language of Terraform: {}", error.message()))
}
