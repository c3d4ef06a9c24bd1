//! Files that a person named: configurations, certificates, keys, policies, secrets, and what they include.
//!
//! Must not know: what the files hold. Nothing of their content is ever part of an error.
//!
//! A path comes from outside, and so does what lies there. Reading never blocks, never goes on without an end, and
//! opens nothing but a regular file: a FIFO without a writer would stop whoever reads it for ever, a device has no end.

use std::{
    fs::{File, FileType, Metadata, OpenOptions},
    io::{self, Read},
    os::unix::fs::{FileTypeExt, OpenOptionsExt},
    path::Path,
};

use rustix::fs::OFlags;

/// Why a file gives nothing. Says the reason alone; whoever tells it names the file.
#[derive(Debug, thiserror::Error)]
pub enum Unreadable {
    /// Nothing has that name.
    #[error("there is no such file")]
    Missing,
    /// Its mode, or that of a folder above it, does not let this user read it.
    #[error("permission denied for this user")]
    Denied,
    /// Something that has a name like a file, and is none.
    #[error("it is {0}, not a regular file")]
    NotAFile(Kind),
    /// Longer than what was asked for ever is.
    #[error("it is longer than {}", size(*limit))]
    TooLong {
        /// What is accepted, bytes.
        limit: u64,
    },
    /// Not UTF-8.
    #[error("it is not UTF-8 text: byte {at} is not part of any character")]
    NotText {
        /// The first byte that is no text, from 1.
        at: usize,
    },
    /// Something else that the system says.
    #[error("{0}")]
    Refused(io::Error),
}

/// What stands in the place of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A folder.
    Folder,
    /// A named pipe.
    Fifo,
    /// A Unix socket.
    Socket,
    /// A character or block device.
    Device,
}

/// All of a regular file, if it is no longer than `limit` bytes.
pub fn read(path: &Path, limit: u64) -> Result<Vec<u8>, Unreadable> {
    let file = open(path)?;
    let mut content = Vec::new();
    // Not by the length that the file system tells: some of its files have none, and a file may grow while it is read.
    file.take(limit.saturating_add(1)).read_to_end(&mut content)?;
    if content.len() as u64 > limit {
        return Err(Unreadable::TooLong { limit });
    }
    Ok(content)
}

/// All of a regular file of UTF-8 text, if it is no longer than `limit` bytes.
pub fn read_text(path: &Path, limit: u64) -> Result<String, Unreadable> {
    String::from_utf8(read(path, limit)?)
        .map_err(|error| Unreadable::NotText { at: error.utf8_error().valid_up_to() + 1 })
}

/// A regular file, opened for reading without waiting for anything.
pub fn open(path: &Path) -> Result<File, Unreadable> {
    // Looked at before it is opened, because opening a device can do things; and after, because another may lie there.
    only_regular(&std::fs::metadata(path)?)?;
    let file = OpenOptions::new().read(true).custom_flags(OFlags::NONBLOCK.bits().cast_signed()).open(path)?;
    only_regular(&file.metadata()?)?;
    Ok(file)
}

fn only_regular(metadata: &Metadata) -> Result<(), Unreadable> {
    Kind::of(metadata.file_type()).map_or(Ok(()), |kind| Err(Unreadable::NotAFile(kind)))
}

impl Kind {
    /// `None` for a regular file.
    fn of(kind: FileType) -> Option<Self> {
        match kind {
            kind if kind.is_file() => None,
            kind if kind.is_dir() => Some(Self::Folder),
            kind if kind.is_fifo() => Some(Self::Fifo),
            kind if kind.is_socket() => Some(Self::Socket),
            _ => Some(Self::Device),
        }
    }
}

impl std::fmt::Display for Kind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Folder => "a folder",
            Self::Fifo => "a FIFO (named pipe)",
            Self::Socket => "a socket",
            Self::Device => "a device",
        })
    }
}

impl From<io::Error> for Unreadable {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::NotFound => Self::Missing,
            io::ErrorKind::PermissionDenied => Self::Denied,
            _ => Self::Refused(error),
        }
    }
}

fn size(bytes: u64) -> String {
    match bytes {
        bytes if bytes >= 1 << 20 && bytes.is_multiple_of(1 << 20) => format!("{} MiB", bytes >> 20),
        bytes if bytes >= 1 << 10 && bytes.is_multiple_of(1 << 10) => format!("{} KiB", bytes >> 10),
        bytes => format!("{bytes} bytes"),
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::net::UnixListener};

    use rustix::fs::{CWD, FileType, Mode, mknodat};

    use super::*;

    #[test]
    fn what_is_no_regular_file_is_refused_at_once_and_by_its_name() {
        let folder = tempfile::tempdir().unwrap();
        let (fifo, socket) = (folder.path().join("fifo"), folder.path().join("socket"));
        mknodat(CWD, &fifo, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
        let _listener = UnixListener::bind(&socket).unwrap();
        for (path, expected) in [
            (fifo.as_path(), "it is a FIFO (named pipe), not a regular file"),
            (&socket, "it is a socket, not a regular file"),
            (folder.path(), "it is a folder, not a regular file"),
            (Path::new("/dev/zero"), "it is a device, not a regular file"),
            (Path::new("/nonexistent/x"), "there is no such file"),
        ] {
            assert_eq!(read(path, 10).unwrap_err().to_string(), expected, "{}", path.display());
        }
    }

    #[test]
    fn a_file_is_read_up_to_its_bound_and_not_past_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        fs::write(&path, vec![b'x'; 1024]).unwrap();
        assert_eq!(read(&path, 1024).unwrap().len(), 1024);
        assert_eq!(read(&path, 1023).unwrap_err().to_string(), "it is longer than 1023 bytes");
        fs::write(&path, vec![b'x'; 1025]).unwrap();
        assert_eq!(read(&path, 1024).unwrap_err().to_string(), "it is longer than 1 KiB");
        // Says that it is empty, and is not.
        assert!(!read(Path::new("/proc/self/status"), 1 << 20).unwrap().is_empty());
    }

    #[test]
    fn what_is_no_text_is_told_with_its_place() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        fs::write(&path, b"ab\xff").unwrap();
        assert_eq!(
            read_text(&path, 10).unwrap_err().to_string(),
            "it is not UTF-8 text: byte 3 is not part of any character"
        );
    }
}
