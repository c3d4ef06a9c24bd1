//! The same bytes, given to hyper's client: whatever response we accept, it accepts, and means the same by it.

use std::cell::Cell;

use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper::{Request, client::conn::http1};
use hyper_util::rt::TokioIo;
use portcullis_h1::Limits;
use proptest::prelude::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};

use crate::{
    hyper_server::{trailer_lines, trailer_lines_of},
    reading::{End, responses},
    traffic,
};

/// A response as hyper reads it.
#[derive(Debug)]
struct Theirs {
    status: String,
    /// Data and trailer lines; none: it ended too early.
    content: Option<(Vec<u8>, Vec<String>)>,
}

#[test]
fn hyper_accepts_every_response_that_we_accept_and_frames_it_alike() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let mut config = traffic::cases();
    config.source_file = Some(file!());
    let (cases, compared) = (config.cases, Cell::new(0));
    proptest!(config, |(bytes in traffic::responses(), method in prop_oneof![3 => Just("GET"), 1 => Just("HEAD")])| {
        let theirs = runtime.block_on(read_by_hyper(&bytes, method));
        let (ours, end) = responses(&bytes, &[], method.as_bytes(), &Limits::default());
        let shown = format!("{}\nours {ours:#?} {end:?}\ntheirs {theirs:#?}", bytes.escape_ascii());
        let Some(ours) = ours.iter().find(|message| message.start == "101" || !message.start.starts_with('1')) else {
            // No final response. Refused: hyper may say anything. Not all there: it must not see an end.
            let is_whole = theirs.is_some_and(|theirs| theirs.content.is_some());
            prop_assert!(matches!(end, End::Refused(_)) || !is_whole, "hyper sees an end where we see none\n{shown}");
            return Ok(());
        };
        compared.set(compared.get() + 1);
        let Some(theirs) = theirs else { panic!("hyper refuses what we accept\n{shown}") };
        prop_assert_eq!(&theirs.status, &ours.start, "hyper reads another status\n{}", shown);
        let Some((body, trailers)) = theirs.content else { panic!("hyper does not see this response's end\n{shown}") };
        prop_assert_eq!(&body, &ours.body, "hyper reads another body\n{}", shown);
        prop_assert_eq!(trailers, trailer_lines(&ours.trailers), "hyper reads other trailers\n{}", shown);
    });
    assert!(compared.get() > cases / 4, "{} of {cases} responses were accepted and compared", compared.get());
}

/// `None`: hyper refuses the head.
async fn read_by_hyper(bytes: &[u8], method: &str) -> Option<Theirs> {
    let (client, mut server) = tokio::io::duplex(1 << 20);
    let (mut sender, connection) = http1::handshake(TokioIo::new(client)).await.unwrap();
    let request = Request::builder().method(method).uri("/").body(Empty::<Bytes>::new()).unwrap();
    let asking = async move {
        let response = sender.send_request(request).await.ok()?;
        let status = response.status().as_u16().to_string();
        let content = response.into_body().collect().await.ok().map(|body| {
            let trailers = trailer_lines_of(body.trailers());
            (body.to_bytes().to_vec(), trailers)
        });
        Some(Theirs { status, content })
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
