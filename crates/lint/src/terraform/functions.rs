//! The functions of Terraform that matter for ports and addresses. Any other is unknown.

use std::{net::IpAddr, rc::Rc};

use ipnet::IpNet;

use super::{
    evaluate::unknown_because,
    value::{Term, Unknown, Value},
};
use crate::inputs::Span;

/// Collections grow no longer than this.
const MAX_ITEMS: usize = 10_000;
const MAX_RANGE: i64 = 10_000;

/// The value of a call. `expand_final` is `f(list...)`.
pub(super) fn call(name: &str, mut arguments: Vec<Term>, expand_final: bool, span: Span) -> Term {
    if expand_final && let Some(last) = arguments.pop() {
        match last.value.as_list() {
            Some(items) => arguments.extend_from_slice(items),
            None => return Term::new(unknown_because(&[&last.value]), span),
        }
    }
    // These ask whether there is a value, so they must see what is missing.
    if let "try" | "coalesce" | "can" | "sensitive" | "nonsensitive" | "jsonencode" | "jsondecode" = name {
        return of_one(name, &arguments, span);
    }
    let values: Vec<&Value> = arguments.iter().map(|argument| argument.value.resolved()).collect();
    let unknown = || Unknown::on(format!("{name}()"));
    // A list that is only partly known still opens what is known of it.
    let may_be_partly_known = matches!(name, "concat" | "flatten" | "setunion");
    if !may_be_partly_known && let Some(value) = values.iter().find(|value| value.unknown().is_some()) {
        return Term::new(unknown_because(&[value]), span);
    }
    let value = collection(name, &arguments).or_else(|| text(name, &values)).or_else(|| network(name, &values, span));
    Term::new(value.unwrap_or_else(unknown), span)
}

/// Functions that hand one of their arguments on.
fn of_one(name: &str, arguments: &[Term], span: Span) -> Term {
    let chosen = match name {
        "try" => arguments.iter().find(|term| !matches!(term.value, Value::Unknown(Unknown::Missing(_)))),
        "coalesce" => arguments.iter().find(|term| {
            term.value.unknown().is_some() || !term.value.is_null() && term.value.as_text().as_deref() != Some("")
        }),
        "can" => {
            let missing = arguments.iter().any(|term| matches!(term.value, Value::Unknown(Unknown::Missing(_))));
            let unknown = arguments.iter().find(|term| term.value.unknown().is_some());
            return match (missing, unknown) {
                (false, Some(term)) => Term::new(unknown_because(&[&term.value]), span),
                _ => Term::new(Value::Bool(!missing), span),
            };
        }
        // The reader of the text wants what is in it, not how it is written.
        _ => arguments.first(),
    };
    chosen.cloned().unwrap_or_else(|| Term::new(Unknown::on(format!("{name}()")), span))
}

fn collection(name: &str, arguments: &[Term]) -> Option<Value> {
    let first = arguments.first();
    let list = || first.and_then(|term| term.value.as_list());
    let map = || first.and_then(|term| term.value.as_map());
    let second = arguments.get(1);
    Some(match name {
        "tolist" | "toset" | "tomap" => match first?.value.resolved() {
            Value::List(items) if name == "toset" => Value::list(distinct(items)),
            other => other.clone(),
        },
        "list" => Value::list(arguments.iter().cloned()),
        "concat" | "setunion" => {
            let mut items = Vec::new();
            for argument in arguments {
                items.extend_from_slice(argument.items());
            }
            if name == "setunion" { Value::list(distinct(&items)) } else { Value::list(items) }
        }
        "flatten" => Value::list(flattened(first?)),
        "distinct" => Value::list(distinct(list()?)),
        "compact" => Value::list(list()?.iter().filter(|term| is_something(term)).cloned()),
        "reverse" => Value::list(list()?.iter().rev().cloned()),
        "sort" => {
            let mut items = list()?.to_vec();
            items.sort_by_key(|term| term.value.as_text());
            Value::list(items)
        }
        "length" => Value::Number(match first?.value.resolved() {
            Value::List(items) => items.len(),
            Value::Map(entries) => entries.len(),
            Value::Text(text) => text.chars().count(),
            _ => return None,
        } as f64),
        "keys" => Value::list(map()?.iter().map(|(key, term)| Term::new(Value::Text(key.clone()), term.span))),
        "values" => Value::list(map()?.iter().map(|(_, term)| term.clone())),
        "merge" => {
            let mut merged: Vec<(Rc<str>, Term)> = Vec::new();
            for argument in arguments.iter().filter(|argument| !argument.value.is_null()) {
                for (key, term) in argument.value.as_map()? {
                    merged.retain(|(known, _)| known != key);
                    merged.push((key.clone(), term.clone()));
                }
                if merged.len() > MAX_ITEMS {
                    return None;
                }
            }
            Value::Map(merged.into())
        }
        "lookup" => {
            let key = second?.value.as_text()?;
            let found = map()?.iter().find(|(known, _)| **known == key).map(|(_, term)| term);
            found.or(arguments.get(2))?.value.clone()
        }
        "element" => {
            let items = list()?;
            let index = usize::try_from(second?.value.as_integer()?).ok()?;
            items.get(index.checked_rem(items.len())?)?.value.clone()
        }
        "slice" => {
            let bound = |at: usize| usize::try_from(arguments.get(at)?.value.as_integer()?).ok();
            Value::list(list()?.get(bound(1)?..bound(2)?)?.iter().cloned())
        }
        "contains" => {
            let items = list()?;
            let same: Vec<Option<bool>> = items.iter().map(|term| term.value.equals(&second?.value)).collect();
            if same.contains(&None) && !same.contains(&Some(true)) {
                return None;
            }
            Value::Bool(same.contains(&Some(true)))
        }
        "coalescelist" => {
            arguments.iter().find(|term| term.value.as_list().is_some_and(|items| !items.is_empty()))?.value.clone()
        }
        "zipmap" => {
            let keys: Option<Vec<String>> = list()?.iter().map(|term| term.value.as_text()).collect();
            let pairs = keys?.into_iter().map(Rc::from).zip(second?.value.as_list()?.iter().cloned());
            Value::Map(pairs.collect())
        }
        "one" => match list()? {
            [] => Value::Null,
            [only] => only.value.clone(),
            _ => return None,
        },
        "range" => {
            let bounds: Option<Vec<i64>> = arguments.iter().map(|term| term.value.as_integer()).collect();
            let (from, to) = match *bounds? {
                [to] => (0, to),
                [from, to] => (from, to),
                _ => return None,
            };
            if to.checked_sub(from)? > MAX_RANGE {
                return None;
            }
            let span = first?.span;
            Value::list((from..to).map(|number| Term::new(Value::Number(number as f64), span)))
        }
        "setproduct" => {
            let mut rows: Vec<Vec<Term>> = vec![Vec::new()];
            for argument in arguments {
                let items = argument.value.as_list()?;
                if rows.len().checked_mul(items.len())? > MAX_ITEMS {
                    return None;
                }
                let longer = rows.iter().flat_map(|row| {
                    items.iter().map(|item| row.iter().cloned().chain([item.clone()]).collect::<Vec<Term>>())
                });
                rows = longer.collect();
            }
            let span = first?.span;
            Value::list(rows.into_iter().map(|row| Term::new(Value::list(row), span)))
        }
        _ => return None,
    })
}

fn is_something(term: &Term) -> bool {
    !term.value.is_null() && term.value.as_text().as_deref() != Some("")
}

fn distinct(items: &[Term]) -> Vec<Term> {
    let mut seen = std::collections::HashSet::new();
    let is_new = |term: &&Term| term.value.as_text().is_none_or(|text| seen.insert(text));
    items.iter().filter(is_new).cloned().collect()
}

fn flattened(term: &Term) -> Vec<Term> {
    let mut flat = Vec::new();
    let mut left = vec![term];
    while let Some(term) = left.pop() {
        match term.value.resolved() {
            Value::List(items) if flat.len() < MAX_ITEMS => left.extend(items.iter().rev()),
            _ => flat.push(term.clone()),
        }
    }
    flat
}

fn text(name: &str, values: &[&Value]) -> Option<Value> {
    let first = values.first();
    let text = || first.and_then(|value| value.as_text());
    let numbers = || -> Option<Vec<f64>> { values.iter().map(|value| value.as_number()).collect() };
    Some(match name {
        "tostring" => match first? {
            Value::Null => Value::Null,
            value => Value::text(value.as_text()?),
        },
        "tonumber" => match first? {
            Value::Null => Value::Null,
            value => Value::Number(value.as_number()?),
        },
        "tobool" => match first? {
            Value::Null => Value::Null,
            value => Value::Bool(value.as_bool()?),
        },
        "lower" => Value::text(text()?.to_lowercase()),
        "upper" => Value::text(text()?.to_uppercase()),
        "trimspace" | "chomp" => Value::text(text()?.trim()),
        "trim" => Value::text(
            text()?.trim_matches(|c| values.get(1).and_then(|v| v.as_text()).is_some_and(|t| t.contains(c))),
        ),
        "replace" => {
            let (from, to) = (values.get(1)?.as_text()?, values.get(2)?.as_text()?);
            if from.is_empty() || from.starts_with('/') && from.len() > 1 && from.ends_with('/') {
                return None;
            }
            Value::text(text()?.replace(&from, &to))
        }
        "join" => {
            let parts: Option<Vec<String>> =
                values.get(1)?.as_list()?.iter().map(|term| term.value.as_text()).collect();
            Value::text(parts?.join(&text()?))
        }
        "format" => Value::text(formatted(&text()?, values.get(1..)?)?),
        "max" => Value::Number(numbers()?.into_iter().reduce(f64::max)?),
        "min" => Value::Number(numbers()?.into_iter().reduce(f64::min)?),
        "floor" => Value::Number(first?.as_number()?.floor()),
        "ceil" => Value::Number(first?.as_number()?.ceil()),
        "abs" => Value::Number(first?.as_number()?.abs()),
        "startswith" => Value::Bool(text()?.starts_with(&values.get(1)?.as_text()?)),
        "endswith" => Value::Bool(text()?.ends_with(&values.get(1)?.as_text()?)),
        "strcontains" => Value::Bool(text()?.contains(&values.get(1)?.as_text()?)),
        "alltrue" | "anytrue" => {
            let truths: Option<Vec<bool>> = first?.as_list()?.iter().map(|term| term.value.as_bool()).collect();
            let truths = truths?;
            Value::Bool(if name == "alltrue" { truths.iter().all(|t| *t) } else { truths.iter().any(|t| *t) })
        }
        _ => return None,
    })
}

/// `%s`, `%d`, `%v`, `%%`; other verbs make it unknown.
fn formatted(pattern: &str, values: &[&Value]) -> Option<String> {
    let mut text = String::new();
    let mut values = values.iter();
    let mut characters = pattern.chars();
    while let Some(character) = characters.next() {
        if character != '%' {
            text.push(character);
            continue;
        }
        match characters.next()? {
            '%' => text.push('%'),
            's' | 'v' | 'd' => text.push_str(&values.next()?.as_text()?),
            _ => return None,
        }
    }
    Some(text)
}

fn network(name: &str, values: &[&Value], span: Span) -> Option<Value> {
    let text = |at: usize| values.get(at).and_then(|value| value.as_text());
    let integer = |at: usize| values.get(at).and_then(|value| value.as_integer());
    Some(match name {
        "split" => {
            let (separator, whole) = (text(0)?, text(1)?);
            if separator.is_empty() {
                return None;
            }
            Value::list(whole.split(&*separator).take(MAX_ITEMS).map(|part| Term::new(Value::text(part), span)))
        }
        "cidrsubnet" => {
            Value::text(subnet(&text(0)?, u8::try_from(integer(1)?).ok()?, u128::try_from(integer(2)?).ok()?)?)
        }
        "cidrsubnets" => {
            let base: IpNet = text(0)?.parse().ok()?;
            Value::list(subnets(base, values.get(1..)?)?.into_iter().map(|text| Term::new(Value::text(text), span)))
        }
        "cidrhost" => {
            let base: IpNet = text(0)?.parse().ok()?;
            let number = integer(1)?;
            let from = if number < 0 { bits(base.broadcast()).checked_add(1)? } else { bits(base.network()) };
            let host = from.checked_add_signed(number.into())?;
            Value::text(address(base, host).to_string())
        }
        "cidrnetmask" => Value::text(text(0)?.parse::<IpNet>().ok()?.netmask().to_string()),
        _ => return None,
    })
}

fn subnet(base: &str, new_bits: u8, number: u128) -> Option<String> {
    let base: IpNet = base.parse().ok()?;
    let length = base.prefix_len().checked_add(new_bits).filter(|length| *length <= base.max_prefix_len())?;
    let shift = u32::from(base.max_prefix_len() - length);
    let offset = number.checked_shl(shift).filter(|offset| offset >> shift == number)?;
    let within = u32::from(new_bits) >= 128 || number >> new_bits == 0;
    let first = bits(base.network()).checked_add(offset).filter(|_| within)?;
    Some(format!("{}/{length}", address(base, first)))
}

/// Consecutive networks, each as many bits longer as is asked.
fn subnets(base: IpNet, new_bits: &[&Value]) -> Option<Vec<String>> {
    let mut next = bits(base.network());
    let mut networks = Vec::new();
    for value in new_bits {
        let more = u8::try_from(value.as_integer()?).ok()?;
        let length = base.prefix_len().checked_add(more).filter(|length| *length <= base.max_prefix_len())?;
        let size = 1_u128.checked_shl(u32::from(base.max_prefix_len() - length))?;
        let first = next.checked_add(size - 1)? & !(size - 1);
        networks.push(format!("{}/{length}", address(base, first)));
        next = first.checked_add(size)?;
    }
    Some(networks)
}

fn bits(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => address.to_bits().into(),
        IpAddr::V6(address) => address.to_bits(),
    }
}

fn address(like: IpNet, bits: u128) -> IpAddr {
    match like {
        IpNet::V4(_) => std::net::Ipv4Addr::from_bits(bits as u32).into(),
        IpNet::V6(_) => std::net::Ipv6Addr::from_bits(bits).into(),
    }
}
