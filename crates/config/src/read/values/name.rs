//! Names that the file gives to its ports, services, ranges and routes.

use crate::read::mistake::Mistake;

/// A name ends up in logs, metrics and maps, so it is short and plain.
pub(crate) fn name(text: &str) -> Result<String, Mistake> {
    const EXPECTED: &str = "a name of letters, digits, `-`, `_` and `.`";
    const LONGEST: usize = 64;
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    if text.is_empty() || !text.bytes().all(is_plain) || !text.as_bytes()[0].is_ascii_alphanumeric() {
        return Err(Mistake::new("is not a name", EXPECTED));
    }
    if text.len() > LONGEST {
        return Err(Mistake::new("is longer than 64 characters", EXPECTED));
    }
    Ok(text.to_owned())
}
