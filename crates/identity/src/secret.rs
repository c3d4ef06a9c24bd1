//! Texts that are never printed.

use std::fmt;

use aws_lc_rs::constant_time::verify_slices_are_equal;

/// A password, a client secret, a key of an API. There is no `Display`, and `Debug` does not tell it.
#[derive(Clone)]
pub struct Secret(Box<str>);

impl Secret {
    /// Keeps a text.
    pub fn new(text: impl Into<Box<str>>) -> Self {
        Self(text.into())
    }

    /// The text, for whoever sends it to where it belongs.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Whether it is this text, in a time that does not tell how much of it is right.
    pub fn matches(&self, other: &str) -> bool {
        verify_slices_are_equal(self.0.as_bytes(), other.as_bytes()).is_ok()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("[secret]")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_compared_and_never_printed() {
        let secret = Secret::new("hunter2");
        assert_eq!(format!("{secret:?}"), "[secret]");
        assert!(secret.matches("hunter2"));
        assert!(!secret.matches("hunter"));
        assert!(!secret.matches("hunter3"));
    }
}
