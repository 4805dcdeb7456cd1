//! A decorator that counts and times what a node does: for the metrics page, and for choosing the fastest nodes.

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use types::{BlockId, DocumentId, NodeName, Result};

use crate::statistics::{Meter, NodeStatistics, Operation};
use crate::{Block, BlockStat, BlockStore, NodeIdentity};

/// Counts and times every operation. Cloning shares the counters.
#[derive(Clone)]
pub struct Metered {
    inner: Arc<dyn BlockStore>,
    meter: Arc<Meter>,
}

/// As the store inside: a decorator is of no interest where an error names a store.
impl fmt::Debug for Metered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}

impl Metered {
    /// `inner`, with all counters at zero.
    #[must_use]
    pub fn new(inner: Arc<dyn BlockStore>) -> Self {
        Self { inner, meter: Arc::new(Meter::new()) }
    }

    /// Every counter, as of now; operations under way may be counted in part.
    #[must_use]
    pub fn statistics(&self) -> NodeStatistics {
        self.meter.statistics()
    }

    /// How long a `get` takes, averaged with more weight on recent ones; `None` before the first. Includes what
    /// is known of those that were abandoned or timed out: they would have taken longer than they were given.
    #[must_use]
    pub fn read_latency(&self) -> Option<Duration> {
        self.meter.read_latency()
    }

    /// How often the node failed of late: each failure counts 1 at first and half as much every
    /// [`crate::FAILURE_HALF_LIFE`] later. That a block is missing is no failure.
    #[must_use]
    pub fn recent_failures(&self) -> f64 {
        self.meter.recent_failures()
    }

    /// How many operations are under way.
    #[must_use]
    pub fn in_flight(&self) -> u64 {
        self.meter.in_flight()
    }

    async fn measured<T>(&self, operation: Operation, work: impl Future<Output = Result<T>>) -> Result<T> {
        let timed = self.meter.start(operation);
        let result = work.await;
        timed.finish(result.as_ref().map(drop).map_err(types::Error::kind));
        result
    }
}

#[async_trait]
impl BlockStore for Metered {
    fn node(&self) -> &NodeName {
        self.inner.node()
    }

    async fn identity(&self) -> Result<Option<NodeIdentity>> {
        self.measured(Operation::Identity, self.inner.identity()).await
    }

    async fn claim(&self, identity: &NodeIdentity) -> Result<NodeIdentity> {
        self.measured(Operation::Claim, self.inner.claim(identity)).await
    }

    fn attach(&self, identity: NodeIdentity) {
        self.inner.attach(identity);
    }

    async fn put(&self, id: &BlockId, block: &Block) -> Result<()> {
        let result = self.measured(Operation::Put, self.inner.put(id, block)).await;
        if result.is_ok() {
            self.meter.wrote(block.len());
        }
        result
    }

    async fn get(&self, id: &BlockId, bytes_max: usize) -> Result<Bytes> {
        let result = self.measured(Operation::Get, self.inner.get(id, bytes_max)).await;
        if let Ok(bytes) = &result {
            self.meter.read(bytes.len());
        }
        result
    }

    async fn stat(&self, id: &BlockId) -> Result<BlockStat> {
        self.measured(Operation::Stat, self.inner.stat(id)).await
    }

    async fn delete(&self, id: &BlockId) -> Result<()> {
        self.measured(Operation::Delete, self.inner.delete(id)).await
    }

    async fn list(&self, after: Option<&BlockId>, limit: usize) -> Result<Vec<BlockStat>> {
        self.measured(Operation::List, self.inner.list(after, limit)).await
    }

    async fn list_document(&self, document: &DocumentId) -> Result<Vec<BlockStat>> {
        self.measured(Operation::ListDocument, self.inner.list_document(document)).await
    }
}
