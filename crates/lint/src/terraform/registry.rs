//! The one module of the public registry that is a firewall itself and is called more than all others:
//! `terraform-aws-modules/security-group/aws`. Its files are elsewhere, but what it is given says all it opens.

use std::collections::HashMap;

use super::{
    aws,
    opening::{
        Described, Direction, Effect, Group, Kind, Peer, Permit, Ports, Protocol, networks, port_span, unknown_block,
    },
    resource::Resource,
    value::Term,
};
use crate::{
    estate::{PortSpan, Transport},
    inputs::Span,
};

/// How its calls are kept among the resources.
pub(super) const SECURITY_GROUP: &str = "module/security-group/aws";

/// How calls of other modules from elsewhere are kept: what they are given may say what is public.
pub(super) const MODULE: &str = "module";

/// What a module of the registry is known to put out, by what it is given: the networks of a VPC.
pub(super) fn outputs(source: &str, body: &Term) -> HashMap<String, Term> {
    if !source.contains("terraform-aws-modules/vpc/aws") && !source.contains("terraform-aws-modules/terraform-aws-vpc")
    {
        return HashMap::new();
    }
    let put_out = [
        ("vpc_cidr_block", "cidr"),
        ("private_subnets_cidr_blocks", "private_subnets"),
        ("public_subnets_cidr_blocks", "public_subnets"),
        ("database_subnets_cidr_blocks", "database_subnets"),
        ("intra_subnets_cidr_blocks", "intra_subnets"),
    ];
    put_out.iter().filter_map(|(name, given)| Some(((*name).to_owned(), body.get(given)?.clone()))).collect()
}

/// Whether a source names it, from the registry or from where it is developed; and which ready-made part of it.
pub(super) fn recognises(source: &str) -> bool {
    source.contains("terraform-aws-modules/security-group/aws")
        || source.contains("terraform-aws-modules/terraform-aws-security-group")
}

/// The group that a call makes.
pub(super) fn group(resource: &Resource) -> Option<Group> {
    if resource.kind != SECURITY_GROUP {
        return None;
    }
    let body = &resource.body;
    let mut permits = Vec::new();
    for (side, direction) in [("ingress", Direction::In), ("egress", Direction::Out)] {
        let common = Common::of(body, side);
        if let Some(names) = body.get(&format!("{side}_rules")) {
            permits.extend(names.items().iter().map(|name| named(name, direction, common.peers.clone(), name.span)));
        }
        for (key, addresses) in [("cidr_blocks", "cidr_blocks"), ("ipv6_cidr_blocks", "ipv6_cidr_blocks")] {
            for list in [format!("{side}_with_{key}"), format!("computed_{side}_with_{key}")] {
                let rules = body.blocks(&list).iter();
                permits.extend(rules.map(|rule| with_addresses(rule, direction, addresses, &common)));
            }
        }
    }
    // A ready-made part opens the port that it is called after to `ingress_cidr_blocks`.
    if let Some(part) = body.text("source").as_deref().and_then(|source| source.split("//modules/").nth(1)) {
        let part = part.split(['?', '/']).next().unwrap_or(part);
        let place = body.get("source").map_or(body.span, Term::origin);
        if let Some(known) = ready_made(part) {
            let peers = Common::of(body, "ingress").peers;
            permits.extend(known.iter().map(|name| rule(name, Direction::In, peers.clone(), place)));
        }
    }
    Some(Group::of(resource, "security group", Kind::Stateful, &aws::WORDS, permits))
}

/// The networks of all rules that name none.
struct Common {
    peers: Vec<Peer>,
}

impl Common {
    fn of(body: &Term, side: &str) -> Self {
        let mut peers = networks(body.get(&format!("{side}_cidr_blocks")));
        peers.extend(networks(body.get(&format!("{side}_ipv6_cidr_blocks"))));
        Self { peers }
    }
}

fn with_addresses(block: &Term, direction: Direction, addresses: &str, common: &Common) -> Permit {
    if let Some(unknown) = unknown_block(block, direction) {
        return unknown;
    }
    let own = networks(block.get(addresses));
    let peers = if own.is_empty() { common.peers.clone() } else { own };
    if let Some(name) = block.get("rule") {
        return named(name, direction, peers, block.span);
    }
    let protocol = Protocol::read(block.get("protocol"), block.span);
    let ports = match &protocol {
        Protocol::Any(place) => Ports::Of { ports: PortSpan::ALL, place: *place },
        _ => port_span(block.get("from_port"), block.get("to_port"), block.span),
    };
    Permit { protocol, ports: vec![ports], ..allow(direction, peers, block.span) }
}

fn named(name: &Term, direction: Direction, peers: Vec<Peer>, place: Span) -> Permit {
    if let Some(text) = name.value.as_text() {
        return Permit { place, ..rule(&text, direction, peers, name.origin()) };
    }
    let what = name.value.unknown().unwrap_or_default();
    let protocol = Protocol::Unknown { what, place: name.span };
    Permit { protocol, ..allow(direction, peers, place) }
}

fn rule(name: &str, direction: Direction, peers: Vec<Peer>, place: Span) -> Permit {
    let of = |ports, protocol| {
        let ports = vec![Ports::Of { ports, place }];
        Permit { protocol, ports, ..allow(direction, peers.clone(), place) }
    };
    match (name, ports_of(name)) {
        ("all-all", _) => of(PortSpan::ALL, Protocol::Any(place)),
        ("all-tcp", _) => of(PortSpan::ALL, Protocol::Transport(Transport::Tcp)),
        ("all-udp", _) => of(PortSpan::ALL, Protocol::Transport(Transport::Udp)),
        (_, Some(ports)) => {
            let transport = if name.ends_with("-udp") { Transport::Udp } else { Transport::Tcp };
            of(ports, Protocol::Transport(transport))
        }
        (name, None) if name.contains("icmp") => {
            Permit { protocol: Protocol::Portless, ..allow(direction, peers, place) }
        }
        (name, None) => {
            let protocol = Protocol::Unknown { what: format!("the rule `{name}` of the module"), place };
            Permit { protocol, ..allow(direction, peers, place) }
        }
    }
}

fn allow(direction: Direction, peers: Vec<Peer>, place: Span) -> Permit {
    Permit {
        direction,
        effect: Effect::Allow,
        order: 0,
        peers,
        protocol: Protocol::Portless,
        ports: Vec::new(),
        is_described: Described::Nowhere,
        place,
    }
}

/// `http-8080-tcp` says its port; others are names of services.
fn ports_of(name: &str) -> Option<PortSpan> {
    const SERVICES: [(&str, u16); 27] = [
        ("ssh", 22),
        ("rdp", 3389),
        ("mysql", 3306),
        ("postgresql", 5432),
        ("mssql", 1433),
        ("oracle-db", 1521),
        ("redshift", 5439),
        ("redis", 6379),
        ("memcached", 11211),
        ("mongodb", 27017),
        ("elasticsearch-rest", 9200),
        ("elasticsearch-java", 9300),
        ("kibana", 5601),
        ("kafka-broker", 9092),
        ("kafka-broker-tls", 9094),
        ("rabbitmq", 5672),
        ("zookeeper-2181", 2181),
        ("cassandra-clients", 9042),
        ("docker-swarm-mngmt", 2377),
        ("kubernetes-api", 6443),
        ("prometheus-http", 9090),
        ("grafana", 3000),
        ("winrm-http", 5985),
        ("winrm-https", 5986),
        ("nfs", 2049),
        ("ldap", 389),
        ("dns", 53),
    ];
    let name = name.strip_suffix("-tcp").or_else(|| name.strip_suffix("-udp")).unwrap_or(name);
    let by_name = SERVICES.iter().find(|(known, _)| *known == name).map(|(_, port)| PortSpan::one(*port));
    by_name.or_else(|| name.rsplit('-').next()?.parse().ok().map(PortSpan::one))
}

/// The rules of the parts whose name says what they open.
fn ready_made(part: &str) -> Option<&'static [&'static str]> {
    Some(match part {
        "ssh" => &["ssh-tcp"],
        "rdp" => &["rdp-tcp"],
        "mysql" => &["mysql-tcp"],
        "postgresql" => &["postgresql-tcp"],
        "mssql" => &["mssql-tcp"],
        "redis" => &["redis-tcp"],
        "memcached" => &["memcached-tcp"],
        "mongodb" => &["mongodb-tcp"],
        "redshift" => &["redshift-tcp"],
        "elasticsearch" => &["elasticsearch-rest-tcp", "elasticsearch-java-tcp"],
        "kafka" => &["kafka-broker-tcp", "kafka-broker-tls-tcp"],
        "zookeeper" => &["zookeeper-2181-tcp"],
        "http-80" => &["http-80-tcp"],
        "http-8080" => &["http-8080-tcp"],
        "https-443" => &["https-443-tcp"],
        "https-8443" => &["https-8443-tcp"],
        "web" => &["http-80-tcp", "http-8080-tcp", "https-443-tcp"],
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_are_known_by_name_or_number() {
        for (name, expected) in [
            ("ssh-tcp", Some(22)),
            ("http-8080-tcp", Some(8080)),
            ("dns-udp", Some(53)),
            ("all-icmp", None),
            ("splunk-hec-tcp", None),
        ] {
            assert_eq!(ports_of(name), expected.map(PortSpan::one), "{name}");
        }
        assert!(recognises("terraform-aws-modules/security-group/aws//modules/ssh"));
        assert!(!recognises("./modules/security-group"));
    }
}
