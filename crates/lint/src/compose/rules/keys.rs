//! Keys that Compose does not know. It refuses them, other tools pass over them, and neither protects anything.

use super::Subject;
use crate::{
    finding::{Edit, Finding, Safety},
    keys,
    rule::Severity,
    yaml::{Entry, Node},
};

const TOP: &[&str] = &["version", "name", "include", "services", "models", "networks", "volumes", "secrets", "configs"];

/// Of the present specification and of the forms before it.
const SERVICE: &[&str] = &[
    "annotations",
    "attach",
    "blkio_config",
    "build",
    "cap_add",
    "cap_drop",
    "cgroup",
    "cgroup_parent",
    "command",
    "configs",
    "container_name",
    "cpu_count",
    "cpu_percent",
    "cpu_period",
    "cpu_quota",
    "cpu_rt_period",
    "cpu_rt_runtime",
    "cpu_shares",
    "cpus",
    "cpuset",
    "credential_spec",
    "depends_on",
    "deploy",
    "develop",
    "device_cgroup_rules",
    "devices",
    "dns",
    "dns_opt",
    "dns_search",
    "dockerfile",
    "domainname",
    "entrypoint",
    "env_file",
    "environment",
    "expose",
    "extends",
    "external_links",
    "extra_hosts",
    "gpus",
    "group_add",
    "healthcheck",
    "hostname",
    "image",
    "init",
    "ipc",
    "isolation",
    "label_file",
    "labels",
    "links",
    "log_driver",
    "log_opt",
    "logging",
    "mac_address",
    "mem_limit",
    "mem_reservation",
    "mem_swappiness",
    "memswap_limit",
    "models",
    "net",
    "network_mode",
    "networks",
    "oom_kill_disable",
    "oom_score_adj",
    "pid",
    "pids_limit",
    "platform",
    "ports",
    "post_start",
    "pre_start",
    "pre_stop",
    "privileged",
    "profiles",
    "provider",
    "pull_policy",
    "pull_refresh_after",
    "read_only",
    "restart",
    "runtime",
    "scale",
    "secrets",
    "security_opt",
    "shm_size",
    "stdin_open",
    "stop_grace_period",
    "stop_signal",
    "storage_opt",
    "sysctls",
    "tmpfs",
    "tty",
    "ulimits",
    "use_api_socket",
    "user",
    "userns_mode",
    "uts",
    "volume_driver",
    "volumes",
    "volumes_from",
    "working_dir",
];

/// Those by which a service is shut off from others.
const PROTECTING: &[&str] = &[
    "cap_add",
    "cap_drop",
    "expose",
    "network_mode",
    "networks",
    "ports",
    "privileged",
    "profiles",
    "read_only",
    "security_opt",
    "user",
    "userns_mode",
    "internal",
    "host_ip",
    "published",
    "target",
    "protocol",
];

const PORT: &[&str] = &["name", "mode", "host_ip", "target", "published", "protocol", "app_protocol"];

const NETWORK: &[&str] = &[
    "name",
    "driver",
    "driver_opts",
    "ipam",
    "external",
    "internal",
    "enable_ipv4",
    "enable_ipv6",
    "attachable",
    "labels",
];

const ATTACHMENT: &[&str] = &[
    "aliases",
    "interface_name",
    "ipv4_address",
    "ipv6_address",
    "link_local_ips",
    "mac_address",
    "driver_opts",
    "priority",
    "gw_priority",
];

/// Whether a key may stand at the top of a Compose file.
pub(in crate::compose) fn is_top_key(key: &str) -> bool {
    TOP.contains(&key) || key.starts_with("x-")
}

pub(super) fn apply(subject: &Subject<'_>, findings: &mut Vec<Finding>) {
    let root = subject.root;
    unknown(root, TOP, "a Compose file", findings);
    for service in entries(root, "services") {
        unknown(&service.value, SERVICE, "a service", findings);
        for port in service.value.get("ports").map(Node::items).unwrap_or_default() {
            unknown(port, PORT, "a port", findings);
        }
        for attachment in entries(&service.value, "networks") {
            unknown(&attachment.value, ATTACHMENT, "the network of a service", findings);
        }
    }
    for network in entries(root, "networks") {
        unknown(&network.value, NETWORK, "a network", findings);
    }
}

fn entries<'n, 't>(node: &'n Node<'t>, key: &str) -> &'n [Entry<'t>] {
    node.get(key).map(Node::entries).unwrap_or_default()
}

fn unknown(node: &Node<'_>, known: &[&'static str], of: &str, findings: &mut Vec<Finding>) {
    for Entry { key, .. } in node.entries() {
        if known.contains(&&*key.text) || key.text.starts_with("x-") {
            continue;
        }
        let finding = Finding::new(&keys::UNKNOWN_KEY, key.span, format!("`{}` is no key of {of}", key.text));
        findings.push(match keys::meant(&key.text, known) {
            Some(meant) => {
                let edit = Edit { span: key.span, replacement: meant.to_owned() };
                let finding = finding.fix(Safety::NeedsReview, format!("write `{meant}`"), vec![edit]);
                if PROTECTING.contains(&meant) { finding } else { finding.severity(Severity::Medium) }
            }
            None => finding.severity(Severity::Medium).help("remove it, or begin it with `x-` if it is a note"),
        });
    }
}
