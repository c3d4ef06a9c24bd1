//! Watching files: certificates, keys and CAs always, the configuration if `run --watch` asks for it.
//!
//! Files are looked at once a second. That finds every way in which editors, certificate tools and Kubernetes replace
//! a file (rename, symbolic link, rewrite in place), on every file system, without a handle that a rename leaves
//! pointing at what is gone.

use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use tokio::{task::spawn_blocking, time::sleep};

use crate::{Phase, Publisher, answers::Cause};

const EVERY: Duration = Duration::from_secs(1);

/// Which files are watched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Watching {
    /// Certificates, keys and CAs.
    Material,
    /// Those, and the configuration with everything that it includes.
    MaterialAndConfiguration,
}

/// Watches until the process drains.
pub(crate) async fn run(publisher: Arc<Publisher>, watching: Watching) {
    let mut material = Watched::default();
    let mut configuration = Watched::default();
    while publisher.phase() == Phase::Serving {
        let files = publisher.files();
        let has_new_configuration = watching == Watching::MaterialAndConfiguration
            && configuration.has_settled_change(look(files.paths).await, files.at);
        let running = publisher.running();
        let has_new_material = material.has_settled_change(look(running.plan.material.clone()).await, running.read_at);
        drop(running);
        // Reading the file again also loads all material again.
        if has_new_configuration {
            publisher.reload(Cause::Watch).await;
        } else if has_new_material {
            publisher.renew().await;
        }
        sleep(EVERY).await;
    }
}

/// What tells one content of a file from another. The change time is set by the kernel with every write and rename,
/// whatever modification time a tool pretends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mark {
    Missing,
    Present { device: u64, inode: u64, length: u64, changed: SystemTime },
}

type Marks = BTreeMap<PathBuf, Mark>;

/// The kernel stamps changes with a clock that lags behind by up to a tick.
const CLOCK_LAG: Duration = Duration::from_millis(20);

/// A set of files, as they were when somebody last read them, and as they were at the last look.
#[derive(Debug, Default)]
struct Watched {
    acted_on: Marks,
    last: Marks,
}

impl Watched {
    /// Whether files have changed since the last time this was true, and are no longer changing: half-written files
    /// are not acted upon. Files that are new among the watched were read at `read_at`, so they have changed if the
    /// kernel says that it was later.
    fn has_settled_change(&mut self, now: Marks, read_at: SystemTime) -> bool {
        let is_still = self.last == now;
        self.last.clone_from(&now);
        self.acted_on.retain(|path, _| now.contains_key(path));
        for (path, mark) in &now {
            let as_read = || if mark.is_later_than(read_at) { Mark::Missing } else { *mark };
            self.acted_on.entry(path.clone()).or_insert_with(as_read);
        }
        let is_settled_change = is_still && self.acted_on != now;
        if is_settled_change {
            self.acted_on = now;
        }
        is_settled_change
    }
}

async fn look(paths: Vec<PathBuf>) -> Marks {
    let look = || {
        let marked = paths.into_iter().map(|path| {
            let mark = Mark::of(&path);
            (path, mark)
        });
        marked.collect()
    };
    spawn_blocking(look).await.unwrap_or_default()
}

impl Mark {
    fn of(path: &Path) -> Self {
        let Ok(found) = fs::metadata(path) else { return Self::Missing };
        let (seconds, nanoseconds) = (found.ctime().try_into(), found.ctime_nsec().try_into());
        let since_epoch = Duration::new(seconds.unwrap_or(0), nanoseconds.unwrap_or(0));
        Self::Present {
            device: found.dev(),
            inode: found.ino(),
            length: found.len(),
            changed: UNIX_EPOCH + since_epoch,
        }
    }

    fn is_later_than(self, read_at: SystemTime) -> bool {
        matches!(self, Self::Present { changed, .. } if changed + CLOCK_LAG >= read_at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const READ_AT: u64 = 100;

    /// Paths with the second in which they were changed.
    fn marks(marks: &[(&str, u64)]) -> Marks {
        let mark = |second| Mark::Present {
            device: 0,
            inode: 0,
            length: 0,
            changed: UNIX_EPOCH + Duration::from_secs(second),
        };
        marks.iter().map(|(path, second)| (PathBuf::from(path), mark(*second))).collect()
    }

    #[test]
    fn a_change_counts_once_and_only_when_it_has_settled() {
        let mut watched = Watched::default();
        for (now, expected) in [
            (marks(&[("cert", 1), ("key", 1)]), false),
            (marks(&[("cert", 1), ("key", 1)]), false),
            (marks(&[("cert", 2), ("key", 1)]), false),
            (marks(&[("cert", 2), ("key", 2)]), false),
            (marks(&[("cert", 2), ("key", 2)]), true),
            (marks(&[("cert", 2), ("key", 2)]), false),
            (marks(&[("cert", 2), ("key", 2), ("ca", 1)]), false),
            (marks(&[("cert", 2), ("key", 2), ("ca", 1)]), false),
            (marks(&[("cert", 2)]), false),
        ] {
            let read_at = UNIX_EPOCH + Duration::from_secs(READ_AT);
            assert_eq!(watched.has_settled_change(now.clone(), read_at), expected, "{now:?}");
        }
    }

    #[test]
    fn a_change_between_reading_and_the_first_look_is_not_missed() {
        let mut watched = Watched::default();
        let read_at = UNIX_EPOCH + Duration::from_secs(READ_AT);
        let now = marks(&[("cert", READ_AT + 1)]);
        assert!(!watched.has_settled_change(now.clone(), read_at), "not settled yet");
        assert!(watched.has_settled_change(now.clone(), read_at));
        assert!(!watched.has_settled_change(now, read_at));
    }

    #[test]
    fn a_file_that_is_replaced_or_rewritten_has_another_mark() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("cert.pem");
        assert_eq!(Mark::of(&path), Mark::Missing);
        fs::write(&path, "one").unwrap();
        let first = Mark::of(&path);
        let next = folder.path().join("next.pem");
        fs::write(&next, "two").unwrap();
        fs::rename(&next, &path).unwrap();
        assert_ne!(Mark::of(&path), first);
    }
}
