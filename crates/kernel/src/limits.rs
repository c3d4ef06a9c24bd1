//! Limits of this process.

use rustix::process::{Resource, Rlimit, Signal, getrlimit, setrlimit};

/// Number of the signal that ends a process which writes past the largest size that a file may have, unless somebody
/// listens to it (`SIGXFSZ` in signal(7)).
pub const FILE_TOO_LARGE: i32 = Signal::XFSZ.as_raw();

/// Raises the number of open files to the hard limit, because each connection needs one or two and the usual soft
/// limit of 1024 is there for programs that use select(2). Returns what it is then; unlimited is `u64::MAX`.
pub fn raise_open_files() -> u64 {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    let now = match setrlimit(Resource::Nofile, raised) {
        Ok(()) => limit.maximum,
        Err(_) => limit.current,
    };
    now.unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_soft_limit_of_open_files_becomes_the_hard_one() {
        let hard = getrlimit(Resource::Nofile).maximum;
        assert_eq!(raise_open_files(), hard.unwrap_or(u64::MAX));
        assert_eq!(getrlimit(Resource::Nofile).current, hard);
    }
}
