//! The control plane, from where it must not be reached: through data ports, and without credentials.

use portcullis_config::declared::{ListenAddress, Port};

use super::{
    Range,
    door::{Door, Doors},
    exchange::{Reply, Shot, send},
    not_tried,
    request::request,
};
use crate::{check::Check, estate::Estate, outcome::Outcome, wire::Broken};

/// What the control plane answers to.
const PATHS: [&str; 6] = ["/v1/status", "/v1/config", "/v1/health", "/v1/ready", "/metrics", "/openapi.json"];

/// What only the control plane says: its problems, its answers, its metrics.
const MARKS: [&[u8]; 5] = [
    b"urn:portcullis:problem:",
    b"\"status\":\"live\"",
    b"portcullis_connections",
    b"\"generation_since\":",
    b"\"access_log\":",
];

/// A token of the right form that is nobody's.
const WRONG_TOKEN: &str = "Authorization: Bearer 0123456789abcdef0123456789abcdef\r\n";

pub(super) fn check(estate: &Estate<'_>, doors: &Doors<'_>, range: Range<'_>) -> Vec<Outcome> {
    let mut outcomes = Vec::new();
    let control: Vec<String> = estate.declared.ports.iter().filter_map(control_address).collect();
    for door in doors.of_data() {
        outcomes.push(paths(door, range));
        if !control.is_empty() {
            outcomes.push(forged_targets(door, &control, range));
        }
    }
    outcomes.extend(doors.of_admin().map(|door| credentials(door, range)));
    outcomes
}

/// Where a control port listens over TCP.
fn control_address(port: &Port) -> Option<String> {
    match &port.listen.value {
        ListenAddress::Tcp(address) if !port.is_data_port() => Some(address.to_string()),
        _ => None,
    }
}

fn paths(door: &Door<'_>, range: Range<'_>) -> Outcome {
    const CHECK: Check = Check::AdminOnDataPort;
    if let Some(why) = &door.barred {
        return not_tried(door, CHECK, why);
    }
    let shots = PATHS.iter().map(|path| Shot::new(door, request("GET", path, &door.host, ""))).collect();
    let named = PATHS.iter().map(|path| format!("GET {path}"));
    let tried = format!("asked for {}", PATHS.join(", "));
    let replies: Vec<(String, Reply)> = named.zip(send(range, shots)).collect();
    judge(door, CHECK, &tried, &replies)
}

/// Requests whose target or host is a control port: a proxy that goes where the request says would go there.
fn forged_targets(door: &Door<'_>, control: &[String], range: Range<'_>) -> Outcome {
    const CHECK: Check = Check::ForgedTarget;
    if let Some(why) = &door.barred {
        return not_tried(door, CHECK, why);
    }
    let mut forged: Vec<(String, Vec<u8>)> = Vec::new();
    for admin in control {
        let host = &door.host;
        for (name, method, target, authority, lines) in [
            ("a Host of", "GET", "/v1/health".to_owned(), admin.as_str(), String::new()),
            ("an absolute target of", "GET", format!("http://{admin}/v1/health"), admin, String::new()),
            (
                "an absolute target, beside its own Host, of",
                "GET",
                format!("http://{admin}/metrics"),
                host,
                String::new(),
            ),
            ("a path that looks like a host, of", "GET", format!("//{admin}/v1/health"), host, String::new()),
            ("CONNECT to", "CONNECT", admin.clone(), admin, String::new()),
            ("X-Forwarded-Host of", "GET", "/v1/health".to_owned(), host, format!("X-Forwarded-Host: {admin}\r\n")),
            ("X-Original-URL of", "GET", "/".to_owned(), host, format!("X-Original-URL: http://{admin}/v1/health\r\n")),
            ("Forwarded host of", "GET", "/v1/health".to_owned(), host, format!("Forwarded: host=\"{admin}\"\r\n")),
        ] {
            forged.push((format!("{name} {admin}"), request(method, &target, authority, &lines)));
        }
    }
    let tried = format!("sent {} requests whose host or target is {}", forged.len(), control.join(" or "));
    let (names, shots): (Vec<String>, Vec<Shot>) =
        forged.into_iter().map(|(name, bytes)| (name, Shot::new(door, bytes))).unzip();
    let replies: Vec<(String, Reply)> = names.into_iter().zip(send(range, shots)).collect();
    judge(door, CHECK, &tried, &replies)
}

fn judge(door: &Door<'_>, check: Check, tried: &str, replies: &[(String, Reply)]) -> Outcome {
    let title = door.title.clone();
    if let Some(why) = replies.iter().find_map(|(_, reply)| reply.obstacle()) {
        return door.outcome(Outcome::unknown(check, title, tried, why));
    }
    let through: Vec<String> = replies
        .iter()
        .filter(|(name, reply)| is_control_plane(reply.bytes()) || is_tunnel(name, reply))
        .map(|(name, reply)| format!("{name}: {}", reply.words()))
        .collect();
    door.outcome(if through.is_empty() {
        Outcome::pass(check, title, tried, "nothing that only the control plane says came back")
    } else {
        Outcome::fail(check, title, tried, format!("the control plane answered {}", through.join("; ")))
            .fix("no route may lead to a control port: see which service or redirect does")
    })
}

fn is_control_plane(answer: &[u8]) -> bool {
    MARKS.iter().any(|mark| answer.windows(mark.len()).any(|window| window == *mark))
}

fn is_tunnel(name: &str, reply: &Reply) -> bool {
    name.starts_with("CONNECT") && reply.status().is_some_and(|status| (200..300).contains(&status))
}

/// The admin API itself, asked without a token and with a wrong one. The real one is never sent: who listens there is
/// not proven.
fn credentials(door: &Door<'_>, range: Range<'_>) -> Outcome {
    const TRIED: &str = "asked the admin API for /v1/status without a token, and with a wrong one";
    let ask = |lines: &str| {
        let hello =
            door.hello.as_ref().map(|_| crate::wire::Hello::new(Some(&door.host), door.target.address().ip(), None));
        let bytes = request("GET", "/v1/status", &door.host, lines);
        match hello.flatten() {
            Some(hello) => Shot::greeting(door, hello, bytes),
            None => Shot::new(door, bytes),
        }
    };
    let replies = send(range, vec![ask(""), ask(WRONG_TOKEN)]);
    let title = door.title.clone();
    if let Some(why) = replies.iter().find_map(Reply::obstacle) {
        return door.outcome(Outcome::unknown(Check::OpenAdmin, title, TRIED, why));
    }
    let is_refused = |reply: &&Reply| match reply {
        Reply::Closed | Reply::NoSession(Broken::CertificateWanted | Broken::Alert(_) | Broken::Closed) => true,
        reply => matches!(reply.status(), Some(401 | 403)),
    };
    let got = replies.iter().map(Reply::words).collect::<Vec<_>>().join("; ");
    door.outcome(if replies.iter().all(|reply| is_refused(&reply)) {
        Outcome::pass(Check::OpenAdmin, title, TRIED, got)
    } else {
        Outcome::fail(Check::OpenAdmin, title, TRIED, got)
            .fix("an admin port answers nobody without a token or a client certificate: find out what listens there")
    })
}
