//! Files that can be used and files that can not.

use std::{path::Path, time::SystemTime};

use portcullis_tls::material::{Instead, MaterialError, load_certificate, load_roots, system_roots};
use rcgen::{KeyPair, date_time_ymd};

use crate::authority::{Authority, Files};

#[test]
fn a_certificate_and_its_key_are_loaded_with_names_and_validity() {
    let ca = Authority::new("ca");
    let files = ca.issue(&["Shop.Example.com", "*.Shop.example.com", "127.0.0.1", "::1"], |params| {
        params.not_after = date_time_ymd(2100, 1, 1);
    });
    let certificate = files.load();
    assert_eq!(certificate.names, ["shop.example.com", "*.shop.example.com", "127.0.0.1", "::1"]);
    let days = certificate.not_after.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs() / 86_400;
    assert_eq!(days, 47_482, "2100-01-01");
    assert!(certificate.not_before < SystemTime::now());
    assert_eq!(certificate.fingerprint.len(), 64);
    assert_eq!(certificate.fingerprint, files.load().fingerprint);
}

#[test]
fn a_private_key_is_never_printed() {
    let ca = Authority::new("ca");
    let key = KeyPair::generate().unwrap();
    let files = ca.issue_for(&key, &["a.example"], |_| {});
    let printed = format!("{:?} {:#?}", files.load(), files.load());
    let secret = key.serialized_der();
    assert!(
        !printed.contains("PRIVATE") && !printed.contains(&format!("{}, {}, {}", secret[40], secret[41], secret[42]))
    );
    // Nor by an error about it.
    let broken = ca.file("broken.key", key.serialize_pem().replace('M', "*"));
    let error = load_certificate(&files.cert, &broken).unwrap_err();
    let line = key.serialize_pem().lines().nth(1).unwrap()[8..20].to_owned();
    assert!(!format!("{error} {error:?}").contains(&line), "{error:?}");
}

#[test]
fn each_thing_that_is_wrong_with_a_pair_of_files_has_its_own_words() {
    let ca = Authority::new("ca");
    let good = ca.issue(&["a.example"], |_| {});
    let other = ca.issue(&["b.example"], |_| {});
    let old = ca.issue(&["a.example"], |params| params.not_after = date_time_ymd(2020, 1, 1));
    let early = ca.issue(&["a.example"], |params| params.not_before = date_time_ymd(3000, 1, 1));
    let empty = ca.file("empty", "");
    let text = ca.file("text", "nothing of interest\n");
    let huge = ca.file("huge", vec![b'\n'; 1024 * 1024 + 1]);
    let cut = ca.file("cut", &std::fs::read(&good.cert).unwrap()[..300]);
    let wrong_der = ca.file("der", "-----BEGIN CERTIFICATE-----\nAAECAwQ=\n-----END CERTIFICATE-----\n");
    let encrypted =
        ca.file("encrypted", "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAEC\n-----END ENCRYPTED PRIVATE KEY-----\n");
    let odd_key = ca.file("odd", "-----BEGIN PRIVATE KEY-----\nAAECAwQ=\n-----END PRIVATE KEY-----\n");
    let reversed = ca.file("reversed", ca.pem() + &std::fs::read_to_string(&good.cert).unwrap());
    let missing = ca.folder().join("missing");
    let zeros = Path::new("/dev/zero");
    let table: [(&Path, &Path, &str, &str); 18] = [
        (&missing, &good.key, "Unreadable", "can not read "),
        (&good.cert, &missing, "Unreadable", "can not read "),
        (ca.folder(), &good.key, "Unreadable", "can not read "),
        (&empty, &good.key, "NoCertificate", " holds no certificate"),
        (&text, &good.key, "NoCertificate", " holds no certificate"),
        (&good.key, &good.key, "Instead", " holds a private key where a certificate in PEM is expected"),
        (&good.cert, &empty, "NoKey", " holds no private key"),
        (&good.cert, &good.cert, "Instead", " holds a certificate where a private key in PEM is expected"),
        (&good.key, &good.cert, "Swapped", "are swapped"),
        (&good.cert, &other.key, "KeyDoesNotFit", " does not fit the certificate "),
        (&old.cert, &old.key, "Expired", " days ago"),
        (&early.cert, &early.key, "NotYetValid", " is not valid yet, but from Jan  1 "),
        (&huge, &good.key, "Unreadable", ": it is longer than 1 MiB"),
        (&good.cert, zeros, "Unreadable", "can not read "),
        (&wrong_der, &good.key, "Malformed", "der: "),
        (&good.cert, &encrypted, "Encrypted", "is encrypted"),
        (&good.cert, &odd_key, "UnsupportedKey", "use ECDSA, Ed25519 or RSA"),
        (&reversed, &good.key, "WrongOrder", "must come first"),
    ];
    for (cert, key, variant, words) in table {
        let error = load_certificate(cert, key).unwrap_err();
        let (said, kind) = (error.to_string(), format!("{error:?}"));
        assert!(said.contains(words), "{cert:?}, {key:?}: {said}");
        assert!(kind.starts_with(variant), "{cert:?}, {key:?}: {kind}");
        assert!(!error.remedy().is_empty() && !error.remedy().ends_with('.'), "{}", error.remedy());
    }
    assert!(load_certificate(&cut, &good.key).is_err());
}

#[test]
fn cas_are_loaded_all_or_none() {
    let (one, two) = (Authority::new("one"), Authority::new("two"));
    let both = one.file("both", one.pem() + &two.pem());
    let turned = one.file("turned", two.pem() + &one.pem() + &two.pem());
    let both = load_roots(&both).unwrap();
    assert_eq!(both.store.len(), 2);
    assert_eq!(both.digest, load_roots(&turned).unwrap().digest);
    assert_ne!(both.digest, one.roots().digest);
    assert_ne!(one.roots().digest, two.roots().digest);

    let broken = one.pem() + "-----BEGIN CERTIFICATE-----\nAAECAwQ=\n-----END CERTIFICATE-----\n";
    let error = load_roots(&one.file("broken", broken)).unwrap_err().to_string();
    assert!(error.contains("certificate 2: "), "{error}");
}

/// CVE-2026-27586, CVE-2022-46153: a CA that can not be used must never mean that nobody is checked.
#[test]
fn no_ca_is_an_error_and_an_expired_one_is_not_believed() {
    let ca = Authority::new("ca");
    let old = Authority::with("old", |params| params.not_after = date_time_ymd(2020, 1, 1));
    let key = ca.file("key", KeyPair::generate().unwrap().serialize_pem());
    assert!(matches!(load_roots(&key), Err(MaterialError::Instead { found: Instead::PrivateKey, .. })));
    for (name, content) in [("empty", ""), ("text", "no PEM here")] {
        let error = load_roots(&ca.file(name, content)).unwrap_err();
        assert!(matches!(error, MaterialError::NoCertificate(_)), "{name}: {error:?}");
    }
    assert!(matches!(load_roots(&ca.folder().join("missing")), Err(MaterialError::Unreadable { .. })));
    assert!(matches!(load_roots(&ca.file("old", old.pem())), Err(MaterialError::Expired { .. })));
    let mixed = load_roots(&ca.file("mixed", old.pem() + &ca.pem())).unwrap();
    assert_eq!((mixed.store.len(), mixed.digest), (1, ca.roots().digest));
}

#[test]
fn the_operating_system_has_cas() {
    // Where the package is not installed, the error names the file that is missing.
    match system_roots() {
        Ok(roots) => assert!(roots.store.len() > 20),
        Err(error) => assert!(error.to_string().contains("/etc/"), "{error}"),
    }
}

#[test]
fn all_usual_kinds_of_keys_are_taken() {
    let ca = Authority::new("ca");
    for algorithm in [&rcgen::PKCS_ECDSA_P256_SHA256, &rcgen::PKCS_ECDSA_P384_SHA384, &rcgen::PKCS_ED25519] {
        let key = KeyPair::generate_for(algorithm).unwrap();
        let Files { cert, key } = ca.issue_for(&key, &["a.example"], |_| {});
        assert!(load_certificate(&cert, &key).is_ok(), "{algorithm:?}");
    }
}
