//! Restoring one document after the other.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use metadata::{Commit, MetadataStore, Reserve, Reserved};
use types::{
    DocumentId, DocumentName, DocumentRecord, ErrorKind, OwnerId, ParityRecord, SegmentRecord, Timestamp,
};

use super::assembly::{Assembly, Facts};
use super::draft::{Draft, fold};
use super::feed::Feed;
use super::finding::Finding;
use super::pointed::Pointed;
use super::scan::Scanner;
use super::targets::Targets;
use super::{RebuildReport, UNKNOWN_HASH};
use crate::error::Error;

/// Whose reservations a rebuild's are.
pub(super) const REBUILDER: OwnerId = OwnerId::from_bytes(*b"selvage rebuild!");

/// Records of segments are handed to the metadata store in batches of this many.
const STAGE_SEGMENTS: usize = 64;

/// For how long a rebuild holds a name, by its own clock, which stands still.
const TTL: Duration = Duration::from_secs(60);

/// What is to be done with a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    /// Record it.
    Restore,
    /// Only look at what it points at.
    Look,
    /// Record what is left of it: others point at it.
    Remnant,
}

/// Records documents.
#[derive(Debug)]
pub(super) struct Restorer<'a> {
    pub(super) metadata: &'a dyn MetadataStore,
    pub(super) scanner: &'a Arc<Scanner>,
    pub(super) now: Timestamp,
    pub(super) targets: Targets,
    pub(super) pointed: Pointed,
    /// Documents that are recorded.
    pub(super) done: HashSet<DocumentId>,
    /// Documents that wait for others, and what is to be done with them.
    pub(super) deferred: HashMap<DocumentId, Mode>,
    pub(super) report: RebuildReport,
}

impl Restorer<'_> {
    /// Takes the next document's blocks off the feed and does with it what `mode` says.
    pub(super) async fn document(
        &mut self,
        feed: &mut Feed<'_>,
        id: DocumentId,
        mode: Mode,
    ) -> Result<(), Error> {
        let mut assembly = Assembly::new(id);
        while let Some((_, blocks)) = feed.segment(id).await? {
            if let Some(draft) = fold(blocks, &mut assembly.findings) {
                self.segment(&mut assembly, draft, mode).await?;
            }
        }
        match mode {
            Mode::Look => Ok(()),
            Mode::Restore | Mode::Remnant if assembly.waits => {
                self.deferred.insert(id, mode);
                self.abandon(&assembly).await
            }
            Mode::Restore | Mode::Remnant => self.settle(assembly, mode).await,
        }
    }

    async fn segment(&mut self, assembly: &mut Assembly, mut draft: Draft, mode: Mode) -> Result<(), Error> {
        let (pointers, missing) = self.targets.resolve(self.metadata, &draft.header.pointers).await?;
        assembly.waits |= !missing.is_empty();
        for block in missing {
            self.pointed.note(block, draft.class(), draft.parameters());
        }
        if mode == Mode::Look || assembly.is_over() {
            return Ok(());
        }
        if let Err(reason) = assembly.admit(&draft.header) {
            assembly.refused = Some(reason);
            return Ok(());
        }
        let recomputed = self.scanner.recompute(self.metadata, &mut draft, &pointers).await?;
        self.report.recomputed += recomputed.parities;
        self.report.bytes += recomputed.bytes;
        for parity in draft.unknown() {
            assembly.findings.push(Finding::UnknownHash { block: draft.block_id(parity) });
        }
        let parity = |parity: super::draft::Parity| ParityRecord {
            hash: parity.hash.unwrap_or(UNKNOWN_HASH),
            nodes: parity.nodes,
        };
        let record = SegmentRecord {
            class: draft.header.class,
            length: draft.header.segment_length,
            hash: draft.header.segment_hash,
            pointers,
            parities: draft.parities.into_iter().map(parity).collect(),
        };
        assembly.refused = assembly.push(record).err();
        if assembly.pending.len() >= STAGE_SEGMENTS && assembly.refused.is_none() {
            self.stage(assembly, mode).await?;
        }
        Ok(())
    }

    /// Hands the segments so far to the metadata store, holding the name from the first time on.
    async fn stage(&mut self, assembly: &mut Assembly, mode: Mode) -> Result<(), Error> {
        let Some(facts) = assembly.facts.clone() else { return Ok(()) };
        if assembly.reservation.is_none() && !self.reserve(assembly, &facts.name, mode).await? {
            return Ok(());
        }
        let Some(reservation) = &assembly.reservation else { return Ok(()) };
        self.metadata.stage(reservation, assembly.staged, &assembly.pending, self.now).await?;
        assembly.staged += u32::try_from(assembly.pending.len()).unwrap_or(u32::MAX);
        assembly.pending.clear();
        Ok(())
    }

    /// Holds the name; `false`, with the assembly refused, if another has it. What is left of a document gets another
    /// name then: it must be there for those who point at it.
    async fn reserve(&self, assembly: &mut Assembly, name: &DocumentName, mode: Mode) -> Result<bool, Error> {
        let mut request = Reserve {
            name: name.clone(),
            document: assembly.id,
            owner: REBUILDER,
            ttl: TTL,
            instead_of: None,
        };
        let mut reserved = self.metadata.reserve(&request, self.now).await?;
        if mode == Mode::Remnant && !matches!(reserved, Reserved::Granted(_)) {
            request.name = lost_name(&assembly.id);
            reserved = self.metadata.reserve(&request, self.now).await?;
        }
        match reserved {
            Reserved::Granted(reservation) => {
                assembly.reservation = Some(reservation);
                return Ok(true);
            }
            Reserved::Exists(document) => {
                let (by, name) = (document.record.id, name.clone());
                assembly.findings.push(Finding::Superseded { document: assembly.id, name, by });
                assembly.refused = Some(String::new());
            }
            Reserved::Held(holder) => {
                assembly.refused = Some(format!("upload {} holds the name", holder.document));
            }
        }
        Ok(false)
    }

    /// Records the document, or says why not.
    async fn settle(&mut self, mut assembly: Assembly, mode: Mode) -> Result<(), Error> {
        if let (Mode::Remnant, Some(remnant)) = (mode, self.pointed.get(&assembly.id).cloned())
            && assembly.refused.is_none()
        {
            if assembly.facts.is_none() {
                assembly.facts = Some(Facts { name: lost_name(&assembly.id), parameters: remnant.code() });
            }
            if assembly.ending.is_none() {
                assembly.refused = assembly.pad(&remnant).err();
            }
        }
        let unfinished = mode == Mode::Restore && assembly.ending.is_none() && assembly.refused.is_none();
        let name = assembly.facts.as_ref().map(|facts| facts.name.clone());
        if unfinished {
            let document = assembly.id;
            assembly.findings.push(Finding::Unfinished { document, name: name.clone() });
            assembly.refused = Some(String::new());
        }
        if assembly.refused.is_none() {
            self.commit(&mut assembly, mode).await?;
        }
        if let Some(reason) = assembly.refused.take() {
            self.abandon(&assembly).await?;
            // An empty reason has its finding already.
            if !reason.is_empty() {
                assembly.findings.push(Finding::Unrestorable { document: assembly.id, name, reason });
            }
        }
        self.report.findings.absorb(assembly.findings);
        Ok(())
    }

    async fn commit(&mut self, assembly: &mut Assembly, mode: Mode) -> Result<(), Error> {
        let Some(facts) = assembly.facts.clone() else { return Ok(()) };
        if assembly.reservation.is_none() && !self.reserve(assembly, &facts.name, mode).await? {
            return Ok(());
        }
        let Some(reservation) = assembly.reservation.clone() else { return Ok(()) };
        let segments = std::mem::take(&mut assembly.pending);
        let (remnant, renamed) = (assembly.ending.is_none(), reservation.name != facts.name);
        let facts = Facts { name: reservation.name.clone(), ..facts };
        let record: DocumentRecord = match assembly.record(facts) {
            Ok(record) => record,
            Err(reason) => {
                assembly.refused = Some(reason);
                return Ok(());
            }
        };
        match self.metadata.restore(&reservation, &Commit { record, segments }, self.now).await {
            Ok(document) => {
                self.done.insert(assembly.id);
                self.targets.keep(assembly.id, document.reference);
                self.report.documents += 1;
                self.report.segments += u64::from(assembly.segments());
                self.report.incomplete += u64::from(remnant || assembly.lost > 0);
                if remnant || renamed {
                    let name = document.record.name;
                    assembly.findings.push(Finding::LostDocument { document: assembly.id, name });
                }
                Ok(())
            }
            Err(error) if error.kind() == ErrorKind::Invalid => {
                assembly.refused = Some(error.to_string());
                Ok(())
            }
            Err(error) => Err(error.into()),
        }
    }

    async fn abandon(&self, assembly: &Assembly) -> Result<(), Error> {
        if let Some(reservation) = &assembly.reservation {
            self.metadata.abandon(reservation, false).await?;
        }
        Ok(())
    }

    /// Records a document of which no header is left, so that those who point at it can be recorded.
    pub(super) async fn ghost(&mut self, id: DocumentId) -> Result<(), Error> {
        self.settle(Assembly::new(id), Mode::Remnant).await
    }
}

/// The name that a document gets whose own is not known or taken.
fn lost_name(id: &DocumentId) -> DocumentName {
    // 41 bytes without a control character or a reserved prefix.
    DocumentName::new(&format!("lost/{id}")).unwrap_or_else(|_| unreachable!("a UUID makes a name"))
}
