//! The cookies of our own among those that a request brings.
//!
//! Invariant: services do not get them, whatever else stands beside them in a line: whoever has one is its person.

use portcullis_h1::{Fields, Known as Name};
use portcullis_identity::{Site, cookie::Cookie};
use portcullis_plan::RoutePlan;

use crate::downstream::Http1;

/// The session cookie is there twice: somebody else has set one of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ambiguous;

/// The value of the session cookie. Other cookies of the line may be of any bytes (RFC 6265 does not bind browsers to
/// ASCII).
pub(crate) fn session<'a>(
    fields: &'a Fields,
    text: &'a [u8],
    scheme: &'static str,
) -> Result<Option<&'a [u8]>, Ambiguous> {
    let name = Cookie::Session.name(Site { scheme, authority: "" }).as_bytes();
    let mut found = None;
    for (own, value) in lines(fields, text).flat_map(pairs) {
        if own == name && found.replace(value).is_some() {
            return Err(Ambiguous);
        }
    }
    Ok(found)
}

/// Takes our cookies off what goes on to the service. Where there are any, what is left beside them is written to `out` as
/// one header line; nothing changes otherwise.
pub(crate) fn strike_own(client: &mut Http1, route: &RoutePlan, out: &mut Vec<u8>) {
    let text = client.input.all();
    let has_own = lines(&client.head.fields, text).flat_map(pairs).any(|(name, _)| is_own(name));
    if !has_own {
        return;
    }
    let start = out.len();
    let goes_on = !route.request_headers.strikes(b"cookie");
    for part in lines(&client.head.fields, text).flat_map(|line| line.split(|byte| *byte == b';')) {
        let part = part.trim_ascii();
        let name = part.split(|byte| *byte == b'=').next().unwrap_or_default().trim_ascii();
        if goes_on && !part.is_empty() && !is_own(name) {
            out.extend_from_slice(if out.len() == start { b"cookie: " } else { b"; " });
            out.extend_from_slice(part);
        }
    }
    if out.len() > start {
        out.extend_from_slice(b"\r\n");
    }
    client.head.fields.strike(Name::Cookie);
}

/// Our cookies of all lines, as one value: what our own pages get to see.
pub(crate) fn own(fields: &Fields, text: &[u8]) -> Vec<u8> {
    let mut all = Vec::new();
    for (name, value) in lines(fields, text).flat_map(pairs).filter(|(name, _)| is_own(name)) {
        if !all.is_empty() {
            all.extend_from_slice(b"; ");
        }
        all.extend_from_slice(name);
        all.push(b'=');
        all.extend_from_slice(value);
    }
    all
}

/// Values of the `Cookie` lines that go on.
fn lines<'a>(fields: &'a Fields, text: &'a [u8]) -> impl Iterator<Item = &'a [u8]> {
    let cookies = fields.iter().filter(|field| field.known == Name::Cookie && !field.struck);
    cookies.map(move |field| field.value.of(text))
}

/// Names and values of a line (RFC 6265 4.2.1).
fn pairs(line: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    line.split(|byte| *byte == b';').filter_map(|pair| {
        let at = pair.iter().position(|byte| *byte == b'=')?;
        Some((pair[..at].trim_ascii(), pair[at + 1..].trim_ascii()))
    })
}

/// With and without TLS: whichever it is, it is no service's.
fn is_own(name: &[u8]) -> bool {
    const SITES: [Site<'static>; 2] = [Site { scheme: "https", authority: "" }, Site { scheme: "http", authority: "" }];
    Cookie::ALL.iter().any(|cookie| SITES.iter().any(|site| cookie.name(*site).as_bytes() == name))
}
