//! Versions of TLS that a port must not speak any more: SSL 3.0, TLS 1.0 and 1.1 (RFC 8996), and 1.2 where the file asks
//! for 1.3. Libraries of today do not speak them either, so the first message is written by hand.

use portcullis_config::declared::TlsVersion;

use super::{
    Range,
    door::{Door, Doors},
    exchange::{Reply, Shot, send},
};
use crate::{check::Check, outcome::Outcome};

/// A version as the protocol numbers it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Version {
    number: u16,
    name: &'static str,
}

const OLD: [Version; 3] = [
    Version { number: 0x0300, name: "SSL 3.0" },
    Version { number: 0x0301, name: "TLS 1.0" },
    Version { number: 0x0302, name: "TLS 1.1" },
];
const TLS12: Version = Version { number: 0x0303, name: "TLS 1.2" };

pub(super) fn check(doors: &Doors<'_>, range: Range<'_>) -> Vec<Outcome> {
    doors.of_tls().map(|door| of_door(door, range)).collect()
}

fn of_door(door: &Door<'_>, range: Range<'_>) -> Outcome {
    let minimum = door.port.tls.as_ref().and_then(|tls| tls.value.minimum).map(|minimum| minimum.value);
    let mut versions = OLD.to_vec();
    if minimum == Some(TlsVersion::Tls13) {
        versions.push(TLS12);
    }
    let names = versions.iter().map(|version| version.name).collect::<Vec<_>>().join(", ");
    let tried = format!("sent the first message of {names}");
    let hello = |version: &Version| Shot::bare(door, client_hello(version.number, &door.host));
    let replies = send(range, versions.iter().map(hello).collect());
    let title = door.title.clone();
    if let Some(why) = replies.iter().find_map(Reply::obstacle) {
        return door.outcome(Outcome::unknown(Check::OldTls, title, tried, why));
    }
    // A server answers with the best version that it knows and the client offers, which may be an older one.
    let chosen: Vec<u16> = replies.iter().filter_map(|reply| chosen(reply.bytes())).collect();
    let spoken: Vec<&str> =
        versions.iter().filter(|version| chosen.contains(&version.number)).map(|version| version.name).collect();
    door.outcome(if spoken.is_empty() {
        Outcome::pass(Check::OldTls, title, tried, "each was declined")
    } else {
        Outcome::fail(Check::OldTls, title, tried, format!("it speaks {}", spoken.join(", ")))
            .fix("TLS 1.2 is the least that is safe; find out what listens there, for the proxy speaks nothing older")
    })
}

/// The version that a server chose, if its answer begins with a ServerHello (RFC 5246 7.4.1.3): a record of type 22, a
/// handshake message of type 2, and then the version.
fn chosen(answer: &[u8]) -> Option<u16> {
    match answer {
        [22, 3, _, _, _, 2, _, _, _, major, minor, ..] => Some(u16::from_be_bytes([*major, *minor])),
        _ => None,
    }
}

/// Ciphers of the time: ECDHE with AES-GCM for 1.2, with AES-CBC for older ones, RSA with AES and with 3DES.
const CIPHERS: [u16; 11] = [0xc02f, 0xc030, 0xc02b, 0xc02c, 0xc014, 0xc013, 0xc00a, 0xc009, 0x0035, 0x002f, 0x000a];

/// `ClientHello` (RFC 5246 7.4.1.2). Its random is no secret: no session will come of it.
fn client_hello(version: u16, host: &str) -> Vec<u8> {
    let mut hello = version.to_be_bytes().to_vec();
    hello.extend_from_slice(&[0x5a; 32]);
    hello.push(0);
    let ciphers: Vec<u8> = CIPHERS.iter().flat_map(|cipher| cipher.to_be_bytes()).collect();
    hello.extend(prefixed(&ciphers));
    hello.extend_from_slice(&[1, 0]);
    if version > 0x0300 {
        hello.extend(prefixed(&extensions(version, host)));
    }
    let mut handshake = vec![1, 0];
    handshake.extend(prefixed(&hello));
    // The record says 3.1 whatever is within, as clients always have.
    let mut record = vec![22, 3, u8::from(version > 0x0300)];
    record.extend(prefixed(&handshake));
    record
}

fn extensions(version: u16, host: &str) -> Vec<u8> {
    let mut extensions = Vec::new();
    let mut extension = |kind: u16, content: &[u8]| {
        extensions.extend_from_slice(&kind.to_be_bytes());
        extensions.extend(prefixed(content));
    };
    // Server name (RFC 6066 3), only for names.
    if host.parse::<std::net::SocketAddr>().is_err() && host.parse::<std::net::IpAddr>().is_err() {
        let mut name = vec![0];
        name.extend(prefixed(host.as_bytes()));
        extension(0, &prefixed(&name));
    }
    extension(10, &prefixed(&[0, 29, 0, 23, 0, 24])); // x25519, P-256, P-384
    extension(11, &[1, 0]); // uncompressed points
    if version >= TLS12.number {
        extension(13, &prefixed(&[4, 3, 8, 4, 4, 1, 5, 3, 8, 5, 5, 1])); // ECDSA, PSS, PKCS#1 with SHA-256, SHA-384
    }
    extensions
}

/// A length of two bytes, and what it is the length of.
fn prefixed(content: &[u8]) -> Vec<u8> {
    let length = u16::try_from(content.len()).unwrap_or(u16::MAX);
    [&length.to_be_bytes(), content].concat()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_hello_is_well_formed() {
        let hello = client_hello(0x0302, "shop.test");
        assert_eq!(&hello[..3], [22, 3, 1]);
        assert_eq!(usize::from(u16::from_be_bytes([hello[3], hello[4]])), hello.len() - 5);
        assert_eq!(&hello[5..6], [1]);
        assert_eq!(usize::from(u16::from_be_bytes([hello[7], hello[8]])), hello.len() - 9);
        assert_eq!(&hello[9..11], [3, 2]);
        assert!(hello.windows(9).any(|window| window == b"shop.test"));
        assert!(!client_hello(0x0301, "127.0.0.1:443").windows(9).any(|window| window == b"127.0.0.1"));
    }

    #[test]
    fn a_server_hello_tells_its_version_and_an_alert_none() {
        assert_eq!(chosen(&[22, 3, 1, 0, 60, 2, 0, 0, 56, 3, 2, 1, 1]), Some(0x0302));
        assert_eq!(chosen(&[21, 3, 1, 0, 2, 2, 70]), None);
        assert_eq!(chosen(b"HTTP/1.1 400 Bad Request"), None);
        assert_eq!(chosen(&[22, 3, 1]), None);
    }

    proptest! {
        #[test]
        fn no_answer_breaks_it(bytes in proptest::collection::vec(any::<u8>(), 0..32)) {
            let _ = chosen(&bytes);
        }
    }
}
