//! The archive's records as text: the same for the same records, whatever store they are in and however they got there.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use futures_util::stream::{self, Stream, StreamExt};
use metadata::{Document, MetadataStore};
use serde::Serialize;
use types::{CodewordRef, NodeIndex, NodeName, ParityRecord, Pointer, SegmentRecord};

use crate::error::Error;

/// Names read at once.
const NAMES: usize = 256;
/// Segments read at once.
const SEGMENTS: u32 = 64;

/// The line of a document.
#[derive(Serialize)]
struct DocumentLine<'a> {
    document: &'a str,
    id: String,
    created: String,
    length: u64,
    hash: String,
    content_type: Option<&'a str>,
    user_metadata: &'a [(String, String)],
    code: [usize; 3],
    segments: u32,
}

/// The line of a segment; a document's follow on its own.
#[derive(Serialize)]
struct SegmentLine<'a> {
    segment: u32,
    of: &'a str,
    block_length: usize,
    length: u64,
    hash: String,
    pointers: Vec<PointerLine>,
    parities: Vec<ParityLine<'a>>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum PointerLine {
    Anchor { anchor: u8 },
    Block { document: String, segment: u32, parity: u8 },
}

#[derive(Serialize)]
struct ParityLine<'a> {
    hash: String,
    nodes: Vec<&'a str>,
}

/// Every record as lines of text, one JSON object each: documents in the order of the names' bytes, each followed by its
/// segments. Nodes stand with their names, sorted; what differs from store to store (numbers of documents and nodes) is
/// left out, so that the export of a rebuilt archive equals the one before. Ends after an error.
pub fn export(
    metadata: Arc<dyn MetadataStore>,
) -> impl Stream<Item = Result<String, Error>> + Send + Unpin + 'static {
    let cursor = Cursor { metadata, nodes: None, names: VecDeque::new(), after: None, open: None };
    let page = |cursor: Option<Cursor>| async move {
        let mut cursor = cursor?;
        match cursor.lines().await {
            Ok(Some(lines)) => Some((lines.into_iter().map(Ok).collect(), Some(cursor))),
            Ok(None) => None,
            Err(error) => Some((vec![Err(error)], None)),
        }
    };
    stream::unfold(Some(cursor), page).map(stream::iter).flatten().boxed()
}

struct Cursor {
    metadata: Arc<dyn MetadataStore>,
    nodes: Option<HashMap<NodeIndex, NodeName>>,
    names: VecDeque<types::DocumentName>,
    after: Option<String>,
    /// The document whose segments come next, and the first of them.
    open: Option<(Document, u32)>,
}

fn line(value: &impl Serialize) -> Result<String, Error> {
    serde_json::to_string(value).map_err(|error| Error::Internal(format!("writing JSON: {error}")))
}

impl Cursor {
    /// The next lines; `None` at the end.
    async fn lines(&mut self) -> Result<Option<Vec<String>>, Error> {
        loop {
            if let Some((document, first)) = self.open.take() {
                let segments = self.metadata.segments(document.reference, first, SEGMENTS).await?;
                if segments.is_empty() {
                    continue;
                }
                let lines = self.segment_lines(&document, first, &segments).await?;
                self.open = Some((document, first + u32::try_from(segments.len()).unwrap_or(u32::MAX)));
                return Ok(Some(lines));
            }
            let Some(document) = self.next_document().await? else { return Ok(None) };
            let lines = vec![document_line(&document)?];
            self.open = Some((document, 0));
            return Ok(Some(lines));
        }
    }

    async fn next_document(&mut self) -> Result<Option<Document>, Error> {
        if self.names.is_empty() {
            let page = self.metadata.list("", self.after.as_deref(), NAMES).await?;
            self.names.extend(page.into_iter().map(|entry| entry.name));
        }
        let Some(name) = self.names.pop_front() else { return Ok(None) };
        self.after = Some(name.as_str().to_owned());
        let document = self.metadata.document(&name).await?;
        let vanished = || Error::Internal(format!("document {name:?} is listed but not recorded"));
        document.ok_or_else(vanished).map(Some)
    }

    async fn segment_lines(
        &mut self,
        document: &Document,
        first: u32,
        segments: &[SegmentRecord],
    ) -> Result<Vec<String>, Error> {
        if self.nodes.is_none() {
            let nodes = self.metadata.nodes().await?;
            self.nodes = Some(nodes.into_iter().map(|node| (node.index, node.name)).collect());
        }
        let mut lines = Vec::with_capacity(segments.len());
        for (number, record) in (first..).zip(segments) {
            let pointers = self.pointers(&record.pointers).await?;
            let nodes = self.nodes.as_ref();
            let parities = record.parities.iter().map(|parity| parity_line(parity, nodes));
            lines.push(line(&SegmentLine {
                segment: number,
                of: document.record.name.as_str(),
                block_length: record.class.bytes(),
                length: record.length,
                hash: record.hash.to_string(),
                pointers,
                parities: parities.collect::<Result<_, _>>()?,
            })?);
        }
        Ok(lines)
    }

    async fn pointers(&self, pointers: &[Pointer]) -> Result<Vec<PointerLine>, Error> {
        let block = |pointer: &Pointer| match pointer {
            Pointer::Block(block) => Some(block.codeword),
            Pointer::Anchor(_) => None,
        };
        let references: Vec<CodewordRef> = pointers.iter().filter_map(block).collect();
        let mut codewords = self.metadata.codewords(&references).await?.into_iter();
        let describe = |pointer: &Pointer| match *pointer {
            Pointer::Anchor(anchor) => Ok(PointerLine::Anchor { anchor }),
            Pointer::Block(block) => {
                let missing = || Error::Internal(format!("block {block} is pointed at but not recorded"));
                let codeword = codewords.next().flatten().ok_or_else(missing)?;
                let document = codeword.name.as_str().to_owned();
                Ok(PointerLine::Block { document, segment: block.codeword.segment, parity: block.parity })
            }
        };
        pointers.iter().map(describe).collect()
    }
}

fn document_line(document: &Document) -> Result<String, Error> {
    let record = &document.record;
    line(&DocumentLine {
        document: record.name.as_str(),
        id: record.id.to_string(),
        created: record.created.to_string(),
        length: record.layout.length(),
        hash: record.hash.to_string(),
        content_type: record.content_type.as_deref(),
        user_metadata: &record.user_metadata,
        code: [record.parameters.s(), record.parameters.t(), record.parameters.p()],
        segments: record.layout.segments(),
    })
}

fn parity_line<'a>(
    parity: &ParityRecord,
    nodes: Option<&'a HashMap<NodeIndex, NodeName>>,
) -> Result<ParityLine<'a>, Error> {
    let name = |index: &NodeIndex| {
        let name = nodes.and_then(|nodes| nodes.get(index)).map(NodeName::as_str);
        name.ok_or_else(|| Error::Internal(format!("node {index} holds a block but is not registered")))
    };
    let mut nodes = parity.nodes.iter().map(name).collect::<Result<Vec<_>, _>>()?;
    nodes.sort_unstable();
    Ok(ParityLine { hash: parity.hash.to_string(), nodes })
}
