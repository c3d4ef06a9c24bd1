//! One module: a folder of files, read together, with the values that it is called with.

use std::{
    cell::{Cell, RefCell},
    collections::HashMap,
    rc::Rc,
};

use hcl_edit::{
    Span as _,
    expr::Expression,
    structure::{Block, BlockLabel, Body},
};

use super::{
    evaluate::{Evaluation, place},
    value::{Reference, Term, Unknown},
};
use crate::inputs::{FileId, Span};

/// Expressions that are evaluated for one module before everything else in it is unknown.
const MAX_STEPS: u32 = 2_000_000;
/// How deep expressions may nest, those of the values that they name included.
const MAX_DEPTH: u32 = 120;

/// A parsed file.
#[derive(Debug)]
pub(super) struct File {
    pub(super) id: FileId,
    pub(super) body: Body,
}

/// An expression and the file in which it stands.
#[derive(Clone, Copy)]
struct Declared<'a> {
    file: FileId,
    expression: &'a Expression,
}

/// A block and the file in which it stands.
#[derive(Clone, Copy)]
pub(super) struct Placed<'a> {
    pub(super) file: FileId,
    pub(super) block: &'a Block,
}

/// A module with all that its expressions can name.
pub(super) struct Module<'a> {
    /// `module.net.` if this is a module that is called; empty for the root.
    pub(super) path: String,
    pub(super) files: &'a [File],
    given: HashMap<Rc<str>, Term>,
    defaults: HashMap<&'a str, Option<Declared<'a>>>,
    locals: HashMap<&'a str, Declared<'a>>,
    outputs: HashMap<&'a str, Declared<'a>>,
    /// By `type.name`, data sources by `data.type.name`.
    resources: HashMap<String, Placed<'a>>,
    /// By name of the call: what the called modules put out.
    called: RefCell<HashMap<String, HashMap<String, Term>>>,
    known: RefCell<HashMap<String, Option<Term>>>,
    steps: Cell<u32>,
    depth: Cell<u32>,
}

impl<'a> Module<'a> {
    /// A module with the values that its variables are given.
    pub(super) fn new(path: String, files: &'a [File], given: HashMap<Rc<str>, Term>) -> Self {
        let mut module = Self {
            path,
            files,
            given,
            defaults: HashMap::new(),
            locals: HashMap::new(),
            outputs: HashMap::new(),
            resources: HashMap::new(),
            called: RefCell::default(),
            known: RefCell::default(),
            steps: Cell::new(0),
            depth: Cell::new(0),
        };
        for file in files {
            for block in file.body.blocks() {
                module.declare(file.id, block);
            }
        }
        module
    }

    fn declare(&mut self, file: FileId, block: &'a Block) {
        let label = |index: usize| block.labels.get(index).map(BlockLabel::as_str);
        let declared = |name: &str| {
            block.body.get_attribute(name).map(|attribute| Declared { file, expression: &attribute.value })
        };
        match (block.ident.as_str(), label(0), label(1)) {
            ("variable", Some(name), _) => {
                self.defaults.insert(name, declared("default"));
            }
            ("locals", ..) => {
                let locals = block.body.attributes();
                self.locals
                    .extend(locals.map(|local| (local.key.as_str(), Declared { file, expression: &local.value })));
            }
            ("output", Some(name), _) => self.outputs.extend(declared("value").map(|value| (name, value))),
            ("resource", Some(kind), Some(name)) => {
                self.resources.insert(format!("{kind}.{name}"), Placed { file, block });
            }
            ("data", Some(kind), Some(name)) => {
                self.resources.insert(format!("data.{kind}.{name}"), Placed { file, block });
            }
            _ => {}
        }
    }

    /// All blocks of a kind, such as `resource`.
    pub(super) fn blocks(&self, kind: &'a str) -> impl Iterator<Item = Placed<'a>> {
        self.files.iter().flat_map(move |file| file.body.get_blocks(kind).map(|block| Placed { file: file.id, block }))
    }

    /// The value of a variable; `None` if there is no such variable.
    pub(super) fn variable(&self, name: &str) -> Option<Term> {
        if let Some(term) = self.given.get(name) {
            return Some(term.clone());
        }
        let default = (*self.defaults.get(name)?)?;
        Some(self.once(format!("var.{name}"), default))
    }

    /// The value of a local; `None` if there is no such local.
    pub(super) fn local(&self, name: &str) -> Option<Term> {
        Some(self.once(format!("local.{name}"), *self.locals.get(name)?))
    }

    /// What a called module puts out; `None` if the module is not among the files.
    pub(super) fn output(&self, module: &str, name: &str) -> Option<Term> {
        self.called.borrow().get(module)?.get(name).cloned()
    }

    /// Remembers what a called module puts out.
    pub(super) fn remember(&self, module: &str, outputs: HashMap<String, Term>) {
        self.called.borrow_mut().insert(module.to_owned(), outputs);
    }

    /// All that this module puts out.
    pub(super) fn put_out(&self) -> HashMap<String, Term> {
        let outputs = self.outputs.iter();
        outputs.map(|(name, declared)| ((*name).to_owned(), self.once(format!("output.{name}"), *declared))).collect()
    }

    /// A reference to an attribute of a resource, with its value if the resource says it in so many words.
    pub(super) fn attribute(&self, address: &str, instance: Option<String>, attribute: &str) -> Reference {
        let said = self.resources.get(address).and_then(|placed| {
            let declared = placed.block.body.get_attribute(attribute)?;
            Some(Declared { file: placed.file, expression: &declared.value })
        });
        let value = said.map(|declared| self.once(format!("{address}.{attribute}"), declared));
        let value = value.filter(|term| term.value.unknown().is_none());
        Reference { address: format!("{}{address}", self.path), instance, attribute: attribute.to_owned(), value }
    }

    /// Evaluates a declaration the first time it is asked for. What depends on itself is unknown.
    fn once(&self, key: String, declared: Declared<'_>) -> Term {
        let span = place(declared.file, declared.expression.span());
        if let Some(known) = self.known.borrow().get(&key) {
            let circular = || Term::new(Unknown::on(format!("{key}, which depends on itself")), span);
            return known.clone().unwrap_or_else(circular);
        }
        self.known.borrow_mut().insert(key.clone(), None);
        let evaluation = Evaluation { module: self, file: declared.file, frame: None };
        let term = evaluation.term(declared.expression);
        self.known.borrow_mut().insert(key, Some(term.clone()));
        term
    }

    /// Takes account of one more expression; `None` if it is one too many or too deep.
    pub(super) fn step(&self) -> Option<Step<'_>> {
        if self.depth.get() >= MAX_DEPTH || self.steps.get() >= MAX_STEPS {
            return None;
        }
        self.steps.set(self.steps.get() + 1);
        self.depth.set(self.depth.get() + 1);
        Some(Step { depth: &self.depth })
    }
}

/// An expression that is being evaluated.
pub(super) struct Step<'a> {
    depth: &'a Cell<u32>,
}

impl Drop for Step<'_> {
    fn drop(&mut self) {
        self.depth.set(self.depth.get() - 1);
    }
}

/// The values of a `.tfvars` file. Nothing in it can name anything.
pub(super) fn given_by(file: &File) -> HashMap<Rc<str>, Term> {
    let nothing = Module::new(String::new(), &[], HashMap::new());
    let evaluation = Evaluation { module: &nothing, file: file.id, frame: None };
    let attributes = file.body.attributes();
    attributes.map(|attribute| (attribute.key.as_str().into(), evaluation.term(&attribute.value))).collect()
}

/// Where a label stands, or the block's keyword if it has none.
pub(super) fn label_place(placed: Placed<'_>, index: usize) -> Span {
    let label = placed.block.labels.get(index).and_then(BlockLabel::span);
    place(placed.file, label.or_else(|| placed.block.ident.span()))
}
