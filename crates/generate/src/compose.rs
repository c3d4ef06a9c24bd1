//! A Compose file in which the proxy alone publishes ports, each where the file says, and every service has an internal
//! network with the proxy that leads nowhere else.

use std::fmt::Write;

use portcullis_config::{
    declared::{Declared, Role, Service},
    scope::Scope,
};

use crate::{
    Artefact, Generated, Options, flows,
    text::{comment, identifier, quoted},
};

/// The image of the proxy unless another is named.
const PROXY_IMAGE: &str = "portcullis:latest";

pub(crate) fn generate(declared: &Declared, options: &Options) -> Generated {
    let mut notes = Vec::new();
    let mut text = format!(
        "# Only the ports that {} declares are published. Written by `portcullis generate compose`.\nservices:\n  portcullis:\n",
        comment(&options.file)
    );
    let image = options.images.get("portcullis").map_or(PROXY_IMAGE, String::as_str);
    let _ = writeln!(text, "    image: {}", quoted(image));
    text.push_str("    command: [run, /etc/portcullis/portcullis.yaml]\n    restart: unless-stopped\n    read_only: true\n    cap_drop: [ALL]\n");
    let open = flows::open(declared);
    if open.iter().any(|open| open.address.port() < 1024) {
        text.push_str("    cap_add: [NET_BIND_SERVICE]\n");
    }
    text.push_str("    security_opt: [\"no-new-privileges:true\"]\n    volumes:\n");
    let _ = writeln!(
        text,
        "      - {}",
        quoted(&format!("./{}:/etc/portcullis/portcullis.yaml:ro", comment(file_name(&options.file))))
    );
    let published: Vec<_> = open.iter().filter(|open| open.scope != Scope::Loopback || open.is_data()).collect();
    if !published.is_empty() {
        text.push_str("    ports:\n");
    }
    for open in &published {
        let ip = open.address.ip();
        let host = if ip.is_ipv6() { format!("[{ip}]") } else { ip.to_string() };
        let port = open.address.port();
        if open.port.role.value == Role::Public {
            let _ = writeln!(
                text,
                "      # portcullis: ignore PC201, PC202, PC208, PC211: port {} is public, as its role says",
                comment(open.name())
            );
        }
        let _ = writeln!(text, "      - {}", quoted(&format!("{host}:{port}:{port}")));
    }
    let networks: Vec<String> = declared.services.iter().map(|service| format!("to-{}", name(service))).collect();
    let _ = writeln!(
        text,
        "    networks: [{}]",
        std::iter::once("edge".to_owned()).chain(networks.clone()).collect::<Vec<_>>().join(", ")
    );
    for service in &declared.services {
        self::service(&mut text, service, options, &mut notes);
    }
    text.push_str("\nnetworks:\n  edge: {}\n");
    for network in networks {
        let _ = writeln!(text, "  {network}: {{ internal: true }}");
    }
    if open.iter().any(|open| open.scope == Scope::Loopback) {
        notes.push(
            "in its container the proxy must listen on the container's address: give loopback ports `listen: 0.0.0.0:PORT` there with \
             `accept: { wildcard: \"published on the host's loopback only\" }`"
                .to_owned(),
        );
    }
    Generated { artefacts: vec![Artefact { name: "compose.yaml".to_owned(), text }], notes }
}

fn file_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

fn name(service: &Service) -> String {
    identifier(&service.name.value, '-')
}

fn service(text: &mut String, service: &Service, options: &Options, notes: &mut Vec<String>) {
    let name = name(service);
    let image = options.images.get(&service.name.value).cloned().unwrap_or_else(|| {
        notes.push(format!("service `{0}` has no image: name it with --image {0}=IMAGE", service.name.value));
        format!("{name}:latest")
    });
    let _ = writeln!(text, "\n  {name}:\n    image: {}\n    restart: unless-stopped", quoted(&image));
    if let Some((first, last)) = flows::internal_ports(service) {
        let ports = if first == last { first.to_string() } else { format!("{first}-{last}") };
        let _ = writeln!(text, "    expose: [{}]", quoted(&ports));
    }
    let _ = writeln!(text, "    networks: [to-{name}]");
    let is_elsewhere = |(host, _, _): &(String, u16, u32)| *host != name;
    if flows::endpoints(service).iter().any(is_elsewhere) {
        notes.push(format!(
            "service `{}`: its endpoint within Compose is `{name}:PORT`; write that under `endpoints:` of the file that the container is given",
            service.name.value
        ));
    }
}
