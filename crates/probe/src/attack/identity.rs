//! Routes that ask who is calling: asked by nobody, with forged tokens, and with the claims of a proxy that is not there.

use std::net::IpAddr;

use portcullis_config::{
    declared::{Action, Allow, Route},
    span::Spanned,
};

use super::{
    Range,
    door::{Door, Doors},
    exchange::{Reply, Shot, send},
    request::Form,
};
use crate::{check::Check, estate::Estate, outcome::Outcome, reach::admits};

/// Tokens that nobody issued: one without a signature, one signed with a key of ours, one that ended long ago.
/// `{"sub":"portcullis-probe","aud":"portcullis",...}`, `exp` in 2100 for the first two and in 2001 for the third.
const TOKENS: [(&str, &str); 3] =
    [("without signature", UNSIGNED), ("signed with a foreign key", FOREIGN), ("expired", EXPIRED)];
const UNSIGNED: &str = "eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0.eyJzdWIiOiJwb3J0Y3VsbGlzLXByb2JlIiwiYXVkIjoicG9ydGN1bGxpcyIsImdy\
    b3VwcyI6WyJhZG1pbnMiXSwiZXhwIjo0MTAyNDQ0ODAwfQ.";
const FOREIGN: &str = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiJwb3J0Y3VsbGlzLXByb2JlIiwiYXVkIjoicG9ydGN1bGxpcyIsImd\
    yb3VwcyI6WyJhZG1pbnMiXSwiZXhwIjo0MTAyNDQ0ODAwfQ.SsJu_auB1SRzibiW4y_smD4tDtSDUpMgIoAMA8Rcfvo";
const EXPIRED: &str = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiJwb3J0Y3VsbGlzLXByb2JlIiwiYXVkIjoicG9ydGN1bGxpcyIsImd\
    yb3VwcyI6WyJhZG1pbnMiXSwiZXhwIjo5NzgzMDcyMDB9.yoykdIBPEL4RR9uQ1AvVR5NSsOtpZI5CKfASqoX-x4U";

/// Headers by which proxies tell services who is calling, in the spellings that have got past others.
const CLAIMS: &str = "X-Forwarded-User: admin\r\nX_Forwarded_User: admin\r\nX-Forwarded-Email: admin@example.com\r\n\
    X-Forwarded-Groups: admins\r\nX-Forwarded-Preferred-Username: admin\r\nX-Auth-Request-User: admin\r\n\
    X-Remote-User: admin\r\nRemote-User: admin\r\nX-Forwarded-Client-Cert: By=x;Subject=\"CN=admin\"\r\n\
    X-Forwarded-For: 127.0.0.1\r\nX-Real-IP: 127.0.0.1\r\nX-Forwarded-Uri: /healthz\r\nX-Original-URL: /healthz\r\n\
    Forwarded: for=127.0.0.1\r\n";

pub(super) fn check(estate: &Estate<'_>, doors: &Doors<'_>, range: Range<'_>) -> Vec<Outcome> {
    let mut outcomes = Vec::new();
    for door in doors.of_data() {
        let of_port = |route: &&Route| route.ports.iter().any(|name| name.value == door.port.name.value);
        for route in estate.declared.routes.iter().filter(of_port).filter(|route| asks_for_identity(route)) {
            outcomes
                .extend(of_route(route, door, range).into_iter().map(|outcome| outcome.at(estate.place(route.span))));
        }
    }
    outcomes
}

fn asks_for_identity(route: &Route) -> bool {
    route.allow.as_ref().is_some_and(|allow| match &allow.value {
        Allow::Anyone => false,
        Allow::Authenticated => true,
        Allow::Only(asked) => !asked.certificates.is_empty() || asked.asks_identity(),
    })
}

fn of_route(route: &Route, door: &Door<'_>, range: Range<'_>) -> Vec<Outcome> {
    let title = format!("route {} of {}", name(route), door.title);
    let unknown = |why: String| vec![Outcome::unknown(Check::Unauthenticated, title.clone(), "nothing was sent", why)];
    if let Some(why) = &door.barred {
        return unknown(why.clone());
    }
    let form = match Form::of(route, door) {
        Ok(form) => form,
        Err(why) => return unknown(why),
    };
    if let Some(why) = kept_out_by_address(route, door) {
        return unknown(why);
    }
    let door = door.asking_for(&form.host, None);
    let mut shots = vec![Shot::new(&door, form.bytes("")), Shot::new(&door, form.bytes(CLAIMS))];
    let bearer = |token: &str| form.bytes(&format!("Authorization: Bearer {token}\r\n"));
    shots.extend(TOKENS.iter().map(|(_, token)| Shot::new(&door, bearer(token))));
    let mut replies = send(range, shots).into_iter();
    let (Some(alone), Some(claimed)) = (replies.next(), replies.next()) else { return Vec::new() };
    let asked = format!("{} {} of {}", form.method, form.target, form.host);
    let forged: Vec<(&str, Reply)> = TOKENS.iter().map(|(name, _)| *name).zip(replies).collect();
    let tried = |how: &str| format!("asked for {asked} {how}");
    vec![
        judge(route, Check::Unauthenticated, &title, &tried("without saying who is calling"), &[("", alone)]),
        judge(route, Check::SpoofedIdentity, &title, &tried("with the claims of another proxy"), &[("", claimed)]),
        judge(route, Check::ForgedToken, &title, &tried("with tokens that nobody issued"), &forged),
    ]
}

/// Whether the addresses of the route keep this host out, so that nothing is learnt about identity.
fn kept_out_by_address(route: &Route, door: &Door<'_>) -> Option<String> {
    let source: IpAddr = door.target.address().ip();
    let misses = |networks: &[Spanned<ipnet::IpNet>]| {
        !networks.is_empty() && !networks.iter().any(|network| network.value.contains(&source))
    };
    let allowed_from = match route.allow.as_ref().map(|allow| &allow.value) {
        Some(Allow::Only(asked)) => asked.from.as_slice(),
        _ => &[],
    };
    let is_out = misses(&route.matches.from)
        || misses(allowed_from)
        || route.deny.from.iter().any(|network| network.value.contains(&source))
        || !admits(door.port, source);
    is_out.then(|| format!("the route keeps {source} out whoever calls"))
}

fn judge(route: &Route, check: Check, title: &str, tried: &str, replies: &[(&str, Reply)]) -> Outcome {
    let mut got = Vec::new();
    let mut worst = Judgement::Refused;
    for (name, reply) in replies {
        let judgement = Judgement::of(route, reply);
        worst = worst.max(judgement);
        let name = if name.is_empty() { String::new() } else { format!("{name}: ") };
        got.push(format!("{name}{}", reply.words()));
    }
    let got = got.join("; ");
    match worst {
        Judgement::Refused => Outcome::pass(check, title, tried, got),
        Judgement::Unclear => Outcome::unknown(check, title, tried, got),
        Judgement::LetIn => Outcome::fail(check, title, tried, got)
            .fix("the route says who may pass, and this got past it: see what answers there"),
    }
}

/// What an answer says about whether the request was let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Judgement {
    Refused,
    Unclear,
    LetIn,
}

impl Judgement {
    fn of(route: &Route, reply: &Reply) -> Self {
        let redirects = |status: u16| match route.action.as_ref().map(|action| &action.value) {
            Some(Action::Redirect { status: own, .. }) => *own == status,
            _ => false,
        };
        match reply.status() {
            Some(401 | 403 | 407) => Self::Refused,
            // To a login, unless it is what the route does for those whom it lets in.
            Some(status @ (302 | 303 | 307)) if !redirects(status) => Self::Refused,
            // Not taken by the route, or not understood: nothing is known.
            Some(400 | 404 | 405 | 408 | 421 | 429 | 503) => Self::Unclear,
            Some(_) => Self::LetIn,
            None => match reply {
                Reply::Closed | Reply::NoSession(_) => Self::Refused,
                _ => Self::Unclear,
            },
        }
    }
}

fn name(route: &Route) -> String {
    if let Some(name) = &route.name {
        return format!("`{}`", name.value);
    }
    let host = route.matches.host.as_ref().map_or_else(|| "*".to_owned(), |host| host.value.to_string());
    let path = route.matches.path.as_ref().map_or_else(|| "/*".to_owned(), |path| path.value.to_string());
    format!("`{host}{path}`")
}
