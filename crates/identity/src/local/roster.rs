//! The people in the store, for those who keep them.

use std::path::Path;

use portcullis_store::{
    Store, StoreError, Transaction,
    sessions::{SessionRow, Which},
    users::UserRow,
};

use super::{GroupName, PasswordError, UserName, password};
use crate::{Secret, session, standing::now};

/// The table of people. Changes hold at once, also for those who are logged in: a running proxy learns of them within a
/// second.
#[derive(Debug)]
pub struct Roster {
    store: Store,
}

/// A person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// Name.
    pub name: Box<str>,
    /// Groups, sorted.
    pub groups: Vec<String>,
    /// Since when, in seconds since 1970.
    pub created: u64,
    /// When the password was set, in seconds since 1970.
    pub changed: u64,
    /// How many sessions are open.
    pub sessions: usize,
}

/// Why the roster stays as it is.
#[derive(Debug, thiserror::Error)]
pub enum RosterError {
    /// The store says so.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Not a password that may be one.
    #[error(transparent)]
    Password(#[from] PasswordError),
    /// There is somebody of this name.
    #[error("there is a user {0} already; change the password with `portcullis user password {0}`")]
    Known(UserName),
    /// There is nobody of this name.
    #[error("there is no user {name}{}", similar.as_ref().map(|name| format!("; did you mean {name}?")).unwrap_or_default())]
    Unknown {
        /// The name.
        name: UserName,
        /// One that differs in a letter or two.
        similar: Option<String>,
    },
}

impl Roster {
    /// Opens the store, which is made if it is not there.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        Ok(Self { store: Store::open(path)? })
    }

    /// Opens the store to look at it; an empty one if there is none. Nothing is made.
    pub fn look(path: &Path) -> Result<Self, StoreError> {
        Ok(Self { store: if path.exists() { Store::open(path)? } else { Store::in_memory()? } })
    }

    /// Everybody, by name.
    pub fn list(&mut self) -> Result<Vec<User>, RosterError> {
        self.store.read(|all| {
            let with_sessions = |row: UserRow| {
                let sessions = all.sessions().open(&Which::Account(row.name.clone()))?.len();
                let UserRow { name, groups, created, changed, .. } = row;
                Ok(User { name: name.into(), groups, created, changed, sessions })
            };
            all.users().all()?.into_iter().map(with_sessions).collect()
        })
    }

    /// Adds a person.
    pub fn add(&mut self, name: &UserName, password: &Secret, groups: &[GroupName]) -> Result<(), RosterError> {
        password::check_strength(password)?;
        let (hash, now) = (password::hash(password)?, now());
        self.store.write(|all| {
            if all.users().find(&name.to_string())?.is_some() {
                return Err(RosterError::Known(name.clone()));
            }
            all.users().put(&UserRow {
                name: name.to_string(),
                password: hash.expose().to_owned(),
                groups: sorted(groups),
                created: now,
                changed: now,
            })?;
            Ok(())
        })
    }

    /// Removes a person and ends their sessions; returns how many.
    pub fn remove(&mut self, name: &UserName) -> Result<usize, RosterError> {
        self.store.write(|all| {
            let row = find(all, name)?;
            all.users().remove(&row.name)?;
            Ok(all.sessions().end(&Which::Account(row.name), now())?.len())
        })
    }

    /// Sets another password and ends the sessions that began with the old one; returns how many.
    pub fn set_password(&mut self, name: &UserName, password: &Secret) -> Result<usize, RosterError> {
        password::check_strength(password)?;
        let (hash, now) = (password::hash(password)?, now());
        self.store.write(|all| {
            let row = find(all, name)?;
            all.users().put(&UserRow { password: hash.expose().to_owned(), changed: now, ..row.clone() })?;
            Ok(all.sessions().end(&Which::Account(row.name), now)?.len())
        })
    }

    /// Sets the groups, also of the sessions that are open.
    pub fn set_groups(&mut self, name: &UserName, groups: &[GroupName]) -> Result<(), RosterError> {
        let groups = sorted(groups);
        self.store.write(|all| {
            let row = find(all, name)?;
            for session in all.sessions().open(&Which::Account(row.name.clone()))? {
                if let Some(person) = session::with_groups(&session, &groups) {
                    all.sessions().put(&SessionRow { person, ..session })?;
                }
            }
            all.users().put(&UserRow { groups, ..row })?;
            Ok(())
        })
    }
}

fn find(all: &Transaction<'_>, name: &UserName) -> Result<UserRow, RosterError> {
    if let Some(row) = all.users().find(&name.to_string())? {
        return Ok(row);
    }
    let text = name.to_string();
    let names = all.users().all()?.into_iter().map(|row| row.name);
    let near = names.map(|known| (strsim::damerau_levenshtein(&known, &text), known)).min();
    let similar = near.filter(|(distance, _)| *distance <= 2).map(|(_, known)| known);
    Err(RosterError::Unknown { name: name.clone(), similar })
}

fn sorted(groups: &[GroupName]) -> Vec<String> {
    let mut sorted: Vec<_> = groups.iter().map(ToString::to_string).collect();
    sorted.sort_unstable();
    sorted.dedup();
    sorted
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        Site, State, Vault,
        local::LocalProvider,
        session::{SessionSettings, Sessions},
    };

    fn user(text: &str) -> UserName {
        text.parse().unwrap()
    }

    fn groups(names: &[&str]) -> Vec<GroupName> {
        names.iter().map(|name| name.parse().unwrap()).collect()
    }

    #[tokio::test]
    async fn what_the_roster_changes_holds_for_those_who_are_logged_in() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("store.db");
        let mut roster = Roster::open(&path).unwrap();
        let (first, second) = (Secret::new("correct horse battery"), Secret::new("another staple here"));
        roster.add(&user("alice"), &first, &groups(&["staff"])).unwrap();

        let vault = Vault::new(Store::open(&path).unwrap());
        let sessions = Sessions::open(vault.clone(), SessionSettings::default()).await.unwrap();
        let provider = LocalProvider::new("people".into(), vault).unwrap();
        let site = Site { scheme: "https", authority: "a.example" };
        let log_in = async |password: &Secret| {
            let login = provider.check("alice", password.clone(), None).await.unwrap();
            sessions.begin(login, site, None).await.unwrap().standing
        };
        let before = log_in(&first).await;

        roster.set_groups(&user("alice"), &groups(&["staff", "dba", "dba"])).unwrap();
        sessions.look_again().await.unwrap();
        assert_eq!(before.state(), State::Superseded);
        let listed = sessions.list();
        assert_eq!(*listed[0].principal.groups, ["dba".into(), "staff".into()]);
        assert_eq!(roster.list().unwrap()[0].sessions, 1);

        assert_eq!(roster.set_password(&user("alice"), &second).unwrap(), 1);
        sessions.look_again().await.unwrap();
        assert!(sessions.list().is_empty());
        assert!(provider.check("alice", first, None).await.is_err());

        let standing = log_in(&second).await;
        assert_eq!(roster.remove(&user("alice")).unwrap(), 1);
        sessions.look_again().await.unwrap();
        assert_eq!(standing.state(), State::Ended);
        assert!(provider.check("alice", second, None).await.is_err());
    }

    #[test]
    fn mistakes_are_answered_with_what_to_do() {
        let directory = tempfile::tempdir().unwrap();
        let mut roster = Roster::open(&directory.path().join("store.db")).unwrap();
        let password = Secret::new("correct horse battery");
        roster.add(&user("alice"), &password, &[]).unwrap();
        let again = roster.add(&user("ALICE"), &password, &[]).unwrap_err();
        assert!(again.to_string().contains("`portcullis user password alice`"), "{again}");
        assert_eq!(
            roster.remove(&user("alcie")).unwrap_err().to_string(),
            "there is no user alcie; did you mean alice?"
        );
        assert_eq!(roster.remove(&user("zebra")).unwrap_err().to_string(), "there is no user zebra");
        let short = roster.add(&user("bob"), &Secret::new("short"), &[]).unwrap_err();
        assert!(short.to_string().contains("at least 12"), "{short}");
    }
}
