//! The texts under check. Files are read once, within bounds, and only beneath the roots that were named: a file from
//! a stranger cannot make a check print what lies elsewhere on the machine.

use std::{
    collections::HashMap,
    fs, io,
    path::{Component, Path, PathBuf},
    sync::{Mutex, OnceLock, PoisonError},
};

pub use portcullis_config::{
    sources::Position,
    span::{FileId, Span, Spanned},
};

/// The largest file that is read: manifests of whole clusters are smaller.
pub const MAX_FILE_BYTES: u64 = 16 * 1024 * 1024;

/// What a person writes for standard input.
pub const STANDARD_INPUT: &str = "-";

/// Whether a path stands for standard input.
pub fn is_standard_input(path: &Path) -> bool {
    path == Path::new(STANDARD_INPUT)
}

/// Every file that was read. Can be read by several threads while others add to it.
#[derive(Debug, Default)]
pub struct Inputs {
    files: boxcar::Vec<File>,
    by_path: Mutex<HashMap<PathBuf, Result<FileId, Unreadable>>>,
    /// Canonical folders beneath which files may be followed.
    roots: Vec<PathBuf>,
}

/// One file. A byte order mark is not part of `text`.
#[derive(Debug)]
struct File {
    path: PathBuf,
    text: String,
    /// Byte offset of the start of each line, ascending, the first is 0.
    lines: Vec<u32>,
    /// The text with secrets masked, as many bytes long, if it has any.
    shown: OnceLock<String>,
}

/// Why a file gives no text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// It is not there.
    #[error("there is no such file")]
    Missing,
    /// A folder, socket, device or the like.
    #[error("it is not a regular file")]
    NotAFile,
    /// More than [`MAX_FILE_BYTES`].
    #[error("it is larger than {} MiB", MAX_FILE_BYTES / 1024 / 1024)]
    TooLarge,
    /// Not UTF-8; the place is where it stops being so.
    #[error("it is not UTF-8 text (byte {at})")]
    NotText {
        /// Offset of the first byte that is no text.
        at: usize,
    },
    /// It lies outside of what was named.
    #[error("it lies outside of the folders under check")]
    Outside,
    /// The system said no.
    #[error("{0}")]
    Refused(String),
}

impl Inputs {
    /// Inputs that may follow files beneath these folders; those that do not exist are left out.
    pub fn beneath(roots: impl IntoIterator<Item = PathBuf>) -> Self {
        let roots = roots.into_iter().filter_map(|root| fs::canonicalize(root).ok()).collect();
        Self { roots, ..Self::default() }
    }

    /// Keeps a text that did not come from a file that can be opened again, such as standard input.
    pub fn add(&self, path: &Path, bytes: Vec<u8>) -> Result<FileId, Unreadable> {
        let text = text(bytes)?;
        let lines = std::iter::once(0)
            .chain(text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n').map(|(offset, _)| offset as u32 + 1))
            .collect();
        Ok(FileId(self.files.push(File { path: tidy(path), text, lines, shown: OnceLock::new() }) as u32))
    }

    /// Keeps what came through standard input, whose name is [`STANDARD_INPUT`] and whose contents alone say what it is.
    pub fn add_standard_input(&self, bytes: Vec<u8>) -> Result<FileId, Unreadable> {
        let path = Path::new(STANDARD_INPUT);
        let added = self.add(path, bytes)?;
        self.by_path.lock().unwrap_or_else(PoisonError::into_inner).insert(path.to_owned(), Ok(added));
        Ok(added)
    }

    /// Reads a file that was named by a person, or found by walking. A second time gives the same id.
    pub fn open(&self, path: &Path) -> Result<FileId, Unreadable> {
        let path = tidy(path);
        if let Some(known) = self.known(&path) {
            return known;
        }
        let opened = read(&path).and_then(|bytes| self.add(&path, bytes));
        let mut by_path = self.by_path.lock().unwrap_or_else(PoisonError::into_inner);
        // Another thread may have been faster; then its copy counts, so that a file has one id.
        by_path.entry(path).or_insert(opened).clone()
    }

    /// Reads a file that another one names, relative to that one's folder. Refused outside of the roots.
    pub fn follow(&self, from: FileId, named: &Path) -> Result<FileId, Unreadable> {
        let path = self.beside(from, named);
        if let Some(known) = self.known(&path) {
            return known;
        }
        let canonical = fs::canonicalize(&path).map_err(|error| refusal(&error))?;
        if !self.roots.iter().any(|root| canonical.starts_with(root)) {
            return Err(Unreadable::Outside);
        }
        self.open(&path)
    }

    /// The id of a file that was opened already, by its tidy path.
    pub fn opened(&self, path: &Path) -> Option<FileId> {
        self.known(path).and_then(Result::ok)
    }

    /// The path of a file that another one names, in tidy form.
    pub fn beside(&self, from: FileId, named: &Path) -> PathBuf {
        let folder = self.path(from).parent().unwrap_or(Path::new(""));
        tidy(&folder.join(named))
    }

    /// Whether a folder lies beneath the roots, so that it may be listed.
    pub fn may_list(&self, folder: &Path) -> bool {
        fs::canonicalize(folder).is_ok_and(|folder| self.roots.iter().any(|root| folder.starts_with(root)))
    }

    /// The path by which a file was asked for, without `.` and `..` where they mean nothing; never made absolute, so
    /// that reports are the same on every machine.
    pub fn path(&self, file: FileId) -> &Path {
        self.files.get(file.0 as usize).map_or(Path::new(""), |file| &file.path)
    }

    /// The text of a file.
    pub fn text(&self, file: FileId) -> &str {
        self.files.get(file.0 as usize).map_or("", |file| &file.text)
    }

    /// The text of a span.
    pub fn excerpt(&self, span: Span) -> &str {
        self.text(span.file).get(span.start as usize..span.end as usize).unwrap_or("")
    }

    /// Line and column of the first byte of a span, both from 1, the column in characters.
    pub fn position(&self, span: Span) -> Position {
        let Some(file) = self.files.get(span.file.0 as usize) else { return Position { line: 1, column: 1 } };
        let line = file.lines.partition_point(|start| *start <= span.start).max(1);
        let start = file.lines.get(line - 1).copied().unwrap_or(0) as usize;
        let before = file.text.get(start..span.start as usize).unwrap_or("");
        Position { line, column: before.chars().count() + 1 }
    }

    /// The last position of a span: that of the first byte behind it.
    pub fn end_position(&self, span: Span) -> Position {
        self.position(Span { start: span.end, ..span })
    }

    /// Says how a text is to be shown. Ignored unless it is as long as the text itself, so that places stay true.
    pub fn show_instead(&self, file: FileId, masked: String) {
        if let Some(file) = self.files.get(file.0 as usize)
            && file.text.len() == masked.len()
        {
            file.shown.get_or_init(|| masked);
        }
    }

    /// The lines `first` to `last` (from 1, inclusive) as they may be shown, and the offset of their first byte.
    pub fn lines(&self, file: FileId, first: usize, last: usize) -> (usize, &str) {
        let Some(file) = self.files.get(file.0 as usize) else { return (0, "") };
        let start = file.lines.get(first.saturating_sub(1)).map_or(file.text.len(), |start| *start as usize);
        let end = file.lines.get(last).map_or(file.text.len(), |next| *next as usize);
        let text = file.shown.get().unwrap_or(&file.text);
        (start, text.get(start..end).unwrap_or(""))
    }

    fn known(&self, path: &Path) -> Option<Result<FileId, Unreadable>> {
        self.by_path.lock().unwrap_or_else(PoisonError::into_inner).get(path).cloned()
    }
}

/// `a/./b/../c` is `a/c`. Leading `..` stay.
pub fn tidy(path: &Path) -> PathBuf {
    let mut tidy = PathBuf::new();
    for component in path.components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir if matches!(tidy.components().next_back(), Some(Component::Normal(_))) => {
                tidy.pop();
            }
            other => tidy.push(other),
        }
    }
    tidy
}

fn read(path: &Path) -> Result<Vec<u8>, Unreadable> {
    use portcullis_files::Unreadable as Reason;
    portcullis_files::read(path, MAX_FILE_BYTES).map_err(|why| match why {
        Reason::Missing => Unreadable::Missing,
        Reason::NotAFile(_) => Unreadable::NotAFile,
        Reason::TooLong { .. } => Unreadable::TooLarge,
        Reason::Denied | Reason::NotText { .. } | Reason::Refused(_) => Unreadable::Refused(why.to_string()),
    })
}

fn refusal(error: &io::Error) -> Unreadable {
    match error.kind() {
        io::ErrorKind::NotFound => Unreadable::Missing,
        _ => Unreadable::Refused(error.to_string()),
    }
}

fn text(bytes: Vec<u8>) -> Result<String, Unreadable> {
    if bytes.len() as u64 > MAX_FILE_BYTES {
        return Err(Unreadable::TooLarge);
    }
    let mut text =
        String::from_utf8(bytes).map_err(|error| Unreadable::NotText { at: error.utf8_error().valid_up_to() })?;
    if text.starts_with('\u{feff}') {
        text.drain(..'\u{feff}'.len_utf8());
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_has_one_id_however_it_is_named() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("sub")).unwrap();
        fs::write(folder.path().join("a"), "one\ntwö x\n").unwrap();
        let inputs = Inputs::beneath([folder.path().to_owned()]);
        let file = inputs.open(&folder.path().join("a")).unwrap();
        assert_eq!(inputs.open(&folder.path().join("./sub/../a")), Ok(file));
        assert_eq!(inputs.follow(file, Path::new("sub/../a")), Ok(file));
        assert_eq!(inputs.position(Span { file, start: 9, end: 10 }), Position { line: 2, column: 5 });
        assert_eq!(inputs.lines(file, 2, 2), (4, "twö x\n"));
    }

    #[test]
    fn nothing_outside_of_the_roots_is_followed() {
        let (folder, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        fs::write(folder.path().join("a"), "").unwrap();
        fs::write(other.path().join("secret"), "x").unwrap();
        std::os::unix::fs::symlink(other.path().join("secret"), folder.path().join("link")).unwrap();
        let inputs = Inputs::beneath([folder.path().to_owned()]);
        let file = inputs.open(&folder.path().join("a")).unwrap();
        assert_eq!(inputs.follow(file, &other.path().join("secret")), Err(Unreadable::Outside));
        assert_eq!(inputs.follow(file, Path::new("link")), Err(Unreadable::Outside));
        assert_eq!(inputs.follow(file, Path::new("nothing")), Err(Unreadable::Missing));
    }

    #[test]
    fn what_is_no_text_is_refused_with_the_place() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("a"), b"ab\xff").unwrap();
        let inputs = Inputs::default();
        assert_eq!(inputs.open(&folder.path().join("a")), Err(Unreadable::NotText { at: 2 }));
        assert_eq!(inputs.open(folder.path()), Err(Unreadable::NotAFile));
        assert_eq!(inputs.open(Path::new("/dev/zero")), Err(Unreadable::NotAFile));
    }
}
