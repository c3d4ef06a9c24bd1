//! What happens before the protocol begins: PROXY header, TLS, and what the first bytes are.

use std::{
    io,
    net::SocketAddr,
    sync::Arc,
    task::{Context, Poll, Waker},
};

use portcullis_identity::ClientCertificate;
use portcullis_observe::Termination;
use portcullis_plan::Terminated;
use portcullis_preface::{
    client_hello::{HelloError, HelloReader, Peek},
    proxy_protocol::{self, Parsed, ProxyError},
};
use portcullis_tls::{
    peer::PeerCertificate,
    words::{self, Peer},
};
use tokio::{io::ReadBuf, net::TcpStream};

use crate::{
    buffer::Buffer,
    deadline::Deadline,
    io::{Io, Stream},
    visit::{Ended, TlsFacts},
};

/// Whether a client that has not been heard yet has gone, and how.
pub(crate) fn is_gone(stream: &TcpStream) -> Option<Ended> {
    if let Ok(Some(error)) | Err(error) = stream.take_error() {
        return Some(Ended::because(Termination::ClientReset, error.to_string()));
    }
    let mut context = Context::from_waker(Waker::noop());
    let mut byte = [0; 1];
    match stream.poll_peek(&mut context, &mut ReadBuf::new(&mut byte)) {
        Poll::Ready(Ok(0)) => Some(Termination::Empty.into()),
        Poll::Ready(Err(error)) => Some(Ended::because(Termination::ClientReset, error.to_string())),
        Poll::Ready(Ok(_)) | Poll::Pending => None,
    }
}

/// Reads the PROXY header that a declared source must send. Not one byte beyond it is taken from the socket, so that
/// what follows (TLS, or bytes for splice) begins where it should.
pub(crate) async fn read_proxy_header(stream: &TcpStream, deadline: &Deadline) -> Result<Option<SocketAddr>, Ended> {
    let mut header: Vec<u8> = Vec::new();
    let mut window = [0; 512];
    loop {
        let seen = deadline.race(stream.peek(&mut window)).await.map_err(timed_out)?;
        if seen == 0 {
            return Err(if header.is_empty() {
                Termination::Empty.into()
            } else {
                Termination::ProxyHeaderInvalid.into()
            });
        }
        let already = header.len();
        header.extend_from_slice(&window[..seen]);
        let parsed = proxy_protocol::parse(&header).map_err(|error| {
            let termination = match error {
                ProxyError::Missing => Termination::ProxyHeaderMissing,
                _ => Termination::ProxyHeaderInvalid,
            };
            Ended::because(termination, error.to_string())
        })?;
        // Whatever is incomplete belongs to the header: it can be taken.
        let taken = match parsed {
            Parsed::Incomplete => seen,
            Parsed::Local { consumed } | Parsed::Proxied { consumed, .. } => consumed - already,
        };
        stream.try_read(&mut window[..taken]).map_err(timed_out)?;
        match parsed {
            Parsed::Incomplete => {}
            Parsed::Local { .. } => return Ok(None),
            Parsed::Proxied { source, .. } => return Ok(Some(source)),
        }
    }
}

/// The TLS handshake of a port that terminates it.
pub(crate) async fn handshake(
    stream: TcpStream,
    terminated: &Terminated,
    deadline: &Deadline,
) -> Result<(Io, TlsFacts, Option<String>, Vec<String>), Ended> {
    let mut first = [0; 1];
    if deadline.race(stream.peek(&mut first)).await.map_err(timed_out)? == 0 {
        return Err(Termination::Empty.into());
    }
    if first[0] != 22 {
        return Err(plaintext_on_tls(&stream, first[0]));
    }
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::clone(&terminated.config));
    let stream = deadline.race(acceptor.accept(stream)).await.map_err(|error| handshake_error(&error))?;
    let (_, session) = stream.get_ref();
    let certificate = session
        .peer_certificates()
        .and_then(|chain| chain.first())
        .map(|leaf| PeerCertificate::from_der(leaf))
        .transpose()
        .map_err(|error| Ended::because(Termination::TlsClientCertificate, error.to_string()))?;
    if let Some(certificate) = &certificate {
        let is_current = terminated.is_current(certificate);
        is_current.map_err(|why| Ended::because(Termination::TlsClientCertificate, why))?;
    }
    let facts = TlsFacts {
        version: match session.protocol_version() {
            Some(rustls::ProtocolVersion::TLSv1_3) => "TLSv1.3",
            _ => "TLSv1.2",
        },
        cipher: session
            .negotiated_cipher_suite()
            .and_then(|suite| suite.suite().as_str())
            .unwrap_or_default()
            .to_owned(),
        resumed: session.handshake_kind() == Some(rustls::HandshakeKind::Resumed),
        client: certificate.as_ref().map(|certificate| certificate.subject.clone()),
        forwarded: certificate.as_ref().map(forwarded_certificate),
        certificate: certificate.as_ref().map(as_identity_sees),
    };
    let sni = session.server_name().map(str::to_ascii_lowercase);
    let names = certificate.map(|certificate| certificate.names().map(str::to_owned).collect()).unwrap_or_default();
    Ok((Io::from(Stream::ServerTls(Box::new(stream))), facts, sni, names))
}

fn as_identity_sees(certificate: &PeerCertificate) -> ClientCertificate {
    let not_after = certificate.not_after().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    ClientCertificate {
        thumbprint: certificate.thumbprint,
        subject: certificate.subject.as_str().into(),
        names: certificate.names().map(Into::into).collect(),
        not_after: not_after.as_secs(),
    }
}

/// `X-Forwarded-Client-Cert`, in the form that Envoy made known.
fn forwarded_certificate(certificate: &PeerCertificate) -> String {
    let subject = format!("Hash={};Subject=\"{}\"", certificate.fingerprint, quoted(&certificate.subject));
    let uris = certificate.uri_sans.iter().map(|name| format!(";URI={}", element(name)));
    let names = certificate.dns_sans.iter().map(|name| format!(";DNS={}", element(name)));
    [subject].into_iter().chain(uris).chain(names).collect()
}

/// A bare value: nothing that could end it or begin quotes. A name of its kind has none of these.
fn element(text: &str) -> String {
    text.chars()
        .filter(|character| matches!(character, '!'..='~') && !matches!(character, ',' | ';' | '"' | '\\'))
        .collect()
}

/// Nothing that could end the value, the quotes or the line.
fn quoted(text: &str) -> String {
    text.chars()
        .filter(|character| matches!(character, ' '..='~'))
        .flat_map(|character| {
            let escape = matches!(character, '"' | '\\').then_some('\\');
            escape.into_iter().chain([character])
        })
        .filter(|character| !matches!(character, ';'))
        .collect()
}

/// Someone speaks HTTP to an https port: tell them in HTTP, which is what they will show.
fn plaintext_on_tls(stream: &TcpStream, first: u8) -> Ended {
    if first.is_ascii_uppercase() {
        let answer =
            b"HTTP/1.1 400 Bad Request\r\ncontent-type: text/plain\r\nconnection: close\r\ncontent-length: 47\r\n\r\n\
            400 Bad Request: this port speaks https: only.\n";
        let mut sink = [0; 4096];
        let _ = stream.try_read(&mut sink);
        let _ = stream.try_write(answer);
    }
    Ended::because(Termination::PlaintextOnTls, "plain bytes on a TLS port")
}

fn handshake_error(error: &io::Error) -> Ended {
    use rustls::Error;
    let termination = match words::cause(error) {
        Some(Error::NoCertificatesPresented | Error::InvalidCertificate(_)) => Termination::TlsClientCertificate,
        Some(error) if words::refuses_certificate(error) => Termination::TlsCertificateRefused,
        None if error.kind() == io::ErrorKind::TimedOut => Termination::ClientTimeoutHandshake,
        Some(_) | None => Termination::TlsHandshakeFailed,
    };
    Ended::because(termination, words::of_handshake(error, Peer::Client))
}

/// Reads a ClientHello that will be passed on as it is; returns the name asked for.
pub(crate) async fn peek_hello(io: &Io, input: &mut Buffer, deadline: &Deadline) -> Result<Option<String>, Ended> {
    let mut hello = HelloReader::default();
    loop {
        match hello.read(input.filled()) {
            Ok(Peek::Hello { sni, .. }) => return Ok(sni),
            Ok(Peek::Incomplete) => {}
            Err(error @ HelloError::NotTls) => {
                return Err(Ended::because(Termination::PlaintextOnTls, error.to_string()));
            }
            Err(error) => return Err(Ended::because(Termination::TlsHandshakeFailed, error.to_string())),
        }
        input.grow(input.filled().len() + 4096);
        match io.read(input, deadline).await.map_err(timed_out)? {
            0 if input.is_empty() => return Err(Termination::Empty.into()),
            0 => return Err(Termination::ClientClosed.into()),
            _ => {}
        }
    }
}

#[allow(clippy::needless_pass_by_value)] // handed to map_err
fn timed_out(error: io::Error) -> Ended {
    match error.kind() {
        io::ErrorKind::TimedOut => Termination::ClientTimeoutHandshake.into(),
        _ => Ended::because(Termination::ClientReset, error.to_string()),
    }
}
