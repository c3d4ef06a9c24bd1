//! How many threads may really run at once.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// Number of workers: the processors that this process may use, bounded by the CPU quota of its cgroup (v2 or v1,
/// rounded up) and of all above it, at least 1. A worker beyond that would only be throttled with the others.
pub fn worker_count() -> usize {
    processors().min(quota(Path::new("/")).unwrap_or(usize::MAX)).max(1)
}

/// Processors in the affinity mask.
fn processors() -> usize {
    match rustix::thread::sched_getaffinity(None) {
        Ok(mask) => mask.count() as usize,
        // More processors than the fixed mask of 1024 has room for.
        Err(_) => std::thread::available_parallelism().map_or(1, usize::from),
    }
}

/// The smallest quota that holds for this process, in whole processors. `root` is where `/proc` and the mounts are.
fn quota(root: &Path) -> Option<usize> {
    let memberships = fs::read_to_string(root.join("proc/self/cgroup")).ok()?;
    let mounts = fs::read_to_string(root.join("proc/self/mountinfo")).ok()?;
    let mounts: Vec<Mount> = mounts.lines().filter_map(Mount::parse).collect();
    memberships
        .lines()
        .filter_map(|line| {
            let (_, line) = line.split_once(':')?;
            let (controllers, group) = line.split_once(':')?;
            let version = match controllers {
                "" => Version::Two,
                list if list.split(',').any(|controller| controller == "cpu") => Version::One,
                _ => return None,
            };
            let mount = mounts.iter().find(|mount| mount.version == version)?;
            mount.quota(root, Path::new(group))
        })
        .min()
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Version {
    One,
    Two,
}

/// Where a hierarchy of cgroups with processors in it is mounted.
#[derive(Debug)]
struct Mount {
    version: Version,
    /// The group that is seen at `place`: `/`, or in a container often the container's own.
    top: PathBuf,
    place: PathBuf,
}

impl Mount {
    /// A line of mountinfo: `36 35 98:0 /top /place rw,noatime shared:1 - cgroup source rw,cpu,cpuacct` (proc(5)).
    fn parse(line: &str) -> Option<Self> {
        let (before, after) = line.split_once(" - ")?;
        let mut before = before.split(' ').skip(3);
        let (top, place) = (before.next()?.into(), before.next()?.into());
        let mut after = after.split(' ');
        let version = match after.next()? {
            "cgroup2" => Version::Two,
            "cgroup" if after.nth(1)?.split(',').any(|option| option == "cpu") => Version::One,
            _ => return None,
        };
        Some(Self { version, top, place })
    }

    /// The smallest quota of `group` and its parents, as far as they can be seen.
    fn quota(&self, root: &Path, group: &Path) -> Option<usize> {
        // A group outside of what is mounted can not be seen; the mounted one then is the nearest that holds.
        let group = group.strip_prefix(&self.top).unwrap_or(Path::new(""));
        let place = root.join(self.place.strip_prefix("/").unwrap_or(&self.place));
        group.ancestors().filter_map(|group| self.version.read(&place.join(group))).min()
    }
}

impl Version {
    fn read(self, group: &Path) -> Option<usize> {
        let read = |file: &str| fs::read_to_string(group.join(file)).ok();
        match self {
            Self::Two => {
                let limit = read("cpu.max")?;
                let (quota, period) = limit.trim().split_once(' ')?;
                whole_processors(quota, period)
            }
            Self::One => whole_processors(read("cpu.cfs_quota_us")?.trim(), read("cpu.cfs_period_us")?.trim()),
        }
    }
}

/// Time per period, rounded up to whole processors; no quota is `max` (v2) or -1 (v1).
fn whole_processors(quota: &str, period: &str) -> Option<usize> {
    let (quota, period): (usize, usize) = (quota.parse().ok()?, period.parse().ok()?);
    (period > 0).then(|| quota.div_ceil(period).max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A system with these files.
    fn system(files: &[(&str, &str)]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for (path, content) in files {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, content).unwrap();
        }
        root
    }

    const CGROUP2: (&str, &str) =
        ("proc/self/mountinfo", "35 24 0:30 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw\n");

    #[test]
    fn a_quota_is_rounded_up_to_whole_processors() {
        for (quota, period, expected) in [
            ("150000", "100000", Some(2)),
            ("200000", "100000", Some(2)),
            ("50000", "100000", Some(1)),
            ("0", "100000", Some(1)),
            ("max", "100000", None),
            ("-1", "100000", None),
            ("1", "0", None),
        ] {
            assert_eq!(whole_processors(quota, period), expected, "{quota} {period}");
        }
    }

    #[test]
    fn the_smallest_quota_from_the_own_group_upwards_counts() {
        let root = system(&[
            CGROUP2,
            ("proc/self/cgroup", "0::/system.slice/portcullis.service\n"),
            ("sys/fs/cgroup/system.slice/cpu.max", "300000 100000\n"),
            ("sys/fs/cgroup/system.slice/portcullis.service/cpu.max", "max 100000\n"),
        ]);
        assert_eq!(quota(root.path()), Some(3));
    }

    #[test]
    fn a_container_sees_its_own_group_at_the_mount() {
        let root = system(&[
            ("proc/self/mountinfo", "35 24 0:30 /docker/abc /sys/fs/cgroup ro - cgroup2 cgroup ro\n"),
            ("proc/self/cgroup", "0::/docker/abc\n"),
            ("sys/fs/cgroup/cpu.max", "120000 100000\n"),
        ]);
        assert_eq!(quota(root.path()), Some(2));
        // Without a cgroup namespace and with a mount of somebody else's group, the mounted one is all there is.
        fs::write(root.path().join("proc/self/cgroup"), "0::/../other\n").unwrap();
        assert_eq!(quota(root.path()), Some(2));
    }

    #[test]
    fn version_1_is_read_where_the_cpu_controller_is() {
        let root = system(&[
            (
                "proc/self/mountinfo",
                "33 31 0:30 / /sys/fs/cgroup/cpuset rw - cgroup cgroup rw,cpuset\n\
                 32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n",
            ),
            ("proc/self/cgroup", "4:memory:/x\n3:cpuset:/\n2:cpu,cpuacct:/jobs\n0::/\n"),
            ("sys/fs/cgroup/cpu,cpuacct/jobs/cpu.cfs_quota_us", "450000\n"),
            ("sys/fs/cgroup/cpu,cpuacct/jobs/cpu.cfs_period_us", "100000\n"),
        ]);
        assert_eq!(quota(root.path()), Some(5));
    }

    #[test]
    fn without_quota_the_processors_count() {
        assert_eq!(quota(system(&[CGROUP2, ("proc/self/cgroup", "0::/\n")]).path()), None);
        assert_eq!(quota(Path::new("/nonexistent")), None);
        assert!((1..=processors()).contains(&worker_count()));
    }
}
