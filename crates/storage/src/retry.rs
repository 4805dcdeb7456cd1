//! A decorator that tries again what a node may do a moment later.

use std::fmt;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use types::{BlockId, DocumentId, NodeName, Result};

use crate::{Block, BlockStat, BlockStore, NodeIdentity};

/// How often, and how patiently, an operation is tried again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetryPolicy {
    /// How many times an operation is tried in all, the first included; 0 counts as 1.
    pub attempts_max: u32,
    /// The longest wait before the second attempt; doubled before each later one.
    pub backoff_first: Duration,
    /// The longest wait before any attempt.
    pub backoff_max: Duration,
}

/// Tries again what failed with a transient kind of error.
///
/// Every operation of a [`BlockStore`] may be repeated: a put replaces the block whole, a delete succeeds where
/// there is nothing, a claim returns whoever stands. What fails for good (`NotFound`, `Denied`, `Corrupt`) is
/// answered at once. With a [`crate::Timeout`] inside, each attempt has its own deadline.
#[derive(Clone)]
pub struct Retry {
    inner: Arc<dyn BlockStore>,
    policy: RetryPolicy,
    /// Spreads the attempts of many clients, who would otherwise come back all at once.
    jitter: Arc<Mutex<StdRng>>,
}

/// As the store inside: a decorator is of no interest where an error names a store.
impl fmt::Debug for Retry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}

impl Retry {
    /// `inner`, tried again by `policy`; `seed` is for the jitter.
    #[must_use]
    pub fn new(inner: Arc<dyn BlockStore>, policy: RetryPolicy, seed: u64) -> Self {
        Self { inner, policy, jitter: Arc::new(Mutex::new(StdRng::seed_from_u64(seed))) }
    }

    async fn persist<T, F>(&self, what: &str, mut operation: impl FnMut() -> F) -> Result<T>
    where
        F: Future<Output = Result<T>>,
    {
        let mut attempt = 1;
        loop {
            let error = match operation().await {
                Err(error) if error.kind().is_transient() && attempt < self.policy.attempts_max => error,
                answer => return answer,
            };
            let wait = self.backoff(attempt);
            tracing::debug!(
                node = %self.inner.node(), operation = what, attempt, wait_ms = wait.as_millis(), %error,
                "storage node failed, trying again"
            );
            tokio::time::sleep(wait).await;
            attempt += 1;
        }
    }

    /// The wait after attempt `attempt` (from 1): between half of the longest and the longest.
    fn backoff(&self, attempt: u32) -> Duration {
        let doublings = 2_u32.saturating_pow(attempt - 1);
        let longest = self.policy.backoff_first.saturating_mul(doublings).min(self.policy.backoff_max);
        let share = self.jitter.lock().unwrap_or_else(PoisonError::into_inner).random_range(0.5..=1.0);
        longest.mul_f64(share)
    }
}

#[async_trait]
impl BlockStore for Retry {
    fn node(&self) -> &NodeName {
        self.inner.node()
    }

    async fn identity(&self) -> Result<Option<NodeIdentity>> {
        self.persist("identity", || self.inner.identity()).await
    }

    async fn claim(&self, identity: &NodeIdentity) -> Result<NodeIdentity> {
        self.persist("claim", || self.inner.claim(identity)).await
    }

    fn attach(&self, identity: NodeIdentity) {
        self.inner.attach(identity);
    }

    async fn put(&self, id: &BlockId, block: &Block) -> Result<()> {
        self.persist("put", || self.inner.put(id, block)).await
    }

    async fn get(&self, id: &BlockId, bytes_max: usize) -> Result<Bytes> {
        self.persist("get", || self.inner.get(id, bytes_max)).await
    }

    async fn stat(&self, id: &BlockId) -> Result<BlockStat> {
        self.persist("stat", || self.inner.stat(id)).await
    }

    async fn delete(&self, id: &BlockId) -> Result<()> {
        self.persist("delete", || self.inner.delete(id)).await
    }

    async fn list(&self, after: Option<&BlockId>, limit: usize) -> Result<Vec<BlockStat>> {
        self.persist("list", || self.inner.list(after, limit)).await
    }

    async fn list_document(&self, document: &DocumentId) -> Result<Vec<BlockStat>> {
        self.persist("list_document", || self.inner.list_document(document)).await
    }
}
