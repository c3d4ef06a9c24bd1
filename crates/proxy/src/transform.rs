//! What a head becomes on its way: hop-by-hop fields go (RFC 9110 7.6.1), the proxy's own come.
//!
//! Lines that pass unchanged are copied in runs, as they lie in the buffer. What the proxy adds is written last, so
//! that nothing a client sends (a `Connection` option, a repeated line) can take it away again.

use portcullis_h1::{Field, Fields, Framing, Known, RequestHead, ResponseHead, Version};
use portcullis_observe::RequestId;
use portcullis_plan::{HeaderEdits, RoutePlan};

/// What a request head is written from.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RequestParts<'a> {
    pub(crate) head: &'a RequestHead,
    /// The bytes that the head's spans point into.
    pub(crate) text: &'a [u8],
    /// Path in normal form.
    pub(crate) path: &'a [u8],
    pub(crate) route: &'a RoutePlan,
    /// Lines that are the same for every request of the connection ([`connection_lines`]).
    pub(crate) connection_lines: &'a [u8],
    /// Lines that tell the service of the caller.
    pub(crate) caller_lines: &'a [u8],
    /// Host for a service whose client sent none (HTTP/1.0).
    pub(crate) fallback_host: &'a str,
    pub(crate) request_id: RequestId,
    /// Whether the upstream connection is kept afterwards.
    pub(crate) keep_alive: bool,
}

/// Writes the request head that the endpoint gets.
pub(crate) fn write_request(parts: &RequestParts<'_>, out: &mut Vec<u8>) {
    let RequestParts { head, text, path, route, .. } = *parts;
    out.extend_from_slice(head.method.of(text));
    out.push(b' ');
    match &route.rewrite_path {
        Some(rewrite) if path != b"*" => rewrite.apply(path, out),
        _ => out.extend_from_slice(path),
    }
    if let Some(query) = head.query {
        out.push(b'?');
        out.extend_from_slice(query.of(text));
    }
    out.extend_from_slice(b" HTTP/1.1\r\nhost: ");
    let asked_host = head.authority.map_or(parts.fallback_host.as_bytes(), |span| span.of(text));
    out.extend_from_slice(route.rewrite_host.as_deref().unwrap_or(asked_host));
    out.extend_from_slice(b"\r\n");
    copy_fields(&head.fields, text, out, passes_on, &route.request_headers);
    write_exchange_lines(parts, asked_host, out);
    write_edits(&route.request_headers, out);
    out.extend_from_slice(b"\r\n");
}

/// Whether a line of a request goes on to the service as it came, as far as its route does not edit it.
pub(crate) fn passes_on(field: &Field) -> bool {
    let is_replaced = |known: Known| {
        known.is_hop_by_hop()
            || known.is_forwarding_claim()
            || matches!(known, Known::Host | Known::Expect | Known::XRequestId | Known::Disguised)
    };
    !field.struck && (field.known == Known::Other || !is_replaced(field.known))
}

/// Framing, expectation, upgrade, and who asked for what.
fn write_exchange_lines(parts: &RequestParts<'_>, asked_host: &[u8], out: &mut Vec<u8>) {
    let RequestParts { head, text, .. } = *parts;
    if head.framing == Framing::Chunked {
        out.extend_from_slice(b"transfer-encoding: chunked\r\n");
    }
    if head.expects_continue && head.framing != Framing::None {
        out.extend_from_slice(b"expect: 100-continue\r\n");
    }
    match head.upgrade {
        Some(protocol) => {
            out.extend_from_slice(b"connection: upgrade\r\nupgrade: ");
            out.extend_from_slice(protocol.of(text));
            out.extend_from_slice(b"\r\n");
        }
        None if !parts.keep_alive => out.extend_from_slice(b"connection: close\r\n"),
        None if head.accepts_trailers => out.extend_from_slice(b"connection: te\r\nte: trailers\r\n"),
        None => {}
    }
    out.extend_from_slice(via(head.version));
    out.extend_from_slice(parts.caller_lines);
    out.extend_from_slice(parts.connection_lines);
    out.extend_from_slice(b";host=\"");
    out.extend_from_slice(asked_host);
    out.extend_from_slice(b"\"\r\nx-forwarded-host: ");
    out.extend_from_slice(asked_host);
    out.extend_from_slice(b"\r\nx-request-id: ");
    out.extend_from_slice(&parts.request_id.hex());
    out.extend_from_slice(b"\r\n");
}

/// RFC 9110 7.6.3: the version in which a message has come, and who passes it on. A line of its own behind those of
/// others before us.
fn via(received: Version) -> &'static [u8] {
    match received {
        Version::Http11 => b"via: 1.1 portcullis\r\n",
        Version::Http10 => b"via: 1.0 portcullis\r\n",
    }
}

/// The same for an answer, unless its route removes the header: who stands before a service need not be told to
/// everybody, and a gateway may leave it out.
fn write_response_via(received: Version, edits: &HeaderEdits, out: &mut Vec<u8>) {
    if !edits.strikes(b"via") {
        out.extend_from_slice(via(received));
    }
}

/// What is known of a connection, as header lines; the last, `Forwarded` (RFC 7239), is left open for the host.
pub(crate) fn connection_lines(
    source: std::net::SocketAddr,
    port: u16,
    is_tls: bool,
    certificate: Option<&str>,
) -> Vec<u8> {
    let scheme = if is_tls { "https" } else { "http" };
    let address = source.ip().to_canonical();
    let node = if address.is_ipv6() { format!("\"[{address}]\"") } else { address.to_string() };
    let mut lines =
        format!("x-forwarded-for: {address}\r\nx-forwarded-proto: {scheme}\r\nx-forwarded-port: {port}\r\n");
    if let Some(certificate) = certificate {
        lines.push_str("x-forwarded-client-cert: ");
        lines.push_str(certificate);
        lines.push_str("\r\n");
    }
    lines.push_str("forwarded: for=");
    lines.push_str(&node);
    lines.push_str(";proto=");
    lines.push_str(scheme);
    lines.into_bytes()
}

/// How the client learns where the body ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ClientFraming {
    /// By what the head already says (a length, or no body at all).
    AsSaid,
    /// Chunked by us.
    Chunked,
    /// By the end of the connection.
    UntilClose,
}

/// Writes the response head that the client gets.
pub(crate) fn write_response(
    head: &ResponseHead,
    text: &[u8],
    client: Version,
    framing: ClientFraming,
    keep_alive: bool,
    edits: &HeaderEdits,
    out: &mut Vec<u8>,
) {
    write_status(head.status, head.reason.of(text), out);
    copy_fields(&head.fields, text, out, |field| !field.known.is_hop_by_hop(), edits);
    if framing == ClientFraming::Chunked {
        out.extend_from_slice(b"transfer-encoding: chunked\r\n");
    }
    write_response_via(head.version, edits, out);
    write_persistence(client, keep_alive, out);
    write_edits(edits, out);
    out.extend_from_slice(b"\r\n");
}

/// Writes an interim head: 101 with its `Upgrade`, or 1xx as it came. What the route removes or replaces in final heads
/// is not told ahead of them either; what it adds belongs to the final head, which 101 is.
pub(crate) fn write_interim(head: &ResponseHead, text: &[u8], edits: &HeaderEdits, out: &mut Vec<u8>) {
    write_status(head.status, head.reason.of(text), out);
    copy_fields(&head.fields, text, out, |field| !field.known.is_hop_by_hop(), edits);
    if head.status == 101 {
        out.extend_from_slice(b"connection: upgrade\r\n");
        for protocol in head.fields.values(text, Known::Upgrade) {
            out.extend_from_slice(b"upgrade: ");
            out.extend_from_slice(protocol);
            out.extend_from_slice(b"\r\n");
        }
        write_response_via(head.version, edits, out);
        write_edits(edits, out);
    }
    out.extend_from_slice(b"\r\n");
}

/// `HTTP/1.1 200 OK`
pub(crate) fn write_status(status: u16, reason: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(b"HTTP/1.1 ");
    out.extend_from_slice(itoa::Buffer::new().format(status).as_bytes());
    out.push(b' ');
    out.extend_from_slice(reason);
    out.extend_from_slice(b"\r\n");
}

/// Says what happens to the connection, where the version does not say it already (RFC 9112 9.3).
pub(crate) fn write_persistence(client: Version, keep_alive: bool, out: &mut Vec<u8>) {
    match (client, keep_alive) {
        (Version::Http11, true) | (Version::Http10, false) => {}
        (Version::Http11, false) => out.extend_from_slice(b"connection: close\r\n"),
        (Version::Http10, true) => out.extend_from_slice(b"connection: keep-alive\r\n"),
    }
}

/// Copies the lines that `passes` and the edits leave, neighbours together.
fn copy_fields(fields: &Fields, text: &[u8], out: &mut Vec<u8>, passes: impl Fn(&Field) -> bool, edits: &HeaderEdits) {
    let has_edits = !edits.is_empty();
    let mut run = 0..0;
    for field in fields {
        if field.struck || !passes(field) || (has_edits && edits.strikes(field.name.of(text))) {
            continue;
        }
        let (start, end) = (field.name.start as usize, field.value.end as usize);
        // `name: value CRLF` exactly; another spelling (white space around the value) is written anew.
        let is_plain = field.value.start == field.name.end + 2
            && text.get(field.name.end as usize..field.value.start as usize) == Some(b": ")
            && text.get(end..end + 2) == Some(b"\r\n");
        if !is_plain {
            out.extend_from_slice(&text[std::mem::replace(&mut run, 0..0)]);
            out.extend_from_slice(field.name.of(text));
            out.extend_from_slice(b": ");
            out.extend_from_slice(field.value.of(text));
            out.extend_from_slice(b"\r\n");
        } else if run.end == start {
            run.end = end + 2;
        } else {
            out.extend_from_slice(&text[std::mem::replace(&mut run, start..end + 2)]);
        }
    }
    out.extend_from_slice(&text[run]);
}

fn write_edits(edits: &HeaderEdits, out: &mut Vec<u8>) {
    for (name, value) in edits.set.iter().chain(&edits.append) {
        out.extend_from_slice(name);
        out.extend_from_slice(b": ");
        out.extend_from_slice(value);
        out.extend_from_slice(b"\r\n");
    }
}
