//! An audit from beginning to end: which ranges, who else, and what becomes of findings.

use std::sync::Arc;
use std::time::Duration;

use coordination::Lease;
use futures_util::stream::{self, StreamExt};
use metadata::{Damage, Document};
use types::{BlockRef, DocumentId, ErrorKind, LengthClass, NodeIndex, SegmentRecord};

use super::control::Control;
use super::inventory::Inventory;
use super::pass::{Claim, LEASE, Share, Work};
use super::report::FINDINGS_MAX;
use super::roster::Roster;
use super::scope::{Resolved, Scope};
use super::word::Word;
use super::{AuditMode, AuditOptions, AuditReport, Event, Finding, FindingKind, Progress};
use crate::Archive;
use crate::abort::AbortOnDrop;
use crate::core::Core;
use crate::error::Error;

/// Documents read at a time.
const DOCUMENTS: usize = 256;
/// Segments read at a time.
const SEGMENTS: u32 = 256;
/// Codewords that are compared at a time: a few hundred KiB of records.
const CHUNK: usize = 1024;
/// How often to look whether others have finished.
const WAIT: Duration = Duration::from_millis(200);
/// Most entries of the ledger written at once.
const DAMAGE: usize = 256;

/// An audit under way.
pub(super) struct Audit<'a> {
    pub(super) core: &'a Arc<Core>,
    pub(super) control: &'a Control,
    pub(super) progress: &'a dyn Progress,
    pub(super) roster: Roster,
    pub(super) copies_min: usize,
    /// Whether copies are read.
    pub(super) deep: bool,
    /// Of how many parts of the archive which one is audited.
    sample: Option<(u64, u64)>,
    pub(super) report: AuditReport,
}

impl Archive {
    /// Looks for damage and writes what it finds into the damage ledger, from which [`Archive::repair`] works.
    /// Entries of the ledger that turn out to be healthy are taken off it.
    ///
    /// An audit of everything is one pass that any number of callers, in any processes, work on together; one that is
    /// stopped is gone on with by the next call. It returns when the pass is over, also if others did the last part.
    pub async fn audit(
        &self,
        scope: &Scope,
        mode: AuditMode,
        options: &AuditOptions,
        progress: &dyn Progress,
    ) -> Result<AuditReport, Error> {
        let core = &self.core;
        let control = Control::start(&options.limits);
        let resolved = core.resolve(scope).await?;
        let mut audit = Audit {
            core,
            control: &control,
            progress,
            roster: Roster::call(core, options.standing).await?,
            copies_min: options.copies_min.unwrap_or(core.settings.replication_factor),
            deep: mode != AuditMode::Quick,
            sample: None,
            report: AuditReport::default(),
        };
        audit.report.counts.codewords_total = core.codewords_total().await?;
        audit.recheck_ledger(&resolved).await?;
        audit.run(&resolved, mode).await?;
        audit.report.stopped = control.stop().filter(|_| !audit.report.complete);
        audit.report.nodes = audit.roster.standings();
        Ok(audit.report)
    }
}

impl Audit<'_> {
    async fn run(&mut self, scope: &Resolved, mode: AuditMode) -> Result<(), Error> {
        if let Some(documents) = scope.documents() {
            return self.run_documents(scope, documents).await;
        }
        match mode {
            AuditMode::Quick => self.run_pass("quick").await,
            AuditMode::Deep => self.run_pass("deep").await,
            AuditMode::Sample(fraction) => {
                if !(fraction > 0.0 && fraction <= 1.0) {
                    let message = format!("a sample of {fraction} of the archive");
                    return Err(types::Error::new(ErrorKind::Invalid, "audit", message).into());
                }
                // Saturates where the fraction is next to nothing.
                #[allow(
                    clippy::cast_possible_truncation,
                    clippy::cast_sign_loss,
                    reason = "1 / fraction is at least 1"
                )]
                let parts = (1.0 / fraction).ceil().min(1e9) as u64;
                let part = self.next_sample(parts).await?;
                self.sample = Some((part, parts));
                self.run_pass(&format!("sample-{parts}-{part}")).await?;
                if self.report.complete {
                    self.sample_done(parts, part).await?;
                }
                Ok(())
            }
        }
    }

    /// Which of `parts` parts is next to be sampled.
    async fn next_sample(&self, parts: u64) -> Result<u64, Error> {
        let state = self.core.metadata.state(&format!("audit/sampled-{parts}")).await?;
        let last = state.and_then(|bytes| bytes.try_into().ok()).map(u64::from_le_bytes);
        Ok(last.map_or(0, |last| (last + 1) % parts))
    }

    async fn sample_done(&self, parts: u64, part: u64) -> Result<(), Error> {
        let key = format!("audit/sampled-{parts}");
        let known = self.core.metadata.state(&key).await?;
        let written = self.core.metadata.set_state(&key, known.as_deref(), Some(&part.to_le_bytes())).await;
        match written {
            Err(error) if error.kind() != ErrorKind::Conflict => Err(error.into()),
            // Whoever was faster worked on the same part.
            Ok(()) | Err(_) => Ok(()),
        }
    }

    /// Works on a pass until it is over.
    async fn run_pass(&mut self, name: &str) -> Result<(), Error> {
        let core = Arc::clone(self.core);
        let share = Share::join(&*core.metadata, name).await?;
        let mut inventories: Vec<Inventory> = Vec::new();
        if self.sample.is_none() {
            inventories.extend(self.roster.answering().map(Inventory::new));
        }
        while self.control.stop().is_none() {
            match share.claim(&core).await? {
                Work::Over => {
                    self.report.complete = true;
                    break;
                }
                Work::Range(claim, lease) => self.run_claim(&share, &claim, &mut inventories, lease).await?,
                Work::Held(claims) => {
                    if !self.take_over(&share, &claims, &mut inventories).await? {
                        self.control.pause(WAIT).await;
                    }
                }
            }
        }
        Ok(())
    }

    /// Audits the first range whose holder is gone, if there is one.
    async fn take_over(
        &mut self,
        share: &Share<'_>,
        claims: &[Claim],
        inventories: &mut [Inventory],
    ) -> Result<bool, Error> {
        let core = Arc::clone(self.core);
        for claim in claims {
            if let Some(lease) = share.lease(&core, claim.number).await?
                && share.is_open(claim).await?
            {
                self.run_claim(share, claim, inventories, lease).await?;
                return Ok(true);
            }
        }
        Ok(false)
    }

    async fn run_claim(
        &mut self,
        share: &Share<'_>,
        claim: &Claim,
        inventories: &mut [Inventory],
        lease: Box<dyn Lease>,
    ) -> Result<(), Error> {
        let kept = AbortOnDrop(self.core.runtime.spawn(keep(lease)));
        let done = self.range(claim.after, claim.upto, inventories).await?;
        if done {
            share.finish(claim).await?;
        }
        drop(kept);
        Ok(())
    }

    /// Audits the documents after `after` up to `upto`; returns whether it got to the end.
    async fn range(
        &mut self,
        mut after: Option<DocumentId>,
        upto: Option<DocumentId>,
        inventories: &mut [Inventory],
    ) -> Result<bool, Error> {
        let mut chunk = Chunk::after(after);
        for inventory in inventories.iter_mut() {
            inventory.seek(chunk.after);
        }
        loop {
            let mut documents = self.core.metadata.scan_ids(after.as_ref(), DOCUMENTS).await?;
            let ended = documents.len() < DOCUMENTS;
            documents.retain(|document| upto.is_none_or(|upto| document.record.id <= upto));
            let ended = ended || documents.len() < DOCUMENTS;
            after = documents.last().map(|document| document.record.id).or(after);
            if !self.documents(documents, &mut chunk, inventories).await? {
                return Ok(false);
            }
            if ended {
                break;
            }
        }
        // After the last document there may be blocks of no document.
        let end = upto.map(|document| types::BlockId::new(document, u32::MAX, u8::MAX));
        self.chunk(&chunk.words, end, inventories).await?;
        self.progress.event(&Event::Audited(&self.report.counts));
        Ok(true)
    }

    /// Adds the codewords of documents to a chunk, auditing it whenever it is full.
    async fn documents(
        &mut self,
        documents: Vec<Document>,
        chunk: &mut Chunk,
        inventories: &mut [Inventory],
    ) -> Result<bool, Error> {
        let core = Arc::clone(self.core);
        let metadata = &core.metadata;
        let first = |document: Document| async move {
            let records = metadata.segments(document.reference, 0, SEGMENTS).await;
            (Arc::new(document), records)
        };
        let mut first = stream::iter(documents.into_iter().map(first)).buffered(self.control.concurrency);
        while let Some((document, records)) = first.next().await {
            self.report.counts.documents += 1;
            let (mut segment, mut records) = (0, records?);
            loop {
                let read = u32::try_from(records.len()).unwrap_or(u32::MAX);
                self.add(chunk, &document, segment, records);
                segment += read;
                if chunk.words.len() >= CHUNK {
                    if self.control.stop().is_some() {
                        return Ok(false);
                    }
                    let end = types::BlockId::new(document.record.id, segment - 1, u8::MAX);
                    self.chunk(&chunk.words, Some(end), inventories).await?;
                    self.progress.event(&Event::Audited(&self.report.counts));
                    *chunk = Chunk { after: Some(end), words: Vec::new() };
                }
                if read < SEGMENTS {
                    break;
                }
                records = core.metadata.segments(document.reference, segment, SEGMENTS).await?;
            }
        }
        Ok(self.control.stop().is_none())
    }

    fn add(&mut self, chunk: &mut Chunk, document: &Arc<Document>, first: u32, records: Vec<SegmentRecord>) {
        for (segment, record) in (first..).zip(records) {
            let sampled = self.sample.is_none_or(|(part, parts)| part_of(document, segment) % parts == part);
            if sampled {
                self.report.counts.codewords += 1;
                chunk.words.push(Word { document: Arc::clone(document), segment, record });
            }
        }
    }

    /// Audits documents by name: no inventories, so no leftovers are found.
    async fn run_documents(
        &mut self,
        scope: &Resolved,
        documents: &[types::DocumentRef],
    ) -> Result<(), Error> {
        for &reference in documents {
            let document = Arc::new(self.core.document_at(reference).await?);
            self.report.counts.documents += 1;
            let mut first = 0;
            loop {
                if self.control.stop().is_some() {
                    return Ok(());
                }
                let records = self.core.metadata.segments(reference, first, SEGMENTS).await?;
                let read = u32::try_from(records.len()).unwrap_or(u32::MAX);
                let words = (first..).zip(records);
                let mut words: Vec<Word> = words
                    .map(|(segment, record)| Word { document: Arc::clone(&document), segment, record })
                    .collect();
                words.retain(|word| {
                    (0..=u8::MAX)
                        .take(word.record.parities.len())
                        .any(|parity| scope.contains(&word.block(parity)))
                });
                self.report.counts.codewords += words.len() as u64;
                self.chunk_in(&words, scope).await?;
                self.progress.event(&Event::Audited(&self.report.counts));
                first += read;
                if read < SEGMENTS {
                    break;
                }
            }
        }
        self.report.complete = true;
        Ok(())
    }

    /// Tells and writes down what was found.
    pub(super) async fn found(&mut self, findings: Vec<(Finding, Option<NodeIndex>)>) -> Result<(), Error> {
        let seen = self.core.clock.now();
        let damage = |(finding, node): &(Finding, Option<NodeIndex>)| {
            let block: BlockRef = finding.block?;
            Some(Damage { block, id: finding.id, node: *node, kind: finding.kind.damage()?, seen })
        };
        let damage: Vec<Damage> = findings.iter().filter_map(damage).collect();
        for batch in damage.chunks(DAMAGE) {
            self.core.metadata.record_damage(batch).await?;
        }
        for (finding, _) in findings {
            self.progress.event(&Event::Found(&finding));
            self.report.counts.findings += 1;
            *self.report.found.entry(finding.kind).or_default() += 1;
            if self.report.findings.len() < FINDINGS_MAX {
                self.report.findings.push(finding);
            }
        }
        Ok(())
    }

    /// A finding about a copy of a block of `word`.
    pub(super) fn finding(
        &self,
        word: &Word,
        parity: u8,
        node: Option<NodeIndex>,
        kind: FindingKind,
        detail: String,
    ) -> (Finding, Option<NodeIndex>) {
        let finding = Finding {
            kind,
            id: word.block_id(parity),
            block: Some(word.block(parity)),
            name: Some(word.document.record.name.clone()),
            node: node.and_then(|node| self.roster.name(node)),
            detail,
        };
        (finding, node)
    }
}

/// Codewords that are audited together, in the order of their blocks.
struct Chunk {
    /// What comes before them.
    after: Option<types::BlockId>,
    words: Vec<Word>,
}

impl Chunk {
    fn after(document: Option<DocumentId>) -> Self {
        let after = document.map(|document| types::BlockId::new(document, u32::MAX, u8::MAX));
        Self { after, words: Vec::new() }
    }
}

impl Core {
    /// About how many codewords the archive has.
    pub(crate) async fn codewords_total(&self) -> Result<u64, Error> {
        let mut total: u64 = 0;
        for log2 in LengthClass::MIN.log2()..=LengthClass::MAX.log2() {
            let Ok(class) = LengthClass::new(log2) else { continue };
            total += self.metadata.class_counts(class).await?.iter().sum::<u64>();
        }
        Ok(total)
    }
}

/// A number that spreads codewords evenly over parts: from the random end of the document's identifier.
fn part_of(document: &Document, segment: u32) -> u64 {
    let random = document.record.id.as_bytes().last_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes));
    // Consecutive segments are in consecutive parts.
    (random >> 8).wrapping_add(u64::from(segment))
}

/// Holds a lease until it is dropped or lost. That it was lost is no harm: the work is done twice.
async fn keep(lease: Box<dyn Lease>) {
    loop {
        tokio::time::sleep(LEASE / 3).await;
        if let Err(error) = lease.renew().await {
            tracing::debug!(%error, "lease of an audited range not renewed");
        }
    }
}
