//! What a Dockerfile makes: its stages, and the ports that each says it listens on.

use std::collections::HashMap;

use super::{
    lines::{Instruction, instructions},
    words::{Value, Variables, Word, expand, tokens, words},
};
use crate::inputs::{FileId, Span};

/// More stages than anybody writes: what comes behind is not read.
pub(super) const MAX_STAGES: usize = 200;

/// A Dockerfile, read.
#[derive(Debug, Default)]
pub(super) struct Dockerfile {
    /// In the order of the file; the last one is what is built unless another is asked for.
    pub(super) stages: Vec<Stage>,
    /// The first word that is no instruction.
    pub(super) stranger: Option<(Span, String)>,
    /// Where there was too much.
    pub(super) beyond_bounds: Option<Span>,
}

/// What stands between one `FROM` and the next.
#[derive(Debug)]
pub(super) struct Stage {
    /// What `AS` calls it, in lower case.
    pub(super) name: Option<String>,
    /// What it starts from.
    pub(super) base: Base,
    /// Where that is written.
    pub(super) place: Span,
    /// What it exposes itself, without what its base does.
    pub(super) exposed: Vec<Exposed>,
    /// Whom it runs as, if it says so itself.
    pub(super) user: Option<Value>,
    /// What it copies from the folder that it is built from, as far as the names are known.
    pub(super) copied: Vec<String>,
    environment: HashMap<String, Value>,
    arguments: HashMap<String, Value>,
}

/// What a stage starts from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Base {
    /// An earlier stage.
    Stage(usize),
    /// An image from elsewhere, or a name that depends on a variable.
    Image(Value),
}

/// One word behind an `EXPOSE`.
#[derive(Debug)]
pub(super) struct Exposed {
    /// The word.
    pub(super) word: Word,
    /// When it takes effect.
    pub(super) when: When,
}

/// When an instruction takes effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum When {
    /// In this image.
    Now,
    /// In each image that is built from it (`ONBUILD`).
    OnBuild,
}

impl Dockerfile {
    /// Reads a text; what cannot be understood is left out, as Docker refuses such a file anyway.
    pub(super) fn read(file: FileId, text: &str) -> Self {
        let (instructions, escape) = instructions(file, text);
        let mut reading = Reading { escape, dockerfile: Self::default(), global: HashMap::new() };
        for instruction in &instructions {
            if reading.dockerfile.beyond_bounds.is_none() {
                reading.instruction(instruction, When::Now);
            }
        }
        reading.dockerfile
    }

    /// The stages that a stage is made of, itself first.
    pub(super) fn lineage(&self, stage: usize) -> impl Iterator<Item = &Stage> {
        std::iter::successors(self.stages.get(stage), |stage| match stage.base {
            Base::Stage(index) => self.stages.get(index),
            Base::Image(_) => None,
        })
    }

    /// The image from elsewhere that a stage starts from in the end.
    pub(super) fn foundation(&self, stage: usize) -> Option<&Value> {
        self.lineage(stage).last().and_then(|stage| match &stage.base {
            Base::Image(image) => Some(image),
            Base::Stage(_) => None,
        })
    }
}

struct Reading {
    escape: char,
    dockerfile: Dockerfile,
    /// `ARG`s before the first `FROM`: they count in `FROM` lines, and in a stage that asks for them by name.
    global: HashMap<String, Value>,
}

impl Reading {
    fn instruction(&mut self, instruction: &Instruction, when: When) {
        match (instruction.keyword.as_str(), when) {
            ("from", When::Now) => self.from(instruction),
            ("arg", When::Now) => self.arg(instruction),
            ("env", When::Now) => self.env(instruction),
            ("user", When::Now) => {
                let user = expand(instruction.rest.text(), self.escape, &self.scope());
                if let Some(stage) = self.dockerfile.stages.last_mut() {
                    stage.user = Some(user);
                }
            }
            ("expose", _) => self.expose(instruction, when),
            ("copy" | "add", When::Now) => self.copy(instruction),
            ("onbuild", When::Now) => {
                if let Some(inner) = instruction.put_off() {
                    self.instruction(&inner, When::OnBuild);
                }
            }
            ("from" | "arg" | "env" | "user" | "onbuild", When::OnBuild) => {}
            (keyword, _) if INSTRUCTIONS.contains(&keyword) => {}
            (keyword, _) => {
                self.dockerfile.stranger.get_or_insert_with(|| (instruction.keyword_span, keyword.to_owned()));
            }
        }
    }

    /// `FROM [--platform=…] image [AS name]`
    fn from(&mut self, instruction: &Instruction) {
        if self.dockerfile.stages.len() >= MAX_STAGES {
            self.dockerfile.beyond_bounds = Some(instruction.keyword_span);
            return;
        }
        let words = words(&instruction.rest, self.escape, &Globals(&self.global));
        let mut words = words.into_iter().skip_while(|word| {
            matches!(&word.value, Value::Known(text) if text.starts_with("--")) || is_flag(instruction, word)
        });
        let Some(image) = words.next() else { return };
        let is_as = |word: &Word| matches!(&word.value, Value::Known(text) if text.eq_ignore_ascii_case("as"));
        let name = words.next().filter(is_as).and_then(|_| words.next()).and_then(|word| match word.value {
            Value::Known(name) => Some(name.to_ascii_lowercase()),
            Value::Unknown(_) => None,
        });
        let earlier = match &image.value {
            Value::Known(image) => {
                let wanted = Some(image.to_ascii_lowercase());
                self.dockerfile.stages.iter().rposition(|stage| stage.name == wanted)
            }
            Value::Unknown(_) => None,
        };
        self.dockerfile.stages.push(Stage {
            name,
            base: earlier.map_or(Base::Image(image.value), Base::Stage),
            place: image.span,
            exposed: Vec::new(),
            user: None,
            copied: Vec::new(),
            environment: HashMap::new(),
            arguments: HashMap::new(),
        });
    }

    /// `ARG name[=default] …`
    fn arg(&mut self, instruction: &Instruction) {
        let text = instruction.rest.text();
        for token in tokens(text, self.escape) {
            let (name, default) = match text[token.clone()].split_once('=') {
                Some((name, default)) => (name, Some(default)),
                None => (&text[token], None),
            };
            let is_global = self.dockerfile.stages.is_empty();
            let value = match default {
                Some(default) if is_global => expand(default, self.escape, &Globals(&self.global)),
                Some(default) => expand(default, self.escape, &self.scope()),
                None => self.global.get(name).cloned().unwrap_or_else(|| Value::Unknown(name.to_owned())),
            };
            let arguments = match self.dockerfile.stages.last_mut() {
                Some(stage) => &mut stage.arguments,
                None => &mut self.global,
            };
            arguments.insert(name.to_owned(), value);
        }
    }

    /// `ENV name=value …` or `ENV name value with spaces`. All values are replaced before any of them is set.
    fn env(&mut self, instruction: &Instruction) {
        let text = instruction.rest.text();
        let tokens = tokens(text, self.escape);
        let Some(first) = tokens.first().cloned() else { return };
        let scope = self.scope();
        let set: Vec<(String, Value)> = if text[first.clone()].contains('=') {
            let pairs = tokens.into_iter().filter_map(|token| text[token].split_once('='));
            pairs.map(|(name, value)| (name.to_owned(), expand(value, self.escape, &scope))).collect()
        } else {
            let value = expand(text[first.end..].trim_start(), self.escape, &scope);
            vec![(text[first].to_owned(), value)]
        };
        if let Some(stage) = self.dockerfile.stages.last_mut() {
            stage.environment.extend(set);
        }
    }

    fn expose(&mut self, instruction: &Instruction, when: When) {
        let words = words(&instruction.rest, self.escape, &self.scope());
        if let Some(stage) = self.dockerfile.stages.last_mut() {
            stage.exposed.extend(words.into_iter().map(|word| Exposed { word, when }));
        }
    }

    /// `COPY [--from=…] source … target`, also as a list. Copies from other images are not followed.
    fn copy(&mut self, instruction: &Instruction) {
        let text = instruction.rest.text();
        let listed: Option<Vec<String>> = serde_json::from_str(text).ok();
        let known = |word: Word| match word.value {
            Value::Known(text) => Some(text),
            Value::Unknown(_) => None,
        };
        let words = || words(&instruction.rest, self.escape, &self.scope()).into_iter().filter_map(known).collect();
        let mut sources: Vec<String> = listed.unwrap_or_else(words);
        if sources.iter().any(|word| word.starts_with("--from")) {
            return;
        }
        sources.retain(|word| !word.starts_with("--"));
        sources.pop();
        if let Some(stage) = self.dockerfile.stages.last_mut() {
            stage.copied.extend(sources);
        }
    }

    fn scope(&self) -> Scope<'_> {
        Scope { dockerfile: &self.dockerfile }
    }
}

/// `--platform=$BUILDPLATFORM` is a flag even where the variable is not known.
fn is_flag(instruction: &Instruction, word: &Word) -> bool {
    let first = instruction.rest.span(0, 0).start;
    let at = (word.span.start - first) as usize;
    matches!(word.value, Value::Unknown(_))
        && instruction.rest.text().get(at..).is_some_and(|text| text.starts_with("--"))
}

/// The names before the first `FROM`.
struct Globals<'a>(&'a HashMap<String, Value>);

impl Variables for Globals<'_> {
    fn value(&self, name: &str) -> Option<&Value> {
        self.0.get(name)
    }
}

/// The names of the last stage and of those it is made of. `ENV` wins over `ARG`, wherever the two stand.
struct Scope<'a> {
    dockerfile: &'a Dockerfile,
}

impl Variables for Scope<'_> {
    fn value(&self, name: &str) -> Option<&Value> {
        let last = self.dockerfile.stages.len().checked_sub(1)?;
        let lineage = || self.dockerfile.lineage(last);
        lineage()
            .find_map(|stage| stage.environment.get(name))
            .or_else(|| lineage().find_map(|stage| stage.arguments.get(name)))
    }
}

/// What Docker and Podman know besides those that are followed here.
const INSTRUCTIONS: [&str; 12] = [
    "add",
    "cmd",
    "copy",
    "entrypoint",
    "healthcheck",
    "label",
    "maintainer",
    "run",
    "shell",
    "stopsignal",
    "volume",
    "workdir",
];

/// Whether a word begins an instruction.
pub(super) fn is_instruction(word: &str) -> bool {
    const FOLLOWED: [&str; 6] = ["from", "arg", "env", "user", "expose", "onbuild"];
    let word = word.to_ascii_lowercase();
    INSTRUCTIONS.iter().chain(&FOLLOWED).any(|known| *known == word)
}
