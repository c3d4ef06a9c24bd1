//! Includes: the files that one nginx reads, as one tree.
//!
//! nginx looks for relative names beneath the folder of its main file, and absolute ones on the machine. Repositories
//! hold that folder somewhere else, so `/etc/nginx/conf.d/*.conf` also means `conf.d/*.conf` beside the main file.

use std::{
    collections::{HashMap, HashSet},
    fs,
    path::{Component, Path, PathBuf},
    rc::Rc,
};

use super::{
    lexer::Word,
    tree::{Directive, MAX_DEPTH, Tree, parse},
};
use crate::{
    finding::Finding,
    inputs::{FileId, Inputs, Unreadable},
    reading::{BOUNDS, SYNTAX, UNRESOLVED, unreadable},
};

/// Files within files.
const MAX_INCLUDES: usize = 16;

/// Directives of one tree, with all that is included; a file that is included often counts each time.
const MAX_EXPANDED: usize = 400_000;

/// Places that are shown of a name that cannot be read.
const MAX_PLACES: usize = 3;

/// Names that a pattern may match.
const MAX_MATCHES: usize = 5_000;

/// Where packages put the folder of the main file.
const PREFIXES: [&str; 6] = [
    "/etc/nginx",
    "/usr/local/nginx/conf",
    "/usr/local/openresty/nginx/conf",
    "/usr/local/etc/nginx",
    "/opt/nginx/conf",
    "/etc/openresty",
];

/// Parts that come with nginx and say nothing of ports or access.
const SHIPPED: [&str; 11] = [
    "mime.types",
    "fastcgi_params",
    "fastcgi.conf",
    "uwsgi_params",
    "scgi_params",
    "proxy_params",
    "koi-utf",
    "koi-win",
    "win-utf",
    "fastcgi-php.conf",
    "options-ssl-nginx.conf",
];

/// Reads files once and puts them together.
pub(crate) struct Reader<'a> {
    inputs: &'a Inputs,
    trees: HashMap<FileId, Rc<Tree>>,
    /// Files that another one includes.
    pub(crate) included: HashSet<FileId>,
    pub(crate) findings: Vec<Finding>,
    /// Names that cannot be read, and which finding says so.
    missing: HashMap<String, usize>,
}

/// One main file that is being put together.
struct Whole {
    root: FileId,
    /// Files that are open, the main one first.
    stack: Vec<FileId>,
    count: usize,
    is_full: bool,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(inputs: &'a Inputs) -> Self {
        Self { inputs, trees: HashMap::new(), included: HashSet::new(), findings: Vec::new(), missing: HashMap::new() }
    }

    /// The tree of one file, without what it includes.
    pub(crate) fn tree(&mut self, file: FileId) -> Rc<Tree> {
        if let Some(known) = self.trees.get(&file) {
            return Rc::clone(known);
        }
        let tree = Rc::new(parse(self.inputs.text(file), file));
        if let Some(mistake) = tree.mistake {
            let message = format!("nginx does not take this file: {}", mistake.text);
            self.findings.push(Finding::new(&SYNTAX, mistake.span, message));
        }
        if let Some(beyond) = tree.beyond {
            let message = format!("{}: the rest is not read", beyond.text);
            self.findings.push(Finding::new(&BOUNDS, beyond.span, message));
        }
        self.trees.insert(file, Rc::clone(&tree));
        tree
    }

    /// The directives of a file, with those of the files that it includes in place of each `include`. One that cannot
    /// be read stays, so that rules see that something is missing.
    pub(crate) fn whole(&mut self, root: FileId) -> Vec<Directive> {
        let tree = self.tree(root);
        let mut whole = Whole { root, stack: vec![root], count: 0, is_full: false };
        let mut directives = Vec::new();
        self.expand(&tree.directives, &mut whole, 0, &mut directives);
        directives
    }

    fn expand(&mut self, from: &[Directive], whole: &mut Whole, depth: usize, into: &mut Vec<Directive>) {
        for directive in from {
            whole.count += 1;
            if whole.count > MAX_EXPANDED || depth > MAX_DEPTH {
                if !std::mem::replace(&mut whole.is_full, true) {
                    let message = "more directives than any configuration has, once includes are put in";
                    self.findings.push(Finding::new(&BOUNDS, directive.span, message));
                }
                return;
            }
            if directive.name() == "include" && directive.block.is_none() {
                self.include(directive, whole, depth, into);
                continue;
            }
            let block = directive.block.as_ref().map(|block| {
                let mut inside = Vec::with_capacity(block.len());
                self.expand(block, whole, depth + 1, &mut inside);
                inside
            });
            into.push(Directive { words: directive.words.clone(), block, span: directive.span });
        }
    }

    fn include(&mut self, directive: &Directive, whole: &mut Whole, depth: usize, into: &mut Vec<Directive>) {
        let Some(word) = directive.words.get(1) else { return };
        let named = word.text.as_str();
        if word.is_template || named.contains('$') {
            let message = format!("which file `include {named}` means is not in the files");
            self.findings.push(Finding::unknown(&UNRESOLVED, word.span, message));
            into.push(directive.clone());
            return;
        }
        match self.files(whole, directive.span.file, named) {
            Ok(files) => {
                for file in files {
                    if whole.stack.contains(&file) || whole.stack.len() > MAX_INCLUDES {
                        let message = format!("`{named}` is included by itself, or too deeply");
                        self.findings.push(Finding::new(&BOUNDS, word.span, message));
                        continue;
                    }
                    self.included.insert(file);
                    let tree = self.tree(file);
                    whole.stack.push(file);
                    self.expand(&tree.directives, whole, depth, into);
                    whole.stack.pop();
                }
            }
            Err(why) => {
                let name = Path::new(named).file_name().map(|name| name.to_string_lossy()).unwrap_or_default();
                if !SHIPPED.contains(&name.as_ref()) {
                    self.missing(word, &why);
                    into.push(directive.clone());
                }
            }
        }
    }

    /// A name that many files include is told of once.
    fn missing(&mut self, word: &Word, why: &Unreadable) {
        if let Some(&first) = self.missing.get(&word.text) {
            let known = &mut self.findings[first];
            let is_again = known.span == word.span || known.related.iter().any(|(span, _)| *span == word.span);
            if !is_again && known.related.len() < MAX_PLACES {
                known.related.push((word.span, "and here".to_owned()));
            }
        } else {
            self.missing.insert(word.text.clone(), self.findings.len());
            self.findings.push(unreadable(word.span, &word.text, why));
        }
    }

    /// The files that a name means, in the order of their names. A pattern that matches nothing is no mistake.
    fn files(&self, whole: &Whole, from: FileId, named: &str) -> Result<Vec<FileId>, Unreadable> {
        let mut why = Unreadable::Missing;
        for (base, relative) in Self::places(whole.root, from, named) {
            if is_pattern(named) {
                let matches = self.matches(base, &relative);
                if !matches.is_empty() {
                    return Ok(matches);
                }
                continue;
            }
            match self.inputs.follow(base, &relative) {
                Ok(file) => return Ok(vec![file]),
                Err(Unreadable::Missing | Unreadable::Outside) => {}
                Err(other) => why = other,
            }
        }
        if is_pattern(named) { Ok(Vec::new()) } else { Err(why) }
    }

    /// Where a name may be meant: each as a path relative to the folder of a file.
    fn places(root: FileId, from: FileId, named: &str) -> Vec<(FileId, PathBuf)> {
        let below_prefix = PREFIXES.iter().find_map(|prefix| named.strip_prefix(prefix)?.strip_prefix('/'));
        let relative = below_prefix.unwrap_or(named);
        let mut places = Vec::new();
        if relative.starts_with('/') {
            places.push((root, PathBuf::from(relative)));
        } else {
            // A part in `conf.d` or `sites-enabled` has its main file one or two folders above.
            for above in ["", "..", "../.."] {
                places.push((root, Path::new(above).join(relative)));
            }
            if from != root {
                places.push((from, PathBuf::from(relative)));
            }
        }
        places
    }

    fn matches(&self, base: FileId, pattern: &Path) -> Vec<FileId> {
        let mut folders = vec![PathBuf::new()];
        let components: Vec<Component<'_>> = pattern.components().collect();
        for (index, component) in components.iter().enumerate() {
            let is_last = index + 1 == components.len();
            let name = component.as_os_str().to_string_lossy();
            folders = folders
                .into_iter()
                .flat_map(|folder| {
                    if is_pattern(&name) {
                        self.listed(base, &folder, &name)
                    } else {
                        vec![folder.join(component.as_os_str())]
                    }
                })
                .take(MAX_MATCHES)
                .collect();
            if is_last {
                break;
            }
        }
        folders.sort();
        folders.iter().filter_map(|path| self.inputs.follow(base, path).ok()).collect()
    }

    /// The names in a folder that match.
    fn listed(&self, base: FileId, folder: &Path, pattern: &str) -> Vec<PathBuf> {
        let real = self.inputs.beside(base, folder);
        let real = if real.as_os_str().is_empty() { PathBuf::from(".") } else { real };
        if !self.inputs.may_list(&real) {
            return Vec::new();
        }
        let entries = fs::read_dir(real).into_iter().flatten().flatten();
        let names = entries.take(MAX_MATCHES).map(|entry| entry.file_name().to_string_lossy().into_owned());
        // As the shell has it, `*` does not match hidden names.
        let is_shown = |name: &String| !name.starts_with('.') || pattern.starts_with('.');
        names.filter(is_shown).filter(|name| is_match(pattern, name)).map(|name| folder.join(name)).collect()
    }
}

fn is_pattern(text: &str) -> bool {
    text.contains(['*', '?', '['])
}

/// Whether a name matches `*`, `?` and `[…]`, in linear time for each `*` at most.
fn is_match(pattern: &str, name: &str) -> bool {
    let (pattern, name): (Vec<char>, Vec<char>) = (pattern.chars().collect(), name.chars().collect());
    let (mut p, mut n) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while n < name.len() {
        let step = match pattern.get(p) {
            Some('*') => {
                star = Some((p, n));
                p += 1;
                continue;
            }
            Some('?') => Some(1),
            Some('[') => class(&pattern[p..], name[n]),
            Some(literal) if *literal == name[n] => Some(1),
            _ => None,
        };
        match (step, star) {
            (Some(length), _) => (p, n) = (p + length, n + 1),
            (None, Some((at, from))) => {
                star = Some((at, from + 1));
                (p, n) = (at + 1, from + 1);
            }
            (None, None) => return false,
        }
    }
    pattern[p..].iter().all(|rest| *rest == '*')
}

/// Length of the class that begins here, if the character is in it.
fn class(pattern: &[char], character: char) -> Option<usize> {
    let end = pattern.iter().skip(2).position(|c| *c == ']')? + 2;
    let inside = &pattern[1..end];
    let (is_negated, inside) = match inside {
        ['!' | '^', rest @ ..] => (true, rest),
        inside => (false, inside),
    };
    let mut found = false;
    let mut at = 0;
    while at < inside.len() {
        match inside[at..] {
            [first, '-', last, ..] => {
                found |= (first..=last).contains(&character);
                at += 3;
            }
            [one, ..] => {
                found |= one == character;
                at += 1;
            }
            [] => break,
        }
    }
    (found != is_negated).then_some(end + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(folder: &Path, files: &[(&str, &str)]) {
        for (name, text) in files {
            let path = folder.join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
    }

    fn names(directives: &[Directive]) -> Vec<String> {
        directives
            .iter()
            .map(|directive| directive.words.iter().map(|w| w.text.as_str()).collect::<Vec<_>>().join(" "))
            .collect()
    }

    #[test]
    fn includes_are_found_beside_the_main_file() {
        let folder = tempfile::tempdir().unwrap();
        write(
            folder.path(),
            &[
                ("nginx/nginx.conf", "include /etc/nginx/conf.d/*.conf; include mime.types; include missing.conf;"),
                ("nginx/conf.d/b.conf", "b; include snippets/s.conf;"),
                ("nginx/conf.d/a.conf", "a;"),
                ("nginx/conf.d/.hidden.conf", "hidden;"),
                ("nginx/snippets/s.conf", "s;"),
            ],
        );
        let inputs = Inputs::beneath([folder.path().to_owned()]);
        let root = inputs.open(&folder.path().join("nginx/nginx.conf")).unwrap();
        let mut reader = Reader::new(&inputs);
        assert_eq!(names(&reader.whole(root)), ["a", "b", "s", "include missing.conf"]);
        assert_eq!(reader.findings.len(), 1);
        assert_eq!(reader.included.len(), 3);
    }

    #[test]
    fn circles_and_multiplication_are_bounded() {
        let folder = tempfile::tempdir().unwrap();
        write(
            folder.path(),
            &[
                ("a.conf", "x; include b.conf;"),
                ("b.conf", "y; include a.conf;"),
                ("bomb.conf", &"include bomb1.conf;".repeat(100)),
                ("bomb1.conf", &"include bomb2.conf;".repeat(100)),
                ("bomb2.conf", &"include bomb3.conf;".repeat(100)),
                ("bomb3.conf", &"x;".repeat(100)),
            ],
        );
        let inputs = Inputs::beneath([folder.path().to_owned()]);
        let mut reader = Reader::new(&inputs);
        let root = inputs.open(&folder.path().join("a.conf")).unwrap();
        assert_eq!(names(&reader.whole(root)), ["x", "y"]);
        assert_eq!(reader.findings.len(), 1);
        let root = inputs.open(&folder.path().join("bomb.conf")).unwrap();
        assert!(reader.whole(root).len() <= MAX_EXPANDED);
        assert_eq!(reader.findings.len(), 2);
    }

    #[test]
    fn patterns_match_as_those_of_a_shell() {
        for (pattern, name, expected) in [
            ("*.conf", "a.conf", true),
            ("*.conf", "a.conf.bak", false),
            ("a*b*c", "aXbYbZc", true),
            ("?[0-9][!x].conf", "a5y.conf", true),
            ("?[0-9][!x].conf", "a5x.conf", false),
            ("[", "[", false),
            ("*", "", true),
            ("a", "ab", false),
        ] {
            assert_eq!(is_match(pattern, name), expected, "{pattern} {name}");
        }
    }
}
