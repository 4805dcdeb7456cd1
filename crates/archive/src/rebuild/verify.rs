//! The metadata compared with the blocks, in place.

use std::collections::VecDeque;
use std::sync::Arc;

use code::{BlockHeader, Ending, HeaderPointer};
use coder::Coder;
use metadata::{Document, MetadataStore};
use types::{BlockId, DocumentId, NodeIndex, NodeName, Pointer, SegmentRecord};

use super::feed::Feed;
use super::finding::{Finding, Findings};
use super::nodes::{self, MissingNode, Unknown};
use super::scan::{Scanned, Scanner};
use super::{OnProgress, ScanOptions, ScanPhase, ScanProgress};
use crate::error::Error;
use crate::settings::NodeParts;

/// Documents or segments read at once.
const PAGE: usize = 256;

/// What a comparison of metadata and blocks found.
#[derive(Debug, Clone, Default)]
pub struct VerifyReport {
    /// Documents whose blocks were seen.
    pub documents: u64,
    /// Blocks that a header was read of.
    pub blocks: u64,
    /// Bytes read.
    pub bytes: u64,
    /// Nodes that were left out; nothing is said of what they hold.
    pub missing: Vec<MissingNode>,
    /// Nodes that were scanned.
    pub nodes: Vec<NodeName>,
    /// What does not agree.
    pub findings: Findings,
}

/// Compares every block's header with the record of its document, and every record with the nodes' inventories.
/// Changes nothing. What is put or moved meanwhile may be reported although nothing is wrong with it.
pub async fn verify_metadata(
    nodes: &[NodeParts],
    metadata: Arc<dyn MetadataStore>,
    options: &ScanOptions,
    progress: OnProgress<'_>,
) -> Result<VerifyReport, Error> {
    let metadata = &*metadata;
    let without = options.without_missing_nodes;
    let (opened, missing) = nodes::open(nodes, metadata, Unknown::LeaveOut, without).await?;
    let names = opened.iter().map(|node| node.name.clone()).collect();
    let coder = Coder::new(options.coding_threads, options.pool.clone());
    let archive = metadata.archive().id;
    let scanner = Arc::new(Scanner { archive, deep: options.deep, nodes: opened, coder });
    let mut feed = Feed::new(&scanner, options.concurrency, &|_| true);
    let report = VerifyReport { missing, nodes: names, ..VerifyReport::default() };
    let mut verifier = Verifier { metadata, scanner: &scanner, records: Records::default(), report };
    while let Some(id) = feed.document().await? {
        verifier.document(&mut feed, id).await?;
        let (documents, bytes) = (verifier.report.documents, feed.bytes);
        progress(ScanProgress { phase: ScanPhase::Verify, documents, documents_total: 0, bytes });
    }
    while let Some(document) = verifier.records.next_before(metadata, None).await? {
        verifier.no_blocks(document);
    }
    verifier.report.bytes = feed.bytes;
    Ok(verifier.report)
}

/// The recorded documents in the order of identifiers, which is that of the blocks.
#[derive(Default)]
struct Records {
    page: VecDeque<Document>,
    after: Option<DocumentId>,
    ended: bool,
}

impl Records {
    /// The next document before `end`.
    async fn next_before(
        &mut self,
        metadata: &dyn MetadataStore,
        end: Option<DocumentId>,
    ) -> Result<Option<Document>, Error> {
        if self.page.is_empty() && !self.ended {
            let page = metadata.scan_ids(self.after.as_ref(), PAGE).await?;
            self.ended = page.len() < PAGE;
            self.after = page.last().map(|document| document.record.id).or(self.after);
            self.page = page.into();
        }
        let next = self.page.front().filter(|document| end.is_none_or(|end| document.record.id < end));
        if next.is_none() {
            return Ok(None);
        }
        Ok(self.page.pop_front())
    }

    /// The document `id`, if it is next.
    fn take(&mut self, id: DocumentId) -> Option<Document> {
        let here = self.page.front().is_some_and(|document| document.record.id == id);
        if here { self.page.pop_front() } else { None }
    }
}

struct Verifier<'a> {
    metadata: &'a dyn MetadataStore,
    scanner: &'a Scanner,
    records: Records,
    report: VerifyReport,
}

impl Verifier<'_> {
    fn no_blocks(&mut self, document: Document) {
        let (id, name) = (document.record.id, document.record.name);
        self.report.findings.push(Finding::NoBlocks { document: id, name });
    }

    async fn document(&mut self, feed: &mut Feed<'_>, id: DocumentId) -> Result<(), Error> {
        while let Some(before) = self.records.next_before(self.metadata, Some(id)).await? {
            self.no_blocks(before);
        }
        let document = match self.records.take(id) {
            Some(document) => Some(document),
            // Committed since the page was read, perhaps.
            None => self.metadata.document_by_id(&id).await?,
        };
        let Some(document) = document else { return self.unrecorded(feed, id).await };
        self.report.documents += 1;
        let mut next = 0;
        while let Some((segment, blocks)) = feed.segment(id).await? {
            self.unseen(&document, next, segment).await?;
            self.segment(&document, segment, blocks).await?;
            next = segment.saturating_add(1);
        }
        self.unseen(&document, next, document.record.layout.segments()).await
    }

    async fn unrecorded(&mut self, feed: &mut Feed<'_>, id: DocumentId) -> Result<(), Error> {
        let mut name = None;
        while let Some((_, blocks)) = feed.segment(id).await? {
            name =
                name.or_else(|| blocks.into_iter().find_map(|block| block.header).map(|header| header.name));
        }
        self.report.findings.push(Finding::Unrecorded { document: id, name });
        Ok(())
    }

    /// The segments `first..end` of a document, of which no node has a block.
    async fn unseen(&mut self, document: &Document, mut first: u32, end: u32) -> Result<(), Error> {
        while first < end {
            let count = (end - first).min(u32::try_from(PAGE).unwrap_or(u32::MAX));
            let records = self.metadata.segments(document.reference, first, count).await?;
            if records.is_empty() {
                return Ok(());
            }
            for (segment, record) in (first..).zip(&records) {
                for (parity, stored) in (0..=u8::MAX).zip(&record.parities) {
                    self.placement(BlockId::new(document.record.id, segment, parity), &stored.nodes, None);
                }
            }
            first += u32::try_from(records.len()).unwrap_or(u32::MAX);
        }
        Ok(())
    }

    async fn segment(
        &mut self,
        document: &Document,
        segment: u32,
        blocks: Vec<Scanned>,
    ) -> Result<(), Error> {
        let record = self.metadata.segments(document.reference, segment, 1).await?.pop();
        let Some(record) = record else {
            for block in blocks {
                let (recorded, found) = (document.record.layout.segments(), segment.saturating_add(1));
                self.differs(block.id, "number of segments", recorded, format_args!("{found} or more"));
            }
            return Ok(());
        };
        let pointers = self.pointers(&record.pointers).await?;
        let mut seen = vec![false; record.parities.len()];
        for block in blocks {
            let parity = usize::from(block.id.parity);
            if let Some(seen) = seen.get_mut(parity) {
                *seen = true;
            }
            if let Some(header) = &block.header {
                self.report.blocks += 1;
                self.compare_document(document, header);
                self.compare_segment(&record, &pointers, header);
            }
            let nodes = record.parities.get(parity).map_or(&[][..], |parity| &parity.nodes);
            self.placement(block.id, nodes, Some(&block));
            self.report.findings.extend(block.findings);
        }
        let missing = (0..=u8::MAX).zip(&record.parities).zip(seen).filter(|(_, seen)| !seen);
        for ((parity, stored), _) in missing {
            self.placement(BlockId::new(document.record.id, segment, parity), &stored.nodes, None);
        }
        Ok(())
    }

    /// A record's pointers as headers name them.
    async fn pointers(&self, pointers: &[Pointer]) -> Result<Vec<Option<HeaderPointer>>, Error> {
        let block = |pointer: &Pointer| match pointer {
            Pointer::Block(block) => Some(block.codeword),
            Pointer::Anchor(_) => None,
        };
        let references: Vec<_> = pointers.iter().filter_map(block).collect();
        let mut codewords = self.metadata.codewords(&references).await?.into_iter();
        let named = |pointer: &Pointer| match *pointer {
            Pointer::Anchor(index) => Some(HeaderPointer::Anchor(index)),
            Pointer::Block(block) => {
                let codeword = codewords.next().flatten()?;
                Some(HeaderPointer::Block(codeword.block_id(block.parity)))
            }
        };
        Ok(pointers.iter().map(named).collect())
    }

    fn differs(
        &mut self,
        block: BlockId,
        what: &'static str,
        recorded: impl std::fmt::Display,
        found: impl std::fmt::Display,
    ) {
        let (recorded, found) = (recorded.to_string(), found.to_string());
        if recorded != found {
            self.report.findings.push(Finding::Differs { block, what, recorded, found });
        }
    }

    fn compare_document(&mut self, document: &Document, header: &BlockHeader) {
        let (id, record) = (header.id, &document.record);
        self.differs(id, "name", format_args!("{:?}", record.name), format_args!("{:?}", header.name));
        self.differs(id, "code", record.parameters, header.parameters);
        let offset = record.layout.extent(id.segment).map_or(0, |extent| extent.offset);
        self.differs(id, "offset", offset, header.segment_offset);
        let last = id.segment.checked_add(1) == Some(record.layout.segments());
        let ending = last.then(|| Ending {
            length: record.layout.length(),
            hash: record.hash,
            segments: record.layout.segments(),
            created: record.created,
            content_type: record.content_type.clone(),
            user_metadata: record.user_metadata.clone(),
        });
        if ending != header.ending {
            self.differs(id, "ending", format_args!("{ending:?}"), format_args!("{:?}", header.ending));
        }
    }

    fn compare_segment(
        &mut self,
        record: &SegmentRecord,
        pointers: &[Option<HeaderPointer>],
        header: &BlockHeader,
    ) {
        let id = header.id;
        self.differs(id, "block length", record.class, header.class);
        self.differs(id, "segment length", record.length, header.segment_length);
        self.differs(id, "segment hash", record.hash, header.segment_hash);
        if let Some(parity) = record.parities.get(usize::from(id.parity)) {
            self.differs(id, "payload hash", parity.hash, header.payload_hash);
        }
        let found = header.pointers.iter().copied().map(Some);
        if !pointers.iter().copied().eq(found) {
            self.differs(id, "pointers", format_args!("{pointers:?}"), format_args!("{:?}", header.pointers));
        }
    }

    /// Compares where a block is recorded with where it was found.
    fn placement(&mut self, block: BlockId, recorded: &[NodeIndex], found: Option<&Scanned>) {
        let holders = found.map_or(&[][..], |found| &found.nodes);
        let bad = |name: &NodeName| {
            found.is_some_and(|found| {
                found.findings.iter().any(|f| matches!(f, Finding::BadCopy { node, .. } if node == name))
            })
        };
        let name = |index: &NodeIndex| self.scanner.node(*index).map(|node| node.name.clone());
        let unlisted = holders.iter().filter(|index| !recorded.contains(index)).filter_map(name);
        let unlisted = unlisted.map(|node| Finding::Unlisted { block, node });
        let gone = recorded.iter().filter(|index| !holders.contains(index)).filter_map(name);
        let gone = gone.filter(|name| !bad(name)).map(|node| Finding::NotThere { block, node });
        let findings: Vec<Finding> = unlisted.chain(gone).collect();
        self.report.findings.extend(findings);
    }
}
