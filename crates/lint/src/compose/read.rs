//! From the merged tree to the typed model.

mod ports;

use super::{
    merge,
    model::{Attachment, Build, Exposed, Network, Project, Replicas, ScaledBy, Service, Setting, Volume},
    port::{self, Certain},
};
use crate::{
    finding::Finding,
    inputs::{FileId, Span, Spanned},
    reading,
    yaml::{Entry, Node},
};

/// Entries of `ports:` in one project; more is no project, and comparing them takes its time.
const MAX_PORTS: usize = 5_000;

/// Reads a project; what has the wrong kind is told of and left out.
pub(super) fn project(root: &Node<'_>, layers: &[FileId], findings: &mut Vec<Finding>) -> Project {
    let mut project = Project { name: spanned(root.get("name")), layers: layers.to_vec(), ..Project::default() };
    for entry in mapping_at(root, "services", findings) {
        if entry.value.is_mapping() {
            project.is_for_swarm |= is_for_swarm(&entry.value);
            project.services.push(service(entry, findings));
        } else if !entry.key.text.starts_with("x-") {
            let message = format!("a service is a mapping, and `{}` is none", entry.key.text);
            findings.push(Finding::new(&reading::SYNTAX, entry.key.span, message));
        }
    }
    bound_ports(&mut project, findings);
    for entry in mapping_at(root, "networks", findings) {
        project.is_for_swarm |= entry.value.get("driver").and_then(Node::text) == Some("overlay");
        project.networks.push(network(entry));
    }
    project
}

fn bound_ports(project: &mut Project, findings: &mut Vec<Finding>) {
    let mut left = MAX_PORTS;
    for service in &mut project.services {
        if let Some(beyond) = service.ports.get(left) {
            let message = format!("more than {MAX_PORTS} published ports in one project; the rest is not checked");
            findings.push(Finding::new(&reading::BOUNDS, beyond.entry, message));
            service.ports.truncate(left);
            service.repeated_ports.truncate(left);
        }
        left -= service.ports.len();
    }
}

/// Keys of `deploy:` that Compose itself ignores.
fn is_for_swarm(service: &Node<'_>) -> bool {
    const ONLY_SWARM: [&str; 5] = ["endpoint_mode", "placement", "rollback_config", "update_config", "labels"];
    let Some(deploy) = service.get("deploy") else { return false };
    let is_global = deploy.get("mode").and_then(Node::text).is_some_and(|mode| mode == "global");
    is_global || ONLY_SWARM.iter().any(|key| deploy.get(key).is_some())
}

fn network(entry: &Entry<'_>) -> Network {
    let external = entry.value.get("external");
    // The second form said `external: { name: … }`.
    let name = entry.value.get("name").or(external.and_then(|external| external.get("name")));
    Network {
        key: Spanned::new(entry.key.text.to_string(), entry.key.span),
        name: name.and_then(Node::text).map(str::to_owned),
        is_internal: entry.value.get("internal").is_some_and(Node::is_true),
        is_external: external.is_some_and(|external| external.is_true() || external.is_mapping()),
    }
}

fn service(entry: &Entry<'_>, findings: &mut Vec<Finding>) -> Service {
    let node = &entry.value;
    let (ports, repeated_ports) = ports::published(node, findings);
    Service {
        name: Spanned::new(entry.key.text.to_string(), entry.key.span),
        image: spanned(node.get("image")),
        build: node.get("build").and_then(build),
        container_name: spanned(node.get("container_name")),
        ports,
        repeated_ports,
        expose: list(node.get("expose")).iter().filter_map(|item| exposed(item)).collect(),
        network_mode: spanned(node.get("network_mode").or(node.get("net"))),
        networks: attachments(node.get("networks")),
        replicas: replicas(node),
        profiles: texts(node.get("profiles")),
        environment: settings(node.get("environment")),
        labels: settings(node.get("labels")),
        sysctls: settings(node.get("sysctls")),
        depends_on: keys(node.get("depends_on")),
        links: texts(node.get("links")).iter().map(link).collect(),
        volumes: list(node.get("volumes")).iter().filter_map(|item| volume(item)).collect(),
        api_socket: node.get("use_api_socket").filter(|asked| asked.is_true()).map(|asked| asked.span),
        command: words(node.get("entrypoint")).chain(words(node.get("command"))).collect(),
        cap_add: texts(node.get("cap_add")),
        cap_drop: texts(node.get("cap_drop")),
    }
}

fn build(node: &Node<'_>) -> Option<Build> {
    if let Some(context) = spanned(Some(node)) {
        return Some(Build { context, dockerfile: None, target: None });
    }
    // What is built from a text in the file itself has no Dockerfile to look into.
    if node.get("dockerfile_inline").is_some() || !node.is_mapping() {
        return None;
    }
    let context = spanned(node.get("context")).unwrap_or_else(|| Spanned::new(".".to_owned(), node.span));
    Some(Build { context, dockerfile: spanned(node.get("dockerfile")), target: spanned(node.get("target")) })
}

fn exposed(item: &Node<'_>) -> Option<Exposed> {
    let text = item.text()?;
    let (ports, protocol) = text.split_once('/').unwrap_or((text, ""));
    // `HOST:CONTAINER` is allowed, and the first part ignored.
    let target = ports.rsplit(':').next().unwrap_or(ports);
    let transport = port::transport(protocol);
    let ports = port::target(target).and_then(|ports| transport.clone().map(|_| ports));
    Some(Exposed { place: item.span, ports, transport: transport.unwrap_or(Certain::Unknown) })
}

fn attachments(node: Option<&Node<'_>>) -> Vec<Attachment> {
    let Some(node) = node else { return Vec::new() };
    let of_list = texts(Some(node)).into_iter().map(|network| Attachment { network, aliases: Vec::new() });
    let of_mapping = node.entries().iter().map(|entry| Attachment {
        network: Spanned::new(entry.key.text.to_string(), entry.key.span),
        aliases: texts(entry.value.get("aliases")),
    });
    of_list.chain(of_mapping).collect()
}

/// `scale:` goes before `deploy: { replicas: }`; where both stand and differ, Compose refuses the file.
fn replicas(node: &Node<'_>) -> Option<Replicas> {
    let scale = node.get("scale").map(|scale| (scale, ScaledBy::Scale));
    let (value, by) = scale.or_else(|| Some((node.at(&["deploy", "replicas"])?, ScaledBy::Deploy)))?;
    let count = value.text()?.parse().map_or(Certain::Unknown, Certain::Known);
    Some(Replicas { count, place: value.span, by })
}

fn volume(item: &Node<'_>) -> Option<Volume> {
    if item.is_mapping() {
        let source = item.get("source").or(item.get("src"));
        let place = source.map_or(item.span, |source| source.span);
        return Some(Volume { source: source.and_then(Node::text).map(str::to_owned), place });
    }
    let text = item.text()?;
    // A Windows path has a colon of its own: `C:\data:/data`.
    let drive = text.as_bytes().get(1..3).is_some_and(|bytes| bytes == b":\\" || bytes == b":/");
    let from = if drive { 2 } else { 0 };
    let source = text[from..].find(':').map(|colon| text[..from + colon].to_owned());
    Some(Volume { source, place: item.span })
}

fn link(named: &Spanned<String>) -> (Spanned<String>, String) {
    let (service, alias) = named.value.split_once(':').unwrap_or((&named.value, &named.value));
    (Spanned::new(service.to_owned(), named.span), alias.to_owned())
}

/// Words of a command, in list form or as a line. Quotes are not undone: it is searched, never run.
fn words(node: Option<&Node<'_>>) -> impl Iterator<Item = Spanned<String>> {
    let mut words = texts(node);
    if let Some(line) = spanned(node) {
        words.extend(line.value.split_whitespace().map(|word| Spanned::new(word.to_owned(), line.span)));
    }
    words.into_iter()
}

fn settings(node: Option<&Node<'_>>) -> Vec<Setting> {
    let Some(node) = node else { return Vec::new() };
    let node = merge::mapping_of(node.clone());
    let setting = |entry: &Entry<'_>| Setting {
        key: entry.key.text.to_string(),
        value: entry.value.text().map(str::to_owned),
        place: if entry.value.is_null() { entry.key.span } else { entry.value.span },
    };
    node.entries().iter().map(setting).collect()
}

/// Names, as a list or as the keys of a mapping.
fn keys(node: Option<&Node<'_>>) -> Vec<Spanned<String>> {
    let mut names = texts(node);
    let entries = node.map(Node::entries).unwrap_or_default();
    names.extend(entries.iter().map(|entry| Spanned::new(entry.key.text.to_string(), entry.key.span)));
    names
}

fn texts(node: Option<&Node<'_>>) -> Vec<Spanned<String>> {
    list(node).iter().filter_map(|item| spanned(Some(item))).collect()
}

fn list<'n, 't>(node: Option<&'n Node<'t>>) -> &'n [Node<'t>] {
    node.map(Node::items).unwrap_or_default()
}

fn spanned(node: Option<&Node<'_>>) -> Option<Spanned<String>> {
    let node = node?;
    node.text().map(|text| Spanned::new(text.to_owned(), node.span))
}

fn mapping_at<'n, 't>(root: &'n Node<'t>, key: &str, findings: &mut Vec<Finding>) -> &'n [Entry<'t>] {
    let Some(node) = root.get(key) else { return &[] };
    if !node.is_mapping() && !node.is_null() {
        let span: Span = node.span;
        findings.push(Finding::new(&reading::SYNTAX, span, format!("`{key}:` is a mapping in a Compose file")));
    }
    node.entries()
}
