//! The JSON form: one object on one line, written straight into the buffer. A field that does not apply is left out.

use std::{io::Write, net::SocketAddr};

use super::{AccessRecord, TimestampCache, TlsRecord, escape};

pub(super) fn append(record: &AccessRecord<'_>, out: &mut Vec<u8>, clock: &mut TimestampCache) {
    out.extend_from_slice(b"{\"time\":\"");
    clock.append(record.time, out);
    out.extend_from_slice(b"\",\"kind\":\"");
    out.extend_from_slice(record.kind.as_str().as_bytes());
    out.push(b'"');
    string(out, "port", record.port.as_bytes());
    string(out, "role", record.role.as_bytes());
    address(out, "source", record.source);
    if let Some(peer) = record.peer {
        address(out, "peer", peer);
    }
    if let Some(tls) = &record.tls {
        encryption(out, tls);
    }
    if let Some(name) = record.sni {
        string(out, "sni", name.as_bytes());
    }
    if let Some(method) = record.method {
        string(out, "method", method);
    }
    if let Some(host) = record.host {
        string(out, "host", host);
    }
    if let Some(path) = record.path {
        long_string(out, "path", path);
    }
    if let Some(status) = record.status {
        number(out, "status", u64::from(status));
    }
    number(out, "bytes_in", record.bytes_received);
    number(out, "bytes_out", record.bytes_sent);
    for (name, value) in [("route", record.route), ("service", record.service), ("endpoint", record.endpoint)] {
        if let Some(value) = value {
            string(out, name, value.as_bytes());
        }
    }
    phases(out, record);
    number(out, "retries", u64::from(record.retries));
    out.extend_from_slice(b",\"id\":\"");
    out.extend_from_slice(&record.request_id.hex());
    out.extend_from_slice(b"\",\"end\":\"");
    out.extend_from_slice(record.termination.as_str().as_bytes());
    out.push(b'"');
    if let Some(detail) = record.detail {
        string(out, "detail", detail.as_bytes());
    }
    out.extend_from_slice(b"}\n");
}

fn encryption(out: &mut Vec<u8>, tls: &TlsRecord<'_>) {
    string(out, "tls", tls.version.as_bytes());
    string(out, "cipher", tls.cipher.as_bytes());
    key(out, "resumed");
    out.extend_from_slice(if tls.resumed { b"true" } else { b"false" });
    if let Some(client) = tls.client {
        string(out, "client", client.as_bytes());
    }
}

/// Microseconds of each phase.
fn phases(out: &mut Vec<u8>, record: &AccessRecord<'_>) {
    key(out, "us");
    let mut before = b'{';
    for (name, took) in record.phases.named() {
        out.push(before);
        before = b',';
        out.push(b'"');
        out.extend_from_slice(name.as_bytes());
        out.extend_from_slice(b"\":");
        digits(out, took.as_micros() as u64);
    }
    out.push(b'}');
}

/// A comma and the key. Keys are ours and need no escaping.
fn key(out: &mut Vec<u8>, name: &str) {
    out.extend_from_slice(b",\"");
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"\":");
}

fn string(out: &mut Vec<u8>, name: &str, value: &[u8]) {
    quoted(out, name, value, escape::SHORT);
}

fn long_string(out: &mut Vec<u8>, name: &str, value: &[u8]) {
    quoted(out, name, value, escape::LONG);
}

fn quoted(out: &mut Vec<u8>, name: &str, value: &[u8], limit: usize) {
    key(out, name);
    out.push(b'"');
    escape::append(out, value, limit);
    out.push(b'"');
}

fn number(out: &mut Vec<u8>, name: &str, value: u64) {
    key(out, name);
    digits(out, value);
}

fn digits(out: &mut Vec<u8>, value: u64) {
    out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
}

fn address(out: &mut Vec<u8>, name: &str, address: SocketAddr) {
    key(out, name);
    out.push(b'"');
    append_address(out, address);
    out.push(b'"');
}

/// By hand for IPv4, which is nearly all of them: `Display` costs as much as half of the rest of the record.
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
