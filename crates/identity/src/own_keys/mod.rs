//! Keys that the proxy makes for itself, keeps in the store, and replaces as they age.
//!
//! Owns: when a key is made, from when it is used, and when it is forgotten; so that a restart changes nothing and
//! several processes with one store agree.
//!
//! Must not know: what is sealed or signed with them.
//!
//! Invariants: a key is known to every process (and published, if it signs) before it is first used; it is forgotten
//! only when nothing that was made with it can still be valid.

mod seal;

use std::{fmt, sync::Arc};

use arc_swap::ArcSwap;
use portcullis_store::{StoreError, Transaction, keys::KeyRow};
pub(crate) use seal::Seal;

use crate::vault::{Vault, VaultError};

/// When keys come and go. Times are seconds.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rotation {
    /// What the keys are for, as the store knows it.
    pub(crate) purpose: &'static str,
    /// A key of this age is replaced.
    pub(crate) replaced_after: u64,
    /// A new key is used when it has this age: until then everybody has learnt of it.
    pub(crate) used_after: u64,
    /// How long what is made with a key may be valid.
    pub(crate) valid_for: u64,
}

/// The keys of one purpose, as they are used.
pub(crate) struct KeyRing<K> {
    rotation: Rotation,
    make: fn() -> Option<Vec<u8>>,
    read: fn(&[u8]) -> Option<K>,
    /// The oldest first.
    keys: ArcSwap<Vec<Arc<Key<K>>>>,
}

/// One of them.
#[derive(Debug)]
pub(crate) struct Key<K> {
    /// Its number in the store.
    pub(crate) id: u32,
    created: u64,
    /// The key itself.
    pub(crate) material: K,
}

/// Why there are no keys.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// They can not be kept.
    #[error("cannot keep the proxy's keys: {0}")]
    Vault(#[from] VaultError),
    /// There is no randomness to make them of.
    #[error("the system gives no random bytes to make a key of")]
    Random,
}

impl<K> KeyRing<K> {
    /// No keys yet: [`Self::keep`] brings them.
    pub(crate) fn new(rotation: Rotation, make: fn() -> Option<Vec<u8>>, read: fn(&[u8]) -> Option<K>) -> Self {
        Self { rotation, make, read, keys: ArcSwap::default() }
    }

    /// The one to seal or sign with.
    pub(crate) fn current(&self, now: u64) -> Option<Arc<Key<K>>> {
        let keys = self.keys.load();
        let in_use = keys.iter().rev().find(|key| key.created + self.rotation.used_after <= now);
        in_use.or(keys.first()).cloned()
    }

    /// The one with this number.
    pub(crate) fn find(&self, id: u32) -> Option<Arc<Key<K>>> {
        self.keys.load().iter().find(|key| key.id == id).cloned()
    }

    /// All of them, the oldest first.
    pub(crate) fn all(&self) -> Arc<Vec<Arc<Key<K>>>> {
        self.keys.load_full()
    }

    /// Learns what the store has, makes a key if there is none or the newest is old, and forgets what nobody needs.
    pub(crate) async fn keep(&self, vault: &Vault, now: u64) -> Result<(), KeyError> {
        let rotation = self.rotation;
        let mut rows = vault.read(move |all| all.keys().of(rotation.purpose)).await?;
        if rotation.wants_new(&rows, now) || rotation.is_done_with(&rows, now).next().is_some() {
            let fresh = (self.make)().ok_or(KeyError::Random)?;
            rows = vault.write(move |all| rotation.rotate(all, &fresh, now)).await?;
        }
        self.learn(&rows);
        Ok(())
    }

    fn learn(&self, rows: &[KeyRow]) {
        let known = self.keys.load();
        if known.iter().map(|key| key.id).eq(rows.iter().map(|row| row.id)) {
            return;
        }
        let read = |row: &KeyRow| match self.find(row.id) {
            Some(key) => Some(key),
            None => Some(Arc::new(Key { id: row.id, created: row.created, material: (self.read)(&row.secret)? })),
        };
        self.keys.store(Arc::new(rows.iter().filter_map(read).collect()));
    }
}

impl Rotation {
    fn wants_new(self, rows: &[KeyRow], now: u64) -> bool {
        rows.last().is_none_or(|newest| newest.created + self.replaced_after <= now)
    }

    /// Keys whose successor has been in use for as long as anything made with them is valid.
    fn is_done_with(self, rows: &[KeyRow], now: u64) -> impl Iterator<Item = u32> {
        let last_use = self.used_after + self.valid_for;
        rows.windows(2).filter(move |pair| pair[1].created + last_use < now).map(|pair| pair[0].id)
    }

    /// Looks again within the transaction: of several processes one makes the key.
    fn rotate(self, all: &Transaction<'_>, fresh: &[u8], now: u64) -> Result<Vec<KeyRow>, StoreError> {
        let rows = all.keys().of(self.purpose)?;
        for id in self.is_done_with(&rows, now) {
            all.keys().remove(id)?;
        }
        if self.wants_new(&rows, now) {
            all.keys().add(self.purpose, fresh, now)?;
        }
        all.keys().of(self.purpose)
    }
}

impl<K> fmt::Debug for KeyRing<K> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("KeyRing").field("purpose", &self.rotation.purpose).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use portcullis_store::Store;

    use super::*;

    const ROTATION: Rotation = Rotation { purpose: "test", replaced_after: 100, used_after: 10, valid_for: 50 };

    fn ring() -> KeyRing<Vec<u8>> {
        KeyRing::new(ROTATION, || Some(vec![7]), |bytes| Some(bytes.to_vec()))
    }

    #[tokio::test]
    async fn a_key_is_known_before_it_is_used_and_forgotten_after_the_last_thing_made_with_it() {
        let vault = Vault::new(Store::in_memory().unwrap());
        let (ring, other) = (ring(), ring());
        ring.keep(&vault, 1000).await.unwrap();
        other.keep(&vault, 1001).await.unwrap();
        let first = ring.current(1000).unwrap().id;
        assert_eq!(other.current(1001).unwrap().id, first, "two processes have one key");

        ring.keep(&vault, 1100).await.unwrap();
        assert_eq!(ring.all().len(), 2);
        assert_eq!(ring.current(1109).unwrap().id, first, "others may not know the new one yet");
        other.keep(&vault, 1105).await.unwrap();
        let second = ring.current(1110).unwrap().id;
        assert_ne!(second, first);
        assert!(other.find(second).is_some());

        ring.keep(&vault, 1160).await.unwrap();
        assert!(ring.find(first).is_some(), "something made with it at 1109 may still be valid");
        ring.keep(&vault, 1161).await.unwrap();
        assert!(ring.find(first).is_none());
        assert_eq!(ring.current(1161).unwrap().id, second);
    }
}
