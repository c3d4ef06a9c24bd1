//! The JSON form: one object on one line, written straight into the buffer. A field that does not apply is left out.
//!
//! Keys are written together with the punctuation around them: half of the time goes into appending, so there is one
//! append where there could be four.

use std::{io::Write, net::SocketAddr};

use super::{AccessRecord, Phases, TimestampCache, TlsRecord, escape};

pub(super) fn append(record: &AccessRecord<'_>, out: &mut Vec<u8>, clock: &mut TimestampCache) {
    out.extend_from_slice(br#"{"time":""#);
    clock.append(record.time, out);
    out.push(b'"');
    word(out, br#","kind":""#, record.kind.as_str());
    string(out, br#","port":""#, record.port.as_bytes());
    string(out, br#","role":""#, record.role.as_bytes());
    out.extend_from_slice(br#","source":""#);
    append_source(out, record.source);
    out.push(b'"');
    if let Some(peer) = record.peer {
        address(out, br#","peer":""#, peer);
    }
    if let Some(tls) = &record.tls {
        encryption(out, tls);
    }
    optional(out, br#","sni":""#, record.sni.map(str::as_bytes));
    optional(out, br#","principal":""#, record.principal.map(|principal| principal.name.as_bytes()));
    optional(out, br#","provider":""#, record.principal.map(|principal| principal.provider.as_bytes()));
    optional(out, br#","method":""#, record.method);
    optional(out, br#","host":""#, record.host);
    if let Some(path) = record.path {
        quoted(out, br#","path":""#, path, escape::LONG);
    }
    if let Some(status) = record.status {
        number(out, br#","status":"#, u64::from(status));
    }
    number(out, br#","bytes_in":"#, record.bytes_received);
    number(out, br#","bytes_out":"#, record.bytes_sent);
    optional(out, br#","route":""#, record.route.map(str::as_bytes));
    optional(out, br#","service":""#, record.service.map(str::as_bytes));
    optional(out, br#","endpoint":""#, record.endpoint.map(str::as_bytes));
    phases(out, &record.phases);
    number(out, br#","retries":"#, u64::from(record.retries));
    out.extend_from_slice(br#","id":""#);
    out.extend_from_slice(&record.request_id.hex());
    out.push(b'"');
    word(out, br#","end":""#, record.termination.as_str());
    optional(out, br#","detail":""#, record.detail.map(str::as_bytes));
    out.extend_from_slice(b"}\n");
}

fn encryption(out: &mut Vec<u8>, tls: &TlsRecord<'_>) {
    string(out, br#","tls":""#, tls.version.as_bytes());
    string(out, br#","cipher":""#, tls.cipher.as_bytes());
    out.extend_from_slice(if tls.resumed { br#","resumed":true"# } else { br#","resumed":false"# });
    optional(out, br#","client":""#, tls.client.map(str::as_bytes));
}

/// Microseconds of each phase; the total is always there and ends the object.
fn phases(out: &mut Vec<u8>, phases: &Phases) {
    out.extend_from_slice(br#","us":{"#);
    let parts: [(&[u8], _); 5] = [
        (br#""handshake":"#, phases.handshake),
        (br#""head":"#, phases.head),
        (br#""connect":"#, phases.connect),
        (br#""response":"#, phases.response),
        (br#""body":"#, phases.body),
    ];
    for (key, took) in parts {
        if let Some(took) = took {
            number(out, key, took.as_micros() as u64);
            out.push(b',');
        }
    }
    number(out, br#""total":"#, phases.total.as_micros() as u64);
    out.push(b'}');
}

/// The key, with the quote that opens the value; then the value, escaped, and the quote that closes it.
fn quoted(out: &mut Vec<u8>, key: &[u8], value: &[u8], limit: usize) {
    out.extend_from_slice(key);
    escape::append(out, value, limit);
    out.push(b'"');
}

fn string(out: &mut Vec<u8>, key: &[u8], value: &[u8]) {
    quoted(out, key, value, escape::SHORT);
}

fn optional(out: &mut Vec<u8>, key: &[u8], value: Option<&[u8]>) {
    if let Some(value) = value {
        string(out, key, value);
    }
}

/// One of our own words, which needs no escaping.
fn word(out: &mut Vec<u8>, key: &[u8], word: &str) {
    out.extend_from_slice(key);
    out.extend_from_slice(word.as_bytes());
    out.push(b'"');
}

fn number(out: &mut Vec<u8>, key: &[u8], value: u64) {
    out.extend_from_slice(key);
    digits(out, value);
}

fn digits(out: &mut Vec<u8>, value: u64) {
    out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
}

fn address(out: &mut Vec<u8>, key: &[u8], address: SocketAddr) {
    out.extend_from_slice(key);
    append_address(out, address);
    out.push(b'"');
}

/// By hand for IPv4, which is nearly all of them: `Display` costs as much as half of the rest of the record.
/// Of a caller through a Unix socket there is no address; who it is stands in the detail.
pub(super) fn append_source(out: &mut Vec<u8>, source: Option<SocketAddr>) {
    match source {
        Some(address) => append_address(out, address),
        None => out.extend_from_slice(b"unix"),
    }
}

pub(super) fn append_address(out: &mut Vec<u8>, address: SocketAddr) {
    let SocketAddr::V4(address) = address else {
        let written = write!(out, "{address}");
        debug_assert!(written.is_ok(), "a Vec takes all that is written");
        return;
    };
    for (octet, after) in address.ip().octets().into_iter().zip(*b"...:") {
        digits(out, u64::from(octet));
        out.push(after);
    }
    digits(out, u64::from(address.port()));
}
