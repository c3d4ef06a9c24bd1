//! Plans and states in JSON: `terraform show -json`, and `terraform.tfstate` itself.
//!
//! Everything is written out there, defaults included. What will only be known once it is made is unknown here too;
//! where the plan says from what it will come, it is a reference, so that rules find their groups.

use std::{collections::HashMap, rc::Rc};

use super::{
    resource::{Resource, Source},
    value::{Reference, Term, Unknown, Value},
};
use crate::{
    finding::Finding,
    inputs::{FileId, Inputs},
    yaml::{self, Node},
};

/// Whether a text is a plan or a state: both say by which version they were written, and early.
pub(super) fn recognises(text: &str) -> bool {
    let head = text.get(..1024).unwrap_or(text);
    text.trim_start().starts_with('{')
        && head.contains("\"terraform_version\"")
        && (head.contains("\"format_version\"") || head.contains("\"serial\"") || head.contains("\"version\""))
}

/// All resources of a plan or state, and what is wrong with it as a text.
pub(super) fn resources(inputs: &Inputs, file: FileId) -> (Vec<Resource>, Option<Finding>) {
    let read = yaml::parse(inputs.text(file), file);
    let Some(document) = read.documents.first() else { return (Vec::new(), read.mistake) };
    let mut reading = Reading { unknown: HashMap::new(), expressions: HashMap::new(), resources: Vec::new() };
    for change in items(document, "resource_changes") {
        if let (Some(address), Some(unknown)) = (text(change, "address"), change.at(&["change", "after_unknown"])) {
            reading.unknown.insert(address, unknown);
        }
    }
    if let Some(module) = document.at(&["configuration", "root_module"]) {
        reading.configuration("", module);
    }
    for values in ["planned_values", "values"] {
        if let Some(module) = document.at(&[values, "root_module"]) {
            reading.module("", module);
        }
    }
    for resource in items(document, "resources") {
        reading.stored(resource);
    }
    (reading.resources, read.mistake)
}

struct Reading<'n, 't> {
    /// By full address: what is not known before it is made.
    unknown: HashMap<&'n str, &'n Node<'t>>,
    /// By module and `type.name`: the expressions of the configuration.
    expressions: HashMap<String, &'n Node<'t>>,
    resources: Vec<Resource>,
}

impl<'n, 't> Reading<'n, 't> {
    fn configuration(&mut self, path: &str, module: &'n Node<'t>) {
        for resource in items(module, "resources") {
            if let (Some(address), Some(expressions)) = (text(resource, "address"), resource.get("expressions")) {
                self.expressions.insert(format!("{path}{address}"), expressions);
            }
        }
        for call in module.get("module_calls").map_or(&[][..], Node::entries) {
            if let Some(called) = call.value.get("module") {
                self.configuration(&format!("{path}module.{}.", call.key.text), called);
            }
        }
    }

    /// A module of planned or present values.
    fn module(&mut self, path: &str, module: &'n Node<'t>) {
        for resource in items(module, "resources") {
            let (Some(kind), Some(name)) = (text(resource, "type"), text(resource, "name")) else { continue };
            if text(resource, "mode") == Some("data") {
                continue;
            }
            let values = resource.get("values").unwrap_or(resource);
            let unknown = text(resource, "address").and_then(|address| self.unknown.get(address)).copied();
            let index = resource.get("index").and_then(|index| index.text()).map(str::to_owned);
            self.add(path, kind, name, index, values, unknown);
            if let (Some(added), Some(name)) = (self.resources.last_mut(), resource.get("name")) {
                added.place = name.span;
            }
        }
        for child in items(module, "child_modules") {
            let address = text(child, "address").unwrap_or_default();
            self.module(&format!("{address}."), child);
        }
    }

    /// A resource of `terraform.tfstate`.
    fn stored(&mut self, resource: &'n Node<'t>) {
        let (Some(kind), Some(name)) = (text(resource, "type"), text(resource, "name")) else { return };
        if text(resource, "mode") == Some("data") {
            return;
        }
        let path = text(resource, "module").map(|module| format!("{module}.")).unwrap_or_default();
        for instance in items(resource, "instances") {
            let Some(attributes) = instance.get("attributes") else { continue };
            let index = instance.get("index_key").and_then(|index| index.text()).map(str::to_owned);
            self.add(&path, kind, name, index, attributes, None);
            if let (Some(added), Some(name)) = (self.resources.last_mut(), resource.get("name")) {
                added.place = name.span;
            }
        }
    }

    fn add(
        &mut self,
        path: &str,
        kind: &str,
        name: &str,
        instance: Option<String>,
        values: &Node<'t>,
        unknown: Option<&Node<'t>>,
    ) {
        let address = format!("{path}{kind}.{name}");
        let plain_path = without_indices(path);
        let expressions = self.expressions.get(&format!("{plain_path}{kind}.{name}")).copied();
        let mut body = term(values);
        if let Some(unknown) = unknown {
            body = with_unknown(body, unknown, expressions, path, &address);
        }
        self.resources.push(Resource {
            kind: kind.to_owned(),
            name: name.to_owned(),
            address,
            instance,
            body,
            place: values.span,
            source: Source::Plan,
        });
    }
}

/// `module.a[0].module.b["x"].` without what stands in brackets.
fn without_indices(path: &str) -> String {
    let mut plain = String::with_capacity(path.len());
    let mut depth = 0_usize;
    for character in path.chars() {
        match character {
            '[' => depth += 1,
            ']' => depth = depth.saturating_sub(1),
            _ if depth == 0 => plain.push(character),
            _ => {}
        }
    }
    plain
}

fn items<'n, 't>(node: &'n Node<'t>, key: &str) -> &'n [Node<'t>] {
    node.get(key).map_or(&[], Node::items)
}

fn text<'n>(node: &'n Node<'_>, key: &str) -> Option<&'n str> {
    node.get(key)?.text()
}

fn term(node: &Node<'_>) -> Term {
    let value = match &node.value {
        yaml::Value::Sequence(items) => Value::list(items.iter().map(term)),
        yaml::Value::Mapping(entries) => {
            Value::Map(entries.iter().map(|entry| (Rc::from(&*entry.key.text), term(&entry.value))).collect())
        }
        yaml::Value::Scalar(scalar) if !scalar.plain => Value::text(&*scalar.text),
        yaml::Value::Scalar(scalar) => match &*scalar.text {
            "null" => Value::Null,
            "true" => Value::Bool(true),
            "false" => Value::Bool(false),
            number => number.parse().map_or_else(|_| Value::text(number), Value::Number),
        },
    };
    Term::new(value, node.span)
}

/// Puts what is not known yet into a value: `after_unknown` has the shape of the value, with `true` where it is open.
fn with_unknown(known: Term, unknown: &Node<'_>, expressions: Option<&Node<'_>>, path: &str, address: &str) -> Term {
    let span = known.span;
    if let Some(entries) = known.value.as_map() {
        let mut merged: Vec<(Rc<str>, Term)> = entries.to_vec();
        for entry in unknown.entries() {
            let key: Rc<str> = Rc::from(&*entry.key.text);
            let inner = expressions.and_then(|expressions| expressions.get(&key));
            let at = merged.iter().position(|(known, _)| *known == key);
            let before = at.map_or_else(|| Term::new(Value::Null, span), |at| merged[at].1.clone());
            let after = if entry.value.is_true() {
                Term::new(pending(inner, path, address, &key), before.span)
            } else {
                with_unknown(before, &entry.value, inner, path, address)
            };
            match at {
                Some(at) => merged[at].1 = after,
                None => merged.push((key, after)),
            }
        }
        return Term::new(Value::Map(merged.into()), span);
    }
    if let Some(items) = known.value.as_list() {
        let marks = unknown.items();
        // A block's expressions are a list too; those of a plain list belong to the whole of it.
        let inner = |index: usize| match expressions.map(Node::items) {
            Some(items) if !items.is_empty() => items.get(index),
            _ => expressions,
        };
        let mut merged = Vec::with_capacity(items.len().max(marks.len()));
        for index in 0..items.len().max(marks.len()) {
            let before = items.get(index).cloned().unwrap_or_else(|| Term::new(Value::Null, span));
            merged.push(match marks.get(index) {
                Some(mark) if mark.is_true() => Term::new(pending(inner(index), path, address, ""), before.span),
                Some(mark) => with_unknown(before, mark, inner(index), path, address),
                None => before,
            });
        }
        return Term::new(Value::list(merged), span);
    }
    known
}

/// A reference to what the configuration names, or else unknown.
fn pending(expression: Option<&Node<'_>>, path: &str, address: &str, key: &str) -> Value {
    let named = expression.map_or(&[][..], |expression| items(expression, "references"));
    // The longest comes first: `aws_security_group.web.id`, then `aws_security_group.web`.
    let resource = named.iter().filter_map(|node| node.text()).find_map(|name| {
        let mut parts = name.splitn(3, '.');
        let (kind, label, attribute) = (parts.next()?, parts.next()?, parts.next()?);
        let is_resource = !matches!(kind, "var" | "local" | "module" | "data" | "each" | "count");
        let label = label.split('[').next().unwrap_or(label);
        is_resource.then(|| (format!("{path}{kind}.{label}"), attribute.to_owned()))
    });
    if let Some((address, attribute)) = resource {
        return Value::Reference(Rc::new(Reference { address, instance: None, attribute, value: None }));
    }
    let first = named.first().and_then(|node| node.text());
    Unknown::on(first.map_or_else(|| format!("{address}.{key}"), str::to_owned))
}
