//! Whether two routes with one host and path can still never meet.

use ipnet::IpNet;
use regex::bytes::Regex;

use crate::{
    declared::{HostPattern, Matches, ValuePattern},
    read::anchored,
    span::Spanned,
};

/// Whether some condition of one excludes some condition of the other. Says no where it cannot tell.
pub(super) fn are_disjoint(a: &Matches, b: &Matches) -> bool {
    sni_disjoint(a, b)
        || methods_disjoint(&a.methods, &b.methods)
        || sources_disjoint(&a.from, &b.from)
        || any_value_disjoint(&a.headers, &b.headers)
        || any_value_disjoint(&a.query, &b.query)
}

/// Whether no address is in both lists; an empty list is every address.
pub(super) fn sources_disjoint(a: &[Spanned<IpNet>], b: &[Spanned<IpNet>]) -> bool {
    !a.is_empty() && !b.is_empty() && !a.iter().any(|a| b.iter().any(|b| overlap(**a, **b)))
}

fn overlap(a: IpNet, b: IpNet) -> bool {
    a.contains(&b.network()) || b.contains(&a.network())
}

fn sni_disjoint(a: &Matches, b: &Matches) -> bool {
    match (&a.sni, &b.sni) {
        (Some(a), Some(b)) => hosts_disjoint(a, b),
        _ => false,
    }
}

fn hosts_disjoint(a: &HostPattern, b: &HostPattern) -> bool {
    let is_below = |name: &str, suffix: &str| name.strip_suffix(suffix).is_some_and(|rest| rest.ends_with('.'));
    match (a, b) {
        (HostPattern::Any, _) | (_, HostPattern::Any) => false,
        (HostPattern::Exact(a), HostPattern::Exact(b)) => a != b,
        (HostPattern::Exact(name), HostPattern::Suffix(suffix))
        | (HostPattern::Suffix(suffix), HostPattern::Exact(name)) => !is_below(name, suffix),
        (HostPattern::Suffix(a), HostPattern::Suffix(b)) => a != b && !is_below(a, b) && !is_below(b, a),
    }
}

fn methods_disjoint(a: &[Spanned<String>], b: &[Spanned<String>]) -> bool {
    !a.is_empty() && !b.is_empty() && !a.iter().any(|a| b.contains(a))
}

type NamedPattern = (Spanned<String>, Spanned<ValuePattern>);

fn any_value_disjoint(a: &[NamedPattern], b: &[NamedPattern]) -> bool {
    a.iter().any(|(name, a)| b.iter().any(|(other, b)| name == other && values_disjoint(a, b)))
}

fn values_disjoint(a: &ValuePattern, b: &ValuePattern) -> bool {
    match (a, b) {
        (ValuePattern::Exact(a), ValuePattern::Exact(b)) => a != b,
        (ValuePattern::Exact(value), ValuePattern::Regex(regex))
        | (ValuePattern::Regex(regex), ValuePattern::Exact(value)) => {
            Regex::new(&anchored(regex)).is_ok_and(|regex| !regex.is_match(value.as_bytes()))
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::span::Span;

    fn spanned<T>(value: T) -> Spanned<T> {
        Spanned::new(value, Span::default())
    }

    #[test]
    fn hosts_are_disjoint_unless_some_name_matches_both() {
        let exact = |name: &str| HostPattern::Exact(name.to_owned());
        let suffix = |name: &str| HostPattern::Suffix(name.to_owned());
        for (a, b, expected) in [
            (exact("a.com"), exact("b.com"), true),
            (exact("a.com"), exact("a.com"), false),
            (exact("x.a.com"), suffix("a.com"), false),
            (exact("a.com"), suffix("a.com"), true),
            (exact("xa.com"), suffix("a.com"), true),
            (suffix("a.com"), suffix("b.a.com"), false),
            (suffix("a.com"), suffix("b.com"), true),
            (HostPattern::Any, exact("a.com"), false),
        ] {
            assert_eq!(hosts_disjoint(&a, &b), expected, "{a} {b}");
            assert_eq!(hosts_disjoint(&b, &a), expected, "{b} {a}");
        }
    }

    #[test]
    fn values_are_disjoint_where_one_excludes_the_other() {
        let exact = |value: &str| ValuePattern::Exact(value.to_owned());
        let regex = |value: &str| ValuePattern::Regex(value.to_owned());
        for (a, b, expected) in [
            (exact("1"), exact("2"), true),
            (exact("1"), exact("1"), false),
            (exact("1"), regex("[0-9]"), false),
            (exact("x"), regex("[0-9]"), true),
            (regex("a"), regex("b"), false),
            (ValuePattern::Present, exact("1"), false),
        ] {
            assert_eq!(values_disjoint(&a, &b), expected, "{a:?} {b:?}");
            assert_eq!(values_disjoint(&b, &a), expected, "{b:?} {a:?}");
        }
    }

    #[test]
    fn sources_are_disjoint_unless_some_address_is_in_both() {
        let networks = |texts: &[&str]| -> Vec<Spanned<IpNet>> {
            texts.iter().filter_map(|text| text.parse().ok()).map(spanned).collect()
        };
        for (a, b, expected) in [
            (&["10.0.0.0/8"][..], &["10.1.0.0/16"][..], false),
            (&["10.0.0.0/8"], &["192.168.0.0/16", "10.1.2.3/32"], false),
            (&["10.0.0.0/8"], &["192.168.0.0/16"], true),
            (&["10.0.0.0/8"], &["::/0"], true),
            (&[], &["10.0.0.0/8"], false),
        ] {
            assert_eq!(sources_disjoint(&networks(a), &networks(b)), expected, "{a:?} {b:?}");
        }
    }
}
