//! Requests, row by row: what is made of them, or why they are refused. `[n]` names the attack of the catalogue.

use portcullis_h1::{ChunkError, Known, Limits, RequestError};

use crate::reading::{End, Message, requests};

/// Reads `bytes` whole.
fn read(bytes: &[u8]) -> (Vec<Message>, End<RequestError>) {
    requests(bytes, &[], &Limits::default())
}

fn words(messages: &[Message]) -> Vec<&str> {
    messages.iter().map(|message| message.words.as_str()).collect()
}

/// `lines` in a request that is otherwise good, and a second request behind it that must never be seen if the first
/// is refused.
fn with_lines(lines: &[u8]) -> Vec<u8> {
    let second = b"\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n";
    [b"POST / HTTP/1.1\r\nHost: a\r\n", lines, second].concat()
}

#[test]
fn header_lines_with_more_than_one_reading_are_refused() {
    use RequestError::*;
    let rows: &[(&str, &[u8], RequestError)] = &[
        // Content-Length
        ("[6] empty", b"Content-Length:", BadContentLength),
        ("[6] blank", b"Content-Length: \t ", BadContentLength),
        ("[10] sign", b"Content-Length: +5", BadContentLength),
        ("negative", b"Content-Length: -5", BadContentLength),
        ("hexadecimal", b"Content-Length: 0x5", BadContentLength),
        ("fraction", b"Content-Length: 5.0", BadContentLength),
        ("space within", b"Content-Length: 1 0", BadContentLength),
        ("underscore within", b"Content-Length: 1_0", BadContentLength),
        ("list of equals", b"Content-Length: 5, 5", BadContentLength),
        ("list of different", b"Content-Length: 5, 6", BadContentLength),
        ("list with an empty member", b"Content-Length: 5,", BadContentLength),
        ("twice, equal", b"Content-Length: 5\r\nContent-Length: 5", BadContentLength),
        ("twice, different", b"Content-Length: 5\r\nContent-Length: 6", BadContentLength),
        ("twice in two cases", b"content-length: 0\r\nCONTENT-LENGTH: 5", BadContentLength),
        ("64 bits and one", b"Content-Length: 18446744073709551616", BadContentLength),
        ("64 bits, around to 5", b"Content-Length: 18446744073709551621", BadContentLength),
        ("more than signed 64 bits", b"Content-Length: 9223372036854775808", BadContentLength),
        ("parameter", b"Content-Length: 5;x", BadContentLength),
        ("quoted", b"Content-Length: \"5\"", BadContentLength),
        ("Arabic digit", "Content-Length: \u{665}".as_bytes(), BadContentLength),
        // both
        ("[4] CL.TE", b"Content-Length: 5\r\nTransfer-Encoding: chunked", LengthAndEncoding),
        ("[4] TE.CL", b"Transfer-Encoding: chunked\r\nContent-Length: 5", LengthAndEncoding),
        ("[4] CL.TE of length 0", b"Content-Length: 0\r\nTransfer-Encoding: chunked", LengthAndEncoding),
        ("[4] CL and a disfigured TE", b"Content-Length: 5\r\nTransfer-Encoding: xchunked", LengthAndEncoding),
        ("malformed CL and TE", b"Content-Length: x\r\nTransfer-Encoding: chunked", LengthAndEncoding),
        // Transfer-Encoding
        ("[2] two lines, gzip first", b"Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked", BadTransferEncoding),
        ("[10] two lines, chunked first", b"Transfer-Encoding: chunked\r\nTransfer-Encoding: x", BadTransferEncoding),
        ("two lines, equal", b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked", BadTransferEncoding),
        ("[2] chunked is not last", b"Transfer-Encoding: chunked, identity", BadTransferEncoding),
        ("chunked twice", b"Transfer-Encoding: chunked, chunked", BadTransferEncoding),
        ("chunked twice, one between", b"Transfer-Encoding: chunked, gzip, chunked", BadTransferEncoding),
        ("no chunked at all", b"Transfer-Encoding: gzip", BadTransferEncoding),
        ("identity", b"Transfer-Encoding: identity", BadTransferEncoding),
        ("empty", b"Transfer-Encoding:", BadTransferEncoding),
        ("trailing comma", b"Transfer-Encoding: chunked,", BadTransferEncoding),
        ("leading comma", b"Transfer-Encoding: ,chunked", BadTransferEncoding),
        ("prefix", b"Transfer-Encoding: xchunked", BadTransferEncoding),
        ("suffix", b"Transfer-Encoding: chunkedx", BadTransferEncoding),
        ("parameter", b"Transfer-Encoding: chunked;q=1", BadTransferEncoding),
        ("quoted", b"Transfer-Encoding: \"chunked\"", BadTransferEncoding),
        ("two words", b"Transfer-Encoding: x chunked", BadTransferEncoding),
        ("cow", b"Transfer-Encoding: cow", BadTransferEncoding),
        ("obs-text", b"Transfer-Encoding: chunked\xa0", BadTransferEncoding),
        ("vertical tab", b"Transfer-Encoding: \x0bchunked", Malformed),
        ("form feed", b"Transfer-Encoding: chunked\x0c", Malformed),
        ("no coding before it", b"Transfer-Encoding: g zip, chunked", BadTransferEncoding),
        ("another coding before it", b"Transfer-Encoding: gzip, chunked", UnknownTransferCoding),
        // how a line is written
        ("space before the colon", b"Transfer-Encoding : chunked", Malformed),
        ("tab before the colon", b"Transfer-Encoding\t: chunked", Malformed),
        ("[12] folded value", b"Transfer-Encoding:\r\n chunked", Malformed),
        ("[12] folded by a tab", b"X: y\r\n\tTransfer-Encoding: chunked", Malformed),
        ("[7] empty name", b": x", Malformed),
        ("no colon", b"Transfer-Encoding", Malformed),
        ("no colon, space", b"Transfer-Encoding chunked", Malformed),
        ("[12] bare CR in a value", b"X: a\rTransfer-Encoding: chunked", Malformed),
        ("bare CR before the value", b"X:\r Transfer-Encoding: chunked", Malformed),
        ("bare CR in a name", b"X\rTransfer-Encoding: chunked", Malformed),
        ("CR CR LF", b"X: a\r\r\nTransfer-Encoding: chunked", Malformed),
        ("[9] bare LF", b"X: a\nTransfer-Encoding: chunked", BareLineFeed),
        ("bare LF for an empty line", b"X: a\r\n\nGET /smuggled HTTP/1.1", BareLineFeed),
        ("NUL in a value", b"X: a\0", Malformed),
        ("NUL in a name", b"X\0: a", Malformed),
        ("DEL in a value", b"X: a\x7f", Malformed),
        ("DEL in a name", b"X\x7f: a", Malformed),
        ("obs-text in a name", b"X\x80: a", Malformed),
        ("quote in a name", b"\"X\": a", Malformed),
        ("parenthesis in a name", b"X(: a", Malformed),
        // Host
        ("second Host", b"Host: b", BadHost),
        ("second Host, equal", b"Host: a", BadHost),
        ("second Host in another case", b"hOST: a", BadHost),
        // Connection
        ("Connection: Host", b"Connection: close, Host", BadConnectionOption),
        ("Connection: Content-Length", b"Content-Length: 5\r\nConnection: content-length", BadConnectionOption),
        ("Connection: Transfer-Encoding", b"Connection: x,Transfer-Encoding", BadConnectionOption),
        // Expect
        ("another expectation", b"Expect: 200-ok", UnknownExpectation),
        ("an empty expectation", b"Expect:", UnknownExpectation),
        ("two expectations in one line", b"Expect: 100-continue, x", UnknownExpectation),
    ];
    for (attack, lines, expected) in rows {
        let (messages, end) = read(&with_lines(lines));
        assert_eq!((words(&messages), end), (vec![], End::Refused(*expected)), "{attack}: {}", lines.escape_ascii());
    }
}

#[test]
fn heads_that_are_no_requests_are_refused() {
    use RequestError::*;
    let rows: &[(&[u8], RequestError)] = &[
        // request line (RFC 9112 3)
        (b"GET  / HTTP/1.1\r\nHost: a\r\n\r\n", Malformed),
        (b"GET /  HTTP/1.1\r\nHost: a\r\n\r\n", Malformed),
        (b"GET\t/\tHTTP/1.1\r\nHost: a\r\n\r\n", Malformed),
        (b" GET / HTTP/1.1\r\nHost: a\r\n\r\n", NotHttp),
        (b"GET / HTTP/1.1 \r\nHost: a\r\n\r\n", Malformed),
        (b"GET / a HTTP/1.1\r\nHost: a\r\n\r\n", Malformed),
        (b"GET / a HTTP/2.0\r\nHost: a\r\n\r\n", Malformed),
        (b"GET /\r\nHost: a\r\n\r\n", Malformed),
        (b"GET / \r\nHost: a\r\n\r\n", Malformed),
        (b"GET\r\nHost: a\r\n\r\n", Malformed),
        (b"GET HTTP/1.1\r\nHost: a\r\n\r\n", Malformed),
        (b"/ HTTP/1.1\r\nHost: a\r\n\r\n", Malformed),
        (b"G(T / HTTP/1.1\r\nHost: a\r\n\r\n", Malformed),
        (b"G\x80T / HTTP/1.1\r\nHost: a\r\n\r\n", Malformed),
        (b"GET / HTTP/1.1\rHost: a\r\n\r\n", Malformed),
        (b"GET / HTTP/1.1\nHost: a\n\n", BareLineFeed),
        (b"GET / HTTP/1.1\r\n Host: a\r\n\r\n", Malformed),
        (b"GET / HTTP/1.1\r\n\tX: y\r\nHost: a\r\n\r\n", Malformed),
        (b"\n\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", BareLineFeed),
        (b"\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", LeadingLines),
        (b"\r\rGET / HTTP/1.1\r\nHost: a\r\n\r\n", Malformed),
        // version (RFC 9112 2.3)
        (b"GET / HTTP/2.0\r\nHost: a\r\n\r\n", UnsupportedVersion),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", UnsupportedVersion),
        (b"GET / HTTP/0.9\r\nHost: a\r\n\r\n", UnsupportedVersion),
        (b"GET / HTTP/1.2\r\nHost: a\r\n\r\n", UnsupportedVersion),
        (b"GET / HTTP/1.10\r\nHost: a\r\n\r\n", Malformed),
        (b"GET / HTTP/1\r\nHost: a\r\n\r\n", Malformed),
        (b"GET / http/1.1\r\nHost: a\r\n\r\n", Malformed),
        (b"GET / HTTP/1,1\r\nHost: a\r\n\r\n", Malformed),
        (b"GET / HTTPS/1.1\r\nHost: a\r\n\r\n", Malformed),
        // target (RFC 9112 3.2)
        (b"GET * HTTP/1.1\r\nHost: a\r\n\r\n", BadTarget),
        (b"GET a HTTP/1.1\r\nHost: a\r\n\r\n", BadTarget),
        (b"GET a:80 HTTP/1.1\r\nHost: a\r\n\r\n", BadTarget),
        (b"GET ?a HTTP/1.1\r\nHost: a\r\n\r\n", BadTarget),
        (b"GET /a#b HTTP/1.1\r\nHost: a\r\n\r\n", BadTarget),
        (b"GET /a?b#c HTTP/1.1\r\nHost: a\r\n\r\n", BadTarget),
        (b"GET /<a> HTTP/1.1\r\nHost: a\r\n\r\n", BadTarget),
        (b"GET /?<a> HTTP/1.1\r\nHost: a\r\n\r\n", BadTarget),
        (b"GET /?\"a\" HTTP/1.1\r\nHost: a\r\n\r\n", BadTarget),
        (b"GET /`a HTTP/1.1\r\nHost: a\r\n\r\n", BadTarget),
        ("GET /\u{e9} HTTP/1.1\r\nHost: a\r\n\r\n".as_bytes(), BadTarget),
        (b"GET /\xff HTTP/1.1\r\nHost: a\r\n\r\n", Malformed),
        (b"GET /\0 HTTP/1.1\r\nHost: a\r\n\r\n", Malformed),
        (b"GET /\x7f HTTP/1.1\r\nHost: a\r\n\r\n", Malformed),
        (b"GET /a\rb HTTP/1.1\r\nHost: a\r\n\r\n", Malformed),
        (b"GET http:// HTTP/1.1\r\nHost: a\r\n\r\n", BadTarget),
        (b"GET http:///a HTTP/1.1\r\nHost: a\r\n\r\n", BadTarget),
        (b"GET http:/a HTTP/1.1\r\nHost: a\r\n\r\n", BadTarget),
        (b"GET http://user@a/ HTTP/1.1\r\nHost: a\r\n\r\n", BadTarget),
        (b"GET http://user:word@a/ HTTP/1.1\r\nHost: a\r\n\r\n", BadTarget),
        (b"GET http://a\\@b/ HTTP/1.1\r\nHost: a\r\n\r\n", BadTarget),
        (b"GET http://a,b/ HTTP/1.1\r\nHost: a\r\n\r\n", BadTarget),
        (b"GET http://a:99999/ HTTP/1.1\r\nHost: a\r\n\r\n", BadTarget),
        (b"GET http://a%2eb/ HTTP/1.1\r\nHost: a\r\n\r\n", BadTarget),
        (b"GET http://[::1/ HTTP/1.1\r\nHost: a\r\n\r\n", BadTarget),
        (b"GET ftp://a/ HTTP/1.1\r\nHost: a\r\n\r\n", BadTarget),
        (b"GET ws://a/ HTTP/1.1\r\nHost: a\r\n\r\n", BadTarget),
        (b"OPTIONS ** HTTP/1.1\r\nHost: a\r\n\r\n", BadTarget),
        // [1] CONNECT early data
        (b"CONNECT a:80 HTTP/1.1\r\nHost: a:80\r\n\r\nGET /smuggled HTTP/1.1\r\n\r\n", ConnectMethod),
        (b"CONNECT / HTTP/1.1\r\nHost: a\r\n\r\n", ConnectMethod),
        // Host (RFC 9112 3.2)
        (b"GET / HTTP/1.1\r\n\r\n", BadHost),
        (b"GET http://a/ HTTP/1.1\r\n\r\n", BadHost),
        (b"GET / HTTP/1.1\r\nHost:\r\n\r\n", BadHost),
        (b"GET / HTTP/1.1\r\nHost: a b\r\n\r\n", BadHost),
        (b"GET / HTTP/1.1\r\nHost: a, b\r\n\r\n", BadHost),
        (b"GET / HTTP/1.1\r\nHost: a,b\r\n\r\n", BadHost),
        (b"GET / HTTP/1.1\r\nHost: a@b\r\n\r\n", BadHost),
        (b"GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", BadHost),
        (b"GET / HTTP/1.1\r\nHost: a?b\r\n\r\n", BadHost),
        (b"GET / HTTP/1.1\r\nHost: a\"b\r\n\r\n", BadHost),
        (b"GET / HTTP/1.1\r\nHost: a;b\r\n\r\n", BadHost),
        (b"GET / HTTP/1.1\r\nHost: http://a\r\n\r\n", BadHost),
        (b"GET / HTTP/1.1\r\nHost: a:80:80\r\n\r\n", BadHost),
        (b"GET / HTTP/1.1\r\nHost: a:x\r\n\r\n", BadHost),
        (b"GET / HTTP/1.1\r\nHost: :80\r\n\r\n", BadHost),
        (b"GET / HTTP/1.1\r\nHost: a\xe9\r\n\r\n", BadHost),
        (b"GET / HTTP/1.1\r\nHost: [::1%25eth0]\r\n\r\n", BadHost),
        (b"GET http://a/ HTTP/1.1\r\nHost: b@c\r\n\r\n", BadHost),
        (b"GET / HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n", BadHost),
        // [2] HTTP/1.0 knows no transfer coding
        (b"POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", BadTransferEncoding),
        (b"POST / HTTP/1.0\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", UnknownTransferCoding),
        // what else is sent to HTTP ports
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\n\r\n\r\n", NotHttp),
        (b"\x00\x00\x00\x08\x04\xd2\x16\x2f", NotHttp),
        (b"SSH-2.0-OpenSSH_9.9\r\n\r\n", Malformed),
    ];
    for (bytes, expected) in rows {
        let (messages, end) = read(bytes);
        assert_eq!((words(&messages), end), (vec![], End::Refused(*expected)), "{}", bytes.escape_ascii());
    }
}

#[test]
fn requests_with_one_reading_are_accepted() {
    let rows: &[(&[u8], &[&str])] = &[
        (b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", &["GET / host=a"]),
        (b"\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", &["GET / host=a"]),
        (b"get / HTTP/1.1\r\nHost: a\r\n\r\n", &["get / host=a"]),
        (b"M-SEARCH /!$ HTTP/1.1\r\nHost: a\r\n\r\n", &["M-SEARCH /!$ host=a"]),
        (b"GET /a/../b?c=/../d?e HTTP/1.1\r\nHost: a\r\n\r\n", &["GET /a/../b ?c=/../d?e host=a"]),
        (b"GET /? HTTP/1.1\r\nHost: a\r\n\r\n", &["GET / ? host=a"]),
        (b"GET /a?{b}|^`\\[] HTTP/1.1\r\nHost: a\r\n\r\n", &["GET /a ?{b}|^`\\[] host=a"]),
        // origin form, not an authority
        (b"GET //evil/x HTTP/1.1\r\nHost: a\r\n\r\n", &["GET //evil/x host=a"]),
        (b"GET /http://evil/ HTTP/1.1\r\nHost: a\r\n\r\n", &["GET /http://evil/ host=a"]),
        // absolute form: its authority counts (RFC 9112 3.2.2)
        (b"GET http://b:81/c?d HTTP/1.1\r\nHost: a\r\n\r\n", &["GET /c ?d absolute host=b port=81"]),
        (b"GET HTTPS://b HTTP/1.1\r\nHost: a\r\n\r\n", &["GET  absolute host=b"]),
        (b"GET http://b?d HTTP/1.1\r\nHost: a\r\n\r\n", &["GET  ?d absolute host=b"]),
        (b"GET http://b//c HTTP/1.1\r\nHost: a\r\n\r\n", &["GET //c absolute host=b"]),
        (b"GET http://b/c HTTP/1.0\r\n\r\n", &["GET /c absolute host=b 1.0 close"]),
        (b"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", &["OPTIONS * host=a"]),
        (b"OPTIONS http://b HTTP/1.1\r\nHost: a\r\n\r\n", &["OPTIONS  absolute host=b"]),
        // Host
        (b"GET / HTTP/1.1\r\nHost:a_b.example:8080\t \r\n\r\n", &["GET / host=a_b.example port=8080"]),
        (b"GET / HTTP/1.1\r\nHost: [2001:db8::1]:80\r\n\r\n", &["GET / host=[2001:db8::1] port=80"]),
        (b"GET / HTTP/1.1\r\nHOST: A.\r\n\r\n", &["GET / host=A."]),
        // HTTP/1.0 (RFC 9112 9.3)
        (b"GET / HTTP/1.0\r\n\r\nGET /smuggled HTTP/1.0\r\n\r\n", &["GET / 1.0 close"]),
        (
            b"GET /1 HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\nGET /2 HTTP/1.0\r\n\r\n",
            &["GET /1 1.0", "GET /2 1.0 close"],
        ),
        (b"GET / HTTP/1.0\r\nConnection: keep-alive, close\r\n\r\nX", &["GET / 1.0 close"]),
        (b"GET / HTTP/1.0\r\nExpect: 100-continue\r\n\r\n", &["GET / 1.0 close"]),
        (b"GET / HTTP/1.0\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n", &["GET / 1.0 close"]),
        // framing
        (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n", &["POST / host=a"]),
        (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length:\t03 \r\n\r\nabc", &["POST / host=a length=3"]),
        (b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc", &["GET / host=a length=3"]),
        (
            b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: Chunked\r\n\r\n1\r\na\r\n0\r\n\r\n",
            &["POST / host=a chunked"],
        ),
        (
            b"POST / HTTP/1.1\r\nHost: a\r\ntransfer-encoding:\tchunked\t\r\n\r\n0\r\n\r\n",
            &["POST / host=a chunked"],
        ),
        // pipelines
        (
            b"POST /1 HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nabGET /2 HTTP/1.1\r\nHost: a\r\n\r\n",
            &["POST /1 host=a length=2", "GET /2 host=a"],
        ),
        (
            b"POST /1 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\n\r\n",
            &["POST /1 host=a chunked", "GET /2 host=a"],
        ),
        (b"GET / HTTP/1.1\r\nHost: a\r\nConnection: Close\r\n\r\nGET /smuggled", &["GET / host=a close"]),
        (b"GET / HTTP/1.1\r\nHost: a\r\nConnection: ,, x ,close,\r\n\r\nX", &["GET / host=a close"]),
        (
            b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nConnection: keep-alive\r\n\r\nX",
            &["GET / host=a close"],
        ),
        // [1] upgrades
        (
            b"GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
            &["GET / host=a upgrade=websocket"],
        ),
        (b"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n\r\n", &["GET / host=a"]),
        (b"GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\n\r\n", &["GET / host=a"]),
        (b"GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: ,\r\n\r\n", &["GET / host=a"]),
        (b"GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n", &["GET / host=a"]),
        (b"GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket, H2C\r\n\r\n", &["GET / host=a"]),
        (b"GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: HTTP/2.0\r\n\r\n", &["GET / host=a"]),
        (b"GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: TLS/1.2\r\n\r\n", &["GET / host=a"]),
        // Expect, TE
        (
            b"POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-CONTINUE\r\nContent-Length: 1\r\n\r\nx",
            &["POST / host=a length=1 expects"],
        ),
        (b"GET / HTTP/1.1\r\nHost: a\r\nTE: gzip;q=0.5, Trailers\r\n\r\n", &["GET / host=a trailers"]),
        // empty value, obs-text, tab within: all allowed (RFC 9110 5.5)
        (b"GET / HTTP/1.1\r\nHost: a\r\nX:\r\nY: \xe9\tz\r\n~!#$%&'*+.^_`|-: 1\r\n\r\n", &["GET / host=a"]),
    ];
    for (bytes, expected) in rows {
        let (messages, end) = read(bytes);
        assert_eq!(words(&messages), *expected, "{} ended {end:?}", bytes.escape_ascii());
        assert!(matches!(end, End::Between | End::Last), "{} ended {end:?}", bytes.escape_ascii());
    }
}

#[test]
fn every_reason_has_the_status_that_the_rfc_names() {
    use RequestError::*;
    for (status, errors) in [
        (400, &[BareLineFeed, LeadingLines, Malformed, NotHttp, BadTarget, BadHost, BadContentLength][..]),
        (400, &[LengthAndEncoding, BadTransferEncoding, BadConnectionOption, BadChunk(ChunkError::Size)]),
        (413, &[BodyTooLarge]),
        (414, &[TargetTooLong]),
        (417, &[UnknownExpectation]),
        (431, &[HeadTooLarge, TooManyFields]),
        (501, &[UnknownTransferCoding, ConnectMethod]),
        (505, &[UnsupportedVersion]),
    ] {
        for error in errors {
            assert_eq!(error.status(), status, "{error}");
        }
    }
}

#[test]
fn limits_hold_to_the_byte() {
    let limits = Limits { head_bytes: 200, fields: 3, target_bytes: 20 };
    let outcome = |bytes: &[u8]| {
        let whole = requests(bytes, &[], &limits);
        assert_eq!(requests(bytes, &[1], &limits), whole, "{}", bytes.escape_ascii());
        (whole.0.len(), whole.1)
    };
    let with_target = |length: usize| format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "t".repeat(length - 1));
    assert_eq!(outcome(with_target(20).as_bytes()), (1, End::Between));
    assert_eq!(outcome(with_target(21).as_bytes()), (0, End::Refused(RequestError::TargetTooLong)));
    assert_eq!(outcome(with_target(500).as_bytes()), (0, End::Refused(RequestError::TargetTooLong)));

    let with_fields = |count: usize| format!("GET / HTTP/1.1\r\nHost: a\r\n{}\r\n", "X: y\r\n".repeat(count - 1));
    assert_eq!(outcome(with_fields(3).as_bytes()), (1, End::Between));
    assert_eq!(outcome(with_fields(4).as_bytes()), (0, End::Refused(RequestError::TooManyFields)));

    let empty = "GET / HTTP/1.1\r\nHost: a\r\nX: \r\n\r\n".len();
    for lead in ["", "\r\n"] {
        let of_length =
            |length: usize| format!("{lead}GET / HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n", "x".repeat(length - empty));
        assert_eq!(outcome(of_length(200).as_bytes()), (1, End::Between));
        for length in 201..206 {
            let end = End::Refused(RequestError::HeadTooLarge);
            assert_eq!(outcome(of_length(length).as_bytes()), (0, end), "{length}");
        }
    }
    // An endless head is given up at the limit, whatever would have come after it.
    let endless = format!("GET / HTTP/1.1\r\nHost: a\r\nX: {}", "x".repeat(1000));
    assert_eq!(outcome(endless.as_bytes()), (0, End::Refused(RequestError::HeadTooLarge)));

    let most = Limits { fields: usize::MAX, head_bytes: usize::MAX, target_bytes: usize::MAX };
    let (read, end) = requests(with_fields(Limits::MAX_FIELDS).as_bytes(), &[], &most);
    assert_eq!((read.len(), end), (1, End::Between));
    let (_, end) = requests(with_fields(Limits::MAX_FIELDS + 1).as_bytes(), &[], &most);
    assert_eq!(end, End::Refused(RequestError::TooManyFields));
}

#[test]
fn what_connection_names_is_struck_and_nothing_else() {
    let lines = b"Connection: close, X-Secret , keep-alive\r\nx-secret: 1\r\nX-SECRET: 2\r\nX_Secret: 3\r\nX: 4\r\n\
        connection: x";
    let (messages, _) = read(&with_lines(lines));
    assert_eq!(
        messages[0].fields,
        [
            "Host: a",
            "Connection: close, X-Secret , keep-alive",
            "struck x-secret: 1",
            "struck X-SECRET: 2",
            "X_Secret: 3",
            "struck X: 4",
            "connection: x",
        ]
    );
}

#[test]
fn connection_can_not_ask_for_quadratic_work() {
    let of_options = |count: usize| with_lines(format!("Connection: {}", "x,".repeat(count)).as_bytes());
    assert_eq!(read(&of_options(32)).0.len(), 2);
    assert_eq!(read(&of_options(33)).1, End::Refused(RequestError::BadConnectionOption));
    // The usual options cost nothing however often they are said.
    let usual = with_lines(format!("Connection: {}", "keep-alive,".repeat(100)).as_bytes());
    assert_eq!(read(&usual).0.len(), 2);
}

/// httparse looks at 8, 16 or 32 bytes at a time; each position of such a block is tried.
#[test]
fn every_byte_at_every_place_is_judged_by_its_grammar() {
    let accepts = |before: &str, at: usize, byte: u8, after: &str| {
        let bytes = [before.as_bytes(), &vec![b'a'; at], &[byte], &[b'a'; 40], after.as_bytes()].concat();
        let (messages, end) = read(&bytes);
        messages.len() == 1 && end == End::Between
    };
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    for byte in 0..=255 {
        for at in 0..40 {
            let place = format!("byte {byte:#04x} at {at}");
            let in_method = accepts("M", at, byte, " / HTTP/1.1\r\nHost: a\r\n\r\n");
            assert_eq!(in_method, is_token(byte), "{place} of a method");
            let in_target = accepts("GET /", at, byte, " HTTP/1.1\r\nHost: a\r\n\r\n");
            assert_eq!(in_target, byte.is_ascii_graphic() && !b"\"#<>`".contains(&byte), "{place} of a path");
            let in_query = accepts("GET /?", at, byte, " HTTP/1.1\r\nHost: a\r\n\r\n");
            assert_eq!(in_query, byte.is_ascii_graphic() && !b"\"#<>".contains(&byte), "{place} of a query");
            let in_name = accepts("GET / HTTP/1.1\r\nHost: a\r\n", at, byte, ": b\r\n\r\n");
            // A colon ends the name and begins the value; not where the name would be empty.
            assert_eq!(in_name, is_token(byte) || (byte == b':' && at > 0), "{place} of a name");
            let in_value = accepts("GET / HTTP/1.1\r\nHost: a\r\nb: ", at, byte, "\r\n\r\n");
            assert_eq!(in_value, byte == b'\t' || (byte >= b' ' && byte != 0x7f), "{place} of a value");
        }
    }
}

#[test]
fn names_that_only_the_proxy_may_write_are_known_in_every_spelling() {
    for (name, expected) in [
        ("Host", Known::Host),
        ("X-FORWARDED-for", Known::XForwardedFor),
        ("X-Forwarded-User", Known::XForwardedOther),
        ("x-forwarded-preferred-username-and-whatever", Known::XForwardedOther),
        ("X_Forwarded_User", Known::Disguised),
        ("X-Forwarded_For", Known::Disguised),
        ("X.Forwarded.For", Known::Disguised),
        ("X_FORWARDED_a_name_that_is_longer_than_any_that_we_know", Known::Disguised),
        ("transfer_encoding", Known::Disguised),
        ("Content_Length", Known::Disguised),
        ("x-real_ip", Known::Disguised),
        ("Proxy", Known::Disguised),
        ("X-Forwarded", Known::Other),
        ("X-Forwardedfor", Known::Other),
        ("My_Header", Known::Other),
        ("", Known::Other),
    ] {
        assert_eq!(Known::from_name(name.as_bytes()), expected, "{name}");
    }
}
