//! Tasks that belong to somebody.

use tokio::task::JoinHandle;

/// A task that ends with whoever holds this.
#[derive(Debug)]
pub(crate) struct AbortOnDrop(pub(crate) JoinHandle<()>);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}
