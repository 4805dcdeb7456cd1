//! PUT latency against the number of documents, and what a document's metadata costs on disk.
//!
//! Most documents are records only, made by the generator of crate `metadata`. Their blocks, when a PUT selects them
//! as pointers, are served by a [`Ghost`], so that a PUT does all that it does otherwise: it selects, looks up, reads,
//! codes, writes three blocks to real folders, fsyncs them, and commits.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, Result};
use archive::{Archive, NodeParts, Parts, PutRequest, Settings};
use async_trait::async_trait;
use bytes::Bytes;
use coordination::LocalCoordinator;
use futures_util::stream;
use metadata::synthetic::{Synthetic, generate};
use metadata::{CreateArchive, SqliteMetadata};
use storage::{Block, BlockStat, BlockStore, BufferPool, DirectoryStore, NodeIdentity};
use types::{
    ArchiveId, BlockId, Clock, CodeParameters, DocumentId, DocumentName, ErrorKind, Hash, NodeName,
    SystemClock,
};

use crate::report::{Wanted, figure, median};

const FEW: u64 = 1000;
const NODES: u16 = 16;
const BLOCK_BYTES: usize = 4096;
const PUTS: usize = 400;

/// A folder that answers with one and the same block for every one it does not have.
#[derive(Debug)]
struct Ghost {
    inner: DirectoryStore,
    block: Bytes,
}

#[async_trait]
impl BlockStore for Ghost {
    fn node(&self) -> &NodeName {
        self.inner.node()
    }

    async fn identity(&self) -> types::Result<Option<NodeIdentity>> {
        self.inner.identity().await
    }

    async fn claim(&self, identity: &NodeIdentity) -> types::Result<NodeIdentity> {
        self.inner.claim(identity).await
    }

    fn attach(&self, identity: NodeIdentity) {
        self.inner.attach(identity);
    }

    async fn put(&self, id: &BlockId, block: &Block) -> types::Result<()> {
        self.inner.put(id, block).await
    }

    async fn get(&self, id: &BlockId, bytes_max: usize) -> types::Result<Bytes> {
        match self.inner.get(id, bytes_max).await {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(self.block.clone()),
            found => found,
        }
    }

    async fn stat(&self, id: &BlockId) -> types::Result<BlockStat> {
        self.inner.stat(id).await
    }

    async fn delete(&self, id: &BlockId) -> types::Result<()> {
        self.inner.delete(id).await
    }

    async fn list(&self, after: Option<&BlockId>, limit: usize) -> types::Result<Vec<BlockStat>> {
        self.inner.list(after, limit).await
    }

    async fn list_document(&self, document: &DocumentId) -> types::Result<Vec<BlockStat>> {
        self.inner.list_document(document).await
    }
}

/// Runs and prints the figures, with `many` documents against a thousand.
pub(crate) async fn run(directory: &Path, many: u64) -> Result<()> {
    let small = open(&directory.join("few"), FEW).await?;
    let begin = Instant::now();
    let large = open(&directory.join("many"), many).await?;
    figure(&format!("generating {many} records"), begin.elapsed().as_secs_f64(), "s", Wanted::Nothing);
    let bytes = metadata_bytes(&directory.join("many"))? as f64 / many as f64;
    figure("metadata on disk, a document", bytes, "bytes", Wanted::AtMost(1024.0));
    let (mut few_ms, mut many_ms, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    for number in 0..PUTS {
        let few = put(&small, number).await?;
        let many = put(&large, number).await?;
        // The first ones fill caches, of SQLite's pages among others.
        if number >= PUTS / 4 {
            few_ms.push(few);
            many_ms.push(many);
            ratios.push(many / few);
        }
    }
    let medians = median(many_ms.clone()) / median(few_ms.clone());
    figure(&format!("4 KiB PUT with {FEW} documents"), median(few_ms), "ms", Wanted::Nothing);
    figure(&format!("4 KiB PUT with {many} documents"), median(many_ms), "ms", Wanted::Nothing);
    figure("4 KiB PUT: median of the ratios pair by pair", median(ratios), "x", Wanted::Nothing);
    figure("4 KiB PUT: ratio of the medians", medians, "x", Wanted::AtMost(1.2));
    Ok(())
}

async fn open(directory: &Path, documents: u64) -> Result<Archive> {
    std::fs::create_dir_all(directory)?;
    let id = ArchiveId::from_bytes([0x5e; 16]);
    let now = SystemClock.now();
    let metadata =
        SqliteMetadata::open(&directory.join("metadata.sqlite"), CreateArchive { id, partitions: 1, now })
            .await?;
    let payload = vec![7; BLOCK_BYTES];
    let pool = BufferPool::new(16 << 20);
    let block = Bytes::from([&header()?, &payload[..]].concat());
    let node = |number: u16| -> Result<NodeParts> {
        let name = NodeName::new(&format!("storage-node-{number}"))?;
        let inner = DirectoryStore::new(name.clone(), directory.join(name.as_str()), pool.clone());
        Ok(NodeParts { name, zone: None, store: Arc::new(Ghost { inner, block: block.clone() }) })
    };
    let metadata = Arc::new(metadata);
    let parts = Parts {
        nodes: (1..=NODES).map(node).collect::<Result<_>>()?,
        metadata: metadata.clone(),
        coordinator: Arc::new(LocalCoordinator::new()),
        clock: Arc::new(SystemClock),
        pool: pool.clone(),
        address: String::new(),
        seed: Some(1),
    };
    // Opening makes the nodes known, which the records name.
    let archive = Archive::open(Settings::default(), parts).await?;
    let payload = Some(Hash::of(&payload));
    let synthetic = Synthetic { parameters: CodeParameters::DEFAULT, nodes: NODES, now, payload };
    generate(&metadata, synthetic, 0, documents, &mut Vec::new()).await?;
    Ok(archive)
}

/// A header that says no more than how long it is: nobody reads the rest of it on the way of a PUT.
fn header() -> Result<Vec<u8>> {
    let mut header = code::header::MAGIC.to_vec();
    header.extend(code::header::VERSION.to_le_bytes());
    header.extend([0; 2]);
    header.extend(64_u32.to_le_bytes());
    header.resize(64, 0);
    let length = code::header::header_length(&header).context("the header")?;
    anyhow::ensure!(length == 64);
    Ok(header)
}

async fn put(archive: &Archive, number: usize) -> Result<f64> {
    let name = DocumentName::new(&format!("measured/{number}"))?;
    let mut body = vec![3; BLOCK_BYTES];
    body.iter_mut().zip(number.to_le_bytes()).for_each(|(byte, new)| *byte = new);
    let request =
        PutRequest { name, length: Some(BLOCK_BYTES as u64), content_type: None, user_metadata: Vec::new() };
    let begin = Instant::now();
    archive.put(request, stream::iter([Ok(Bytes::from(body))])).await?;
    Ok(begin.elapsed().as_secs_f64() * 1e3)
}

fn metadata_bytes(directory: &Path) -> Result<u64> {
    let mut bytes = 0;
    for entry in std::fs::read_dir(directory)? {
        let entry = entry?;
        // The write-ahead log is a bounded extra, whatever the archive's size: only the database grows.
        if entry.file_name() == "metadata.sqlite" {
            bytes += entry.metadata()?.len();
        }
    }
    Ok(bytes)
}
