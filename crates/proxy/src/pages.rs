//! Our own pages below `/.portcullis/`: from a request on a connection to a whole message, and back.
//!
//! Owns: reading such a request's body within bounds, and writing the answer. What is on the pages is in
//! [`portcullis_identity::pages`]; they are made on the control plane, while this worker goes on.
//!
//! Invariant: a path of ours never comes to a service, on ports without pages neither.

use std::{cell::Cell, time::Duration};

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, Request, Response, Uri, header};
use portcullis_h1::{Field, Framing, Known as Name};
use portcullis_identity::{Authenticator, PageRequest, pages::Pages};
use portcullis_observe::Termination;
use portcullis_plan::PortPlan;

use crate::{
    answer::{self, Reply},
    body::{Chunk, RelayError},
    cookies,
    downstream::Http1,
    failure,
    refusal::Refused,
    respond::{Finished, respond},
    story::Story,
    visit::{Ended, Visit},
};

/// Bytes of a form, or of a logout token, that are read.
const LONGEST_BODY: u64 = 64 * 1024;
/// How long a client may take over the next part of it.
const BODY_TIME: Duration = Duration::from_secs(10);

/// Whether the path (in normal form) is one of ours.
pub(crate) fn owns(identity: &Authenticator, path: &[u8]) -> bool {
    // The first comparison settles it for nearly every request.
    path.starts_with(b"/.p") && identity.has_pages() && std::str::from_utf8(path).is_ok_and(Pages::owns)
}

/// Serves one of our pages.
pub(crate) async fn serve(
    visit: &Visit,
    client: &mut Http1,
    port: &PortPlan,
    identity: &Authenticator,
    (host, path): (&str, &[u8]),
    story: &mut Story<'_>,
) -> Result<Finished, Refused> {
    if host.is_empty() || !port.routes.serves(host) {
        let ended = Ended::because(Termination::NoRoute, format!("no route of this port is for the host `{host}`"));
        return Err(Refused::new(404, ended, "nothing is served here"));
    }
    let body = read_body(client, port, story).await?;
    let authority = client.head.authority.map(|span| span.of(client.text()).to_ascii_lowercase()).unwrap_or_default();
    let asked = PageRequest {
        request: request(client, path, body)?,
        scheme: visit.scheme(),
        authority: String::from_utf8_lossy(&authority).into(),
        source: Some(visit.source.ip()),
        providers: identity.for_login(port.routes.asked()).cloned().collect(),
    };
    let page = identity.page(asked).await;
    let status = page.status().as_u16();
    let write = |reply: Reply, out: &mut Vec<u8>| write_page(&page, reply, out);
    Ok(respond(visit, client, status, Termination::Responded, story, write).await)
}

async fn read_body(client: &mut Http1, port: &PortPlan, story: &mut Story<'_>) -> Result<Bytes, Refused> {
    let mut body = Vec::new();
    if client.head.framing == Framing::None {
        return Ok(body.into());
    }
    if client.head.expects_continue {
        client.deadline.set(BODY_TIME);
        // A client that is gone is found out by the next read.
        let _ = client.io.write_all(b"HTTP/1.1 100 Continue\r\n\r\n", &client.deadline).await;
    }
    let passed = Cell::new(0);
    let mut limits = port.limits;
    limits.body_bytes = Some(limits.body_bytes.map_or(LONGEST_BODY, |limit| limit.min(LONGEST_BODY)));
    let read = async {
        let (reader, _) = client.split();
        let mut source = reader.into_source(BODY_TIME, &limits, &passed);
        loop {
            match source.next()? {
                Chunk::Data(data) => body.extend_from_slice(data),
                Chunk::End(_) => return Ok(()),
                Chunk::Starved => source.fill().await?,
            }
        }
    };
    let read: Result<(), RelayError> = read.await;
    story.bytes_received += passed.get();
    match read {
        Ok(()) => Ok(body.into()),
        Err(error) => {
            let failure = failure::upload_failure(Some(error));
            // A client that is gone does not read what it is answered.
            Err(Refused::new(failure.status.unwrap_or(400), failure.ended, failure.told))
        }
    }
}

/// The request, with nothing in it that pages have no use for.
fn request(client: &Http1, path: &[u8], body: Bytes) -> Result<Request<Bytes>, Refused> {
    let bad = |what: &str| {
        let ended = Ended::because(Termination::BadRequest, format!("for a page of ours, {what}"));
        Refused::new(400, ended, "the request is malformed")
    };
    let text = client.text();
    let mut target = path.to_vec();
    if let Some(query) = client.head.query {
        target.push(b'?');
        target.extend_from_slice(query.of(text));
    }
    let mut request = Request::new(body);
    *request.uri_mut() = Uri::try_from(target).map_err(|_| bad("its target is no address"))?;
    *request.method_mut() = Method::from_bytes(client.head.method.of(text)).map_err(|_| bad("its method is none"))?;
    let passes = |field: &&Field| !field.struck && field.known != Name::Cookie && !field.known.is_hop_by_hop();
    for field in client.head.fields.iter().filter(passes) {
        let name = HeaderName::from_bytes(field.name.of(text)).map_err(|_| bad("a header name is none"))?;
        let value = HeaderValue::from_bytes(field.value.of(text)).map_err(|_| bad("a header value is none"))?;
        request.headers_mut().append(name, value);
    }
    let cookies = cookies::own(&client.head.fields, text);
    if !cookies.is_empty() {
        let mut cookies = HeaderValue::from_bytes(&cookies).map_err(|_| bad("a cookie is none"))?;
        cookies.set_sensitive(true);
        request.headers_mut().insert(header::COOKIE, cookies);
    }
    Ok(request)
}

fn write_page(page: &Response<Bytes>, reply: Reply, out: &mut Vec<u8>) {
    let lines = page.headers().iter().map(|(name, value)| (name.as_str().as_bytes(), value.as_bytes()));
    answer::write_whole(page.status().as_u16(), lines, page.body(), reply, out);
}
