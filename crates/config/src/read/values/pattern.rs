//! Patterns of paths and values.

use regex::bytes::RegexBuilder;

use crate::{
    declared::{PathPattern, ValuePattern},
    path::{self, Normal},
    read::mistake::Mistake,
    rule::RuleId,
};

/// Compiled size of one regular expression; beyond it the pattern would cost more than it is worth.
const REGEX_BYTES: usize = 1 << 20;

/// `/x` (exact), `/x/*` (prefix), `~regex`.
pub(crate) fn path_pattern(text: &str) -> Result<PathPattern, Mistake> {
    if let Some(regex) = text.strip_prefix('~') {
        return check_regex(regex).map(PathPattern::Regex);
    }
    if let Some(prefix) = text.strip_suffix("/*") {
        return path_prefix(if prefix.is_empty() { "/" } else { prefix });
    }
    without_parameters(text).map(PathPattern::Exact)
}

/// `/x`: matches `/x` and what lies below it. A trailing slash says the same.
pub(crate) fn path_prefix(text: &str) -> Result<PathPattern, Mistake> {
    let path = without_parameters(text)?;
    let prefix = path.trim_end_matches('/');
    Ok(PathPattern::Prefix(if prefix.is_empty() { "/".to_owned() } else { prefix.to_owned() }))
}

/// A literal path that services can not read as another one.
fn without_parameters(text: &str) -> Result<String, Mistake> {
    let path = literal_path(text)?;
    if path::has_parameters(path.as_bytes()) {
        return Err(Mistake::new("has parameters in it", "a path without `;` and `%3B`")
            .help("services that leave parameters out would read it as another path, so such requests are refused"));
    }
    Ok(path)
}

/// A path in normal form.
pub(crate) fn literal_path(text: &str) -> Result<String, Mistake> {
    const EXPECTED: &str = "a path such as /shop, /shop/* or ~/shop/[0-9]+";
    if text.contains('*') {
        return Err(Mistake::new("has `*` in the wrong place", EXPECTED)
            .help("`*` stands at the end, after `/`; for anything else use a regular expression: `~...`"));
    }
    let mut out = Vec::new();
    match path::normalise(text.as_bytes(), &mut out) {
        Ok(Normal::Unchanged) => Ok(text.to_owned()),
        Ok(Normal::Changed) => Ok(String::from_utf8_lossy(&out).into_owned()),
        Err(error) => Err(Mistake::new("is not a path", EXPECTED).help(error.to_string())),
    }
}

/// `present`, `~regex`, or the value itself.
pub(crate) fn value_pattern(text: &str) -> Result<ValuePattern, Mistake> {
    match text.strip_prefix('~') {
        Some(regex) => check_regex(regex).map(ValuePattern::Regex),
        None if text == "present" => Ok(ValuePattern::Present),
        None => Ok(ValuePattern::Exact(text.to_owned())),
    }
}

/// A regular expression as it will be compiled: over bytes, anchored at both ends.
pub(crate) fn anchored(regex: &str) -> String {
    format!("^(?:{regex})$")
}

fn check_regex(regex: &str) -> Result<String, Mistake> {
    let compile = |regex: &str| RegexBuilder::new(regex).size_limit(REGEX_BYTES).build();
    // Alone first: `a)|(?:b` is nothing by itself, and would break out of the anchors.
    match compile(regex).and_then(|_| compile(&anchored(regex))) {
        Ok(_) => Ok(regex.to_owned()),
        Err(error) => {
            // The last line says what is wrong; the lines before it draw the pattern.
            let text = error.to_string();
            let why = text.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned();
            Err(Mistake::new("is not a regular expression", "").rule(RuleId::BadRegex).help(why))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_exact_prefix_or_regular_expression() {
        let exact = |path: &str| Some(PathPattern::Exact(path.to_owned()));
        let prefix = |path: &str| Some(PathPattern::Prefix(path.to_owned()));
        for (text, expected) in [
            ("/", exact("/")),
            ("/shop", exact("/shop")),
            ("/shop/", exact("/shop/")),
            ("/a//b/../%7ec", exact("/a/~c")),
            ("/*", prefix("/")),
            ("/api/*", prefix("/api")),
            ("~/x/[0-9]+", Some(PathPattern::Regex("/x/[0-9]+".to_owned()))),
            ("~/x/[0-9+", None),
            ("/a*", None),
            ("/*/b", None),
            ("shop", None),
            ("/a?b=c", None),
            ("/..", None),
            ("", None),
            ("/a;v=1", None),
            ("/a;v=1/*", None),
            ("/a%3bv=1", None),
        ] {
            assert_eq!(path_pattern(text).ok(), expected, "{text}");
        }
        assert_eq!(path_prefix("/api/").ok(), prefix("/api"));
        assert_eq!(path_prefix("/").ok(), prefix("/"));
        assert!(path_prefix("/a;v=1").is_err());
    }

    #[test]
    fn a_regular_expression_cannot_break_out_of_its_anchors() {
        assert!(path_pattern("~/a)|(?:/b").is_err());
        assert!(path_pattern("~(?x)/a # comment").is_err());
        assert!(path_pattern("~/a|/b").is_ok());
    }

    #[test]
    fn a_regular_expression_that_is_too_large_is_refused() {
        assert!(path_pattern("~(a{1000}){1000}").is_err());
    }
}
