//! The storage nodes, as the archive sees them: who is attached, who fails, who is fast.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use code::{Topology, TopologyNode};
use metadata::MetadataStore;
use storage::BlockStore;
use tokio::sync::OnceCell;
use types::{ArchiveId, Clock, Error, ErrorKind, Incarnation, NodeIndex, NodeName, Result};

use crate::settings::NodeParts;

/// A failing node is left alone for this long at first, twice as long after each further failure...
const PAUSE_MIN: Duration = Duration::from_millis(500);
/// ...up to this: so long may a node that came back stay unused.
const PAUSE_MAX: Duration = Duration::from_secs(30);
/// The latest answer's weight in a node's average latency is one eighth.
const LATENCY_SHIFT: u32 = 3;

/// A storage node.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) name: NodeName,
    pub(crate) zone: usize,
    pub(crate) store: Arc<dyn BlockStore>,
    /// Set once the node is known and attached.
    index: OnceCell<NodeIndex>,
    /// Average latency of reads, in microseconds.
    latency_us: AtomicU64,
    failures: AtomicU32,
    /// Not to be used before this time (milliseconds since the epoch) unless there is nobody else.
    paused_until: AtomicI64,
}

/// All configured storage nodes.
#[derive(Debug)]
pub(crate) struct Nodes {
    nodes: Vec<Arc<Node>>,
    clock: Arc<dyn Clock>,
}

/// What is known of a node, for metrics.
#[derive(Debug, Clone)]
pub struct NodeStatus {
    /// Its name.
    pub name: NodeName,
    /// Whether it is attached and not paused after failures.
    pub usable: bool,
    /// Average latency of reads.
    pub latency: Duration,
}

impl Nodes {
    /// Takes the nodes of the configuration; none is attached yet.
    pub(crate) fn new(parts: Vec<NodeParts>, clock: Arc<dyn Clock>) -> Self {
        let mut zones = HashMap::new();
        let mut nodes = Vec::with_capacity(parts.len());
        for part in parts {
            // A zone's name cannot hold a space, so this one of a node alone is no other's.
            let label =
                part.zone.map_or_else(|| format!("node {}", part.name), |zone| zone.as_str().to_owned());
            let next = zones.len();
            nodes.push(Arc::new(Node {
                name: part.name,
                zone: *zones.entry(label).or_insert(next),
                store: part.store,
                index: OnceCell::new(),
                latency_us: AtomicU64::new(0),
                failures: AtomicU32::new(0),
                paused_until: AtomicI64::new(0),
            }));
        }
        Self { nodes, clock }
    }

    /// How many nodes are configured.
    pub(crate) fn len(&self) -> usize {
        self.nodes.len()
    }

    /// The attached node of this number.
    pub(crate) fn get(&self, index: NodeIndex) -> Option<&Arc<Node>> {
        let is = |node: &&Arc<Node>| node.index.get() == Some(&index);
        self.nodes.get(usize::from(index.0)).filter(is).or_else(|| self.nodes.iter().find(is))
    }

    /// Nodes not attached yet.
    pub(crate) fn unattached(&self) -> impl Iterator<Item = &Arc<Node>> {
        self.nodes.iter().filter(|node| !node.index.initialized())
    }

    /// The attached nodes as placement sees them, those in `avoid` being unusable.
    pub(crate) fn topology(&self, avoid: &[NodeIndex]) -> Topology {
        let node = |node: &Arc<Node>| {
            let index = *node.index.get()?;
            Some(TopologyNode {
                index,
                zone: node.zone,
                usable: self.is_usable(node) && !avoid.contains(&index),
            })
        };
        Topology::new(self.nodes.iter().filter_map(node).collect())
    }

    fn is_usable(&self, node: &Node) -> bool {
        let left = node.paused_until.load(Ordering::Relaxed) - self.clock.now().as_millis();
        // A pause that is longer than any can be is that of a clock which was set back.
        node.index.initialized()
            && (left <= 0 || left > i64::try_from(PAUSE_MAX.as_millis()).unwrap_or(i64::MAX))
    }

    /// Whether node `index` is attached and not set aside after failures.
    pub(crate) fn answers(&self, index: NodeIndex) -> bool {
        self.get(index).is_some_and(|node| self.is_usable(node))
    }

    /// What a read from node `index` is expected to cost, in microseconds; failing nodes come last.
    pub(crate) fn cost_us(&self, index: NodeIndex) -> u64 {
        self.get(index).map_or(u64::MAX, |node| {
            let latency = node.latency_us.load(Ordering::Relaxed);
            if self.is_usable(node) { latency } else { latency.saturating_add(1 << 40) }
        })
    }

    /// Learns from how an operation on `node` ended. An answer about one block (there is none, it is too long) is
    /// an answer.
    pub(crate) fn observe<T>(&self, node: &Node, read: Option<Instant>, result: &Result<T>) {
        let failed = result.as_ref().err().is_some_and(|error| match error.kind() {
            ErrorKind::Unavailable | ErrorKind::Timeout | ErrorKind::Denied | ErrorKind::Internal => true,
            ErrorKind::NotFound
            | ErrorKind::AlreadyExists
            | ErrorKind::Conflict
            | ErrorKind::Corrupt
            | ErrorKind::Invalid => false,
        });
        if failed {
            let failures = node.failures.fetch_add(1, Ordering::Relaxed).min(16);
            let pause = PAUSE_MIN.saturating_mul(1 << failures).min(PAUSE_MAX);
            let until = self.clock.now().after(pause).as_millis();
            if node.paused_until.swap(until, Ordering::Relaxed) == 0
                && let Err(error) = result
            {
                tracing::warn!(node = %node.name, %error, "storage node fails");
            }
            return;
        }
        if node.failures.swap(0, Ordering::Relaxed) > 0 {
            node.paused_until.store(0, Ordering::Relaxed);
            tracing::info!(node = %node.name, "storage node answers again");
        }
        if let Some(begin) = read {
            let took = u64::try_from(begin.elapsed().as_micros()).unwrap_or(u64::MAX);
            let old = node.latency_us.load(Ordering::Relaxed);
            // Lost updates of two at once do no harm to an average.
            node.latency_us.store(old - (old >> LATENCY_SHIFT) + (took >> LATENCY_SHIFT), Ordering::Relaxed);
        }
    }

    /// Sets node `name` aside for reads that took longer than a hedge: what hangs is not seen by its answers.
    pub(crate) fn slow(&self, index: NodeIndex, waited: Duration) {
        if let Some(node) = self.get(index) {
            let waited = u64::try_from(waited.as_micros()).unwrap_or(u64::MAX);
            node.latency_us.fetch_max(waited, Ordering::Relaxed);
        }
    }

    /// What is known of each node.
    pub(crate) fn status(&self) -> Vec<NodeStatus> {
        let status = |node: &Arc<Node>| NodeStatus {
            name: node.name.clone(),
            usable: self.is_usable(node),
            latency: Duration::from_micros(node.latency_us.load(Ordering::Relaxed)),
        };
        self.nodes.iter().map(status).collect()
    }
}

impl Node {
    /// Finds out whether the store is this archive's node and makes it known to the metadata store if it is new.
    ///
    /// `Denied` if it is not: a store that carries another archive's or node's marker, or none although the node is
    /// known, was mixed up or replaced, and is never taken for an empty one.
    pub(crate) async fn attach(
        &self,
        archive: ArchiveId,
        metadata: &dyn MetadataStore,
        fresh: Incarnation,
    ) -> Result<NodeIndex> {
        let attach = async || {
            let known = metadata.nodes().await?.into_iter().find(|record| record.name == self.name);
            let incarnation = known.as_ref().map(|record| record.incarnation);
            let identity = storage::open_node(&*self.store, archive, incarnation, fresh).await?;
            let record = match known {
                Some(record) => record,
                None => metadata.register_node(&self.name, identity.incarnation).await?,
            };
            if record.incarnation == identity.incarnation {
                return Ok(record.index);
            }
            let message = format_args!(
                "the store carries incarnation {}, but another was registered meanwhile: {}",
                identity.incarnation, record.incarnation
            );
            Err(Error::new(ErrorKind::Denied, &self.name, message))
        };
        self.index.get_or_try_init(attach).await.copied()
    }
}
