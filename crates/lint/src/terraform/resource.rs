//! Resources as Terraform makes them: repeated by `count` and `for_each`, their `dynamic` blocks written out.

use std::{collections::HashMap, rc::Rc};

use hcl_edit::{Span as _, expr::Expression, structure::Body};

use super::{
    evaluate::{Evaluation, Frame, place},
    module::{Module, Placed, label_place},
    value::{Term, Value},
};
use crate::inputs::Span;

/// More instances of one resource, or blocks of one kind, are like those before them.
const MAX_INSTANCES: usize = 256;

/// One thing that is made.
#[derive(Debug, Clone)]
pub(super) struct Resource {
    /// `aws_security_group`
    pub(super) kind: String,
    /// `web`
    pub(super) name: String,
    /// `aws_security_group.web`, in a module with its path in front.
    pub(super) address: String,
    /// Which one, if there are several.
    pub(super) instance: Option<String>,
    /// Its attributes and blocks as a map; blocks are lists of maps.
    pub(super) body: Term,
    /// Its name.
    pub(super) place: Span,
    /// How it was read.
    pub(super) source: Source,
}

/// How a resource was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Source {
    /// From the language: what is not said has its default.
    Language,
    /// From a plan or state: all defaults are said.
    Plan,
}

/// All instances of the resources of a module whose kind is of interest.
pub(super) fn resources(module: &Module<'_>, is_of_interest: impl Fn(&str) -> bool) -> Vec<Resource> {
    let mut resources = Vec::new();
    for placed in module.blocks("resource") {
        let [kind, name, ..] = placed.block.labels.as_slice() else { continue };
        if is_of_interest(kind.as_str()) {
            instances(module, placed, |instance, body| {
                resources.push(Resource {
                    kind: kind.as_str().to_owned(),
                    name: name.as_str().to_owned(),
                    address: format!("{}{}.{}", module.path, kind.as_str(), name.as_str()),
                    instance,
                    body,
                    place: label_place(placed, 1),
                    source: Source::Language,
                });
            });
        }
    }
    resources
}

/// Each instance of a block with `count` or `for_each`, with its attributes and blocks; a single one if how many there
/// are is not known.
pub(super) fn instances(module: &Module<'_>, placed: Placed<'_>, mut each: impl FnMut(Option<String>, Term)) {
    let evaluation = Evaluation { module, file: placed.file, frame: None };
    let body = &placed.block.body;
    let span = place(placed.file, placed.block.ident.span());
    let names: Vec<Option<(Option<String>, Frame<'_>)>> = match repetition(evaluation, body) {
        Repetition::Once => vec![None],
        Repetition::Unknown(value) => vec![Some((None, unknown_times(&value, span)))],
        Repetition::Times(times) => (0..times.min(MAX_INSTANCES)).map(|index| Some(counted(index, span))).collect(),
        Repetition::Over(entries) => entries.into_iter().take(MAX_INSTANCES).map(|entry| Some(keyed(entry))).collect(),
    };
    for name in names {
        match name {
            None => each(None, evaluation.body(body, span)),
            Some((instance, frame)) => each(instance, evaluation.within(&frame).body(body, span)),
        }
    }
}

enum Repetition {
    Once,
    /// Nobody knows how often.
    Unknown(Value),
    Times(usize),
    Over(Vec<(Term, Term)>),
}

fn repetition(evaluation: Evaluation<'_>, body: &Body) -> Repetition {
    if let Some(count) = body.get_attribute("count") {
        let count = evaluation.term(&count.value).value;
        return match count.as_integer() {
            Some(times) => Repetition::Times(usize::try_from(times).unwrap_or(0)),
            None => Repetition::Unknown(count),
        };
    }
    if let Some(for_each) = body.get_attribute("for_each") {
        let collection = evaluation.term(&for_each.value);
        return entries(&collection).map_or(Repetition::Unknown(collection.value), Repetition::Over);
    }
    Repetition::Once
}

/// Keys and values of a collection; a set's items are their own keys. `None` if it is not known.
fn entries(collection: &Term) -> Option<Vec<(Term, Term)>> {
    match collection.value.resolved() {
        Value::Map(entries) => {
            let keyed = entries.iter();
            Some(keyed.map(|(key, term)| (Term::new(Value::Text(key.clone()), term.span), term.clone())).collect())
        }
        Value::List(items) => Some(items.iter().map(|item| (item.clone(), item.clone())).collect()),
        _ => None,
    }
}

fn counted<'a>(index: usize, span: Span) -> (Option<String>, Frame<'a>) {
    let number = Term::new(Value::Number(index as f64), span);
    let count = Term::new(Value::Map([("index".into(), number)].into()), span);
    (Some(index.to_string()), Frame { outer: None, names: vec![("count".into(), count)] })
}

/// One instance stands for all; what it is called and holds depends on what their number does.
fn unknown_times<'a>(why: &Value, span: Span) -> Frame<'a> {
    let unknown = || Term::new(why.clone(), span);
    let each = iterator(unknown(), unknown());
    let count = Term::new(Value::Map([("index".into(), unknown())].into()), span);
    Frame { outer: None, names: vec![("each".into(), each), ("count".into(), count)] }
}

fn keyed<'a>((key, value): (Term, Term)) -> (Option<String>, Frame<'a>) {
    let instance = key.value.as_text();
    let each = iterator(key, value);
    (instance, Frame { outer: None, names: vec![("each".into(), each)] })
}

fn iterator(key: Term, value: Term) -> Term {
    let span = value.span;
    Term::new(Value::Map([("key".into(), key), ("value".into(), value)].into()), span)
}

impl Evaluation<'_> {
    /// Attributes and blocks as a map. Blocks give way to an attribute of the same name.
    fn body(&self, body: &Body, span: Span) -> Term {
        let attributes = body.attributes();
        let mut entries: Vec<(Rc<str>, Term)> =
            attributes.map(|attribute| (attribute.key.as_str().into(), self.term(&attribute.value))).collect();
        let mut blocks: Vec<(&str, Vec<Term>)> = Vec::new();
        let mut at: HashMap<&str, usize> = HashMap::new();
        for block in body.blocks() {
            let span = place(self.file, block.ident.span());
            let (name, items) = match (block.ident.as_str(), block.labels.first()) {
                ("dynamic", Some(name)) => (name.as_str(), self.dynamic(name.as_str(), &block.body, span)),
                (name, _) => (name, vec![self.body(&block.body, span)]),
            };
            let index = *at.entry(name).or_insert_with(|| {
                blocks.push((name, Vec::new()));
                blocks.len() - 1
            });
            if let Some((_, all)) = blocks.get_mut(index) {
                all.extend(items);
            }
        }
        entries.extend(blocks.into_iter().map(|(name, items)| {
            let span = items.first().map_or(span, |item| item.span);
            (Rc::from(name), Term::new(Value::list(items), span))
        }));
        Term::new(Value::Map(entries.into()), span)
    }

    /// The blocks that a `dynamic` block stands for; a single unknown one if nobody knows.
    fn dynamic(&self, name: &str, body: &Body, span: Span) -> Vec<Term> {
        let (Some(for_each), Some(content)) = (body.get_attribute("for_each"), body.get_blocks("content").next())
        else {
            return Vec::new();
        };
        let collection = self.term(&for_each.value);
        let Some(entries) = entries(&collection) else {
            return vec![Term::new(collection.value.clone(), self.span(&for_each.value))];
        };
        let iterated: Rc<str> = match body.get_attribute("iterator").map(|attribute| &attribute.value) {
            Some(Expression::Variable(iterated)) => iterated.as_str().into(),
            _ => name.into(),
        };
        let block = |(key, value): (Term, Term)| {
            let frame = Frame { outer: self.frame, names: vec![(iterated.clone(), iterator(key, value))] };
            let inner = Evaluation { module: self.module, file: self.file, frame: Some(&frame) };
            inner.body(&content.body, span)
        };
        entries.into_iter().take(MAX_INSTANCES).map(block).collect()
    }
}
