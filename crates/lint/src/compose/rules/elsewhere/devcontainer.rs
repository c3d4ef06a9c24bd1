//! `devcontainer.json`: what an editor forwards from the container to the machine (<https://containers.dev>).

use std::path::Path;

use super::{Claim, Subject, folder_of};
use crate::{
    inputs::FileId,
    yaml::{self, Node},
};

/// Where a dev container that uses this project, or stands beside it, is described.
const PLACES: [&str; 3] = [".devcontainer/devcontainer.json", ".devcontainer.json", "devcontainer.json"];

pub(super) fn claims(subject: &Subject<'_>, main: FileId) -> Vec<Claim> {
    let found = PLACES.iter().find_map(|place| subject.inputs.follow(main, Path::new(place)).ok());
    // The project may lie in `.devcontainer` as well, or be named from there.
    let found = found.or_else(|| {
        let file = subject.inputs.follow(main, Path::new("../.devcontainer/devcontainer.json")).ok()?;
        names(subject, file, main).then_some(file)
    });
    let Some(file) = found else { return Vec::new() };
    let text = without_comments(subject.inputs.text(file));
    let read = yaml::parse(&text, file);
    let Some(root) = read.documents.first() else { return Vec::new() };
    let forwarded = root.get("forwardPorts").map(Node::items).unwrap_or_default();
    let claim = |item: &Node<'_>| {
        // `db:5432` is a port of another container, forwarded to the same number.
        let port = item.text()?.rsplit(':').next()?.parse().ok()?;
        Some(Claim { port, by: "the dev container".to_owned(), place: item.span })
    };
    forwarded.iter().filter_map(claim).collect()
}

/// Whether `dockerComposeFile` means this file.
fn names(subject: &Subject<'_>, file: FileId, main: FileId) -> bool {
    let text = without_comments(subject.inputs.text(file));
    let read = yaml::parse(&text, file);
    let Some(named) = read.documents.first().and_then(|root| root.get("dockerComposeFile")) else { return false };
    let named = if named.items().is_empty() { std::slice::from_ref(named) } else { named.items() };
    let path = subject.inputs.path(main);
    let folder = folder_of(subject, file);
    named
        .iter()
        .filter_map(Node::text)
        .any(|name| subject.inputs.beside(file, Path::new(name)) == path || folder.join(name) == path)
}

/// JSON with comments is YAML without them. Every byte keeps its place.
fn without_comments(text: &str) -> String {
    let mut bytes = text.as_bytes().to_vec();
    let mut index = 0;
    while index < bytes.len() {
        let end = match (bytes[index], bytes.get(index + 1)) {
            (b'"', _) => {
                index = end_of_text(&bytes, index);
                continue;
            }
            (b'/', Some(b'/')) => bytes[index..].iter().position(|byte| *byte == b'\n').map(|length| index + length),
            (b'/', Some(b'*')) => {
                bytes[index + 2..].windows(2).position(|pair| pair == b"*/").map(|length| index + 2 + length + 2)
            }
            // JSON lets tabs indent, YAML does not.
            (b'\t', _) => Some(index + 1),
            _ => {
                index += 1;
                continue;
            }
        };
        let end = end.unwrap_or(bytes.len());
        bytes[index..end].iter_mut().filter(|byte| **byte != b'\n').for_each(|byte| *byte = b' ');
        index = end;
    }
    String::from_utf8(bytes).unwrap_or_default()
}

/// Behind the closing quote.
fn end_of_text(bytes: &[u8], start: usize) -> usize {
    let mut index = start + 1;
    while let Some(byte) = bytes.get(index) {
        match byte {
            b'\\' => index += 2,
            b'"' => return index + 1,
            _ => index += 1,
        }
    }
    bytes.len()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn comments_are_blanked_and_texts_are_not() {
        let text = "{ // one\n\t\"a\": \"//no\\\" */\", /* two\nlines */ \"b\": 1 }";
        let blank = without_comments(text);
        assert_eq!(blank.len(), text.len());
        assert_eq!(blank.replace(' ', ""), "{\n\"a\":\"//no\\\"*/\",\n\"b\":1}");
    }

    proptest! {
        #[test]
        fn arbitrary_text_never_panics(text in "\\PC*|[/*\"\\\\\n a{}]{0,40}") {
            prop_assert_eq!(without_comments(&text).len(), text.len());
        }
    }
}
