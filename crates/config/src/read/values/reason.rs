//! Why something that would be a finding is meant.

use crate::read::mistake::Mistake;

/// A reason that says something.
pub(crate) fn reason(text: &str) -> Result<String, Mistake> {
    let reason = text.trim();
    if reason.len() < 4 || reason.contains(char::is_control) || matches!(text, "true" | "false") {
        return Err(Mistake::new("is not a reason", "a sentence that says why this is meant"));
    }
    Ok(reason.to_owned())
}
