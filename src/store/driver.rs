//! What drives a connection to PostgreSQL: a small runtime of the connection's own, run by the thread that waits for an
//! answer. Questions and answers pass through sockets only, and not from thread to thread as well: on a busy machine
//! those handings over took more time than the statements.

use std::cell::Cell;
use std::future::Future;
use std::io;

use diesel_async::async_connection_wrapper::BlockOn;
use tokio::runtime::{Builder, Runtime};

thread_local! {
    /// A driver between [`Driver::lend`] and the connection that is being made for it.
    static LENT: Cell<Option<Driver>> = const { Cell::new(None) };
}

/// Drives one connection, and lives as long.
#[derive(Debug)]
pub struct Driver(Option<Runtime>);

impl Driver {
    pub(super) fn start() -> io::Result<Self> {
        Ok(Self(Some(Builder::new_current_thread().enable_all().build()?)))
    }

    /// Gives this driver to the connection that `make` wraps up: the wrapper asks for one, and says nothing of which.
    pub(super) fn lend<T>(self, make: impl FnOnce() -> T) -> T {
        LENT.set(Some(self));
        make()
    }
}

impl BlockOn for Driver {
    fn block_on<F: Future>(&self, future: F) -> F::Output {
        // It is taken out when it is dropped, and at no other time.
        self.0.as_ref().expect("a driver drives until it is dropped").block_on(future)
    }

    fn get_runtime() -> Self {
        // Connections are made in one place, which lends a driver.
        LENT.take().expect("a driver is lent before a connection is wrapped")
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        // Also where waiting is not allowed; nothing is waited for.
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}
