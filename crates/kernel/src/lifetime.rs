//! From when to when a process lives: what tells it from another that is given its number.

use procfs::process::Process;

/// Clock ticks from boot to the start of the process: with the pid, it names a process for good. `None` if there is no
/// such process, or only what is left of one (`proc(5)`: a zombie).
pub fn started(pid: i32) -> Option<u64> {
    let stat = Process::new(pid).ok()?.stat().ok()?;
    let is_over = matches!(stat.state, 'Z' | 'X' | 'x');
    (!is_over).then_some(stat.starttime)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    #[test]
    fn a_process_has_started_until_it_ends() {
        let own = i32::try_from(std::process::id()).unwrap();
        assert_eq!(started(own), started(own));
        let mut child = Command::new("sleep").arg("60").spawn().unwrap();
        let pid = i32::try_from(child.id()).unwrap();
        assert!(started(pid) >= started(own));
        child.kill().unwrap();
        while started(pid).is_some() {
            std::thread::yield_now();
        }
        child.wait().unwrap();
        assert_eq!(started(pid), None);
    }
}
