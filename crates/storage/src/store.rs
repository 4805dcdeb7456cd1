//! The contract of a storage node.

use std::fmt;

use async_trait::async_trait;
use bytes::Bytes;
use types::{ArchiveId, BlockId, DocumentId, Incarnation, NodeName, Result, Timestamp};

use crate::Block;

/// What a store's marker says: whose store it is. Kept in the store itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeIdentity {
    /// The archive that the store belongs to.
    pub archive: ArchiveId,
    /// The node's name in that archive.
    pub node: NodeName,
    /// Drawn when the store was claimed: another store under the same name has another.
    pub incarnation: Incarnation,
}

impl fmt::Display for NodeIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "node {} of archive {} (incarnation {})", self.node, self.archive, self.incarnation)
    }
}

/// What a node knows of a block without reading it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BlockStat {
    /// The block's name.
    pub id: BlockId,
    /// Header and payload, in bytes.
    pub length: u64,
    /// When it was written, by the node's clock.
    pub modified: Timestamp,
}

/// A storage node.
///
/// Every method may be called at any time from any number of tasks and processes. There are no default methods,
/// so that a decorator forgets none. Dropping a future leaves the store consistent: a block is there whole or
/// not at all.
///
/// Kinds of error, beyond those that methods name: `Unavailable` (does not answer, out of space, failed to make
/// something durable), `Timeout`, `Denied` (the store does not carry the attached identity: it was replaced,
/// emptied, unmounted or mixed up; it says nothing about any block), `Invalid`, `Internal`.
#[async_trait]
pub trait BlockStore: fmt::Debug + Send + Sync + 'static {
    /// The node's name.
    fn node(&self) -> &NodeName;

    /// Reads the store's marker; `None` where there is none. `Corrupt` if it cannot be read as one.
    async fn identity(&self) -> Result<Option<NodeIdentity>>;

    /// Writes the marker, if the store has none and holds nothing else, and returns the one that stands
    /// afterwards: of several claimants one wins, and all are told who. `Denied` if the store has no marker but
    /// is not empty.
    async fn claim(&self, identity: &NodeIdentity) -> Result<NodeIdentity>;

    /// From now on every operation on blocks is refused with `Denied` unless the store carries this identity.
    /// Before it is called, operations on blocks are refused with `Denied` too. Reading a block that is there
    /// need not look at the marker; answering `NotFound`, writing, deleting and listing must not happen on a
    /// store without it (a look that is at most a second old will do).
    fn attach(&self, identity: NodeIdentity);

    /// Keeps a block. When this returns, the block is durable: it survives a crash of process, machine and power.
    /// A block that is there already is replaced whole. Nobody ever sees a part of it.
    async fn put(&self, id: &BlockId, block: &Block) -> Result<()>;

    /// The whole block, header and payload, in one buffer, unchecked. `NotFound` if there is none; `Corrupt` if
    /// the node holds more than `bytes_max` bytes under this name.
    async fn get(&self, id: &BlockId, bytes_max: usize) -> Result<Bytes>;

    /// What the node knows of a block. `NotFound` if there is none.
    async fn stat(&self, id: &BlockId) -> Result<BlockStat>;

    /// Removes a block; succeeds if there was none.
    async fn delete(&self, id: &BlockId) -> Result<()>;

    /// At most `limit` blocks whose names sort after `after`, from the first if `None`, in the order of names.
    /// A short answer, an empty one included, ends the inventory. What came or went meanwhile may be missing.
    async fn list(&self, after: Option<&BlockId>, limit: usize) -> Result<Vec<BlockStat>>;

    /// All blocks of one document, in order.
    async fn list_document(&self, document: &DocumentId) -> Result<Vec<BlockStat>>;
}
