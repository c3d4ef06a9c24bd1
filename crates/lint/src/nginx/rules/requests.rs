//! PC555, PC556: what a client decides that it should not: where its request goes, and whose it is.

use super::super::{
    model::{Chain, Instance, Layer, Server},
    pass,
    tree::Directive,
    variables::{Origin, Part, Variables, parts, placed_parts},
};
use crate::{
    finding::{Edit, Finding, Safety},
    inputs::Span,
    rule::{Default, Rule, Severity},
};

/// PC555.
pub(super) static CHOSEN_TARGET: Rule = Rule {
    id: "PC555",
    name: "nginx-chosen-target",
    severity: Severity::High,
    title: "the client chooses the host that nginx connects to",
    why: "Whoever sends the request makes nginx connect to any address that nginx can reach: internal services, \
          metadata of the cloud, its own control ports. This is how a proxy becomes a way around the firewall.",
    remedy: "Pass on to a fixed name, or choose among known ones with a `map` whose default is refused.",
    default: Default::On,
};

/// PC556.
pub(super) static SPOOFED_HOST: Rule = Rule {
    id: "PC556",
    name: "nginx-spoofed-host",
    severity: Severity::Medium,
    title: "the service behind nginx believes a host name that the client made up",
    why: "`$http_host` is what the client sent, whichever server took the request; links in password mails and cache \
          keys are built from it. `$host` is the name by which the server was chosen.",
    remedy: "Write `proxy_set_header Host $host;`, or `$host:$server_port` where the port matters.",
    default: Default::On,
};

pub(super) fn check(instance: &Instance, servers: &[Server<'_>], findings: &mut Vec<Finding>) {
    let variables = Variables::of(instance);
    let mut hosts = std::collections::HashSet::new();
    for server in servers {
        server.visit(|chain| {
            for directive in chain.last().inside() {
                if pass::NAMES.contains(&directive.name()) {
                    findings.extend(chosen(server, chain, directive, &variables));
                }
            }
            for link in chain.links() {
                for line in link.last().all(&["proxy_set_header", "grpc_set_header", "fastcgi_param"]) {
                    if server.layer == Layer::Http && hosts.insert(line.span) {
                        findings.extend(spoofed(line));
                    }
                }
            }
        });
    }
}

fn chosen(server: &Server<'_>, chain: &Chain<'_>, directive: &Directive, variables: &Variables<'_>) -> Option<Finding> {
    let word = directive.words.get(1).filter(|word| word.text.contains('$'))?;
    if chain.setting("internal").is_some() {
        return None;
    }
    let host = host(&word.text, variables);
    let Origin::Client(how) = variables.origin(host) else { return None };
    let is_own_name = server.names().next().is_some()
        && server.names().all(|name| {
            !name.text.starts_with('~') && !name.text.contains('*') && !matches!(name.text.as_str(), "_" | "")
        });
    // `$host` is one of the names of the server, unless the server answers for all.
    let is_host_alone = parts(host).all(|part| part != Part::Variable("http_host"))
        && parts(host).any(|part| part == Part::Variable("host"))
        && parts(host).all(|part| !matches!(part, Part::Variable(name) if name != "host"));
    // Behind a fixed ending the client chooses among the hosts of one domain.
    let ends_in_domain = match parts(host).last() {
        Some(Part::Text(text)) => text.starts_with(['.', '-']) && text.contains('.'),
        _ => false,
    };
    let severity = if ends_in_domain || is_host_alone && is_own_name { Severity::Medium } else { Severity::High };
    let at = word.text.find(host).unwrap_or(0);
    let message = format!("the client chooses the host that `{}` connects to, by {how}", directive.name());
    Some(
        Finding::new(&CHOSEN_TARGET, word.part(at, at + host.len()), message)
            .severity(severity)
            .help("write a fixed host, or a variable that a `map` with `default \"\"` sets from a list of known hosts"),
    )
}

/// The part of a URL that says the host: up to the first slash, or to a variable that begins with one.
fn host<'u>(url: &'u str, variables: &Variables<'_>) -> &'u str {
    let start = url.find("://").map_or(0, |at| at + 3);
    let rest = &url[start..];
    for (at, part) in placed_parts(rest) {
        let end = match part {
            Part::Text(text) => text.find(['/', '?']).map(|slash| at + slash),
            Part::Variable(name) if variables.begins_path(name) => Some(at),
            // `set $upstream http://app:3000/path`: what follows is path.
            Part::Variable(name) if at == 0 && start == 0 => match variables.origin(&format!("${name}")) {
                Origin::File(values) if values.iter().all(|value| has_path(value)) => Some(1 + name.len()),
                _ => None,
            },
            Part::Variable(_) => None,
        };
        if let Some(end) = end {
            return &rest[..end];
        }
    }
    rest
}

fn has_path(value: &str) -> bool {
    value.split_once("://").map_or(value, |(_, rest)| rest).contains('/')
}

fn spoofed(line: &Directive) -> Option<Finding> {
    let names_host = match line.name() {
        "fastcgi_param" => line.text(1) == "HTTP_HOST" || line.text(1) == "SERVER_NAME",
        _ => line.text(1).eq_ignore_ascii_case("host"),
    };
    let value = line.words.get(2).filter(|_| names_host)?;
    let variable = parts(&value.text).find_map(|part| match part {
        Part::Variable(name) if name == "http_host" || name.starts_with("arg_") || name.starts_with("http_x_") => {
            Some(name)
        }
        _ => None,
    })?;
    let message = format!("the service behind takes `${variable}` for its host name, which the client makes up");
    let finding = Finding::new(&SPOOFED_HOST, value.span, message);
    let place: Span = value.span;
    let edit = Edit { span: place, replacement: "$host".to_owned() };
    Some(finding.fix(Safety::NeedsReview, "write `$host`, or `$host:$server_port` where the port matters", vec![edit]))
}
