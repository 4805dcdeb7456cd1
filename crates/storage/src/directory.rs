//! A storage node in a folder of a file system.
//!
//! ```text
//! <folder>/selvage-node.json             the marker: whose folder it is
//! <folder>/blocks/<xx>/<block id>        a block, header and payload; xx is the last byte of the document's id
//! <folder>/tmp/<unique>                  writes in progress
//! ```
//!
//! A document's identifier begins with a time and ends in random bits: by its last byte, documents spread evenly
//! over 256 sub-folders, and all blocks of one document are in one of them. A sub-folder is made for its first block:
//! made all at once, they took a claim of 16 nodes half a second, and who deletes them again many more.
//!
//! Nothing but a claim makes `blocks` and `tmp`. So an operation on a folder that was deleted, emptied or not
//! mounted fails: it never fills the mount point of a disk that is not there.
//!
//! Each operation is one blocking task, which runs to its end when the caller loses interest.

mod claim;
mod files;
mod folder;
mod list;
#[cfg(test)]
mod tests;

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use tokio::sync::Semaphore;
use types::{BlockId, DocumentId, Error, ErrorKind, NodeName, Result};

use crate::{Block, BlockStat, BlockStore, BufferPool, NodeIdentity};
use folder::Folder;

/// A storage node in a folder. Cloning shares it, the attached identity included.
///
/// Any number of processes may have the same folder open. The file system must have hard links (to make a
/// claim atomic), and an `fsync` that tells the truth.
#[derive(Clone)]
pub struct DirectoryStore {
    folder: Arc<Folder>,
    /// A disk that hangs must not take every thread there is with it, only so many.
    turns: Arc<Semaphore>,
}

/// Operations on one folder at once. More would only queue at the disk.
const TURNS: usize = 16;

impl fmt::Debug for DirectoryStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut fields = f.debug_struct("DirectoryStore");
        fields
            .field("node", &self.folder.node)
            .field("directory", &self.folder.directory)
            .finish_non_exhaustive()
    }
}

impl DirectoryStore {
    /// The node `node` in the folder `directory`; blocks are read into buffers of `pool`. Touches nothing yet.
    #[must_use]
    pub fn new(node: NodeName, directory: PathBuf, pool: BufferPool) -> Self {
        let turns = Arc::new(Semaphore::new(TURNS));
        Self { folder: Arc::new(Folder::new(node, directory, pool)), turns }
    }

    /// Does `work` where it may block.
    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Folder) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let folder = Arc::clone(&self.folder);
        let turn = Arc::clone(&self.turns).acquire_owned().await;
        let work = move || {
            // Given back when the work ends, not when whoever waits for it gives up.
            let _turn = turn;
            work(&folder)
        };
        tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| {
            let kind = if error.is_panic() { ErrorKind::Internal } else { ErrorKind::Unavailable };
            Err(Error::new(kind, &self.folder.node, "a blocking task did not end").with_source(error))
        })
    }
}

#[async_trait]
impl BlockStore for DirectoryStore {
    fn node(&self) -> &NodeName {
        &self.folder.node
    }

    async fn identity(&self) -> Result<Option<NodeIdentity>> {
        self.blocking(Folder::read_marker).await
    }

    async fn claim(&self, identity: &NodeIdentity) -> Result<NodeIdentity> {
        let identity = identity.clone();
        self.blocking(move |folder| folder.claim(&identity)).await
    }

    fn attach(&self, identity: NodeIdentity) {
        self.folder.attach(identity);
    }

    async fn put(&self, id: &BlockId, block: &Block) -> Result<()> {
        let (id, block) = (*id, block.clone());
        self.blocking(move |folder| folder.put(&id, &block)).await
    }

    async fn get(&self, id: &BlockId, bytes_max: usize) -> Result<Bytes> {
        let id = *id;
        self.blocking(move |folder| folder.get(&id, bytes_max)).await
    }

    async fn stat(&self, id: &BlockId) -> Result<BlockStat> {
        let id = *id;
        self.blocking(move |folder| folder.stat(&id)).await
    }

    async fn delete(&self, id: &BlockId) -> Result<()> {
        let id = *id;
        self.blocking(move |folder| folder.delete(&id)).await
    }

    async fn list(&self, after: Option<&BlockId>, limit: usize) -> Result<Vec<BlockStat>> {
        let after = after.copied();
        self.blocking(move |folder| folder.list(after, limit)).await
    }

    async fn list_document(&self, document: &DocumentId) -> Result<Vec<BlockStat>> {
        let document = *document;
        self.blocking(move |folder| folder.list_document(&document)).await
    }
}
