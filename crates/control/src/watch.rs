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
    time::Duration,
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
        let configured = match watching {
            Watching::Material => Vec::new(),
            Watching::MaterialAndConfiguration => publisher.files(),
        };
        let has_new_configuration = configuration.has_settled_change(look(configured).await);
        let has_new_material = material.has_settled_change(look(publisher.running().plan.material.clone()).await);
        // Reading the file again also loads all material again.
        if has_new_configuration {
            publisher.reload(Cause::Watch).await;
        } else if has_new_material {
            publisher.renew().await;
        }
        sleep(EVERY).await;
    }
}

/// What tells one content of a file from another: `None` if there is no file. The change time is set by the kernel
/// with every write and rename, whatever modification time a tool pretends.
type Mark = Option<(u64, u64, u64, i64, i64)>;

type Marks = BTreeMap<PathBuf, Mark>;

/// A set of files, as they were when somebody last acted on them, and as they were at the last look.
#[derive(Debug, Default)]
struct Watched {
    settled: Marks,
    last: Marks,
}

impl Watched {
    /// Whether files have changed since the last time this was true, and are no longer changing: half-written files
    /// are not acted upon. Files that are new among the watched are no change.
    fn has_settled_change(&mut self, now: Marks) -> bool {
        let is_still = self.last == now;
        self.last.clone_from(&now);
        let is_changed = now.iter().any(|(path, mark)| self.settled.get(path).is_some_and(|before| before != mark));
        if !is_changed {
            self.settled = now;
            return false;
        }
        if is_still {
            self.settled = now;
        }
        is_still
    }
}

async fn look(paths: Vec<PathBuf>) -> Marks {
    let look = || {
        let marked = paths.into_iter().map(|path| {
            let mark = mark(&path);
            (path, mark)
        });
        marked.collect()
    };
    spawn_blocking(look).await.unwrap_or_default()
}

fn mark(path: &Path) -> Mark {
    let found = fs::metadata(path).ok()?;
    Some((found.dev(), found.ino(), found.len(), found.ctime(), found.ctime_nsec()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn marks(marks: &[(&str, u64)]) -> Marks {
        marks.iter().map(|(path, length)| (PathBuf::from(path), Some((0, 0, *length, 0, 0)))).collect()
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
            (marks(&[("cert", 2)]), false),
        ] {
            assert_eq!(watched.has_settled_change(now.clone()), expected, "{now:?}");
        }
    }

    #[test]
    fn a_file_that_is_replaced_or_rewritten_has_another_mark() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("cert.pem");
        assert_eq!(mark(&path), None);
        fs::write(&path, "one").unwrap();
        let first = mark(&path);
        let next = folder.path().join("next.pem");
        fs::write(&next, "two").unwrap();
        fs::rename(&next, &path).unwrap();
        assert_ne!(mark(&path), first);
    }
}
