//! The tree. It borrows from the text.

use std::borrow::Cow;

use crate::inputs::Span;

/// A value and its place.
#[derive(Debug, Clone)]
pub(crate) struct Node<'t> {
    pub(crate) span: Span,
    /// A tag of its own, such as `!reset`; core tags (`!!str`) are not kept.
    pub(crate) tag: Option<Box<str>>,
    pub(crate) value: Value<'t>,
}

#[derive(Debug, Clone)]
pub(crate) enum Value<'t> {
    Scalar(Scalar<'t>),
    Sequence(Vec<Node<'t>>),
    /// Merge keys are resolved; of equal keys the last stays, as every YAML 1.1 loader has it.
    Mapping(Vec<Entry<'t>>),
}

/// Text as YAML understands it. What it means is for the reader of the key to say.
#[derive(Debug, Clone)]
pub(crate) struct Scalar<'t> {
    pub(crate) text: Cow<'t, str>,
    /// Written without quotes, so that a loader may take it for a number, a boolean or nothing.
    pub(crate) plain: bool,
}

#[derive(Debug, Clone)]
pub(crate) struct Entry<'t> {
    pub(crate) key: Key<'t>,
    pub(crate) value: Node<'t>,
}

#[derive(Debug, Clone)]
pub(crate) struct Key<'t> {
    pub(crate) text: Cow<'t, str>,
    pub(crate) span: Span,
}

impl<'t> Node<'t> {
    /// The value of a key, if this is a mapping that has it.
    pub(crate) fn get(&self, key: &str) -> Option<&Self> {
        self.entry(key).map(|entry| &entry.value)
    }

    /// The entry of a key, for its place.
    pub(crate) fn entry(&self, key: &str) -> Option<&Entry<'t>> {
        self.entries().iter().find(|entry| entry.key.text == key)
    }

    /// The value at the end of a path of keys.
    pub(crate) fn at(&self, path: &[&str]) -> Option<&Self> {
        path.iter().try_fold(self, |node, key| node.get(key))
    }

    /// Its entries; none if it is no mapping.
    pub(crate) fn entries(&self) -> &[Entry<'t>] {
        match &self.value {
            Value::Mapping(entries) => entries,
            _ => &[],
        }
    }

    /// Its items; none if it is no sequence.
    pub(crate) fn items(&self) -> &[Self] {
        match &self.value {
            Value::Sequence(items) => items,
            _ => &[],
        }
    }

    /// Its text, if it is a single value that is not null.
    pub(crate) fn text(&self) -> Option<&str> {
        self.scalar().filter(|scalar| !scalar.is_null()).map(|scalar| &*scalar.text)
    }

    /// The single value that it is.
    pub(crate) fn scalar(&self) -> Option<&Scalar<'t>> {
        match &self.value {
            Value::Scalar(scalar) => Some(scalar),
            _ => None,
        }
    }

    /// Whether nothing was written.
    pub(crate) fn is_null(&self) -> bool {
        self.scalar().is_some_and(Scalar::is_null)
    }

    /// Whether it is a mapping.
    pub(crate) fn is_mapping(&self) -> bool {
        matches!(self.value, Value::Mapping(_))
    }

    /// The same tree, without borrowing from the text.
    pub(crate) fn into_owned<'o>(self) -> Node<'o> {
        let owned = |text: Cow<'_, str>| -> Cow<'o, str> { Cow::Owned(text.into_owned()) };
        let value = match self.value {
            Value::Scalar(scalar) => Value::Scalar(Scalar { text: owned(scalar.text), plain: scalar.plain }),
            Value::Sequence(items) => Value::Sequence(items.into_iter().map(Node::into_owned).collect()),
            Value::Mapping(entries) => {
                let entry = |entry: Entry<'_>| Entry {
                    key: Key { text: owned(entry.key.text), span: entry.key.span },
                    value: entry.value.into_owned(),
                };
                Value::Mapping(entries.into_iter().map(entry).collect())
            }
        };
        Node { span: self.span, tag: self.tag, value }
    }

    /// What YAML 1.1 and 1.2 both take for true.
    pub(crate) fn is_true(&self) -> bool {
        self.text().is_some_and(|text| matches!(text, "true" | "True" | "TRUE" | "yes" | "on"))
    }
}

impl Scalar<'_> {
    /// `key:`, `key: ~`, `key: null` (YAML 1.2.2, 10.3.2).
    pub(crate) fn is_null(&self) -> bool {
        self.plain && matches!(&*self.text, "" | "~" | "null" | "Null" | "NULL")
    }
}
