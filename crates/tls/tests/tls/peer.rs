//! What certificates say, and what they only seem to say.

use std::time::{Duration, SystemTime};

use portcullis_tls::peer::{PeerCertificate, PeerError};
use proptest::prelude::*;
use rcgen::{CertificateParams, CustomExtension, DnType, DnValue, KeyPair, SanType, SerialNumber, date_time_ymd};

use crate::authority::leaf;

fn der(names: &[&str], adjust: impl FnOnce(&mut CertificateParams)) -> Vec<u8> {
    leaf(names, adjust).self_signed(&KeyPair::generate().unwrap()).unwrap().der().to_vec()
}

fn read(names: &[&str], adjust: impl FnOnce(&mut CertificateParams)) -> Result<PeerCertificate, PeerError> {
    PeerCertificate::from_der(&der(names, adjust))
}

fn with_common_name(name: &str) -> Result<PeerCertificate, PeerError> {
    read(&[], |params| {
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, name);
    })
}

fn names(certificate: &PeerCertificate) -> Vec<&str> {
    certificate.names().collect()
}

#[test]
fn everything_that_identifies_a_client_is_read() {
    let certificate = read(&["Shop.Internal", "10.0.0.7"], |params| {
        params.subject_alt_names.push(SanType::URI("spiffe://example.org/shop".try_into().unwrap()));
        params.subject_alt_names.push(SanType::Rfc822Name("shop@example.org".try_into().unwrap()));
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.distinguished_name.push(DnType::CountryName, "CH");
        params.distinguished_name.push(DnType::OrganizationName, "Example, Inc.");
        params.distinguished_name.push(DnType::CommonName, "shop");
        params.serial_number = Some(SerialNumber::from_slice(&[0x0a, 0xff, 0x01]));
        params.not_before = date_time_ymd(2020, 1, 1);
        params.not_after = date_time_ymd(2100, 1, 1);
    })
    .unwrap();
    assert_eq!(certificate.subject, r"CN=shop,O=Example\, Inc.,C=CH");
    assert_eq!(certificate.common_name.as_deref(), Some("shop"));
    assert_eq!(certificate.dns_sans, ["shop.internal"]);
    assert_eq!(certificate.uri_sans, ["spiffe://example.org/shop"]);
    assert_eq!(certificate.email_sans, ["shop@example.org"]);
    assert_eq!(certificate.ip_sans, [std::net::IpAddr::from([10, 0, 0, 7])]);
    assert_eq!(certificate.serial, "0aff01");
    assert_eq!(certificate.fingerprint.len(), 64);
    assert_eq!(names(&certificate), ["shop.internal", "spiffe://example.org/shop", "shop@example.org"]);
}

#[test]
fn the_common_name_counts_only_where_there_is_no_other() {
    assert_eq!(names(&with_common_name("shop").unwrap()), ["shop"]);
    assert_eq!(names(&read(&["other.internal"], |_| {}).unwrap()), ["other.internal"]);
    let only_address = read(&["10.0.0.7"], |_| {}).unwrap();
    assert_eq!(only_address.common_name.as_deref(), Some("10.0.0.7"));
    assert_eq!(names(&only_address), [] as [&str; 0]);
}

#[test]
fn a_subject_can_not_be_written_so_that_it_reads_as_another() {
    for (common_name, subject) in [
        ("shop", "CN=shop"),
        ("shop,O=Admins", r"CN=shop\,O=Admins"),
        ("a+b;c<d>e\"f\\g", r#"CN=a\+b\;c\<d\>e\"f\\g"#),
        ("#1 ", r"CN=\#1\ "),
        (" x y", r"CN=\ x y"),
        ("Zoë", "CN=Zoë"),
        ("a=b", "CN=a=b"),
        // The rest of the line would be shown from right to left.
        ("gnp\u{202e}moc", r"CN=gnp\E2\80\AEmoc"),
        ("zero\u{200b}width", r"CN=zero\E2\80\8Bwidth"),
    ] {
        assert_eq!(with_common_name(common_name).unwrap().subject, subject);
    }
    assert_eq!(with_common_name("zero\u{200b}width").unwrap().common_name, None);
    let two = read(&[], |params| {
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.distinguished_name.push(DnType::CustomDnType(vec![0, 9, 2342, 19_200_300, 100, 1, 1]), "u1");
        params.distinguished_name.push(DnType::CustomDnType(vec![1, 2, 3, 4]), "text");
        let teletex = DnValue::TeletexString("tele".try_into().unwrap());
        params.distinguished_name.push(DnType::OrganizationName, teletex);
    });
    assert_eq!(two.unwrap().subject, "O=#74656c65,1.2.3.4=text,UID=u1");
}

/// CVE-2025-66220, CVE-2026-47778: `admin.example\0.evil.example` was `admin.example` for who stops at NUL.
#[test]
fn names_with_characters_that_do_not_show_are_refused() {
    for name in ["admin\0.evil.example", "a\nb", "a\u{7f}", "a\u{85}b", "\r"] {
        assert_eq!(with_common_name(name), Err(PeerError::Unprintable), "{name:?}");
    }
    for name in ["admin.example\0.evil.example", "a b", "a\r\nX-User: root", ""] {
        let sans: [fn(&str) -> SanType; 3] = [
            |name| SanType::DnsName(name.try_into().unwrap()),
            |name| SanType::URI(name.try_into().unwrap()),
            |name| SanType::Rfc822Name(name.try_into().unwrap()),
        ];
        for san in sans {
            let result = read(&["good.internal"], |params| params.subject_alt_names.push(san(name)));
            assert_eq!(result, Err(PeerError::Unprintable), "{name:?}");
        }
    }
    // The control character in a part that nobody asks for.
    let result = read(&["good.internal"], |params| params.distinguished_name.push(DnType::OrganizationName, "a\tb"));
    assert_eq!(result, Err(PeerError::Unprintable));
}

#[test]
fn what_does_not_parse_whole_is_refused() {
    let good = der(&["good.internal"], |_| {});
    assert_eq!(PeerCertificate::from_der(&[]), Err(PeerError::Malformed));
    assert_eq!(PeerCertificate::from_der(&good[..good.len() - 1]), Err(PeerError::Malformed));
    assert_eq!(PeerCertificate::from_der(&[&good[..], &[0]].concat()), Err(PeerError::Malformed));
    let san = |content: &[u8]| CustomExtension::from_oid_content(&[2, 5, 29, 17], content.to_vec());
    for (case, content) in [
        ("an address of five bytes", &[0x30, 7, 0x87, 5, 1, 2, 3, 4, 5][..]),
        ("a name that is not UTF-8", &[0x30, 4, 0x82, 2, 0xff, 0xfe]),
        ("no sequence", &[0x04, 1, 0]),
    ] {
        let result = read(&[], |params| params.custom_extensions.push(san(content)));
        assert_eq!(result, Err(PeerError::Malformed), "{case}");
    }
    let twice = read(&["a.internal"], |params| {
        params.custom_extensions.push(san(&[0x30, 5, 0x82, 3, b'b', b'.', b'c']));
    });
    assert_eq!(twice, Err(PeerError::Malformed));
}

#[test]
fn validity_can_be_asked_for_after_the_handshake() {
    let certificate = read(&["a.internal"], |params| {
        params.not_before = date_time_ymd(2020, 1, 1);
        params.not_after = date_time_ymd(2021, 1, 1);
    })
    .unwrap();
    let (begin, end) = (1_577_836_800, 1_609_459_200);
    for (seconds, expected) in [(begin - 1, false), (begin, true), (end, true), (end + 1, false)] {
        assert_eq!(certificate.is_valid_at(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)), expected);
    }
    assert_eq!(certificate.not_after(), SystemTime::UNIX_EPOCH + Duration::from_secs(end));
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(changes: Vec<(prop::sample::Index, u8)>, bytes: Vec<u8>) {
        let mut certificate = der(&["good.internal", "10.0.0.7"], |_| {});
        for (at, byte) in changes {
            let at = at.index(certificate.len());
            certificate[at] = byte;
        }
        for bytes in [&certificate, &bytes] {
            if let Ok(read) = PeerCertificate::from_der(bytes) {
                prop_assert!(read.names().chain([read.subject.as_str()]).all(|name| !name.chars().any(char::is_control)));
            }
        }
    }
}
