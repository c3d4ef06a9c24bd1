//! The tree. It borrows from the text, and lives only while a file is read.

use std::borrow::Cow;

use crate::span::Span;

/// A value and its place.
#[derive(Debug, Clone)]
pub(crate) struct Node<'t> {
    pub(crate) span: Span,
    pub(crate) value: Value<'t>,
}

#[derive(Debug, Clone)]
pub(crate) enum Value<'t> {
    Scalar(Scalar<'t>),
    Sequence(Vec<Node<'t>>),
    /// Keys are unique: repetitions have been reported and dropped.
    Mapping(Vec<Entry<'t>>),
}

/// Text as YAML understands it. What it means (number, duration, word) is for the reader of the key to say, so that
/// `no`, `1e3` and `22:30` are never anything but text.
#[derive(Debug, Clone)]
pub(crate) struct Scalar<'t> {
    pub(crate) text: Cow<'t, str>,
    /// Written without quotes.
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

impl Node<'_> {
    /// What it is, for "expected a list, found a mapping".
    pub(crate) fn kind(&self) -> &'static str {
        match &self.value {
            Value::Scalar(scalar) if scalar.is_null() => "nothing",
            Value::Scalar(_) => "a single value",
            Value::Sequence(_) => "a list",
            Value::Mapping(_) => "a mapping",
        }
    }
}

impl Scalar<'_> {
    /// Nothing was written: `key:`, `key: ~`, `key: null` (YAML 1.2.2, 10.3.2).
    pub(crate) fn is_null(&self) -> bool {
        self.plain && matches!(&*self.text, "" | "~" | "null" | "Null" | "NULL")
    }
}
