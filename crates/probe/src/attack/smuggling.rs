//! Requests that two readers could read in two ways. Where one gets through, the reader behind the proxy finds a second
//! request in it that nobody has judged.

use super::{
    Range,
    door::{Door, Doors},
    exchange::{End, Reply, Shot, send},
    not_tried,
    request::NOWHERE,
};
use crate::{check::Check, outcome::Outcome};

/// What is ambiguous about a case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Where {
    /// The head: it must not be understood at all.
    Head,
    /// The body: its head may be answered, and then the connection must not go on.
    Body,
}

/// One ambiguous request; `HOST` stands for the host, `PATH` for a path that nobody has.
struct Case {
    name: &'static str,
    place: Where,
    bytes: &'static str,
}

const fn head(name: &'static str, bytes: &'static str) -> Case {
    Case { name, place: Where::Head, bytes }
}

const fn body(name: &'static str, bytes: &'static str) -> Case {
    Case { name, place: Where::Body, bytes }
}

const CASES: &[Case] = &[
    head(
        "length, then encoding (CL.TE)",
        "GET PATH HTTP/1.1\r\nHost: HOST\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ),
    head(
        "encoding, then length (TE.CL)",
        "GET PATH HTTP/1.1\r\nHost: HOST\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
    ),
    head("two lengths", "GET PATH HTTP/1.1\r\nHost: HOST\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello!"),
    head("a length with a sign", "GET PATH HTTP/1.1\r\nHost: HOST\r\nContent-Length: +5\r\n\r\nhello"),
    head("an empty length (CVE-2023-40225)", "GET PATH HTTP/1.1\r\nHost: HOST\r\nContent-Length:\r\n\r\nhello"),
    head(
        "a length beyond 64 bits (CVE-2021-40346)",
        "GET PATH HTTP/1.1\r\nHost: HOST\r\nContent-Length: 18446744073709551621\r\n\r\nhello",
    ),
    head(
        "a space before the colon of the encoding (TE.TE)",
        "GET PATH HTTP/1.1\r\nHost: HOST\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
    ),
    head(
        "an encoding behind a vertical tab (TE.TE)",
        "GET PATH HTTP/1.1\r\nHost: HOST\r\nTransfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n",
    ),
    head(
        "an encoding that only looks like chunked (TE.TE)",
        "GET PATH HTTP/1.1\r\nHost: HOST\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    ),
    head(
        "two encodings (CVE-2026-2835)",
        "GET PATH HTTP/1.1\r\nHost: HOST\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n",
    ),
    head(
        "chunked within HTTP/1.0 (CVE-2026-2835)",
        "GET PATH HTTP/1.0\r\nHost: HOST\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ),
    head("a folded encoding", "GET PATH HTTP/1.1\r\nHost: HOST\r\nTransfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n"),
    head("a bare LF within the head", "GET PATH HTTP/1.1\r\nHost: HOST\nX-Probe: 1\r\n\r\n"),
    head("a bare CR within a value", "GET PATH HTTP/1.1\r\nHost: HOST\r\nX-Probe: 1\rContent-Length: 5\r\n\r\n"),
    head("a header without a name (CVE-2023-25725)", "GET PATH HTTP/1.1\r\nHost: HOST\r\n: 1\r\nX-Probe: 1\r\n\r\n"),
    head("two hosts", "GET PATH HTTP/1.1\r\nHost: HOST\r\nHost: portcullis-probe.invalid\r\n\r\n"),
    head("NUL within a value", "GET PATH HTTP/1.1\r\nHost: HOST\r\nX-Probe: a\0b\r\n\r\n"),
    body(
        "a chunk size that ends in a bare LF",
        "GET PATH HTTP/1.1\r\nHost: HOST\r\nTransfer-Encoding: chunked\r\n\r\n5\nhello\r\n0\r\n\r\n",
    ),
    body(
        "a chunk size beyond 64 bits",
        "GET PATH HTTP/1.1\r\nHost: HOST\r\nTransfer-Encoding: chunked\r\n\r\n10000000000000005\r\nhello\r\n0\r\n\r\n",
    ),
    body(
        "a chunk extension with a bare LF (TERM.EXT)",
        "GET PATH HTTP/1.1\r\nHost: HOST\r\nTransfer-Encoding: chunked\r\n\r\n5;a\nxx\r\nhello\r\n0\r\n\r\n",
    ),
];

pub(super) fn check(doors: &Doors<'_>, range: Range<'_>) -> Vec<Outcome> {
    doors.of_data().map(|door| of_door(door, range)).collect()
}

fn of_door(door: &Door<'_>, range: Range<'_>) -> Outcome {
    if let Some(why) = &door.barred {
        return not_tried(door, Check::SmuggledRequest, why);
    }
    let written = |case: &Case| case.bytes.replace("HOST", &door.host).replace("PATH", NOWHERE).into_bytes();
    let replies = send(range, CASES.iter().map(|case| Shot::new(door, written(case))).collect());
    let tried = format!("sent {} requests that can be read in two ways", CASES.len());
    if let Some(why) = replies.iter().find_map(Reply::obstacle) {
        return door.outcome(Outcome::unknown(Check::SmuggledRequest, door.title.clone(), tried, why));
    }
    let through: Vec<String> = CASES
        .iter()
        .zip(&replies)
        .filter(|(case, reply)| !is_refused(case.place, reply))
        .map(|(case, reply)| format!("{}: {}", case.name, reply.words()))
        .collect();
    door.outcome(if through.is_empty() {
        Outcome::pass(Check::SmuggledRequest, door.title.clone(), tried, "each was refused and its connection closed")
    } else {
        Outcome::fail(Check::SmuggledRequest, door.title.clone(), tried, format!("understood {}", through.join("; ")))
            .fix("whatever listens there must refuse messages whose framing is ambiguous (RFC 9112 6.3)")
    })
}

/// Refused: malformed, or not implemented, and nothing more is read from the connection. Also closing without a word.
fn is_refused(place: Where, reply: &Reply) -> bool {
    let refuses = |status: u16| matches!(status, 400 | 408 | 411 | 413 | 414 | 431 | 501 | 505);
    match reply {
        Reply::Closed | Reply::NoSession(_) => true,
        Reply::Silent | Reply::NoConnection(_) => false,
        Reply::Answered { end, .. } => match place {
            Where::Head => reply.status().is_some_and(refuses) && *end == End::Closed,
            // It may have been answered before its body was read: no such path, no right to it.
            Where::Body => *end == End::Closed && reply.status().is_some_and(|status| status >= 400),
        },
    }
}
