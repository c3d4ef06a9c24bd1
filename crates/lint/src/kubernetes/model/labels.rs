//! Labels and what selects by them.

use super::workload::is_placeholder;
use crate::inputs::Span;

/// Names and values. Few, so a list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Labels(pub(crate) Vec<(String, String)>);

impl Labels {
    /// The value of a label.
    pub(crate) fn value(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// Adds labels that are not there yet.
    pub(crate) fn extend(&mut self, others: &Self) {
        for (name, value) in &others.0 {
            if self.value(name).is_none() {
                self.0.push((name.clone(), value.clone()));
            }
        }
    }
}

/// A label selector: everything in it must hold. Without anything in it, it selects all.
#[derive(Debug, Clone)]
pub(crate) struct Selector {
    pub(crate) span: Span,
    /// `matchLabels`, or the plain mapping of a Service.
    pub(crate) equals: Labels,
    /// `matchExpressions`.
    pub(crate) expressions: Vec<Expression>,
}

/// One of `matchExpressions`.
#[derive(Debug, Clone)]
pub(crate) struct Expression {
    pub(crate) key: String,
    pub(crate) operator: Operator,
}

/// What an expression asks of its label.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Operator {
    In(Vec<String>),
    NotIn(Vec<String>),
    Exists,
    DoesNotExist,
    /// A word that the API does not know: the object is refused, so nothing can be said about what it selects.
    Unknown,
}

impl Selector {
    /// Whether it selects everything.
    pub(crate) fn is_empty(&self) -> bool {
        self.equals.0.is_empty() && self.expressions.is_empty()
    }

    /// Whether it selects pods that are made with these labels. Labels that controllers add to each pod are in no
    /// file, so they are taken to be right.
    pub(crate) fn matches(&self, labels: &Labels) -> bool {
        let has = |name: &str, value: &str| match labels.value(name) {
            Some(own) => own == value,
            None => is_added_by_controller(name),
        };
        self.equals.0.iter().all(|(name, value)| has(name, value))
            && self.expressions.iter().all(|expression| expression.matches(labels))
    }

    /// Whether it says something that is decided elsewhere, or that the cluster refuses.
    pub(crate) fn is_unresolved(&self) -> bool {
        self.equals.0.iter().any(|(name, value)| is_placeholder(name) || is_placeholder(value))
            || self.expressions.iter().any(Expression::is_unresolved)
    }

    /// The values that it asks for, of any label.
    pub(crate) fn values(&self) -> impl Iterator<Item = &str> {
        let expected = self.expressions.iter().flat_map(|expression| match &expression.operator {
            Operator::In(values) => values.as_slice(),
            _ => &[],
        });
        self.equals.0.iter().map(|(_, value)| value).chain(expected).map(String::as_str)
    }
}

impl Expression {
    fn matches(&self, labels: &Labels) -> bool {
        let value = labels.value(&self.key);
        match &self.operator {
            Operator::In(values) => value.is_some_and(|value| values.iter().any(|one| one == value)),
            Operator::NotIn(values) => value.is_none_or(|value| values.iter().all(|one| one != value)),
            Operator::Exists => value.is_some(),
            Operator::DoesNotExist => value.is_none(),
            Operator::Unknown => false,
        }
    }

    fn is_unresolved(&self) -> bool {
        match &self.operator {
            Operator::In(values) | Operator::NotIn(values) => values.iter().any(|value| is_placeholder(value)),
            Operator::Unknown => true,
            Operator::Exists | Operator::DoesNotExist => is_placeholder(&self.key),
        }
    }
}

/// Whether a controller gives its pods a label of this name.
pub(crate) fn is_added_by_controller(name: &str) -> bool {
    const ADDED: [&str; 8] = [
        "apps.kubernetes.io/pod-index",
        "batch.kubernetes.io/controller-uid",
        "batch.kubernetes.io/job-completion-index",
        "batch.kubernetes.io/job-name",
        "controller-revision-hash",
        "job-name",
        "pod-template-hash",
        "statefulset.kubernetes.io/pod-name",
    ];
    ADDED.contains(&name) || name.starts_with("topology.kubernetes.io/")
}

impl std::fmt::Display for Selector {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let equals = self.equals.0.iter().map(|(name, value)| format!("{name}: {value}"));
        let expressions = self.expressions.iter().map(|Expression { key, operator }| match operator {
            Operator::In(values) => format!("{key} in ({})", values.join(", ")),
            Operator::NotIn(values) => format!("{key} not in ({})", values.join(", ")),
            Operator::Exists => format!("{key} exists"),
            Operator::DoesNotExist => format!("{key} does not exist"),
            Operator::Unknown => format!("{key} ?"),
        });
        formatter.write_str(&equals.chain(expressions).collect::<Vec<_>>().join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expressions_match_as_the_api_server_has_it() {
        let labels = Labels(vec![("app".to_owned(), "web".to_owned())]);
        let values = || vec!["web".to_owned(), "api".to_owned()];
        for (key, operator, expected) in [
            ("app", Operator::In(values()), true),
            ("tier", Operator::In(values()), false),
            ("app", Operator::NotIn(values()), false),
            ("tier", Operator::NotIn(values()), true),
            ("app", Operator::Exists, true),
            ("tier", Operator::Exists, false),
            ("tier", Operator::DoesNotExist, true),
            ("app", Operator::DoesNotExist, false),
            ("app", Operator::Unknown, false),
        ] {
            let expressions = vec![Expression { key: key.to_owned(), operator: operator.clone() }];
            let selector = Selector { span: Span::default(), equals: Labels::default(), expressions };
            assert_eq!(selector.matches(&labels), expected, "{key} {operator:?}");
        }
    }
}
