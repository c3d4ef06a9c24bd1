//! The proxy as a Deployment, its data ports as Services, and NetworkPolicies by the ports of pods: a service can be
//! reached on its internal ports, from the proxy alone.

use std::{collections::BTreeSet, fmt::Write};

use portcullis_config::declared::{Declared, Role, Service};

use crate::{
    Artefact, Generated, Options,
    flows::{self, Open},
    text::{comment, identifier, quoted},
};

pub(crate) fn generate(declared: &Declared, options: &Options) -> Generated {
    let open = flows::open(declared);
    let mut data: Vec<&Open<'_>> = open.iter().filter(|open| open.is_data()).collect();
    // Two ports of one number, one for each family, are one port of the pod.
    let mut seen = BTreeSet::new();
    data.retain(|open| seen.insert(open.address.port()));
    let mut notes = vec![
        "the ConfigMap `portcullis` holds the file: kubectl create configmap portcullis --from-file=portcullis.yaml".to_owned(),
        "in its pod the proxy must listen on the pod's address: give ports `listen: 0.0.0.0:PORT`, and ports that are not public \
         `accept: { wildcard: \"the NetworkPolicy decides who comes\" }`"
            .to_owned(),
    ];
    let mut text = format!(
        "# The proxy, and who may reach what on which port of a pod. Written by `portcullis generate kubernetes` from {}.\n",
        comment(&options.file)
    );
    deployment(&mut text, &data, options);
    for (role, kind) in [(Role::Public, "LoadBalancer"), (Role::Internal, "ClusterIP")] {
        let ports: Vec<&&Open<'_>> = data.iter().filter(|open| open.port.role.value == role).collect();
        if !ports.is_empty() {
            proxy_service(&mut text, role, kind, &ports);
        }
    }
    proxy_policy(&mut text, &data, &declared.services, options);
    for service in &declared.services {
        self::service(&mut text, service, options, &mut notes);
    }
    Generated { artefacts: vec![Artefact { name: "portcullis.k8s.yaml".to_owned(), text }], notes }
}

fn deployment(text: &mut String, data: &[&Open<'_>], options: &Options) {
    let image = options.images.get("portcullis").map_or("portcullis:latest", String::as_str);
    let _ = write!(
        text,
        "apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: portcullis\n  labels: {{ app: portcullis }}\nspec:\n  replicas: 2\n\
         \x20 selector:\n    matchLabels: {{ app: portcullis }}\n  template:\n    metadata:\n      labels: {{ app: portcullis }}\n    spec:\n\
         \x20     automountServiceAccountToken: false\n      containers:\n        - name: portcullis\n          image: {}\n\
         \x20         args: [run, /etc/portcullis/portcullis.yaml]\n          ports:\n",
        quoted(image)
    );
    for open in data {
        let _ = writeln!(
            text,
            "            - {{ name: {}, containerPort: {}, protocol: TCP }}",
            port_name(open),
            open.address.port()
        );
    }
    let add = if data.iter().any(|open| open.address.port() < 1024) { ", add: [NET_BIND_SERVICE]" } else { "" };
    let _ = write!(
        text,
        "          securityContext:\n            allowPrivilegeEscalation: false\n            readOnlyRootFilesystem: true\n            runAsNonRoot: true\n\
         \x20           runAsUser: 65532\n            capabilities: {{ drop: [ALL]{add} }}\n            seccompProfile: {{ type: RuntimeDefault }}\n\
         \x20         volumeMounts:\n            - {{ name: file, mountPath: /etc/portcullis, readOnly: true }}\n\
         \x20     volumes:\n        - {{ name: file, configMap: {{ name: portcullis }} }}\n"
    );
}

/// At most 15 characters, as an IANA service name.
fn port_name(open: &Open<'_>) -> String {
    let mut name = identifier(open.name(), '-');
    name.truncate(15);
    name.trim_matches('-').to_owned()
}

fn proxy_service(text: &mut String, role: Role, kind: &str, ports: &[&&Open<'_>]) {
    let name = if role == Role::Public { "portcullis-public" } else { "portcullis-internal" };
    let _ = write!(text, "---\napiVersion: v1\nkind: Service\nmetadata:\n  name: {name}\n");
    let mut sources: Vec<String> = ports.iter().flat_map(|open| &open.from).map(ToString::to_string).collect();
    sources.sort();
    sources.dedup();
    text.push_str("spec:\n");
    if role == Role::Public {
        text.push_str("  # portcullis: ignore PC423: these ports are public, as their role says\n");
    }
    let _ = writeln!(text, "  type: {kind}\n  selector: {{ app: portcullis }}");
    if role == Role::Public {
        text.push_str("  externalTrafficPolicy: Local\n");
        if ports.iter().all(|open| !open.from.is_empty()) {
            let _ = writeln!(
                text,
                "  loadBalancerSourceRanges: [{}]",
                sources.iter().map(|s| quoted(s)).collect::<Vec<_>>().join(", ")
            );
        }
    }
    text.push_str("  ports:\n");
    for open in ports {
        let name = port_name(open);
        let _ = writeln!(
            text,
            "    - {{ name: {name}, port: {}, targetPort: {name}, protocol: TCP }}",
            open.address.port()
        );
    }
}

/// Whoever may come to the ports of the proxy, and where the proxy itself may go.
fn proxy_policy(text: &mut String, data: &[&Open<'_>], services: &[Service], options: &Options) {
    text.push_str(
        "---\napiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata:\n  name: portcullis\nspec:\n\
         \x20 podSelector: { matchLabels: { app: portcullis } }\n  policyTypes: [Ingress, Egress]\n  ingress:\n",
    );
    for open in data {
        let from = if open.from.is_empty() {
            // Inside of the cluster unless the port is public.
            if open.port.role.value == Role::Public { "ipBlock: { cidr: 0.0.0.0/0 }" } else { "podSelector: {}" }
                .to_owned()
        } else {
            String::new()
        };
        text.push_str("    - from:\n");
        if open.from.is_empty() && open.port.role.value == Role::Public {
            let _ = writeln!(
                text,
                "        # portcullis: ignore PC464: port {} is public, as its role says",
                comment(open.name())
            );
        }
        if !from.is_empty() {
            let _ = writeln!(text, "        - {{ {from} }}");
        }
        for network in &open.from {
            let _ = writeln!(text, "        - {{ ipBlock: {{ cidr: {} }} }}", quoted(&network.trunc().to_string()));
        }
        let _ = writeln!(text, "      ports: [{{ protocol: TCP, port: {} }}]", open.address.port());
    }
    text.push_str(
        "  egress:\n    - to: [{ namespaceSelector: { matchLabels: { kubernetes.io/metadata.name: kube-system } } }]\n\
         \x20     ports: [{ protocol: UDP, port: 53 }, { protocol: TCP, port: 53 }]\n",
    );
    for service in services {
        let name = identifier(&service.name.value, '-');
        if !options.images.contains_key(&service.name.value) {
            let _ = writeln!(text, "    # portcullis: ignore PC463: {}", deployed_elsewhere(&name));
        }
        let _ = writeln!(
            text,
            "    - to: [{{ podSelector: {{ matchLabels: {{ app: {name} }} }} }}]\n      ports: [{}]",
            pod_ports(service)
        );
    }
}

/// Why nothing here has the labels of this service.
fn deployed_elsewhere(name: &str) -> String {
    format!("the pods with `app: {name}` are deployed by somebody else")
}

/// `port` and `endPort` of a policy.
fn pod_ports(service: &Service) -> String {
    match flows::internal_ports(service) {
        Some((first, last)) if first == last => format!("{{ protocol: TCP, port: {first} }}"),
        Some((first, last)) => format!("{{ protocol: TCP, port: {first}, endPort: {last} }}"),
        None => String::new(),
    }
}

fn service(text: &mut String, service: &Service, options: &Options, notes: &mut Vec<String>) {
    let name = identifier(&service.name.value, '-');
    let Some((first, last)) = flows::internal_ports(service) else {
        notes.push(format!("service `{}` has no internal port, and is left out", service.name.value));
        return;
    };
    if let Some(image) = options.images.get(&service.name.value) {
        let _ = write!(
            text,
            "---\napiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: {name}\n  labels: {{ app: {name} }}\nspec:\n  replicas: {}\n\
             \x20 selector:\n    matchLabels: {{ app: {name} }}\n  template:\n    metadata:\n      labels: {{ app: {name} }}\n    spec:\n\
             \x20     automountServiceAccountToken: false\n      containers:\n        - name: {name}\n          image: {}\n\
             \x20         ports: [{{ name: main, containerPort: {first}, protocol: TCP }}]\n\
             \x20         securityContext: {{ allowPrivilegeEscalation: false, capabilities: {{ drop: [ALL] }} }}\n",
            service.endpoints.len().max(1),
            quoted(image)
        );
        let _ = write!(
            text,
            "---\napiVersion: v1\nkind: Service\nmetadata:\n  name: {name}\nspec:\n  type: ClusterIP\n  selector: {{ app: {name} }}\n\
             \x20 ports: [{{ name: main, port: {first}, targetPort: main, protocol: TCP }}]\n"
        );
        if first != last {
            notes
                .push(format!("service `{}`: replicas are pods here, which all listen on {first}", service.name.value));
        }
    } else {
        notes.push(format!(
            "service `{0}` has no image: with --image {0}=IMAGE its Deployment and Service are written too",
            service.name.value
        ));
    }
    let ignored = if options.images.contains_key(&service.name.value) {
        String::new()
    } else {
        format!("  # portcullis: ignore PC462: {}\n", deployed_elsewhere(&name))
    };
    let _ = write!(
        text,
        "---\napiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata:\n  name: {name}\nspec:\n{ignored}\
         \x20 podSelector: {{ matchLabels: {{ app: {name} }} }}\n  policyTypes: [Ingress]\n  ingress:\n\
         \x20   - from: [{{ podSelector: {{ matchLabels: {{ app: portcullis }} }} }}]\n      ports: [{}]\n",
        pod_ports(service)
    );
}
