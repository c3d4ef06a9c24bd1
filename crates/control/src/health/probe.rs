//! One check of one endpoint: connect, and as far beyond that as the probe asks.

use std::{fmt, io, net::SocketAddr, sync::Arc};

use bytes::Bytes;
use http_body_util::Empty;
use hyper::{Request, client::conn::http1, header};
use hyper_util::rt::TokioIo;
use portcullis_balance::Address;
use portcullis_config::declared::ProxyProtocolOut;
use portcullis_plan::{EndpointTls, HealthProbe};
use portcullis_tls::client::{Verify, client_config};
use rustls::pki_types::ServerName;
use tokio::{
    io::{AsyncRead, AsyncWrite, AsyncWriteExt},
    net::{TcpStream, UnixStream},
};
use tokio_rustls::TlsConnector;

use super::Target;

/// Why a check did not end as expected.
#[derive(Debug)]
pub(super) enum Failure {
    /// The address is an admin or metrics port of this process; no connection was made.
    ControlPort(SocketAddr),
    /// Nobody listens there.
    Refused(SocketAddr),
    /// Not within the timeout.
    Timeout,
    /// No connection for another reason.
    Connect(io::Error),
    /// The TLS handshake failed.
    Tls(io::Error),
    /// What came back is not HTTP.
    Http(hyper::Error),
    /// The status is not among those expected.
    Status(u16),
    /// The check itself can not be made.
    Impossible(String),
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ControlPort(address) => write!(f, "{address} is an admin or metrics port of this process"),
            Self::Refused(address) => write!(f, "nobody listens on {address}"),
            Self::Timeout => f.write_str("no answer within the timeout of the check"),
            Self::Connect(error) => write!(f, "can not connect: {error}"),
            Self::Tls(error) => write!(f, "the TLS handshake failed: {error}"),
            Self::Http(error) => write!(f, "the answer is not HTTP: {error}"),
            Self::Status(status) => write!(f, "the check was answered with status {status}"),
            Self::Impossible(why) => f.write_str(why),
        }
    }
}

/// Makes one check. The caller bounds its time.
pub(super) async fn probe(target: &Target, control: &[SocketAddr]) -> Result<(), Failure> {
    match target.state.address() {
        Address::Tcp(address) => {
            let canonical = SocketAddr::new(address.ip().to_canonical(), address.port());
            if control.contains(&canonical) {
                return Err(Failure::ControlPort(*address));
            }
            let stream = TcpStream::connect(address).await.map_err(|error| match error.kind() {
                io::ErrorKind::ConnectionRefused => Failure::Refused(*address),
                _ => Failure::Connect(error),
            })?;
            speak(target, stream).await
        }
        Address::Unix(path) => speak(target, UnixStream::connect(path).await.map_err(Failure::Connect)?).await,
    }
}

trait Stream: AsyncRead + AsyncWrite + Unpin + Send + 'static {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send + 'static> Stream for T {}

async fn speak(target: &Target, mut stream: impl Stream) -> Result<(), Failure> {
    if let Some(version) = target.proxy_protocol {
        stream.write_all(local_header(version)).await.map_err(Failure::Connect)?;
    }
    match (&target.plan.probe, &target.tls) {
        (HealthProbe::Tcp, _) => Ok(()),
        (HealthProbe::Tls, tls) => {
            let tls = match tls {
                Some(tls) => tls.clone(),
                None => bare_tls(&target.authority)?,
            };
            handshake(&tls, stream).await.map(|_| ())
        }
        (HealthProbe::Http { path, host, status }, None) => get(stream, path, host, status).await,
        (HealthProbe::Http { path, host, status }, Some(tls)) => {
            get(handshake(tls, stream).await?, path, host, status).await
        }
    }
}

async fn handshake<S: Stream>(tls: &EndpointTls, stream: S) -> Result<tokio_rustls::client::TlsStream<S>, Failure> {
    TlsConnector::from(Arc::clone(&tls.config)).connect(tls.name.clone(), stream).await.map_err(Failure::Tls)
}

/// For services whose TLS passes through: the clients verify it, the check only asks whether it is spoken. Nothing is
/// sent inside.
fn bare_tls(authority: &str) -> Result<EndpointTls, Failure> {
    let host = authority.rsplit_once(':').map_or(authority, |(host, _)| host);
    let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
    let name = ServerName::try_from(host).map_err(|error| Failure::Impossible(format!("no TLS name: {error}")))?;
    let config = client_config(&Verify::Off, None, &[]).map_err(|error| Failure::Impossible(error.to_string()))?;
    Ok(EndpointTls { config, name })
}

async fn get(stream: impl Stream, path: &str, host: &str, expected: &[(u16, u16)]) -> Result<(), Failure> {
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(Failure::Http)?;
    let _driver = super::AbortOnDrop(tokio::spawn(async move {
        // What goes wrong on the connection is told by the response.
        let _ = connection.await;
    }));
    let request = Request::get(path)
        .header(header::HOST, host)
        .header(header::USER_AGENT, concat!("portcullis-health/", env!("CARGO_PKG_VERSION")))
        .header(header::ACCEPT, "*/*")
        .header(header::CONNECTION, "close")
        .body(Empty::<Bytes>::new())
        .map_err(|error| Failure::Impossible(format!("no request can be made of `health`: {error}")))?;
    let response = sender.send_request(request).await.map_err(Failure::Http)?;
    let status = response.status().as_u16();
    let is_expected = expected.iter().any(|(first, last)| (*first..=*last).contains(&status));
    if is_expected { Ok(()) } else { Err(Failure::Status(status)) }
}

/// A PROXY header for a connection that nobody is behind: `UNKNOWN` in version 1, `LOCAL` in version 2.
fn local_header(version: ProxyProtocolOut) -> &'static [u8] {
    match version {
        ProxyProtocolOut::V1 => b"PROXY UNKNOWN\r\n",
        ProxyProtocolOut::V2 => b"\r\n\r\n\0\r\nQUIT\n\x20\x00\x00\x00",
    }
}
