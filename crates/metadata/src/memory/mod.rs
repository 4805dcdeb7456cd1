//! A store in memory, for tests: the contract in its plainest form.

mod state;

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use types::{
    BlockRef, CodewordRef, DocumentId, DocumentName, DocumentRef, Incarnation, LengthClass, NodeIndex,
    NodeName, Partition, Result, SegmentRecord, Sequence, Timestamp,
};

use crate::check::Copies;
use crate::{
    ArchiveInfo, Codeword, Commit, CreateArchive, Damage, Document, Intent, ListEntry, MetadataStore,
    NodeRecord, Ordinal, Reservation, Reserve, Reserved,
};
use state::State;

/// A metadata store that ends with the process. A clone is another handle on the same store.
#[derive(Clone)]
pub struct MemoryMetadata {
    archive: ArchiveInfo,
    state: Arc<Mutex<State>>,
}

impl MemoryMetadata {
    /// A new and empty archive. Zero partitions are taken as one.
    #[must_use]
    pub fn new(create: CreateArchive) -> Self {
        let archive =
            ArchiveInfo { id: create.id, partitions: create.partitions.max(1), created: create.now };
        Self { archive, state: Arc::new(Mutex::new(State::new(archive.partitions))) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // A panic in the middle of a change is a failed test anyhow.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for MemoryMetadata {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryMetadata").field("archive", &self.archive).finish_non_exhaustive()
    }
}

#[async_trait]
impl MetadataStore for MemoryMetadata {
    fn archive(&self) -> ArchiveInfo {
        self.archive
    }

    async fn register_node(&self, name: &NodeName, incarnation: Incarnation) -> Result<NodeRecord> {
        self.state().register_node(name, incarnation)
    }

    async fn replace_node(
        &self,
        name: &NodeName,
        expected: Incarnation,
        incarnation: Incarnation,
    ) -> Result<NodeRecord> {
        self.state().replace_node(name, expected, incarnation)
    }

    async fn nodes(&self) -> Result<Vec<NodeRecord>> {
        Ok(self.state().nodes.clone())
    }

    async fn reserve(&self, request: &Reserve, now: Timestamp) -> Result<Reserved> {
        self.state().reserve(request, now)
    }

    async fn renew(&self, reservation: &Reservation, ttl: Duration, now: Timestamp) -> Result<Reservation> {
        self.state().renew(reservation, ttl, now)
    }

    async fn stage(
        &self,
        reservation: &Reservation,
        first: u32,
        segments: &[SegmentRecord],
        now: Timestamp,
    ) -> Result<()> {
        self.state().stage(reservation, first, segments, now)
    }

    async fn commit(&self, reservation: &Reservation, commit: &Commit, now: Timestamp) -> Result<Document> {
        self.state().commit(reservation, commit, now, Copies::Written)
    }

    async fn restore(&self, reservation: &Reservation, commit: &Commit, now: Timestamp) -> Result<Document> {
        self.state().commit(reservation, commit, now, Copies::AnyLeft)
    }

    async fn abandon(&self, reservation: &Reservation, leftovers: bool) -> Result<()> {
        self.state().abandon(reservation, leftovers);
        Ok(())
    }

    async fn intents(&self, before: Timestamp, limit: usize) -> Result<Vec<Intent>> {
        Ok(self.state().intents(before, limit))
    }

    async fn document(&self, name: &DocumentName) -> Result<Option<Document>> {
        let state = self.state();
        Ok(state.names.get(name).and_then(|reference| state.document(*reference)))
    }

    async fn document_by_id(&self, id: &DocumentId) -> Result<Option<Document>> {
        let state = self.state();
        Ok(state.ids.get(id).and_then(|reference| state.document(*reference)))
    }

    async fn scan(&self, partition: Partition, from: Sequence, limit: usize) -> Result<Vec<Document>> {
        Ok(self.state().scan(partition, from, limit))
    }

    async fn scan_ids(&self, after: Option<&DocumentId>, limit: usize) -> Result<Vec<Document>> {
        Ok(self.state().scan_ids(after, limit))
    }

    async fn list(&self, prefix: &str, after: Option<&str>, limit: usize) -> Result<Vec<ListEntry>> {
        Ok(self.state().list(prefix, after, limit))
    }

    async fn segments(&self, document: DocumentRef, first: u32, count: u32) -> Result<Vec<SegmentRecord>> {
        let state = self.state();
        let segments = state.entry(document).map_or(&[][..], |entry| &entry.segments);
        Ok(segments.iter().skip(first as usize).take(count as usize).cloned().collect())
    }

    async fn class_counts(&self, class: LengthClass) -> Result<Vec<u64>> {
        let state = self.state();
        let count = |partition: &state::PartitionState| {
            partition.classes.get(&class).map_or(0, |codewords| codewords.len() as u64)
        };
        Ok(state.partitions.iter().map(count).collect())
    }

    async fn codewords_at(&self, class: LengthClass, places: &[Ordinal]) -> Result<Vec<Option<Codeword>>> {
        let state = self.state();
        Ok(places.iter().map(|place| state.codeword_at(class, *place)).collect())
    }

    async fn codewords(&self, references: &[CodewordRef]) -> Result<Vec<Option<Codeword>>> {
        let state = self.state();
        Ok(references.iter().map(|reference| state.codeword(*reference)).collect())
    }

    async fn pointing_at(
        &self,
        block: BlockRef,
        after: Option<CodewordRef>,
        limit: usize,
    ) -> Result<Vec<CodewordRef>> {
        Ok(self.state().pointing_at(block, after, limit))
    }

    async fn record_damage(&self, damage: &[Damage]) -> Result<()> {
        self.state().record_damage(damage)
    }

    async fn damage(&self, after: Option<&Damage>, limit: usize) -> Result<Vec<Damage>> {
        Ok(self.state().damage(after, limit))
    }

    async fn clear_damage(&self, damage: &[Damage]) -> Result<()> {
        self.state().clear_damage(damage);
        Ok(())
    }

    async fn relocate(&self, block: BlockRef, expected: &[NodeIndex], nodes: &[NodeIndex]) -> Result<()> {
        self.state().relocate(block, expected, nodes)
    }

    async fn state(&self, key: &str) -> Result<Option<Vec<u8>>> {
        self.state().value(key)
    }

    async fn set_state(&self, key: &str, expected: Option<&[u8]>, value: Option<&[u8]>) -> Result<()> {
        self.state().set_value(key, expected, value)
    }
}
