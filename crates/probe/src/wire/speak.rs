//! Finding out whether a port speaks what it is declared to speak.

use std::{io, net::IpAddr, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::timeout,
};

use super::{
    Answer, Hello, Speaks, Wire, handshake,
    http::{ask, status_of},
    identify::identify,
    postgres,
    stream::read_until,
    tls::Broken,
};

/// What a port is declared to speak.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Protocol {
    /// Anything.
    Tcp,
    /// TLS that carries anything.
    Tls,
    /// HTTP.
    Http,
    /// HTTP within TLS.
    Https,
    /// PostgreSQL.
    Postgres,
    /// Redis.
    Redis,
    /// SSH.
    Ssh,
}

impl Protocol {
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Tcp => "TCP",
            Self::Tls => "TLS",
            Self::Http => "HTTP",
            Self::Https => "HTTPS",
            Self::Postgres => "PostgreSQL",
            Self::Redis => "Redis",
            Self::Ssh => "SSH",
        }
    }

    /// Whether that is what is spoken.
    pub(crate) fn is(self, speaks: &Speaks) -> bool {
        match self {
            Self::Tcp => true,
            Self::Tls => matches!(speaks, Speaks::Tls(_) | Speaks::TlsForCertificates | Speaks::Https(_)),
            Self::Http => matches!(speaks, Speaks::Http(_)),
            Self::Https => matches!(speaks, Speaks::Https(_) | Speaks::TlsForCertificates),
            Self::Postgres => matches!(speaks, Speaks::Postgres),
            Self::Redis => matches!(speaks, Speaks::Redis(_)),
            Self::Ssh => matches!(speaks, Speaks::Ssh(_)),
        }
    }

    /// How it was found out.
    pub(crate) fn tried(self) -> &'static str {
        match self {
            Self::Tcp => "connected",
            Self::Tls => "connected and shook hands in TLS",
            Self::Http => "connected and sent a GET",
            Self::Https => "connected, shook hands in TLS and sent a GET",
            Self::Postgres => "connected and asked for TLS as PostgreSQL clients do",
            Self::Redis => "connected and sent a PING",
            Self::Ssh => "connected and waited for a banner",
        }
    }
}

/// What is expected of a port, and what is needed to ask for it.
#[derive(Debug, Clone)]
pub(crate) struct Expected {
    pub(crate) protocol: Protocol,
    /// Of the Host header and the server name.
    pub(crate) host: Option<String>,
    /// Of the request.
    pub(crate) path: String,
    /// Sent ahead: a PROXY header that names nobody.
    pub(crate) ahead: Option<&'static [u8]>,
}

/// PROXY protocol v2, command LOCAL: the connection is the sender's own.
pub(crate) const PROXY_LOCAL: &[u8] = b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0";

/// How long a port that may speak first, or close, is waited for.
const FIRST_WORD: Duration = Duration::from_millis(250);

/// Says what the protocol begins with, and listens.
pub(crate) async fn speak(mut wire: Wire, address: IpAddr, expected: &Expected) -> Answer {
    if let Some(header) = expected.ahead
        && wire.write_all(header).await.is_err()
    {
        return Answer::Denied;
    }
    let host = expected.host.clone().unwrap_or_else(|| match address {
        IpAddr::V6(address) => format!("[{address}]"),
        IpAddr::V4(address) => address.to_string(),
    });
    let said = match expected.protocol {
        Protocol::Tcp => first_word(&mut wire).await,
        Protocol::Http => {
            ask(&mut wire, &host, &expected.path).await.map(|answer| identify(&answer).unwrap_or(Speaks::Silent))
        }
        Protocol::Redis => redis(&mut wire).await,
        Protocol::Ssh => read_until(&mut wire, |bytes| bytes.contains(&b'\n'))
            .await
            .map(|bytes| identify(&bytes).unwrap_or(Speaks::Silent)),
        Protocol::Postgres => postgres::ask(&mut wire).await,
        Protocol::Tls | Protocol::Https => return tls(wire, address, &host, expected).await,
    };
    let has_spoken = !wire.first_bytes().is_empty();
    match said {
        // Nothing at all before the end is a refusal of whoever accepted.
        Ok(Speaks::Silent) | Err(_) if !has_spoken && expected.protocol != Protocol::Tcp => Answer::Denied,
        Ok(speaks) => Answer::Open(speaks),
        Err(_) => identify(wire.first_bytes()).map_or(Answer::Denied, Answer::Open),
    }
}

/// Anything may be spoken, and mostly the client begins: who neither speaks nor closes for a moment is open.
async fn first_word(wire: &mut Wire) -> io::Result<Speaks> {
    let mut buffer = [0; 256];
    match timeout(FIRST_WORD, wire.read(&mut buffer)).await {
        Err(_) => Ok(Speaks::Silent),
        Ok(Ok(0)) => Err(io::ErrorKind::UnexpectedEof.into()),
        Ok(Ok(count)) => Ok(identify(&buffer[..count]).unwrap_or(Speaks::Silent)),
        Ok(Err(error)) => Err(error),
    }
}

async fn redis(wire: &mut Wire) -> io::Result<Speaks> {
    wire.write_all(b"*1\r\n$4\r\nPING\r\n").await?;
    let bytes = read_until(wire, |bytes| bytes.contains(&b'\n')).await?;
    Ok(identify(&bytes).unwrap_or(Speaks::Silent))
}

async fn tls(wire: Wire, address: IpAddr, host: &str, expected: &Expected) -> Answer {
    let Some(hello) = Hello::new(expected.host.as_deref(), address, None) else {
        return Answer::NotTried("TLS can not be set up".to_owned());
    };
    let mut session = match handshake(wire, &hello).await {
        Ok(session) => session,
        Err(broken) => return of_broken(broken),
    };
    if expected.protocol == Protocol::Tls {
        // A server of TLS 1.3 that misses a certificate says so only now.
        let mut buffer = [0; 1];
        return match timeout(FIRST_WORD, session.stream.read(&mut buffer)).await {
            Ok(Err(error)) => of_late(&error, session.words),
            _ => Answer::Open(Speaks::Tls(session.words)),
        };
    }
    match ask(&mut session.stream, host, &expected.path).await {
        Ok(answer) => Answer::Open(match status_of(&answer) {
            Some(status) => Speaks::Https(status),
            None => Speaks::Tls(format!("{}, and no HTTP within", session.words)),
        }),
        Err(error) => of_late(&error, session.words),
    }
}

fn of_late(error: &io::Error, words: String) -> Answer {
    match Broken::of(error, &[22, 3]) {
        Broken::CertificateWanted => Answer::Open(Speaks::TlsForCertificates),
        Broken::Alert(alert) => Answer::Open(Speaks::Tls(format!("{words}, then alert {alert}"))),
        Broken::NotTls(_) | Broken::Closed => Answer::Open(Speaks::Tls(words)),
    }
}

fn of_broken(broken: Broken) -> Answer {
    match broken {
        Broken::CertificateWanted => Answer::Open(Speaks::TlsForCertificates),
        Broken::Alert(alert) => Answer::Open(Speaks::Tls(format!("alert {alert}"))),
        Broken::NotTls(bytes) => identify(&bytes).map_or(Answer::Denied, Answer::Open),
        Broken::Closed => Answer::Denied,
    }
}
