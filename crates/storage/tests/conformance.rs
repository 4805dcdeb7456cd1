//! Every backend and decorator of this crate under the conformance suite.

#![allow(clippy::unwrap_used, reason = "helpers of tests, which may fail as tests do")]

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use storage::conformance::Fixture;
use storage::faulty::Faulty;
use storage::{
    BlockStore, BufferPool, Deadlines, DirectoryStore, MemoryStore, Metered, Retry, RetryPolicy, Timeout,
};
use types::NodeName;

fn node() -> NodeName {
    NodeName::new("node-1").unwrap()
}

/// A store in memory, under a decorator.
struct InMemory {
    store: MemoryStore,
    decorate: fn(Arc<dyn BlockStore>) -> Arc<dyn BlockStore>,
}

#[async_trait]
impl Fixture for InMemory {
    async fn open(&self) -> Arc<dyn BlockStore> {
        (self.decorate)(Arc::new(self.store.reopened()))
    }

    async fn remove_marker(&self) {
        self.store.remove_marker();
    }
}

fn decorated(decorate: fn(Arc<dyn BlockStore>) -> Arc<dyn BlockStore>) -> Box<dyn Fixture> {
    Box::new(InMemory { store: MemoryStore::new(node()), decorate })
}

struct InFolder(tempfile::TempDir);

#[async_trait]
impl Fixture for InFolder {
    async fn open(&self) -> Arc<dyn BlockStore> {
        let directory = self.0.path().join("node");
        Arc::new(DirectoryStore::new(node(), directory, BufferPool::new(16 << 20)))
    }

    async fn remove_marker(&self) {
        std::fs::remove_file(self.0.path().join("node/selvage-node.json")).unwrap();
    }
}

fn memory() -> Box<dyn Fixture> {
    decorated(|store| store)
}

fn directory() -> Box<dyn Fixture> {
    Box::new(InFolder(tempfile::tempdir().unwrap()))
}

fn timeout() -> Box<dyn Fixture> {
    decorated(|store| {
        let minute = Duration::from_secs(60);
        Arc::new(Timeout::new(store, Deadlines { read: minute, write: minute, other: minute }))
    })
}

fn retry() -> Box<dyn Fixture> {
    decorated(|store| {
        let (backoff_first, backoff_max) = (Duration::from_millis(1), Duration::from_millis(5));
        Arc::new(Retry::new(store, RetryPolicy { attempts_max: 3, backoff_first, backoff_max }, 1))
    })
}

fn metered() -> Box<dyn Fixture> {
    decorated(|store| Arc::new(Metered::new(store)))
}

fn faultless() -> Box<dyn Fixture> {
    decorated(|store| Arc::new(Faulty::new(store, 1)))
}

storage::conformance!(memory);
storage::conformance!(directory);
storage::conformance!(timeout);
storage::conformance!(retry);
storage::conformance!(metered);
storage::conformance!(faultless);
