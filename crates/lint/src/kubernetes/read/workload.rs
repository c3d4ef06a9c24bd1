//! Pods, and what makes them.

use super::{
    field::{self, Block, Expected},
    or_nothing,
};
use crate::{
    inputs::Spanned,
    kubernetes::model::{
        Container, ContainerKind, ContainerPort, Labels, Pod, Probe, Security, Stray, Workload, WorkloadKind,
    },
    yaml::Node,
};

/// Reads what makes pods; nothing if it has no pod template.
pub(super) fn read(node: &Node<'_>, group: &str, kind: &str, strays: &mut Vec<Stray>) -> Option<Workload> {
    let (kind, template) = match (group, kind) {
        ("", "Pod") => (WorkloadKind::Pod, node),
        ("apps" | "extensions", "Deployment") | ("apps.openshift.io", "DeploymentConfig") => {
            (WorkloadKind::Deployment, node.at(&["spec", "template"])?)
        }
        ("apps", "StatefulSet") => (WorkloadKind::StatefulSet, node.at(&["spec", "template"])?),
        ("apps" | "extensions", "DaemonSet") => (WorkloadKind::DaemonSet, node.at(&["spec", "template"])?),
        ("apps" | "extensions", "ReplicaSet") | ("", "ReplicationController") => {
            (WorkloadKind::Replicas, node.at(&["spec", "template"])?)
        }
        ("batch", "Job") => (WorkloadKind::Job, node.at(&["spec", "template"])?),
        ("batch", "CronJob") => (WorkloadKind::Job, node.at(&["spec", "jobTemplate", "spec", "template"])?),
        _ => {
            let template = node.at(&["spec", "template"])?;
            template.at(&["spec", "containers"])?;
            (WorkloadKind::Custom, template)
        }
    };
    let spec = node.get("spec");
    let number = |key: &str| -> Option<Spanned<u32>> {
        let value = spec?.get(key)?;
        Some(Spanned::new(value.text()?.parse().ok()?, value.span))
    };
    let strategy = spec.and_then(|spec| spec.get("strategy").or_else(|| spec.get("updateStrategy")));
    let rolling = strategy.and_then(|strategy| strategy.get("rollingUpdate"));
    let of_rolling = |key: &str| rolling.and_then(|rolling| field::text(rolling, key)).map(|text| text.value);
    Some(Workload {
        kind,
        pod: pod(template, strays),
        replicas: number("replicas"),
        strategy: strategy.and_then(|strategy| field::text(strategy, "type")),
        max_surge: of_rolling("maxSurge"),
        max_unavailable: of_rolling("maxUnavailable"),
    })
}

/// Whether it only says what is to be changed in another object, by a directive of patches.
pub(super) fn is_patch(node: &Node<'_>) -> bool {
    let has_directive = |node: &Node<'_>| node.get("$patch").is_some();
    let template = node.at(&["spec", "template"]).unwrap_or(node);
    let containers = template.at(&["spec", "containers"]).map(Node::items).unwrap_or_default();
    has_directive(node) || has_directive(template) || containers.iter().any(has_directive)
}

const POD_SPEC: Block = Block {
    name: "a pod spec",
    known: &[
        "activeDeadlineSeconds",
        "affinity",
        "automountServiceAccountToken",
        "containers",
        "dnsConfig",
        "dnsPolicy",
        "enableServiceLinks",
        "ephemeralContainers",
        "hostAliases",
        "hostIPC",
        "hostNetwork",
        "hostPID",
        "hostUsers",
        "hostname",
        "hostnameOverride",
        "imagePullSecrets",
        "initContainers",
        "nodeName",
        "nodeSelector",
        "os",
        "overhead",
        "preemptionPolicy",
        "priority",
        "priorityClassName",
        "readinessGates",
        "resourceClaims",
        "resources",
        "restartPolicy",
        "runtimeClassName",
        "schedulerName",
        "schedulingGates",
        "securityContext",
        "serviceAccount",
        "serviceAccountName",
        "setHostnameAsFQDN",
        "shareProcessNamespace",
        "subdomain",
        "terminationGracePeriodSeconds",
        "tolerations",
        "topologySpreadConstraints",
        "volumes",
        "workloadRef",
    ],
    closed: false,
};

const CONTAINER: Block = Block {
    name: "a container",
    known: &[
        "args",
        "command",
        "env",
        "envFrom",
        "image",
        "imagePullPolicy",
        "lifecycle",
        "livenessProbe",
        "name",
        "ports",
        "readinessProbe",
        "resizePolicy",
        "resources",
        "restartPolicy",
        "restartPolicyRules",
        "securityContext",
        "startupProbe",
        "stdin",
        "stdinOnce",
        "terminationMessagePath",
        "terminationMessagePolicy",
        "tty",
        "volumeDevices",
        "volumeMounts",
        "workingDir",
    ],
    closed: false,
};

const CONTAINER_PORT: Block = Block {
    name: "a container port",
    known: &["containerPort", "hostIP", "hostPort", "name", "protocol"],
    closed: true,
};

fn pod(template: &Node<'_>, strays: &mut Vec<Stray>) -> Pod {
    let labels = field::labels(template.at(&["metadata", "labels"]));
    let Some(spec) = template.get("spec") else {
        return Pod {
            labels,
            host_network: None,
            containers: Vec::new(),
            node_selector: Vec::new(),
            is_placed: false,
            security: Security::default(),
        };
    };
    field::note_strays(spec, &POD_SPEC, strays);
    let selector = field::labels(spec.get("nodeSelector")) as Labels;
    let host_network = spec.get("hostNetwork").filter(|value| value.is_true()).map(|value| value.span);
    let mut containers = Vec::new();
    for (key, kind) in [("initContainers", ContainerKind::Init), ("containers", ContainerKind::Main)] {
        let items = spec.get(key).map(Node::items).unwrap_or_default();
        containers.extend(items.iter().filter(|item| item.is_mapping()).map(|item| container(item, kind, strays)));
    }
    Pod {
        labels,
        host_network,
        containers,
        node_selector: selector.0,
        is_placed: ["affinity", "nodeName", "topologySpreadConstraints"].iter().any(|key| spec.get(key).is_some()),
        security: security(spec.get("securityContext")),
    }
}

fn container(node: &Node<'_>, kind: ContainerKind, strays: &mut Vec<Stray>) -> Container {
    field::note_strays(node, &CONTAINER, strays);
    let always = node.get("restartPolicy").and_then(Node::text) == Some("Always");
    let kind = if kind == ContainerKind::Init && always { ContainerKind::Sidecar } else { kind };
    let words = ["command", "args"].into_iter().flat_map(|key| field::list(node.get(key))).collect();
    let environment = node.get("env").map(Node::items).unwrap_or_default();
    let ports = node.get("ports").map(Node::items).unwrap_or_default();
    Container {
        kind,
        name: or_nothing(field::text(node, "name"), node),
        image: field::text(node, "image"),
        words,
        environment: environment
            .iter()
            .filter_map(|variable| Some((field::text(variable, "name")?.value, field::text(variable, "value")?)))
            .collect(),
        ports: ports.iter().filter_map(|port| container_port(port, strays)).collect(),
        probes: ["livenessProbe", "readinessProbe", "startupProbe"]
            .into_iter()
            .filter_map(|name| probe(node.get(name)?, name))
            .collect(),
        security: security(node.get("securityContext")),
    }
}

fn container_port(node: &Node<'_>, strays: &mut Vec<Stray>) -> Option<ContainerPort> {
    field::note_strays(node, &CONTAINER_PORT, strays);
    Some(ContainerPort {
        name: field::text(node, "name"),
        number: field::port(node, "containerPort", Expected::Number)?,
        protocol: field::protocol(node),
        host_port: field::port_unless_zero(node, "hostPort"),
        host_ip: field::text(node, "hostIP").filter(|address| !address.is_empty()),
    })
}

fn probe(node: &Node<'_>, name: &'static str) -> Option<Probe> {
    let (check, expected) =
        [("httpGet", Expected::NumberOrName), ("tcpSocket", Expected::NumberOrName), ("grpc", Expected::Number)]
            .into_iter()
            .find_map(|(key, expected)| Some((node.get(key)?, expected)))?;
    Some(Probe {
        name,
        port: field::port(check, "port", expected)?,
        host: field::text(check, "host").map(|host| host.value).filter(|host| !host.is_empty()),
    })
}

fn security(node: Option<&Node<'_>>) -> Security {
    let Some(node) = node else { return Security::default() };
    let user = node.get("runAsUser").and_then(Node::text).and_then(|user| user.parse::<u64>().ok());
    let added = field::words(node.at(&["capabilities", "add"]));
    let may_bind = added.iter().any(|name| {
        let name = name.to_ascii_uppercase();
        matches!(name.strip_prefix("CAP_").unwrap_or(&name), "NET_BIND_SERVICE" | "ALL")
    });
    let sysctls = node.get("sysctls").map(Node::items).unwrap_or_default();
    let start = sysctls
        .iter()
        .find(|sysctl| sysctl.get("name").and_then(Node::text) == Some("net.ipv4.ip_unprivileged_port_start"));
    Security {
        runs_unprivileged: node.get("runAsNonRoot").is_some_and(Node::is_true) || user.is_some_and(|user| user != 0),
        may_bind,
        unprivileged_port_start: start.and_then(|sysctl| sysctl.get("value")?.text()?.parse().ok()),
    }
}
