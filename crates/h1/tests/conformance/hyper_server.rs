//! The same bytes, given to hyper's server. Also used by the fuzz targets.

use std::{cell::RefCell, convert::Infallible, rc::Rc};

use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper::{Request, Response, body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use portcullis_h1::RequestError;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::reading::{End, Message};

/// A request as hyper reads it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Theirs {
    /// As [`Message::start`].
    start: String,
    body: Vec<u8>,
    /// Names in lower case, sorted.
    trailers: Vec<String>,
    is_whole: bool,
}

/// The reverse need not hold: what hyper repairs, we refuse. Where we refuse, hyper may say anything; where we wait
/// for more bytes, it must not have seen an end.
///
/// Differences that are permitted: none. (`"`, `<`, `>` and the backtick in targets, and lengths near 2^64, were some
/// until we refused them too.)
pub(crate) fn difference(ours: &[Message], end: End<RequestError>, theirs: &[Theirs]) -> Option<&'static str> {
    for (at, ours) in ours.iter().enumerate() {
        let Some(theirs) = theirs.get(at) else { return Some("hyper does not see this request") };
        if !theirs.is_whole {
            return Some("hyper does not see this request's end");
        }
        if theirs.start != ours.start {
            return Some("hyper reads another method or target");
        }
        if theirs.body != ours.body {
            return Some("hyper reads another body");
        }
        if theirs.trailers != trailer_lines(&ours.trailers) {
            return Some("hyper reads other trailers");
        }
    }
    let more = &theirs[ours.len()..];
    match end {
        End::Between | End::Last => (!more.is_empty()).then_some("hyper sees one request more"),
        End::Within => more.iter().any(|theirs| theirs.is_whole).then_some("hyper sees an end where we see none"),
        End::Refused(_) => None,
    }
}

/// `name: value`, sorted, names in lower case.
pub(crate) fn trailer_lines(section: &[u8]) -> Vec<String> {
    let line = |line: &[u8]| {
        let colon = line.iter().position(|&byte| byte == b':').expect("a trailer line has a colon");
        let value = line[colon + 1..].trim_ascii().escape_ascii();
        format!("{}: {value}", line[..colon].to_ascii_lowercase().escape_ascii())
    };
    let mut lines: Vec<_> = section.split(|&byte| byte == b'\n').filter(|line| !line.is_empty()).map(line).collect();
    lines.sort();
    lines
}

/// As [`trailer_lines`].
pub(crate) fn trailer_lines_of(map: Option<&hyper::HeaderMap>) -> Vec<String> {
    let line = |(name, value): (&hyper::header::HeaderName, &hyper::header::HeaderValue)| {
        format!("{name}: {}", value.as_bytes().escape_ascii())
    };
    let mut lines: Vec<_> = map.into_iter().flatten().map(line).collect();
    lines.sort();
    lines
}

pub(crate) async fn read(bytes: &[u8]) -> Vec<Theirs> {
    let (mut client, server) = tokio::io::duplex(1 << 20);
    client.write_all(bytes).await.unwrap();
    client.shutdown().await.unwrap();
    let seen = Rc::new(RefCell::new(Vec::new()));
    let service = service_fn(|request: Request<Incoming>| {
        let seen = Rc::clone(&seen);
        async move {
            let start = format!("{} {}", request.method(), request.uri());
            let (body, trailers, is_whole) = match request.into_body().collect().await {
                Ok(body) => {
                    let trailers = trailer_lines_of(body.trailers());
                    (body.to_bytes().to_vec(), trailers, true)
                }
                Err(_) => (Vec::new(), Vec::new(), false),
            };
            seen.borrow_mut().push(Theirs { start, body, trailers, is_whole });
            Ok::<_, Infallible>(Response::new(Empty::<Bytes>::new()))
        }
    });
    let mut builder = http1::Builder::new();
    let serving = builder.half_close(true).serve_connection(TokioIo::new(server), service);
    let mut answers = Vec::new();
    let (_, read) = tokio::join!(serving, client.read_to_end(&mut answers));
    read.unwrap();
    seen.take()
}
