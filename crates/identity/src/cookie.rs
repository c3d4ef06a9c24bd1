//! Our cookies: how they are named, read and set.

use http::{HeaderMap, HeaderValue, header};

use crate::site::Site;

/// A cookie of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cookie {
    /// Who has logged in.
    Session,
    /// Logins at providers that are under way.
    Login,
    /// That a form came from our own page.
    Form,
}

/// A request has two cookies of one name: somebody else has set one of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ambiguous;

impl Cookie {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Session, Self::Login, Self::Form];

    /// Its name. With `__Host-` a browser keeps it to this very host, and lets no other host and no plain connection
    /// set it (RFC 6265bis 4.1.3.2); browsers refuse that without TLS.
    pub fn name(self, site: Site<'_>) -> &'static str {
        match (self, site.is_secure()) {
            (Self::Session, true) => "__Host-portcullis",
            (Self::Session, false) => "portcullis",
            (Self::Login, true) => "__Host-portcullis-login",
            (Self::Login, false) => "portcullis-login",
            (Self::Form, true) => "__Host-portcullis-form",
            (Self::Form, false) => "portcullis-form",
        }
    }

    /// Its value in a request.
    pub fn find<'h>(self, headers: &'h HeaderMap, site: Site<'_>) -> Result<Option<&'h str>, Ambiguous> {
        let lines = headers.get_all(header::COOKIE).iter().filter_map(|line| line.to_str().ok());
        find(lines, self.name(site))
    }

    /// `Set-Cookie` that keeps a value for so many seconds. The value has no character that would need quoting.
    pub(crate) fn set(self, value: &str, seconds: u64, site: Site<'_>) -> Option<HeaderValue> {
        let secure = if site.is_secure() { "; Secure" } else { "" };
        let name = self.name(site);
        let text = format!("{name}={value}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Lax{secure}");
        let mut line = HeaderValue::try_from(text).ok()?;
        line.set_sensitive(true);
        Some(line)
    }

    /// `Set-Cookie` that takes it away.
    pub(crate) fn clear(self, site: Site<'_>) -> Option<HeaderValue> {
        self.set("", 0, site)
    }
}

/// The value of the cookie with this name in the values of `Cookie` lines (RFC 6265 4.2.1). Names are compared as they
/// are, with case: `__host-` is another cookie. The cost is one walk over the lines, whatever is in them.
pub fn find<'h>(lines: impl Iterator<Item = &'h str>, name: &str) -> Result<Option<&'h str>, Ambiguous> {
    let mut found = None;
    for (found_name, value) in lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.split_once('=')) {
        if found_name.trim() == name && found.replace(value.trim()).is_some() {
            return Err(Ambiguous);
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cookie_is_found_among_others_and_refused_twice() {
        let table = [
            (vec!["portcullis=a"], Ok(Some("a"))),
            (vec!["x=1; portcullis=a; y=2"], Ok(Some("a"))),
            (vec!["x=1", "portcullis=a"], Ok(Some("a"))),
            (vec!["portcullis=a=b"], Ok(Some("a=b"))),
            (vec!["xportcullis=a; portcullisx=b; Portcullis=c; __Host-portcullis=d"], Ok(None)),
            (vec!["portcullis"], Ok(None)),
            (vec![""], Ok(None)),
            (vec!["portcullis=a; portcullis=a"], Err(Ambiguous)),
            (vec!["portcullis=a", "x=1;portcullis=b"], Err(Ambiguous)),
        ];
        for (lines, expected) in table {
            assert_eq!(find(lines.iter().copied(), "portcullis"), expected, "{lines:?}");
        }
    }

    #[test]
    fn ten_thousand_cookies_are_walked_over_once() {
        let bomb = "a=b; ".repeat(10_000) + "portcullis=here";
        assert_eq!(find(std::iter::once(bomb.as_str()), "portcullis"), Ok(Some("here")));
    }

    #[test]
    fn a_cookie_is_kept_from_scripts_other_hosts_and_plain_connections() {
        let https = Site { scheme: "https", authority: "a.example" };
        assert_eq!(
            Cookie::Session.set("v", 60, https).unwrap(),
            "__Host-portcullis=v; Path=/; Max-Age=60; HttpOnly; SameSite=Lax; Secure"
        );
        let http = Site { scheme: "http", authority: "a.example" };
        assert_eq!(Cookie::Form.clear(http).unwrap(), "portcullis-form=; Path=/; Max-Age=0; HttpOnly; SameSite=Lax");
    }
}
