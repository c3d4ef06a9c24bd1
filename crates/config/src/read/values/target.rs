//! Where a redirect leads.

use super::{authority as parse_authority, literal_path};
use crate::read::mistake::Mistake;

/// `https://host[:port][/path[?query]]`, or an absolute path on the same host. The path is in normal form.
pub(crate) fn redirect_target(text: &str) -> Result<String, Mistake> {
    const EXPECTED: &str = "a URL such as https://example.com/new, or a path such as /new";
    let mistake = |message: &str| Mistake::new(message, EXPECTED);
    if text.starts_with("//") {
        return Err(mistake("begins with `//`, which leads to another host").help("write the scheme: `https://...`"));
    }
    if text.starts_with('/') {
        return target_path(text);
    }
    let Some((scheme @ ("http" | "https"), rest)) = text.split_once("://") else {
        return Err(mistake("is not where a redirect can lead"));
    };
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, rest) = rest.split_at(end);
    if authority.contains('@') {
        return Err(mistake("has a user in it"));
    }
    let authority = parse_authority(authority)?;
    let rest = if rest.starts_with('?') { format!("/{rest}") } else { rest.to_owned() };
    let path = if rest.is_empty() { String::new() } else { target_path(&rest)? };
    Ok(format!("{scheme}://{authority}{path}"))
}

/// A path with or without query, as a request line has it.
pub(crate) fn target_path(text: &str) -> Result<String, Mistake> {
    let (path, query) = text.split_once('?').map_or((text, None), |(path, query)| (path, Some(query)));
    let path = literal_path(path)?;
    let Some(query) = query else { return Ok(path) };
    if !query.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#') {
        return Err(Mistake::new("has a query with characters that must be percent-encoded", "a URL"));
    }
    Ok(format!("{path}?{query}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_redirect_leads_to_a_url_or_a_path() {
        for (text, expected) in [
            ("https://example.com", Some("https://example.com")),
            ("https://Example.com:8443/a/../b?c=d", Some("https://example.com:8443/b?c=d")),
            ("https://example.com?c", Some("https://example.com/?c")),
            ("http://[::1]:80/x", Some("http://[::1]:80/x")),
            ("http://[::1]/x", Some("http://[::1]/x")),
            ("/new?a=b", Some("/new?a=b")),
            ("//evil.example", None),
            ("javascript:alert(1)", None),
            ("https://", None),
            ("https://a@b/", None),
            ("https://a b/", None),
            ("https://a/x\r\nset-cookie: y", None),
            ("https://a/?x\r\ny", None),
            ("https://a:0/", None),
            ("https://a/#x", None),
            ("shop", None),
        ] {
            assert_eq!(redirect_target(text).ok().as_deref(), expected, "{text}");
        }
    }
}
