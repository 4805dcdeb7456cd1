//! What an archive is made of, handed in from outside so that tests can drive it.

use std::sync::Arc;
use std::time::Duration;

use code::Policy;
use config::{Configuration, Selection};
use coordination::Coordinator;
use metadata::MetadataStore;
use storage::{BlockStore, BufferPool};
use types::{BlockSizes, Clock, CodeParameters, NodeName, Zone};

/// How an archive behaves.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The code of new documents.
    pub parameters: CodeParameters,
    /// The block lengths of new documents.
    pub sizes: BlockSizes,
    /// How pointers are selected.
    pub policy: Policy,
    /// The window, in codewords of a class.
    pub window: u64,
    /// Copies of each new block.
    pub replication_factor: usize,
    /// Copies that must be durable before a block counts as written; at least 1.
    pub write_quorum: usize,
    /// Longest document, in bytes.
    pub document_bytes_max: u64,
    /// Memory for cached blocks and segments, in bytes.
    pub cache_bytes: u64,
    /// Memory for the blocks of segments being coded, read and written, over all requests, in bytes.
    pub in_flight_bytes: usize,
    /// Segments of one upload that are coded and written at once; at least 1. More of them keep more disks busy: each
    /// waits for `p` fsyncs.
    pub write_ahead: usize,
    /// Segments of one download that are read and decoded at once; at least 1.
    pub read_ahead: usize,
    /// After this time without an answer, a read asks spare symbols.
    pub hedge_after: Duration,
    /// For how long an upload holds its name without a sign of life.
    pub reservation_ttl: Duration,
    /// Processors to keep busy with coding.
    pub coding_threads: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            parameters: CodeParameters::DEFAULT,
            sizes: BlockSizes::DEFAULT,
            policy: Policy::Mixed,
            window: 128,
            replication_factor: 1,
            write_quorum: 1,
            document_bytes_max: 1 << 40,
            cache_bytes: 256 << 20,
            in_flight_bytes: 96 << 20,
            write_ahead: 6,
            read_ahead: 3,
            hedge_after: Duration::from_millis(50),
            reservation_ttl: Duration::from_secs(30),
            coding_threads: std::thread::available_parallelism().map_or(1, usize::from),
        }
    }
}

impl Settings {
    /// What a checked configuration says of them; every binary opens the archive with the same.
    #[must_use]
    pub fn from_configuration(configuration: &Configuration) -> Self {
        let Configuration { archive, proxy, storage, entanglement, cache, .. } = configuration;
        Self {
            parameters: entanglement.parameters,
            sizes: archive.block_sizes,
            policy: policy(entanglement.selection),
            window: entanglement.window,
            replication_factor: storage.replication_factor,
            write_quorum: storage.write_quorum,
            document_bytes_max: proxy.limits.document_bytes,
            cache_bytes: cache.bytes,
            in_flight_bytes: proxy.limits.in_flight_bytes,
            hedge_after: storage.hedge_after,
            reservation_ttl: proxy.reservation_ttl,
            ..Self::default()
        }
    }
}

fn policy(selection: Selection) -> Policy {
    match selection {
        Selection::Uniform => Policy::Uniform,
        Selection::Normal => Policy::Normal,
        Selection::Window => Policy::Window,
        Selection::Mixed => Policy::Mixed,
    }
}

/// A storage node to be used. Deadlines, retries and metering are decorators around `store`.
#[derive(Debug, Clone)]
pub struct NodeParts {
    /// The node's name.
    pub name: NodeName,
    /// What it fails together with; a node without one is a zone of its own.
    pub zone: Option<Zone>,
    /// The node.
    pub store: Arc<dyn BlockStore>,
}

/// The backends of an archive, and what a process has only one of.
#[derive(Debug, Clone)]
pub struct Parts {
    /// The storage nodes, each named once.
    pub nodes: Vec<NodeParts>,
    /// The system of record.
    pub metadata: Arc<dyn MetadataStore>,
    /// Who else is there.
    pub coordinator: Arc<dyn Coordinator>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Buffers; the stores that read into memory should take theirs from the same pool.
    pub pool: BufferPool,
    /// Where this process can be reached, for others to see; may be empty.
    pub address: String,
    /// What random numbers are drawn from; `None` asks the operating system.
    pub seed: Option<u64>,
}
