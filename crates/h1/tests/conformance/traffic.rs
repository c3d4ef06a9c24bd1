//! What peers may send: requests and responses that are good, nearly good, or mutilated.

use proptest::{collection::vec, prelude::*, sample::select};

/// How many are tried: `PROPTEST_CASES`, but not fewer than the alternatives below are worth.
pub(crate) fn cases() -> ProptestConfig {
    let default = ProptestConfig::default();
    ProptestConfig { cases: default.cases.max(2000), ..default }
}

/// Bytes of one or more requests on one connection.
pub(crate) fn requests() -> impl Strategy<Value = Vec<u8>> {
    (vec(request(), 1..4), mutations()).prop_map(|(messages, mutations)| mutate(messages.concat(), &mutations))
}

/// Bytes of one response, interim ones before it and something after it.
pub(crate) fn responses() -> impl Strategy<Value = Vec<u8>> {
    let interim = select(&["", "", "", "HTTP/1.1 100 Continue\r\n\r\n", "HTTP/1.1 103 x\r\nLink: a\r\n\r\n"][..]);
    (interim, response(), mutations())
        .prop_map(|(interim, message, mutations)| mutate([interim.as_bytes(), &message].concat(), &mutations))
}

/// A chunked body, nearly always good, and something behind it.
pub(crate) fn chunked() -> impl Strategy<Value = Vec<u8>> {
    (chunked_body(), mutations()).prop_map(|(body, mutations)| mutate(body, &mutations))
}

/// Words of the protocol in any order: hardly ever a message.
pub(crate) fn soup() -> impl Strategy<Value = Vec<u8>> {
    let word = select(
        &[
            "GET ",
            "POST ",
            "/ ",
            "HTTP/1.1",
            "HTTP/1.0",
            "\r\n",
            "\r\n\r\n",
            "\n",
            "\r",
            "Host: a",
            "Host:",
            ":",
            " ",
            "\t",
            "Transfer-Encoding: chunked",
            "Content-Length: 3",
            "0",
            "5;",
            "200 OK",
            "\0",
            "\u{7f}",
            "\u{e9}",
            "a",
        ][..],
    );
    prop_oneof![vec(word, 0..30).prop_map(|words| words.concat().into_bytes()), vec(any::<u8>(), 0..200),]
}

/// Lengths of reads.
pub(crate) fn reads() -> impl Strategy<Value = Vec<usize>> {
    vec(1..40_usize, 1..8)
}

/// One of `usual`, now and then one of `odd`: a conversation of several messages must have a chance to be good.
fn mostly(usual: &'static [&'static str], odd: &'static [&'static str]) -> impl Strategy<Value = &'static str> {
    prop_oneof![12 => select(usual), 1 => select(odd)]
}

fn request() -> impl Strategy<Value = Vec<u8>> {
    let method = mostly(&["GET", "POST", "PUT", "HEAD", "OPTIONS"], &["get", "X-Y", "TRACE", "CONNECT"]);
    let target = prop_oneof![
        20 => mostly(
            &["/", "/a/b?c=d", "//evil/x", "/?", "/a%2fb", "/{a}|^", "http://b", "http://b:80/c?d", "HTTPS://[::1]:443/"],
            &["*", "/?<x>", "http://b?x", "http://u@b/", "/a#b", "http://b:", "b:80", "/a;b=c/..", "/\"", "http://b,c"],
        ).prop_map(str::to_owned),
        1 => "/[!-~]{0,20}",
        1 => "http://[!-~]{1,10}/",
    ];
    let version = mostly(&["HTTP/1.1"], &["HTTP/1.0", "HTTP/1.2", "HTTP/2.0"]);
    let host = mostly(&["Host: a\r\n", "host:[::1]:80 \r\n"], &["Host:\r\n", "", "Host: a\r\nHost: a\r\n"]);
    (method, target, version, host, lines(), framed()).prop_map(|(method, target, version, host, lines, framed)| {
        let (framing, body) = framed;
        let head = format!("{method} {target} {version}\r\n{host}{lines}{framing}\r\n");
        [head.into_bytes(), body].concat()
    })
}

fn response() -> impl Strategy<Value = Vec<u8>> {
    let version = mostly(&["HTTP/1.1"], &["HTTP/1.0", "HTTP/1.2"]);
    let status = mostly(
        &["200 OK", "404 x", "200", "500 \u{e9}"],
        &["200 ", "204 No", "304 x", "101 x", "99 x", "600 x", " 200"],
    );
    (version, status, lines(), framed()).prop_map(|(version, status, lines, (framing, body))| {
        [format!("{version} {status}\r\n{lines}{framing}\r\n").into_bytes(), body].concat()
    })
}

/// Header lines that do not frame.
fn lines() -> impl Strategy<Value = String> {
    let usual = &[
        "Accept: */*",
        "X: ",
        "X:y",
        "X: \t y \t",
        "X: \u{e9}",
        "Cookie: a=b",
        "Connection: keep-alive",
        "Connection: x, X",
        "Connection: upgrade\r\nUpgrade: websocket",
        "Upgrade: x",
        "Expect: 100-continue",
        "TE: trailers",
        "Keep-Alive: timeout=5",
        "Transfer_Encoding: chunked",
        "Trailer: X-Sum",
    ];
    let odd = &[
        "Connection: close",
        "Connection: Close, x",
        "Connection: Upgrade\r\nUpgrade: h2c",
        "Connection: Host",
        "Expect: x",
    ];
    let line = prop_oneof![20 => mostly(usual, odd).prop_map(str::to_owned), 1 => "[!-~]{1,8}: [ -~]{0,12}"];
    vec(line, 0..4).prop_map(|lines| lines.into_iter().map(|line| line + "\r\n").collect())
}

/// Lines that frame, and a body that mostly fits them.
fn framed() -> impl Strategy<Value = (String, Vec<u8>)> {
    let odd = select(
        &[
            "Content-Length: 3\r\nContent-Length: 3\r\n",
            "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n",
            "Content-Length: +3\r\n",
            "Content-Length: 3, 3\r\n",
            "Content-Length:\r\n",
            "Content-Length: 03\r\n",
            "Content-Length: 18446744073709551615\r\n",
            "Content-Length: 9223372036854775807\r\n",
            "Transfer-Encoding: gzip, chunked\r\n",
            "Transfer-Encoding: chunked, gzip\r\n",
            "Transfer-Encoding: CHUNKED\r\n",
            "Transfer-Encoding: chunked,\r\n",
            "Transfer-Encoding:\tchunked \r\n",
            "Transfer-Encoding : chunked\r\n",
            "Transfer-Encoding: x\r\nTransfer-Encoding: chunked\r\n",
            "Transfer-Encoding:\r\n chunked\r\n",
        ][..],
    );
    prop_oneof![
        8 => Just((String::new(), Vec::new())),
        8 => data().prop_map(|data| (format!("Content-Length: {}\r\n", data.len()), data)),
        1 => (data(), 0..10_usize).prop_map(|(data, length)| (format!("Content-Length: {length}\r\n"), data)),
        10 => chunked_body().prop_map(|body| ("Transfer-Encoding: chunked\r\n".to_owned(), body)),
        3 => (odd, prop_oneof![data(), chunked_body()]).prop_map(|(lines, body)| (lines.to_owned(), body)),
        1 => data().prop_map(|data| (String::new(), data)),
    ]
}

fn data() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        vec(any::<u8>(), 0..40),
        Just(b"GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n".to_vec()),
        Just(b"0\r\n\r\n".to_vec()),
        vec(any::<u8>(), 1000..3000),
    ]
}

fn chunked_body() -> impl Strategy<Value = Vec<u8>> {
    let extension = mostly(&["", "", "", ";a", ";a=\"b;c\"", "; a = b", ";"], &[" ", " ;a", "\t", ";\u{e9}"]);
    let chunk = (data(), extension, any::<bool>()).prop_map(|(data, extension, upper)| {
        let length = data.len();
        let size = if upper { format!("{length:04X}") } else { format!("{length:x}") };
        if length == 0 { Vec::new() } else { [format!("{size}{extension}\r\n").as_bytes(), &data, b"\r\n"].concat() }
    });
    let last = mostly(&["0"], &["000", "0;a", ""]);
    let trailers = mostly(&["", "X-Sum: 1\r\n", "A: 1\r\nB:\r\n"], &["Host: b\r\n", "Content-Length: 3\r\n", "x\r\n"]);
    (vec(chunk, 0..4), last, trailers).prop_map(|(chunks, last, trailers)| {
        [chunks.concat(), format!("{last}\r\n{trailers}\r\n").into_bytes()].concat()
    })
}

/// A change to a byte or a few.
#[derive(Debug, Clone)]
enum Mutation {
    Replace(u8),
    Insert(&'static str),
    Remove(usize),
    Repeat(usize),
    CutOff,
}

fn mutations() -> impl Strategy<Value = Vec<(prop::sample::Index, Mutation)>> {
    let mutation = prop_oneof![
        3 => any::<u8>().prop_map(Mutation::Replace),
        6 => select(
            &[
                "\r", "\n", "\r\n", "\r\n\r\n", " ", "\t", "\0", ":", ",", ";", "\u{b}", "\u{7f}", "\u{e9}", "0", "f", "#",
                "@", "\r\nContent-Length: 3", "\r\nTransfer-Encoding: chunked", "\r\nConnection: close",
            ][..]
        ).prop_map(Mutation::Insert),
        2 => (1..4_usize).prop_map(Mutation::Remove),
        1 => (1..20_usize).prop_map(Mutation::Repeat),
        1 => Just(Mutation::CutOff),
    ];
    prop_oneof![3 => Just(Vec::new()), 2 => vec((any::<prop::sample::Index>(), mutation), 1..4)]
}

fn mutate(mut bytes: Vec<u8>, mutations: &[(prop::sample::Index, Mutation)]) -> Vec<u8> {
    for (index, mutation) in mutations {
        if bytes.is_empty() {
            break;
        }
        let at = index.index(bytes.len());
        let until = |count: usize| bytes.len().min(at + count);
        match mutation {
            Mutation::Replace(byte) => bytes[at] = *byte,
            Mutation::Insert(text) => drop(bytes.splice(at..at, text.bytes())),
            Mutation::Remove(count) => drop(bytes.drain(at..until(*count))),
            Mutation::Repeat(count) => {
                let part = bytes[at..until(*count)].to_vec();
                bytes.splice(at..at, part);
            }
            Mutation::CutOff => bytes.truncate(at),
        }
    }
    bytes
}
