//! Names that the file allows, each given once.

use std::collections::HashSet;

/// The longest name that the file allows.
const LONGEST: usize = 64;

#[derive(Debug, Default)]
pub(crate) struct Names {
    given: HashSet<(&'static str, String)>,
}

impl Names {
    /// A name for a thing of a kind, as near as can be to the one that is wished for.
    pub(crate) fn free(&mut self, kind: &'static str, wish: &str) -> String {
        let allowed = |character: char| {
            if character.is_ascii_alphanumeric() || matches!(character, '-' | '_' | '.') { character } else { '-' }
        };
        let wish: String = wish.chars().map(allowed).take(LONGEST - 4).collect();
        let numbered = (2..).map(|number| format!("{wish}-{number}"));
        let free =
            std::iter::once(wish.clone()).chain(numbered).find(|name| !self.given.contains(&(kind, name.clone())));
        let name = free.unwrap_or(wish);
        self.given.insert((kind, name.clone()));
        name
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_made_fit_and_given_once() {
        let mut names = Names::default();
        assert_eq!(names.free("port", "web"), "web");
        assert_eq!(names.free("port", "web"), "web-2");
        assert_eq!(names.free("service", "web"), "web");
        assert_eq!(names.free("service", "a b/ü"), "a-b--");
        assert!(names.free("service", &"x".repeat(100)).len() <= LONGEST);
    }
}
