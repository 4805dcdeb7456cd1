//! A decorator that gives every operation a deadline: a node that hangs becomes one that fails.

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use types::{BlockId, DocumentId, Error, ErrorKind, NodeName, Result};

use crate::{Block, BlockStat, BlockStore, NodeIdentity};

/// How long each kind of operation may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deadlines {
    /// For `get` and `stat`.
    pub read: Duration,
    /// For `put` and `delete`.
    pub write: Duration,
    /// For the marker and the listings, which may look at every block.
    pub other: Duration,
}

/// Fails with `Timeout` what takes longer than its deadline. Whether it was carried out is then unknown.
#[derive(Clone)]
pub struct Timeout {
    inner: Arc<dyn BlockStore>,
    deadlines: Deadlines,
}

/// As the store inside: a decorator is of no interest where an error names a store.
impl fmt::Debug for Timeout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}

impl Timeout {
    /// `inner`, held to `deadlines`.
    #[must_use]
    pub fn new(inner: Arc<dyn BlockStore>, deadlines: Deadlines) -> Self {
        Self { inner, deadlines }
    }

    async fn within<T>(
        &self,
        what: &str,
        deadline: Duration,
        operation: impl Future<Output = Result<T>>,
    ) -> Result<T> {
        tokio::time::timeout(deadline, operation).await.unwrap_or_else(|_| {
            let message = format_args!("{what}: no answer within {} ms", deadline.as_millis()).to_string();
            Err(Error::new(ErrorKind::Timeout, self.inner.node(), message))
        })
    }
}

#[async_trait]
impl BlockStore for Timeout {
    fn node(&self) -> &NodeName {
        self.inner.node()
    }

    async fn identity(&self) -> Result<Option<NodeIdentity>> {
        self.within("identity", self.deadlines.other, self.inner.identity()).await
    }

    async fn claim(&self, identity: &NodeIdentity) -> Result<NodeIdentity> {
        self.within("claim", self.deadlines.other, self.inner.claim(identity)).await
    }

    fn attach(&self, identity: NodeIdentity) {
        self.inner.attach(identity);
    }

    async fn put(&self, id: &BlockId, block: &Block) -> Result<()> {
        self.within("put", self.deadlines.write, self.inner.put(id, block)).await
    }

    async fn get(&self, id: &BlockId, bytes_max: usize) -> Result<Bytes> {
        self.within("get", self.deadlines.read, self.inner.get(id, bytes_max)).await
    }

    async fn stat(&self, id: &BlockId) -> Result<BlockStat> {
        self.within("stat", self.deadlines.read, self.inner.stat(id)).await
    }

    async fn delete(&self, id: &BlockId) -> Result<()> {
        self.within("delete", self.deadlines.write, self.inner.delete(id)).await
    }

    async fn list(&self, after: Option<&BlockId>, limit: usize) -> Result<Vec<BlockStat>> {
        self.within("list", self.deadlines.other, self.inner.list(after, limit)).await
    }

    async fn list_document(&self, document: &DocumentId) -> Result<Vec<BlockStat>> {
        self.within("list_document", self.deadlines.other, self.inner.list_document(document)).await
    }
}
