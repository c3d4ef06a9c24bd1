//! Logging in at a provider: there, back, and what the provider itself tells us.

use std::sync::Arc;

use http::{HeaderValue, StatusCode, header};
use url::form_urlencoded;

use super::{Pages, PeopleProvider, ReturnTo, Visit, answer::Answer, html};
use crate::{
    Secret,
    cookie::Cookie,
    oidc::{Flow, LogoutError, OidcError, OidcProvider, Returned},
};

/// Logins that may be under way in one browser (in several tabs).
const AT_ONCE: usize = 4;
/// Bytes of the cookie that keeps them; browsers keep no more than 4096 with the name and all.
const LONGEST: usize = 3600;
/// How long they are kept, in seconds.
const KEPT: u64 = 15 * 60;
/// Bytes of a logout token with its form.
const LONGEST_LOGOUT: usize = 32 * 1024;

impl Pages {
    /// Sends the browser to the provider, and seals in it what must come back with it.
    pub(super) async fn start(&self, visit: &Visit<'_>, provider: &OidcProvider, to: &ReturnTo) -> Answer {
        let site = visit.context.site;
        match provider.begin(site, to).await {
            Ok((address, flow)) => {
                let mut flows = self.flows(visit);
                flows.push(flow);
                let Some(cookie) = self.keep(visit, flows) else {
                    return unavailable(StatusCode::INTERNAL_SERVER_ERROR, to);
                };
                Answer::see_other(&address).cookie(Some(cookie))
            }
            Err(error) => {
                tracing::warn!(provider = %provider.name(), %error, "a login could not begin");
                unavailable(StatusCode::BAD_GATEWAY, to)
            }
        }
    }

    /// `GET callback/NAME?code=…&state=…`
    pub(super) async fn callback(&self, visit: &Visit<'_>, name: &str) -> Answer {
        let Some(provider) = self.oidc(name) else { return no_such_provider() };
        let mut flows = self.flows(visit);
        let state = visit.query.field("state").unwrap_or_default();
        let is_it = |flow: &Flow| Secret::new(state.as_str()).matches(&flow.state);
        let Some(place) = flows.iter().position(is_it) else {
            tracing::info!(provider = name, source = ?visit.context.source, "a callback belongs to no login of its browser");
            let what = "This login was not begun in this browser, took too long, or is over already.";
            let page = html::problem("Please log in again", what, Some(&ReturnTo::root()));
            return Answer::html(StatusCode::FORBIDDEN, page);
        };
        // Whatever comes of it: this login does not come back a second time.
        let flow = flows.remove(place);
        let rest = self.keep(visit, flows);
        let to = ReturnTo::parse(&flow.to).unwrap_or_else(ReturnTo::root);
        let returned = Returned {
            code: visit.query.field("code").map(Secret::new),
            error: visit.query.field("error").map(Into::into),
            issuer: visit.query.field("iss").map(Into::into),
        };
        let answer = match provider.finish(visit.context.site, &flow, returned).await {
            Ok(login) => self.begin(visit, login, &to).await,
            Err(error) => {
                tracing::warn!(provider = name, source = ?visit.context.source, %error, "login refused");
                refused(&error, &to)
            }
        };
        answer.cookie(rest)
    }

    /// `POST backchannel/NAME` with `logout_token`, from the provider itself (Back-Channel Logout 2.5, 2.8).
    pub(super) async fn back_channel(&self, visit: &Visit<'_>, name: &str) -> Answer {
        let Some(provider) = self.oidc(name) else { return no_such_provider() };
        let body = visit.body.get(..visit.body.len().min(LONGEST_LOGOUT)).unwrap_or_default();
        let token = form_urlencoded::parse(body).find(|(name, _)| name == "logout_token").map(|(_, token)| token);
        let invalid = || {
            let body = r#"{"error":"invalid_request"}"#;
            Answer::new(StatusCode::BAD_REQUEST).body("application/json", body)
        };
        let Some(token) = token else { return invalid() };
        let which = match provider.back_channel(&token).await {
            Ok(which) => which,
            Err(LogoutError::Refused(refusal)) => {
                tracing::warn!(provider = name, source = ?visit.context.source, %refusal, "a logout by the provider was refused");
                return invalid();
            }
            Err(error @ LogoutError::Unavailable(_)) => {
                tracing::warn!(provider = name, %error, "a logout by the provider could not be judged");
                return Answer::new(StatusCode::SERVICE_UNAVAILABLE);
            }
        };
        match self.sessions.end(which).await {
            Ok(count) => {
                tracing::info!(provider = name, count, "logged out by the provider");
                Answer::new(StatusCode::OK)
            }
            Err(error) => {
                tracing::warn!(provider = name, %error, "a logout by the provider is not in the store");
                Answer::new(StatusCode::SERVICE_UNAVAILABLE)
            }
        }
    }

    pub(super) fn oidc(&self, name: &str) -> Option<&Arc<OidcProvider>> {
        self.providers.iter().find_map(|provider| match provider {
            PeopleProvider::Oidc(provider) if **provider.name() == *name => Some(provider),
            _ => None,
        })
    }

    /// Logins that are under way in this browser.
    fn flows(&self, visit: &Visit<'_>) -> Vec<Flow> {
        let site = visit.context.site;
        let seal = self.sessions.seal();
        let cookie = Cookie::Login.find(visit.headers, site).ok().flatten();
        let plain =
            cookie.and_then(|cookie| seal.open_text(Cookie::Login.name(site), site.host(), cookie, LONGEST + 496));
        let flows: Vec<Flow> = plain.and_then(|plain| serde_json::from_slice(&plain).ok()).unwrap_or_default();
        flows.into_iter().filter(|flow| flow.began + KEPT > visit.now).collect()
    }

    /// `Set-Cookie` that keeps them; the oldest are dropped where there are too many.
    fn keep(&self, visit: &Visit<'_>, mut flows: Vec<Flow>) -> Option<HeaderValue> {
        let site = visit.context.site;
        loop {
            if flows.is_empty() {
                return Cookie::Login.clear(site);
            }
            if flows.len() <= AT_ONCE {
                let plain = serde_json::to_vec(&flows).ok()?;
                let seal = self.sessions.seal();
                let sealed = seal.close_text(Cookie::Login.name(site), site.host(), &plain, visit.now)?;
                if sealed.len() <= LONGEST {
                    return Cookie::Login.set(&sealed, KEPT, site);
                }
            }
            flows.remove(0);
        }
    }
}

fn refused(error: &OidcError, to: &ReturnTo) -> Answer {
    let (status, what) = match error {
        OidcError::Refused(word) => (StatusCode::FORBIDDEN, format!("The provider did not log you in ({word}).")),
        OidcError::Foreign(_) => {
            let what = "This login was not begun in this browser, took too long, or is over already.";
            (StatusCode::FORBIDDEN, what.to_owned())
        }
        OidcError::Unbelievable(refusal) => {
            let what = format!("What the provider says can not be believed ({}). The log says more.", refusal.reason);
            (StatusCode::FORBIDDEN, what)
        }
        OidcError::Unavailable(_) => return unavailable(StatusCode::BAD_GATEWAY, to),
    };
    Answer::html(status, html::problem("You are not logged in", &what, Some(to)))
}

fn unavailable(status: StatusCode, to: &ReturnTo) -> Answer {
    let what = "The identity provider can not be reached at this moment. Whoever is logged in stays so.";
    Answer::html(status, html::problem("Logging in is not possible now", what, Some(to)))
        .with(header::RETRY_AFTER, HeaderValue::from_static("5"))
}

fn no_such_provider() -> Answer {
    Answer::problem(StatusCode::NOT_FOUND, "there is no such provider")
}
