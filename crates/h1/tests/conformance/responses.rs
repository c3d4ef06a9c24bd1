//! Responses, row by row.

use portcullis_h1::{Limits, ResponseError};

use crate::reading::{End, responses};

#[test]
fn responses_with_more_than_one_reading_are_refused() {
    use ResponseError::*;
    let rows: &[(&[u8], ResponseError)] = &[
        // status line (RFC 9112 4)
        (b"HTTP/1.1 20 OK\r\n\r\n", Malformed),
        (b"HTTP/1.1 2000 OK\r\n\r\n", Malformed),
        (b"HTTP/1.1 2x0 OK\r\n\r\n", Malformed),
        (b"HTTP/1.1 +20 OK\r\n\r\n", Malformed),
        (b"HTTP/1.1  200 OK\r\n\r\n", Malformed),
        (b"HTTP/1.1\t200 OK\r\n\r\n", Malformed),
        (b"HTTP/1.1 200\tOK\r\n\r\n", Malformed),
        (b"HTTP/1.1 200 O\0K\r\n\r\n", Malformed),
        (b"HTTP/1.1 200 O\rK\r\n\r\n", Malformed),
        (b"HTTP/1.1 200 OK\x7f\r\n\r\n", Malformed),
        (b"HTTP/1.1 200 OK\n\n", BareLineFeed),
        (b"HTTP/1.1\r\n\r\n", Malformed),
        (b"HTTP/1.1 000 x\r\n\r\n", BadStatus),
        (b"HTTP/1.1 099 x\r\n\r\n", BadStatus),
        (b"HTTP/1.1 600 x\r\n\r\n", BadStatus),
        (b"HTTP/1.1 999 x\r\n\r\n", BadStatus),
        (b"HTTP/1.2 200 OK\r\n\r\n", UnsupportedVersion),
        (b"HTTP/2.0 200 OK\r\n\r\n", UnsupportedVersion),
        (b"HTTP/0.9 200 OK\r\n\r\n", UnsupportedVersion),
        (b"http/1.1 200 OK\r\n\r\n", Malformed),
        // no HTTP at all, or the rest of another message
        (b"\r\nHTTP/1.1 200 OK\r\n\r\n", Malformed),
        (b" HTTP/1.1 200 OK\r\n\r\n", Malformed),
        (b"220 mail.example ESMTP\r\n", Malformed),
        (b"-ERR unknown command 'GET'\r\n", Malformed),
        (b"\x15\x03\x01\x00\x02\x02\x16", Malformed),
        (b"<html>", Malformed),
        (b"0\r\n\r\n", Malformed),
        // lines (RFC 9112 5)
        (b"HTTP/1.1 200 OK\r\nContent-Length : 5\r\n\r\nabcde", Malformed),
        (b"HTTP/1.1 200 OK\r\nX: y\r\n folded\r\n\r\n", Malformed),
        (b"HTTP/1.1 200 OK\r\n X: y\r\n\r\n", Malformed),
        (b"HTTP/1.1 200 OK\r\n: y\r\n\r\n", Malformed),
        (b"HTTP/1.1 200 OK\r\nX\r\n\r\n", Malformed),
        (b"HTTP/1.1 200 OK\r\nX: a\0b\r\n\r\n", Malformed),
        (b"HTTP/1.1 200 OK\r\nX: a\rb\r\n\r\n", Malformed),
        (b"HTTP/1.1 200 OK\r\nX: a\nSet-Cookie: b\r\n\r\n", BareLineFeed),
        (b"HTTP/1.1 200 OK\r\nConnection: content-length\r\nContent-Length: 1\r\n\r\nx", Malformed),
        // framing (RFC 9112 6.3)
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\nabcde", BadContentLength),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nabcde", BadContentLength),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5, 5\r\n\r\nabcde", BadContentLength),
        (b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", BadContentLength),
        (b"HTTP/1.1 200 OK\r\nContent-Length:\r\n\r\n", BadContentLength),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", LengthAndEncoding),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", BadTransferEncoding),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nx", BadTransferEncoding),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n", BadTransferEncoding),
        (b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", BadTransferEncoding),
        (b"HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\nabcde", BodyNotAllowed),
        (b"HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", BodyNotAllowed),
        (b"HTTP/1.1 100 Continue\r\nContent-Length: 5\r\n\r\nabcde", BodyNotAllowed),
        (b"HTTP/1.1 101 Switching\r\nTransfer-Encoding: chunked\r\n\r\n", BodyNotAllowed),
        // framing that would be ignored is judged all the same
        (b"HTTP/1.1 304 Not Modified\r\nContent-Length: x\r\n\r\n", BadContentLength),
    ];
    for (bytes, expected) in rows {
        let (messages, end) = responses(bytes, &[], b"GET", &Limits::default());
        assert_eq!((messages.len(), end), (0, End::Refused(*expected)), "{}", bytes.escape_ascii());
    }
}

type Accepted<'a> = (&'a str, &'a [u8], &'a [&'a str], &'a [u8]);

#[test]
fn responses_with_one_reading_are_accepted() {
    // Method, bytes, messages, body of the last.
    let rows: &[Accepted<'_>] = &[
        ("GET", b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nab", &["200 OK length=2"], b"ab"),
        ("GET", b"HTTP/1.1 200 \r\nContent-Length: 0\r\n\r\n", &["200  none"], b""),
        ("GET", b"HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n", &["200  none"], b""),
        ("GET", b"HTTP/1.1 200 So\tlala \xe9\r\nContent-Length: 0\r\n\r\n", &["200  none"], b""),
        ("GET", b"HTTP/1.1 299 x\r\nContent-Length: 0\r\n\r\n", &["299 x none"], b""),
        (
            "GET",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: CHUNKED\r\n\r\n2\r\nab\r\n0\r\nX-Sum: 1\r\n\r\n",
            &["200 OK chunked"],
            b"ab",
        ),
        ("GET", b"HTTP/1.1 200 OK\r\n\r\nab", &["200 OK until-close close"], b"ab"),
        ("GET", b"HTTP/1.0 200 OK\r\n\r\nab", &["200 OK until-close 1.0 close"], b"ab"),
        (
            "GET",
            b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nab",
            &["200 OK length=2 1.0"],
            b"ab",
        ),
        (
            "GET",
            b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\n\r\nab",
            &["200 OK until-close 1.0 close"],
            b"ab",
        ),
        (
            "GET",
            b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nabHTTP/1.1 200 OK\r\n\r\n",
            &["200 OK length=2 close"],
            b"ab",
        ),
        // no body whatever the fields say (RFC 9112 6.3)
        ("HEAD", b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", &["200 OK none"], b""),
        ("HEAD", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", &["200 OK none"], b""),
        ("HEAD", b"HTTP/1.1 200 OK\r\n\r\n", &["200 OK none"], b""),
        ("GET", b"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", &["304 Not Modified none"], b""),
        ("GET", b"HTTP/1.1 304 Not Modified\r\n\r\n", &["304 Not Modified none"], b""),
        ("GET", b"HTTP/1.1 204 No Content\r\n\r\n", &["204 No Content none"], b""),
        ("GET", b"HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n", &["204 No Content none"], b""),
        // `HEAD` is case-sensitive (RFC 9110 9.1)
        ("head", b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nab", &["200 OK length=2"], b"ab"),
        // interim ones first (RFC 9110 15.2)
        (
            "GET",
            b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nab",
            &["100 Continue none", "103 Early Hints none", "200 OK length=2"],
            b"ab",
        ),
    ];
    for (method, bytes, words, body) in rows {
        let (messages, end) = responses(bytes, &[], method.as_bytes(), &Limits::default());
        let found: Vec<_> = messages.iter().map(|message| message.words.as_str()).collect();
        assert_eq!(found, *words, "{} ended {end:?}", bytes.escape_ascii());
        assert!(matches!(end, End::Between | End::Last), "{} ended {end:?}", bytes.escape_ascii());
        assert_eq!(messages.last().map(|message| &*message.body), Some(*body), "{}", bytes.escape_ascii());
    }
}

#[test]
fn a_length_of_nothing_where_no_body_may_be_is_not_passed_on() {
    let bytes = b"HTTP/1.1 204 No Content\r\nContent-Length: 0\r\nX: y\r\n\r\n";
    let (messages, _) = responses(bytes, &[], b"GET", &Limits::default());
    assert_eq!(messages[0].fields, ["struck Content-Length: 0", "X: y"]);
}

#[test]
fn limits_hold_to_the_byte() {
    let limits = Limits { head_bytes: 100, fields: 2, target_bytes: 0 };
    let empty = "HTTP/1.1 204 OK\r\nX: \r\n\r\n".len();
    let of_length = |length: usize| format!("HTTP/1.1 204 OK\r\nX: {}\r\n\r\n", "x".repeat(length - empty));
    for (length, expected) in [
        (100, End::Between),
        (101, End::Refused(ResponseError::HeadTooLarge)),
        (102, End::Refused(ResponseError::HeadTooLarge)),
        (200, End::Refused(ResponseError::HeadTooLarge)),
    ] {
        for reads in [&[][..], &[1], &[7]] {
            assert_eq!(responses(of_length(length).as_bytes(), reads, b"GET", &limits).1, expected, "{length}");
        }
    }
    let three = b"HTTP/1.1 204 OK\r\nA: 1\r\nB: 2\r\nC: 3\r\n\r\n";
    assert_eq!(responses(three, &[], b"GET", &limits).1, End::Refused(ResponseError::TooManyFields));
}
