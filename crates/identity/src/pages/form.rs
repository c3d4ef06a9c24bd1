//! Forms of our own pages: that they came from our own page, and what is in them.
//!
//! Two checks, of which each is enough (CSRF): a token in the form that belongs to a sealed cookie (double submit, bound
//! to this browser and this action), and what the browser says of where the request comes from (`Sec-Fetch-Site`,
//! `Origin`).

use aws_lc_rs::rand;
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, header};
use url::form_urlencoded;

use crate::{Secret, cookie::Cookie, own_keys::Seal, site::Site};

/// Bytes of a form that are read.
const LONGEST: usize = 16 * 1024;
/// How long a form may lie open, in seconds.
const OPEN: u64 = 2 * 3600;
/// Of a sealed cookie or token.
const SEALED: usize = 256;

/// What a form does: a token for one is none for another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Action {
    LogIn,
    LogOut,
}

/// A form that is about to be shown.
#[derive(Debug)]
pub(super) struct Opened {
    /// For its hidden field.
    pub(super) token: String,
    /// `Set-Cookie` that has to go along with the page.
    pub(super) cookie: Option<HeaderValue>,
}

/// Opens a form: takes the browser's cookie, or gives it one. `None` without a key to seal with.
pub(super) fn open(seal: &Seal, headers: &HeaderMap, site: Site<'_>, action: Action, now: u64) -> Option<Opened> {
    let (browser, is_new) = match browser(seal, headers, site) {
        Some(browser) => (browser, false),
        None => (fresh()?, true),
    };
    let cookie = seal.close_text(Cookie::Form.name(site), site.host(), browser.as_bytes(), now)?;
    let token = seal.close_text(action.purpose(), &browser, &now.to_be_bytes(), now)?;
    Some(Opened { token, cookie: Cookie::Form.set(&cookie, OPEN, site).filter(|_| is_new) })
}

/// The fields of a form, if it was opened by this browser for this action and sent from our own page.
pub(super) fn accept(
    seal: &Seal,
    headers: &HeaderMap,
    body: &Bytes,
    site: Site<'_>,
    action: Action,
    now: u64,
) -> Result<Form, &'static str> {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    if !kind.eq_ignore_ascii_case("application/x-www-form-urlencoded") || body.len() > LONGEST {
        return Err("this is no form of ours");
    }
    if !comes_from(headers, site) {
        return Err("the form was sent from another site");
    }
    let form = Form(form_urlencoded::parse(body).map(|(name, value)| (name.into(), Secret::new(value))).collect());
    let browser = browser(seal, headers, site).ok_or("the form needs the cookie that came with it")?;
    let token = form.field("token").ok_or("the form has no token")?;
    let opened = seal.open_text(action.purpose(), &browser, token, SEALED).and_then(|time| time.try_into().ok());
    let opened = u64::from_be_bytes(opened.ok_or("the form was not opened by this browser")?);
    if opened + OPEN <= now {
        return Err("the form has been open for too long");
    }
    Ok(form)
}

/// Whether the browser says that our own page sent this. One that says nothing has sent no form.
fn comes_from(headers: &HeaderMap, site: Site<'_>) -> bool {
    let one = |name: &str| {
        let mut lines = headers.get_all(name).iter();
        (lines.next().and_then(|line| line.to_str().ok()), lines.next().is_none())
    };
    match (one("sec-fetch-site"), one("origin")) {
        ((_, false), _) | (_, (_, false)) | ((None, _), (None, _)) => false,
        ((Some(from), _), (None | Some("null"), _)) => from == "same-origin",
        ((Some(from), _), (Some(origin), _)) => from == "same-origin" && origin == site.origin(),
        ((None, _), (Some(origin), _)) => origin == site.origin(),
    }
}

/// Fields of a form, each a secret: one of them is a password.
#[derive(Debug)]
pub(super) struct Form(Vec<(Box<str>, Secret)>);

impl Form {
    /// A field that is there once.
    pub(super) fn field(&self, name: &str) -> Option<&str> {
        let mut found = self.0.iter().filter(|(known, _)| &**known == name);
        let value = found.next()?.1.expose();
        found.next().is_none().then_some(value)
    }
}

impl Action {
    fn purpose(self) -> &'static str {
        match self {
            Self::LogIn => "form-log-in",
            Self::LogOut => "form-log-out",
        }
    }
}

/// The random name that the browser has with us, in its sealed cookie.
fn browser(seal: &Seal, headers: &HeaderMap, site: Site<'_>) -> Option<String> {
    let cookie = Cookie::Form.find(headers, site).ok()??;
    String::from_utf8(seal.open_text(Cookie::Form.name(site), site.host(), cookie, SEALED)?).ok()
}

/// 128 random bits as text.
pub(super) fn fresh() -> Option<String> {
    let mut bytes = [0; 16];
    rand::fill(&mut bytes).ok()?;
    Some(BASE64_URL_SAFE_NO_PAD.encode(bytes))
}
