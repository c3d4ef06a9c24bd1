//! One runtime for all inputs.

use std::cell::LazyCell;

use tokio::runtime::{Builder, Runtime};

/// Runs a future that needs neither timers nor sockets to its end.
pub fn block_on<T>(future: impl Future<Output = T>) -> T {
    thread_local! {
        static RUNTIME: LazyCell<Runtime> = LazyCell::new(|| {
            Builder::new_current_thread().build().expect("a runtime without timers and sockets needs nothing")
        });
    }
    RUNTIME.with(|runtime| runtime.block_on(future))
}
