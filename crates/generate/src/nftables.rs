//! A ruleset: everything is dropped that no port declares, for IPv4 and IPv6 alike.

use std::{fmt::Write, net::IpAddr};

use ipnet::IpNet;
use portcullis_config::{
    declared::{Declared, Word},
    scope::Scope,
};

use crate::{
    Artefact, Generated, Options,
    flows::{self, Open},
    text::comment,
};

pub(crate) fn generate(declared: &Declared, options: &Options) -> Generated {
    let mut rules = String::new();
    let mut notes = Vec::new();
    for open in flows::open(declared) {
        if open.scope == Scope::Loopback {
            let _ = writeln!(rules, "    # {} {}: loopback, reached over lo only", comment(open.name()), open.address);
        } else {
            port(&mut rules, &open);
        }
    }
    for port in &options.keep {
        let _ = writeln!(rules, "    tcp dport {port} accept comment \"kept open\"");
    }
    if options.keep.is_empty() {
        notes.push(
            "port 22 is closed by these rules: with --keep 22 it stays open for who administrates the host by SSH"
                .to_owned(),
        );
    }
    let file = comment(&options.file);
    let text = format!(
        "#!/usr/sbin/nft -f\n\
         # Exactly the ports that {file} declares; everything else is dropped. Load it with: nft -f portcullis.nft\n\
         # Written by `portcullis generate nftables`.\n\
         \n\
         # Taking the table away first lets this file be loaded again; the whole file is one transaction.\n\
         table inet portcullis\n\
         delete table inet portcullis\n\
         \n\
         table inet portcullis {{\n\
         \x20 chain input {{\n\
         \x20   type filter hook input priority filter; policy drop;\n\
         \n\
         \x20   ct state established,related accept\n\
         \x20   ct state invalid drop\n\
         \x20   iifname \"lo\" accept\n\
         \x20   # What IP itself needs: errors, path MTU, neighbours and routers (RFC 4890).\n\
         \x20   icmp type {{ destination-unreachable, time-exceeded, parameter-problem, echo-request }} accept\n\
         \x20   icmpv6 type {{ destination-unreachable, packet-too-big, time-exceeded, parameter-problem, echo-request }} accept\n\
         \x20   ip6 hoplimit 255 icmpv6 type {{ nd-router-advert, nd-neighbor-solicit, nd-neighbor-advert }} accept\n\
         \n\
         {rules}\
         \x20 }}\n\
         \n\
         \x20 chain forward {{\n\
         \x20   type filter hook forward priority filter; policy drop;\n\
         \x20   ct state established,related accept\n\
         \x20 }}\n\
         }}\n"
    );
    notes.push("packets that this host forwards are dropped too: containers that Docker publishes, or a VPN, need rules of their own".to_owned());
    Generated { artefacts: vec![Artefact { name: "portcullis.nft".to_owned(), text }], notes }
}

/// One accept for each family of sources; what is denied is dropped before.
fn port(rules: &mut String, open: &Open<'_>) {
    let number = open.address.port();
    let to = destination(open.address.ip());
    let note = comment(&format!("port {} ({})", open.name(), open.port.role.value.word())).replace('"', "'");
    let is_v4 = open.address.is_ipv4();
    let deny = list(&open.deny, is_v4);
    if !deny.is_empty() {
        let _ = writeln!(rules, "    {to}{} tcp dport {number} drop comment \"{note}: denied\"", source(&deny, is_v4));
    }
    let from = list(&open.from, is_v4);
    // Sources of the other family cannot come to this address, so a port that names only those lets nobody in.
    if from.is_empty() && !open.from.is_empty() {
        let _ = writeln!(rules, "    # {note}: none of its sources has the family of {}", open.address.ip());
        return;
    }
    let from = if from.is_empty() { String::new() } else { source(&from, is_v4) };
    let _ = writeln!(rules, "    {to}{from} tcp dport {number} accept comment \"{note}\"");
}

/// The address that it is bound to; a wildcard is one of its family only.
fn destination(ip: IpAddr) -> String {
    match ip {
        IpAddr::V4(ip) if ip.is_unspecified() => "meta nfproto ipv4".to_owned(),
        IpAddr::V6(ip) if ip.is_unspecified() => "meta nfproto ipv6".to_owned(),
        IpAddr::V4(ip) => format!("ip daddr {ip}"),
        IpAddr::V6(ip) => format!("ip6 daddr {ip}"),
    }
}

fn list(networks: &[IpNet], is_v4: bool) -> Vec<String> {
    let own: Vec<IpNet> = networks.iter().filter(|net| net.addr().is_ipv4() == is_v4).map(IpNet::trunc).collect();
    // An interval set may not overlap itself.
    IpNet::aggregate(&own).iter().map(ToString::to_string).collect()
}

fn source(networks: &[String], is_v4: bool) -> String {
    let family = if is_v4 { "ip" } else { "ip6" };
    format!(" {family} saddr {{ {} }}", networks.join(", "))
}
