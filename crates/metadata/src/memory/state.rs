//! What the store in memory holds, and every operation on it.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Bound;
use std::time::Duration;

use types::{
    BlockId, BlockRef, CodewordRef, DocumentId, DocumentName, DocumentRecord, DocumentRef, Incarnation,
    LengthClass, NodeIndex, NodeName, OwnerId, Partition, Pointer, Result, SegmentRecord, Sequence,
    Timestamp,
};

use crate::check::Copies;
use crate::runs::runs;
use crate::{
    Codeword, Commit, Damage, DamageKind, Document, Intent, ListEntry, NodeRecord, Ordinal, Reservation,
    Reserve, Reserved, check, partition_of, refusal,
};

/// A committed document.
pub(super) struct Entry {
    pub(super) record: DocumentRecord,
    pub(super) segments: Vec<SegmentRecord>,
}

#[derive(Default)]
pub(super) struct PartitionState {
    documents: Vec<Entry>,
    pub(super) classes: BTreeMap<LengthClass, Vec<CodewordRef>>,
}

/// An upload that neither committed nor was cleaned up.
struct Upload {
    name: DocumentName,
    owner: OwnerId,
    started: Timestamp,
    expires: Timestamp,
    staged: Vec<SegmentRecord>,
}

type DamageKey = (BlockRef, Option<NodeIndex>, DamageKind);

#[derive(Default)]
pub(super) struct State {
    pub(super) names: BTreeMap<DocumentName, DocumentRef>,
    pub(super) ids: BTreeMap<DocumentId, DocumentRef>,
    pub(super) partitions: Vec<PartitionState>,
    pub(super) nodes: Vec<NodeRecord>,
    reservations: HashMap<DocumentName, DocumentId>,
    uploads: BTreeMap<DocumentId, Upload>,
    pointed: BTreeSet<(BlockRef, CodewordRef)>,
    damage: BTreeMap<DamageKey, (BlockId, Timestamp)>,
    values: HashMap<String, Vec<u8>>,
}

fn key_of(damage: &Damage) -> DamageKey {
    (damage.block, damage.node, damage.kind)
}

impl State {
    pub(super) fn new(partitions: u16) -> Self {
        let partitions = (0..partitions).map(|_| PartitionState::default()).collect();
        Self { partitions, ..Self::default() }
    }

    fn partition_of(&self, name: &DocumentName) -> Partition {
        partition_of(name, u16::try_from(self.partitions.len()).unwrap_or(u16::MAX))
    }

    fn partition(&mut self, partition: Partition) -> Result<&mut PartitionState> {
        let found = self.partitions.get_mut(usize::from(partition.0));
        found.ok_or_else(|| refusal::internal(format_args!("there is no partition {}", partition.0)))
    }

    pub(super) fn entry(&self, reference: DocumentRef) -> Option<&Entry> {
        let partition = self.partitions.get(usize::from(reference.partition.0))?;
        partition.documents.get(usize::try_from(reference.sequence).ok()?)
    }

    pub(super) fn document(&self, reference: DocumentRef) -> Option<Document> {
        self.entry(reference).map(|entry| Document { reference, record: entry.record.clone() })
    }

    pub(super) fn register_node(&mut self, name: &NodeName, incarnation: Incarnation) -> Result<NodeRecord> {
        if let Some(known) = self.nodes.iter().find(|node| node.name == *name) {
            return Ok(known.clone());
        }
        let index = u16::try_from(self.nodes.len()).map_err(|_| refusal::too_many_nodes())?;
        let node = NodeRecord { index: NodeIndex(index), name: name.clone(), incarnation };
        self.nodes.push(node.clone());
        Ok(node)
    }

    pub(super) fn replace_node(
        &mut self,
        name: &NodeName,
        expected: Incarnation,
        incarnation: Incarnation,
    ) -> Result<NodeRecord> {
        let node = self.nodes.iter_mut().find(|node| node.name == *name);
        let node = node.ok_or_else(|| refusal::unknown_node(name))?;
        if node.incarnation != expected {
            return Err(refusal::replaced_elsewhere(name));
        }
        node.incarnation = incarnation;
        Ok(node.clone())
    }

    fn holder(&self, name: &DocumentName) -> Option<Reservation> {
        let document = *self.reservations.get(name)?;
        let upload = self.uploads.get(&document)?;
        let partition = self.partition_of(name);
        let name = name.clone();
        Some(Reservation { name, partition, document, owner: upload.owner, expires: upload.expires })
    }

    pub(super) fn reserve(&mut self, request: &Reserve, now: Timestamp) -> Result<Reserved> {
        if let Some(document) = self.names.get(&request.name).and_then(|found| self.document(*found)) {
            return Ok(Reserved::Exists(Box::new(document)));
        }
        match self.holder(&request.name) {
            Some(held) if held.document == request.document => {
                return self.renew(&held, request.ttl, now).map(Reserved::Granted);
            }
            Some(held) if held.expires > now && Some(held.document) != request.instead_of => {
                return Ok(Reserved::Held(held));
            }
            Some(_) | None => {}
        }
        if self.ids.contains_key(&request.document) || self.uploads.contains_key(&request.document) {
            return Err(refusal::spent(&request.name, request.document));
        }
        let (name, expires) = (request.name.clone(), now.after(request.ttl));
        let upload =
            Upload { name: name.clone(), owner: request.owner, started: now, expires, staged: Vec::new() };
        self.uploads.insert(request.document, upload);
        self.reservations.insert(name.clone(), request.document);
        self.holder(&name).map(Reserved::Granted).ok_or_else(|| refusal::internal("a reservation vanished"))
    }

    /// The upload, if it holds the name at `now`.
    fn held(&mut self, reservation: &Reservation, now: Timestamp) -> Result<&mut Upload> {
        let holder = self.holder(&reservation.name);
        let holds = holder.is_some_and(|held| held.document == reservation.document && held.expires > now);
        let upload = self.uploads.get_mut(&reservation.document).filter(|_| holds);
        upload.ok_or_else(|| refusal::lost(reservation))
    }

    pub(super) fn renew(
        &mut self,
        reservation: &Reservation,
        ttl: Duration,
        now: Timestamp,
    ) -> Result<Reservation> {
        self.held(reservation, now)?.expires = now.after(ttl);
        self.holder(&reservation.name).ok_or_else(|| refusal::lost(reservation))
    }

    pub(super) fn stage(
        &mut self,
        reservation: &Reservation,
        first: u32,
        segments: &[SegmentRecord],
        now: Timestamp,
    ) -> Result<()> {
        let upload = self.held(reservation, now)?;
        let staged = u32::try_from(upload.staged.len()).unwrap_or(u32::MAX);
        if staged != first {
            return Err(refusal::staged_elsewhere(reservation, first, staged));
        }
        let fits = u32::try_from(segments.len()).is_ok_and(|count| first.checked_add(count).is_some());
        if !fits {
            return Err(refusal::too_many_segments(&reservation.name));
        }
        for segment in segments {
            check::segment_limits(segment).map_err(|broken| broken.invalid(&reservation.name))?;
        }
        upload.staged.extend_from_slice(segments);
        Ok(())
    }

    pub(super) fn commit(
        &mut self,
        reservation: &Reservation,
        commit: &Commit,
        now: Timestamp,
        copies: Copies,
    ) -> Result<Document> {
        refusal::commit_is_for(reservation, commit)?;
        if let Some(document) = self.ids.get(&commit.record.id).and_then(|found| self.document(*found)) {
            return refusal::committed_as(&document.record.name, commit).map(|()| document);
        }
        let mut segments = self.held(reservation, now)?.staged.clone();
        segments.extend_from_slice(&commit.segments);
        self.check_commit(commit, &segments, copies)?;
        let reference = self.insert(&commit.record, segments)?;
        self.reservations.remove(&commit.record.name);
        self.uploads.remove(&commit.record.id);
        self.document(reference).ok_or_else(|| refusal::internal("a document vanished"))
    }

    fn check_commit(&self, commit: &Commit, segments: &[SegmentRecord], copies: Copies) -> Result<()> {
        let record = &commit.record;
        check::record_limits(record).map_err(|broken| broken.invalid(&record.name))?;
        if segments.len() as u64 != u64::from(record.layout.segments()) {
            return Err(refusal::wrong_count(commit, segments.len() as u64));
        }
        for (number, segment) in (0..).zip(segments) {
            check::committable(record, number, segment, copies)
                .map_err(|broken| broken.invalid(&record.name))?;
            for pointer in &segment.pointers {
                let Pointer::Block(block) = *pointer else { continue };
                let target = self.entry(block.codeword.document);
                let target = target.ok_or_else(|| refusal::not_committed(&record.name, block))?;
                check::pointer_target(&target.record, block, segment.class)
                    .map_err(|broken| broken.invalid(&record.name))?;
            }
        }
        Ok(())
    }

    fn insert(&mut self, record: &DocumentRecord, segments: Vec<SegmentRecord>) -> Result<DocumentRef> {
        let number = self.partition_of(&record.name);
        let partition = self.partition(number)?;
        let reference = DocumentRef { partition: number, sequence: partition.documents.len() as u64 };
        for run in runs(&record.layout) {
            let codewords = (run.first..run.first + run.count)
                .map(|segment| CodewordRef { document: reference, segment });
            partition.classes.entry(run.class).or_default().extend(codewords);
        }
        let pointed: Vec<_> = (0..)
            .zip(&segments)
            .flat_map(|(segment, codeword)| codeword.pointers.iter().map(move |pointer| (segment, *pointer)))
            .filter_map(|(segment, pointer)| match pointer {
                Pointer::Block(block) => Some((block, CodewordRef { document: reference, segment })),
                Pointer::Anchor(_) => None,
            })
            .collect();
        partition.documents.push(Entry { record: record.clone(), segments });
        self.pointed.extend(pointed);
        self.names.insert(record.name.clone(), reference);
        self.ids.insert(record.id, reference);
        Ok(reference)
    }

    pub(super) fn abandon(&mut self, reservation: &Reservation, leftovers: bool) {
        if self.reservations.get(&reservation.name) == Some(&reservation.document) {
            self.reservations.remove(&reservation.name);
        }
        if !leftovers {
            self.uploads.remove(&reservation.document);
        } else if let Some(upload) = self.uploads.get_mut(&reservation.document) {
            upload.staged.clear();
        }
    }

    pub(super) fn intents(&self, before: Timestamp, limit: usize) -> Vec<Intent> {
        let expired = self.uploads.iter().filter(|(_, upload)| upload.expires < before);
        let mut intents: Vec<Intent> = expired
            .map(|(document, upload)| Intent {
                document: *document,
                name: upload.name.clone(),
                owner: upload.owner,
                started: upload.started,
                expires: upload.expires,
            })
            .collect();
        intents.sort_by_key(|intent| (intent.expires, intent.document));
        intents.truncate(limit);
        intents
    }

    pub(super) fn scan(&self, partition: Partition, from: Sequence, limit: usize) -> Vec<Document> {
        let sequences = (from..=Sequence::MAX).take(limit);
        sequences.map_while(|sequence| self.document(DocumentRef { partition, sequence })).collect()
    }

    pub(super) fn scan_ids(&self, after: Option<&DocumentId>, limit: usize) -> Vec<Document> {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let references = self.ids.range((from, Bound::Unbounded)).map(|(_, reference)| *reference);
        references.filter_map(|reference| self.document(reference)).take(limit).collect()
    }

    pub(super) fn list(&self, prefix: &str, after: Option<&str>, limit: usize) -> Vec<ListEntry> {
        let names = self.names.iter();
        let names = names.filter(|(name, _)| name.as_str().starts_with(prefix));
        let names = names.filter(|(name, _)| after.is_none_or(|after| name.as_str() > after));
        let records = names.filter_map(|(_, reference)| self.entry(*reference)).map(|entry| &entry.record);
        records.map(ListEntry::of).take(limit).collect()
    }

    pub(super) fn codeword(&self, reference: CodewordRef) -> Option<Codeword> {
        let entry = self.entry(reference.document)?;
        let segment = entry.segments.get(reference.segment as usize)?.clone();
        let (document, name) = (entry.record.id, entry.record.name.clone());
        Some(Codeword { reference, document, name, segment })
    }

    pub(super) fn codeword_at(&self, class: LengthClass, place: Ordinal) -> Option<Codeword> {
        let codewords = self.partitions.get(usize::from(place.partition.0))?.classes.get(&class)?;
        self.codeword(*codewords.get(usize::try_from(place.index).ok()?)?)
    }

    pub(super) fn pointing_at(
        &self,
        block: BlockRef,
        after: Option<CodewordRef>,
        limit: usize,
    ) -> Vec<CodewordRef> {
        let least = DocumentRef { partition: Partition(0), sequence: 0 };
        let from = match after {
            Some(after) => Bound::Excluded((block, after)),
            None => Bound::Included((block, CodewordRef { document: least, segment: 0 })),
        };
        let entries = self.pointed.range((from, Bound::Unbounded));
        entries.take_while(|(target, _)| *target == block).map(|(_, by)| *by).take(limit).collect()
    }

    pub(super) fn record_damage(&mut self, damage: &[Damage]) -> Result<()> {
        damage.iter().try_for_each(refusal::damage_is_sound)?;
        for entry in damage {
            self.damage.entry(key_of(entry)).or_insert((entry.id, entry.seen));
        }
        Ok(())
    }

    pub(super) fn damage(&self, after: Option<&Damage>, limit: usize) -> Vec<Damage> {
        let from = after.map_or(Bound::Unbounded, |after| Bound::Excluded(key_of(after)));
        let entries = self.damage.range((from, Bound::Unbounded)).take(limit);
        entries.map(|(&(block, node, kind), &(id, seen))| Damage { block, id, node, kind, seen }).collect()
    }

    pub(super) fn clear_damage(&mut self, damage: &[Damage]) {
        for entry in damage {
            self.damage.remove(&key_of(entry));
        }
    }

    pub(super) fn relocate(
        &mut self,
        block: BlockRef,
        expected: &[NodeIndex],
        nodes: &[NodeIndex],
    ) -> Result<()> {
        check::copies(nodes).map_err(|broken| broken.invalid(block))?;
        let reference = block.codeword.document;
        let partition = self.partitions.get_mut(usize::from(reference.partition.0));
        let sequence = usize::try_from(reference.sequence).ok();
        let entry = partition.zip(sequence).and_then(|(partition, at)| partition.documents.get_mut(at));
        let segment = entry.and_then(|entry| entry.segments.get_mut(block.codeword.segment as usize));
        let parity = segment.and_then(|segment| segment.parities.get_mut(usize::from(block.parity)));
        let parity = parity.ok_or_else(|| refusal::no_block(block))?;
        if parity.nodes != expected {
            return Err(refusal::moved(block));
        }
        parity.nodes = nodes.to_vec();
        Ok(())
    }

    pub(super) fn value(&self, key: &str) -> Result<Option<Vec<u8>>> {
        check::state_limits(key, None).map_err(|broken| broken.invalid(refusal::SUBJECT))?;
        Ok(self.values.get(key).cloned())
    }

    pub(super) fn set_value(
        &mut self,
        key: &str,
        expected: Option<&[u8]>,
        value: Option<&[u8]>,
    ) -> Result<()> {
        check::state_limits(key, value).map_err(|broken| broken.invalid(refusal::SUBJECT))?;
        if self.values.get(key).map(Vec::as_slice) != expected {
            return Err(refusal::state_changed(key));
        }
        match value {
            Some(value) => drop(self.values.insert(key.to_owned(), value.to_vec())),
            None => drop(self.values.remove(key)),
        }
        Ok(())
    }
}
