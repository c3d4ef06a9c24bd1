//! Putting words of the file into the texts of other tools.

/// Text for a comment: one line, nothing that a terminal or a parser would obey.
pub(crate) fn comment(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// A double-quoted string of YAML, JSON and HCL. `${` and `%{` begin templates in HCL and are not used by the others.
pub(crate) fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// A name of letters, digits and one kind of sign, for identifiers.
pub(crate) fn identifier(name: &str, sign: char) -> String {
    name.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { sign }).collect()
}
