//! The contract of a metadata store.

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use types::{
    ArchiveId, BlockId, BlockRef, CodewordRef, DocumentId, DocumentName, DocumentRecord, DocumentRef, Hash,
    Incarnation, LengthClass, NodeIndex, NodeName, OwnerId, Partition, Result, SegmentRecord, Sequence,
    Timestamp,
};

/// What is fixed when an archive is created.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ArchiveInfo {
    /// The archive's identifier.
    pub id: ArchiveId,
    /// How many partitions there are, at least 1.
    pub partitions: u16,
    /// When it was created.
    pub created: Timestamp,
}

/// What a new archive is to be; an archive that is there already stays what it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CreateArchive {
    /// The archive's identifier.
    pub id: ArchiveId,
    /// How many partitions there are to be, at least 1.
    pub partitions: u16,
    /// The time now.
    pub now: Timestamp,
}

/// A storage node that the archive knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeRecord {
    /// Its number in records.
    pub index: NodeIndex,
    /// Its name.
    pub name: NodeName,
    /// Which store of that name is meant.
    pub incarnation: Incarnation,
}

/// Longest key of a value of the daemons' own, in bytes.
pub const STATE_KEY_BYTES_MAX: usize = 255;

/// Longest value of the daemons' own, in bytes.
pub const STATE_BYTES_MAX: usize = 64 * 1024;

/// A wish to upload.
#[derive(Debug, Clone)]
pub struct Reserve {
    /// The name to be taken.
    pub name: DocumentName,
    /// The upload.
    pub document: DocumentId,
    /// The process that uploads.
    pub owner: OwnerId,
    /// For how long the name is held unless renewed.
    pub ttl: Duration,
    /// Takes the name from this upload too, if it still holds it: its process is known to be dead.
    pub instead_of: Option<DocumentId>,
}

/// A name that is held for an upload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reservation {
    /// The name.
    pub name: DocumentName,
    /// The name's partition.
    pub partition: Partition,
    /// The upload.
    pub document: DocumentId,
    /// The process that uploads.
    pub owner: OwnerId,
    /// When the name becomes free again, unless renewed.
    pub expires: Timestamp,
}

/// The answer to [`Reserve`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reserved {
    /// The name is held for the caller.
    Granted(Reservation),
    /// A document has the name.
    Exists(Box<Document>),
    /// Another upload holds the name.
    Held(Reservation),
}

/// An upload that began and neither committed nor was cleaned up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Intent {
    /// The upload.
    pub document: DocumentId,
    /// The name it wanted.
    pub name: DocumentName,
    /// The process that uploads.
    pub owner: OwnerId,
    /// When it began.
    pub started: Timestamp,
    /// Until when it may still commit; nothing of it may be collected before.
    pub expires: Timestamp,
}

/// A commit: the document, and those of its segments that were not staged.
#[derive(Debug, Clone)]
pub struct Commit {
    /// The document.
    pub record: DocumentRecord,
    /// The last segments, following on the staged ones without a gap.
    pub segments: Vec<SegmentRecord>,
}

/// A committed document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document {
    /// Where it stands.
    pub reference: DocumentRef,
    /// What is known of it.
    pub record: DocumentRecord,
}

/// A committed codeword, with what is needed to read its blocks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Codeword {
    /// Where it stands.
    pub reference: CodewordRef,
    /// The document's identifier, which names the blocks.
    pub document: DocumentId,
    /// The document's name.
    pub name: DocumentName,
    /// The segment's record.
    pub segment: SegmentRecord,
}

impl Codeword {
    /// The name on the nodes of parity `parity`.
    #[must_use]
    pub fn block_id(&self, parity: u8) -> BlockId {
        BlockId::new(self.document, self.reference.segment, parity)
    }
}

/// The `index`-th committed codeword of a length class in a partition, in the order of commits, from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ordinal {
    /// The partition.
    pub partition: Partition,
    /// The number.
    pub index: u64,
}

/// A line of a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListEntry {
    /// The document's name.
    pub name: DocumentName,
    /// Its length in bytes.
    pub length: u64,
    /// BLAKE3 of it.
    pub hash: Hash,
    /// When it was committed.
    pub created: Timestamp,
    /// Its media type.
    pub content_type: Option<String>,
}

impl ListEntry {
    /// A document's line.
    pub(crate) fn of(record: &DocumentRecord) -> Self {
        Self {
            name: record.name.clone(),
            length: record.layout.length(),
            hash: record.hash,
            created: record.created,
            content_type: record.content_type.clone(),
        }
    }
}

/// What was found wrong with a copy of a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DamageKind {
    /// The node has no such block, and a copy is missing.
    Missing,
    /// The node's bytes are not the block's.
    Corrupt,
    /// A copy that was never written: fewer than the replication factor were durable at commit.
    NeverWritten,
    /// The node's bytes end before the block does.
    Truncated,
    /// The node holds another block's or another archive's bytes under this name.
    Foreign,
    /// A copy on a node or in a zone where the placement rules do not want it.
    Misplaced,
    /// Fewer copies than there should be, none of which is known to have been elsewhere.
    TooFewCopies,
}

impl DamageKind {
    /// Every kind; a kind's place is its number in stores, so kinds are only ever appended.
    pub const ALL: [Self; 7] = [
        Self::Missing,
        Self::Corrupt,
        Self::NeverWritten,
        Self::Truncated,
        Self::Foreign,
        Self::Misplaced,
        Self::TooFewCopies,
    ];
}

/// A copy of a block that is not as it should be: the repair queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Damage {
    /// The block.
    pub block: BlockRef,
    /// Its name on the nodes.
    pub id: BlockId,
    /// The node whose copy it is; for a copy never written, the node that should have it if one was chosen.
    pub node: Option<NodeIndex>,
    /// What is wrong.
    pub kind: DamageKind,
    /// When it was first seen.
    pub seen: Timestamp,
}

/// The system of record.
///
/// Every method is atomic and linearizable: on one document always, and on all of a partition. Every change is
/// durable when the method returns, and a compare-and-swap: whoever lost a race is told `Conflict` (or an outcome
/// that says so) and nothing is changed. There are no default methods, so that a decorator forgets none.
///
/// Other kinds of error: `Unavailable`, `Timeout` (whether a change was made is then unknown), `Corrupt` (a record
/// that cannot be read), `Internal`.
#[async_trait]
pub trait MetadataStore: fmt::Debug + Send + Sync + 'static {
    /// What was fixed when the archive was created.
    fn archive(&self) -> ArchiveInfo;

    /// Makes a node known, if its name is not; returns what the store knows of the name afterwards: of several
    /// callers with different incarnations one wins, and all are told which.
    async fn register_node(&self, name: &NodeName, incarnation: Incarnation) -> Result<NodeRecord>;

    /// Takes another store for a known node: changes its incarnation if it still is `expected`. `Conflict` if it is
    /// not, `NotFound` for a name that is not known.
    async fn replace_node(
        &self,
        name: &NodeName,
        expected: Incarnation,
        incarnation: Incarnation,
    ) -> Result<NodeRecord>;

    /// All nodes that were ever registered, in the order of their numbers.
    async fn nodes(&self) -> Result<Vec<NodeRecord>>;

    /// Holds a name for an upload and records the intent, unless a document has the name or another upload holds
    /// it at `now`. The intent of an upload whose name is taken over, lapsed or not, stays.
    async fn reserve(&self, request: &Reserve, now: Timestamp) -> Result<Reserved>;

    /// Holds the name for another `ttl` from `now`. `Conflict` if it lapsed or was taken over.
    async fn renew(&self, reservation: &Reservation, ttl: Duration, now: Timestamp) -> Result<Reservation>;

    /// Keeps the records of segments `first..` of an upload, invisible until the commit, so that nobody has to
    /// hold all of a large document's. `first` is the number staged so far. `Conflict` if the reservation lapsed
    /// or was taken over; `Invalid` if `first` is another number.
    async fn stage(
        &self,
        reservation: &Reservation,
        first: u32,
        segments: &[SegmentRecord],
        now: Timestamp,
    ) -> Result<()>;

    /// Makes the document exist: record, sequence, class index and reverse index, all or nothing, and ends the
    /// reservation and the intent. `Conflict` if the reservation lapsed or was taken over; `Invalid` if the
    /// segments are not those of the layout, or point at what is not committed.
    async fn commit(&self, reservation: &Reservation, commit: &Commit, now: Timestamp) -> Result<Document>;

    /// Like [`MetadataStore::commit`], for a document made again from its blocks: of a parity all copies may be lost,
    /// so it may be on no node.
    async fn restore(&self, reservation: &Reservation, commit: &Commit, now: Timestamp) -> Result<Document>;

    /// Ends an upload that will not commit: frees the name if the upload still holds it, drops what was staged and,
    /// unless `leftovers` (blocks that could not be deleted), the intent. Succeeds if there is nothing to end;
    /// does nothing to a committed document.
    async fn abandon(&self, reservation: &Reservation, leftovers: bool) -> Result<()>;

    /// At most `limit` intents that expired before `before`, oldest first.
    async fn intents(&self, before: Timestamp, limit: usize) -> Result<Vec<Intent>>;

    /// The document of this name.
    async fn document(&self, name: &DocumentName) -> Result<Option<Document>>;

    /// The document of this identifier.
    async fn document_by_id(&self, id: &DocumentId) -> Result<Option<Document>>;

    /// At most `limit` documents of a partition whose sequence is `from` or later, in the order of commits.
    async fn scan(&self, partition: Partition, from: Sequence, limit: usize) -> Result<Vec<Document>>;

    /// At most `limit` documents whose identifiers sort after `after`, in the order of identifiers, over all
    /// partitions.
    async fn scan_ids(&self, after: Option<&DocumentId>, limit: usize) -> Result<Vec<Document>>;

    /// At most `limit` documents whose names start with `prefix` and sort after `after`, in the order of the
    /// names' bytes, over all partitions.
    async fn list(&self, prefix: &str, after: Option<&str>, limit: usize) -> Result<Vec<ListEntry>>;

    /// The segments `first..first + count` of a document, as many of them as there are.
    async fn segments(&self, document: DocumentRef, first: u32, count: u32) -> Result<Vec<SegmentRecord>>;

    /// How many committed codewords of a length class each partition has: as many numbers as partitions.
    async fn class_counts(&self, class: LengthClass) -> Result<Vec<u64>>;

    /// The codewords at these places of a class index, each `None` where there is none (yet).
    async fn codewords_at(&self, class: LengthClass, places: &[Ordinal]) -> Result<Vec<Option<Codeword>>>;

    /// These codewords, each `None` where there is none.
    async fn codewords(&self, references: &[CodewordRef]) -> Result<Vec<Option<Codeword>>>;

    /// At most `limit` codewords that have this block among their pointers and stand after `after`, in order.
    async fn pointing_at(
        &self,
        block: BlockRef,
        after: Option<CodewordRef>,
        limit: usize,
    ) -> Result<Vec<CodewordRef>>;

    /// Adds to the repair queue. What is in it already (same block, node and kind) stays with its first time.
    async fn record_damage(&self, damage: &[Damage]) -> Result<()>;

    /// At most `limit` entries of the repair queue that stand after `after`, in the order of block, node and kind.
    async fn damage(&self, after: Option<&Damage>, limit: usize) -> Result<Vec<Damage>>;

    /// Takes entries off the repair queue; what is not there is passed over.
    async fn clear_damage(&self, damage: &[Damage]) -> Result<()>;

    /// Replaces the nodes that hold a block, if they still are `expected`. `Conflict` if they are not.
    async fn relocate(&self, block: BlockRef, expected: &[NodeIndex], nodes: &[NodeIndex]) -> Result<()>;

    /// A value of the daemons' own: checkpoints, switches, reports. Keys have 1 to [`STATE_KEY_BYTES_MAX`] bytes and
    /// values at most [`STATE_BYTES_MAX`], else `Invalid`.
    async fn state(&self, key: &str) -> Result<Option<Vec<u8>>>;

    /// Replaces a value if it still is `expected`; `Conflict` if it is not. `None` is no value, which is another than
    /// the empty one.
    async fn set_state(&self, key: &str, expected: Option<&[u8]>, value: Option<&[u8]>) -> Result<()>;
}
