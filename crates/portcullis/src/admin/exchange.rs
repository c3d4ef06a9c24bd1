//! One request to an admin port and its answer.

use std::{io, sync::Arc, time::Duration};

use anyhow::Context;
use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::{Method, Request, StatusCode, client::conn::http1, header};
use hyper_util::rt::TokioIo;
use portcullis_config::secret::Secret;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpStream, UnixStream},
    time::timeout,
};
use tokio_rustls::TlsConnector;

use super::place::{Place, Transport};

const CONNECT_WITHIN: Duration = Duration::from_secs(5);
/// Longest answer that is read, bytes: some hundred thousand routes.
const LONGEST: usize = 256 * 1024 * 1024;

/// What came back.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) body: Bytes,
}

/// There is no proxy at this place.
#[derive(Debug)]
pub(crate) struct Unreachable {
    place: String,
    cause: io::Error,
}

impl std::fmt::Display for Unreachable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { place, cause } = self;
        match cause.kind() {
            io::ErrorKind::ConnectionRefused | io::ErrorKind::NotFound => {
                write!(f, "nobody answers at the {place}; does the proxy run? `portcullis run` starts it")
            }
            io::ErrorKind::PermissionDenied => {
                write!(f, "the {place} is for its own user and root; ask as one of them")
            }
            io::ErrorKind::TimedOut => write!(f, "the {place} has not answered within five seconds"),
            _ => write!(f, "can not reach the {place}: {cause}"),
        }
    }
}

impl std::error::Error for Unreachable {}

/// Sends one request on a connection of its own.
pub(super) async fn exchange(
    place: &Place,
    token: Option<&Secret>,
    method: &Method,
    path: &str,
) -> anyhow::Result<Answer> {
    let unreachable = |cause: io::Error| Unreachable { place: place.to_string(), cause };
    let late = |_| unreachable(io::ErrorKind::TimedOut.into());
    let tcp = |to: String| async move {
        let stream = timeout(CONNECT_WITHIN, TcpStream::connect(to)).await.map_err(late)?;
        stream.map_err(unreachable)
    };
    match &place.transport {
        Transport::Unix(path_of_socket) => {
            let stream = UnixStream::connect(path_of_socket).await.map_err(unreachable)?;
            ask(stream, place, None, method, path).await
        }
        Transport::Tcp(to) => ask(tcp(to.clone()).await?, place, token, method, path).await,
        Transport::Tls(to, tls) => {
            let connecting =
                TlsConnector::from(Arc::clone(&tls.config)).connect(tls.name.clone(), tcp(to.clone()).await?);
            let stream = timeout(CONNECT_WITHIN, connecting).await.map_err(late)?;
            let stream = stream.with_context(|| format!("TLS with the {place} failed; see --ca, --cert and --key"))?;
            ask(stream, place, token, method, path).await
        }
    }
}

async fn ask<S>(stream: S, place: &Place, token: Option<&Secret>, method: &Method, path: &str) -> anyhow::Result<Answer>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let broken = || format!("the {place} broke off");
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.with_context(broken)?;
    let driver = tokio::spawn(connection);
    let mut request = Request::builder()
        .method(method)
        .uri(path)
        .header(header::HOST, &place.host)
        .header(header::ACCEPT, "application/json")
        .header(header::USER_AGENT, concat!("portcullis/", env!("CARGO_PKG_VERSION")));
    let mut body = Bytes::new();
    if method == Method::POST {
        request = request.header(header::CONTENT_TYPE, "application/json");
        body = Bytes::from_static(b"{}");
    }
    if let Some(token) = token {
        let mut value = header::HeaderValue::try_from(format!("Bearer {}", token.expose()))
            .context("the token holds characters that a header can not carry")?;
        value.set_sensitive(true);
        request = request.header(header::AUTHORIZATION, value);
    }
    let response = sender.send_request(request.body(Full::new(body))?).await.with_context(broken)?;
    let status = response.status();
    let body = Limited::new(response.into_body(), LONGEST).collect().await;
    driver.abort();
    let body = body.map_err(|error| anyhow::anyhow!("{error}")).with_context(broken)?;
    Ok(Answer { status, body: body.to_bytes() })
}
