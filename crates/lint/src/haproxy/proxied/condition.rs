//! Conditions of HAProxy that a route can say: hosts, paths, SNI and sources, each named and not negated.

use ipnet::IpNet;

use super::super::{
    model::{Instance, Proxy},
    syntax::Statement,
};
use crate::proxied::{Match, PathMatch};

/// More alternatives than any condition has.
const MAX_ALTERNATIVES: usize = 256;

/// What is asked of the way in, beside what is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Over {
    /// Nothing.
    Any,
    /// Only what came without TLS.
    Plain,
}

/// What a condition matches: any of these; or why a route cannot say it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Condition {
    pub(super) any_of: Vec<Match>,
    pub(super) over: Over,
}

/// Reads what stands behind `if` or `unless`, searched from a word on. Without either, everything matches.
pub(super) fn read(
    instance: &Instance,
    proxy: &Proxy,
    statement: &Statement,
    from: usize,
) -> Result<Condition, String> {
    let mut words = statement.words.iter().skip(from).map(|word| word.text.as_str());
    let keyword = words.find(|word| matches!(*word, "if" | "unless"));
    let words: Vec<&str> = words.collect();
    match keyword {
        None => Ok(Condition { any_of: vec![Match::default()], over: Over::Any }),
        Some("unless") if is_tls(&words) => Ok(Condition { any_of: vec![Match::default()], over: Over::Plain }),
        Some("unless") => Err("`unless` has no word in a route".to_owned()),
        Some(_) => alternatives(instance, proxy, &words),
    }
}

fn is_tls(words: &[&str]) -> bool {
    matches!(words, ["{", "ssl_fc", "}"])
}

fn alternatives(instance: &Instance, proxy: &Proxy, words: &[&str]) -> Result<Condition, String> {
    let (mut any_of, mut over) = (Vec::new(), Over::Any);
    for alternative in words.split(|word| matches!(*word, "or" | "||" | "OR")) {
        let mut matches = vec![Match::default()];
        for (is_negated, term) in terms(alternative) {
            if is_negated && term == ["ssl_fc"] && words.len() <= 4 {
                over = Over::Plain;
                continue;
            }
            if is_negated {
                return Err(format!("`!{}` has no word in a route", term.join(" ")));
            }
            let of_term = match term.as_slice() {
                [name] => named(instance, proxy, name)?,
                words => expression(words)?,
            };
            matches = matches.iter().flat_map(|ours| of_term.iter().filter_map(|theirs| ours.and(theirs))).collect();
            if matches.len() > MAX_ALTERNATIVES {
                return Err("it has too many alternatives".to_owned());
            }
        }
        any_of.extend(matches);
    }
    Ok(Condition { any_of, over })
}

/// Each with whether it is negated: a name, or the words between braces.
fn terms<'w>(words: &[&'w str]) -> Vec<(bool, Vec<&'w str>)> {
    let mut terms = Vec::new();
    let mut words = words.iter().copied().filter(|word| *word != "and" && *word != "AND");
    while let Some(word) = words.next() {
        let (is_negated, word) = match word.strip_prefix('!') {
            Some("") => (true, words.next().unwrap_or("")),
            Some(rest) => (true, rest),
            None => (false, word),
        };
        if word == "{" {
            terms.push((is_negated, words.by_ref().take_while(|word| *word != "}").collect()));
        } else {
            terms.push((is_negated, vec![word]));
        }
    }
    terms
}

fn named(instance: &Instance, proxy: &Proxy, name: &str) -> Result<Vec<Match>, String> {
    if name == "TRUE" || name == "HTTP" {
        return Ok(vec![Match::default()]);
    }
    let mut any_of = Vec::new();
    for line in instance.acl(proxy, name) {
        let words: Vec<&str> = line.words.iter().skip(2).map(|word| word.text.as_str()).collect();
        any_of.extend(expression(&words)?);
    }
    if any_of.is_empty() { Err(format!("`{name}` is not an ACL of {}", proxy.title())) } else { Ok(any_of) }
}

/// `hdr(host) -i shop.test www.shop.test`
fn expression(words: &[&str]) -> Result<Vec<Match>, String> {
    let unsaid = || format!("`{}` has no word in a route", words.join(" "));
    let Some((fetch, rest)) = words.split_first() else { return Err("it is empty".to_owned()) };
    let (mut method, mut values) = (None, Vec::new());
    let mut rest = rest.iter();
    while let Some(word) = rest.next() {
        match *word {
            "-i" => {}
            "-m" => method = rest.next().copied(),
            "--" => values.extend(rest.by_ref().copied()),
            word if word.starts_with('-') => return Err(unsaid()),
            word => values.push(word),
        }
    }
    let fetch = fetch.to_ascii_lowercase();
    let fetch = fetch.replace(",lower", "").replace(",field(1,:)", "");
    let (kind, method) = match (fetch.as_str(), method) {
        (
            "hdr(host)" | "req.hdr(host)" | "hdr_str(host)" | "ssl_fc_sni" | "req.ssl_sni" | "req_ssl_sni",
            None | Some("str"),
        ) => ("host", "str"),
        ("hdr_end(host)" | "ssl_fc_sni_end", None)
        | ("hdr(host)" | "req.hdr(host)" | "req.ssl_sni" | "req_ssl_sni" | "ssl_fc_sni", Some("end")) => {
            ("host", "end")
        }
        ("path", None | Some("str")) => ("path", "str"),
        ("path_beg" | "path_dir", None) | ("path", Some("beg" | "dir")) => ("path", "beg"),
        ("src", None | Some("ip")) => ("src", "ip"),
        _ => return Err(unsaid()),
    };
    if values.is_empty() {
        return Err(unsaid());
    }
    if kind == "src" {
        let networks = values.iter().map(|value| network(value)).collect::<Option<Vec<IpNet>>>().ok_or_else(unsaid)?;
        return Ok(vec![Match { from: networks, ..Match::default() }]);
    }
    let each = values.iter().map(|value| match (kind, method) {
        ("host", "str") => host(value, None),
        ("host", _) => value.strip_prefix('.').and_then(|suffix| host(suffix, Some("*."))),
        (_, "str") => {
            value.starts_with('/').then(|| Match { path: PathMatch::Exact((*value).to_owned()), ..Match::default() })
        }
        (_, _) => value.starts_with('/').then(|| Match { path: PathMatch::prefix(value), ..Match::default() }),
    });
    each.collect::<Option<Vec<Match>>>().ok_or_else(unsaid)
}

fn host(value: &str, prefix: Option<&str>) -> Option<Match> {
    let is_name = !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-_".contains(&byte));
    let host = format!("{}{}", prefix.unwrap_or(""), value.to_ascii_lowercase());
    is_name.then(|| Match { host: Some(host), ..Match::default() })
}

fn network(value: &str) -> Option<IpNet> {
    value.parse().ok().or_else(|| value.parse::<std::net::IpAddr>().ok().map(IpNet::from))
}
