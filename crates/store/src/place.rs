//! Where the store lies when nobody says otherwise.

use std::{env, ffi::OsString, path::PathBuf};

/// File name of the store.
const FILE: &str = "store.db";
/// Directory of the store below a state directory.
const DIRECTORY: &str = "portcullis";

/// What decides where the store lies, as far as the environment says it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Place {
    /// `PORTCULLIS_STORE`: the file itself.
    pub named: Option<OsString>,
    /// `STATE_DIRECTORY`: what systemd made for `StateDirectory=`; of several the first.
    pub state_directory: Option<OsString>,
    /// `XDG_STATE_HOME`; counts only if it is absolute, as the XDG Base Directory Specification asks.
    pub xdg_state_home: Option<OsString>,
    /// `HOME`
    pub home: Option<OsString>,
    /// Whether the effective user is root.
    pub is_root: bool,
}

impl Place {
    /// Of this process.
    pub fn of_this_process() -> Self {
        let said = |name| env::var_os(name).filter(|value: &OsString| !value.is_empty());
        Self {
            named: said("PORTCULLIS_STORE"),
            state_directory: said("STATE_DIRECTORY"),
            xdg_state_home: said("XDG_STATE_HOME"),
            home: said("HOME"),
            is_root: rustix::process::geteuid().is_root(),
        }
    }

    /// The file: what was named, then the service manager's directory, then `/var/lib/portcullis` for root and the
    /// state directory of the XDG Base Directory Specification for everybody else. `None` if a user has no home.
    pub fn path(&self) -> Option<PathBuf> {
        if let Some(named) = &self.named {
            return Some(named.into());
        }
        if let Some(directories) = &self.state_directory {
            let first = directories.to_string_lossy().split(':').next().map(PathBuf::from);
            return first.map(|directory| directory.join(FILE));
        }
        if self.is_root {
            return Some(PathBuf::from("/var/lib").join(DIRECTORY).join(FILE));
        }
        let xdg = self.xdg_state_home.as_ref().map(PathBuf::from).filter(|path| path.is_absolute());
        let state = xdg.or_else(|| Some(PathBuf::from(self.home.as_ref()?).join(".local/state")))?;
        Some(state.join(DIRECTORY).join(FILE))
    }
}

/// Where the store of this process lies; `None` if nothing tells.
pub fn default_place() -> Option<PathBuf> {
    Place::of_this_process().path()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_store_lies_where_the_standards_say() {
        let nobody = Place::default();
        let root = Place { is_root: true, home: Some("/root".into()), ..Place::default() };
        let user = Place { home: Some("/home/ann".into()), ..Place::default() };
        let table = [
            (nobody.clone(), None),
            (root.clone(), Some("/var/lib/portcullis/store.db")),
            (
                Place { xdg_state_home: Some("/root/state".into()), ..root.clone() },
                Some("/var/lib/portcullis/store.db"),
            ),
            (user.clone(), Some("/home/ann/.local/state/portcullis/store.db")),
            (Place { xdg_state_home: Some("/s".into()), ..user.clone() }, Some("/s/portcullis/store.db")),
            (
                Place { xdg_state_home: Some("relative".into()), ..user.clone() },
                Some("/home/ann/.local/state/portcullis/store.db"),
            ),
            (
                Place { state_directory: Some("/var/lib/x:/var/lib/y".into()), ..user.clone() },
                Some("/var/lib/x/store.db"),
            ),
            (Place { named: Some("mine.db".into()), state_directory: Some("/x".into()), ..root }, Some("mine.db")),
        ];
        for (place, expected) in table {
            assert_eq!(place.path(), expected.map(PathBuf::from), "{place:?}");
        }
    }
}
