//! The PROXY protocol as its receivers and senders meet it.

#![allow(clippy::unwrap_used, clippy::unnecessary_wraps)] // a test that can not go on has failed; results are compared with results

use std::net::SocketAddr;

use portcullis_preface::proxy_protocol::{
    LONGEST_V1, LONGEST_V2_PAYLOAD, Parsed, ProxyError, parse, write_v1, write_v1_unknown, write_v2, write_v2_local,
};
use proptest::prelude::*;

const SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";
const PROXY: u8 = 0x21;
const LOCAL: u8 = 0x20;
const TCP4: &[u8; 12] = &[192, 0, 2, 1, 198, 51, 100, 1, 0xdc, 0x04, 0x01, 0xbb];

fn version_2(command: u8, family: u8, payload: &[u8]) -> Vec<u8> {
    let length = u16::try_from(payload.len()).unwrap().to_be_bytes();
    [&SIGNATURE[..], &[command, family], &length, payload].concat()
}

fn proxied(consumed: usize, source: &str, destination: &str) -> Result<Parsed, ProxyError> {
    let (source, destination) = (source.parse().unwrap(), destination.parse().unwrap());
    Ok(Parsed::Proxied { consumed, source, destination })
}

fn is_malformed(result: Result<Parsed, ProxyError>) -> bool {
    matches!(result, Err(ProxyError::Malformed { .. }))
}

#[test]
fn version_1_lines_of_the_grammar_are_read() {
    let longest = "PROXY TCP6 ffff:f...f:ffff ffff:f...f:ffff 65535 65535\r\n"
        .replace("ffff:f...f:ffff", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff");
    let full = "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff";
    let unknown = format!("PROXY UNKNOWN {full} {full} 65535 65535\r\n");
    assert_eq!(unknown.len(), LONGEST_V1);
    let table = [
        ("PROXY TCP4 192.0.2.1 198.51.100.1 56324 443\r\n", proxied(45, "192.0.2.1:56324", "198.51.100.1:443")),
        ("PROXY TCP4 0.0.0.0 255.255.255.255 0 65535\r\n", proxied(44, "0.0.0.0:0", "255.255.255.255:65535")),
        ("PROXY TCP6 2001:db8::1 ::1 1 65535\r\n", proxied(36, "[2001:db8::1]:1", "[::1]:65535")),
        ("PROXY TCP6 ::ffff:192.0.2.1 ::1 1 2\r\n", proxied(37, "192.0.2.1:1", "[::1]:2")),
        (&longest, proxied(104, &format!("[{full}]:65535"), &format!("[{full}]:65535"))),
        ("PROXY UNKNOWN\r\n", Ok(Parsed::Local { consumed: 15 })),
        ("PROXY UNKNOWN whatever this is\r\n", Ok(Parsed::Local { consumed: 32 })),
        (&unknown, Ok(Parsed::Local { consumed: LONGEST_V1 })),
    ];
    for (line, expected) in table {
        assert_eq!(parse(line.as_bytes()), expected, "{line:?}");
        assert_eq!(parse(&[line.as_bytes(), b"GET / HTTP/1.1\r\n"].concat()), expected, "{line:?} and a request");
    }
}

#[test]
fn version_1_lines_off_the_grammar_are_refused() {
    for line in [
        "PROXY \r\n",
        "PROXY TCP4\r\n",
        "PROXY TCP4 192.0.2.1 198.51.100.1 56324\r\n",
        "PROXY TCP4 192.0.2.1 198.51.100.1 1 2 3\r\n",
        "PROXY TCP4 192.0.2.1 198.51.100.1 1 2 \r\n",
        "PROXY TCP4  192.0.2.1 198.51.100.1 1 2\r\n",
        "PROXY TCP4 192.0.2.1\t198.51.100.1 1 2\r\n",
        "PROXY TCP4 192.0.2.1 198.51.100.1 1 2\n",
        "PROXY TCP4 192.0.2.1 198.51.100.1 1 2\r\r\n",
        "PROXY TCP4 192.0.2.1 198.51.100.1 056324 443\r\n",
        "PROXY TCP4 192.0.2.1 198.51.100.1 66000 443\r\n",
        "PROXY TCP4 192.0.2.1 198.51.100.1 +1 2\r\n",
        "PROXY TCP4 192.0.2.1 198.51.100.1  2\r\n",
        "PROXY TCP4 192.0.2.01 198.51.100.1 1 2\r\n",
        "PROXY TCP4 192.0.2 198.51.100.1 1 2\r\n",
        "PROXY TCP4 0xc0.0.2.1 198.51.100.1 1 2\r\n",
        "PROXY TCP4 ::1 ::1 1 2\r\n",
        "PROXY TCP6 192.0.2.1 198.51.100.1 1 2\r\n",
        "PROXY TCP6 [::1] ::1 1 2\r\n",
        "PROXY TCP6 fe80::1%eth0 ::1 1 2\r\n",
        "PROXY TCP5 ::1 ::1 1 2\r\n",
        "PROXY tcp4 192.0.2.1 198.51.100.1 1 2\r\n",
        "PROXY UDP4 192.0.2.1 198.51.100.1 1 2\r\n",
        "PROXY UNKNOWNS\r\n",
        "PROXY TCP4 192.0.2.1\0 198.51.100.1 1 2\r\n",
    ] {
        assert!(is_malformed(parse(line.as_bytes())), "{line:?}: {:?}", parse(line.as_bytes()));
    }
    assert!(is_malformed(parse(b"PROXY TCP4 \xff\xff 1 2\r\n")));
}

#[test]
fn version_1_without_an_end_is_cut_off_at_107_bytes() {
    let endless = [b"PROXY UNKNOWN ".as_slice(), &[b'1'; 200]].concat();
    let too_long = Err(ProxyError::TooLong { version: 1, limit: LONGEST_V1 });
    assert_eq!(parse(&endless[..LONGEST_V1 - 1]), Ok(Parsed::Incomplete));
    assert_eq!(parse(&endless[..LONGEST_V1]), too_long);
    let ends_late = [&endless[..LONGEST_V1], b"\r\n"].concat();
    assert_eq!(parse(&ends_late), too_long);
}

#[test]
fn what_begins_otherwise_has_no_header() {
    for bytes in
        [&b"GET / HTTP/1.1\r\n"[..], b"\x16\x03\x01", b"proxy TCP4", b"PROXYTCP4", b"\r\n\r\n\0\r\nQUIT\r", b"\0"]
    {
        assert_eq!(parse(bytes), Err(ProxyError::Missing), "{bytes:?}");
    }
    for bytes in [&b""[..], b"P", b"PROXY", b"\r", b"\r\n\r\n"] {
        assert_eq!(parse(bytes), Ok(Parsed::Incomplete), "{bytes:?}");
    }
}

/// What a version 2 header should mean.
#[derive(Clone, Copy)]
enum Expected {
    From(&'static str),
    Nobody,
    Refused,
}

#[test]
fn version_2_headers_are_read_by_command_and_family() {
    use Expected::{From, Nobody, Refused};
    let tcp4 = From("192.0.2.1:56324");
    let mut mapped = vec![0; 10];
    mapped.extend([0xff, 0xff, 192, 0, 2, 1]);
    mapped.extend([0; 15]);
    mapped.extend([1, 0xdc, 0x04, 0x01, 0xbb]);
    let with_tlv = |tlv: &[u8]| [TCP4, tlv].concat();
    let table: [(&str, u8, u8, &[u8], Expected); 21] = [
        ("TCP4", PROXY, 0x11, TCP4, tcp4),
        ("TCP6 that maps IPv4", PROXY, 0x21, &mapped, tcp4),
        ("LOCAL with addresses", LOCAL, 0x11, TCP4, Nobody),
        ("LOCAL with an impossible family", LOCAL, 0xff, TCP4, Nobody),
        ("LOCAL with half an address", LOCAL, 0x11, &TCP4[..5], Nobody),
        ("LOCAL with nothing", LOCAL, 0x00, &[], Nobody),
        ("UNSPEC", PROXY, 0x00, &[1, 2, 3], Nobody),
        ("UDP4", PROXY, 0x12, TCP4, Nobody),
        ("Unix stream", PROXY, 0x31, &[0; 216], Nobody),
        ("a TLV", PROXY, 0x11, &with_tlv(&[0x02, 0, 1, b'a']), tcp4),
        ("an empty TLV", PROXY, 0x11, &with_tlv(&[0x04, 0, 0]), tcp4),
        ("a TLV that does not end", PROXY, 0x11, &with_tlv(&[0x04, 0, 9, 1]), Refused),
        ("a TLV without length", PROXY, 0x11, &with_tlv(&[0x04, 0]), Refused),
        ("a wrong checksum", PROXY, 0x11, &with_tlv(&[0x03, 0, 4, 1, 2, 3, 4]), Refused),
        ("a short checksum", PROXY, 0x11, &with_tlv(&[0x03, 0, 2, 1, 2]), Refused),
        // CVE-2019-14243: a payload shorter than the family's addresses.
        ("TCP4 with 11 bytes", PROXY, 0x11, &TCP4[..11], Refused),
        ("TCP6 with 12 bytes", PROXY, 0x21, TCP4, Refused),
        ("TCP4 with nothing", PROXY, 0x11, &[], Refused),
        ("family 4", PROXY, 0x41, TCP4, Refused),
        ("command 2", 0x22, 0x11, TCP4, Refused),
        ("version 1 in binary", 0x11, 0x11, TCP4, Refused),
    ];
    for (case, command, family, payload, expected) in table {
        let header = version_2(command, family, payload);
        let consumed = header.len();
        let parsed = parse(&[&header[..], b"and more"].concat());
        match expected {
            From(source) => {
                let source: SocketAddr = source.parse().unwrap();
                assert!(
                    matches!(parsed, Ok(Parsed::Proxied { consumed: length, source: read, .. })
                        if length == consumed && read == source),
                    "{case}: {parsed:?}"
                );
            }
            Nobody => assert_eq!(parsed, Ok(Parsed::Local { consumed }), "{case}"),
            Refused => assert!(is_malformed(parsed), "{case}: {parsed:?}"),
        }
    }
}

#[test]
fn version_2_is_refused_by_its_announced_length_before_the_bytes_come() {
    let mut header = version_2(PROXY, 0x11, TCP4);
    let announce = |header: &mut Vec<u8>, length: usize| {
        header[14..16].copy_from_slice(&u16::try_from(length).unwrap().to_be_bytes());
        parse(header)
    };
    assert_eq!(announce(&mut header, LONGEST_V2_PAYLOAD), Ok(Parsed::Incomplete));
    for length in [LONGEST_V2_PAYLOAD + 1, 0xffff] {
        assert!(matches!(announce(&mut header, length), Err(ProxyError::TooLong { version: 2, .. })));
    }
}

#[test]
fn a_right_checksum_is_accepted_and_guards_every_byte() {
    let mut header = version_2(PROXY, 0x11, &[TCP4, &[0x03, 0, 4, 0, 0, 0, 0][..]].concat());
    let at = header.len() - 4;
    let checksum = crc32c_by_definition(&header);
    header[at..].copy_from_slice(&checksum.to_be_bytes());
    assert_eq!(parse(&header), proxied(header.len(), "192.0.2.1:56324", "198.51.100.1:443"));
    // Not the TLV's own type: with another one it is no checksum.
    for index in (16..28).chain(29..header.len()) {
        let mut broken = header.clone();
        broken[index] ^= 1;
        assert!(is_malformed(parse(&broken)), "byte {index}");
    }
}

/// Division of polynomials, most significant bit first, with the reflections of the standard done at both ends: slow
/// and unlike the implementation.
fn crc32c_by_definition(bytes: &[u8]) -> u32 {
    let mut remainder = u64::from(u32::MAX);
    for byte in bytes {
        remainder ^= u64::from(byte.reverse_bits()) << 24;
        for _ in 0..8 {
            remainder <<= 1;
            if remainder & (1 << 32) != 0 {
                remainder ^= 0x1_1EDC_6F41;
            }
        }
    }
    !(remainder as u32).reverse_bits()
}

#[test]
fn headers_that_name_nobody_are_written_for_own_connections() {
    let mut header = Vec::new();
    write_v1_unknown(&mut header);
    assert_eq!(parse(&header), Ok(Parsed::Local { consumed: header.len() }));
    header.clear();
    write_v2_local(&mut header);
    assert_eq!(parse(&header), Ok(Parsed::Local { consumed: 16 }));
}

#[test]
fn addresses_of_two_families_are_written_as_ipv6() {
    let (four, six): (SocketAddr, SocketAddr) = ("192.0.2.1:1".parse().unwrap(), "[2001:db8::1]:2".parse().unwrap());
    let mut line = Vec::new();
    write_v1(four, six, &mut line);
    assert_eq!(line, b"PROXY TCP6 ::ffff:192.0.2.1 2001:db8::1 1 2\r\n");
    let mut header = Vec::new();
    write_v2(six, four, &mut header);
    assert_eq!(header.len(), 16 + 36);
    assert_eq!(parse(&header), proxied(52, "[2001:db8::1]:2", "192.0.2.1:1"));
}

proptest! {
    #[test]
    fn what_is_written_is_read_whatever_the_split(source: SocketAddr, destination: SocketAddr, v2: bool, rest: Vec<u8>) {
        let mut header = Vec::new();
        if v2 { write_v2(source, destination, &mut header) } else { write_v1(source, destination, &mut header) }
        let length = header.len();
        prop_assert!(v2 || length <= LONGEST_V1);
        for cut in 0..length {
            prop_assert_eq!(parse(&header[..cut]), Ok(Parsed::Incomplete));
        }
        header.extend(rest);
        let plain = |address: SocketAddr| SocketAddr::new(address.ip().to_canonical(), address.port());
        let expected = Parsed::Proxied { consumed: length, source: plain(source), destination: plain(destination) };
        prop_assert_eq!(parse(&header), Ok(expected));
    }

    /// A decision, once made, is not changed by further bytes, and never reaches beyond what was given.
    #[test]
    fn a_decision_stands(bytes: Vec<u8>, start in prop::sample::select(vec![
        &b"PROXY TCP4 1.2.3.4 "[..], b"PROXY UNKNOWN", b"\r\n\r\n\0\r\nQUIT\n", b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x14",
        b"\r\n\r\n\0\r\nQUIT\n\x20\x11\0\x02", b"",
    ])) {
        let bytes = [start, &bytes].concat();
        let mut decided = None;
        for cut in 0..=bytes.len() {
            let now = parse(&bytes[..cut]);
            if let Ok(Parsed::Local { consumed } | Parsed::Proxied { consumed, .. }) = now {
                prop_assert!(consumed <= cut);
            }
            match decided {
                None if now != Ok(Parsed::Incomplete) => decided = Some(now),
                None => {}
                Some(before) => prop_assert_eq!(now, before),
            }
        }
    }
}
