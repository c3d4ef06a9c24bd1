//! PC554: which server answers for a host name, where nobody said it.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::super::{
    listen::{Address, Host, Listen},
    model::{Instance, Layer, Server},
};
use crate::{
    finding::{Edit, Finding, Safety},
    inputs::Span,
    rule::{Default, Rule, Severity},
};

/// PC554.
pub(super) static DEFAULT_SERVER: Rule = Rule {
    id: "PC554",
    name: "nginx-default-server",
    severity: Severity::Medium,
    title: "which server answers on a port is decided by the order of the files",
    why: "Requests for a name that no server has go to the first server of the port, whichever file is read first; by \
          the address alone, or with any other name, strangers come to a site that was not meant for them. Of two \
          servers with one name the second never answers.",
    remedy: "Add a server with `listen PORT default_server; return 444;`, and give each name to one server.",
    default: Default::On,
};

/// The servers of one address and port, in the order of the files.
type Group<'s, 'a> = Vec<(&'s Server<'a>, &'s Listen<'a>)>;

pub(super) fn check(instance: &Instance, servers: &[Server<'_>], findings: &mut Vec<Finding>) {
    let mut groups: BTreeMap<(String, u16, bool), Group<'_, '_>> = BTreeMap::new();
    for server in servers.iter().filter(|server| server.layer == Layer::Http) {
        for listen in &server.listens {
            if let (Address::Internet { host, .. }, Some(port)) = (&listen.address, listen.port()) {
                let host = match host {
                    Host::Ip(ip) => ip.to_string(),
                    Host::Name(name) => name.clone(),
                    Host::Open => continue,
                };
                groups.entry((host, port, listen.is_datagram())).or_default().push((server, listen));
            }
        }
    }
    // In a part of a configuration, another part may have the default.
    let severity = if instance.is_whole() { Severity::Medium } else { Severity::Low };
    let mut told: HashSet<(Span, u16)> = HashSet::new();
    for ((_, port, is_datagram), group) in groups {
        // The first `listen` of a server counts; a second one for the same address is told of elsewhere.
        if is_datagram {
            continue;
        }
        second_defaults(port, &group, findings);
        names(port, &group, findings);
        // `listen 80` and `listen [::]:80` of the same servers are one matter.
        if let Some((first, _)) = group.first()
            && told.insert((first.directive().span, port))
        {
            findings.extend(no_default(port, &group).map(|finding| finding.severity(severity)));
        }
    }
}

fn second_defaults(port: u16, group: &Group<'_, '_>, findings: &mut Vec<Finding>) {
    let mut defaults = group.iter().filter(|(_, listen)| listen.is_default());
    let Some((first, earlier)) = defaults.next() else { return };
    for (server, listen) in defaults.filter(|(server, _)| !std::ptr::eq(*first, *server)) {
        let message = format!("{} is the second default of port {port}: nginx does not start", server.title());
        findings.push(
            Finding::new(&DEFAULT_SERVER, listen.span, message)
                .severity(Severity::High)
                .related(earlier.span, "the first default")
                .help("remove `default_server` from one of them"),
        );
    }
}

fn no_default(port: u16, group: &Group<'_, '_>) -> Option<Finding> {
    let ((first, listen), others) = group.split_first()?;
    let takes_all = |name: &str| matches!(name, "_" | "" | "*" | "localhost");
    let is_catch_all = first.names().next().is_none() || first.names().any(|name| takes_all(&name.text));
    let differ = others.iter().any(|(server, _)| !std::ptr::eq(*server, *first));
    let is_said = group.iter().any(|(server, listen)| listen.is_default() || server.chain.has_gap());
    if is_said || !differ || is_catch_all {
        return None;
    }
    let message =
        format!("{} answers on port {port} for every name that no server has, because it is read first", first.title());
    let edit = Edit { span: Span { start: listen.span.end, ..listen.span }, replacement: " default_server".to_owned() };
    let text = format!(
        "if that is meant, write `listen {} default_server`; if not, add a server that answers `return 444;`",
        listen.text()
    );
    Some(Finding::new(&DEFAULT_SERVER, listen.span, message).fix(Safety::NeedsReview, text, vec![edit]))
}

fn names(port: u16, group: &Group<'_, '_>, findings: &mut Vec<Finding>) {
    let mut known: HashMap<String, (&Server<'_>, Span)> = HashMap::new();
    for (server, listen) in group {
        let mut mine: Vec<(String, Span)> =
            server.names().map(|name| (name.text.to_ascii_lowercase(), name.span)).collect();
        if mine.is_empty() && !server.chain.has_gap() {
            mine.push((String::new(), listen.span));
        }
        for (name, span) in mine {
            if name.starts_with('~') || name.contains(['$', '{', '<']) {
                continue;
            }
            match known.get(&name) {
                Some((other, earlier)) if !std::ptr::eq(*other, *server) => {
                    let shown = if name.is_empty() { "no name".to_owned() } else { format!("the name `{name}`") };
                    let message =
                        format!("another server has {shown} on port {port} already: this one never answers for it");
                    findings.push(
                        Finding::new(&DEFAULT_SERVER, span, message)
                            .related(*earlier, "the one that answers")
                            .help("give the name to one of them, or join both servers"),
                    );
                }
                Some(_) => {}
                None => {
                    known.insert(name, (server, span));
                }
            }
        }
    }
}
