//! As whom this process runs.

use crate::processes;

/// The effective user: name, or `uid N`.
pub fn user() -> String {
    processes::user_name(rustix::process::geteuid().as_raw())
}

#[cfg(test)]
mod tests {
    #[test]
    fn there_is_always_a_name() {
        assert!(!super::user().is_empty());
    }
}
