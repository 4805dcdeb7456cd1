//! A small pool of connections that only read.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rusqlite::Connection;
use tokio::sync::Semaphore;
use types::{Error, ErrorKind, Result};

use super::error::During;
use super::schema::connect_reader;
use crate::refusal::{SUBJECT, internal};

/// Read connections, opened as they are needed and kept.
#[derive(Debug)]
pub(super) struct Readers {
    shared: Arc<Shared>,
    permits: Arc<Semaphore>,
}

#[derive(Debug)]
struct Shared {
    path: PathBuf,
    wait: Duration,
    cache_kib: u32,
    idle: Mutex<Vec<Connection>>,
}

impl Readers {
    pub(super) fn new(path: PathBuf, count: usize, wait: Duration, cache_kib: u32) -> Self {
        let shared = Shared { path, wait, cache_kib, idle: Mutex::new(Vec::with_capacity(count)) };
        Self { shared: Arc::new(shared), permits: Arc::new(Semaphore::new(count.max(1))) }
    }

    /// Runs `work` on one snapshot, which holds every commit that was answered before the call.
    pub(super) async fn read<T, F>(&self, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T> + Send + 'static,
    {
        let closed = |_| Error::new(ErrorKind::Unavailable, SUBJECT, "the readers have stopped");
        let permit = Arc::clone(&self.permits).acquire_owned().await.map_err(closed)?;
        let shared = Arc::clone(&self.shared);
        let reading = tokio::task::spawn_blocking(move || {
            let outcome = shared.read(work);
            // Kept until the connection is back, even if nobody waits for the answer any more.
            drop(permit);
            outcome
        });
        reading.await.map_err(|error| internal(format_args!("a read broke off: {error}")))?
    }
}

impl Shared {
    fn read<T>(&self, work: impl FnOnce(&Connection) -> Result<T>) -> Result<T> {
        let idle = || self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = idle().pop();
        let connection = match kept {
            Some(connection) => connection,
            None => connect_reader(&self.path, self.wait, self.cache_kib)?,
        };
        connection
            .prepare_cached("BEGIN")
            .and_then(|mut begin| begin.execute([]))
            .during("beginning to read")?;
        let outcome = work(&connection);
        // Nothing was changed. A connection that cannot end its snapshot is closed instead of kept.
        connection.prepare_cached("COMMIT").and_then(|mut end| end.execute([])).during("ending a read")?;
        idle().push(connection);
        outcome
    }
}
