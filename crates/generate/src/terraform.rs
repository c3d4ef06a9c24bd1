//! AWS security groups: one for the proxy with exactly its ports, one for each service that only the proxy's may enter.

use std::fmt::Write;

use ipnet::IpNet;
use portcullis_config::{
    declared::{Declared, Word},
    scope::Scope,
};

use crate::{
    Artefact, Generated,
    flows::{self, Open},
    text::{comment, identifier},
};

pub(crate) fn generate(declared: &Declared) -> Generated {
    let mut text = "# Exactly the ports that portcullis.yaml declares. Written by `portcullis generate terraform`.\n\
                    variable \"vpc_id\" {\n  description = \"The VPC of the proxy and its services\"\n  type        = string\n}\n\n\
                    resource \"aws_security_group\" \"portcullis\" {\n  name        = \"portcullis\"\n\
                    \x20 description = \"Ports of the Portcullis proxy\"\n  vpc_id      = var.vpc_id\n}\n"
        .to_owned();
    let mut notes = Vec::new();
    for open in flows::open(declared) {
        if open.scope != Scope::Loopback {
            ingress(&mut text, &open);
        }
        if !open.deny.is_empty() {
            notes.push(format!("port `{}`: security groups cannot deny; `deny:` stays with the proxy", open.name()));
        }
    }
    for service in &declared.services {
        let name = identifier(&service.name.value, '_');
        let title = text_of(&service.name.value);
        let Some((first, last)) = flows::internal_ports(service) else { continue };
        let _ = write!(
            text,
            "\nresource \"aws_security_group\" \"{name}\" {{\n  name        = \"portcullis-{}\"\n\
             \x20 description = \"Internal ports of service {title}\"\n  vpc_id      = var.vpc_id\n}}\n\
             \nresource \"aws_vpc_security_group_ingress_rule\" \"{name}\" {{\n  security_group_id            = aws_security_group.{name}.id\n\
             \x20 referenced_security_group_id = aws_security_group.portcullis.id\n  ip_protocol                  = \"tcp\"\n\
             \x20 from_port                    = {first}\n  to_port                      = {last}\n\
             \x20 description                  = \"From the proxy alone\"\n}}\n\
             \nresource \"aws_vpc_security_group_egress_rule\" \"{name}\" {{\n  security_group_id            = aws_security_group.portcullis.id\n\
             \x20 referenced_security_group_id = aws_security_group.{name}.id\n  ip_protocol                  = \"tcp\"\n\
             \x20 from_port                    = {first}\n  to_port                      = {last}\n\
             \x20 description                  = \"To service {title}\"\n}}\n",
            identifier(&service.name.value, '-')
        );
    }
    notes.push("what else the proxy has to reach (DNS, an identity provider) needs egress rules of its own".to_owned());
    Generated { artefacts: vec![Artefact { name: "portcullis.tf".to_owned(), text }], notes }
}

/// A rule for each network: a rule of this kind takes one.
fn ingress(text: &mut String, open: &Open<'_>) {
    let everybody: &[&str] = match (open.scope, open.address.is_ipv4()) {
        (Scope::Public, true) => &["0.0.0.0/0"],
        (Scope::Public, false) => &["::/0"],
        (_, true) => &["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"],
        (_, false) => &["fc00::/7"],
    };
    let said: Vec<String> =
        open.from.iter().filter(|net| !net.addr().is_loopback()).map(IpNet::trunc).map(|net| net.to_string()).collect();
    let networks: Vec<String> =
        if open.from.is_empty() { everybody.iter().map(|net| (*net).to_owned()).collect() } else { said };
    for (index, network) in networks.iter().enumerate() {
        let name = format!("portcullis_{}_{index}", identifier(open.name(), '_'));
        let attribute = if network.contains(':') { "cidr_ipv6        " } else { "cidr_ipv4        " };
        let port = open.address.port();
        let _ = write!(
            text,
            "\nresource \"aws_vpc_security_group_ingress_rule\" \"{name}\" {{\n  security_group_id = aws_security_group.portcullis.id\n\
             \x20 {attribute} = \"{network}\"\n  ip_protocol       = \"tcp\"\n  from_port         = {port}\n  to_port           = {port}\n\
             \x20 description       = \"Port {} ({})\"\n}}\n",
            text_of(open.name()),
            open.port.role.value.word()
        );
    }
}

/// Text within quotes of HCL, and of the characters that AWS allows in a description.
fn text_of(text: &str) -> String {
    comment(text).chars().map(|c| if c.is_ascii_alphanumeric() || "-_. ".contains(c) { c } else { '-' }).collect()
}
