//! ClientHellos: made here byte by byte, made by rustls, and read by both.

#![allow(clippy::unwrap_used, clippy::unnecessary_wraps)] // a test that can not go on has failed; results are compared with results

mod reading;

use std::sync::Arc;

use portcullis_preface::client_hello::{HelloError, LONGEST_HELLO, LONGEST_INPUT, Peek, peek};
use proptest::prelude::*;
use reading::{difference, read_by_rustls, read_in_pieces};

const SERVER_NAME: u16 = 0;
const ALPN: u16 = 16;
const PADDING: u16 = 21;

type Extension = (u16, Vec<u8>);

fn vector16(content: &[u8]) -> Vec<u8> {
    [&u16::try_from(content.len()).unwrap().to_be_bytes(), content].concat()
}

fn sni(name: &[u8]) -> Extension {
    (SERVER_NAME, vector16(&[&[0][..], &vector16(name)].concat()))
}

fn alpn(names: &[&str]) -> Extension {
    let list = names.iter().flat_map(|name| [&[name.len() as u8], name.as_bytes()].concat()).collect::<Vec<_>>();
    (ALPN, vector16(&list))
}

/// The body of a hello with these extensions.
fn body(extensions: &[Extension]) -> Vec<u8> {
    let list = extensions.iter().flat_map(|(kind, content)| [&kind.to_be_bytes()[..], &vector16(content)].concat());
    let fixed: [&[u8]; 6] = [&[3, 3], &[7; 32], &[0], &[0, 2, 0x13, 0x01], &[1], &[0]];
    [fixed.concat(), vector16(&list.collect::<Vec<_>>())].concat()
}

/// A handshake message with this body.
fn message(body: &[u8]) -> Vec<u8> {
    [&[1], &u32::try_from(body.len()).unwrap().to_be_bytes()[1..], body].concat()
}

/// The message in records of at most `size` bytes.
fn records(message: &[u8], size: usize) -> Vec<u8> {
    message.chunks(size).flat_map(|part| [&[22, 3, 1][..], &vector16(part)].concat()).collect()
}

fn hello(extensions: &[Extension]) -> Vec<u8> {
    records(&message(&body(extensions)), 16_000)
}

fn named(name: &str) -> Result<Peek, HelloError> {
    Ok(Peek::Hello { sni: Some(name.to_owned()), alpn: Vec::new() })
}

fn nameless() -> Result<Peek, HelloError> {
    Ok(Peek::Hello { sni: None, alpn: Vec::new() })
}

fn is_malformed(result: &Result<Peek, HelloError>) -> bool {
    matches!(result, Err(HelloError::Malformed(_)))
}

/// CVE-2026-32305: a fragment taken for a hello without SNI opens the default, which may ask for no certificate.
#[test]
fn a_hello_split_over_any_records_and_reads_has_its_name() {
    let message = message(&body(&[(PADDING, vec![0; 3000]), sni(b"Shop.Example.COM.")]));
    for record in [1, 7, 500, 16_000] {
        let bytes = records(&message, record);
        for cut in (0..bytes.len()).step_by(13) {
            assert_eq!(peek(&bytes[..cut]), Ok(Peek::Incomplete), "record {record}, cut {cut}");
        }
        assert_eq!(peek(&bytes), named("shop.example.com"));
        assert_eq!(read_in_pieces(&bytes, std::iter::repeat(1)), named("shop.example.com"));
    }
}

#[test]
fn application_protocols_are_read_in_their_order() {
    let bytes = hello(&[alpn(&["h2", "http/1.1"]), sni(b"a.example")]);
    let expected = Peek::Hello { sni: Some("a.example".into()), alpn: vec![b"h2".to_vec(), b"http/1.1".to_vec()] };
    assert_eq!(peek(&bytes), Ok(expected));
    for bad in [vec![], vector16(&[]), vector16(&[0]), vector16(&[9, b'h']), [vector16(b"\x02h2"), vec![0]].concat()] {
        assert!(is_malformed(&peek(&hello(&[(ALPN, bad)]))));
    }
}

#[test]
fn names_are_host_names_or_refused_and_addresses_are_none() {
    assert_eq!(peek(&hello(&[])), nameless());
    for name in ["a", "a.b.c", "xn--bcher-kva.example", "_dmarc.example", "1.example", &"a.".repeat(126)] {
        assert_eq!(peek(&hello(&[sni(name.as_bytes())])), named(name.trim_end_matches('.')), "{name}");
    }
    for address in ["127.0.0.1", "::1", "2001:db8::1"] {
        assert_eq!(peek(&hello(&[sni(address.as_bytes())])), nameless(), "{address}");
    }
    let long_label = [b'a'; 64];
    let long_name = "a.".repeat(127);
    for bad in [
        &b"a\0.example.com"[..],
        b"a.example.com\0",
        b"a b",
        b"",
        b".",
        b"a..b",
        b".a",
        b"a..",
        b"-a.example",
        b"a-.example",
        b"*.example.com",
        b"a.example:443",
        b"[::1]",
        b"a/b",
        b"\xff",
        "bücher.example".as_bytes(),
        &long_label,
        long_name.as_bytes(),
    ] {
        assert_eq!(peek(&hello(&[sni(bad)])), Err(HelloError::BadName), "{}", bad.escape_ascii());
    }
}

#[test]
fn structures_that_two_readers_could_read_differently_are_refused() {
    let host = |name: &[u8]| [&[0][..], &vector16(name)].concat();
    let extension = |list: &[u8]| (SERVER_NAME, vector16(list));
    let good = body(&[sni(b"a.example")]);
    let table: [(&str, Vec<u8>); 13] = [
        ("two server name extensions", hello(&[sni(b"a"), sni(b"b")])),
        ("another extension twice", hello(&[(77, vec![]), sni(b"a"), (77, vec![])])),
        ("two host names", hello(&[extension(&[host(b"a"), host(b"b")].concat())])),
        ("an unknown name type", hello(&[extension(&[1, 0, 1, b'a'])])),
        ("an empty name list", hello(&[extension(&[])])),
        ("an empty server name extension", hello(&[(SERVER_NAME, vec![])])),
        ("bytes after the name list", hello(&[(SERVER_NAME, [extension(&host(b"a")).1, vec![0]].concat())])),
        ("bytes after the extensions", records(&message(&[good.clone(), vec![0]].concat()), 16_000)),
        ("extensions that end too early", records(&message(&good[..good.len() - 1]), 16_000)),
        ("a message after it", records(&[message(&good), vec![1]].concat(), 16_000)),
        ("an empty message", records(&message(&[]), 16_000)),
        ("an empty record", [&records(&message(&good), 20)[..25], &[22, 3, 1, 0, 0]].concat()),
        ("a long record", [&[22, 3, 1][..], &(16 * 1024 + 1_u16).to_be_bytes()].concat()),
    ];
    for (case, bytes) in table {
        assert!(is_malformed(&peek(&bytes)), "{case}: {:?}", peek(&bytes));
    }
}

#[test]
fn what_is_not_a_client_hello_is_known_by_its_first_bytes() {
    let table: [(&[u8], HelloError); 6] = [
        (b"G", HelloError::NotTls),
        (b"\x15\x03\x01", HelloError::NotTls),
        (b"\x16\x02", HelloError::NotTls),
        (b"\x16\x03\x05", HelloError::NotTls),
        // SSL 2, as very old clients still greet.
        (b"\x80\x2e\x01\x03\x01", HelloError::NotTls),
        (b"\x16\x03\x01\0\x04\x02", HelloError::Malformed("another handshake message")),
    ];
    for (bytes, expected) in table {
        assert_eq!(peek(bytes), Err(expected), "{}", bytes.escape_ascii());
    }
    let mut bytes = records(&message(&body(&[sni(b"a.example")])), 20);
    bytes[25] = 23;
    assert!(is_malformed(&peek(&bytes)), "application data between two halves");
}

#[test]
fn memory_for_a_hello_is_bounded() {
    let big = vec![(PADDING, vec![0; 60_000]), sni(b"a.example")];
    assert_eq!(peek(&hello(&big)), named("a.example"));
    let announced = LONGEST_HELLO + 1;
    let too_long = [1, (announced >> 16) as u8, (announced >> 8) as u8, announced as u8];
    assert_eq!(peek(&records(&too_long, 4)), Err(HelloError::TooLong));
    // The same hello in records of one byte would be kept six times.
    let crumbs = records(&message(&body(&big)), 1);
    assert_eq!(peek(&crumbs[..LONGEST_INPUT - 10]), Ok(Peek::Incomplete));
    assert_eq!(peek(&crumbs), Err(HelloError::TooLong));
    assert_eq!(read_in_pieces(&crumbs, std::iter::repeat(1000)), Err(HelloError::TooLong));
}

/// What rustls' own client says first.
fn rustls_hello(name: &str, protocols: &[&str]) -> Vec<u8> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(rustls::RootCertStore::empty())
        .with_no_client_auth();
    config.alpn_protocols = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
    let name = name.to_owned().try_into().unwrap();
    let mut client = rustls::ClientConnection::new(Arc::new(config), name).unwrap();
    let mut bytes = Vec::new();
    client.write_tls(&mut bytes).unwrap();
    bytes
}

#[test]
fn a_post_quantum_hello_of_rustls_is_read_whatever_the_split() {
    let bytes = rustls_hello("Shop.Example.com", &["h2", "http/1.1"]);
    assert!(bytes.len() > 1200, "no post-quantum key share in {} bytes", bytes.len());
    let expected =
        Peek::Hello { sni: Some("shop.example.com".into()), alpn: vec![b"h2".to_vec(), b"http/1.1".to_vec()] };
    for size in [1, 2, 100, 1000] {
        assert_eq!(read_in_pieces(&bytes, std::iter::repeat(size)), Ok(expected.clone()));
        assert_eq!(peek(&records(&bytes[5..], size)), Ok(expected.clone()));
    }
    assert_eq!(peek(&rustls_hello("192.0.2.1", &[])), nameless());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    /// Where rustls accepts a hello that was tampered with, we read the same name and protocols from it, or refuse.
    #[test]
    fn what_rustls_accepts_says_the_same_here(
        changes in prop::collection::vec((0_usize..3000, any::<u8>()), 0..4),
        size in 1_usize..600,
        name in "[a-zA-Z0-9.:*_-]{1,12}",
    ) {
        let base = rustls_hello("shop.example.com", &["h2", "http/1.1"]);
        let mut tampered = base[5..].to_vec();
        // A name of the same length in the place of the old one reaches deeper than changed bytes would.
        if changes.len() % 2 == 0 && let Some(at) = tampered.windows(16).position(|bytes| bytes == b"shop.example.com") {
            tampered[at..at + name.len()].copy_from_slice(name.as_bytes());
        }
        for (at, byte) in changes {
            let at = at % tampered.len();
            tampered[at] = byte;
        }
        let bytes = records(&tampered, size);
        prop_assert_eq!(difference(&peek(&bytes), &read_by_rustls(&bytes)), None);
    }

    #[test]
    fn any_split_gives_the_same_result(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..3),
        size in 1_usize..80,
        pieces in prop::collection::vec(1_usize..90, 1..40),
    ) {
        let mut bytes = records(&message(&body(&[alpn(&["h2"]), sni(b"shop.example.com"), (9, vec![1; 40])])), size);
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        prop_assert_eq!(read_in_pieces(&bytes, pieces.into_iter()), peek(&bytes));
    }

    #[test]
    fn nothing_panics(bytes: Vec<u8>, body: Vec<u8>) {
        let _ = peek(&bytes);
        let _ = peek(&[&[22, 3, 1][..], &bytes].concat());
        let _ = peek(&records(&message(&body), 16_000));
        let _ = peek(&records(&message(&[&[3; 34][..], &[0, 0, 2, 0x13, 0x01, 1, 0], &vector16(&body)].concat()), 50));
    }
}
