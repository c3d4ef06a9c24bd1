//! As much PostgreSQL as tells it apart (<https://www.postgresql.org/docs/17/protocol-message-formats.html>).

use std::io;

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::{
    Speaks, Wire,
    identify::{identify, printable},
    stream::read_until,
};

/// `SSLRequest`: is TLS spoken? Answered with one byte.
const SSL_REQUEST: [u8; 8] = [0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f];

/// The user of the startup message; nobody has this name.
const USER: &str = "portcullis_probe";

/// Asks for TLS, and where that is declined begins a session, which the server answers with what it wants to know or with
/// an error. Either tells PostgreSQL from whatever else sends one letter.
pub(super) async fn ask(wire: &mut Wire) -> io::Result<Speaks> {
    wire.write_all(&SSL_REQUEST).await?;
    let mut answer = [0];
    if wire.read(&mut answer).await? == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    match answer[0] {
        b'S' => Ok(Speaks::Postgres),
        b'N' => {
            wire.write_all(&startup()).await?;
            let bytes = read_until(wire, |bytes| bytes.len() >= 5).await?;
            Ok(identify(&bytes).unwrap_or(Speaks::Silent))
        }
        // Something else entirely: what it began with, and the rest of it.
        first => {
            let rest = read_until(wire, |bytes| bytes.len() >= 32).await.unwrap_or_default();
            let bytes = [&[first], rest.as_slice()].concat();
            Ok(identify(&bytes).unwrap_or_else(|| Speaks::Other(printable(&bytes))))
        }
    }
}

/// `StartupMessage`, version 3.0.
fn startup() -> Vec<u8> {
    let mut body = 196_608_u32.to_be_bytes().to_vec();
    body.extend_from_slice(format!("user\0{USER}\0database\0{USER}\0\0").as_bytes());
    let length = u32::try_from(body.len() + 4).unwrap_or(0);
    [&length.to_be_bytes(), body.as_slice()].concat()
}
