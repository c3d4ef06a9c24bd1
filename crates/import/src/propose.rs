//! A first file for a machine, from what listens on it.

use std::{collections::BTreeMap, fmt::Write, net::SocketAddr};

use portcullis_config::scope::Scope;
use portcullis_lint::{estate::Transport, sensitive};

use crate::names::Names;

/// A TCP socket that listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Where.
    pub address: SocketAddr,
    /// The command of its process, where that is known.
    pub command: Option<String>,
}

/// What a machine is like.
#[derive(Debug, Clone, Default)]
pub struct Machine {
    /// What listens.
    pub listeners: Vec<Found>,
    /// Compose files that are there.
    pub compose_files: Vec<String>,
    /// The number of the proposed port, which nobody has.
    pub port: u16,
    /// The folder in which the file will lie, and the socket of the admin port beside it.
    pub folder: std::path::PathBuf,
}

/// The text of a first file. It opens nothing to anybody who could not reach it before.
pub fn propose(machine: &Machine) -> String {
    let (services, others) = sorted(&machine.listeners);
    let number = machine.port;
    let socket = machine.folder.join("portcullis-admin.sock");
    // Writing to a string cannot fail.
    let mut text = "# Proposed by `portcullis init` from what listens on this machine. Read it, change it, then: portcullis check\n".to_owned();
    for file in &machine.compose_files {
        let _ = writeln!(text, "# {file} publishes ports of its own: portcullis import compose {file}");
    }
    let _ = write!(
        text,
        "\nports:\n  # Out of reach of the network. To be reached from outside: listen 0.0.0.0:443, role public, protocol https, tls.\n  \
         local: {{ listen: 127.0.0.1:{number}, role: internal, protocol: http, from: [127.0.0.0/8] }}\n  \
         admin: {{ listen: \"unix:{}\", role: admin }}\n",
        socket.display()
    );
    for note in others {
        let _ = writeln!(text, "  # {note}");
    }
    if services.is_empty() {
        let _ = write!(
            text,
            "\n# Nothing that seems to speak HTTP listens yet. A service and the way to it look so:\n\
             # services:\n#   shop: {{ port: 3000, endpoints: [127.0.0.1] }}\n\
             # routes:\n#   - {{ port: local, host: shop.localhost, service: shop, allow: anyone }}\n\n\
             routes:\n  - {{ port: local, respond: {{ status: 404 }}, allow: anyone }}\n"
        );
        return text;
    }
    text.push_str("\nservices:\n");
    for Service { name, endpoint, is_wide, command } in &services {
        let note = if *is_wide { "# it listens on more than loopback: let it listen on 127.0.0.1 alone" } else { "" };
        let process = command
            .as_ref()
            .map_or_else(String::new, |command| format!(", process: {}", serde_json::Value::from(command.as_str())));
        let line = format!("  {name}: {{ port: {}, endpoints: [\"{endpoint}\"]{process} }} {note}", endpoint.port());
        let _ = writeln!(text, "{}", line.trim_end());
    }
    let _ = write!(text, "\nroutes:\n  # http://NAME.localhost:{number} in a browser of this machine.\n");
    for Service { name, .. } in &services {
        let host = name.to_ascii_lowercase().replace(['_', '.'], "-");
        let _ = writeln!(
            text,
            "  - {{ port: local, host: {}.localhost, service: {name}, allow: {{ from: [127.0.0.0/8] }} }}",
            host.trim_matches('-')
        );
    }
    text
}

struct Service {
    name: String,
    endpoint: SocketAddr,
    /// Whether others than this host can reach it.
    is_wide: bool,
    command: Option<String>,
}

/// Those that may speak HTTP, and words for the others.
fn sorted(listeners: &[Found]) -> (Vec<Service>, Vec<String>) {
    let mut by_number: BTreeMap<u16, &Found> = BTreeMap::new();
    for found in listeners {
        // IPv4 goes before IPv6 where a program has both.
        let known = by_number.entry(found.address.port()).or_insert(found);
        if known.address.is_ipv6() && found.address.is_ipv4() {
            *known = found;
        }
    }
    let (mut services, mut others, mut names) = (Vec::new(), Vec::new(), Names::default());
    for (number, found) in by_number {
        let who = found.command.clone().unwrap_or_else(|| "a program of another user".to_owned());
        let scope = Scope::of(found.address.ip());
        if let Some(known) = sensitive::telling(number, Transport::Tcp) {
            others.push(format!(
                "{who} listens on {} ({}, {}): not behind Portcullis as proposed",
                found.address,
                known.name,
                scope.word()
            ));
            continue;
        }
        let ip = found.address.ip();
        let endpoint = match (ip.is_unspecified(), ip.is_ipv4()) {
            (true, true) => SocketAddr::from(([127, 0, 0, 1], number)),
            (true, false) => SocketAddr::from((std::net::Ipv6Addr::LOCALHOST, number)),
            (false, _) => found.address,
        };
        let letters = |character: char| character.is_ascii_alphanumeric() || character == '-';
        let short: String = who.chars().map(|one| if letters(one) { one } else { '-' }).take(24).collect();
        let name = names
            .free("service", &format!("{}-{number}", if found.command.is_some() { short.as_str() } else { "service" }));
        services.push(Service { name, endpoint, is_wide: scope != Scope::Loopback, command: found.command.clone() });
    }
    (services, others)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(address: &str, command: &str) -> Found {
        Found { address: address.parse().unwrap(), command: Some(command.to_owned()) }
    }

    #[test]
    fn a_proposal_opens_nothing_and_says_what_is_wide_already() {
        let machine = Machine {
            folder: "/srv".into(),
            listeners: vec![
                found("0.0.0.0:3000", "node"),
                found("[::]:3000", "node"),
                found("127.0.0.1:5432", "postgres"),
            ],
            compose_files: vec!["compose.yaml".to_owned()],
            port: 8080,
        };
        let text = propose(&machine);
        assert!(text.contains("local: { listen: 127.0.0.1:8080, role: internal"), "{text}");
        assert!(
            text.contains(
                "node-3000: { port: 3000, endpoints: [\"127.0.0.1:3000\"], process: \"node\" } # it listens on more"
            ),
            "{text}"
        );
        assert!(text.contains("# postgres listens on 127.0.0.1:5432 (PostgreSQL, loopback)"), "{text}");
        assert!(text.contains("portcullis import compose compose.yaml"), "{text}");
        assert_eq!(text.matches("endpoints:").count(), 1, "{text}");
    }
}
