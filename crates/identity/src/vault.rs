//! The store, from where nothing may wait.

use std::sync::{Arc, Mutex, PoisonError};

use portcullis_store::{Store, StoreError, Transaction};

/// The store behind a lock, worked on by threads that may block. Cheap to clone; clones are the same store.
#[derive(Debug, Clone)]
pub struct Vault {
    store: Arc<Mutex<Store>>,
}

/// Why the store did not do it.
#[derive(Debug, thiserror::Error)]
pub enum VaultError {
    /// It said so.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The program ends.
    #[error("the program is ending, and the store is closed")]
    Closing,
}

impl Vault {
    /// Takes charge of an open store.
    pub fn new(store: Store) -> Self {
        Self { store: Arc::new(Mutex::new(store)) }
    }

    /// Reads and writes, all of it or nothing.
    pub async fn write<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Transaction<'_>) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, VaultError> {
        self.on(|store| store.write(work)).await
    }

    /// Reads, and waits for no writer of another process.
    pub async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Transaction<'_>) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, VaultError> {
        self.on(|store| store.read(work)).await
    }

    async fn on<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Store) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, VaultError> {
        let store = Arc::clone(&self.store);
        // What a panic left is no half-written page: the transaction was undone.
        let work = move || work(&mut store.lock().unwrap_or_else(PoisonError::into_inner));
        Ok(tokio::task::spawn_blocking(work).await.map_err(|_| VaultError::Closing)??)
    }
}
