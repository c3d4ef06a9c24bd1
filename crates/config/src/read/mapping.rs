//! A mapping whose keys are asked for by name; what nobody asks for is unknown.

use super::{
    example,
    mistake::{self, Mistake},
    reader::Reader,
};
use crate::{
    finding::Finding,
    rule::RuleId,
    span::{Span, Spanned},
    yaml::{Entry, Node, Value},
};

/// View of one mapping, made by [`Reader::mapping`].
pub(crate) struct Mapping<'m, 'r, 'n> {
    pub(crate) reader: &'m mut Reader<'r>,
    entries: &'n [Entry<'n>],
    span: Span,
    /// Its name in the schema.
    object: &'static str,
    what: &'m str,
    asked: Vec<&'static str>,
    /// Findings before this mapping was read.
    earlier: usize,
    missing: Vec<Missing>,
}

/// A key that is not there. Reported at the end, unless one of the unknown keys turns out to be a misspelling of it: one
/// mistake is told once.
struct Missing {
    /// The key, or those of which one is needed.
    keys: Vec<&'static str>,
    finding: Finding,
}

impl<'m, 'r, 'n> Mapping<'m, 'r, 'n> {
    pub(super) fn new(
        reader: &'m mut Reader<'r>,
        entries: &'n [Entry<'n>],
        span: Span,
        object: &'static str,
        what: &'m str,
    ) -> Self {
        let earlier = reader.findings.len();
        Self { reader, entries, span, object, what, asked: Vec::new(), earlier, missing: Vec::new() }
    }

    /// The node of a key, if it is there.
    pub(crate) fn node(&mut self, key: &'static str) -> Option<&'n Node<'n>> {
        self.entry(key).map(|entry| &entry.value)
    }

    /// Place of a key, if it is there.
    pub(crate) fn key_span(&mut self, key: &'static str) -> Option<Span> {
        self.entry(key).map(|entry| entry.key.span)
    }

    /// A key that may be there, of any kind.
    pub(crate) fn optional<T>(
        &mut self,
        key: &'static str,
        read: impl FnOnce(&mut Reader<'r>, &Node<'_>) -> Option<T>,
    ) -> Option<Spanned<T>> {
        let node = self.node(key)?;
        read(self.reader, node).map(|value| Spanned::new(value, node.span))
    }

    /// A single value that may be there.
    pub(crate) fn value<T>(
        &mut self,
        key: &'static str,
        parse: impl FnOnce(&str) -> Result<T, Mistake>,
    ) -> Option<Spanned<T>> {
        self.optional(key, |reader, node| reader.value(node, parse))
    }

    /// A single value that must be there.
    pub(crate) fn required<T>(
        &mut self,
        key: &'static str,
        parse: impl FnOnce(&str) -> Result<T, Mistake>,
    ) -> Option<Spanned<T>> {
        if self.require(key) { self.value(key, parse) } else { None }
    }

    /// Reports a key that is not there; whether it is.
    pub(crate) fn require(&mut self, key: &'static str) -> bool {
        if self.node(key).is_some() {
            return true;
        }
        let example = example::of(self.object, key).unwrap_or("VALUE");
        let finding = Finding::new(RuleId::MissingKey, self.span, format!("{} has no `{key}`", self.what))
            .help(format!("add `{key}: {example}`"));
        self.missing.push(Missing { keys: vec![key], finding });
        false
    }

    /// Reports that none of these keys is there, unless one of them is and misspelt.
    pub(crate) fn misses(&mut self, keys: &[&'static str], finding: Finding) {
        self.missing.push(Missing { keys: keys.to_vec(), finding });
    }

    /// Whether the key is there, perhaps misspelt. To be asked once all keys have been asked for: what a person meant to
    /// say must not be taken for not said.
    pub(crate) fn says(&self, key: &'static str) -> bool {
        let absent = self.absent();
        let is_meant = |entry: &Entry<'_>| {
            let text = &*entry.key.text;
            text == key || (!self.asked.contains(&text) && self.meant_by(text, &absent) == Some(key))
        };
        self.entries.iter().any(is_meant)
    }

    /// A list of single values.
    pub(crate) fn values<T>(
        &mut self,
        key: &'static str,
        parse: impl Fn(&str) -> Result<T, Mistake>,
    ) -> Vec<Spanned<T>> {
        let Some(node) = self.node(key) else { return Vec::new() };
        self.reader.list(node, |reader, item| reader.value(item, &parse))
    }

    /// Those of these keys that are there, each with its place.
    pub(crate) fn present(&mut self, keys: &[&'static str]) -> Vec<(&'static str, Span)> {
        keys.iter().filter_map(|key| self.key_span(key).map(|span| (*key, span))).collect()
    }

    /// Whether a key that was not asked for so far may be a misspelt one: it resembles one, or more than a single value
    /// stands behind it.
    pub(crate) fn may_have_misspelt_keys(&self) -> bool {
        let is_other = |entry: &&Entry<'_>| !self.asked.contains(&&*entry.key.text);
        let absent = self.absent();
        let may_be_meant = |entry: &Entry<'_>| {
            !matches!(entry.value.value, Value::Scalar(_)) || self.meant_by(&entry.key.text, &absent).is_some()
        };
        self.entries.iter().filter(is_other).any(may_be_meant)
    }

    /// What a person calls this mapping.
    pub(crate) fn what(&self) -> &'m str {
        self.what
    }

    /// Place of the whole mapping.
    pub(crate) fn span(&self) -> Span {
        self.span
    }

    /// Reports the keys that nobody asked for and those that are missing; returns those that were asked for.
    pub(super) fn finish(mut self) -> Vec<&'static str> {
        self.show_forms();
        let mut meant = Vec::new();
        let absent = self.absent();
        for entry in self.entries {
            let key = &*entry.key.text;
            if self.asked.contains(&key) {
                continue;
            }
            let near = self.meant_by(key, &absent);
            meant.extend(near);
            let mut finding =
                Finding::new(RuleId::UnknownKey, entry.key.span, format!("unknown key `{key}` in {}", self.what));
            finding.help = Some(match near {
                Some(near) => mistake::did_you_mean(near),
                None => format!("known keys: {}", self.asked.join(", ")),
            });
            self.reader.findings.push(finding);
        }
        for missing in self.missing {
            if !missing.keys.iter().any(|key| meant.contains(key)) {
                self.reader.findings.push(missing.finding);
            }
        }
        self.asked
    }

    /// A value of the wrong kind is told together with the form that is expected.
    fn show_forms(&mut self) {
        for entry in self.entries {
            let Some(example) = example::of(self.object, &entry.key.text) else { continue };
            let help = || format!("write `{}: {example}`", entry.key.text);
            self.reader.findings.help_wrong_types(self.earlier, entry.value.span, help);
        }
    }

    /// The known keys that are not there: looked for once, however many unknown ones are held against them.
    fn absent(&self) -> Vec<&'static str> {
        let is_there = |key: &&'static str| self.entries.iter().any(|entry| entry.key.text == **key);
        self.asked.iter().copied().filter(|key| !is_there(key)).collect()
    }

    /// The known key that an unknown one most likely stands for; one of the `absent`, if there is such.
    fn meant_by(&self, unknown: &str, absent: &[&'static str]) -> Option<&'static str> {
        mistake::nearest(unknown, absent.iter().copied())
            .or_else(|| mistake::nearest(unknown, self.asked.iter().copied()))
    }

    fn entry(&mut self, key: &'static str) -> Option<&'n Entry<'n>> {
        if !self.asked.contains(&key) {
            self.asked.push(key);
        }
        self.entries.iter().find(|entry| entry.key.text == key)
    }
}
