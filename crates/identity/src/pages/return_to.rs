//! Where somebody goes after a login.

use std::fmt;

/// The prefix of our own pages.
pub const PREFIX: &str = "/.portcullis/";

/// Longer addresses than this do not survive a login; it is in a cookie meanwhile.
const LONGEST: usize = 1024;
/// How often a path is decoded to see what others may see in it.
const LAYERS: usize = 4;

/// A path, with its query, of the origin that the login is for. A browser that is sent there stays within the origin,
/// however often it or whoever stands between decodes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReturnTo(Box<str>);

impl ReturnTo {
    /// The address, if it is safe to send a browser there.
    ///
    /// Refused are `//host` and what is read as it (backslashes, encoded or not, dot segments before it), other schemes,
    /// control characters, fragments, and our own pages: nobody is sent to a logout.
    pub fn parse(text: &str) -> Option<Self> {
        let is_plain = text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#');
        if text.len() > LONGEST || !is_plain || !text.starts_with('/') {
            return None;
        }
        let path = text.split('?').next().unwrap_or_default();
        let mut path = path.as_bytes().to_vec();
        for _ in 0..LAYERS {
            if !stays_here(&path) {
                return None;
            }
            let decoded = percent_decoded(&path);
            if decoded == path {
                return Some(Self(text.into()));
            }
            path = decoded;
        }
        // Encoded more often than anybody needs.
        None
    }

    /// The start page.
    pub fn root() -> Self {
        Self("/".into())
    }

    /// The address.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// In the query of a page of ours.
    pub(super) fn encoded(&self) -> String {
        url::form_urlencoded::byte_serialize(self.0.as_bytes()).collect()
    }
}

impl fmt::Display for ReturnTo {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// Whether no reader takes this path for another host, another header line, or a page of ours.
fn stays_here(path: &[u8]) -> bool {
    if path.iter().any(|byte| byte.is_ascii_control() || *byte == b'\\') {
        return false;
    }
    // Behind leading `.` and `..` segments, which readers drop, there must be a name and no second slash.
    let mut segments = path.split(|byte| *byte == b'/').skip(1);
    let first = segments.by_ref().find(|segment| !matches!(*segment, b"." | b".."));
    let leads_away = first.is_some_and(<[u8]>::is_empty) && segments.next().is_some();
    let own = PREFIX.trim_matches('/').as_bytes();
    !leads_away && !path.split(|byte| *byte == b'/').any(|segment| segment.eq_ignore_ascii_case(own))
}

fn percent_decoded(text: &[u8]) -> Vec<u8> {
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((&byte, after)) = rest.split_first() {
        let hex = |at: usize| after.get(at).and_then(|digit| char::from(*digit).to_digit(16));
        if let (b'%', Some(high), Some(low)) = (byte, hex(0), hex(1)) {
            decoded.push((high * 16 + low) as u8);
            rest = &after[2..];
        } else {
            decoded.push(byte);
            rest = after;
        }
    }
    decoded
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use url::Url;

    use super::*;

    #[test]
    fn a_deep_link_survives() {
        for good in [
            "/",
            "/a",
            "/a/",
            "/a//b",
            "/reports/2026?from=a&to=b",
            "/api/projects/group%2Fname",
            "/search?q=%2F%2Fevil.example&next=https://evil.example/",
            "/a%20b/%C3%A4",
            "/@alice",
            "/a:b@c",
            "/.",
            "/.well-known/x",
            "/..",
            "/a?b?c",
        ] {
            assert_eq!(ReturnTo::parse(good).map(|to| to.to_string()).as_deref(), Some(good));
        }
    }

    #[test]
    fn no_address_leads_to_another_origin() {
        for bad in [
            "",
            "a",
            "?a",
            "https://evil.example/",
            "HTTPS:evil.example",
            "javascript:alert(1)",
            "data:text/html,x",
            "//evil.example",
            "///evil.example",
            "//user@evil.example",
            "//shop.example.com@evil.example/",
            "/\\evil.example",
            "\\\\evil.example",
            "\\/evil.example",
            "/a\\b",
            "/%2fevil.example",
            "/%2Fevil.example",
            "/%252fevil.example",
            "/%25252fevil.example",
            "/%2525252525252fevil.example",
            "/%5cevil.example",
            "/%5C%5Cevil.example",
            "/%255cevil.example",
            "%2f%2fevil.example",
            "/.//evil.example",
            "/..//evil.example",
            "/%2e%2e//evil.example",
            "/%2e%2e%2f/evil.example",
            "/../%2fevil.example",
            "/\tevil",
            "/\t/evil.example",
            "/\n/evil.example",
            "/%0d%0aset-cookie:a=b",
            "/%00",
            "/%09/evil.example",
            " /a",
            "/a b",
            "/a#b",
            "/ä",
            "/\u{202e}",
            "/.portcullis/logout",
            "/.Portcullis/logout",
            "/%2eportcullis/logout",
            "/a/../.portcullis/logout",
            "/./.portcullis/logout",
            "/.portcullis",
        ] {
            assert_eq!(ReturnTo::parse(bad), None, "{bad:?}");
        }
        assert_eq!(ReturnTo::parse(&format!("/{}", "a".repeat(LONGEST))), None);
    }

    proptest! {
        #[test]
        fn whatever_is_accepted_stays_within_the_origin_for_a_browser(
            text in r"/?(/|\\|\.|%2f|%5C|%25|%2e|@|:|\?|evil\.example|[ -~]|\PC){0,12}",
        ) {
            let base = Url::parse("https://shop.example.com/.portcullis/callback/corp").unwrap();
            if let Some(to) = ReturnTo::parse(&text) {
                let mut address = base.join(to.as_str()).unwrap();
                for _ in 0..4 {
                    prop_assert_eq!(address.origin(), base.origin(), "{}", text);
                    let decoded = percent_decoded(address.path().as_bytes());
                    let Ok(next) = base.join(&String::from_utf8_lossy(&decoded)) else { break };
                    address = next;
                }
            }
        }
    }
}
