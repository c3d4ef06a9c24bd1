//! Port spaces.

use super::{host_name, name};
use crate::{declared::Space, read::mistake::Mistake};

/// `host`, `netns:blue`, or the name of another host.
pub(crate) fn space(text: &str) -> Result<Space, Mistake> {
    const EXPECTED: &str = "host, netns:NAME, or the name of another host";
    let expected = |mistake: Mistake| Mistake { expected: EXPECTED.to_owned(), ..mistake };
    if text == "host" {
        return Ok(Space::Host);
    }
    match text.split_once(':') {
        Some(("netns", namespace)) => name(namespace).map(Space::Namespace).map_err(expected),
        // An IPv6 address, perhaps.
        Some(_) if !text.starts_with('[') => Err(Mistake::new("is not a port space", EXPECTED)),
        _ => host_name(text).map(Space::Remote).map_err(expected),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_space_is_this_host_a_namespace_or_another_host() {
        for (text, expected) in [
            ("host", Some(Space::Host)),
            ("netns:blue", Some(Space::Namespace("blue".to_owned()))),
            ("DB-1.example.com", Some(Space::Remote("db-1.example.com".to_owned()))),
            ("10.0.0.7", Some(Space::Remote("10.0.0.7".to_owned()))),
            ("[fd00::7]", Some(Space::Remote("[fd00::7]".to_owned()))),
            ("netns:", None),
            ("netns:../../etc", None),
            ("ns:blue", None),
            ("*", None),
            ("", None),
        ] {
            assert_eq!(space(text).ok(), expected, "{text}");
            if let Some(space) = expected {
                assert_eq!(super::space(&space.to_string()), Ok(space));
            }
        }
    }
}
