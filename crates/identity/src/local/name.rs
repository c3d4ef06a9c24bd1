//! Names of people and groups.

use std::{fmt, str::FromStr};

const LONGEST: usize = 128;

/// The name of a person: lower case, as it is typed at a login. Often an e-mail address.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct UserName(Box<str>);

/// The name of a group. With case, as in the claims of a provider.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct GroupName(Box<str>);

/// Why a text is no name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// Of a person.
    #[error("a name is 1 to {LONGEST} of the letters a-z, digits and `. _ - + @`, such as alice or alice@example.com")]
    User,
    /// Of a group.
    #[error("a group is 1 to {LONGEST} of letters, digits and `. _ - + @ / :`, without spaces and commas")]
    Group,
}

impl FromStr for UserName {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let text = text.trim().to_ascii_lowercase();
        if is_name(&text, b"._-+@") { Ok(Self(text.into())) } else { Err(NameError::User) }
    }
}

impl FromStr for GroupName {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        if is_name(text, b"._-+@/:") { Ok(Self(text.into())) } else { Err(NameError::Group) }
    }
}

/// ASCII alone: two names that look the same are the same.
fn is_name(text: &str, marks: &[u8]) -> bool {
    let is_fit = |byte: u8| byte.is_ascii_alphanumeric() || marks.contains(&byte);
    (1..=LONGEST).contains(&text.len()) && text.bytes().all(is_fit) && !text.starts_with('-')
}

impl fmt::Display for UserName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl fmt::Display for GroupName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_short_plain_text_without_case() {
        assert_eq!("Alice@Example.com".parse::<UserName>().unwrap().to_string(), "alice@example.com");
        let long = "x".repeat(LONGEST + 1);
        for wrong in ["", " ", "a b", "a\nb", "аlice", "-a", "a,b", &long, "a\u{202e}b"] {
            assert_eq!(wrong.parse::<UserName>(), Err(NameError::User), "{wrong:?}");
            assert_eq!(wrong.parse::<GroupName>(), Err(NameError::Group), "{wrong:?}");
        }
        assert_eq!("DBA/eu:prod".parse::<GroupName>().unwrap().to_string(), "DBA/eu:prod");
    }
}
