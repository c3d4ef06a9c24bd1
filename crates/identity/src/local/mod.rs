//! People that Portcullis itself knows: the provider for where there is no other.
//!
//! Owns: their names, groups and password hashes in the store ([`Roster`]), and checking a password ([`LocalProvider`]).
//!
//! Must not know: pages and cookies; what a login becomes is a [`crate::session::Login`].
//!
//! Invariants:
//! - A password is in memory while it is checked, and nowhere else; the store has its Argon2id hash.
//! - The answer to a name that nobody has takes as long, and says the same, as that to a wrong password.
//! - Guessing is slowed for each account and each source, also in parallel, in constant memory.
//! - Hashing never stands in the way of requests: it has threads of its own, few at once, and a short queue.

mod lockout;
mod name;
mod password;
mod roster;

use std::{
    collections::BTreeMap,
    net::IpAddr,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use lockout::Lockout;
pub use name::{GroupName, NameError, UserName};
pub use password::{PasswordError, check_strength};
pub use roster::{Roster, RosterError, User};
use tokio::sync::Semaphore;

use crate::{
    Kind, Principal, Secret,
    session::Login,
    vault::{Vault, VaultError},
};

/// Passwords that are hashed at once; each takes a processor for some 20 ms, and 19 MiB.
const AT_ONCE: usize = 2;
/// Those that wait for it.
const WAITING: usize = 32;

/// Checks passwords of the people in the store. One for the life of the process: it remembers who guesses.
#[derive(Debug)]
pub struct LocalProvider {
    name: Arc<str>,
    vault: Vault,
    lockout: Mutex<Lockout>,
    began: Instant,
    queue: Semaphore,
    hashing: Semaphore,
    /// What is checked for names that nobody has.
    decoy: Secret,
}

/// Why nobody is logged in.
#[derive(Debug, thiserror::Error)]
pub enum LocalRefusal {
    /// The name or the password is wrong, and nobody is told which.
    #[error("the name or the password is wrong")]
    Wrong,
    /// There were too many wrong ones; what was sent now was not looked at.
    #[error("too many wrong passwords; the next one is looked at in {} s", .0.as_secs().max(1))]
    Later(Duration),
    /// Too many log in at once.
    #[error("too many people log in at this moment")]
    Busy,
    /// The store, or the system, does not answer.
    #[error("passwords can not be checked: {0}")]
    Unavailable(Box<str>),
}

impl LocalProvider {
    /// `name` is the provider's name in the file. The error is that of a system without random bytes.
    pub fn new(name: Arc<str>, vault: Vault) -> Result<Self, PasswordError> {
        Ok(Self {
            name,
            vault,
            lockout: Mutex::default(),
            began: Instant::now(),
            queue: Semaphore::new(AT_ONCE + WAITING),
            hashing: Semaphore::new(AT_ONCE),
            decoy: password::hash(&Secret::new("nobody has this password"))?,
        })
    }

    /// Its name in the file.
    pub fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// Whether this is somebody's name and password. `source` is where the attempt comes from.
    pub async fn check(&self, name: &str, password: Secret, source: Option<IpAddr>) -> Result<Login, LocalRefusal> {
        // What can not be a name is asked for like one, so that it costs the same.
        let account = name.trim().to_lowercase();
        let _place = self.queue.try_acquire().map_err(|_| LocalRefusal::Busy)?;
        // Counted before it is looked at: a thousand guesses at once are a thousand.
        self.lockout().attempt(&account, source, self.began.elapsed()).map_err(LocalRefusal::Later)?;
        let user = self.vault.read({
            let account = account.clone();
            move |all| all.users().find(&account)
        });
        let user = user.await?;
        let hash = user.as_ref().map_or_else(|| self.decoy.clone(), |user| Secret::new(user.password.as_str()));
        let is_right = self.verify(password, hash).await?;
        let user = user.filter(|_| is_right).ok_or(LocalRefusal::Wrong)?;
        self.lockout().forgive(&account, source);
        Ok(Login {
            principal: principal(Arc::clone(&self.name), &user.name, &user.groups),
            account: Some(user.name.into()),
            provider_session: None,
            tokens: None,
        })
    }

    async fn verify(&self, password: Secret, hash: Secret) -> Result<bool, LocalRefusal> {
        let unavailable = |_| LocalRefusal::Unavailable("the program is ending".into());
        let _turn = self.hashing.acquire().await.map_err(|_| LocalRefusal::Busy)?;
        tokio::task::spawn_blocking(move || password::verify(&password, &hash)).await.map_err(unavailable)
    }

    fn lockout(&self) -> std::sync::MutexGuard<'_, Lockout> {
        self.lockout.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl From<VaultError> for LocalRefusal {
    fn from(error: VaultError) -> Self {
        Self::Unavailable(error.to_string().into())
    }
}

/// A name that is an address is one: whoever keeps the store vouches for it.
fn principal(provider: Arc<str>, name: &str, groups: &[String]) -> Principal {
    Principal {
        kind: Kind::User,
        provider,
        subject: name.into(),
        name: name.into(),
        email: name.contains('@').then(|| name.into()),
        groups: groups.iter().map(|group| group.as_str().into()).collect(),
        claims: BTreeMap::new(),
    }
}

#[cfg(test)]
mod tests {
    use portcullis_store::Store;

    use super::*;

    async fn provider() -> LocalProvider {
        let vault = Vault::new(Store::in_memory().unwrap());
        let hash = password::hash(&Secret::new("correct horse battery")).unwrap();
        let row = portcullis_store::users::UserRow {
            name: "alice@example.com".to_owned(),
            password: hash.expose().to_owned(),
            groups: vec!["dba".to_owned()],
            created: 1,
            changed: 1,
        };
        vault.write(move |all| all.users().put(&row)).await.unwrap();
        LocalProvider::new("people".into(), vault).unwrap()
    }

    #[tokio::test]
    async fn a_right_password_logs_in_and_a_wrong_one_says_no_more_than_an_unknown_name() {
        let provider = provider().await;
        let login = provider.check(" Alice@Example.com ", Secret::new("correct horse battery"), None).await.unwrap();
        assert_eq!(&*login.principal.name, "alice@example.com");
        assert_eq!(login.principal.domain(), Some("example.com"));
        assert!(login.principal.is_in("dba"));
        assert_eq!(login.account.as_deref(), Some("alice@example.com"));
        let wrong = provider.check("alice@example.com", Secret::new("wrong"), None).await.unwrap_err();
        for name in ["nobody", "", "alice'; drop table users", "\0"] {
            let unknown = provider.check(name, Secret::new("wrong"), None).await.unwrap_err();
            assert_eq!(unknown.to_string(), wrong.to_string(), "{name:?}");
        }
    }

    #[tokio::test]
    async fn after_some_wrong_passwords_even_the_right_one_has_to_wait() {
        let provider = provider().await;
        let mut waits = false;
        for _ in 0..lockout::ACCOUNT.free + 2 {
            let refused = provider.check("alice@example.com", Secret::new("guess"), None).await.unwrap_err();
            waits |= matches!(refused, LocalRefusal::Later(_));
        }
        assert!(waits);
        let refused = provider.check("alice@example.com", Secret::new("correct horse battery"), None).await;
        assert!(matches!(refused, Err(LocalRefusal::Later(_))), "{refused:?}");
    }

    #[tokio::test]
    async fn unknown_names_are_slowed_like_known_ones() {
        let provider = provider().await;
        let mut waits = false;
        for _ in 0..lockout::ACCOUNT.free + 2 {
            let refused = provider.check("nobody", Secret::new("guess"), None).await.unwrap_err();
            waits |= matches!(refused, LocalRefusal::Later(_));
        }
        assert!(waits);
    }
}
