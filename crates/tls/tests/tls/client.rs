//! Towards endpoints: who is believed.

use std::sync::Arc;

use portcullis_tls::{
    client::{Verify, client_config},
    material::{Certificate, load_certificate},
    server::ClientPolicy,
};
use rcgen::date_time_ymd;
use rustls::{
    CertificateError, Error, ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    server::ResolvesServerCert,
    sign::CertifiedKey,
};

use crate::{
    authority::{Authority, Files},
    conversation::{Broken, Conversation},
    server::{believer, port},
};

/// A certificate as nobody has judged it: the leaf of one pair of files in the place of a good one.
pub(crate) fn unchecked(files: &Files) -> Certificate {
    let ca = Authority::new("template");
    let template = ca.issue(&["template.example"], |_| {});
    let mut certificate = load_certificate(&template.cert, &template.key).unwrap();
    certificate.key = Arc::new(key_of(files, files));
    certificate
}

/// The certificate of one pair with the key of another.
fn key_of(cert: &Files, key: &Files) -> CertifiedKey {
    let leaf = CertificateDer::from_pem_file(&cert.cert).unwrap();
    let key = PrivateKeyDer::from_pem_file(&key.key).unwrap();
    CertifiedKey::new(vec![leaf], rustls::crypto::aws_lc_rs::sign::any_supported_type(&key).unwrap())
}

/// Shows one certificate, whatever it is.
#[derive(Debug)]
struct Shows(Arc<CertifiedKey>);

impl ResolvesServerCert for Shows {
    fn resolve(&self, _: rustls::server::ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0))
    }
}

fn endpoint(certified: CertifiedKey) -> Arc<ServerConfig> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    Arc::new(builder.with_no_client_auth().with_cert_resolver(Arc::new(Shows(Arc::new(certified)))))
}

#[test]
fn an_endpoint_is_believed_by_its_ca_its_name_and_its_dates() {
    let (ca, other) = (Authority::new("ca"), Authority::new("other"));
    let good = ca.issue(&["db.internal", "10.0.0.7"], |_| {});
    let old = ca.issue(&["db.internal"], |params| params.not_after = date_time_ymd(2020, 1, 1));
    let server = endpoint(key_of(&good, &good));
    let client = believer(ca.roots(), None);
    for name in ["db.internal", "DB.internal", "10.0.0.7"] {
        assert!(Conversation::new(&client, name, &server).is_ok(), "{name}");
    }
    for (case, client, name, server) in [
        ("another name", &client, "web.internal", &server),
        ("another address", &client, "10.0.0.8", &server),
        ("another CA", &believer(other.roots(), None), "db.internal", &server),
        ("expired", &client, "db.internal", &endpoint(key_of(&old, &old))),
    ] {
        let result = Conversation::new(client, name, server);
        assert!(matches!(result, Err(Broken::ByClient(Error::InvalidCertificate(_)))), "{case}: {result:?}");
    }
}

#[test]
fn without_verification_anybody_is_believed_but_not_without_the_key() {
    let (ca, other) = (Authority::new("ca"), Authority::new("other"));
    let (good, another) = (ca.issue(&["db.internal"], |_| {}), other.issue(&["db.internal"], |_| {}));
    let client = client_config(&Verify::Off, None, &[]).unwrap();
    assert!(Conversation::new(&client, "whatever.internal", &endpoint(key_of(&good, &good))).is_ok());
    // A certificate is public; whoever shows it without its key is not even the stranger that it names.
    let result = Conversation::new(&client, "db.internal", &endpoint(key_of(&good, &another)));
    let expected = Error::InvalidCertificate(CertificateError::BadSignature);
    assert_eq!(result.unwrap_err(), Broken::ByClient(expected));
}

#[test]
fn the_own_certificate_is_shown_to_endpoints_that_ask() {
    let (ca, clients) = (Authority::new("ca"), Authority::new("clients"));
    let own = clients.certificate(&["portcullis.internal"]);
    let server = port(&[ca.certificate(&["db.internal"])], ClientPolicy::Required(clients.roots().into()));
    let conversation = Conversation::new(&believer(ca.roots(), Some(&own)), "db.internal", &server).unwrap();
    assert_eq!(conversation.server.peer_certificates().unwrap()[0], own.key.cert[0]);
    assert!(Conversation::new(&believer(ca.roots(), None), "db.internal", &server).is_err());
}
