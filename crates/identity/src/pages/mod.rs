//! Our own pages below `/.portcullis/`: logging in and out, who am I, public keys.
//!
//! Owns: what these pages say and look like, where a browser may be sent, and that a form came from our own page.
//!
//! Must not know: which route needs which provider, nor connections; the data plane hands over a whole request and gets
//! a whole answer. A provider's protocol is in [`crate::oidc`], passwords are in [`crate::local`].
//!
//! Invariants:
//! - Nobody is ever sent to an address that came with a request, but to a path of the same origin ([`ReturnTo`]).
//! - What changes something is a POST from our own page ([`form`]); a GET from anywhere changes nothing but what is
//!   under way in that very browser.
//! - No page shows a token, and no page runs a script; scripts of services of the same host can read these pages.
//! - Every answer says `no-store`, but for the style sheet and the public keys.

mod answer;
mod at_provider;
mod form;
mod html;
mod login;
mod logout;
mod return_to;
#[cfg(test)]
mod tests;
mod unproven;

use std::{net::IpAddr, sync::Arc};

use answer::Answer;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header};
pub use return_to::{PREFIX, ReturnTo};
pub use unproven::{Asks, login_address, problem};
use url::form_urlencoded;

use crate::{
    Basis, NotProven, Presented, Standing, assertion::Assertions, cookie::Cookie, local::LocalProvider,
    oidc::OidcProvider, session::Sessions, site::Site,
};

/// Pages with the name of a provider in their path.
const CALLBACK: &str = "callback/";
const BACK_CHANNEL: &str = "backchannel/";

/// Bytes of a query that are read.
const LONGEST_QUERY: usize = 8 * 1024;

/// A provider that people log in at.
#[derive(Debug, Clone)]
pub enum PeopleProvider {
    /// Our own form.
    Local(Arc<LocalProvider>),
    /// A provider with pages of its own.
    Oidc(Arc<OidcProvider>),
}

impl PeopleProvider {
    /// Its name in the file.
    pub fn name(&self) -> &Arc<str> {
        match self {
            Self::Local(provider) => provider.name(),
            Self::Oidc(provider) => provider.name(),
        }
    }
}

/// The pages. Made anew with each plan; what lasts is in what it shares.
#[derive(Debug)]
pub struct Pages {
    /// Logins.
    pub sessions: Arc<Sessions>,
    /// In the order of the file.
    pub providers: Vec<PeopleProvider>,
    /// What services are told, for its public keys.
    pub assertions: Arc<Assertions>,
}

/// Where a request came in.
#[derive(Debug, Clone, Copy)]
pub struct PageContext<'a> {
    /// The origin, as the browser sees it.
    pub site: Site<'a>,
    /// Where the client is.
    pub source: Option<IpAddr>,
    /// Names of the providers that the port or route asks, and thus offers.
    pub providers: &'a [Arc<str>],
}

/// What is asked of a page.
struct Visit<'a> {
    headers: &'a HeaderMap,
    query: Query<'a>,
    body: &'a Bytes,
    context: &'a PageContext<'a>,
    now: u64,
}

impl Pages {
    /// Whether a path in normal form is ours: no service ever gets it.
    pub fn owns(path: &str) -> bool {
        path.starts_with(PREFIX) || path == PREFIX.trim_end_matches('/')
    }

    /// Answers a request for one of our pages. Call it on the control plane: it may ask a provider, or hash a password.
    pub async fn handle(&self, request: Request<Bytes>, context: &PageContext<'_>) -> Response<Bytes> {
        let (head, body) = request.into_parts();
        let query = head.uri.query().filter(|query| query.len() <= LONGEST_QUERY).unwrap_or_default();
        let visit =
            Visit { headers: &head.headers, query: Query(query), body: &body, context, now: crate::standing::now() };
        let page = head.uri.path().strip_prefix(PREFIX).unwrap_or_default();
        // Whoever only looks must not use up a login that is under way.
        let is_head = head.method == Method::HEAD && !page.starts_with(CALLBACK);
        let method = if is_head { &Method::GET } else { &head.method };
        let answer = match (page, method.as_str()) {
            ("login", "GET") => self.login(&visit).await,
            ("login", "POST") => self.log_in_with_password(&visit).await,
            ("logout", "GET") => self.ask_to_log_out(&visit).await,
            ("logout", "POST") => self.log_out(&visit).await,
            ("me", "GET") => self.me(&visit).await,
            ("jwks.json", "GET") => self.keys(),
            ("style.css", "GET") => style(),
            (page, "GET") if page.starts_with(CALLBACK) => self.callback(&visit, &page[CALLBACK.len()..]).await,
            (page, "POST") if page.starts_with(BACK_CHANNEL) => {
                self.back_channel(&visit, &page[BACK_CHANNEL.len()..]).await
            }
            (page, _) => match allowed(page) {
                None => Answer::problem(StatusCode::NOT_FOUND, "there is no such page of the access proxy"),
                Some(methods) => Answer::problem(StatusCode::METHOD_NOT_ALLOWED, "this page is not for this method")
                    .with(header::ALLOW, HeaderValue::from_static(methods)),
            },
        };
        let mut response = answer.response();
        if is_head {
            *response.body_mut() = Bytes::new();
        }
        response
    }

    /// The providers that are offered here, in the order of the file.
    fn offered<'a>(&'a self, context: &'a PageContext<'_>) -> impl Iterator<Item = &'a PeopleProvider> {
        self.providers.iter().filter(|provider| context.providers.contains(provider.name()))
    }

    async fn me(&self, visit: &Visit<'_>) -> Answer {
        let asks = visit.asks();
        match self.who(visit).await {
            Ok(standing) if asks == Asks::Page => {
                let sessions = self.sessions.list();
                let is_own = |id: &str| matches!(&standing.basis, Basis::Session(own) if **own == *id);
                let session = sessions.iter().find(|session| is_own(&session.id));
                Answer::html(StatusCode::OK, html::me(&standing.principal, session))
            }
            Ok(standing) => Answer::new(StatusCode::OK).body("application/json", described(&standing)),
            Err(NotProven::Unavailable(_)) => {
                Answer::problem(StatusCode::SERVICE_UNAVAILABLE, "sessions can not be looked up")
            }
            Err(_) if asks == Asks::Page => {
                let again = Some(ReturnTo::root());
                let page = html::problem("You are not logged in", "There is nothing to show.", again.as_ref());
                Answer::html(StatusCode::UNAUTHORIZED, page)
            }
            Err(_) => Answer::problem(StatusCode::UNAUTHORIZED, "nobody is logged in"),
        }
    }

    fn keys(&self) -> Answer {
        Answer::new(StatusCode::OK)
            .body("application/jwk-set+json", self.assertions.key_set())
            .with(header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=300"))
    }

    async fn who(&self, visit: &Visit<'_>) -> Result<Arc<Standing>, NotProven> {
        self.sessions.prove_after_looking(&visit.presented()).await
    }
}

impl Visit<'_> {
    fn asks(&self) -> Asks {
        Asks::of("GET", |name| self.headers.get(name).and_then(|value| value.to_str().ok()))
    }

    /// A session cookie that is there twice is none.
    fn session(&self) -> Option<&str> {
        Cookie::Session.find(self.headers, self.context.site).ok().flatten()
    }

    fn presented(&self) -> Presented {
        let site = self.context.site;
        Presented {
            session: self.session().map(Into::into),
            scheme: if site.is_secure() { "https" } else { "http" },
            authority: site.authority.into(),
            source: self.context.source,
            ..Presented::default()
        }
    }
}

/// The query of an address.
#[derive(Clone, Copy)]
struct Query<'a>(&'a str);

impl Query<'_> {
    /// A parameter that is there once.
    fn field(self, name: &str) -> Option<String> {
        let mut found = form_urlencoded::parse(self.0.as_bytes()).filter(|(known, _)| known == name);
        let value = found.next()?.1.into_owned();
        found.next().is_none().then_some(value)
    }

    fn return_to(self) -> ReturnTo {
        self.field("to").and_then(|to| ReturnTo::parse(&to)).unwrap_or_else(ReturnTo::root)
    }
}

/// Methods of a page that there is.
fn allowed(page: &str) -> Option<&'static str> {
    match page {
        "login" | "logout" => Some("GET, HEAD, POST"),
        "me" | "jwks.json" | "style.css" => Some("GET, HEAD"),
        page if page.starts_with(CALLBACK) => Some("GET"),
        page if page.starts_with(BACK_CHANNEL) => Some("POST"),
        _ => None,
    }
}

fn style() -> Answer {
    Answer::new(StatusCode::OK)
        .body("text/css; charset=utf-8", Bytes::from_static(include_bytes!("style.css")))
        .with(header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=3600"))
}

fn described(standing: &Standing) -> String {
    let principal = &standing.principal;
    let described = serde_json::json!({
        "name": principal.name,
        "provider": *principal.provider,
        "subject": principal.subject,
        "email": principal.email,
        "groups": principal.groups,
        "expires": standing.expires,
    });
    described.to_string()
}
