//! A TLS client whose bytes and sessions the test can see.

use std::{
    fs,
    io::{self, Read, Write},
    net::{Shutdown, SocketAddr, TcpStream},
    path::Path,
    sync::Arc,
};

use rustls::{
    ClientConfig, ClientConnection, HandshakeKind, ProtocolVersion, RootCertStore, StreamOwned,
    SupportedProtocolVersion,
    client::Resumption,
    crypto::{CryptoProvider, aws_lc_rs::default_provider},
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject},
};

use super::{Authority, Leaf, PATIENCE, Raw, raw::Transport};

/// What a client offers. Clones share their session tickets.
#[derive(Debug, Clone)]
pub(crate) struct TlsClient {
    config: Arc<ClientConfig>,
}

/// What a handshake came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Handshake {
    pub(crate) version: Option<ProtocolVersion>,
    pub(crate) protocol: Option<String>,
    pub(crate) is_resumed: bool,
    /// The server's certificate.
    pub(crate) leaf: Vec<u8>,
}

impl TlsClient {
    /// Believes `authority` and offers TLS 1.2 and 1.3.
    pub(crate) fn trusting(authority: &Authority) -> Self {
        Self::build(authority, default_provider(), rustls::ALL_VERSIONS, None)
    }

    /// With a client certificate.
    pub(crate) fn with_certificate(authority: &Authority, leaf: &Leaf) -> Self {
        Self::build(authority, default_provider(), rustls::ALL_VERSIONS, Some(leaf))
    }

    /// Believes a CA in a file, and has a client certificate in files.
    pub(crate) fn with_files(ca: &Path, cert: &Path, key: &Path) -> Self {
        let leaf = Leaf { cert: cert.to_owned(), key: key.to_owned() };
        Self::build_with(&fs::read(ca).unwrap(), default_provider(), rustls::ALL_VERSIONS, Some(&leaf))
    }

    /// In one version alone.
    pub(crate) fn only(authority: &Authority, version: &'static SupportedProtocolVersion) -> Self {
        Self::build(authority, default_provider(), &[version], None)
    }

    /// With cryptography of choice.
    pub(crate) fn speaking(authority: &Authority, provider: CryptoProvider) -> Self {
        Self::build(authority, provider, rustls::DEFAULT_VERSIONS, None)
    }

    fn build(
        authority: &Authority,
        provider: CryptoProvider,
        versions: &[&'static SupportedProtocolVersion],
        leaf: Option<&Leaf>,
    ) -> Self {
        Self::build_with(authority.pem().as_bytes(), provider, versions, leaf)
    }

    fn build_with(
        ca: &[u8],
        provider: CryptoProvider,
        versions: &[&'static SupportedProtocolVersion],
        leaf: Option<&Leaf>,
    ) -> Self {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(ca).unwrap()).unwrap();
        let builder = ClientConfig::builder_with_provider(Arc::new(provider)).with_protocol_versions(versions).unwrap();
        let builder = builder.with_root_certificates(roots);
        let mut config = match leaf {
            None => builder.with_no_client_auth(),
            Some(leaf) => {
                let chain = CertificateDer::pem_file_iter(&leaf.cert).unwrap().map(Result::unwrap).collect();
                builder.with_client_auth_cert(chain, PrivateKeyDer::from_pem_file(&leaf.key).unwrap()).unwrap()
            }
        };
        config.resumption = Resumption::in_memory_sessions(64);
        Self { config: Arc::new(config) }
    }

    /// The same client, which offers these application protocols.
    pub(crate) fn offering(&self, protocols: &[&str]) -> Self {
        let mut config = ClientConfig::clone(&self.config);
        config.alpn_protocols = protocols.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
        Self { config: Arc::new(config) }
    }

    /// The bytes of its first flight.
    pub(crate) fn hello(&self, name: &str) -> Vec<u8> {
        let mut connection = self.connection(name);
        let mut hello = Vec::new();
        while connection.wants_write() {
            connection.write_tls(&mut hello).unwrap();
        }
        hello
    }

    /// Connects and completes the handshake.
    pub(crate) fn connect(&self, address: SocketAddr, name: &str) -> io::Result<(Raw, Handshake)> {
        self.connect_through(TcpStream::connect(address)?, name, usize::MAX)
    }

    /// The same with no more than `segment` bytes in each segment until the handshake is complete.
    pub(crate) fn connect_in_segments(&self, address: SocketAddr, name: &str, segment: usize) -> io::Result<Raw> {
        self.connect_through(TcpStream::connect(address)?, name, segment).map(|(raw, _)| raw)
    }

    /// The same on a connection that is open already.
    pub(crate) fn connect_through(
        &self,
        stream: TcpStream,
        name: &str,
        segment: usize,
    ) -> io::Result<(Raw, Handshake)> {
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_nodelay(true)?;
        let mut connection = self.connection(name);
        let mut segments = Segments { stream, size: segment };
        while connection.is_handshaking() {
            connection.complete_io(&mut segments)?;
        }
        segments.size = usize::MAX;
        let handshake = Handshake {
            version: connection.protocol_version(),
            protocol: connection.alpn_protocol().map(|name| String::from_utf8_lossy(name).into_owned()),
            is_resumed: connection.handshake_kind() == Some(HandshakeKind::Resumed),
            leaf: connection.peer_certificates().map(|chain| chain[0].to_vec()).unwrap_or_default(),
        };
        Ok((Raw::over(StreamOwned::new(connection, segments)), handshake))
    }

    fn connection(&self, name: &str) -> ClientConnection {
        let name = ServerName::try_from(name.to_owned()).expect("a server name");
        ClientConnection::new(Arc::clone(&self.config), name).unwrap()
    }
}

/// A socket that is written to in small pieces.
struct Segments {
    stream: TcpStream,
    size: usize,
}

impl Read for Segments {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.stream.read(buffer)
    }
}

impl Write for Segments {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.stream.write(&bytes[..bytes.len().min(self.size)])
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}

impl Transport for StreamOwned<ClientConnection, Segments> {
    fn half_close(&mut self) -> io::Result<()> {
        self.conn.send_close_notify();
        self.flush()?;
        self.sock.stream.shutdown(Shutdown::Write)
    }
}
