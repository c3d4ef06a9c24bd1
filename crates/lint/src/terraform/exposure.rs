//! What faces the internet by a setting of its own: PC609 (machines, subnets, load balancers) and PC610 (managed
//! databases and clusters).

use super::{
    registry,
    resource::{Resource, Source},
    rules,
    value::Term,
};
use crate::{
    cidr::{Breadth, Networks},
    finding::{Edit, Finding, Safety},
    inputs::Span,
    rule::{Rule, Severity},
};

/// All that a resource exposes. A value that comes from another file is shown with the resource that it is for.
pub(super) fn check(resource: &Resource) -> Vec<Finding> {
    let mut findings = public_addresses(resource);
    findings.extend(load_balancer(resource));
    findings.extend(managed(resource));
    for finding in &mut findings {
        if finding.span.file != resource.place.file {
            finding.related.push((resource.place, "for this".to_owned()));
        }
    }
    findings
}

/// A switch: a truth value, and what it means that it is on.
struct Switch<'a> {
    rule: &'static Rule,
    severity: Severity,
    term: Option<&'a Term>,
    key: &'static str,
    message: String,
}

impl Switch<'_> {
    /// A finding if it is on, and an unknown one if nobody knows.
    fn finding(self) -> Option<Finding> {
        let term = self.term?;
        match (term.value.as_bool(), term.value.unknown()) {
            (Some(true), _) => {
                let text = format!("write `{} = false`", self.key);
                let edit = Edit { span: term.origin(), replacement: "false".to_owned() };
                let finding = Finding::new(self.rule, term.origin(), self.message).severity(self.severity);
                Some(finding.fix(Safety::NeedsReview, text, vec![edit]))
            }
            (None, Some(what)) => {
                let message = format!("whether {} depends on `{what}`, which the files do not say", self.message);
                Some(Finding::unknown(self.rule, term.span, message))
            }
            _ => None,
        }
    }
}

fn public_addresses(resource: &Resource) -> Vec<Finding> {
    let (body, name) = (&resource.body, &resource.name);
    let switch = |term, key, message, severity| {
        Switch { rule: &rules::PUBLIC_ADDRESS, severity, term, key, message }.finding().into_iter().collect::<Vec<_>>()
    };
    let public = "associate_public_ip_address";
    match resource.kind.as_str() {
        registry::MODULE => {
            let mut findings =
                switch(body.get(public), public, format!("module `{name}` gives public addresses"), Severity::Medium);
            let key = "map_public_ip_on_launch";
            let message =
                format!("every machine that starts in a public subnet of module `{name}` gets a public address");
            findings.extend(switch(body.get(key), key, message, Severity::Low));
            findings
        }
        "aws_instance" | "aws_spot_instance_request" => {
            switch(body.get(public), public, format!("instance `{name}` gets a public address"), Severity::Medium)
        }
        "aws_launch_configuration" => {
            let message = format!("every instance of `{name}` gets a public address");
            switch(body.get(public), public, message, Severity::Medium)
        }
        "aws_launch_template" => {
            let interfaces = body.blocks("network_interfaces").iter();
            let message = || format!("every instance of `{name}` gets a public address");
            interfaces.flat_map(|block| switch(block.get(public), public, message(), Severity::Medium)).collect()
        }
        "aws_subnet" | "aws_default_subnet" => {
            let key = "map_public_ip_on_launch";
            let message = format!("every machine that starts in subnet `{name}` gets a public address");
            switch(body.get(key), key, message, Severity::Low)
        }
        "aws_ecs_service" => {
            let key = "assign_public_ip";
            let message = format!("tasks of service `{name}` get a public address");
            let network = body.block("network_configuration");
            switch(network.and_then(|network| network.get(key)), key, message, Severity::Medium)
        }
        "azurerm_network_interface" => {
            let configurations = body.blocks("ip_configuration").iter();
            let addresses = configurations.filter_map(|block| block.get("public_ip_address_id"));
            addresses
                .map(|term| address(term.span, format!("network interface `{name}` has a public address")))
                .collect()
        }
        "google_compute_instance" | "google_compute_instance_template" => {
            let interfaces = body.blocks("network_interface").iter();
            let configured = interfaces.flat_map(|block| block.blocks("access_config")).take(1);
            configured.map(|block| address(block.span, format!("instance `{name}` gets a public address"))).collect()
        }
        _ => Vec::new(),
    }
}

fn address(place: Span, message: String) -> Finding {
    Finding::new(&rules::PUBLIC_ADDRESS, place, message)
        .help("remove it; let a load balancer face the internet, and let the machine go out through a NAT gateway")
}

/// An internet-facing load balancer is what most are for; one that does not say so may be an accident.
fn load_balancer(resource: &Resource) -> Option<Finding> {
    let (body, name) = (&resource.body, &resource.name);
    if !matches!(resource.kind.as_str(), "aws_lb" | "aws_alb" | "aws_elb")
        || body.text("load_balancer_type").as_deref() == Some("gateway")
    {
        return None;
    }
    let help = "write `internal = true`, or `internal = false` if it is meant for everybody";
    match body.get("internal") {
        None => Some(
            Finding::new(
                &rules::PUBLIC_ADDRESS,
                resource.place,
                format!("load balancer `{name}` does not say whether it is internal, so it faces the internet"),
            )
            .severity(Severity::Low)
            .help(help),
        ),
        Some(term) if term.value.as_bool() == Some(false) => Some(
            Finding::new(&rules::PUBLIC_ADDRESS, term.origin(), format!("load balancer `{name}` faces the internet"))
                .severity(Severity::Info)
                .help("nothing, if it is meant for everybody"),
        ),
        Some(term) => term.value.unknown().map(|what| {
            let message = format!("whether load balancer `{name}` faces the internet depends on `{what}`");
            Finding::unknown(&rules::PUBLIC_ADDRESS, term.span, message)
        }),
    }
}

fn managed(resource: &Resource) -> Vec<Finding> {
    let (body, name) = (&resource.body, &resource.name);
    match resource.kind.as_str() {
        "aws_db_instance"
        | "aws_rds_cluster_instance"
        | "aws_redshift_cluster"
        | "aws_neptune_cluster_instance"
        | "aws_dms_replication_instance"
        | "aws_mq_broker"
        | "aws_lightsail_database"
        | "aws_docdb_cluster_instance"
        | "aws_redshiftserverless_workgroup"
        | registry::MODULE => {
            let key = "publicly_accessible";
            let term = body.get(key);
            if term.is_none() && resource.kind == "aws_redshift_cluster" && resource.source == Source::Language {
                let message = format!("cluster `{name}` is public unless it says otherwise (AWS provider before 6.0)");
                return vec![managed_finding(
                    resource.place,
                    message,
                    Severity::High,
                    "write `publicly_accessible = false`",
                )];
            }
            let message = format!("{} `{name}` has a public address", managed_word(&resource.kind));
            let severity = Severity::Critical;
            Switch { rule: &rules::MANAGED, severity, term, key, message }.finding().into_iter().collect()
        }
        "aws_eks_cluster" => eks(resource).into_iter().collect(),
        "aws_msk_cluster" => msk(resource).into_iter().collect(),
        "aws_elasticsearch_domain" | "aws_opensearch_domain" => {
            let is_public = body.get("vpc_options").is_none();
            let message = format!("search domain `{name}` has a public endpoint, because it names no VPC");
            let help = "put it into a VPC, as in `vpc_options { subnet_ids = [aws_subnet.private.id] }`";
            is_public.then(|| managed_finding(resource.place, message, Severity::High, help)).into_iter().collect()
        }
        "aws_db_security_group" | "aws_redshift_security_group" => {
            let blocks = body.blocks("ingress").iter();
            let networks = blocks.filter_map(|block| block.get("cidr"));
            networks.filter_map(|term| open_network(term, &format!("database group `{name}`"))).collect()
        }
        "google_sql_database_instance" => google_database(resource),
        "google_container_cluster" => gke(resource),
        "azurerm_kubernetes_cluster" => aks(resource).into_iter().collect(),
        kind if kind.starts_with("azurerm_") && kind.ends_with("_firewall_rule") => {
            azure_rule(resource).into_iter().collect()
        }
        kind if AZURE_DATABASES.contains(&kind) => azure_database(resource).into_iter().collect(),
        _ => Vec::new(),
    }
}

fn managed_word(kind: &str) -> &'static str {
    match kind {
        "aws_dms_replication_instance" => "replication instance",
        "aws_mq_broker" => "message broker",
        "aws_redshift_cluster" | "aws_redshiftserverless_workgroup" => "data warehouse",
        registry::MODULE => "the database of module",
        _ => "database",
    }
}

fn managed_finding(place: Span, message: String, severity: Severity, help: &str) -> Finding {
    Finding::new(&rules::MANAGED, place, message).severity(severity).help(help)
}

/// A network that is let in to the API of a cluster, which asks for credentials first.
fn open_cluster(term: &Term, whose: &str) -> Option<Finding> {
    open_network(term, whose).map(|finding| {
        let severity = finding.severity.min(Severity::High);
        finding.severity(severity)
    })
}

/// A network that is let in to a database itself.
fn open_network(term: &Term, whose: &str) -> Option<Finding> {
    if let Some(what) = term.value.unknown() {
        let message = format!("who can reach {whose} depends on `{what}`, which the files do not say");
        return Some(Finding::unknown(&rules::MANAGED, term.span, message));
    }
    let networks = Networks::parse(&term.value.as_text()?).ok()?;
    let severity = by_breadth(&networks)?;
    let whom = if severity == Severity::Critical { "the whole internet".to_owned() } else { networks.to_string() };
    let message = format!("{whose} lets {whom} in");
    Some(managed_finding(term.origin(), message, severity, "name the addresses that need it, as in `203.0.113.7/32`"))
}

fn by_breadth(networks: &Networks) -> Option<Severity> {
    match networks.breadth() {
        Breadth::Internet => Some(Severity::Critical),
        Breadth::Public => Some(Severity::High),
        _ => None,
    }
}

fn eks(resource: &Resource) -> Option<Finding> {
    let name = &resource.name;
    let config = resource.body.block("vpc_config")?;
    let access = config.get("endpoint_public_access");
    if access.is_some_and(|term| term.value.as_bool() == Some(false)) {
        return None;
    }
    if let Some((term, what)) = access.and_then(|term| Some((term, term.value.unknown()?))) {
        let message = format!("whether the API of cluster `{name}` is public depends on `{what}`");
        return Some(Finding::unknown(&rules::MANAGED, term.span, message));
    }
    let help =
        "write `endpoint_public_access = false`, or name who may come: `public_access_cidrs = [\"203.0.113.7/32\"]`";
    let networks = config.get("public_access_cidrs").filter(|term| !term.items().is_empty());
    let Some(networks) = networks else {
        let place = access.map_or(config.span, Term::origin);
        let message = format!("the API of cluster `{name}` is open to the whole internet");
        return Some(managed_finding(place, message, Severity::High, help));
    };
    networks.items().iter().find_map(|term| open_cluster(term, &format!("the API of cluster `{name}`")))
}

fn msk(resource: &Resource) -> Option<Finding> {
    let group = resource.body.block("broker_node_group_info")?;
    let access = group.block("connectivity_info")?.block("public_access")?.get("type")?;
    (access.value.as_text()? == "SERVICE_PROVIDED_EIPS").then(|| {
        let message = format!("the brokers of `{}` have public addresses", resource.name);
        managed_finding(access.origin(), message, Severity::Critical, "write `type = \"DISABLED\"`")
    })
}

fn gke(resource: &Resource) -> Vec<Finding> {
    let (body, name) = (&resource.body, &resource.name);
    let private = body.block("private_cluster_config").and_then(|block| block.truth("enable_private_endpoint"));
    if private == Some(true) {
        return Vec::new();
    }
    let whose = format!("the API of cluster `{name}`");
    let Some(authorised) = body.block("master_authorized_networks_config") else {
        let help = "name who may come: `master_authorized_networks_config { cidr_blocks { cidr_block = \"203.0.113.7/32\" } }`";
        return vec![managed_finding(
            resource.place,
            format!("{whose} is open to the whole internet"),
            Severity::High,
            help,
        )];
    };
    let networks = authorised.blocks("cidr_blocks").iter().filter_map(|block| block.get("cidr_block"));
    networks.filter_map(|term| open_cluster(term, &whose)).collect()
}

fn aks(resource: &Resource) -> Option<Finding> {
    let (body, name) = (&resource.body, &resource.name);
    let profile = body.block("api_server_access_profile").and_then(|profile| profile.get("authorized_ip_ranges"));
    let ranges = profile.or_else(|| body.get("api_server_authorized_ip_ranges"));
    if body.get("private_cluster_enabled").is_some_and(|term| term.value.as_bool() != Some(false)) {
        return None;
    }
    let whose = format!("the API of cluster `{name}`");
    match ranges.filter(|term| !term.items().is_empty()) {
        None => Some(managed_finding(
            resource.place,
            format!("{whose} is open to the whole internet"),
            Severity::High,
            "write `private_cluster_enabled = true`, or name who may come: `authorized_ip_ranges = [\"203.0.113.7/32\"]`",
        )),
        Some(ranges) => ranges.items().iter().find_map(|term| open_cluster(term, &whose)),
    }
}

/// A public address is the default; who may come to it is a list of networks, empty at first.
fn google_database(resource: &Resource) -> Vec<Finding> {
    let name = &resource.name;
    let settings = resource.body.block("settings");
    let configuration = settings.and_then(|settings| settings.block("ip_configuration"));
    let networks = configuration.map_or(&[][..], |configuration| configuration.blocks("authorized_networks"));
    let values = networks.iter().filter_map(|network| network.get("value"));
    let mut findings: Vec<Finding> =
        values.filter_map(|term| open_network(term, &format!("database `{name}`"))).collect();
    let address = configuration.and_then(|configuration| configuration.get("ipv4_enabled"));
    let is_public = address.is_none_or(|term| term.value.as_bool() == Some(true));
    if findings.is_empty() && is_public && (settings.is_some() || resource.source == Source::Language) {
        let place = address.map_or(resource.place, Term::origin);
        let message = format!("database `{name}` has a public address");
        let help = "write `ipv4_enabled = false` in `ip_configuration`, and name a `private_network`";
        findings.push(managed_finding(place, message, Severity::Medium, help));
    }
    findings
}

/// From one address to another; 0.0.0.0 to 0.0.0.0 is how Azure writes "all of Azure".
fn azure_rule(resource: &Resource) -> Option<Finding> {
    let body = &resource.body;
    let start = body.get("start_ip_address").or_else(|| body.get("start_ip"))?;
    let end = body.get("end_ip_address").or_else(|| body.get("end_ip"))?;
    let (first, last) = (start.value.as_text()?, end.value.as_text()?);
    let help = "name the addresses that need it, and use a private endpoint for what runs in Azure";
    let name = &resource.name;
    if (first.as_str(), last.as_str()) == ("0.0.0.0", "0.0.0.0") {
        let message = format!("rule `{name}` lets everything in Azure in, other customers included");
        return Some(managed_finding(start.origin(), message, Severity::Medium, help));
    }
    let networks = Networks::range(first.parse().ok()?, last.parse().ok()?);
    let severity = by_breadth(&networks)?;
    let whom = if severity == Severity::Critical { "the whole internet".to_owned() } else { networks.to_string() };
    Some(managed_finding(start.origin(), format!("rule `{name}` lets {whom} reach the database"), severity, help))
}

/// They are public unless they say otherwise; who may come is said by rules.
const AZURE_DATABASES: [&str; 8] = [
    "azurerm_mssql_server",
    "azurerm_mysql_server",
    "azurerm_postgresql_server",
    "azurerm_mariadb_server",
    "azurerm_cosmosdb_account",
    "azurerm_redis_cache",
    "azurerm_mysql_flexible_server",
    "azurerm_postgresql_flexible_server",
];

fn azure_database(resource: &Resource) -> Option<Finding> {
    let key = "public_network_access_enabled";
    let term = resource.body.get(key);
    let message = format!("database `{}` has a public endpoint", resource.name);
    if term.is_some() {
        return Switch { rule: &rules::MANAGED, severity: Severity::High, term, key, message }.finding();
    }
    let is_flexible = resource.kind.contains("flexible");
    let is_in_network = resource.body.get("delegated_subnet_id").is_some() || resource.body.get("subnet_id").is_some();
    (resource.source == Source::Language && !is_flexible && !is_in_network).then(|| {
        let message = format!("{message}, because it does not say otherwise");
        managed_finding(resource.place, message, Severity::Medium, "write `public_network_access_enabled = false`")
    })
}
