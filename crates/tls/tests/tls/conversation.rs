//! A client and a server that talk in memory.

use std::{
    io::{Read, Write},
    sync::Arc,
};

use rustls::{
    ClientConfig, ClientConnection, HandshakeKind, NamedGroup, ProtocolVersion, ServerConfig, ServerConnection,
};

/// A connection that has carried a word each way, and by that also what follows the handshake (tickets).
#[derive(Debug)]
pub(crate) struct Conversation {
    pub(crate) client: ClientConnection,
    pub(crate) server: ServerConnection,
}

/// Who has broken off, and why.
#[derive(Debug, PartialEq)]
pub(crate) enum Broken {
    ByClient(rustls::Error),
    ByServer(rustls::Error),
}

impl Conversation {
    pub(crate) fn new(client: &Arc<ClientConfig>, name: &str, server: &Arc<ServerConfig>) -> Result<Self, Broken> {
        let name = name.to_owned().try_into().unwrap();
        let client = ClientConnection::new(Arc::clone(client), name).unwrap();
        let server = ServerConnection::new(Arc::clone(server)).unwrap();
        let mut conversation = Self { client, server };
        conversation.client.writer().write_all(b"?").unwrap();
        conversation.server.writer().write_all(b"!").unwrap();
        conversation.talk()?;
        let mut word = [0];
        conversation.server.reader().read_exact(&mut word).unwrap();
        assert_eq!(&word, b"?");
        conversation.client.reader().read_exact(&mut word).unwrap();
        assert_eq!(&word, b"!");
        Ok(conversation)
    }

    fn talk(&mut self) -> Result<(), Broken> {
        while self.client.wants_write() || self.server.wants_write() {
            let mut flight = Vec::new();
            while self.client.wants_write() {
                self.client.write_tls(&mut flight).unwrap();
            }
            let mut rest = flight.as_slice();
            while !rest.is_empty() {
                self.server.read_tls(&mut rest).unwrap();
                self.server.process_new_packets().map_err(Broken::ByServer)?;
            }
            flight.clear();
            while self.server.wants_write() {
                self.server.write_tls(&mut flight).unwrap();
            }
            let mut rest = flight.as_slice();
            while !rest.is_empty() {
                self.client.read_tls(&mut rest).unwrap();
                self.client.process_new_packets().map_err(Broken::ByClient)?;
            }
        }
        Ok(())
    }

    pub(crate) fn is_resumed(&self) -> bool {
        self.server.handshake_kind() == Some(HandshakeKind::Resumed)
    }

    pub(crate) fn version(&self) -> ProtocolVersion {
        self.server.protocol_version().unwrap()
    }

    pub(crate) fn group(&self) -> NamedGroup {
        self.server.negotiated_key_exchange_group().unwrap().name()
    }

    /// The leaf that the server has shown.
    pub(crate) fn shown(&self) -> &[u8] {
        &self.client.peer_certificates().unwrap()[0]
    }
}
