//! Ports that terminate TLS: versions, certificates by name, client certificates.

use std::sync::Arc;

use portcullis_tls::{
    TlsError,
    client::{Verify, client_config},
    material::{Certificate, Roots},
    server::{ClientPolicy, Minimum, ServerSettings, TicketRegistry},
};
use rcgen::KeyPair;
use rustls::{CertificateError, ClientConfig, Error, NamedGroup, ProtocolVersion, ServerConfig};

use crate::{
    authority::Authority,
    conversation::{Broken, Conversation},
};

/// A port with these certificates and this policy.
pub(crate) fn port(certificates: &[Arc<Certificate>], clients: ClientPolicy) -> Arc<ServerConfig> {
    let minimum = Minimum::Tls12;
    let settings = ServerSettings { port: "web", certificates, clients, minimum, alpn: &[b"h2", b"http/1.1"] };
    settings.build(&TicketRegistry::default()).unwrap()
}

/// A client that believes these CAs.
pub(crate) fn believer(roots: Roots, certificate: Option<&Certificate>) -> Arc<ClientConfig> {
    client_config(&Verify::Roots(roots), certificate, &[]).unwrap()
}

/// A client like it that speaks no newer version.
pub(crate) fn speaking(version: &'static rustls::SupportedProtocolVersion, roots: &Roots) -> Arc<ClientConfig> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_protocol_versions(&[version]).unwrap();
    Arc::new(builder.with_root_certificates(Arc::clone(&roots.store)).with_no_client_auth())
}

#[test]
fn both_versions_are_spoken_and_the_minimum_is_kept() {
    let ca = Authority::new("ca");
    let certificates = [ca.certificate(&["a.example"])];
    let from_12 = port(&certificates, ClientPolicy::None);
    let settings = ServerSettings {
        port: "web",
        certificates: &certificates,
        clients: ClientPolicy::None,
        minimum: Minimum::Tls13,
        alpn: &[],
    };
    let from_13 = settings.build(&TicketRegistry::default()).unwrap();
    let old = speaking(&rustls::version::TLS12, &ca.roots());
    let new = speaking(&rustls::version::TLS13, &ca.roots());
    assert_eq!(Conversation::new(&old, "a.example", &from_12).unwrap().version(), ProtocolVersion::TLSv1_2);
    assert_eq!(Conversation::new(&new, "a.example", &from_12).unwrap().version(), ProtocolVersion::TLSv1_3);
    assert_eq!(Conversation::new(&new, "a.example", &from_13).unwrap().version(), ProtocolVersion::TLSv1_3);
    assert!(matches!(
        Conversation::new(&old, "a.example", &from_13),
        Err(Broken::ByServer(Error::PeerIncompatible(_)))
    ));
}

#[test]
fn the_key_exchange_is_post_quantum_where_the_client_can() {
    let ca = Authority::new("ca");
    let server = port(&[ca.certificate(&["a.example"])], ClientPolicy::None);
    let conversation = Conversation::new(&believer(ca.roots(), None), "a.example", &server).unwrap();
    assert_eq!(conversation.group(), NamedGroup::X25519MLKEM768);

    let mut provider = rustls::crypto::aws_lc_rs::default_provider();
    provider.kx_groups.retain(|group| group.name() == NamedGroup::X25519);
    let classic = ClientConfig::builder_with_provider(Arc::new(provider))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(ca.roots().store)
        .with_no_client_auth();
    let conversation = Conversation::new(&Arc::new(classic), "a.example", &server).unwrap();
    assert_eq!(conversation.group(), NamedGroup::X25519);
}

#[test]
fn the_servers_order_of_application_protocols_decides() {
    let ca = Authority::new("ca");
    let server = port(&[ca.certificate(&["a.example"])], ClientPolicy::None);
    for (offered, expected) in
        [(&[&b"http/1.1"[..], b"h2"][..], Some(&b"h2"[..])), (&[b"http/1.1"], Some(b"http/1.1")), (&[], None)]
    {
        let client = client_config(&Verify::Roots(ca.roots()), None, offered).unwrap();
        let conversation = Conversation::new(&client, "a.example", &server).unwrap();
        assert_eq!(conversation.server.alpn_protocol(), expected);
    }
    let client = client_config(&Verify::Roots(ca.roots()), None, &[b"gopher"]).unwrap();
    assert!(Conversation::new(&client, "a.example", &server).is_err());
}

/// GHSA-5r4w-85f3-pw66: wildcards and case must not lead to another certificate (or policy) than the name says.
#[test]
fn certificates_are_chosen_by_name_whatever_its_case_and_the_first_is_the_default() {
    let ca = Authority::new("ca");
    let first = ca.certificate(&["first.example"]);
    let exact = ca.certificate(&["Shop.Example.com"]);
    let wildcard = ca.certificate(&["*.example.com", "example.com"]);
    let certificates = [Arc::clone(&first), Arc::clone(&wildcard), Arc::clone(&exact)];
    let server = port(&certificates, ClientPolicy::None);
    let anybody = client_config(&Verify::Off, None, &[]).unwrap();
    for (name, expected) in [
        ("shop.example.com", &exact),
        ("SHOP.example.COM", &exact),
        ("shop.example.com.", &exact),
        ("other.example.com", &wildcard),
        ("Other.Example.Com", &wildcard),
        ("example.com", &wildcard),
        ("a.b.example.com", &first),
        ("first.example", &first),
        ("unknown.test", &first),
        ("example", &first),
        // No SNI is sent for an address.
        ("127.0.0.1", &first),
    ] {
        let conversation = Conversation::new(&anybody, name, &server).unwrap();
        assert_eq!(conversation.shown(), expected.key.cert[0].as_ref(), "{name}");
    }
}

#[test]
fn of_two_certificates_for_a_name_the_one_that_the_client_can_check_is_shown() {
    let ca = Authority::new("ca");
    let ecdsa = ca.certificate(&["a.example"]);
    let rsa = KeyPair::generate_rsa_for(&rcgen::PKCS_RSA_SHA256, rcgen::RsaKeySize::_2048).unwrap();
    let rsa = ca.issue_for(&rsa, &["a.example"], |_| {}).load();
    let server = port(&[Arc::clone(&ecdsa), Arc::clone(&rsa)], ClientPolicy::None);
    for (kind, expected) in [("ECDSA", &ecdsa), ("RSA", &rsa)] {
        let mut provider = rustls::crypto::aws_lc_rs::default_provider();
        provider.cipher_suites.retain(|suite| format!("{:?}", suite.suite()).contains(kind));
        let client = ClientConfig::builder_with_provider(Arc::new(provider))
            .with_protocol_versions(&[&rustls::version::TLS12])
            .unwrap()
            .with_root_certificates(ca.roots().store)
            .with_no_client_auth();
        let conversation = Conversation::new(&Arc::new(client), "a.example", &server).unwrap();
        assert_eq!(conversation.shown(), expected.key.cert[0].as_ref(), "{kind}");
    }
}

/// Whether the server knows the client, or why it breaks off; `None`: for a date that the error spells out.
type Expected = Result<bool, Option<Error>>;

#[test]
fn client_certificates_are_asked_for_and_checked_as_the_policy_says() {
    let (ca, clients, strangers) = (Authority::new("ca"), Authority::new("clients"), Authority::new("strangers"));
    let certificates = [ca.certificate(&["a.example"])];
    let own = clients.certificate(&["client.example"]);
    let foreign = strangers.certificate(&["client.example"]);
    let old = {
        // Expired certificates are refused by us when loading, so a client brings one of its own making.
        let files = clients.issue(&["client.example"], |params| params.not_after = rcgen::date_time_ymd(2020, 1, 1));
        super::client::unchecked(&files)
    };
    let (none, optional, required) = (
        ClientPolicy::None,
        ClientPolicy::Optional(clients.roots().into()),
        ClientPolicy::Required(clients.roots().into()),
    );
    let unknown_issuer = Error::InvalidCertificate(CertificateError::UnknownIssuer);
    let table: [(&str, &ClientPolicy, Option<&Certificate>, Expected); 9] = [
        ("none, nothing shown", &none, None, Ok(false)),
        ("none, a stranger's shown", &none, Some(&foreign), Ok(false)),
        ("optional, nothing shown", &optional, None, Ok(false)),
        ("optional, a good one shown", &optional, Some(&own), Ok(true)),
        ("optional, a stranger's shown", &optional, Some(&foreign), Err(Some(unknown_issuer.clone()))),
        ("required, a good one shown", &required, Some(&own), Ok(true)),
        ("required, nothing shown", &required, None, Err(Some(Error::NoCertificatesPresented))),
        ("required, a stranger's shown", &required, Some(&foreign), Err(Some(unknown_issuer))),
        ("required, an expired one shown", &required, Some(&old), Err(None)),
    ];
    for (case, policy, certificate, expected) in table {
        let server = port(&certificates, policy.clone());
        let client = believer(ca.roots(), certificate);
        match (Conversation::new(&client, "a.example", &server), expected) {
            (Ok(conversation), Ok(is_known)) => {
                assert_eq!(conversation.server.peer_certificates().is_some(), is_known, "{case}");
            }
            (Err(Broken::ByServer(error)), Err(Some(expected))) => assert_eq!(error, expected, "{case}"),
            (Err(Broken::ByServer(Error::InvalidCertificate(_))), Err(None)) => {}
            (result, expected) => panic!("{case}: {result:?} instead of {expected:?}"),
        }
    }
}

#[test]
fn no_data_is_taken_before_the_handshake_is_done() {
    let ca = Authority::new("ca");
    assert_eq!(port(&[ca.certificate(&["a.example"])], ClientPolicy::None).max_early_data_size, 0);
}

#[test]
fn a_port_without_certificate_can_not_be_built() {
    let settings = ServerSettings {
        port: "web",
        certificates: &[],
        clients: ClientPolicy::None,
        minimum: Minimum::Tls12,
        alpn: &[],
    };
    assert_eq!(settings.build(&TicketRegistry::default()).unwrap_err(), TlsError::NoCertificate);
}
