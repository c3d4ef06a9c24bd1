//! What is asked of single TCP connections.

use std::{io, os::fd::AsFd, time::Duration};

use socket2::{SockRef, TcpKeepalive};

/// Has the kernel probe a silent peer after `idle`, and then every `idle` / 3, and give up after three probes without
/// answer: a peer that vanished without a word is noticed after twice that time.
pub fn keep_alive(socket: &impl AsFd, idle: Duration) -> io::Result<()> {
    let interval = (idle / 3).max(Duration::from_secs(1));
    let parameters = TcpKeepalive::new().with_time(idle.max(Duration::from_secs(1))).with_interval(interval);
    SockRef::from(socket).set_tcp_keepalive(&parameters.with_retries(3))
}

/// Bounds how long bytes that were sent may stay unacknowledged before the connection breaks (TCP_USER_TIMEOUT,
/// RFC 5482), instead of the kernel's quarter of an hour.
pub fn acknowledge_within(socket: &impl AsFd, limit: Duration) -> io::Result<()> {
    SockRef::from(socket).set_tcp_user_timeout(Some(limit))
}

/// Sends what is written at once, and does not wait for more (TCP_NODELAY).
pub fn send_at_once(socket: &impl AsFd) -> io::Result<()> {
    SockRef::from(socket).set_tcp_nodelay(true)
}

/// Has closing the socket reset the connection: the peer sees that it was broken off, not ended, and nothing of it
/// lingers here.
pub fn reset_on_close(socket: &impl AsFd) -> io::Result<()> {
    SockRef::from(socket).set_linger(Some(Duration::ZERO))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{
        io::Read,
        net::{TcpListener, TcpStream},
    };

    #[test]
    fn a_reset_is_seen_as_one() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (accepted, _) = listener.accept().unwrap();
        send_at_once(&accepted).unwrap();
        keep_alive(&accepted, Duration::from_secs(30)).unwrap();
        acknowledge_within(&accepted, Duration::from_secs(20)).unwrap();
        let socket = SockRef::from(&accepted);
        assert_eq!(socket.tcp_keepalive_time().unwrap(), Duration::from_secs(30));
        assert_eq!(socket.tcp_keepalive_interval().unwrap(), Duration::from_secs(10));
        assert_eq!(socket.tcp_user_timeout().unwrap(), Some(Duration::from_secs(20)));
        reset_on_close(&accepted).unwrap();
        drop(accepted);
        let error = client.read(&mut [0]).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
    }
}
