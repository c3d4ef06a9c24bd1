//! Real WebSocket peers: Debian's `python3-websockets`.

use std::{
    net::{SocketAddr, TcpStream},
    process::{Command, Stdio},
};

use super::{Process, free_address, output_of, wait_until};

/// Debian's interpreter: another one on the path would not have Debian's modules.
const PYTHON: &str = "/usr/bin/python3";

/// A server that sends every message back.
#[derive(Debug)]
pub(crate) struct WebSocketServer {
    _process: Process,
    address: SocketAddr,
}

impl WebSocketServer {
    pub(crate) fn start() -> Self {
        const SCRIPT: &str = "
import asyncio, sys, websockets
async def echo(socket):
    async for message in socket:
        await socket.send(message)
async def main():
    async with websockets.serve(echo, '127.0.0.1', int(sys.argv[1]), max_size=None):
        await asyncio.Future()
asyncio.run(main())
";
        let address = free_address();
        let mut command = Command::new(PYTHON);
        // A connection that ends before its handshake is worth a trace of the stack to it.
        let process = Process::start(command.args(["-c", SCRIPT, &address.port().to_string()]).stderr(Stdio::null()));
        wait_until("the WebSocket server listens", || TcpStream::connect(address).ok());
        Self { _process: process, address }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }
}

/// Opens `url`, sends a text of every size and expects each back, and closes in order. Returns what the client printed.
pub(crate) fn talk_websocket(url: &str, sizes: &[usize]) -> Result<String, String> {
    const SCRIPT: &str = "
import asyncio, sys, websockets
async def main():
    async with websockets.connect(sys.argv[1], max_size=None, compression=None) as socket:
        for size in sys.argv[2:]:
            message = 'x' * int(size)
            await socket.send(message)
            answer = await socket.recv()
            assert answer == message, (len(answer), size)
    print('closed', socket.close_code)
asyncio.run(main())
";
    let mut arguments = vec!["-c".to_owned(), SCRIPT.to_owned(), url.to_owned()];
    arguments.extend(sizes.iter().map(usize::to_string));
    let output = output_of(PYTHON, arguments, b"");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
    if output.status.success() { Ok(text(&output.stdout)) } else { Err(text(&output.stderr)) }
}
