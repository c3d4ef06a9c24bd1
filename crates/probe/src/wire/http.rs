//! As much HTTP/1 as a probe needs: a request of one line, and the status of an answer.

use std::io;

use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};

use super::stream::read_until;

/// How a probe says who it is.
pub(crate) const USER_AGENT: &str = "portcullis-probe";

/// The status of an answer that begins with a status line (RFC 9112 4).
pub(crate) fn status_of(answer: &[u8]) -> Option<u16> {
    let rest = answer.strip_prefix(b"HTTP/1.")?;
    let [b'0' | b'1', b' ', digits @ ..] = rest else { return None };
    let digits: &[u8; 3] = digits.first_chunk()?;
    let status = std::str::from_utf8(digits).ok()?.parse().ok()?;
    (100..600).contains(&status).then_some(status)
}

/// Asks for a path and reads the answer's head.
pub(crate) async fn ask(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    host: &str,
    path: &str,
) -> io::Result<Vec<u8>> {
    let request = format!(
        "GET {path} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: {USER_AGENT}\r\nAccept: */*\r\nConnection: close\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await?;
    stream.flush().await?;
    read_until(stream, has_head).await
}

/// Whether the answer's head is complete.
pub(crate) fn has_head(bytes: &[u8]) -> bool {
    bytes.windows(4).any(|window| window == b"\r\n\r\n")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_status_is_read_from_a_status_line_alone() {
        for (answer, expected) in [
            (&b"HTTP/1.1 200 OK\r\n"[..], Some(200)),
            (b"HTTP/1.0 404\r\n", Some(404)),
            (b"HTTP/1.1 99 x", None),
            (b"HTTP/1.1 999 x", None),
            (b"HTTP/2 200", None),
            (b"HTTP/1.1 2", None),
            (b"-ERR", None),
        ] {
            assert_eq!(status_of(answer), expected, "{}", String::from_utf8_lossy(answer));
        }
    }

    proptest! {
        #[test]
        fn no_bytes_break_it(bytes in proptest::collection::vec(any::<u8>(), 0..100), begins: bool) {
            let answer = if begins { [b"HTTP/1.1 ".as_slice(), &bytes].concat() } else { bytes };
            prop_assert!(status_of(&answer).is_none_or(|status| (100..600).contains(&status)));
        }
    }
}
