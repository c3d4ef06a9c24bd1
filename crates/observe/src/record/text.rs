//! The form for people: the columns that the eye runs down first, then `name=value` for all that applies.

use super::{
    AccessRecord, RecordKind, TimestampCache, escape,
    json::{append_address, append_source},
};

pub(super) fn append(record: &AccessRecord<'_>, out: &mut Vec<u8>, clock: &mut TimestampCache) {
    clock.append(record.time, out);
    column(out, 12, |out| word(out, record.port.as_bytes(), escape::SHORT));
    column(out, 21, |out| append_source(out, record.source));
    column(out, 3, |out| match record.status {
        Some(status) => digits(out, u128::from(status)),
        None => out.push(b'-'),
    });
    column(out, 16, |out| out.extend_from_slice(record.termination.as_str().as_bytes()));
    right_column(out, 11, |out| milliseconds(out, record.phases.total.as_micros()));
    subject(out, record);
    pairs(out, record);
    out.push(b'\n');
}

/// What was asked for: `GET shop.example.com/cart`, or `session`.
fn subject(out: &mut Vec<u8>, record: &AccessRecord<'_>) {
    out.push(b' ');
    if record.kind == RecordKind::Session {
        return out.extend_from_slice(b"session");
    }
    word(out, record.method.unwrap_or(b"-"), escape::SHORT);
    out.push(b' ');
    word(out, record.host.unwrap_or(b"-"), escape::SHORT);
    if let Some(path) = record.path {
        word(out, path, escape::LONG);
    }
}

fn pairs(out: &mut Vec<u8>, record: &AccessRecord<'_>) {
    let words = [("route", record.route), ("service", record.service), ("endpoint", record.endpoint)];
    for (name, value) in words.into_iter().filter_map(|(name, value)| Some((name, value?))) {
        pair(out, name, |out| word(out, value.as_bytes(), escape::SHORT));
    }
    pair(out, "in", |out| digits(out, u128::from(record.bytes_received)));
    pair(out, "out", |out| digits(out, u128::from(record.bytes_sent)));
    if record.retries > 0 {
        pair(out, "retries", |out| digits(out, u128::from(record.retries)));
    }
    for (name, took) in record.phases.named().filter(|(name, _)| *name != "total") {
        pair(out, name, |out| milliseconds(out, took.as_micros()));
    }
    pair(out, "role", |out| word(out, record.role.as_bytes(), escape::SHORT));
    if let Some(peer) = record.peer {
        pair(out, "peer", |out| append_address(out, peer));
    }
    if let Some(tls) = &record.tls {
        pair(out, "tls", |out| word(out, tls.version.as_bytes(), escape::SHORT));
        pair(out, "cipher", |out| word(out, tls.cipher.as_bytes(), escape::SHORT));
        pair(out, "resumed", |out| out.extend_from_slice(if tls.resumed { b"yes" } else { b"no" }));
    }
    let words = [
        ("client", record.tls.and_then(|tls| tls.client)),
        ("sni", record.sni),
        ("principal", record.principal.map(|of| of.name)),
        ("provider", record.principal.map(|of| of.provider)),
    ];
    for (name, value) in words.into_iter().filter_map(|(name, value)| Some((name, value?))) {
        pair(out, name, |out| word(out, value.as_bytes(), escape::SHORT));
    }
    pair(out, "id", |out| out.extend_from_slice(&record.request_id.hex()));
    if let Some(detail) = record.detail {
        pair(out, "detail", |out| word(out, detail.as_bytes(), escape::SHORT));
    }
}

/// A space, the value, and spaces up to the width.
fn column(out: &mut Vec<u8>, width: usize, value: impl FnOnce(&mut Vec<u8>)) {
    out.push(b' ');
    let end = out.len() + width;
    value(out);
    out.resize(end.max(out.len()), b' ');
}

/// The same, with the spaces before the value.
fn right_column(out: &mut Vec<u8>, width: usize, value: impl FnOnce(&mut Vec<u8>)) {
    out.push(b' ');
    let start = out.len();
    value(out);
    let missing = width.saturating_sub(out.len() - start);
    out.resize(out.len() + missing, b' ');
    out[start..].rotate_right(missing);
}

fn pair(out: &mut Vec<u8>, name: &str, value: impl FnOnce(&mut Vec<u8>)) {
    out.push(b' ');
    out.extend_from_slice(name.as_bytes());
    out.push(b'=');
    value(out);
}

/// The value, in quotes if it could be taken for more or less than one value. Unicode has many spaces, so all that is
/// not ASCII is quoted.
fn word(out: &mut Vec<u8>, value: &[u8], limit: usize) {
    let is_plain = !value.is_empty() && !value.iter().any(|&byte| byte == b' ' || byte == b'"' || byte >= 0x80);
    if is_plain {
        return escape::append(out, value, limit);
    }
    out.push(b'"');
    escape::append(out, value, limit);
    out.push(b'"');
}

fn milliseconds(out: &mut Vec<u8>, micros: u128) {
    digits(out, micros / 1000);
    let thousandths = micros % 1000;
    let digit = |value: u128| b'0' + (value % 10) as u8;
    out.extend_from_slice(&[b'.', digit(thousandths / 100), digit(thousandths / 10), digit(thousandths), b'm', b's']);
}

fn digits(out: &mut Vec<u8>, value: u128) {
    out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
}
