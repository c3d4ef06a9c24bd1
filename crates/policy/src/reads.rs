//! What of a request a policy reads, found by walking it: a decision is good for every request that agrees in that.

use std::{collections::BTreeSet, fmt, ops::BitOr};

use cedar_policy::pst::{Clause, Expr, Literal, Policy, PrincipalConstraint, Var};

/// A set of attributes of a request.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Attributes(u16);

impl Attributes {
    /// Nothing: the answer is the same for all requests to the route.
    pub const NONE: Self = Self(0);
    /// Who is calling: any of its name, provider, groups, claims.
    pub const PRINCIPAL: Self = Self(1);
    /// The address that it comes from.
    pub const SOURCE: Self = Self(1 << 1);
    /// The client certificate.
    pub const CERTIFICATE: Self = Self(1 << 2);
    /// The host, or the name in the TLS handshake.
    pub const HOST: Self = Self(1 << 3);
    /// The path.
    pub const PATH: Self = Self(1 << 4);
    /// The method.
    pub const METHOD: Self = Self(1 << 5);
    /// The port that was used.
    pub const PORT: Self = Self(1 << 6);
    /// Whether there is a grant.
    pub const GRANT: Self = Self(1 << 7);
    /// The moment. Covered by [`Holds::until`](crate::Holds::until), so no key for a cache needs it.
    pub const TIME: Self = Self(1 << 8);
    /// The minute of the day; see [`TIME`](Self::TIME).
    pub const MINUTE: Self = Self(1 << 9);
    /// The day of the week; see [`TIME`](Self::TIME).
    pub const WEEKDAY: Self = Self(1 << 10);
    /// Long lists. Never in a decision: there it is what the lists name.
    pub(crate) const LISTS: Self = Self(1 << 11);
    const ALL: Self = Self((1 << 12) - 1);

    /// Whether all of these are in it.
    pub const fn contains(self, others: Self) -> bool {
        self.0 & others.0 == others.0
    }

    /// Whether there is nothing in it.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Without these.
    #[must_use]
    pub const fn without(self, others: Self) -> Self {
        Self(self.0 & !others.0)
    }

    const fn of_context(name: &str) -> Self {
        match name.as_bytes() {
            b"source" => Self::SOURCE,
            b"certificates" | b"device" => Self::CERTIFICATE,
            b"host" => Self::HOST,
            b"path" => Self::PATH,
            b"method" => Self::METHOD,
            b"port" => Self::PORT,
            b"granted" => Self::GRANT,
            b"time" => Self::TIME,
            b"minute" => Self::MINUTE,
            b"weekday" => Self::WEEKDAY,
            b"lists" => Self::LISTS,
            _ => Self::ALL,
        }
    }
}

impl BitOr for Attributes {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

/// `source, path`
impl fmt::Debug for Attributes {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        const NAMES: [&str; 12] = [
            "principal",
            "source",
            "certificate",
            "host",
            "path",
            "method",
            "port",
            "grant",
            "time",
            "minute",
            "weekday",
            "lists",
        ];
        let held = NAMES.iter().enumerate().filter(|(bit, _)| self.0 & (1 << bit) != 0).map(|(_, name)| *name);
        formatter.write_str(&held.collect::<Vec<_>>().join(", "))
    }
}

/// What a policy reads, and the words in it that decide how a request is shown to it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Reads {
    pub(crate) attributes: Attributes,
    /// Texts that begin with `*.`: they may be compared with the names of certificates.
    pub(crate) wildcards: BTreeSet<Box<str>>,
}

impl Reads {
    pub(crate) fn of(policy: &Policy) -> Self {
        let mut reads = Self::default();
        let body = policy.body();
        if body.principal != PrincipalConstraint::Any {
            reads.attributes = Attributes::PRINCIPAL;
        }
        for clause in body.clauses() {
            match clause {
                Clause::When(expression) | Clause::Unless(expression) => reads.walk(expression),
            }
        }
        reads
    }

    pub(crate) fn add(&mut self, other: &Self) {
        self.attributes = self.attributes | other.attributes;
        self.wildcards.extend(other.wildcards.iter().cloned());
    }

    /// Depth is bounded by Cedar's parser, which refuses what is nested too deeply.
    fn walk(&mut self, expression: &Expr) {
        match expression {
            Expr::Literal(Literal::String(text)) => {
                if text.starts_with("*.") {
                    self.wildcards.insert(text.as_str().into());
                }
            }
            Expr::Literal(_) | Expr::Var(Var::Action | Var::Resource) => {}
            Expr::Var(Var::Principal) => self.read(Attributes::PRINCIPAL),
            Expr::GetAttr { expr, attr } if is_context(expr) => self.read(Attributes::of_context(attr)),
            Expr::HasAttr { expr, attrs } if is_context(expr) => self.read(Attributes::of_context(attrs.first())),
            Expr::UnaryOp { expr, .. }
            | Expr::GetAttr { expr, .. }
            | Expr::HasAttr { expr, .. }
            | Expr::Like { expr, .. }
            | Expr::Is { expr, in_expr: None, .. } => self.walk(expr),
            Expr::BinaryOp { left, right, .. } | Expr::Is { expr: left, in_expr: Some(right), .. } => {
                self.walk(left);
                self.walk(right);
            }
            Expr::IfThenElse { cond, then_expr, else_expr } => {
                self.walk(cond);
                self.walk(then_expr);
                self.walk(else_expr);
            }
            Expr::Set(items) => items.iter().for_each(|item| self.walk(item)),
            Expr::Record(fields) => fields.values().for_each(|field| self.walk(field)),
            // The context as a whole, and whatever a later Cedar brings.
            _ => self.read(Attributes::ALL),
        }
    }

    fn read(&mut self, attributes: Attributes) {
        self.attributes = self.attributes | attributes;
    }
}

fn is_context(expression: &Expr) -> bool {
    matches!(expression, Expr::Var(Var::Context))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reads(text: &str) -> Reads {
        Reads::of(&cedar_policy::Policy::parse(None, text).unwrap().to_pst().unwrap())
    }

    #[test]
    fn what_a_policy_reads_is_found_wherever_it_stands() {
        type A = Attributes;
        for (text, expected) in [
            ("permit (principal, action, resource);", A::NONE),
            ("permit (principal is User, action, resource);", A::PRINCIPAL),
            ("permit (principal, action, resource) when { resource in Port::\"web\" };", A::NONE),
            ("permit (principal, action, resource) unless { principal has email };", A::PRINCIPAL),
            ("permit (principal, action, resource) when { context.path like \"/x/*\" };", A::PATH),
            ("permit (principal, action, resource) when { context has host && context.host == \"a\" };", A::HOST),
            ("permit (principal, action, resource) when { context has device.subject };", A::CERTIFICATE),
            (
                "permit (principal, action, resource) when { if context.granted then [context.minute].contains(3) else {a: context.source}.a.isLoopback() };",
                A::GRANT | A::MINUTE | A::SOURCE,
            ),
            ("permit (principal, action, resource) when { [context].contains({}) };", A::ALL),
            ("permit (principal, action, resource) when { context.unheard == 3 };", A::ALL),
        ] {
            assert_eq!(reads(text).attributes, expected, "{text}");
        }
    }

    #[test]
    fn wildcards_for_names_of_certificates_are_collected() {
        let found = reads(
            "permit (principal, action, resource) when { context.certificates.containsAny([\"*.a.example\", \"b\"]) };",
        );
        assert_eq!(found.wildcards.into_iter().collect::<Vec<_>>(), ["*.a.example".into()]);
    }
}
