//! Opening connections to endpoints.

use std::{io, net::SocketAddr, rc::Rc, sync::Arc};

use portcullis_balance::{Address, Fault};
use portcullis_config::declared::ProxyProtocolOut;
use portcullis_observe::Termination;
use portcullis_plan::{EndpointPlan, EndpointTls, ServicePlan};
use portcullis_preface::proxy_protocol;
use portcullis_tls::words::{self, Peer};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpStream, UnixStream},
};

use crate::{
    deadline::Deadline,
    io::{Io, Stream},
    worker::Worker,
};

/// Why there is no connection to an endpoint.
#[derive(Debug)]
pub(crate) struct ConnectError {
    pub(crate) termination: Termination,
    pub(crate) detail: String,
}

impl ConnectError {
    /// Whether nobody was reached at all.
    pub(crate) fn fault(&self) -> Fault {
        match self.termination {
            Termination::ConnectRefused | Termination::ConnectTimeout | Termination::ConnectFailed => {
                Fault::Unreachable
            }
            _ => Fault::Unserved,
        }
    }
}

/// Who is behind a connection, for the PROXY header.
#[derive(Debug, Clone, Copy)]
pub(crate) enum OnBehalfOf {
    /// A client, and where it has connected to.
    Client { source: SocketAddr, destination: SocketAddr },
    /// Whoever stands before us connects for itself, to check that we are there: it has said so.
    Nobody,
}

/// Opens a connection to `endpoint`: connect, PROXY header, TLS, all within the connect timeout.
pub(crate) async fn connect(
    worker: &Rc<Worker>,
    service: &ServicePlan,
    endpoint: &EndpointPlan,
    control: &[SocketAddr],
    client: OnBehalfOf,
    deadline: &Deadline,
) -> Result<Io, ConnectError> {
    deadline.set(service.timeouts.connect);
    let result = open(service, endpoint, control, client, deadline).await;
    deadline.clear();
    let counters = endpoint.metrics.shard(worker.index);
    match &result {
        Ok(_) => counters.connects.add(1),
        Err(_) => counters.connect_failures.add(1),
    }
    result
}

async fn open(
    service: &ServicePlan,
    endpoint: &EndpointPlan,
    control: &[SocketAddr],
    client: OnBehalfOf,
    deadline: &Deadline,
) -> Result<Io, ConnectError> {
    let failed = |error: io::Error| ConnectError {
        termination: match error.kind() {
            io::ErrorKind::ConnectionRefused | io::ErrorKind::NotFound => Termination::ConnectRefused,
            io::ErrorKind::TimedOut => Termination::ConnectTimeout,
            _ => Termination::ConnectFailed,
        },
        detail: match error.kind() {
            io::ErrorKind::ConnectionRefused => format!("nobody listens on {}", endpoint.label),
            io::ErrorKind::TimedOut => {
                format!("{} did not accept within {:?}", endpoint.label, service.timeouts.connect)
            }
            _ => format!("connecting to {} failed: {error}", endpoint.label),
        },
    };
    let stream = match endpoint.state.address() {
        // Checked when loading; a name may since lead elsewhere, and this is the last place to notice.
        Address::Tcp(address) if control.contains(address) => {
            let detail = format!("{address} is an admin or metrics port of this process");
            return Err(ConnectError { termination: Termination::OwnControlPort, detail });
        }
        Address::Tcp(address) => {
            let stream = deadline.race(TcpStream::connect(*address)).await.map_err(failed)?;
            // Small writes are whole messages here; waiting for more would only add latency.
            stream.set_nodelay(true).map_err(failed)?;
            Stream::Tcp(stream)
        }
        Address::Unix(path) => Stream::Unix(deadline.race(UnixStream::connect(path)).await.map_err(failed)?),
    };
    let io = Io::from(stream);
    if let Some(version) = service.proxy_protocol {
        let mut header = Vec::with_capacity(108);
        match (version, client) {
            (ProxyProtocolOut::V1, OnBehalfOf::Client { source, destination }) => {
                proxy_protocol::write_v1(source, destination, &mut header);
            }
            (ProxyProtocolOut::V2, OnBehalfOf::Client { source, destination }) => {
                proxy_protocol::write_v2(source, destination, &mut header);
            }
            (ProxyProtocolOut::V1, OnBehalfOf::Nobody) => proxy_protocol::write_v1_unknown(&mut header),
            (ProxyProtocolOut::V2, OnBehalfOf::Nobody) => proxy_protocol::write_v2_local(&mut header),
        }
        io.write_all(&header, deadline).await.map_err(failed)?;
    }
    let Some(tls) = &endpoint.tls else { return Ok(io) };
    let shaken = match io.into_stream() {
        Stream::Tcp(stream) => handshake(tls, stream, deadline).await.map(|tls| Stream::ClientTls(Box::new(tls))),
        Stream::Unix(stream) => handshake(tls, stream, deadline).await.map(|tls| Stream::ClientTlsUnix(Box::new(tls))),
        already @ (Stream::ServerTls(_) | Stream::ClientTls(_) | Stream::ClientTlsUnix(_)) => Ok(already),
    };
    shaken.map(Io::from).map_err(|error| match error.kind() {
        io::ErrorKind::TimedOut => ConnectError {
            termination: Termination::EndpointTlsTimeout,
            detail: format!(
                "{} accepted the connection and did not finish the TLS handshake within {:?}",
                endpoint.label, service.timeouts.connect
            ),
        },
        _ => ConnectError {
            termination: Termination::EndpointTlsFailed,
            detail: format!("TLS with {} failed: {}", endpoint.label, words::of_handshake(&error, Peer::Endpoint)),
        },
    })
}

async fn handshake<S: AsyncRead + AsyncWrite + Unpin>(
    tls: &EndpointTls,
    stream: S,
    deadline: &Deadline,
) -> io::Result<tokio_rustls::client::TlsStream<S>> {
    let connector = tokio_rustls::TlsConnector::from(Arc::clone(&tls.config));
    deadline.race(connector.connect(tls.name.clone(), stream)).await
}
