//! From the files of a project to one tree: variables, `include`, `extends` and overrides, in the order in which
//! Compose applies them. Whatever cannot be followed is told of, and the rest is read without it.

use std::{borrow::Cow, collections::HashMap, path::Path, rc::Rc};

use super::{
    dotenv,
    interpolate::{Environment, HOLE, interpolate, shown},
    merge,
};
use crate::{
    finding::Finding,
    inputs::{FileId, Inputs, Span},
    reading,
    yaml::{self, Node, Value},
};

/// Values of one project, counted each time they are copied: people reuse services, bombs multiply them.
const MAX_VALUES: usize = 2_000_000;
/// Levels of `include`, and of `extends`.
const MAX_LEVELS: usize = 32;
/// Files of one project, each time that it is included counted.
const MAX_INCLUDED: usize = 1_000;

/// A project as one tree.
#[derive(Debug)]
pub(super) struct Loaded<'i> {
    /// The merged file.
    pub(super) root: Node<'i>,
    /// Files that went into it whole, by `include`.
    pub(super) included: Vec<FileId>,
    /// Files from which only some services were taken, by `extends`.
    pub(super) extended: Vec<FileId>,
    /// What is wrong with the files themselves.
    pub(super) findings: Vec<Finding>,
}

/// Loads files that are laid over each other, in this order, with the variables that the project sets.
pub(super) fn load<'i>(inputs: &'i Inputs, files: &[FileId], environment: &Environment) -> Loaded<'i> {
    let mut loader = Loader {
        inputs,
        findings: Vec::new(),
        included: Vec::new(),
        includes: 0,
        parsed: HashMap::new(),
        extended: HashMap::new(),
        values: 0,
    };
    let root = loader.files(files, environment, &mut Vec::new());
    let extended = loader.extended.into_keys().collect();
    Loaded { root, included: loader.included, extended, findings: loader.findings }
}

/// The variables of the project whose main file this is: those of the `.env` file beside it.
pub(super) fn environment(inputs: &Inputs, main: FileId) -> (Environment, Vec<Finding>) {
    let mut findings = Vec::new();
    let environment = match inputs.follow(main, Path::new(".env")) {
        Ok(file) => with_dotenv(inputs, file, &Environment::new(), &mut findings),
        Err(_) => Environment::new(),
    };
    (environment, findings)
}

fn with_dotenv(inputs: &Inputs, file: FileId, before: &Environment, findings: &mut Vec<Finding>) -> Environment {
    match dotenv::read(inputs.text(file), before) {
        Ok(environment) => environment,
        Err(mistake) => {
            let at = mistake.at as u32;
            let message = format!("Compose refuses this line: {}", mistake.why);
            findings.push(Finding::new(&reading::SYNTAX, Span { file, start: at, end: at }, message));
            before.clone()
        }
    }
}

struct Loader<'i> {
    inputs: &'i Inputs,
    findings: Vec<Finding>,
    included: Vec<FileId>,
    /// Files that were included so far, again and again counted.
    includes: usize,
    /// Documents as they are written, of each file that was parsed.
    parsed: HashMap<FileId, Vec<Node<'i>>>,
    /// Services of each file that others extend from, variables replaced.
    extended: HashMap<FileId, Rc<Layer<'i>>>,
    /// Values that were copied so far.
    values: usize,
}

/// One document, variables replaced, with the paths that it takes out of those before it.
#[derive(Debug)]
struct Layer<'i> {
    root: Node<'i>,
    resets: Vec<merge::Path>,
    /// Index of each service among the entries of `services:`.
    services: HashMap<String, usize>,
}

impl<'i> Layer<'i> {
    fn new(root: Node<'i>, resets: Vec<merge::Path>) -> Self {
        let services = root.get("services").map(Node::entries).unwrap_or_default().iter().enumerate();
        let services = services.map(|(index, service)| (service.key.text.to_string(), index)).collect();
        Self { root, resets, services }
    }

    fn service(&self, name: &str) -> Option<&Node<'i>> {
        let index = self.services.get(name)?;
        self.root.get("services")?.entries().get(*index).map(|service| &service.value)
    }
}

impl<'i> Loader<'i> {
    /// Files that are laid over each other. `including` is the chain of files that led here.
    fn files(&mut self, files: &[FileId], environment: &Environment, including: &mut Vec<FileId>) -> Node<'i> {
        let file = files.first().copied().unwrap_or_default();
        let mut whole = mapping(Span { file, start: 0, end: 0 });
        for file in files {
            including.push(*file);
            for document in 0..self.documents(*file) {
                let Some((root, resets)) = self.document(*file, document, environment) else { continue };
                let root = self.included(root, environment, including);
                for path in &resets {
                    merge::remove(&mut whole, path);
                }
                let root = self.with_extensions(Layer::new(root, resets), environment);
                whole = merge::merged(whole, root, &mut Vec::new());
            }
            including.pop();
        }
        whole
    }

    /// Parses a file once; gives the number of its documents.
    fn documents(&mut self, file: FileId) -> usize {
        if !self.parsed.contains_key(&file) {
            let read = yaml::parse(self.inputs.text(file), file);
            self.findings.extend(read.mistake);
            self.parsed.insert(file, read.documents);
        }
        self.parsed.get(&file).map_or(0, Vec::len)
    }

    /// One document with its variables replaced, and the paths that it takes out of those before it.
    fn document(
        &mut self,
        file: FileId,
        document: usize,
        environment: &Environment,
    ) -> Option<(Node<'i>, Vec<merge::Path>)> {
        let parsed = self.parsed.get(&file)?.get(document)?;
        if !parsed.is_mapping() {
            let message = "a Compose file is a mapping with `services:` in it";
            self.findings.push(Finding::new(&reading::SYNTAX, parsed.span, message));
            return None;
        }
        let mut root = parsed.clone();
        self.spend(&root).then_some(())?;
        let resets = merge::take_resets(&mut root);
        self.interpolate(&mut root, environment);
        Some((as_modern(root), resets))
    }

    fn interpolate(&mut self, node: &mut Node<'i>, environment: &Environment) {
        match &mut node.value {
            Value::Mapping(entries) => {
                // Extensions are only templates: where they are used, they have been copied to.
                let used = entries.iter_mut().filter(|entry| !entry.key.text.starts_with("x-"));
                used.for_each(|entry| self.interpolate(&mut entry.value, environment));
            }
            Value::Sequence(items) => items.iter_mut().for_each(|item| self.interpolate(item, environment)),
            Value::Scalar(scalar) if scalar.text.contains('$') => match interpolate(&scalar.text, environment) {
                Ok(text) => scalar.text = Cow::Owned(text),
                Err(malformed) => {
                    let message = format!("Compose refuses this value: {malformed}");
                    self.findings.push(Finding::new(&reading::SYNTAX, node.span, message));
                    scalar.text = Cow::Owned([HOLE, HOLE].into_iter().collect());
                }
            },
            Value::Scalar(_) => {}
        }
    }

    /// Brings in what the file includes, beneath what it says itself.
    fn included(&mut self, mut root: Node<'i>, environment: &Environment, including: &mut Vec<FileId>) -> Node<'i> {
        let Some(include) = take(&mut root, "include") else { return root };
        let items = match &include.value {
            Value::Sequence(items) => items.as_slice(),
            _ => &[],
        };
        for item in items {
            let Some((files, environment)) = self.include_files(item, environment, including) else { continue };
            let mut imported = self.files(&files, &environment, including);
            keep(&mut imported, &["services", "networks", "volumes", "configs", "secrets"]);
            root = merge::merged(imported, root, &mut Vec::new());
        }
        root
    }

    /// The files of one entry of `include:`, and the variables that they see.
    fn include_files(
        &mut self,
        item: &Node<'i>,
        environment: &Environment,
        including: &[FileId],
    ) -> Option<(Vec<FileId>, Environment)> {
        let paths = item.get("path").unwrap_or(item);
        let paths = if paths.items().is_empty() { std::slice::from_ref(paths) } else { paths.items() };
        let mut files = Vec::new();
        for path in paths {
            let file = self.follow(path)?;
            if including.contains(&file) {
                let message = "this file includes itself, so Compose refuses it";
                self.findings.push(Finding::new(&reading::SYNTAX, path.span, message));
                return None;
            }
            files.push(file);
        }
        self.includes += files.len();
        if including.len() >= MAX_LEVELS || self.includes > MAX_INCLUDED {
            let message = format!("more than {MAX_LEVELS} levels of `include`, or more than {MAX_INCLUDED} files");
            self.findings.push(Finding::new(&reading::BOUNDS, item.span, message));
            return None;
        }
        self.included.extend(&files);
        let environment = self.include_environment(item, *files.first()?, environment);
        Some((files, environment))
    }

    /// The variables around an included file go before its own.
    fn include_environment(&mut self, item: &Node<'i>, first: FileId, around: &Environment) -> Environment {
        let Some(named) = item.get("env_file") else {
            let beside = match item.get("project_directory").and_then(Node::text) {
                Some(folder) => self.inputs.follow(item.span.file, &Path::new(folder).join(".env")),
                None => self.inputs.follow(first, Path::new(".env")),
            };
            return match beside {
                Ok(file) => with_dotenv(self.inputs, file, around, &mut self.findings),
                Err(_) => around.clone(),
            };
        };
        let files = if named.items().is_empty() { std::slice::from_ref(named) } else { named.items() };
        let mut environment = around.clone();
        for file in files.iter().filter(|file| file.text() != Some("/dev/null")) {
            if let Some(file) = self.follow(file) {
                environment = with_dotenv(self.inputs, file, &environment, &mut self.findings);
            }
        }
        environment
    }

    /// Opens a file that a value names.
    fn follow(&mut self, named: &Node<'i>) -> Option<FileId> {
        let path = named.text()?;
        let is_remote = path.contains("://") || path.starts_with("git@") || path.contains(".git#");
        if path.contains(HOLE) || is_remote {
            let why = if is_remote { "it lies elsewhere" } else { "its path depends on a variable that is not set" };
            let message = format!("`{}` cannot be read: {why}", shown(path));
            self.findings.push(Finding::unknown(&reading::UNREADABLE, named.span, message));
            return None;
        }
        match self.inputs.follow(named.span.file, Path::new(path)) {
            Ok(file) => Some(file),
            Err(why) => {
                self.findings.push(reading::unreadable(named.span, path, &why));
                None
            }
        }
    }

    /// The document with everything that its services extend beneath them.
    fn with_extensions(&mut self, layer: Layer<'i>, environment: &Environment) -> Node<'i> {
        let mut whole = Vec::new();
        for (index, service) in layer.root.get("services").map(Node::entries).unwrap_or_default().iter().enumerate() {
            if service.value.get("extends").is_some()
                && let Some(extended) = self.extended(&service.key.text, &layer, environment, &mut Vec::new())
            {
                whole.push((index, extended));
            }
        }
        let mut root = layer.root;
        if let Value::Mapping(entries) = &mut root.value
            && let Some(services) = entries.iter_mut().find(|entry| entry.key.text == "services")
            && let Value::Mapping(services) = &mut services.value.value
        {
            for (index, service) in whole {
                services[index].value = service;
            }
        }
        root
    }

    /// A service with what it extends beneath it. `chain` is that of the services that led here.
    fn extended(
        &mut self,
        name: &str,
        layer: &Layer<'i>,
        environment: &Environment,
        chain: &mut Vec<(FileId, String)>,
    ) -> Option<Node<'i>> {
        let service = layer.service(name)?;
        if !self.spend(service) {
            return None;
        }
        let mut service = service.clone();
        let Some(extends) = take(&mut service, "extends") else { return Some(service) };
        let link = (service.span.file, name.to_owned());
        if chain.contains(&link) || chain.len() >= MAX_LEVELS {
            let message = format!("`{name}` extends itself, or more than {MAX_LEVELS} services on the way");
            self.findings.push(Finding::new(&reading::SYNTAX, extends.span, message));
            return Some(service);
        }
        let named = extends.get("service").unwrap_or(&extends);
        let Some(base_name) = named.text() else { return Some(service) };
        chain.push(link);
        let base = match extends.get("file") {
            Some(file) => self.base_of_file(file, base_name, environment, chain),
            None => self.extended(base_name, layer, environment, chain),
        };
        chain.pop();
        let Some(mut base) = base else {
            if extends.get("file").is_none() {
                let message = format!("there is no service `{}` to extend", shown(base_name));
                self.findings.push(Finding::new(&reading::SYNTAX, named.span, message));
            }
            return Some(service);
        };
        for path in &layer.resets {
            if let ["services", of, ..] = path.iter().map(String::as_str).collect::<Vec<_>>().as_slice()
                && *of == name
            {
                merge::remove(&mut base, &path[2..]);
            }
        }
        let mut path = vec!["services".to_owned(), name.to_owned()];
        Some(merge::merged(base, service, &mut path))
    }

    /// The service of another file.
    fn base_of_file(
        &mut self,
        file: &Node<'i>,
        name: &str,
        environment: &Environment,
        chain: &mut Vec<(FileId, String)>,
    ) -> Option<Node<'i>> {
        let id = self.follow(file)?;
        let known = self.extended.get(&id).cloned();
        let layer = if let Some(layer) = known {
            layer
        } else {
            self.documents(id);
            let (root, resets) = self.document(id, 0, environment)?;
            let layer = Rc::new(Layer::new(root, resets));
            self.extended.insert(id, Rc::clone(&layer));
            layer
        };
        let base = self.extended(name, &layer, environment, chain);
        if base.is_none() {
            let message = format!("`{}` has no service `{}` to extend", self.inputs.path(id).display(), shown(name));
            self.findings.push(Finding::new(&reading::SYNTAX, file.span, message));
        }
        base
    }

    /// Whether a tree may still be copied.
    fn spend(&mut self, node: &Node<'_>) -> bool {
        let was_within = self.values <= MAX_VALUES;
        self.values = self.values.saturating_add(weight(node));
        let is_within = self.values <= MAX_VALUES;
        if was_within && !is_within {
            let message = "`include` and `extends` make more of this project than any has that people write";
            self.findings.push(Finding::new(&reading::BOUNDS, node.span, message));
        }
        is_within
    }
}

/// The first form of Compose files had the services at the top.
fn as_modern(root: Node<'_>) -> Node<'_> {
    let is_first_form = root.get("services").is_none()
        && root.get("include").is_none()
        && root.get("version").is_none()
        && !root.entries().is_empty()
        && root.entries().iter().all(|entry| entry.value.get("image").or(entry.value.get("build")).is_some());
    if !is_first_form {
        return root;
    }
    let span = root.span;
    let key = yaml::Key { text: Cow::Borrowed("services"), span };
    Node { span, tag: None, value: Value::Mapping(vec![yaml::Entry { key, value: root }]) }
}

fn weight(node: &Node<'_>) -> usize {
    1 + match &node.value {
        Value::Scalar(_) => 0,
        Value::Sequence(items) => items.iter().map(weight).sum(),
        Value::Mapping(entries) => entries.iter().map(|entry| weight(&entry.value)).sum::<usize>(),
    }
}

fn mapping(span: Span) -> Node<'static> {
    Node { span, tag: None, value: Value::Mapping(Vec::new()) }
}

fn take<'i>(node: &mut Node<'i>, key: &str) -> Option<Node<'i>> {
    let Value::Mapping(entries) = &mut node.value else { return None };
    let place = entries.iter().position(|entry| entry.key.text == key)?;
    Some(entries.remove(place).value)
}

fn keep(node: &mut Node<'_>, keys: &[&str]) {
    if let Value::Mapping(entries) = &mut node.value {
        entries.retain(|entry| keys.contains(&&*entry.key.text));
    }
}
