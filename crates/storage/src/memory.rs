//! A storage node in memory, for tests and simulations. Its blocks do not outlive the process.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Bound;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use types::{BlockId, DocumentId, Error, ErrorKind, NodeName, Result, Timestamp};

use crate::{Block, BlockStat, BlockStore, NodeIdentity, marker};

/// A storage node in memory. Cloning shares it, the attached identity included.
#[derive(Clone)]
pub struct MemoryStore {
    node: NodeName,
    contents: Arc<Mutex<Contents>>,
    attached: Arc<Mutex<Option<NodeIdentity>>>,
}

#[derive(Default)]
struct Contents {
    marker: Option<NodeIdentity>,
    blocks: BTreeMap<BlockId, Kept>,
}

struct Kept {
    bytes: Bytes,
    modified: Timestamp,
}

impl fmt::Debug for MemoryStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryStore").field("node", &self.node).finish_non_exhaustive()
    }
}

impl MemoryStore {
    /// An empty store without a marker.
    #[must_use]
    pub fn new(node: NodeName) -> Self {
        Self { node, contents: Arc::default(), attached: Arc::default() }
    }

    /// Another handle on the same contents, with nothing attached: what another process, or this one after a
    /// restart, would see.
    #[must_use]
    pub fn reopened(&self) -> Self {
        Self { attached: Arc::default(), ..self.clone() }
    }

    /// Loses the marker and every block, as if an empty disk stood in the old one's place.
    pub fn wipe(&self) {
        *self.lock() = Contents::default();
    }

    /// Loses the marker and keeps the blocks.
    pub fn remove_marker(&self) {
        self.lock().marker = None;
    }

    /// How many blocks are kept.
    #[must_use]
    pub fn blocks(&self) -> usize {
        self.lock().blocks.len()
    }

    /// The contents are valid after every statement, so a panic elsewhere poisons nothing.
    fn lock(&self) -> MutexGuard<'_, Contents> {
        self.contents.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn attached(&self) -> Result<NodeIdentity> {
        let attached = self.attached.lock().unwrap_or_else(PoisonError::into_inner);
        attached.clone().ok_or_else(|| marker::not_attached(&self.node))
    }

    /// The contents, if they are those of the attached identity.
    fn checked(&self) -> Result<MutexGuard<'_, Contents>> {
        let expected = self.attached()?;
        let contents = self.lock();
        marker::check("the memory", &expected, contents.marker.as_ref())?;
        Ok(contents)
    }

    fn missing(&self, id: &BlockId) -> Error {
        Error::new(ErrorKind::NotFound, &self.node, format_args!("block {id} is not here"))
    }
}

fn stat_of((id, kept): (&BlockId, &Kept)) -> BlockStat {
    BlockStat { id: *id, length: kept.bytes.len() as u64, modified: kept.modified }
}

#[async_trait]
impl BlockStore for MemoryStore {
    fn node(&self) -> &NodeName {
        &self.node
    }

    async fn identity(&self) -> Result<Option<NodeIdentity>> {
        Ok(self.lock().marker.clone())
    }

    async fn claim(&self, identity: &NodeIdentity) -> Result<NodeIdentity> {
        let mut contents = self.lock();
        if contents.marker.is_none() && !contents.blocks.is_empty() {
            return Err(Error::new(
                ErrorKind::Denied,
                &self.node,
                "the store has no marker but is not empty",
            ));
        }
        Ok(contents.marker.get_or_insert_with(|| identity.clone()).clone())
    }

    fn attach(&self, identity: NodeIdentity) {
        *self.attached.lock().unwrap_or_else(PoisonError::into_inner) = Some(identity);
    }

    async fn put(&self, id: &BlockId, block: &Block) -> Result<()> {
        let mut bytes = BytesMut::with_capacity(block.len());
        bytes.extend_from_slice(&block.header);
        bytes.extend_from_slice(&block.payload);
        let kept = Kept { bytes: bytes.freeze(), modified: SystemTime::now().into() };
        self.checked()?.blocks.insert(*id, kept);
        Ok(())
    }

    async fn get(&self, id: &BlockId, bytes_max: usize) -> Result<Bytes> {
        let contents = self.checked()?;
        let kept = contents.blocks.get(id).ok_or_else(|| self.missing(id))?;
        if kept.bytes.len() > bytes_max {
            let message =
                format_args!("block {id} has {} bytes, over {bytes_max}", kept.bytes.len()).to_string();
            return Err(Error::new(ErrorKind::Corrupt, &self.node, message));
        }
        Ok(kept.bytes.clone())
    }

    async fn stat(&self, id: &BlockId) -> Result<BlockStat> {
        let contents = self.checked()?;
        contents.blocks.get_key_value(id).map(stat_of).ok_or_else(|| self.missing(id))
    }

    async fn delete(&self, id: &BlockId) -> Result<()> {
        self.checked()?.blocks.remove(id);
        Ok(())
    }

    async fn list(&self, after: Option<&BlockId>, limit: usize) -> Result<Vec<BlockStat>> {
        let start = after.map_or(Bound::Unbounded, Bound::Excluded);
        let contents = self.checked()?;
        Ok(contents.blocks.range((start, Bound::Unbounded)).take(limit).map(stat_of).collect())
    }

    async fn list_document(&self, document: &DocumentId) -> Result<Vec<BlockStat>> {
        let (first, last) = (BlockId::new(*document, 0, 0), BlockId::new(*document, u32::MAX, u8::MAX));
        Ok(self.checked()?.blocks.range(first..=last).map(stat_of).collect())
    }
}
