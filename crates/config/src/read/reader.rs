//! Typed reading of nodes. Everything that is wrong becomes a finding and reading goes on.

use std::{borrow::Cow, path::Path};

use super::{mapping::Mapping, mistake::Mistake, substitution::Substitutions};
use crate::{
    finding::{Finding, Findings},
    rule::RuleId,
    span::{Span, Spanned},
    yaml::{Node, Value},
};

/// What every reader is handed: where findings go, and how references are resolved.
pub(crate) struct Reader<'r> {
    pub(crate) findings: &'r mut Findings,
    pub(crate) substitutions: &'r mut Substitutions,
    /// Of the file that is read; what it names is relative to it.
    pub(crate) directory: &'r Path,
    /// Keys that were asked for, by object.
    #[cfg(test)]
    pub(crate) asked: std::collections::BTreeMap<&'static str, std::collections::BTreeSet<&'static str>>,
}

/// A single value as text, references resolved.
pub(crate) struct Text<'n> {
    pub(crate) value: Cow<'n, str>,
    /// As it stands in the file; the only form that may be shown.
    pub(crate) written: &'n str,
    pub(crate) span: Span,
}

impl Text<'_> {
    /// Whether the value stands in the file itself, not behind a reference.
    pub(crate) fn is_literal(&self) -> bool {
        !self.written.replace("$${", "").contains("${")
    }
}

impl<'r> Reader<'r> {
    /// For one file that stands in `directory`.
    pub(crate) fn new(findings: &'r mut Findings, substitutions: &'r mut Substitutions, directory: &'r Path) -> Self {
        Self {
            findings,
            substitutions,
            directory,
            #[cfg(test)]
            asked: std::collections::BTreeMap::new(),
        }
    }

    /// Reads a mapping, then reports its keys that nobody asked for. `object` is its name in the schema, `what` what a
    /// person calls it: "port `web`".
    pub(crate) fn mapping<T>(
        &mut self,
        node: &Node<'_>,
        object: &'static str,
        what: &str,
        read: impl FnOnce(&mut Mapping<'_, 'r, '_>) -> T,
    ) -> Option<T> {
        let Value::Mapping(entries) = &node.value else {
            self.wrong_type(node, "a mapping");
            return None;
        };
        let mut mapping = Mapping::new(self, entries, node.span, object, what);
        let value = read(&mut mapping);
        let asked = mapping.finish();
        #[cfg(test)]
        self.asked.entry(object).or_default().extend(asked);
        #[cfg(not(test))]
        let _ = (object, asked);
        Some(value)
    }

    /// Each entry of a mapping whose keys are names: `ports:`, `services:`. Whether it is a mapping.
    pub(crate) fn entries(
        &mut self,
        node: &Node<'_>,
        mut read: impl FnMut(&mut Self, Spanned<String>, &Node<'_>),
    ) -> bool {
        let Value::Mapping(entries) = &node.value else {
            self.wrong_type(node, "a mapping of names");
            return false;
        };
        for entry in entries {
            let name = Spanned::new(entry.key.text.clone().into_owned(), entry.key.span);
            read(self, name, &entry.value);
        }
        true
    }

    /// Each item of a list. A single value stands for a list of one; an empty list is a mistake, because what it would
    /// mean (nobody? everybody?) is not to be guessed.
    pub(crate) fn list<T>(
        &mut self,
        node: &Node<'_>,
        mut read: impl FnMut(&mut Self, &Node<'_>) -> Option<T>,
    ) -> Vec<Spanned<T>> {
        match &node.value {
            Value::Sequence(items) if items.is_empty() => {
                let finding = Finding::new(RuleId::InvalidValue, node.span, "the list is empty")
                    .label("expected at least one item")
                    .help("remove the key if nothing is meant");
                self.findings.push(finding);
                Vec::new()
            }
            Value::Sequence(items) => {
                items.iter().filter_map(|item| read(self, item).map(|value| Spanned::new(value, item.span))).collect()
            }
            _ => read(self, node).map(|value| Spanned::new(value, node.span)).into_iter().collect(),
        }
    }

    /// A single value.
    pub(crate) fn text<'n>(&mut self, node: &'n Node<'_>) -> Option<Text<'n>> {
        let Value::Scalar(scalar) = &node.value else {
            self.wrong_type(node, "a single value");
            return None;
        };
        if scalar.is_null() {
            let finding = Finding::new(RuleId::WrongType, node.span, "the value is missing")
                .help("write a value, or remove the key");
            self.findings.push(finding);
            return None;
        }
        match self.substitutions.expand(&scalar.text, self.directory) {
            Ok(value) => Some(Text { value, written: &scalar.text, span: node.span }),
            Err(message) => {
                self.findings.push(Finding::new(RuleId::Substitution, node.span, message));
                None
            }
        }
    }

    /// A single value of some type.
    pub(crate) fn value<T>(&mut self, node: &Node<'_>, parse: impl FnOnce(&str) -> Result<T, Mistake>) -> Option<T> {
        let text = self.text(node)?;
        match parse(&text.value) {
            Ok(value) => Some(value),
            Err(mistake) => {
                self.mistake(&text, mistake);
                None
            }
        }
    }

    /// Reports a mistake in a text, showing the text as it was written.
    pub(crate) fn mistake(&mut self, text: &Text<'_>, mistake: Mistake) {
        let message = format!("`{}` {}", shorten(text.written), mistake.message);
        let mut finding = Finding::new(mistake.rule, text.span, message);
        if !mistake.expected.is_empty() {
            finding.label = format!("expected {}", mistake.expected);
        }
        finding.help = mistake.help;
        self.findings.push(finding);
    }

    /// A single value of some type where a mapping would have done as well. `forms` says both.
    pub(crate) fn value_or_mapping<T>(
        &mut self,
        node: &Node<'_>,
        forms: &str,
        parse: impl FnOnce(&str) -> Result<T, Mistake>,
    ) -> Option<T> {
        if matches!(node.value, Value::Sequence(_)) {
            self.wrong_type(node, forms);
            return None;
        }
        self.value(node, parse)
    }

    /// Reports a value of the wrong kind.
    pub(crate) fn wrong_type(&mut self, node: &Node<'_>, expected: &str) {
        let message = format!("expected {expected}, found {}", node.kind());
        let mut finding = Finding::new(RuleId::WrongType, node.span, message);
        if node.kind() == "nothing" {
            finding = finding.help("write a value, or remove the key");
        }
        self.findings.push(finding);
    }
}

/// Reports quote values, not essays.
fn shorten(text: &str) -> Cow<'_, str> {
    const LONGEST: usize = 60;
    if text.chars().any(char::is_control) {
        return Cow::Owned(text.chars().take(LONGEST).collect::<String>().escape_debug().to_string());
    }
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => Cow::Owned(format!("{}…", &text[..end])),
        None => Cow::Borrowed(text),
    }
}
