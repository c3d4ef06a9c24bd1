//! Certificates that ports show, for every host that their routes name.

use std::{
    collections::BTreeSet,
    sync::Arc,
    time::{Duration, SystemTime},
};

use portcullis_config::declared::{HostPattern, Port};
use portcullis_tls::peer::PeerCertificate;
use rustls::pki_types::{CertificateDer, pem::PemObject};
use tokio::{runtime::Builder, time::timeout};

use super::cases::{protocol_of_port, reachable_through};
use crate::{
    bounds::Budget,
    check::{Check, Severity},
    estate::{Estate, OwnPort},
    outcome::Outcome,
    permit::{Permit, Target},
    wire::{Answer, Hello, Protocol, Speaks, certificate_of, dial},
};

/// Hosts that are asked for on one port at most.
const HOSTS: usize = 32;

/// A certificate that ends sooner is worth a word.
const SOON: Duration = Duration::from_hours(7 * 24);

pub(super) fn check(estate: &Estate<'_>, permit: &Permit, budget: &Arc<Budget>) -> Vec<Outcome> {
    let Ok(runtime) = Builder::new_current_thread().enable_all().build() else { return Vec::new() };
    let mut outcomes = Vec::new();
    for port in estate.ports.iter().filter(|port| terminates_tls(estate, port.port)) {
        let Some(target) = somewhere(port, permit) else { continue };
        let files = fingerprints(port.port);
        for host in hosts(estate, port.port) {
            let shown = runtime.block_on(shown(target, &host, budget));
            outcomes.push(judge(port, &host, shown, &files).at(estate.place(port.port.listen.span)));
        }
    }
    outcomes
}

fn terminates_tls(estate: &Estate<'_>, port: &Port) -> bool {
    matches!(protocol_of_port(estate, port), Protocol::Tls | Protocol::Https) && !port.passes_through()
}

/// One address through which the port is reached: they all show the same.
fn somewhere(port: &OwnPort<'_>, permit: &Permit) -> Option<Target> {
    let addresses: Vec<_> = if permit.names_any() {
        permit.named().collect()
    } else {
        portcullis_kernel::addresses::local_addresses().into_iter().collect()
    };
    reachable_through(port.address, &addresses).find_map(|address| permit.target(address))
}

/// Exact names of the port's routes.
fn hosts(estate: &Estate<'_>, port: &Port) -> BTreeSet<String> {
    let routes = estate.declared.routes.iter();
    let of_port = routes.filter(|route| route.ports.iter().any(|name| name.value == port.name.value));
    let patterns = of_port.flat_map(|route| [&route.matches.host, &route.matches.sni]).flatten();
    let exact = patterns.filter_map(|pattern| match &pattern.value {
        HostPattern::Exact(name) => Some(name.clone()),
        HostPattern::Suffix(_) | HostPattern::Any => None,
    });
    exact.take(HOSTS).collect()
}

/// Fingerprints of the certificates that the file names now.
fn fingerprints(port: &Port) -> BTreeSet<String> {
    let certificates = port.tls.iter().flat_map(|tls| &tls.value.certificates);
    let leaves = certificates.filter_map(|files| CertificateDer::from_pem_file(&files.value.cert.value).ok());
    leaves.filter_map(|leaf| PeerCertificate::from_der(&leaf).ok()).map(|read| read.fingerprint).collect()
}

/// The certificate that is shown for a host, or what came instead.
async fn shown(target: Target, host: &str, budget: &Budget) -> Result<PeerCertificate, String> {
    let Some(hello) = Hello::new(Some(host), target.address().ip(), None) else {
        return Err(format!("`{host}` can not be asked for"));
    };
    let mut found = None;
    let answer = dial(target, budget, |wire| async {
        found = certificate_of(wire, &hello).await;
        Answer::Open(Speaks::Silent)
    });
    let answer = timeout(budget.bounds().whole, answer).await.unwrap_or(Answer::Filtered);
    found.ok_or_else(|| match answer {
        Answer::Open(_) => "the handshake did not come to an end".to_owned(),
        other => other.words(),
    })
}

fn judge(port: &OwnPort<'_>, host: &str, shown: Result<PeerCertificate, String>, files: &BTreeSet<String>) -> Outcome {
    let subject = port.title();
    let tried = format!("asked for {host} in TLS and looked at the certificate");
    let certificate = match shown {
        Ok(certificate) => certificate,
        Err(why) => return Outcome::unknown(Check::WrongCertificate, subject, tried, why),
    };
    let fail = |got: String| Outcome::fail(Check::WrongCertificate, subject.clone(), tried.clone(), got);
    let now = SystemTime::now();
    let names = certificate.names().collect::<Vec<_>>().join(", ");
    let left = certificate.not_after().duration_since(now).unwrap_or_default();
    if !certificate.is_valid_at(now) {
        return fail(format!("it is not valid now, for {names}")).fix("renew it, or set the clock");
    }
    if !files.is_empty() && !files.contains(&certificate.fingerprint) {
        let got = format!("it shows a certificate for {names} that is in none of the declared files");
        return fail(got).fix("`portcullis reload`, or find out what listens there");
    }
    if !certificate.names().any(|name| covers(name, host)) {
        return fail(format!("it is for {names}, and not for {host}"))
            .fix("add a certificate for that name to the port");
    }
    let days = left.as_secs() / 86_400;
    if left < SOON {
        return fail(format!("it ends in {days} days, for {names}")).fix("renew it").severity(Severity::Warning);
    }
    Outcome::pass(Check::WrongCertificate, subject, tried, format!("it is for {names}, and valid for {days} days"))
}

/// Whether a name on a certificate stands for a host (RFC 9525 6.3): the same, or with its first label as `*`.
fn covers(name: &str, host: &str) -> bool {
    let wildcard =
        || name.strip_prefix("*.").zip(host.split_once('.')).is_some_and(|(suffix, (_, rest))| suffix == rest);
    name.eq_ignore_ascii_case(host) || wildcard()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wildcard_stands_for_one_label() {
        for (name, host, expected) in [
            ("shop.test", "shop.test", true),
            ("SHOP.test", "shop.test", true),
            ("*.test", "shop.test", true),
            ("*.test", "a.shop.test", false),
            ("*.test", "test", false),
            ("shop.test", "other.test", false),
        ] {
            assert_eq!(covers(name, host), expected, "{name} {host}");
        }
    }
}
