//! Responses that the proxy makes itself: refusals, redirects, fixed answers.

use std::io::Write;

use portcullis_h1::Version;
use portcullis_plan::{HeaderEdits, Redirect, Respond};

use crate::{
    refusal::Form,
    transform::{write_persistence, write_status},
};

/// What the client must know to read an answer.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reply {
    pub(crate) version: Version,
    pub(crate) keep_alive: bool,
    /// The request was HEAD: the head alone.
    pub(crate) to_head: bool,
}

/// A refusal with a short text that tells the person at the other end what to do, and nothing about the inside.
///
/// `lines` are further header lines, each with its end.
pub(crate) fn write_refusal(
    status: u16,
    detail: &'static str,
    (lines, form): (&[u8], Form),
    reply: Reply,
    out: &mut Vec<u8>,
) {
    let title = reason(status);
    // Words of our own: there is nothing in them that JSON would quote.
    let (kind, body) = match form {
        Form::Text => ("text/plain; charset=utf-8", format!("{status} {title}: {detail}\n")),
        Form::Problem => (
            "application/problem+json",
            format!("{{\"title\":\"{title}\",\"status\":{status},\"detail\":\"{detail}\"}}\n"),
        ),
    };
    write_head(status, kind, body.len(), &[], reply, &HeaderEdits::default(), out);
    if !lines.is_empty() {
        // Before the empty line that ends the head.
        out.truncate(out.len() - 2);
        out.extend_from_slice(lines);
        out.extend_from_slice(b"\r\n");
    }
    if !reply.to_head {
        out.extend_from_slice(body.as_bytes());
    }
}

/// A fixed answer.
pub(crate) fn write_respond(respond: &Respond, edits: &HeaderEdits, reply: Reply, out: &mut Vec<u8>) {
    write_head(respond.status, &respond.content_type, respond.body.len(), &[], reply, edits, out);
    if !reply.to_head {
        out.extend_from_slice(&respond.body);
    }
}

/// A whole answer that was made elsewhere; of its header lines, those that frame it are ours.
pub(crate) fn write_whole<'a>(
    status: u16,
    lines: impl Iterator<Item = (&'a [u8], &'a [u8])>,
    body: &[u8],
    reply: Reply,
    out: &mut Vec<u8>,
) {
    write_status(status, reason(status).as_bytes(), out);
    let _ = write!(out, "content-length: {}\r\n", body.len());
    write_persistence(reply.version, reply.keep_alive, out);
    for (name, value) in lines {
        out.extend_from_slice(name);
        out.extend_from_slice(b": ");
        out.extend_from_slice(value);
        out.extend_from_slice(b"\r\n");
    }
    out.extend_from_slice(b"\r\n");
    if !reply.to_head {
        out.extend_from_slice(body);
    }
}

/// A redirect to an absolute target.
pub(crate) fn write_redirect(status: u16, location: &[u8], edits: &HeaderEdits, reply: Reply, out: &mut Vec<u8>) {
    write_head(status, "text/plain", 0, location, reply, edits, out);
}

fn write_head(
    status: u16,
    content_type: &str,
    length: usize,
    location: &[u8],
    reply: Reply,
    edits: &HeaderEdits,
    out: &mut Vec<u8>,
) {
    write_status(status, reason(status).as_bytes(), out);
    // RFC 9110 8.6: no Content-Length on 204; 304 has no body to measure.
    if status != 204 && status != 304 {
        let _ = write!(out, "content-length: {length}\r\n");
    }
    if length > 0 {
        let _ = write!(out, "content-type: {content_type}\r\n");
    }
    if !location.is_empty() {
        out.extend_from_slice(b"location: ");
        out.extend_from_slice(location);
        out.extend_from_slice(b"\r\n");
    }
    write_persistence(reply.version, reply.keep_alive, out);
    for (name, value) in edits.set.iter().chain(&edits.append) {
        out.extend_from_slice(name);
        out.extend_from_slice(b": ");
        out.extend_from_slice(value);
        out.extend_from_slice(b"\r\n");
    }
    out.extend_from_slice(b"\r\n");
}

/// Where a route's redirect leads for this request.
pub(crate) fn route_location(
    redirect: &Redirect,
    scheme: &str,
    authority: &[u8],
    path: &[u8],
    query: Option<&[u8]>,
) -> Vec<u8> {
    let mut location = Vec::with_capacity(128);
    if redirect.base.is_empty() {
        location.extend_from_slice(scheme.as_bytes());
        location.extend_from_slice(b"://");
        location.extend_from_slice(authority);
    } else {
        location.extend_from_slice(redirect.base.as_bytes());
    }
    match &redirect.path {
        Some(path) => location.extend_from_slice(path.as_bytes()),
        None => push_path(&mut location, path, query),
    }
    location
}

/// The same request at the https port with this number.
pub(crate) fn https_location(port: u16, host: &[u8], path: &[u8], query: Option<&[u8]>) -> Vec<u8> {
    let mut location = Vec::with_capacity(128);
    location.extend_from_slice(b"https://");
    location.extend_from_slice(host);
    if port != 443 {
        let _ = write!(location, ":{port}");
    }
    push_path(&mut location, path, query);
    location
}

fn push_path(location: &mut Vec<u8>, path: &[u8], query: Option<&[u8]>) {
    location.extend_from_slice(if path == b"*" { b"/" } else { path });
    if let Some(query) = query {
        location.push(b'?');
        location.extend_from_slice(query);
    }
}

/// Reason phrases of the statuses that the proxy and fixed answers use (RFC 9110 15).
pub(crate) fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        201 => "Created",
        202 => "Accepted",
        204 => "No Content",
        301 => "Moved Permanently",
        302 => "Found",
        303 => "See Other",
        304 => "Not Modified",
        307 => "Temporary Redirect",
        308 => "Permanent Redirect",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        408 => "Request Timeout",
        410 => "Gone",
        413 => "Content Too Large",
        414 => "URI Too Long",
        417 => "Expectation Failed",
        421 => "Misdirected Request",
        426 => "Upgrade Required",
        429 => "Too Many Requests",
        431 => "Request Header Fields Too Large",
        500 => "Internal Server Error",
        501 => "Not Implemented",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        505 => "HTTP Version Not Supported",
        _ => "",
    }
}
