//! The same bytes, given to hyper's client. Also used by the fuzz targets.

use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper::{Request, client::conn::http1};
use hyper_util::rt::TokioIo;
use portcullis_h1::ResponseError;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};

use crate::{
    hyper_server::{Theirs, lines_of},
    reading::{End, Message},
};

/// What we accept, hyper must accept and frame alike; what is not all there for us must have no end for hyper. Where
/// we refuse, hyper may say anything. Differences that are permitted: none.
pub(crate) fn difference(ours: &[Message], end: End<ResponseError>, theirs: Option<&Theirs>) -> Option<&'static str> {
    match (final_of(ours), theirs) {
        (Some(ours), Some(theirs)) => theirs.differs(ours),
        (Some(_), None) => Some("hyper refuses this response"),
        (None, Some(Theirs { content: Some(_), .. })) if !matches!(end, End::Refused(_)) => {
            Some("hyper sees an end where we see none")
        }
        (None, _) => None,
    }
}

/// The first that is not interim.
pub(crate) fn final_of(messages: &[Message]) -> Option<&Message> {
    messages.iter().find(|message| message.start == "101" || !message.start.starts_with('1'))
}

/// `None`: hyper refuses the head.
pub(crate) async fn read(bytes: &[u8], method: &str) -> Option<Theirs> {
    let (client, mut server) = tokio::io::duplex(1 << 20);
    let (mut sender, connection) = http1::handshake(TokioIo::new(client)).await.unwrap();
    let request = Request::builder().method(method).uri("/").body(Empty::<Bytes>::new()).unwrap();
    let asking = async move {
        let response = sender.send_request(request).await.ok()?;
        let (start, fields) = (response.status().as_u16().to_string(), lines_of(Some(response.headers())));
        let content = response.into_body().collect().await.ok().map(|body| {
            let trailers = lines_of(body.trailers());
            (body.to_bytes().to_vec(), trailers)
        });
        Some(Theirs { start, fields, content })
    };
    let answering = async {
        read_request(&mut server).await;
        // The client may have closed already: what it has read is the answer that counts.
        let _ = server.write_all(bytes).await;
        let _ = server.shutdown().await;
    };
    let (_, (), theirs) = tokio::join!(connection, answering, asking);
    theirs
}

/// hyper takes an answer that comes before its question for an error.
async fn read_request(server: &mut DuplexStream) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(server.read_u8().await.unwrap());
    }
}
