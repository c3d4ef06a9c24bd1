//! `routes:`

use super::{
    access,
    mapping::Mapping,
    mistake::{Mistake, word},
    reader::Reader,
    values::{self, number_between},
};
use crate::{
    declared::{Action, HeaderEdits, Matches, PathPattern, References, Rewrite, Route, ValuePattern},
    defaults,
    finding::Finding,
    rule::RuleId,
    span::Spanned,
    yaml::{Node, Value},
};

/// One route. The error is what can be said of one whose conditions or action cannot be read.
pub(super) fn route(reader: &mut Reader<'_>, node: &Node<'_>) -> Result<Route, References> {
    let route = reader.mapping(node, "Route", "this route", |map| {
        let name = map.value("name", values::name);
        let has_port = map.require("port");
        let ports = map.values("port", values::name);
        report_repeated(map.reader, ports.iter());
        let matches = matches(map);
        let allow = map.optional("allow", access::allow);
        let deny = map.optional("deny", access::deny);
        let authenticate = map.values("authenticate", values::name);
        let tell = access::tell(map);
        let pass_credentials = map.value("pass-credentials", values::boolean);
        let audit = map.value("audit", word);
        let action = action(map);
        let rewrite = rewrite(map);
        let request_headers = header_edits(map, "request-headers");
        let response_headers = header_edits(map, "response-headers");
        // What says who may pass must not be lost because it could not be read.
        let is_readable = |key: &'static str, is_read: bool| is_read || !map.says(key);
        let is_access_readable = is_readable("allow", allow.is_some())
            && is_readable("deny", deny.is_some())
            && is_readable("authenticate", !authenticate.is_empty());
        let is_complete = has_port && !ports.is_empty() && is_access_readable && action.is_some();
        if !is_complete || !has_all_conditions(map, &matches) {
            let service = action.and_then(|action| match action.value {
                Action::Service(name) => Some(Spanned::new(name, action.span)),
                Action::Redirect { .. } | Action::Respond { .. } => None,
            });
            return Err(References { ports, service });
        }
        let span = map.span();
        let deny = deny.map(|deny| deny.value).unwrap_or_default();
        Ok(Route {
            span,
            name,
            ports,
            matches,
            allow,
            deny,
            authenticate,
            tell,
            pass_credentials,
            audit,
            action,
            rewrite,
            request_headers,
            response_headers,
        })
    });
    route.unwrap_or_else(|| Err(References::default()))
}

fn matches(map: &mut Mapping<'_, '_, '_>) -> Matches {
    Matches {
        sni: map.value("sni", values::host_pattern),
        host: map.value("host", values::host_pattern),
        path: path(map),
        methods: map.values("methods", values::method),
        headers: value_patterns(map, "headers", values::header_name),
        query: value_patterns(map, "query", query_name),
        from: map.values("from", values::network),
        groups: map.values("groups", access::identity_name),
        claims: access::claims(map),
    }
}

/// Whether no condition is lost, because it cannot be read or is misspelt: without it the route would take more than was
/// meant.
fn has_all_conditions(map: &Mapping<'_, '_, '_>, matches: &Matches) -> bool {
    let is_read = [
        ("sni", matches.sni.is_some()),
        ("host", matches.host.is_some()),
        ("path", matches.path.is_some()),
        ("prefix", matches.path.is_some()),
        ("methods", !matches.methods.is_empty()),
        ("headers", !matches.headers.is_empty()),
        ("query", !matches.query.is_empty()),
        ("from", !matches.from.is_empty()),
        ("groups", !matches.groups.is_empty()),
        ("claims", !matches.claims.is_empty()),
    ];
    is_read.into_iter().all(|(key, is_read)| is_read || !map.says(key))
}

/// `path:` or `prefix:`
fn path(map: &mut Mapping<'_, '_, '_>) -> Option<Spanned<PathPattern>> {
    let path = map.value("path", values::path_pattern);
    let prefix = map.value("prefix", values::path_prefix);
    if let [(_, first), (_, second)] = map.present(&["path", "prefix"])[..] {
        let finding = Finding::new(RuleId::ConflictingKeys, second, "`path` and `prefix` exclude each other")
            .related(first, "given here");
        map.reader.findings.push(finding);
        return None;
    }
    path.or(prefix)
}

type NamedPatterns = Vec<(Spanned<String>, Spanned<ValuePattern>)>;

/// `headers:` and `query:`: name to pattern. Empty if any of them cannot be read.
fn value_patterns(
    map: &mut Mapping<'_, '_, '_>,
    key: &'static str,
    parse_name: fn(&str) -> Result<String, Mistake>,
) -> NamedPatterns {
    let Some(node) = map.node(key) else { return Vec::new() };
    let (mut patterns, mut mistakes) = (NamedPatterns::new(), 0);
    map.reader.entries(node, |reader, name, value| {
        let pattern = reader.value(value, values::value_pattern);
        match (checked_name(reader, &name, parse_name), pattern) {
            (Some(name), Some(pattern)) => patterns.push((name, Spanned::new(pattern, value.span))),
            _ => mistakes += 1,
        }
    });
    report_repeated(map.reader, patterns.iter().map(|(name, _)| name));
    if mistakes == 0 { patterns } else { Vec::new() }
}

/// Exactly one of `service`, `redirect`, `respond`.
fn action(map: &mut Mapping<'_, '_, '_>) -> Option<Spanned<Action>> {
    let service = map.value("service", values::name);
    let redirect = map.optional("redirect", redirect);
    let respond = map.optional("respond", respond);
    match map.present(&["service", "redirect", "respond"])[..] {
        [("service", _)] => service.map(|name| Spanned::new(Action::Service(name.value), name.span)),
        [("redirect", _)] => redirect,
        [_] => respond,
        [] => {
            let message = "this route does nothing: it has no `service`, `redirect` or `respond`";
            let finding = Finding::new(RuleId::MissingKey, map.span(), message).help("add `service: NAME`");
            map.misses(&["service", "redirect", "respond"], finding);
            None
        }
        [(first, first_span), (second, span), ..] => {
            let message = format!("`{first}` and `{second}` exclude each other");
            let finding = Finding::new(RuleId::ConflictingKeys, span, message).related(first_span, "given here");
            map.reader.findings.push(finding);
            None
        }
    }
}

/// `redirect: https://x/y`, or `{ to: https://x/y, status: 301 }`.
fn redirect(reader: &mut Reader<'_>, node: &Node<'_>) -> Option<Action> {
    if !matches!(node.value, Value::Mapping(_)) {
        let to = reader.value_or_mapping(node, "a target or a mapping", values::redirect_target)?;
        return Some(Action::Redirect { to, status: defaults::REDIRECT_STATUS });
    }
    reader.mapping(node, "Redirect", "`redirect`", |map| {
        let to = map.required("to", values::redirect_target);
        let status = map.value("status", |text| match text {
            "301" | "302" | "303" | "307" | "308" => number_between(301, 308)(text),
            _ => Err(Mistake::new("is not a status of a redirect", "301, 302, 303, 307 or 308")),
        });
        if status.is_none() && map.node("status").is_some() {
            return None;
        }
        Some(Action::Redirect { to: to?.value, status: status.map_or(defaults::REDIRECT_STATUS, |status| *status) })
    })?
}

/// `respond: { status: 200, body: "ok", content-type: text/plain }`
fn respond(reader: &mut Reader<'_>, node: &Node<'_>) -> Option<Action> {
    reader.mapping(node, "Respond", "`respond`", |map| {
        let status = map.required("status", number_between(200, 599));
        let body = map.value("body", |text| Ok(text.to_owned()));
        let content_type = map.value("content-type", values::header_value);
        if let (Some(status), Some(body)) = (status, &body)
            && matches!(*status, 204 | 205 | 304)
            && !body.is_empty()
        {
            let message = format!("an answer of status {} has no body", *status);
            map.reader.findings.push(Finding::new(RuleId::InvalidValue, body.span, message));
        }
        Some(Action::Respond {
            status: status?.value,
            body: body.map(|body| body.value).unwrap_or_default(),
            content_type: content_type
                .map_or_else(|| defaults::RESPOND_CONTENT_TYPE.to_owned(), |content_type| content_type.value),
        })
    })?
}

fn rewrite(map: &mut Mapping<'_, '_, '_>) -> Rewrite {
    let rewrite = map.optional("rewrite", |reader, node| {
        reader.mapping(node, "Rewrite", "`rewrite`", |map| Rewrite {
            path: map.value("path-prefix", values::literal_path),
            host: map.value("host", values::authority),
        })
    });
    rewrite.map(|rewrite| rewrite.value).unwrap_or_default()
}

fn header_edits(map: &mut Mapping<'_, '_, '_>, key: &'static str) -> HeaderEdits {
    let what = format!("`{key}`");
    let edits = map.optional(key, |reader, node| {
        reader.mapping(node, "HeaderEdits", &what, |map| HeaderEdits {
            set: header_lines(map, "set"),
            append: header_lines(map, "append"),
            remove: map.values("remove", values::header_name),
        })
    });
    edits.map(|edits| edits.value).unwrap_or_default()
}

fn header_lines(map: &mut Mapping<'_, '_, '_>, key: &'static str) -> Vec<(Spanned<String>, Spanned<String>)> {
    let Some(node) = map.node(key) else { return Vec::new() };
    let mut lines = Vec::new();
    map.reader.entries(node, |reader, name, value| {
        let text = reader.value(value, values::header_value);
        if let (Some(name), Some(text)) = (checked_name(reader, &name, values::header_name), text) {
            lines.push((name, Spanned::new(text, value.span)));
        }
    });
    report_repeated(map.reader, lines.iter().map(|(name, _)| name));
    lines
}

/// A key that is itself a value.
pub(super) fn checked_name(
    reader: &mut Reader<'_>,
    name: &Spanned<String>,
    parse: fn(&str) -> Result<String, Mistake>,
) -> Option<Spanned<String>> {
    match parse(name) {
        Ok(checked) => Some(Spanned::new(checked, name.span)),
        Err(mistake) => {
            let mut finding =
                Finding::new(mistake.rule, name.span, format!("`{}` {}", name.escape_debug(), mistake.message));
            finding.label = format!("expected {}", mistake.expected);
            finding.help = mistake.help;
            reader.findings.push(finding);
            None
        }
    }
}

/// Names that YAML takes for different keys and HTTP for one.
pub(super) fn report_repeated<'a>(reader: &mut Reader<'_>, names: impl Iterator<Item = &'a Spanned<String>>) {
    let mut seen: Vec<&Spanned<String>> = Vec::new();
    for name in names {
        match seen.iter().find(|other| other.value == name.value) {
            Some(first) => {
                let finding = Finding::new(RuleId::DuplicateKey, name.span, format!("`{}` is given twice", **name))
                    .related(first.span, "first given here");
                reader.findings.push(finding);
            }
            None => seen.push(name),
        }
    }
}

/// Query parameters are compared decoded, so any text will do.
fn query_name(text: &str) -> Result<String, Mistake> {
    if text.is_empty() || text.chars().any(char::is_control) {
        return Err(Mistake::new("is not the name of a query parameter", "a name as it is meant, not percent-encoded"));
    }
    Ok(text.to_owned())
}
