//! What whoever proves nobody is told: a person is led to the login, a program gets 401.

use bytes::Bytes;
use http::{Response, StatusCode};

use super::{PREFIX, ReturnTo, answer::Answer};

/// Who asks: a person who looks at a page, or a program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asks {
    /// A browser is about to show what comes: it can be sent to a login.
    Page,
    /// A script, an image, a program: a login page would be read as the answer.
    Program,
}

impl Asks {
    /// By the method and the headers (`header` gives the value of one, by its name in lower case).
    ///
    /// Browsers say it (`Sec-Fetch-Mode`); of others, whoever accepts HTML and opens no websocket looks at a page. A
    /// form that is sent is lost by a redirect, so only GET and HEAD are sent to a login.
    pub fn of<'h>(method: &str, header: impl Fn(&str) -> Option<&'h str>) -> Self {
        let is_look = matches!(method, "GET" | "HEAD");
        let is_script = header("upgrade").is_some() || header("x-requested-with").is_some();
        let is_navigation = match header("sec-fetch-mode") {
            Some(mode) => mode == "navigate",
            None => header("accept").is_some_and(accepts_html),
        };
        if is_look && is_navigation && !is_script { Self::Page } else { Self::Program }
    }
}

/// Where a browser is sent to log in, and from there back to `to` (path and query); one that it can not be sent back to
/// is forgotten. `provider` is named where only one will do.
pub fn login_address(to: &str, provider: Option<&str>) -> String {
    let to = ReturnTo::parse(to).unwrap_or_else(ReturnTo::root);
    let address = format!("{PREFIX}login?to={}", to.encoded());
    match provider {
        // A name of the file: letters, digits, `-` and `_`.
        Some(provider) => format!("{address}&provider={provider}"),
        None => address,
    }
}

/// A problem document (RFC 9457) with the headers of our own pages: for a program that must log in (401), or must not
/// (403).
pub fn problem(status: StatusCode, detail: &str) -> Response<Bytes> {
    Answer::problem(status, detail).response()
}

fn accepts_html(accept: &str) -> bool {
    let kinds = accept.split(',').map(|kind| kind.split(';').next().unwrap_or_default().trim());
    kinds.into_iter().any(|kind| matches!(kind, "text/html" | "application/xhtml+xml"))
}

#[cfg(test)]
mod tests {
    use super::*;

    type Headers<'a> = &'a [(&'a str, &'a str)];

    #[test]
    fn a_browser_that_navigates_is_sent_to_the_login_and_a_program_is_not() {
        const HTML: (&str, &str) = ("accept", "text/html,application/xhtml+xml;q=0.9,*/*;q=0.8");
        let table: [(&str, Headers<'_>, Asks); 10] = [
            ("GET", &[("sec-fetch-mode", "navigate"), HTML], Asks::Page),
            ("HEAD", &[HTML], Asks::Page),
            ("GET", &[HTML], Asks::Page),
            ("POST", &[("sec-fetch-mode", "navigate"), HTML], Asks::Program),
            ("GET", &[("sec-fetch-mode", "cors"), HTML], Asks::Program),
            ("GET", &[("sec-fetch-mode", "websocket"), ("upgrade", "websocket")], Asks::Program),
            ("GET", &[("upgrade", "websocket"), HTML], Asks::Program),
            ("GET", &[("x-requested-with", "XMLHttpRequest"), HTML], Asks::Program),
            ("GET", &[("accept", "*/*")], Asks::Program),
            ("GET", &[], Asks::Program),
        ];
        for (method, headers, expected) in table {
            let find = |name: &str| headers.iter().find(|(known, _)| *known == name).map(|(_, value)| *value);
            assert_eq!(Asks::of(method, find), expected, "{method} {headers:?}");
        }
    }

    #[test]
    fn the_way_to_the_login_keeps_a_deep_link_and_drops_what_leads_away() {
        for (to, provider, location) in [
            ("/reports?a=1&b=2", None, "/.portcullis/login?to=%2Freports%3Fa%3D1%26b%3D2"),
            ("//evil.example", None, "/.portcullis/login?to=%2F"),
            ("/a", Some("corp"), "/.portcullis/login?to=%2Fa&provider=corp"),
        ] {
            assert_eq!(login_address(to, provider), location);
        }
    }
}
