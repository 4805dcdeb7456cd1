//! The archive: documents in, documents out, entangled in between. Binaries only call it.
//!
//! Architecture invariant: nothing here knows of HTTP, of files of configuration (a checked one it may be handed), or
//! of which backend stands behind a trait. Clock, randomness and backends are handed in.

mod abort;
pub mod audit;
mod cache;
mod core;
mod damage;
mod describe;
mod error;
mod fetch;
mod nodes;
mod pointers;
mod read;
pub mod rebuild;
mod recover;
pub mod repair;
mod segment;
mod segmenter;
mod settings;
mod stream;
mod upload;
mod write;

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use coder::Coder;
use coordination::{Member, Membership};
use futures_util::Stream;
use futures_util::future::join_all;
use metadata::{ArchiveInfo, Document, ListEntry};
use rand::{RngExt, SeedableRng, rngs::StdRng};
use types::{DocumentName, ErrorKind, Incarnation, OwnerId};

use crate::abort::AbortOnDrop;
use crate::core::{Assembly, Core, WRITERS};
use crate::nodes::{Node, Nodes};

pub use describe::{BlockDescription, GraphNode, PointerDescription, SegmentDescription};
pub use error::{Error, LostSymbol};
pub use nodes::NodeStatus;
pub use settings::{NodeParts, Parts, Settings};
pub use upload::PutRequest;

/// How often nodes that could not be attached are tried again.
const ATTACH_INTERVAL: Duration = Duration::from_secs(5);

/// An open archive. Cloning shares it.
#[derive(Debug, Clone)]
pub struct Archive {
    core: Arc<Core>,
    membership: Arc<tokio::sync::Mutex<Option<Box<dyn Membership>>>>,
    _attaching: Arc<AbortOnDrop>,
}

/// What an archive counted since it was opened, and how it stands.
#[derive(Debug, Clone)]
pub struct Statistics {
    /// Look-ups that the cache answered.
    pub cache_hits: u64,
    /// Look-ups that it did not.
    pub cache_misses: u64,
    /// Bytes in the cache.
    pub cache_bytes: u64,
    /// Segments read although a symbol was missing, wrong or slow.
    pub degraded_reads: u64,
    /// Segments for which spare symbols were asked because an answer was slow.
    pub hedged_reads: u64,
    /// Copies found missing or wrong.
    pub damage_seen: u64,
    /// The storage nodes.
    pub nodes: Vec<NodeStatus>,
}

impl Archive {
    /// Opens an archive, attaching its storage nodes. Must be called on a tokio runtime, which also carries the work
    /// that outlasts a request.
    ///
    /// A node that does not answer, or was replaced, is left out and tried again later. A node whose store belongs to
    /// another archive or is another node refuses the whole: the configuration is mixed up.
    pub async fn open(settings: Settings, parts: Parts) -> Result<Self, Error> {
        check(&settings, parts.nodes.len())?;
        let mut rng = parts.seed.map_or_else(|| StdRng::from_rng(&mut rand::rng()), StdRng::seed_from_u64);
        let owner = OwnerId::from_random(rng.random());
        let info = parts.metadata.archive();
        let nodes = Nodes::new(parts.nodes, Arc::clone(&parts.clock));
        let member = Member { id: owner, address: parts.address };
        let membership = parts.coordinator.join(WRITERS, member).await?;
        let coder = Coder::new(settings.coding_threads, parts.pool);
        let assembly = Assembly {
            info,
            nodes,
            metadata: parts.metadata,
            coordinator: parts.coordinator,
            clock: parts.clock,
            coder,
            owner,
            rng,
        };
        let core = Arc::new(Core::new(settings, assembly));
        core.attach_nodes(true).await?;
        let attaching = core.runtime.spawn(keep_attaching(Arc::clone(&core)));
        let membership = Arc::new(tokio::sync::Mutex::new(Some(membership)));
        Ok(Self { core, membership, _attaching: Arc::new(AbortOnDrop(attaching)) })
    }

    /// What was fixed when the archive was created.
    #[must_use]
    pub fn info(&self) -> ArchiveInfo {
        self.core.info
    }

    /// A name for a document that came without one: a `UUIDv4`.
    #[must_use]
    pub fn random_name(&self) -> DocumentName {
        let id = Incarnation::from_random(self.core.rng().random()).to_string();
        // A UUID's text breaks none of a name's rules.
        DocumentName::new(&id).unwrap_or_else(|_| unreachable!("a UUID is a name"))
    }

    /// Puts a document, streaming; returns when it is durable and visible.
    ///
    /// Dropping the future ends the upload: the name is freed at once, the blocks are deleted in the background. A
    /// commit that has begun is seen through.
    pub async fn put<S>(&self, request: PutRequest, body: S) -> Result<Document, Error>
    where
        S: Stream<Item = std::io::Result<Bytes>> + Unpin,
    {
        self.core.put(request, body).await
    }

    /// The record of a document; [`Error::NotFound`] if there is none.
    pub async fn document(&self, name: &DocumentName) -> Result<Document, Error> {
        self.core.metadata.document(name).await?.ok_or_else(|| Error::NotFound(name.clone()))
    }

    /// The bytes `range` of a document, verified, in order, in pieces of at most a segment. What lies past the end is
    /// left out. The stream ends after an error.
    pub fn read(
        &self,
        document: &Document,
        range: Range<u64>,
    ) -> impl Stream<Item = Result<Bytes, Error>> + Send + Unpin + 'static {
        self.core.read(document, range)
    }

    /// At most `limit` documents whose names start with `prefix` and sort after `after`, in the order of the names'
    /// bytes.
    pub async fn list(
        &self,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<ListEntry>, Error> {
        Ok(self.core.metadata.list(prefix, after, limit).await?)
    }

    /// Describes the segments `first..first + count` of a document, as many of them as there are.
    pub async fn describe(
        &self,
        document: &Document,
        first: u32,
        count: u32,
    ) -> Result<Vec<SegmentDescription>, Error> {
        self.core.describe(document, first, count).await
    }

    /// The entanglement graph: every codeword and what it points at. Ends after an error.
    pub fn graph(&self) -> impl Stream<Item = Result<GraphNode, Error>> + Send + Unpin + 'static {
        self.core.graph()
    }

    /// Whether documents can be put and read: the metadata store answers, and enough nodes take writes.
    pub async fn ready(&self) -> Result<(), Error> {
        self.core.metadata.class_counts(self.core.settings.sizes.min()).await?;
        let usable = self.core.nodes.topology(&[]).usable().count();
        let needed = self.core.settings.parameters.p().min(self.core.nodes.len());
        if usable >= needed {
            return Ok(());
        }
        Err(Error::TooFewNodes(format!(
            "{usable} of {} nodes are usable, {needed} must be",
            self.core.nodes.len()
        )))
    }

    /// What was counted, and how the nodes are.
    #[must_use]
    pub fn statistics(&self) -> Statistics {
        let counters = &self.core.counters;
        Statistics {
            cache_hits: counters.cache_hits.load(Ordering::Relaxed),
            cache_misses: counters.cache_misses.load(Ordering::Relaxed),
            cache_bytes: self.core.cache.bytes(),
            degraded_reads: counters.degraded_reads.load(Ordering::Relaxed),
            hedged_reads: counters.hedged_reads.load(Ordering::Relaxed),
            damage_seen: self.core.damage.seen(),
            nodes: self.core.nodes.status(),
        }
    }

    /// Tells others that this process no longer takes part. To be called when all requests have ended.
    pub async fn close(&self) {
        if let Some(membership) = self.membership.lock().await.take()
            && let Err(error) = membership.leave().await
        {
            tracing::warn!(%error, "did not leave the group of writers");
        }
    }
}

fn check(settings: &Settings, nodes: usize) -> Result<(), Error> {
    let (copies, quorum) = (settings.replication_factor, settings.write_quorum);
    let refuse = |message: String| Err(types::Error::new(ErrorKind::Invalid, "archive", message).into());
    if copies > nodes || copies == 0 {
        return refuse(format!(
            "{copies} copies on {nodes} nodes: at least one, and at most as many as nodes"
        ));
    }
    if quorum > copies || quorum == 0 {
        return refuse(format!("a write quorum of {quorum} of {copies} copies"));
    }
    Ok(())
}

impl Core {
    /// Attaches nodes that are not attached yet. With `strict`, a store that belongs to another archive or node is an
    /// error; every other failure leaves the node for later.
    async fn attach_nodes(&self, strict: bool) -> Result<(), Error> {
        let nodes: Vec<Arc<Node>> = self.nodes.unattached().cloned().collect();
        let attached = join_all(nodes.iter().map(|node| {
            let fresh = Incarnation::from_random(self.rng().random());
            async move { node.attach(self.info.id, &*self.metadata, fresh).await }
        }));
        for (node, attached) in nodes.iter().zip(attached.await) {
            let Err(error) = attached else { continue };
            if strict && self.is_mixed_up(node).await {
                return Err(error.into());
            }
            if strict {
                tracing::error!(node = %node.name, %error, "storage node not attached; going on without it");
            } else {
                tracing::debug!(node = %node.name, %error, "storage node still not attached");
            }
        }
        Ok(())
    }

    /// Whether a node's store says that it belongs to another archive or is another node.
    async fn is_mixed_up(&self, node: &Node) -> bool {
        let identity = node.store.identity().await;
        identity.is_ok_and(|found| {
            found.is_some_and(|found| found.archive != self.info.id || found.node != node.name)
        })
    }
}

async fn keep_attaching(core: Arc<Core>) {
    loop {
        tokio::time::sleep(ATTACH_INTERVAL).await;
        if core.nodes.unattached().next().is_some() {
            // Without `strict` every failure leaves the node for later.
            let _ = core.attach_nodes(false).await;
        }
    }
}
