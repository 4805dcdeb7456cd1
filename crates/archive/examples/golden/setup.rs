//! Archives in a folder, with the real backends: the same bytes in always give the same blocks out.
//!
//! `tests/format.rs` uses this too.
#![allow(clippy::expect_used, reason = "an example and tests may panic")]

use std::error::Error;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use archive::{Archive, NodeParts, Parts, PutRequest, Settings};
use bytes::Bytes;
use coordination::LocalCoordinator;
use futures_util::stream;
use metadata::{CreateArchive, Document, MetadataStore, SqliteMetadata};
use storage::{BufferPool, DirectoryStore, open_node};
use types::{ArchiveId, Clock, DocumentName, Incarnation, NodeName, Timestamp};

/// What goes wrong, wherever it comes from.
pub(crate) type Failure = Box<dyn Error + Send + Sync>;

/// When the archives of the test data were made.
const START_MILLIS: i64 = 1_795_253_400_000;

/// A clock that stands still until it is told to go on.
#[derive(Debug)]
pub(crate) struct StandingClock(AtomicI64);

impl StandingClock {
    /// A clock that stands at the time when the test data were made.
    pub(crate) fn new() -> Self {
        Self(AtomicI64::new(START_MILLIS))
    }

    /// Goes on by `duration`.
    pub(crate) fn advance(&self, duration: Duration) {
        let after = self.now().after(duration).as_millis();
        self.0.store(after, Ordering::Relaxed);
    }
}

impl Clock for StandingClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.0.load(Ordering::Relaxed))
    }
}

/// A document to be put. Its bytes are BLAKE3's extendable output for its name.
#[derive(Debug, Clone)]
pub(crate) struct Sample {
    /// Its name.
    pub(crate) name: String,
    /// Its length in bytes.
    pub(crate) length: usize,
    /// Its media type.
    pub(crate) content_type: Option<&'static str>,
    /// What the client wants to be told again.
    pub(crate) user_metadata: &'static [(&'static str, &'static str)],
}

impl Sample {
    /// A document with nothing but a name and bytes.
    pub(crate) fn plain(name: &str, length: usize) -> Self {
        Self { name: name.to_owned(), length, content_type: None, user_metadata: &[] }
    }

    /// The document's bytes.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut bytes = vec![0; self.length];
        blake3::Hasher::new().update(self.name.as_bytes()).finalize_xof().fill(&mut bytes);
        bytes
    }

    fn request(&self) -> Result<PutRequest, Failure> {
        let user_metadata =
            self.user_metadata.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Ok(PutRequest {
            name: DocumentName::new(&self.name)?,
            length: Some(self.length as u64),
            content_type: self.content_type.map(str::to_owned),
            user_metadata: user_metadata.collect(),
        })
    }
}

/// The metadata of the archive in `root`.
pub(crate) fn database(root: &Path) -> PathBuf {
    root.join("metadata.sqlite")
}

/// The folder of the archive's storage node `number`, from 1.
pub(crate) fn node_folder(root: &Path, number: usize) -> PathBuf {
    root.join("nodes").join(format!("storage-node-{number}"))
}

/// Opens the archive in `root` with directory nodes and SQLite; makes it if there is none, as the archive that
/// `seed` numbers.
pub(crate) async fn open(
    root: &Path,
    nodes: usize,
    settings: Settings,
    seed: u8,
    clock: Arc<dyn Clock>,
) -> Result<Archive, Failure> {
    let id = ArchiveId::from_random([seed; 16]);
    let create = CreateArchive { id, partitions: 4, now: clock.now() };
    let metadata: Arc<dyn MetadataStore> = Arc::new(SqliteMetadata::open(&database(root), create).await?);
    let pool = BufferPool::new(1 << 20);
    let mut parts = Vec::new();
    for number in 1..=nodes {
        let name = NodeName::new(&format!("storage-node-{number}"))?;
        let store = DirectoryStore::new(name.clone(), node_folder(root, number), pool.clone());
        // One after the other, so that the nodes' numbers do not depend on which answers first.
        if metadata.nodes().await?.iter().all(|node| node.name != name) {
            let fresh = Incarnation::from_random([u8::try_from(number)?; 16]);
            let identity = open_node(&store, metadata.archive().id, None, fresh).await?;
            metadata.register_node(&name, identity.incarnation).await?;
        }
        parts.push(NodeParts { name, zone: None, store: Arc::new(store) });
    }
    let parts = Parts {
        nodes: parts,
        metadata,
        coordinator: Arc::new(LocalCoordinator::new()),
        clock,
        pool,
        address: String::new(),
        seed: Some(seed.into()),
    };
    Ok(Archive::open(settings, parts).await?)
}

/// Puts a document.
pub(crate) async fn put(archive: &Archive, sample: &Sample) -> Result<Document, Failure> {
    let body = stream::iter([Ok(Bytes::from(sample.bytes()))]);
    Ok(archive.put(sample.request()?, body).await?)
}
