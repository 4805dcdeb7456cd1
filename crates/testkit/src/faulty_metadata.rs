//! A metadata store whose commits go wrong when told to: what must be survived is that nobody knows whether they
//! were carried out.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use metadata::{
    ArchiveInfo, Codeword, Commit, Damage, Document, Intent, ListEntry, MemoryMetadata, MetadataStore,
    NodeRecord, Ordinal, Reservation, Reserve, Reserved,
};
use types::{
    BlockRef, CodewordRef, DocumentId, DocumentName, DocumentRef, Error, ErrorKind, Incarnation, LengthClass,
    NodeIndex, NodeName, Partition, Result, SegmentRecord, Sequence, Timestamp,
};

/// What becomes of a commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum CommitFault {
    /// Nothing goes wrong.
    None = 0,
    /// It is carried out, but the answer is lost.
    AnswerLost = 1,
    /// It is not carried out, and the answer is lost.
    RequestLost = 2,
}

/// The switches of a [`FaultyMetadata`]. Cloning shares them.
#[derive(Debug, Clone, Default)]
pub struct MetadataFaults {
    commit: Arc<AtomicU8>,
}

impl MetadataFaults {
    /// From now on this becomes of commits.
    pub fn set_commit(&self, fault: CommitFault) {
        self.commit.store(fault as u8, Ordering::Relaxed);
    }

    fn is(&self, fault: CommitFault) -> bool {
        self.commit.load(Ordering::Relaxed) == fault as u8
    }
}

/// A metadata store that fails when told to.
#[derive(Debug)]
pub struct FaultyMetadata {
    inner: MemoryMetadata,
    faults: MetadataFaults,
}

impl FaultyMetadata {
    /// `inner`, failing as `faults` say.
    #[must_use]
    pub fn new(inner: MemoryMetadata, faults: MetadataFaults) -> Self {
        Self { inner, faults }
    }
}

#[async_trait]
impl MetadataStore for FaultyMetadata {
    fn archive(&self) -> ArchiveInfo {
        self.inner.archive()
    }

    async fn register_node(&self, name: &NodeName, incarnation: Incarnation) -> Result<NodeRecord> {
        self.inner.register_node(name, incarnation).await
    }

    async fn replace_node(
        &self,
        name: &NodeName,
        expected: Incarnation,
        incarnation: Incarnation,
    ) -> Result<NodeRecord> {
        self.inner.replace_node(name, expected, incarnation).await
    }

    async fn nodes(&self) -> Result<Vec<NodeRecord>> {
        self.inner.nodes().await
    }

    async fn reserve(&self, request: &Reserve, now: Timestamp) -> Result<Reserved> {
        self.inner.reserve(request, now).await
    }

    async fn renew(&self, reservation: &Reservation, ttl: Duration, now: Timestamp) -> Result<Reservation> {
        self.inner.renew(reservation, ttl, now).await
    }

    async fn stage(
        &self,
        reservation: &Reservation,
        first: u32,
        segments: &[SegmentRecord],
        now: Timestamp,
    ) -> Result<()> {
        self.inner.stage(reservation, first, segments, now).await
    }

    async fn commit(&self, reservation: &Reservation, commit: &Commit, now: Timestamp) -> Result<Document> {
        let lost = || Error::new(ErrorKind::Timeout, "metadata", "no answer");
        if self.faults.is(CommitFault::RequestLost) {
            return Err(lost());
        }
        let committed = self.inner.commit(reservation, commit, now).await;
        if self.faults.is(CommitFault::AnswerLost) { Err(lost()) } else { committed }
    }

    async fn restore(&self, reservation: &Reservation, commit: &Commit, now: Timestamp) -> Result<Document> {
        self.inner.restore(reservation, commit, now).await
    }

    async fn abandon(&self, reservation: &Reservation, leftovers: bool) -> Result<()> {
        self.inner.abandon(reservation, leftovers).await
    }

    async fn intents(&self, before: Timestamp, limit: usize) -> Result<Vec<Intent>> {
        self.inner.intents(before, limit).await
    }

    async fn document(&self, name: &DocumentName) -> Result<Option<Document>> {
        self.inner.document(name).await
    }

    async fn document_by_id(&self, id: &DocumentId) -> Result<Option<Document>> {
        self.inner.document_by_id(id).await
    }

    async fn scan(&self, partition: Partition, from: Sequence, limit: usize) -> Result<Vec<Document>> {
        self.inner.scan(partition, from, limit).await
    }

    async fn scan_ids(&self, after: Option<&DocumentId>, limit: usize) -> Result<Vec<Document>> {
        self.inner.scan_ids(after, limit).await
    }

    async fn list(&self, prefix: &str, after: Option<&str>, limit: usize) -> Result<Vec<ListEntry>> {
        self.inner.list(prefix, after, limit).await
    }

    async fn segments(&self, document: DocumentRef, first: u32, count: u32) -> Result<Vec<SegmentRecord>> {
        self.inner.segments(document, first, count).await
    }

    async fn class_counts(&self, class: LengthClass) -> Result<Vec<u64>> {
        self.inner.class_counts(class).await
    }

    async fn codewords_at(&self, class: LengthClass, places: &[Ordinal]) -> Result<Vec<Option<Codeword>>> {
        self.inner.codewords_at(class, places).await
    }

    async fn codewords(&self, references: &[CodewordRef]) -> Result<Vec<Option<Codeword>>> {
        self.inner.codewords(references).await
    }

    async fn pointing_at(
        &self,
        block: BlockRef,
        after: Option<CodewordRef>,
        limit: usize,
    ) -> Result<Vec<CodewordRef>> {
        self.inner.pointing_at(block, after, limit).await
    }

    async fn record_damage(&self, damage: &[Damage]) -> Result<()> {
        self.inner.record_damage(damage).await
    }

    async fn damage(&self, after: Option<&Damage>, limit: usize) -> Result<Vec<Damage>> {
        self.inner.damage(after, limit).await
    }

    async fn clear_damage(&self, damage: &[Damage]) -> Result<()> {
        self.inner.clear_damage(damage).await
    }

    async fn relocate(&self, block: BlockRef, expected: &[NodeIndex], nodes: &[NodeIndex]) -> Result<()> {
        self.inner.relocate(block, expected, nodes).await
    }

    async fn state(&self, key: &str) -> Result<Option<Vec<u8>>> {
        self.inner.state(key).await
    }

    async fn set_state(&self, key: &str, expected: Option<&[u8]>, value: Option<&[u8]>) -> Result<()> {
        self.inner.set_state(key, expected, value).await
    }
}
