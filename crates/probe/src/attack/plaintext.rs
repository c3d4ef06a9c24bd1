//! Plain HTTP on ports that speak TLS.

use super::{
    Range,
    door::Doors,
    exchange::{Reply, Shot, send_one},
    request::{NOWHERE, request},
};
use crate::{check::Check, outcome::Outcome};

pub(super) fn check(doors: &Doors<'_>, range: Range<'_>) -> Vec<Outcome> {
    const TRIED: &str = "sent a GET without TLS";
    let judge = |door: &super::Door<'_>| {
        let reply = send_one(range, Shot::bare(door, request("GET", NOWHERE, &door.host, "")));
        let title = door.title.clone();
        let got = reply.words();
        door.outcome(match (&reply, reply.status()) {
            (Reply::NoConnection(_), _) => Outcome::unknown(Check::PlaintextOnTls, title, TRIED, got),
            // To say in plain words what is wrong serves nobody's request.
            (_, Some(status)) if status != 400 && status != 426 => {
                Outcome::fail(Check::PlaintextOnTls, title, TRIED, got).fix("no request is answered without TLS there")
            }
            _ => Outcome::pass(Check::PlaintextOnTls, title, TRIED, got),
        })
    };
    doors.of_tls().filter(|door| source_is_let_in(door)).map(judge).collect()
}

/// Who is kept out by address is kept out of everything.
fn source_is_let_in(door: &super::Door<'_>) -> bool {
    door.barred.as_ref().is_none_or(|why| why.contains("--cert"))
}
