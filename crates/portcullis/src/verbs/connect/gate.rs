//! The port on this machine: each connection to it becomes one to the service.

use std::{sync::Arc, time::Duration};

use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    sync::Semaphore,
};

use super::client::Client;
use crate::output;

/// Connections at one time: more than any program of one person opens.
const CONNECTIONS: usize = 1_000;

/// How long to wait when this process has no more descriptors.
const PAUSE: Duration = Duration::from_millis(200);

/// The port and what lies behind it.
pub(super) struct Gate {
    pub(super) listener: TcpListener,
    pub(super) client: Arc<Client>,
}

impl Gate {
    /// Takes connections for ever; ends only if the port itself is lost.
    pub(super) async fn serve(&self) -> anyhow::Error {
        let places = Arc::new(Semaphore::new(CONNECTIONS));
        loop {
            let Ok(place) = Arc::clone(&places).acquire_owned().await else {
                return anyhow::anyhow!("the port is closed");
            };
            match self.listener.accept().await {
                Ok((stream, _)) => {
                    let client = Arc::clone(&self.client);
                    tokio::spawn(async move {
                        carry(&client, stream).await;
                        drop(place);
                    });
                }
                Err(_) => tokio::time::sleep(PAUSE).await,
            }
        }
    }
}

async fn carry(client: &Client, mut stream: TcpStream) {
    // Small writes are whole messages here.
    let _ = stream.set_nodelay(true);
    match client.connect().await {
        Ok(mut service) => {
            // However it ends, both programs see it; there is nothing to do about it here.
            let _ = copy_bidirectional(&mut stream, &mut service).await;
        }
        Err(error) => output::complain(&error),
    }
}
