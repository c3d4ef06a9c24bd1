//! What an expression comes to, with the place of the literal that it comes from.

use std::{fmt, rc::Rc};

use crate::inputs::Span;

/// A value and the place of the text that is to be changed to change it: the literal in a variable's default or in a
/// list that is iterated over, not the expression that passes it on.
#[derive(Debug, Clone)]
pub(super) struct Term {
    pub(super) value: Value,
    pub(super) span: Span,
}

/// A value. Collections are shared, since variables hand them about.
#[derive(Debug, Clone)]
pub(super) enum Value {
    Null,
    Bool(bool),
    Number(f64),
    Text(Rc<str>),
    List(Rc<[Term]>),
    /// In the order in which Terraform iterates, or as it is written; the two do not differ in what they open.
    Map(Rc<[(Rc<str>, Term)]>),
    /// An attribute of a resource, with its value if the files say it.
    Reference(Rc<Reference>),
    Unknown(Unknown),
}

/// An attribute of a resource or data source.
#[derive(Debug, Clone)]
pub(super) struct Reference {
    /// `aws_security_group.web`, in a module with its path in front.
    pub(super) address: String,
    /// Which one, if the resource is repeated.
    pub(super) instance: Option<String>,
    /// `id`
    pub(super) attribute: String,
    /// What the files say that it is.
    pub(super) value: Option<Term>,
}

/// Why there is no value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Unknown {
    /// It depends on this, which the files do not say: `var.cidr`.
    On(Rc<str>),
    /// There is no such attribute or element: an error, unless `try` is asked.
    Missing(Rc<str>),
    /// A network of which it is only known that it is a single address: `${chomp(data.http.me.body)}/32`.
    Host(Rc<str>),
}

impl Unknown {
    pub(super) fn on(what: impl Into<Rc<str>>) -> Value {
        Value::Unknown(Self::On(what.into()))
    }

    pub(super) fn missing(what: impl Into<Rc<str>>) -> Value {
        Value::Unknown(Self::Missing(what.into()))
    }
}

impl fmt::Display for Unknown {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Self::On(what) | Self::Missing(what) | Self::Host(what)) = self;
        formatter.write_str(what)
    }
}

impl Value {
    pub(super) fn text(text: impl Into<Rc<str>>) -> Self {
        Self::Text(text.into())
    }

    pub(super) fn list(items: impl IntoIterator<Item = Term>) -> Self {
        Self::List(items.into_iter().collect())
    }

    /// The value behind a reference, if there is one.
    pub(super) fn resolved(&self) -> &Self {
        match self {
            Self::Reference(reference) => reference.value.as_ref().map_or(self, |term| term.value.resolved()),
            _ => self,
        }
    }

    pub(super) fn is_null(&self) -> bool {
        matches!(self.resolved(), Self::Null)
    }

    /// What it depends on, if it is not known.
    pub(super) fn unknown(&self) -> Option<String> {
        match self.resolved() {
            Self::Unknown(why) => Some(why.to_string()),
            Self::Reference(reference) => Some(format!("{}.{}", reference.address, reference.attribute)),
            _ => None,
        }
    }

    /// A text, or what Terraform turns into one.
    pub(super) fn as_text(&self) -> Option<String> {
        match self.resolved() {
            Self::Text(text) => Some(text.to_string()),
            Self::Number(number) => Some(number.to_string()),
            Self::Bool(truth) => Some(truth.to_string()),
            _ => None,
        }
    }

    /// A number, or a text that is one.
    pub(super) fn as_number(&self) -> Option<f64> {
        match self.resolved() {
            Self::Number(number) => Some(*number),
            Self::Text(text) => text.trim().parse().ok().filter(|number: &f64| number.is_finite()),
            _ => None,
        }
    }

    /// A whole number.
    pub(super) fn as_integer(&self) -> Option<i64> {
        const BOUND: f64 = 1e15;
        self.as_number().filter(|number| number.fract() == 0.0 && number.abs() < BOUND).map(|number| number as i64)
    }

    /// A truth value, or a text that is one.
    pub(super) fn as_bool(&self) -> Option<bool> {
        match self.resolved() {
            Self::Bool(truth) => Some(*truth),
            Self::Text(text) => text.parse().ok(),
            _ => None,
        }
    }

    pub(super) fn as_list(&self) -> Option<&[Term]> {
        match self.resolved() {
            Self::List(items) => Some(items),
            _ => None,
        }
    }

    pub(super) fn as_map(&self) -> Option<&[(Rc<str>, Term)]> {
        match self.resolved() {
            Self::Map(entries) => Some(entries),
            _ => None,
        }
    }

    /// Whether it has more parts, parts of parts included.
    pub(super) fn is_larger_than(&self, bound: usize) -> bool {
        let mut parts = 0;
        let mut left = vec![self];
        while let Some(value) = left.pop() {
            match value {
                Self::List(items) => left.extend(items.iter().map(|item| &item.value)),
                Self::Map(entries) => left.extend(entries.iter().map(|(_, item)| &item.value)),
                _ => {}
            }
            parts += 1;
            if parts + left.len() > bound {
                return true;
            }
        }
        false
    }

    /// Whether two values are the same; `None` if either is not known.
    pub(super) fn equals(&self, other: &Self) -> Option<bool> {
        match (self.resolved(), other.resolved()) {
            (Self::Unknown(_) | Self::Reference(_), _) | (_, Self::Unknown(_) | Self::Reference(_)) => None,
            (Self::Null, Self::Null) => Some(true),
            (Self::Null, _) | (_, Self::Null) => Some(false),
            (Self::List(left), Self::List(right)) => {
                if left.len() != right.len() {
                    return Some(false);
                }
                let mut all = Some(true);
                for (left, right) in left.iter().zip(right.iter()) {
                    match left.value.equals(&right.value) {
                        Some(true) => {}
                        Some(false) => return Some(false),
                        None => all = None,
                    }
                }
                all
            }
            (Self::Map(left), Self::Map(right)) => (left.is_empty() && right.is_empty()).then_some(true),
            (left, right) => Some(left.as_text() == right.as_text()),
        }
    }
}

impl Term {
    pub(super) fn new(value: Value, span: Span) -> Self {
        Self { value, span }
    }

    /// The place of the literal: that of the value behind a reference, if there is one.
    pub(super) fn origin(&self) -> Span {
        match &self.value {
            Value::Reference(reference) => reference.value.as_ref().map_or(self.span, Self::origin),
            _ => self.span,
        }
    }

    /// The value of a key, if this is a map that has it and it is not null.
    pub(super) fn get(&self, key: &str) -> Option<&Self> {
        self.value
            .as_map()?
            .iter()
            .find(|(name, _)| &**name == key)
            .map(|(_, term)| term)
            .filter(|t| !t.value.is_null())
    }

    /// The items of a list; the term itself if it is a single thing, and nothing if it is null.
    pub(super) fn items(&self) -> &[Self] {
        match self.value.resolved() {
            Value::List(items) => items,
            Value::Null => &[],
            _ => std::slice::from_ref(self),
        }
    }

    /// The first of a list of blocks of which there is at most one.
    pub(super) fn block(&self, key: &str) -> Option<&Self> {
        self.get(key)?.items().first()
    }

    /// All blocks of a name.
    pub(super) fn blocks(&self, key: &str) -> &[Self] {
        self.get(key).map_or(&[], Self::items)
    }

    /// A text at a key.
    pub(super) fn text(&self, key: &str) -> Option<String> {
        self.get(key)?.value.as_text()
    }

    /// A truth value at a key.
    pub(super) fn truth(&self, key: &str) -> Option<bool> {
        self.get(key)?.value.as_bool()
    }
}
