//! The same bytes, given to hyper's server. Also used by the fuzz targets.

use std::{cell::RefCell, convert::Infallible, rc::Rc};

use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper::{
    HeaderMap, Request, Response,
    body::Incoming,
    header::{HeaderName, HeaderValue},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use portcullis_h1::RequestError;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::reading::{End, Message};

/// A message as hyper reads it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Theirs {
    /// As [`Message::start`].
    pub(crate) start: String,
    /// `name: value`, sorted, names in lower case.
    pub(crate) fields: Vec<String>,
    /// Data and trailer lines; none: it ended too early.
    pub(crate) content: Option<(Vec<u8>, Vec<String>)>,
}

impl Theirs {
    /// What hyper reads differently.
    pub(crate) fn differs(&self, ours: &Message) -> Option<&'static str> {
        let fields = ours.fields.iter().map(|line| line.strip_prefix("struck ").unwrap_or(line));
        match &self.content {
            None => Some("hyper does not see this message's end"),
            _ if self.start != ours.start => Some("hyper reads another method, target or status"),
            _ if self.fields != sorted(fields.map(lower_name).collect()) => Some("hyper reads other fields"),
            Some((body, _)) if *body != ours.body => Some("hyper reads another body"),
            Some((_, trailers)) if *trailers != trailer_lines(&ours.trailers) => Some("hyper reads other trailers"),
            Some(_) => None,
        }
    }
}

/// The reverse need not hold: what hyper repairs, we refuse. Where we refuse, hyper may say anything; where we wait
/// for more bytes, it must not have seen an end.
///
/// Differences that are permitted: none. (`"`, `<`, `>` and the backtick in targets, and lengths near 2^64, were some
/// until we refused them too.)
pub(crate) fn difference(ours: &[Message], end: End<RequestError>, theirs: &[Theirs]) -> Option<&'static str> {
    for (at, ours) in ours.iter().enumerate() {
        let Some(theirs) = theirs.get(at) else { return Some("hyper does not see this request") };
        if let Some(difference) = theirs.differs(ours) {
            return Some(difference);
        }
    }
    let more = &theirs[ours.len()..];
    match end {
        End::Between | End::Last => (!more.is_empty()).then_some("hyper sees one request more"),
        End::Within => {
            more.iter().any(|theirs| theirs.content.is_some()).then_some("hyper sees an end where we see none")
        }
        End::Refused(_) => None,
    }
}

fn trailer_lines(section: &[u8]) -> Vec<String> {
    let line = |line: &[u8]| {
        let colon = line.iter().position(|&byte| byte == b':').expect("a trailer line has a colon");
        let (name, value) = (line[..colon].escape_ascii(), line[colon + 1..].trim_ascii().escape_ascii());
        lower_name(&format!("{name}: {value}"))
    };
    sorted(section.split(|&byte| byte == b'\n').filter(|line| !line.is_empty()).map(line).collect())
}

/// What hyper keeps of header lines or trailers.
pub(crate) fn lines_of(map: Option<&HeaderMap>) -> Vec<String> {
    let line = |(name, value): (&HeaderName, &HeaderValue)| {
        format!("{}: {}", name.as_str().as_bytes().escape_ascii(), value.as_bytes().escape_ascii())
    };
    sorted(map.into_iter().flatten().map(line).collect())
}

fn lower_name(line: &str) -> String {
    let (name, value) = line.split_once(": ").expect("a name has neither colon nor space");
    format!("{}: {value}", name.to_ascii_lowercase())
}

fn sorted(mut lines: Vec<String>) -> Vec<String> {
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
            let fields = lines_of(Some(request.headers()));
            let content = request.into_body().collect().await.ok().map(|body| {
                let trailers = lines_of(body.trailers());
                (body.to_bytes().to_vec(), trailers)
            });
            seen.borrow_mut().push(Theirs { start, fields, content });
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
