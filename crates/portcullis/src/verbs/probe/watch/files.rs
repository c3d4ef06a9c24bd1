//! Whether the file, or one that it includes, has changed.

use std::{
    fs,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use portcullis_config::{Loaded, load};

/// The files of a configuration, as they were when they were last read.
#[derive(Debug)]
pub(super) struct Files {
    main: PathBuf,
    marks: Vec<(PathBuf, Option<Mark>)>,
}

/// What tells one content of a file from another. The change time is set by the kernel with every write and rename,
/// whatever modification time a tool pretends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Mark {
    inode: u64,
    length: u64,
    changed: (i64, i64),
}

impl Mark {
    fn of(path: &Path) -> Option<Self> {
        let found = fs::metadata(path).ok()?;
        Some(Self { inode: found.ino(), length: found.len(), changed: (found.ctime(), found.ctime_nsec()) })
    }
}

impl Files {
    /// Those that were read.
    pub(super) fn of(main: &Path, loaded: &Loaded) -> Self {
        let paths = loaded.sources.paths().map(Path::to_path_buf);
        let secrets = loaded.declared.iter().flat_map(|declared| declared.sources.iter().cloned());
        let mut paths: Vec<PathBuf> = paths.chain(secrets).chain([main.to_owned()]).collect();
        paths.sort_unstable();
        paths.dedup();
        let marked = paths.into_iter().map(|path| {
            let mark = Mark::of(&path);
            (path, mark)
        });
        Self { main: main.to_owned(), marks: marked.collect() }
    }

    /// What they say now, if they were changed and are right. What is wrong with them is told once, and the last state
    /// that was right goes on to count.
    pub(super) fn changed(&mut self, note: impl Fn(&str) -> anyhow::Result<()>) -> anyhow::Result<Option<Loaded>> {
        let now: Vec<Option<Mark>> = self.marks.iter().map(|(path, _)| Mark::of(path)).collect();
        if self.marks.iter().map(|(_, mark)| *mark).eq(now.iter().copied()) {
            return Ok(None);
        }
        let fresh = load(&self.main);
        let before = std::mem::replace(self, Self::of(&self.main, &fresh));
        // What was written while it was read is seen with the next look: the older mark stays.
        for (path, mark) in &mut self.marks {
            if let Some(index) = before.marks.iter().position(|(known, _)| known == path) {
                *mark = now[index];
            }
        }
        let shown = self.main.display();
        if fresh.has_errors() || fresh.declared.is_none() {
            let errors = match fresh.findings.iter().filter(|finding| finding.is_error()).count() {
                1 => "1 error".to_owned(),
                count => format!("{count} errors"),
            };
            note(&format!("{shown} has changed and has {errors} (`portcullis check {shown}`); the last one counts"))?;
            return Ok(None);
        }
        note(&format!("{shown} has changed"))?;
        Ok(Some(fresh))
    }
}
