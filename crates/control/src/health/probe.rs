//! One check of one endpoint: connect, and as far beyond that as the probe asks.

use std::{fmt, io, net::SocketAddr, sync::Arc};

use bytes::Bytes;
use http_body_util::Empty;
use hyper::{Request, client::conn::http1, header};
use hyper_util::rt::TokioIo;
use portcullis_balance::Address;
use portcullis_config::declared::ProxyProtocolOut;
use portcullis_plan::{EndpointTls, HealthProbe};
use portcullis_preface::proxy_protocol::{write_v1_unknown, write_v2_local};
use portcullis_tls::{
    client::{Verify, client_config},
    words::{self, Peer},
};
use rustls::pki_types::ServerName;
use tokio::{
    io::{AsyncRead, AsyncWrite, AsyncWriteExt},
    net::{TcpStream, UnixStream},
};
use tokio_rustls::TlsConnector;

use super::Target;
use crate::AbortOnDrop;

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
            Self::Tls(error) => write!(f, "the TLS handshake failed: {}", words::of_handshake(error, Peer::Endpoint)),
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
        stream.write_all(&local_header(version)).await.map_err(Failure::Connect)?;
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
    let _driver = AbortOnDrop(tokio::spawn(async move {
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
fn local_header(version: ProxyProtocolOut) -> Vec<u8> {
    let mut header = Vec::with_capacity(16);
    match version {
        ProxyProtocolOut::V1 => write_v1_unknown(&mut header),
        ProxyProtocolOut::V2 => write_v2_local(&mut header),
    }
    header
}

#[cfg(test)]
mod tests {
    use std::{fs, time::Duration};

    use portcullis_balance::{EndpointKey, Registry};
    use portcullis_observe::metrics;
    use portcullis_plan::HealthPlan;
    use tokio::{
        io::AsyncReadExt,
        net::{TcpListener, UnixListener},
    };

    use super::*;

    fn target(address: Address, probe: HealthProbe, proxy_protocol: Option<ProxyProtocolOut>) -> Target {
        let key = EndpointKey { service: "shop".into(), address, form: 0 };
        Target {
            service: "shop".into(),
            label: key.address.to_string().into(),
            authority: key.address.to_string().into(),
            state: Registry::new(1).endpoint(&key),
            metrics: metrics::Registry::new(1, metrics::Buckets::default()).endpoint("shop", "endpoint"),
            tls: None,
            proxy_protocol,
            plan: HealthPlan {
                probe,
                every: Duration::from_secs(1),
                timeout: Duration::from_secs(1),
                rise: 1,
                fall: 1,
            },
        }
    }

    fn http(expected: &[(u16, u16)]) -> HealthProbe {
        HealthProbe::Http { path: "/healthz".into(), host: "shop.internal".into(), status: expected.into() }
    }

    /// Accepts once, reads one request, answers, and returns what it read.
    async fn answer(mut stream: impl AsyncRead + AsyncWrite + Unpin, answer: &str) -> String {
        let mut read = vec![0; 4096];
        let length = stream.read(&mut read).await.unwrap();
        stream.write_all(answer.as_bytes()).await.unwrap();
        String::from_utf8(read[..length].to_vec()).unwrap()
    }

    async fn listener() -> (TcpListener, SocketAddr) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        (listener, address)
    }

    #[tokio::test]
    async fn a_status_counts_by_the_spans_that_are_expected() {
        for (status, expected, passes) in [
            (200, &[(200, 399)][..], true),
            (399, &[(200, 399)], true),
            (404, &[(200, 399)], false),
            (404, &[(200, 204), (404, 404)], true),
            (503, &[(200, 399)], false),
        ] {
            let (listener, address) = listener().await;
            let target = target(Address::Tcp(address), http(expected), None);
            let response = format!("HTTP/1.1 {status} X\r\nContent-Length: 0\r\n\r\n");
            let serving = async { answer(listener.accept().await.unwrap().0, &response).await };
            let (result, request) = tokio::join!(probe(&target, &[]), serving);
            assert_eq!(result.is_ok(), passes, "{status} {result:?}");
            assert!(request.starts_with("GET /healthz HTTP/1.1\r\nhost: shop.internal\r\n"), "{request}");
        }
    }

    #[tokio::test]
    async fn an_answer_that_is_no_http_fails() {
        let (listener, address) = listener().await;
        let target = target(Address::Tcp(address), http(&[(200, 399)]), None);
        let serving = async { answer(listener.accept().await.unwrap().0, "220 mail.example ESMTP\r\n").await };
        let (result, _) = tokio::join!(probe(&target, &[]), serving);
        assert!(matches!(result, Err(Failure::Http(_))), "{result:?}");
    }

    #[tokio::test]
    async fn a_service_that_takes_a_proxy_header_gets_one_that_names_nobody() {
        for (version, expected) in
            [(ProxyProtocolOut::V1, "PROXY UNKNOWN\r\n"), (ProxyProtocolOut::V2, "\r\n\r\n\0\r\nQUIT\n\x20\0\0\0")]
        {
            let (listener, address) = listener().await;
            let target = target(Address::Tcp(address), HealthProbe::Tcp, Some(version));
            let serving = async { answer(listener.accept().await.unwrap().0, "").await };
            let (result, read) = tokio::join!(probe(&target, &[]), serving);
            assert!(result.is_ok(), "{result:?}");
            assert_eq!(read, expected);
        }
    }

    #[tokio::test]
    async fn unix_sockets_are_checked_like_any_other_endpoint() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("shop.sock");
        let listener = UnixListener::bind(&path).unwrap();
        let target = target(Address::Unix(path.clone()), http(&[(200, 200)]), None);
        let serving =
            async { answer(listener.accept().await.unwrap().0, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await };
        let (result, _) = tokio::join!(probe(&target, &[]), serving);
        assert!(result.is_ok(), "{result:?}");
        fs::remove_file(&path).unwrap();
        assert!(matches!(probe(&target, &[]).await, Err(Failure::Connect(_))));
    }

    #[tokio::test]
    async fn a_control_port_is_never_connected_to_however_its_address_is_written() {
        let (listener, address) = listener().await;
        let mapped = format!("[::ffff:127.0.0.1]:{}", address.port()).parse().unwrap();
        for address_of_endpoint in [address, mapped] {
            let target = target(Address::Tcp(address_of_endpoint), HealthProbe::Tcp, None);
            assert!(matches!(probe(&target, &[address]).await, Err(Failure::ControlPort(_))));
        }
        let accepted = tokio::time::timeout(Duration::from_millis(20), listener.accept()).await;
        assert!(accepted.is_err(), "nobody has knocked");
    }

    #[tokio::test]
    async fn a_port_at_which_nobody_listens_is_told_from_other_failures() {
        let (listener, address) = listener().await;
        drop(listener);
        let target = target(Address::Tcp(address), HealthProbe::Tcp, None);
        assert!(matches!(probe(&target, &[]).await, Err(Failure::Refused(refused)) if refused == address));
    }
}
