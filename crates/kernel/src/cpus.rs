//! How many threads may really run at once.

use std::fs;

/// Number of workers: the affinity mask, bounded by the cgroup's CPU quota (rounded up), at least 1.
pub fn worker_count() -> usize {
    let allowed = std::thread::available_parallelism().map_or(1, usize::from);
    let affinity = rustix::thread::sched_getaffinity(None).map_or(allowed, |set| set.count() as usize);
    affinity.min(cgroup_quota().unwrap_or(usize::MAX)).max(1)
}

/// `cpu.max` of this process's cgroup (v2) or of any above it: `quota period`, or `max period`.
fn cgroup_quota() -> Option<usize> {
    let membership = fs::read_to_string("/proc/self/cgroup").ok()?;
    let path = membership.lines().find_map(|line| line.strip_prefix("0::"))?;
    std::path::Path::new(path)
        .ancestors()
        .filter_map(|folder| {
            let folder = folder.strip_prefix("/").unwrap_or(folder);
            parse_cpu_max(
                &fs::read_to_string(std::path::Path::new("/sys/fs/cgroup").join(folder).join("cpu.max")).ok()?,
            )
        })
        .min()
}

fn parse_cpu_max(text: &str) -> Option<usize> {
    let (quota, period) = text.trim().split_once(' ')?;
    let (quota, period): (usize, usize) = (quota.parse().ok()?, period.parse().ok()?);
    (period > 0).then(|| quota.div_ceil(period).max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quota_is_rounded_up_and_none_is_none() {
        assert_eq!(parse_cpu_max("150000 100000\n"), Some(2));
        assert_eq!(parse_cpu_max("50000 100000\n"), Some(1));
        assert_eq!(parse_cpu_max("max 100000\n"), None);
        assert!(worker_count() >= 1);
    }
}
