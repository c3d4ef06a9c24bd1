//! Where the value of a variable comes from: from the file, or from whoever sends the request.

use std::{
    cell::RefCell,
    collections::{HashMap, HashSet},
};

use super::{lexer::Word, model::Instance, tree::Directive};

/// Where the value of an expression comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Origin {
    /// From the file: these are all values that it can have, as far as they are plain.
    File(Vec<String>),
    /// The client chooses it, by this.
    Client(String),
    /// From elsewhere: a program, another server, a template.
    Elsewhere,
}

/// Definitions of variables, by name.
#[derive(Debug, Default)]
pub(crate) struct Variables<'a> {
    set: HashMap<&'a str, Vec<&'a Word>>,
    /// `map` blocks: the source and the values.
    mapped: HashMap<&'a str, Vec<&'a Directive>>,
    /// Names of groups in regular expressions.
    captured: HashSet<String>,
    /// What was found out already, so that each variable is looked into once. One that is being looked into is
    /// [`Origin::Elsewhere`], which ends circles.
    known: RefCell<HashMap<String, Origin>>,
}

/// Variables that are what the client sends, and how to say that.
const CLIENT: [(&str, &str); 16] = [
    ("host", "the Host header"),
    ("http_", "a header of the request"),
    ("arg_", "an argument of the request"),
    ("cookie_", "a cookie"),
    ("request_uri", "the path of the request"),
    ("uri", "the path of the request"),
    ("document_uri", "the path of the request"),
    ("args", "the arguments of the request"),
    ("query_string", "the arguments of the request"),
    ("request_body", "the body of the request"),
    ("ssl_server_name", "the server name that the client asks for"),
    ("ssl_preread_server_name", "the server name that the client asks for"),
    ("ssl_preread_alpn_protocols", "what the client offers"),
    ("remote_user", "the user name that the client sends"),
    ("proxy_add_x_forwarded_for", "a header of the request"),
    ("sent_http_", "a header"),
];

/// Variables whose values the file or nginx itself decides.
const FIXED: [&str; 14] = [
    "scheme",
    "server_port",
    "server_name",
    "server_addr",
    "hostname",
    "pid",
    "nginx_version",
    "https",
    "is_args",
    "msec",
    "time_iso8601",
    "proxy_host",
    "proxy_port",
    "request_method",
];

/// Variables of variables; longer chains are taken for unknown.
const MAX_STEPS: usize = 8;

/// More values than a map of hosts has.
const MAX_VALUES: usize = 256;

/// Longer than any address.
const MAX_LENGTH: usize = 1024;

impl<'a> Variables<'a> {
    pub(crate) fn of(instance: &'a Instance) -> Self {
        let mut variables = Self::default();
        let mut open: Vec<&Directive> = instance.directives.iter().collect();
        while let Some(directive) = open.pop() {
            match directive.name() {
                "set" => {
                    if let (Some(name), Some(value)) = (bare(directive.text(1)), directive.words.get(2)) {
                        variables.set.entry(name).or_default().push(value);
                    }
                }
                "map" => {
                    if let Some(name) = bare(directive.text(2)) {
                        variables.mapped.entry(name).or_default().push(directive);
                    }
                    continue;
                }
                "geo" | "split_clients" => {
                    let name = directive.words.last().and_then(|word| bare(&word.text));
                    if let Some(name) = name {
                        variables.mapped.entry(name).or_default().push(directive);
                    }
                    continue;
                }
                "location" | "server_name" | "if" | "rewrite" => {
                    let names = directive.arguments().iter().flat_map(|word| captures(&word.text));
                    variables.captured.extend(names);
                }
                _ => {}
            }
            open.extend(directive.inside());
        }
        variables
    }

    /// Where the value of an expression comes from; the worst of its parts.
    pub(crate) fn origin(&self, expression: &str) -> Origin {
        self.expression(expression, MAX_STEPS)
    }

    /// Whether every value that a variable is given begins a path or the arguments of one, or is empty: then it does
    /// not choose a host, wherever the rest of it comes from.
    pub(crate) fn begins_path(&self, name: &str) -> bool {
        if matches!(name, "request_uri" | "uri" | "document_uri" | "is_args") {
            return true;
        }
        let set = self.set.get(name).into_iter().flatten().map(|word| word.text.as_str());
        let mapped = self.mapped.get(name).into_iter().flatten();
        let values = mapped.flat_map(|block| block.inside()).filter_map(|line| line.words.last());
        let mut all = set.chain(values.map(|word| word.text.as_str())).peekable();
        let is_path = |value: &str| match parts(value).next() {
            Some(Part::Text(text)) => text.starts_with(['/', '?']),
            Some(Part::Variable(name)) => matches!(name, "request_uri" | "uri" | "document_uri" | "is_args"),
            None => true,
        };
        all.peek().is_some() && all.all(is_path)
    }

    fn expression(&self, expression: &str, steps: usize) -> Origin {
        let mut values = vec![String::new()];
        let mut elsewhere = false;
        for part in parts(expression) {
            match part {
                Part::Text(text) => values.iter_mut().for_each(|value| value.push_str(text)),
                Part::Variable(name) => match self.variable(name, steps) {
                    Origin::Client(how) => return Origin::Client(how),
                    Origin::Elsewhere => elsewhere = true,
                    Origin::File(choices) => {
                        values = values
                            .iter()
                            .flat_map(|value| choices.iter().map(move |choice| format!("{value}{choice}")))
                            .take(MAX_VALUES)
                            .collect();
                    }
                },
            }
        }
        let is_long = values.iter().any(|value| value.len() > MAX_LENGTH);
        if elsewhere || is_long { Origin::Elsewhere } else { Origin::File(values) }
    }

    fn variable(&self, name: &str, steps: usize) -> Origin {
        if let Some(known) = self.known.borrow().get(name) {
            return known.clone();
        }
        if steps == 0 {
            return Origin::Elsewhere;
        }
        self.known.borrow_mut().insert(name.to_owned(), Origin::Elsewhere);
        let origin = self.looked_into(name, steps);
        self.known.borrow_mut().insert(name.to_owned(), origin.clone());
        origin
    }

    fn looked_into(&self, name: &str, steps: usize) -> Origin {
        let set = self.set.get(name).into_iter().flatten().map(|word| self.expression(&word.text, steps - 1));
        let mapped = self.mapped.get(name).into_iter().flatten().flat_map(|block| {
            let values =
                block.inside().iter().filter(|line| !matches!(line.name(), "hostnames" | "volatile" | "include"));
            values.filter_map(|line| line.words.last()).map(|word| self.map_value(block, &word.text, steps - 1))
        });
        if let Some(origin) = set.chain(mapped).reduce(worse) {
            return origin;
        }
        let is_number = name.bytes().all(|byte| byte.is_ascii_digit());
        if is_number || self.captured.contains(name) {
            return Origin::Client("a part of the request that a regular expression takes".to_owned());
        }
        if FIXED.contains(&name) {
            return Origin::File(vec![String::new()]);
        }
        let client = CLIENT.iter().find(|(known, _)| match known.strip_suffix('_') {
            Some(_) => name.starts_with(known),
            None => name == *known,
        });
        client.map_or(Origin::Elsewhere, |(_, how)| Origin::Client((*how).to_owned()))
    }

    /// A value of a map; captures in it are of what the map looks at.
    fn map_value(&self, block: &Directive, value: &str, steps: usize) -> Origin {
        let has_capture =
            parts(value).any(|part| matches!(part, Part::Variable(name) if name.bytes().all(|b| b.is_ascii_digit())));
        if has_capture { self.expression(block.text(1), steps) } else { self.expression(value, steps) }
    }
}

fn worse(a: Origin, b: Origin) -> Origin {
    match (a, b) {
        (Origin::Client(how), _) | (_, Origin::Client(how)) => Origin::Client(how),
        (Origin::File(mut values), Origin::File(more)) => {
            values.extend(more);
            values.truncate(MAX_VALUES);
            Origin::File(values)
        }
        _ => Origin::Elsewhere,
    }
}

/// A part of an expression.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part<'a> {
    Text(&'a str),
    /// Without `$` and braces.
    Variable(&'a str),
}

/// Text and variables of an expression, in order.
pub(crate) fn parts(expression: &str) -> impl Iterator<Item = Part<'_>> {
    placed_parts(expression).map(|(_, part)| part)
}

/// The same, each with the offset at which it begins.
pub(crate) fn placed_parts(expression: &str) -> impl Iterator<Item = (usize, Part<'_>)> {
    let mut at = 0;
    std::iter::from_fn(move || {
        let (start, rest) = (at, expression.get(at..).filter(|rest| !rest.is_empty())?);
        let (length, part) = part(rest);
        at += length;
        Some((start, part))
    })
}

/// The first part of a text that is not empty, and its length as written.
fn part(text: &str) -> (usize, Part<'_>) {
    let Some(behind) = text.strip_prefix('$') else {
        let end = text.find('$').unwrap_or(text.len());
        return (end, Part::Text(&text[..end]));
    };
    if let Some(end) = behind.strip_prefix('{').and_then(|inner| inner.find('}')) {
        return (end + 3, Part::Variable(&behind[1..=end]));
    }
    // `$1x` is the first group and an `x`.
    let digits = behind.bytes().take_while(u8::is_ascii_digit).count();
    let name = behind.bytes().take_while(|byte| byte.is_ascii_alphanumeric() || *byte == b'_').count();
    match if digits > 0 { digits } else { name } {
        0 => (1, Part::Text("$")),
        length => (length + 1, Part::Variable(&behind[..length])),
    }
}

/// The name of `$name` or `${name}`.
fn bare(variable: &str) -> Option<&str> {
    let name = variable.strip_prefix('$')?;
    Some(name.strip_prefix('{').and_then(|name| name.strip_suffix('}')).unwrap_or(name))
}

/// Names of groups: `(?<name>…)`, `(?P<name>…)`.
fn captures(regex: &str) -> Vec<String> {
    let mut names = Vec::new();
    for begin in ["(?<", "(?P<", "(?'"] {
        for (at, _) in regex.match_indices(begin) {
            let name = &regex[at + begin.len()..];
            let end = name.find(['>', '\'']).unwrap_or(0);
            if end > 0 && !name.starts_with(['=', '!']) {
                names.push(name[..end].to_owned());
            }
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{inputs::FileId, nginx::tree::parse};

    #[test]
    fn origins_follow_definitions() {
        let text = "http { map $host $pool { a.example app_a; default app_b; } map $http_x $way { ~^(.+)$ $1; }
            server { server_name ~^(?<sub>.+)\\.example$; set $up app:8080; set $deep http://$up/x; set $from $arg_to;
            set $odd $lua; location ~ ^/(.*)$ { proxy_pass http://$1; } } }";
        let directives = parse(text, FileId(0)).directives;
        let instance = Instance { root: FileId(0), directives, templated: false };
        let variables = Variables::of(&instance);
        let file = |values: &[&str]| Origin::File(values.iter().map(|value| (*value).to_owned()).collect());
        let client = |origin: Origin| matches!(origin, Origin::Client(_));
        assert_eq!(variables.origin("http://a"), file(&["http://a"]));
        assert_eq!(variables.origin("$pool:80"), file(&["app_a:80", "app_b:80"]));
        assert_eq!(variables.origin("${deep}"), file(&["http://app:8080/x"]));
        assert_eq!(variables.origin("$odd"), Origin::Elsewhere);
        for expression in ["$1", "$sub.internal", "$from", "$way", "$host", "$http_host", "http://$arg_x:80"] {
            assert!(client(variables.origin(expression)), "{expression}");
        }
    }

    #[test]
    fn towers_of_variables_end() {
        let step = |n: usize| format!("set $a{0} $a{n}$a{n}; set $a{0} $a{n};", n + 1);
        let text = (0..2000).map(step).collect::<Vec<_>>().concat();
        let instance = Instance { root: FileId(0), directives: parse(&text, FileId(0)).directives, templated: false };
        assert_eq!(Variables::of(&instance).origin("$a2000"), Origin::Elsewhere);
    }

    #[test]
    fn circles_of_variables_end() {
        let directives = parse("set $a $b; set $b $a; set $b $a$a;", FileId(0)).directives;
        let instance = Instance { root: FileId(0), directives, templated: false };
        assert_eq!(Variables::of(&instance).origin("$a"), Origin::Elsewhere);
    }

    proptest! {
        #[test]
        fn any_expression_is_divided(text in "[$a-z0-9_{}ä/:]{0,24}") {
            let length: usize = parts(&text).map(|part| match part {
                Part::Text(text) | Part::Variable(text) => text.len(),
            }).sum();
            prop_assert!(length <= text.len());
        }
    }
}
