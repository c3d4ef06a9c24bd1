//! What reaches a service of the claims that a client makes: seen through a service that sends back the headers of its
//! request, where the file names one.

use std::time::{SystemTime, UNIX_EPOCH};

use super::{
    Range,
    door::Doors,
    exchange::{Shot, send_one},
    not_tried,
    request::request,
};
use crate::{check::Check, estate::Estate, outcome::Outcome};

/// Claims that no client may make (invariant 3), each with a value that can be found again.
const CLAIMS: [&str; 12] = [
    "X-Forwarded-User",
    "X_Forwarded_User",
    "x-forwarded_user",
    "X-Forwarded-Email",
    "X-Forwarded-Groups",
    "X-Forwarded-Access-Token",
    "X-Forwarded-Client-Cert",
    "X-Forwarded-For",
    "X-Forwarded-Host",
    "X-Forwarded-Uri",
    "X-Real-IP",
    "Forwarded",
];

pub(super) fn check(estate: &Estate<'_>, doors: &Doors<'_>, range: Range<'_>) -> Option<Outcome> {
    let echo = estate.declared.probe.echo.as_ref()?;
    let place = estate.place(echo.span);
    let door = doors.of_data().find(|door| door.port.name.value == echo.value.port.value);
    let Some(door) = door else {
        let why = format!("port `{}` speaks no HTTP to clients, or is not reached from here", echo.value.port.value);
        return Some(Outcome::unknown(Check::SpoofedIdentity, "the echo", "nothing was sent", why).at(place));
    };
    if let Some(why) = &door.barred {
        return Some(not_tried(door, Check::SpoofedIdentity, why));
    }
    let host = echo.value.host.as_ref().map_or_else(|| door.host.clone(), |host| host.value.clone());
    let nonce = nonce();
    let value = |index: usize| format!("spoof-{index}-{nonce}");
    let claims = CLAIMS.iter().enumerate().map(|(index, name)| format!("{name}: {}\r\n", value(index)));
    let lines = format!("X-Probe: told-{nonce}\r\n{}", claims.collect::<Vec<_>>().concat());
    let shot = Shot::new(&door.asking_for(&host, None), request("GET", &echo.value.path.value, &host, &lines));
    let reply = send_one(range, shot);
    let subject = format!("what reaches a service through {}", door.title);
    let tried = format!("sent {} claims of other proxies to {host}{}", CLAIMS.len(), echo.value.path.value);
    let holds = |text: &str| reply.bytes().windows(text.len()).any(|window| window == text.as_bytes());
    if !holds(&format!("told-{nonce}")) {
        let why = format!("it sends back no header of the request ({})", reply.words());
        return Some(Outcome::unknown(Check::SpoofedIdentity, subject, tried, why).at(place));
    }
    let through: Vec<&str> =
        CLAIMS.iter().enumerate().filter(|(index, _)| holds(&value(*index))).map(|(_, name)| *name).collect();
    Some(
        if through.is_empty() {
            Outcome::pass(Check::SpoofedIdentity, subject, tried, "none of them reached the service")
        } else {
            Outcome::fail(Check::SpoofedIdentity, subject, tried, format!("{} reached the service", through.join(", ")))
                .fix("a service that believes them believes anybody: see what answers there instead of the proxy")
        }
        .at(place),
    )
}

/// A text that no answer holds by chance. It is no secret.
fn nonce() -> String {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    format!("{:x}-{:x}", since.as_nanos(), std::process::id())
}
