//! What is asked of a client before a directive has its effect: sources, passwords, certificates.

use super::{model::Chain, tree::Directive};
use crate::{
    cidr::{Breadth, Networks},
    estate::Guard,
};

/// More lines than any list of addresses in a configuration has; those beyond are taken to change nothing.
const MAX_LINES: usize = 20_000;

/// What `allow` and `deny` of one level come to.
#[derive(Debug)]
pub(crate) struct Sources {
    /// Who passes.
    pub(crate) admitted: Networks,
    /// Who passes because no line is about them.
    pub(crate) forgotten: Networks,
    /// Whether each line could be read.
    pub(crate) is_known: bool,
}

impl Sources {
    /// The lines are looked at in order, and the first that fits counts (ngx_http_access_module).
    pub(crate) fn of(level: &Directive) -> Self {
        let mut admitted = Networks::default();
        let mut left = Networks::everyone();
        let mut is_known = true;
        for line in level.all(&["allow", "deny"]).take(MAX_LINES) {
            let networks = match line.text(1) {
                "all" => Networks::everyone(),
                // Clients on a Unix socket have no address.
                "unix:" => continue,
                text => {
                    if let Ok(networks) = Networks::parse(text) {
                        networks
                    } else {
                        is_known = false;
                        continue;
                    }
                }
            };
            if line.name() == "allow" {
                admitted.add(&left.common_with(&networks));
            }
            left = left.without(&networks);
        }
        admitted.add(&left);
        Self { admitted, forgotten: left, is_known }
    }
}

/// What is asked of a client that gets as far as this block.
pub(crate) fn guard(chain: &Chain<'_>) -> Guard {
    if chain.setting("internal").is_some() {
        return Guard::Identity("an internal redirect".to_owned());
    }
    let identity = identity(chain);
    let by_source = match chain.sources() {
        Some(Sources { is_known: false, .. }) => Guard::Unknown,
        Some(Sources { admitted, .. }) if is_everybody(admitted) => Guard::Open,
        Some(Sources { admitted, .. }) => Guard::Sources(admitted.to_networks()),
        None => Guard::Open,
    };
    let either = chain.setting("satisfy").is_some_and(|line| line.text(1) == "any");
    match (identity, by_source) {
        // Either is enough, so the way round both is the wider one.
        (Some(_), Guard::Open) if either && chain.sources().is_some() => Guard::Open,
        (Some(identity), _) => identity,
        (None, Guard::Open) if chain.has_gap() => Guard::Unknown,
        (None, by_source) => by_source,
    }
}

/// Whether a set of sources leaves the internet in.
pub(crate) fn is_everybody(networks: &Networks) -> bool {
    networks.breadth() == Breadth::Internet
}

fn identity(chain: &Chain<'_>) -> Option<Guard> {
    const PROOFS: [(&str, &str); 6] = [
        ("auth_basic", "basic auth"),
        ("auth_request", "an authentication request"),
        ("auth_jwt", "token"),
        ("auth_digest", "digest auth"),
        ("auth_pam", "PAM"),
        ("auth_ldap", "LDAP"),
    ];
    let is_on = |name: &str| chain.setting(name).is_some_and(|line| !matches!(line.text(1), "off" | ""));
    if let Some((_, what)) = PROOFS.iter().find(|(name, _)| is_on(name)) {
        return Some(Guard::Identity((*what).to_owned()));
    }
    let asks_certificate = chain.setting("ssl_verify_client").is_some_and(|line| line.text(1) == "on");
    if asks_certificate {
        return Some(Guard::Identity("client certificate".to_owned()));
    }
    // Programs may ask for anything.
    let programs = ["access_by_lua_block", "access_by_lua_file", "access_by_lua", "js_access"];
    programs.iter().any(|name| chain.setting(name).is_some()).then_some(Guard::Unknown)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{inputs::FileId, nginx::tree::parse};

    fn of(http: &str, location: &str) -> Guard {
        let tree = parse(&format!("http {{ {http} location / {{ {location} }} }}"), FileId(0));
        let http = &tree.directives[0];
        let chain = Chain::of(http).with(http.one("location").unwrap());
        guard(&chain)
    }

    #[test]
    fn the_nearest_level_and_the_first_line_that_fits_count() {
        let sources = |nets: &[&str]| Guard::Sources(nets.iter().map(|net| net.parse().unwrap()).collect());
        let identity = |what: &str| Guard::Identity(what.to_owned());
        for (http, location, expected) in [
            ("", "", Guard::Open),
            ("", "allow 10.0.0.0/8; deny all;", sources(&["10.0.0.0/8"])),
            ("allow 10.0.0.0/8; deny all;", "", sources(&["10.0.0.0/8"])),
            ("allow 10.0.0.0/8; deny all;", "allow all;", Guard::Open),
            ("", "allow 10.0.0.0/8;", Guard::Open),
            ("", "deny 192.0.2.1;", Guard::Open),
            ("", "deny all; allow 10.0.0.0/8;", sources(&[])),
            ("", "allow 0.0.0.0/1; allow 128.0.0.0/1; deny all;", Guard::Open),
            ("", "allow $x; deny all;", Guard::Unknown),
            ("auth_basic x;", "", identity("basic auth")),
            ("auth_basic x;", "auth_basic off;", Guard::Open),
            ("auth_basic x;", "allow all; satisfy any;", Guard::Open),
            ("auth_basic x;", "satisfy any; allow 10.0.0.0/8; deny all;", identity("basic auth")),
            ("ssl_verify_client on;", "", identity("client certificate")),
            ("ssl_verify_client optional;", "", Guard::Open),
            ("include missing;", "", Guard::Unknown),
            ("", "internal;", identity("an internal redirect")),
        ] {
            assert_eq!(of(http, location), expected, "{http} | {location}");
        }
    }
}
