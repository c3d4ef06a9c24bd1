//! Ports that ask their clients for a certificate, by clients who have none, or one that they made themselves.

use std::{sync::Arc, time::SystemTime};

use portcullis_config::declared::{Allow, ClientCertificate};
use portcullis_tls::material::Certificate;
use rcgen::{BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair};
use rustls::{
    crypto::aws_lc_rs::default_provider,
    pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer},
    sign::CertifiedKey,
};

use super::{
    Range,
    door::{Door, Doors},
    exchange::{Reply, Shot, send_one},
    request::{NOWHERE, request},
};
use crate::{check::Check, estate::Estate, outcome::Outcome, wire::Hello};

pub(super) fn check(estate: &Estate<'_>, doors: &Doors<'_>, range: Range<'_>) -> Vec<Outcome> {
    let mut outcomes = Vec::new();
    for door in doors.of_tls().filter(|door| door.client_certificate() != ClientCertificate::None) {
        if door.client_certificate() == ClientCertificate::Required {
            outcomes.push(without(door, range));
        }
        outcomes.push(with_foreign(estate, door, range));
    }
    outcomes
}

fn without(door: &Door<'_>, range: Range<'_>) -> Outcome {
    const TRIED: &str = "shook hands in TLS without a certificate and sent a GET";
    let reply = knock(door, None, range);
    judge(door, Check::NoClientCertificate, TRIED, &reply, "no connection without a certificate gets that far")
}

fn with_foreign(estate: &Estate<'_>, door: &Door<'_>, range: Range<'_>) -> Outcome {
    let name = believed_name(estate, door).unwrap_or_else(|| "portcullis-probe".to_owned());
    let tried = format!(
        "shook hands in TLS with a certificate for {name} by an authority that was made for it, and sent a GET"
    );
    let Some(certificate) = foreign(&name) else {
        let why = "no certificate could be made";
        return door.outcome(Outcome::unknown(Check::ForeignCertificate, door.title.clone(), tried, why));
    };
    let reply = knock(door, Some(&certificate), range);
    let fix = "only certificates of the authority in `clients.ca` are believed: see which file that is";
    judge(door, Check::ForeignCertificate, &tried, &reply, fix)
}

fn knock(door: &Door<'_>, certificate: Option<&Certificate>, range: Range<'_>) -> Reply {
    let request = request("GET", NOWHERE, &door.host, "");
    let hello = Hello::new(Some(&door.host), door.target.address().ip(), certificate);
    send_one(range, hello.map_or_else(|| Shot::bare(door, Vec::new()), |hello| Shot::greeting(door, hello, request)))
}

fn judge(door: &Door<'_>, check: Check, tried: &str, reply: &Reply, fix: &str) -> Outcome {
    let (title, got) = (door.title.clone(), reply.words());
    door.outcome(match reply {
        Reply::NoConnection(_) => Outcome::unknown(check, title, tried, got),
        Reply::NoSession(_) | Reply::Closed => Outcome::pass(check, title, tried, got),
        Reply::Answered { .. } | Reply::Silent => Outcome::fail(check, title, tried, got).fix(fix),
    })
}

/// A name by which a route of the port lets certificates in: the best that a forger could write on his own.
fn believed_name(estate: &Estate<'_>, door: &Door<'_>) -> Option<String> {
    let routes = estate.declared.routes.iter();
    let of_port = routes.filter(|route| route.ports.iter().any(|name| name.value == door.port.name.value));
    of_port.filter_map(|route| route.allow.as_ref()).find_map(|allow| match &allow.value {
        Allow::Only(asked) => asked.certificates.iter().map(|name| name.value.clone()).find(|name| !name.contains('*')),
        Allow::Anyone | Allow::Authenticated => None,
    })
}

/// A certificate of an authority that nobody believes.
fn foreign(name: &str) -> Option<Certificate> {
    let mut authority = CertificateParams::default();
    authority.distinguished_name.push(DnType::CommonName, "an authority that nobody believes");
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let issuer = Issuer::new(authority, KeyPair::generate().ok()?);
    // A name that is no host name stands in the subject alone.
    let mut leaf = CertificateParams::new(vec![name.to_owned()]).unwrap_or_default();
    leaf.distinguished_name.push(DnType::CommonName, name);
    leaf.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    let key = KeyPair::generate().ok()?;
    let signed = leaf.signed_by(&key, &issuer).ok()?;
    let private = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let certified = CertifiedKey::from_der(vec![signed.der().clone()], private, &default_provider()).ok()?;
    let now = SystemTime::now();
    Some(Certificate {
        key: Arc::new(certified),
        names: vec![name.to_owned()],
        not_before: now,
        not_after: now,
        fingerprint: String::new(),
    })
}
