//! Port numbers and names as manifests write them.

use std::fmt;

use crate::estate::Transport;

/// What stands where a port is expected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum PortValue {
    /// A port number.
    Number(u16),
    /// The name of a port.
    Name(String),
    /// A text that something else replaces before the cluster sees it, such as `${PORT}`.
    Unresolved(String),
    /// Nothing that the cluster accepts.
    Mistaken(PortMistake),
}

/// Why the cluster would refuse a port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum PortMistake {
    /// A number outside of 1-65535.
    OutOfRange(String),
    /// A port number in quotes, which is a text to the cluster.
    Quoted(u16),
    /// A word where only a number can stand.
    NotANumber(String),
    /// A name that breaks the rules for names (RFC 6335, section 5.1).
    BadName(String),
}

impl PortValue {
    /// The number, also of one that stands in quotes.
    pub(crate) fn number(&self) -> Option<u16> {
        match self {
            Self::Number(number) | Self::Mistaken(PortMistake::Quoted(number)) => Some(*number),
            _ => None,
        }
    }

    /// The name.
    pub(crate) fn name(&self) -> Option<&str> {
        match self {
            Self::Name(name) => Some(name),
            _ => None,
        }
    }
}

impl fmt::Display for PortValue {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) | Self::Mistaken(PortMistake::Quoted(number)) => write!(formatter, "{number}"),
            Self::Name(text)
            | Self::Unresolved(text)
            | Self::Mistaken(
                PortMistake::OutOfRange(text) | PortMistake::NotANumber(text) | PortMistake::BadName(text),
            ) => formatter.write_str(text),
        }
    }
}

/// `TCP`, `UDP` or `SCTP`; nothing means TCP.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Protocol {
    /// One that the API knows.
    Known(Transport),
    /// Another word, which the cluster refuses or something else replaces.
    Other(String),
}

impl Protocol {
    /// The transport; a word that is not known is taken for none.
    pub(crate) fn transport(&self) -> Option<Transport> {
        match self {
            Self::Known(transport) => Some(*transport),
            Self::Other(_) => None,
        }
    }
}

/// RFC 6335, section 5.1, as the API server has it: at most 15 lower-case letters, digits and hyphens, at least one
/// letter, no hyphen at an end or next to another.
pub(crate) fn is_port_name(name: &str) -> bool {
    let is_word = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (1..=15).contains(&name.len())
        && name.bytes().all(is_word)
        && name.bytes().any(|byte| byte.is_ascii_lowercase())
        && !name.starts_with('-')
        && !name.ends_with('-')
        && !name.contains("--")
}

#[cfg(test)]
mod tests {
    use super::is_port_name;

    #[test]
    fn port_names_are_those_of_rfc_6335() {
        for name in ["http", "a", "8080-tcp", "abcdefghijklmno"] {
            assert!(is_port_name(name), "{name}");
        }
        for name in ["", "8080", "HTTP", "-a", "a-", "a--b", "a_b", "abcdefghijklmnop"] {
            assert!(!is_port_name(name), "{name}");
        }
    }
}
