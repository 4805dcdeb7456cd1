//! What all operations of an archive share.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use coder::Coder;
use coordination::Coordinator;
use metadata::{ArchiveInfo, MetadataStore};
use rand::{SeedableRng, rngs::StdRng};
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use types::{Clock, LengthClass, NodeIndex, OwnerId};

use crate::cache::{Cache, Key};
use crate::damage::DamageLog;
use crate::error::Error;
use crate::nodes::Nodes;
use crate::settings::Settings;

/// The budget of bytes in flight is kept in units of this, so that it fits a semaphore.
const BUDGET_UNIT: usize = 4096;

/// The group of all processes that may hold reservations.
pub(crate) const WRITERS: &str = "writers";

/// What all operations share.
#[derive(Debug)]
pub(crate) struct Core {
    pub(crate) settings: Settings,
    pub(crate) info: ArchiveInfo,
    pub(crate) nodes: Nodes,
    pub(crate) metadata: Arc<dyn MetadataStore>,
    pub(crate) coordinator: Arc<dyn Coordinator>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) coder: Coder,
    pub(crate) cache: Cache,
    pub(crate) damage: DamageLog,
    pub(crate) counters: Counters,
    pub(crate) owner: OwnerId,
    /// Where work goes on that outlives the request it began in.
    pub(crate) runtime: Handle,
    budget: Budget,
    rng: Mutex<StdRng>,
}

/// What is counted.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) cache_hits: AtomicU64,
    pub(crate) cache_misses: AtomicU64,
    pub(crate) degraded_reads: AtomicU64,
    pub(crate) hedged_reads: AtomicU64,
}

/// Adds one.
pub(crate) fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

#[derive(Debug)]
struct Budget {
    units: usize,
    permits: Arc<Semaphore>,
}

/// The parts of [`Core`] that are neither settings nor made by it.
pub(crate) struct Assembly {
    pub(crate) info: ArchiveInfo,
    pub(crate) nodes: Nodes,
    pub(crate) metadata: Arc<dyn MetadataStore>,
    pub(crate) coordinator: Arc<dyn Coordinator>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) coder: Coder,
    pub(crate) owner: OwnerId,
    pub(crate) rng: StdRng,
}

impl Core {
    pub(crate) fn new(settings: Settings, parts: Assembly) -> Self {
        let runtime = Handle::current();
        // A semaphore counts to 2^29 at least, and a request asks for 2^32 at most.
        let units = (settings.in_flight_bytes / BUDGET_UNIT).clamp(1, 1 << 28);
        let entry_bytes_max = settings.sizes.max().bytes() * settings.parameters.s();
        Self {
            cache: Cache::new(settings.cache_bytes, entry_bytes_max),
            damage: DamageLog::new(Arc::clone(&parts.metadata), &runtime),
            counters: Counters::default(),
            budget: Budget { units, permits: Arc::new(Semaphore::new(units)) },
            rng: Mutex::new(parts.rng),
            settings,
            info: parts.info,
            nodes: parts.nodes,
            metadata: parts.metadata,
            coordinator: parts.coordinator,
            clock: parts.clock,
            coder: parts.coder,
            owner: parts.owner,
            runtime,
        }
    }

    /// A random generator of the caller's own.
    pub(crate) fn rng(&self) -> StdRng {
        StdRng::from_rng(&mut *self.rng.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Waits until `blocks` blocks of `class` fit into the budget of bytes in flight. What is larger than all of it
    /// waits for all of it.
    pub(crate) async fn reserve_memory(
        &self,
        blocks: usize,
        class: LengthClass,
    ) -> Result<OwnedSemaphorePermit, Error> {
        let units = (blocks * class.bytes()).div_ceil(BUDGET_UNIT).clamp(1, self.budget.units);
        let units = u32::try_from(units).unwrap_or(u32::MAX);
        let permits = Arc::clone(&self.budget.permits).acquire_many_owned(units).await;
        permits.map_err(|_| Error::Internal("the archive is closed".to_owned()))
    }

    /// Looks a thing up in the cache and counts whether it was there.
    pub(crate) fn cached(&self, key: &Key) -> Option<Bytes> {
        let found = self.cache.get(key);
        count(if found.is_some() { &self.counters.cache_hits } else { &self.counters.cache_misses });
        found
    }

    /// An anchor, from the cache or derived.
    pub(crate) async fn anchor(&self, class: LengthClass, index: u8) -> Result<Bytes, Error> {
        let key = Key::Anchor(class, index);
        if let Some(block) = self.cache.get(&key) {
            return Ok(block);
        }
        let block = self.coder.anchor(self.info.id, class, index).await?;
        self.cache.offer(key, &block);
        Ok(block)
    }

    /// The names of nodes, for people.
    pub(crate) fn node_name(&self, index: NodeIndex) -> String {
        self.nodes.get(index).map_or_else(|| format!("node number {index}"), |node| node.name.to_string())
    }
}
