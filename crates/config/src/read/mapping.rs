//! A mapping whose keys are asked for by name; what nobody asks for is unknown.

use super::{
    mistake::{self, Mistake},
    reader::Reader,
};
use crate::{
    finding::Finding,
    rule::RuleId,
    span::{Span, Spanned},
    yaml::{Entry, Node},
};

/// View of one mapping, made by [`Reader::mapping`].
pub(crate) struct Mapping<'m, 'r, 'n> {
    pub(crate) reader: &'m mut Reader<'r>,
    entries: &'n [Entry<'n>],
    span: Span,
    what: &'m str,
    asked: Vec<&'static str>,
}

impl<'m, 'r, 'n> Mapping<'m, 'r, 'n> {
    pub(super) fn new(reader: &'m mut Reader<'r>, entries: &'n [Entry<'n>], span: Span, what: &'m str) -> Self {
        Self { reader, entries, span, what, asked: Vec::new() }
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

    /// A single value that must be there. `example` is what to write.
    pub(crate) fn required<T>(
        &mut self,
        key: &'static str,
        example: &str,
        parse: impl FnOnce(&str) -> Result<T, Mistake>,
    ) -> Option<Spanned<T>> {
        if self.require(key, example) { self.value(key, parse) } else { None }
    }

    /// Reports a key that is not there; whether it is.
    pub(crate) fn require(&mut self, key: &'static str, example: &str) -> bool {
        if self.node(key).is_some() {
            return true;
        }
        let finding = Finding::new(RuleId::MissingKey, self.span, format!("{} has no `{key}`", self.what))
            .help(format!("add `{key}: {example}`"));
        self.reader.findings.push(finding);
        false
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

    /// Whether there are keys that were not asked for so far.
    pub(crate) fn has_other_keys(&self) -> bool {
        self.entries.iter().any(|entry| !self.asked.contains(&&*entry.key.text))
    }

    /// What a person calls this mapping.
    pub(crate) fn what(&self) -> &'m str {
        self.what
    }

    /// Place of the whole mapping.
    pub(crate) fn span(&self) -> Span {
        self.span
    }

    /// Reports the keys that nobody asked for; returns those that were asked for.
    pub(super) fn finish(self) -> Vec<&'static str> {
        for entry in self.entries {
            let key = &*entry.key.text;
            if self.asked.contains(&key) {
                continue;
            }
            let mut finding =
                Finding::new(RuleId::UnknownKey, entry.key.span, format!("unknown key `{key}` in {}", self.what));
            finding.help = Some(match mistake::nearest(key, self.asked.iter().copied()) {
                Some(near) => mistake::did_you_mean(near),
                None => format!("known keys: {}", self.asked.join(", ")),
            });
            self.reader.findings.push(finding);
        }
        self.asked
    }

    fn entry(&mut self, key: &'static str) -> Option<&'n Entry<'n>> {
        if !self.asked.contains(&key) {
            self.asked.push(key);
        }
        self.entries.iter().find(|entry| entry.key.text == key)
    }
}
