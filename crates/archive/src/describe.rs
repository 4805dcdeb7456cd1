//! What a document is entangled with, told by names.

use std::collections::HashMap;
use std::sync::Arc;

use futures_util::stream::{self, Stream, StreamExt};
use metadata::Document;
use types::{
    BlockId, BlockRef, CodewordRef, DocumentName, Hash, LengthClass, NodeName, Partition, Pointer,
    SegmentRecord,
};

use crate::core::Core;
use crate::error::Error;

/// Most documents named as pointing at one block.
const ENTANGLED_MAX: usize = 1000;
/// Documents and segments read at a time for the graph.
const GRAPH_DOCUMENTS: usize = 64;
const GRAPH_SEGMENTS: u32 = 256;

/// A pointer, by name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PointerDescription {
    /// The anchor of this number.
    Anchor(u8),
    /// A block of a document.
    Block {
        /// The document.
        name: DocumentName,
        /// The block's number in it: segment * p + parity.
        index: u64,
    },
}

/// A stored block of a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BlockDescription {
    /// The block's number in the document: segment * p + parity.
    pub index: u64,
    /// Its name on the nodes.
    pub id: BlockId,
    /// The nodes that hold a copy.
    pub providers: Vec<NodeName>,
    /// BLAKE3 of its payload.
    pub hash: Hash,
    /// Documents that point at it, each once, at most 1,000.
    pub entangled_with: Vec<DocumentName>,
}

/// A segment of a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SegmentDescription {
    /// The segment's number.
    pub segment: u32,
    /// Its first byte in the document.
    pub offset: u64,
    /// How many bytes of the document it holds.
    pub length: u64,
    /// The length of its blocks.
    pub class: LengthClass,
    /// BLAKE3 of its bytes.
    pub hash: Hash,
    /// Its pointers, in symbol order.
    pub pointers: Vec<PointerDescription>,
    /// Its parities, in symbol order.
    pub blocks: Vec<BlockDescription>,
}

/// A codeword in the entanglement graph: the edges from a segment to what it points at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GraphNode {
    /// The document.
    pub name: DocumentName,
    /// The segment's number.
    pub segment: u32,
    /// What the segment points at.
    pub pointers: Vec<PointerDescription>,
}

/// Where the graph's stream stands.
struct GraphCursor {
    core: Arc<Core>,
    partition: u16,
    sequence: u64,
}

impl Core {
    /// Describes the segments `first..first + count` of a document, as many of them as there are.
    pub(crate) async fn describe(
        &self,
        document: &Document,
        first: u32,
        count: u32,
    ) -> Result<Vec<SegmentDescription>, Error> {
        let records = self.metadata.segments(document.reference, first, count).await?;
        let pointers = self.describe_pointers(&records).await?;
        let mut described = Vec::with_capacity(records.len());
        for ((segment, record), pointers) in (first..).zip(records).zip(pointers) {
            let offset = document.record.layout.extent(segment).map_or(0, |extent| extent.offset);
            described.push(SegmentDescription {
                segment,
                offset,
                length: record.length,
                class: record.class,
                hash: record.hash,
                pointers,
                blocks: self.describe_blocks(document, segment, &record).await?,
            });
        }
        Ok(described)
    }

    async fn describe_blocks(
        &self,
        document: &Document,
        segment: u32,
        record: &SegmentRecord,
    ) -> Result<Vec<BlockDescription>, Error> {
        let codeword = CodewordRef { document: document.reference, segment };
        let mut blocks = Vec::with_capacity(record.parities.len());
        for (parity, stored) in (0..=u8::MAX).zip(&record.parities) {
            let provider = |&node| self.nodes.get(node).map(|node| node.name.clone());
            blocks.push(BlockDescription {
                index: block_index(segment, document.record.parameters.p(), parity),
                id: BlockId::new(document.record.id, segment, parity),
                providers: stored.nodes.iter().filter_map(provider).collect(),
                hash: stored.hash,
                entangled_with: self.entangled_with(BlockRef { codeword, parity }).await?,
            });
        }
        Ok(blocks)
    }

    async fn entangled_with(&self, block: BlockRef) -> Result<Vec<DocumentName>, Error> {
        let pointing = self.metadata.pointing_at(block, None, ENTANGLED_MAX).await?;
        let mut names = Vec::new();
        for codeword in self.metadata.codewords(&pointing).await?.into_iter().flatten() {
            // The codewords of one document stand together.
            if names.last() != Some(&codeword.name) {
                names.push(codeword.name);
            }
        }
        Ok(names)
    }

    /// The pointers of each record, by name; one look-up for all.
    async fn describe_pointers(
        &self,
        records: &[SegmentRecord],
    ) -> Result<Vec<Vec<PointerDescription>>, Error> {
        let block = |pointer: &Pointer| match pointer {
            Pointer::Block(block) => Some(block.codeword),
            Pointer::Anchor(_) => None,
        };
        let mut wanted: Vec<CodewordRef> =
            records.iter().flat_map(|r| r.pointers.iter().filter_map(block)).collect();
        wanted.sort_unstable();
        wanted.dedup();
        let found = self.metadata.codewords(&wanted).await?;
        let known: HashMap<CodewordRef, _> = wanted
            .into_iter()
            .zip(found)
            .filter_map(|(reference, codeword)| Some((reference, codeword?)))
            .collect();
        let describe = |pointer: &Pointer| match *pointer {
            Pointer::Anchor(index) => Ok(PointerDescription::Anchor(index)),
            Pointer::Block(BlockRef { codeword, parity }) => {
                let missing =
                    || Error::Internal(format!("codeword {codeword} is pointed at but not recorded"));
                let target = known.get(&codeword).ok_or_else(missing)?;
                let index = block_index(codeword.segment, target.segment.parities.len(), parity);
                Ok(PointerDescription::Block { name: target.name.clone(), index })
            }
        };
        records.iter().map(|record| record.pointers.iter().map(describe).collect()).collect()
    }

    /// Every codeword and what it points at, partition by partition in the order of commits. The stream ends after
    /// an error.
    pub(crate) fn graph(
        self: &Arc<Self>,
    ) -> impl Stream<Item = Result<GraphNode, Error>> + Send + Unpin + 'static {
        let cursor = GraphCursor { core: Arc::clone(self), partition: 0, sequence: 0 };
        let page = |cursor: Option<GraphCursor>| async move {
            let mut cursor = cursor?;
            match cursor.page().await {
                Ok(Some(nodes)) => Some((nodes.into_iter().map(Ok).collect(), Some(cursor))),
                Ok(None) => None,
                Err(error) => Some((vec![Err(error)], None)),
            }
        };
        stream::unfold(Some(cursor), page).map(stream::iter).flatten().boxed()
    }
}

impl GraphCursor {
    /// The next documents' codewords; `None` at the end of the archive.
    async fn page(&mut self) -> Result<Option<Vec<GraphNode>>, Error> {
        while self.partition < self.core.info.partitions {
            let partition = Partition(self.partition);
            let documents = self.core.metadata.scan(partition, self.sequence, GRAPH_DOCUMENTS).await?;
            let Some(last) = documents.last() else {
                (self.partition, self.sequence) = (self.partition + 1, 0);
                continue;
            };
            self.sequence = last.reference.sequence + 1;
            let mut nodes = Vec::new();
            for document in &documents {
                self.document(document, &mut nodes).await?;
            }
            return Ok(Some(nodes));
        }
        Ok(None)
    }

    async fn document(&self, document: &Document, nodes: &mut Vec<GraphNode>) -> Result<(), Error> {
        let mut first = 0;
        loop {
            let records = self.core.metadata.segments(document.reference, first, GRAPH_SEGMENTS).await?;
            if records.is_empty() {
                return Ok(());
            }
            for (segment, pointers) in (first..).zip(self.core.describe_pointers(&records).await?) {
                nodes.push(GraphNode { name: document.record.name.clone(), segment, pointers });
            }
            first += u32::try_from(records.len()).unwrap_or(u32::MAX);
        }
    }
}

fn block_index(segment: u32, p: usize, parity: u8) -> u64 {
    u64::from(segment) * p as u64 + u64::from(parity)
}
