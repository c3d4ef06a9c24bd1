//! The token of a file that can not be read as a whole.
//!
//! While a file has a syntax error, its structure is unknown; that its token stands in another file can still be seen.

use std::path::Path;

use portcullis_config::secret::Secret;

/// Longest text that is looked through, bytes.
const LONGEST: u64 = 16 * 1024 * 1024;
/// Longest file with a token, bytes.
const LONGEST_TOKEN: u64 = 64 * 1024;

/// The token behind the only `token: ${file:PATH}` or `token: ${env:NAME}` in the text; `None` if there is no such
/// thing, or a choice.
pub(super) fn named_in(path: &Path) -> Option<Secret> {
    let text = portcullis_files::read_text(path, LONGEST).ok()?;
    let (kind, name) = only_reference(&text)?;
    let token = match kind {
        Kind::File => portcullis_files::read_text(&path.parent()?.join(name), LONGEST_TOKEN).ok()?,
        Kind::Environment => std::env::var(name).ok()?,
    };
    let token = token.trim_end_matches(['\r', '\n']);
    (!token.is_empty()).then(|| Secret::new(token.to_owned()))
}

#[derive(Debug, PartialEq, Eq)]
enum Kind {
    File,
    Environment,
}

fn only_reference(text: &str) -> Option<(Kind, &str)> {
    let mut found = text.lines().filter_map(reference);
    let only = found.next()?;
    found.next().is_none().then_some(only)
}

/// Of a line such as `  token: "${file:admin-token}"`.
fn reference(line: &str) -> Option<(Kind, &str)> {
    let line = line.split('#').next()?;
    let (before, value) = line.split_once("token:")?;
    if before.ends_with(|last: char| last.is_alphanumeric() || last == '-') {
        return None;
    }
    let inner = value.trim_start().trim_start_matches(['"', '\'']).strip_prefix("${")?;
    let (inner, _) = inner.split_once('}')?;
    let (kind, name) = inner.split_once(':')?;
    match kind {
        "file" => Some((Kind::File, name)),
        "env" => Some((Kind::Environment, name)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_only_reference_is_found_whatever_stands_around_it() {
        for (text, expected) in [
            ("admin:\n  token: ${file:admin-token}\n", Some((Kind::File, "admin-token"))),
            ("admin: { token: \"${env:TOKEN}\" }\nports: [", Some((Kind::Environment, "TOKEN"))),
            ("# token: ${file:old}\nadmin: { token: '${file:new}' }", Some((Kind::File, "new"))),
            ("token: ${file:a}\ntoken: ${file:b}", None),
            ("token: in-clear-text", None),
            ("x-token: ${file:a}", None),
            ("", None),
        ] {
            assert_eq!(only_reference(text), expected, "{text}");
        }
    }
}
