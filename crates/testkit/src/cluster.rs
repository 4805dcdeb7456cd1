//! An archive in this process, on nodes and a metadata store that fail when told to.
#![allow(clippy::expect_used, clippy::missing_panics_doc, reason = "a test's set-up may panic")]

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use archive::{Archive, Error, NodeParts, Parts, PutRequest, Settings};
use bytes::Bytes;
use coordination::LocalCoordinator;
use futures_util::{StreamExt, TryStreamExt, stream};
use metadata::{CreateArchive, Document, MemoryMetadata, MetadataStore};
use storage::faulty::{Faults, Faulty};
use storage::{BlockStore, BufferPool, Deadlines, MemoryStore, Timeout};
use types::{
    ArchiveId, BlockSizes, CodeParameters, DocumentName, LengthClass, NodeName, SystemClock, Timestamp, Zone,
};

use crate::faulty_metadata::{FaultyMetadata, MetadataFaults};

/// A storage node of a [`Cluster`].
#[derive(Debug, Clone)]
pub struct ClusterNode {
    /// Its name.
    pub name: NodeName,
    /// What it keeps.
    pub store: MemoryStore,
    /// What goes wrong with it.
    pub faults: Faults,
    faulty: Arc<Faulty>,
}

/// What a [`Cluster`] is made of.
#[derive(Debug, Clone)]
pub struct ClusterOptions {
    /// The archive's settings.
    pub settings: Settings,
    /// How many storage nodes.
    pub nodes: usize,
    /// The zone of each node; nodes beyond the list are zones of their own.
    pub zones: Vec<Zone>,
    /// Partitions of the metadata store.
    pub partitions: u16,
    /// What random numbers are drawn from.
    pub seed: u64,
}

impl Default for ClusterOptions {
    /// 16 nodes, (1,10,3), blocks of 1 to 16 KiB so that tests are quick, and short waits.
    fn default() -> Self {
        let class = |log2| LengthClass::new(log2).expect("a class in range");
        let settings = Settings {
            sizes: BlockSizes::new(class(10), class(14)).expect("sizes in order"),
            cache_bytes: 0,
            hedge_after: Duration::from_millis(20),
            reservation_ttl: Duration::from_secs(30),
            ..Settings::default()
        };
        Self { settings, nodes: 16, zones: Vec::new(), partitions: 3, seed: 1 }
    }
}

impl ClusterOptions {
    /// The same with another code.
    #[must_use]
    pub fn code(mut self, s: usize, t: usize, p: usize) -> Self {
        self.settings.parameters = CodeParameters::new(s, t, p).expect("a code");
        self
    }

    /// The same with `copies` of each block, of which `quorum` must be durable.
    #[must_use]
    pub fn copies(mut self, copies: usize, quorum: usize) -> Self {
        (self.settings.replication_factor, self.settings.write_quorum) = (copies, quorum);
        self
    }
}

/// An archive in this process.
#[derive(Debug)]
pub struct Cluster {
    /// The archive.
    pub archive: Archive,
    /// Its storage nodes.
    pub nodes: Vec<ClusterNode>,
    /// Its metadata store, without the faults.
    pub metadata: MemoryMetadata,
    /// What goes wrong with the metadata store.
    pub metadata_faults: MetadataFaults,
    coordinator: LocalCoordinator,
    options: ClusterOptions,
    /// How many other processes were opened.
    others: AtomicU64,
}

impl Cluster {
    /// An archive with nothing in it.
    pub async fn new(options: ClusterOptions) -> Self {
        let id = ArchiveId::from_bytes([0xa5; 16]);
        let now = Timestamp::from_millis(1_795_253_400_000);
        let metadata = MemoryMetadata::new(CreateArchive { id, partitions: options.partitions, now });
        let node = |number: usize| {
            let name = NodeName::new(&format!("storage-node-{number}")).expect("a name");
            let store = MemoryStore::new(name.clone());
            let faulty = Arc::new(Faulty::new(Arc::new(store.clone()), options.seed + number as u64));
            ClusterNode { name, store, faults: faulty.faults(), faulty }
        };
        let nodes: Vec<ClusterNode> = (1..=options.nodes).map(node).collect();
        let coordinator = LocalCoordinator::new();
        let metadata_faults = MetadataFaults::default();
        let archive = open(&options, &nodes, &metadata, &metadata_faults, &coordinator).await;
        Self {
            others: AtomicU64::new(0),
            archive: archive.expect("the archive opens"),
            nodes,
            metadata,
            metadata_faults,
            coordinator,
            options,
        }
    }

    /// Another process on the same backends.
    pub async fn another(&self) -> Result<Archive, Error> {
        let others = self.others.fetch_add(1, Ordering::Relaxed);
        let options = ClusterOptions { seed: self.options.seed + 1000 + others, ..self.options.clone() };
        open(&options, &self.nodes, &self.metadata, &self.metadata_faults, &self.coordinator).await
    }

    /// Puts a document.
    pub async fn put(&self, name: &str, bytes: &[u8]) -> Result<Document, Error> {
        put(&self.archive, name, bytes).await
    }

    /// Reads a document.
    pub async fn get(&self, name: &str) -> Result<Vec<u8>, Error> {
        get(&self.archive, name).await
    }

    /// How many blocks all nodes hold.
    pub async fn blocks(&self) -> usize {
        let mut count = 0;
        for node in &self.nodes {
            count += node.store.list(None, usize::MAX).await.map_or(0, |blocks| blocks.len());
        }
        count
    }

    /// Waits until `condition` holds, for work that goes on in the background; fails the test after 10 s.
    pub async fn eventually(&self, what: &str, mut condition: impl AsyncFnMut() -> bool) {
        for _ in 0..1000 {
            if condition().await {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        #[allow(clippy::panic, reason = "a failed test")]
        {
            panic!("never: {what}");
        }
    }
}

/// Puts a document into an archive, in chunks of odd length.
pub async fn put(archive: &Archive, name: &str, bytes: &[u8]) -> Result<Document, Error> {
    let chunks: Vec<_> = bytes.chunks(40_009).map(|chunk| Ok(Bytes::copy_from_slice(chunk))).collect();
    archive.put(request(name, Some(bytes.len() as u64)), stream::iter(chunks)).await
}

/// A plain request.
#[must_use]
pub fn request(name: &str, length: Option<u64>) -> PutRequest {
    let name = DocumentName::new(name).expect("a name");
    PutRequest { name, length, content_type: None, user_metadata: Vec::new() }
}

/// Reads a document from an archive.
pub async fn get(archive: &Archive, name: &str) -> Result<Vec<u8>, Error> {
    let document = archive.document(&DocumentName::new(name).expect("a name")).await?;
    read(archive, &document, 0..u64::MAX).await
}

/// Reads a part of a document.
pub async fn read(
    archive: &Archive,
    document: &Document,
    range: std::ops::Range<u64>,
) -> Result<Vec<u8>, Error> {
    archive.read(document, range).map_ok(|bytes| bytes.to_vec()).try_concat().await
}

/// `length` bytes that depend on `seed` and compress badly.
#[must_use]
pub fn bytes(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x5851_f42d_4c95_7f2d;
    let mut next = || {
        // xorshift64*: any bytes would do, as long as two documents differ.
        state ^= state >> 12;
        state ^= state << 25;
        state ^= state >> 27;
        state.wrapping_mul(0x2545_f491_4f6c_dd1d)
    };
    std::iter::repeat_with(|| next().to_le_bytes()).flatten().take(length).collect()
}

/// A body that gives `bytes` and then fails.
pub fn cut_short(bytes: Vec<u8>) -> impl futures_util::Stream<Item = std::io::Result<Bytes>> + Unpin {
    let end = stream::once(async { Err(std::io::Error::from(std::io::ErrorKind::ConnectionReset)) });
    stream::iter([Ok(Bytes::from(bytes))]).chain(end).boxed()
}

async fn open(
    options: &ClusterOptions,
    nodes: &[ClusterNode],
    metadata: &MemoryMetadata,
    faults: &MetadataFaults,
    coordinator: &LocalCoordinator,
) -> Result<Archive, Error> {
    let deadline = Duration::from_millis(400);
    let deadlines = Deadlines { read: deadline, write: deadline, other: deadline };
    let part = |(number, node): (usize, &ClusterNode)| NodeParts {
        name: node.name.clone(),
        zone: options.zones.get(number).cloned(),
        store: Arc::new(Timeout::new(Arc::clone(&node.faulty) as Arc<dyn BlockStore>, deadlines)),
    };
    let metadata: Arc<dyn MetadataStore> = Arc::new(FaultyMetadata::new(metadata.clone(), faults.clone()));
    let parts = Parts {
        nodes: nodes.iter().enumerate().map(part).collect(),
        metadata,
        coordinator: Arc::new(coordinator.clone()),
        clock: Arc::new(SystemClock),
        pool: BufferPool::new(8 << 20),
        address: String::new(),
        seed: Some(options.seed),
    };
    Archive::open(options.settings.clone(), parts).await
}
