//! Flags of cluster components, and the same in their configuration files, that open more than is needed: PC410.

use super::{
    arguments::{Argument, arguments, runs},
    rule,
};
use crate::{
    finding::Finding,
    kubernetes::cluster::Cluster,
    rule::{Rule, Severity},
};

pub(in super::super) static WIDE_FLAG: Rule = rule(
    "PC410",
    "component-flag-opens-port",
    Severity::High,
    "a flag of a cluster component opens a port without authentication, or to everybody",
    "Whoever reaches such a port steers or reads the cluster: the old plain ports ask for no identity at all, and \
     health and profiling endpoints are meant for the node itself.",
    "Bind the component to `127.0.0.1`, and turn the plain port off with `0`.",
);

/// A flag that should not be as it is.
struct Flag {
    programs: &'static [&'static str],
    name: &'static str,
    /// The kind of the component's configuration file and the key that says the same there.
    key: Option<(&'static str, &'static str)>,
    is_wrong: fn(&str) -> bool,
    consequence: &'static str,
    remedy: &'static str,
}

const CONTROL: &[&str] = &["kube-controller-manager", "kube-scheduler", "cloud-controller-manager"];

/// A component that serves everybody by design (the API server's secure port, the kubelet's) is not here.
static FLAGS: &[Flag] = &[
    Flag {
        programs: &["kube-apiserver"],
        name: "insecure-port",
        key: None,
        is_wrong: is_a_port,
        consequence: "serves the API without asking who calls",
        remedy: "write `--insecure-port=0`",
    },
    Flag {
        programs: &["kube-apiserver"],
        name: "insecure-bind-address",
        key: None,
        is_wrong: is_beyond_loopback,
        consequence: "serves the API without asking who calls, beyond the node",
        remedy: "remove the flag",
    },
    Flag {
        programs: &["kube-apiserver"],
        name: "secure-port",
        key: None,
        is_wrong: is_zero,
        consequence: "turns the authenticated port off",
        remedy: "write `--secure-port=6443`",
    },
    Flag {
        programs: CONTROL,
        name: "bind-address",
        key: None,
        is_wrong: is_beyond_loopback,
        consequence: "shows health, metrics and profiles beyond the node",
        remedy: "write `--bind-address=127.0.0.1`",
    },
    Flag {
        programs: CONTROL,
        name: "address",
        key: None,
        is_wrong: is_beyond_loopback,
        consequence: "shows health, metrics and profiles beyond the node, without asking who calls",
        remedy: "remove the flag and write `--bind-address=127.0.0.1`",
    },
    Flag {
        programs: &["kubelet"],
        name: "read-only-port",
        key: Some(("KubeletConfiguration", "readOnlyPort")),
        is_wrong: is_a_port,
        consequence: "tells everybody who asks about all pods of the node",
        remedy: "write `--read-only-port=0`",
    },
    Flag {
        programs: &["kube-proxy"],
        name: "metrics-bind-address",
        key: Some(("KubeProxyConfiguration", "metricsBindAddress")),
        is_wrong: is_beyond_loopback,
        consequence: "shows metrics and settings beyond the node",
        remedy: "write `--metrics-bind-address=127.0.0.1:10249`",
    },
    Flag {
        programs: &["etcd"],
        name: "listen-client-urls",
        key: None,
        is_wrong: is_plain_and_wide,
        consequence: "serves the cluster's store without TLS, beyond the node",
        remedy: "write `--listen-client-urls=https://127.0.0.1:2379`, with the node's own address if others need it",
    },
    Flag {
        programs: &["etcd"],
        name: "listen-metrics-urls",
        key: None,
        is_wrong: is_plain_and_wide,
        consequence: "shows metrics beyond the node",
        remedy: "write `--listen-metrics-urls=http://127.0.0.1:2381`",
    },
];

pub(in super::super) fn apply(cluster: &Cluster, findings: &mut Vec<Finding>) {
    for workload in &cluster.manifests.workloads {
        for container in &workload.spec.pod.containers {
            for argument in arguments(container) {
                let named = FLAGS.iter().filter(|flag| flag.name == argument.name && (flag.is_wrong)(argument.value));
                let Some(flag) = named.into_iter().find(|flag| flag.programs.iter().any(|one| runs(container, one)))
                else {
                    continue;
                };
                findings.push(told(&argument, flag, &workload.meta.title()));
            }
        }
    }
    for component in &cluster.manifests.components {
        let kind = component.meta.kind.as_str();
        for (key, value) in &component.spec {
            let flag = FLAGS.iter().find(|flag| flag.key == Some((kind, key.as_str())) && (flag.is_wrong)(value));
            let Some(flag) = flag else { continue };
            let message = format!("`{key}: {}` of the {kind} {}", **value, flag.consequence);
            let remedy = flag.remedy.replace(&format!("--{}=", flag.name), &format!("{key}: "));
            findings.push(Finding::new(&WIDE_FLAG, value.span, message).label(flag.consequence).help(remedy));
        }
    }
}

fn told(argument: &Argument<'_>, flag: &Flag, title: &str) -> Finding {
    let message = format!("`--{}={}` in {title} {}", argument.name, argument.value, flag.consequence);
    Finding::new(&WIDE_FLAG, argument.span, message).label(flag.consequence).help(flag.remedy)
}

fn is_a_port(value: &str) -> bool {
    value.parse::<u16>().is_ok_and(|port| port != 0)
}

fn is_zero(value: &str) -> bool {
    value == "0"
}

/// An address, with or without a port, that is not the loopback one. What is decided elsewhere is not judged.
fn is_beyond_loopback(value: &str) -> bool {
    let host = value.parse::<std::net::SocketAddr>().map(|address| address.ip());
    let host = host.or_else(|_| value.trim_matches(['[', ']']).parse());
    host.is_ok_and(|address| !address.to_canonical().is_loopback())
}

fn is_plain_and_wide(value: &str) -> bool {
    value.split(',').any(|url| {
        url.trim()
            .strip_prefix("http://")
            .is_some_and(|rest| rest.starts_with("0.0.0.0") || rest.starts_with("[::]") || rest.starts_with(':'))
    })
}
