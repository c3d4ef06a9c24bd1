//! Revoked clients.

use std::{path::Path, sync::Arc, time::SystemTime};

use portcullis_tls::{
    client::{Verify, client_config},
    material::{Certificate, Crls, Instead, MaterialError, load_crls},
    server::{Believed, ClientPolicy, Minimum, ServerSettings, TicketRegistry},
};
use rustls::{CertificateError, ClientConfig, Error, ServerConfig};

use crate::{
    authority::Authority,
    conversation::{Broken, Conversation},
};

fn crls(ca: &Authority, text: impl AsRef<[u8]>) -> Crls {
    load_crls(&ca.file("crl.pem", text)).unwrap()
}

fn policy(clients: &Authority, revoked: Crls) -> ClientPolicy {
    ClientPolicy::Required(Believed { roots: clients.roots(), revoked: Some(revoked) })
}

fn port(registry: &TicketRegistry, certificates: &[Arc<Certificate>], clients: ClientPolicy) -> Arc<ServerConfig> {
    let settings = ServerSettings { port: "web", certificates, clients, minimum: Minimum::Tls12, alpn: &[] };
    settings.build(registry).unwrap()
}

fn client(ca: &Authority, issuer: &Authority, serial: u64) -> Arc<ClientConfig> {
    let files = issuer.issue(&["client.example"], |params| params.serial_number = Some(serial.into()));
    client_config(&Verify::Roots(ca.roots()), Some(&files.load()), &[]).unwrap()
}

#[test]
fn who_is_on_a_list_is_refused_and_whose_list_is_missing_as_well() {
    let (ca, one, two) = (Authority::new("ca"), Authority::new("one"), Authority::new("two"));
    let certificates = [ca.certificate(&["a.example"])];
    let registry = TicketRegistry::default();
    let server = port(&registry, &certificates, policy(&one, crls(&one, one.crl(&[7, 8], 2100))));
    let ask = |client: &Arc<ClientConfig>, server| Conversation::new(client, "a.example", server).map(|_| ());
    assert_eq!(ask(&client(&ca, &one, 6), &server), Ok(()));
    let revoked = Broken::ByServer(Error::InvalidCertificate(CertificateError::Revoked));
    assert_eq!(ask(&client(&ca, &one, 7), &server), Err(revoked));
    // The list of another CA says nothing about this one.
    let foreign = port(&registry, &certificates, policy(&one, crls(&two, two.crl(&[], 2100))));
    let unknown = Broken::ByServer(Error::InvalidCertificate(CertificateError::UnknownRevocationStatus));
    assert_eq!(ask(&client(&ca, &one, 6), &foreign), Err(unknown));
}

#[test]
fn a_session_is_not_resumed_past_a_new_list() {
    let (ca, clients) = (Authority::new("ca"), Authority::new("clients"));
    let certificates = [ca.certificate(&["a.example"])];
    let registry = TicketRegistry::default();
    let before = port(&registry, &certificates, policy(&clients, crls(&clients, clients.crl(&[], 2100))));
    let client = client(&ca, &clients, 7);
    Conversation::new(&client, "a.example", &before).unwrap();
    assert!(Conversation::new(&client, "a.example", &before).unwrap().is_resumed());
    let after = port(&registry, &certificates, policy(&clients, crls(&clients, clients.crl(&[7], 2100))));
    assert!(Conversation::new(&client, "a.example", &after).is_err());
}

#[test]
fn a_list_is_loaded_with_the_end_of_what_is_known() {
    let ca = Authority::new("ca");
    let several = ca.crl(&[1], 2100) + &ca.crl(&[2], 2090);
    let loaded = crls(&ca, several);
    assert_eq!(loaded.lists.len(), 2);
    let days = loaded.next_update.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs() / 86_400;
    assert_eq!(days, 43_830, "2090-01-01, the earlier of the two");
    assert_ne!(crls(&ca, ca.crl(&[1], 2100)).digest, crls(&ca, ca.crl(&[1, 2], 2100)).digest);
}

/// A list that can not be used must never mean that nobody was revoked.
#[test]
fn no_list_is_an_error() {
    let ca = Authority::new("ca");
    let error = |name: &str, content: &str| load_crls(&ca.file(name, content)).unwrap_err();
    assert!(matches!(error("empty", ""), MaterialError::NoCrl(_)));
    assert!(matches!(error("ca", &ca.pem()), MaterialError::Instead { found: Instead::Certificate, .. }));
    assert!(matches!(error("old", &ca.crl(&[], 2021)), MaterialError::CrlExpired { .. }));
    assert!(matches!(error("one-old", &(ca.crl(&[], 2100) + &ca.crl(&[], 2021))), MaterialError::CrlExpired { .. }));
    let broken = "-----BEGIN X509 CRL-----\nAAEC\n-----END X509 CRL-----\n";
    assert!(matches!(error("broken", broken), MaterialError::Malformed { .. }));
    assert!(matches!(load_crls(Path::new("/nonexistent")), Err(MaterialError::Unreadable { .. })));
}
