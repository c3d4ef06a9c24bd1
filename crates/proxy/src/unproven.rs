//! What a sender is told who proves nobody where somebody must be: a person is led to the login, a program gets 401
//! (RFC 9110 15.5.2, RFC 6750 3, RFC 9449 7.1).

use portcullis_h1::Field;
use portcullis_identity::{
    NotProven, Site,
    cookie::Cookie,
    pages::{Asks, login_address},
};
use portcullis_observe::Termination;
use portcullis_plan::{Access, Plan, RoutePlan};

use crate::{
    authenticate::Sender,
    downstream::Http1,
    refusal::{Form, Refused},
    visit::{Ended, Visit},
};

/// For whoever can show no login: programs, and ports without pages.
pub(crate) fn refused(not_proven: &NotProven) -> Refused {
    let (status, told) = match not_proven {
        NotProven::Nobody => (401, "prove who you are"),
        NotProven::Refused(_) => (401, "the proof of who you are is not accepted"),
        NotProven::Unavailable(_) => (503, "who you are can not be found out at the moment"),
    };
    let mut refused = Refused::new(status, Ended::because(Termination::Unauthenticated, not_proven.to_string()), told);
    if status == 401 {
        refused.form = Form::Problem;
        let error = match not_proven {
            NotProven::Refused(refusal) => format!(", error=\"{}\"", refusal.error),
            _ => String::new(),
        };
        let scheme = if error.contains("dpop") { "DPoP" } else { "Bearer" };
        refused.lines = format!("www-authenticate: {scheme} realm=\"portcullis\"{error}\r\n").into_bytes();
        if let NotProven::Refused(refusal) = not_proven
            && let Some(nonce) = &refusal.dpop_nonce
        {
            refused.lines.extend_from_slice(format!("dpop-nonce: {nonce}\r\n").as_bytes());
        }
    }
    refused
}

/// The refusal, or the way to the login where a person looks at a page of a route that asks for one. `path` is in normal
/// form.
pub(crate) fn led_to_login(
    visit: &Visit,
    client: &Http1,
    plan: &Plan,
    (route, sender): (&RoutePlan, &Sender),
    path: &[u8],
    refused: Refused,
) -> Refused {
    let (Access::Judged { providers, .. }, Some(identity), Sender::Unknown(_)) =
        (&route.access, &plan.identity, sender)
    else {
        return refused;
    };
    let mut offered = identity.for_login(providers);
    let Some(first) = offered.next().filter(|_| refused.status == 401) else { return refused };
    let text = client.text();
    let header = |name: &str| {
        let of_name = |field: &&Field| field.name.of(text).eq_ignore_ascii_case(name.as_bytes());
        let field = client.head.fields.iter().find(of_name)?;
        std::str::from_utf8(field.value.of(text)).ok()
    };
    let method = std::str::from_utf8(client.head.method.of(text)).unwrap_or_default();
    if Asks::of(method, header) == Asks::Page {
        let mut to = String::from_utf8_lossy(path).into_owned();
        if let Some(query) = client.head.query {
            to.push('?');
            to.push_str(&String::from_utf8_lossy(query.of(text)));
        }
        // Where the port offers others as well, only the one that the route asks for is of use.
        let only = offered.next().is_none().then_some(&**first);
        let address = login_address(&to, only);
        let lines = format!("location: {address}\r\ncache-control: no-store\r\n").into_bytes();
        return Refused { status: 302, lines, form: Form::Text, told: "log in", ..refused };
    }
    let is_for_people_alone = identity.for_login(providers).count() == providers.len();
    if !is_for_people_alone {
        return refused;
    }
    // The cookie is the credential (draft-broyer-http-cookie-auth).
    let name = Cookie::Session.name(Site { scheme: visit.scheme(), authority: "" });
    let form = login_address("/", None);
    let mut lines =
        format!("www-authenticate: Cookie realm=\"portcullis\", form-action=\"{form}\", cookie-name={name}\r\n");
    lines.push_str("cache-control: no-store\r\n");
    Refused { lines: lines.into_bytes(), ..refused }
}
