//! One segment's part of a PUT: select, read pointers, encode, place, write.

use std::sync::Arc;

use bytes::Bytes;
use code::{BlockHeader, Ending, HeaderPointer};
use storage::{Block, PooledBuffer};
use types::{
    BlockId, DocumentId, DocumentName, Hash, Layout, ParityRecord, SegmentRecord, SegmentShape, Timestamp,
    UserMetadata,
};

use crate::cache::Key;
use crate::core::Core;
use crate::error::Error;

/// A segment to be coded and written.
pub(crate) struct Task {
    pub(crate) document: DocumentId,
    pub(crate) name: DocumentName,
    pub(crate) segment: u32,
    pub(crate) shape: SegmentShape,
    /// Bytes of the document before it.
    pub(crate) offset: u64,
    /// `s` blocks, the document's bytes and then zeros.
    pub(crate) source: Bytes,
    /// For the last segment.
    pub(crate) end: Option<End>,
}

/// What the last segment's headers say of the document.
pub(crate) struct End {
    pub(crate) layout: Layout,
    /// BLAKE3 of the document; `None` if the segment is all of it.
    pub(crate) hash: Option<Hash>,
    pub(crate) created: Timestamp,
    pub(crate) content_type: Option<String>,
    pub(crate) user_metadata: UserMetadata,
}

/// A written segment.
pub(crate) struct Outcome {
    pub(crate) record: SegmentRecord,
    /// Whether a node may hold a block that the record does not know of.
    pub(crate) uncertain: bool,
}

/// Clears what follows the document's bytes in a buffer of whole blocks.
pub(crate) fn padded(mut buffer: PooledBuffer, length: usize) -> Bytes {
    if let Some(padding) = buffer.get_mut(length..) {
        padding.fill(0);
    }
    buffer.freeze()
}

impl Core {
    /// Codes a segment and writes its parities; returns when they are durable.
    pub(crate) async fn put_segment(self: Arc<Self>, task: Task) -> Result<Outcome, Error> {
        let (parameters, class) = (self.settings.parameters, task.shape.class);
        let pointers = self.select_pointers(class).await?;
        let length = usize::try_from(task.shape.length).unwrap_or(usize::MAX);
        let encoded =
            self.coder.encode(parameters, class, task.source.clone(), length, pointers.blocks).await?;
        let segment_hash = encoded.segment_hash;
        let ending = task.end.as_ref().map(|end| end.to_ending(task.segment, segment_hash));
        let mut blocks = Vec::with_capacity(encoded.parities.len());
        for (parity, (payload, hash)) in (0..=u8::MAX).zip(&encoded.parities) {
            let id = BlockId::new(task.document, task.segment, parity);
            let header = self.header(&task, id, segment_hash, *hash, &pointers.headers, ending.clone());
            let header = header.encode().map_err(|error| Error::Internal(error.to_string()))?;
            blocks.push(Block { header: header.into(), payload: payload.clone() });
        }
        let written = self.write_parities(task.document, task.segment, &blocks, &pointers.nodes).await?;
        for (parity, (payload, _)) in (0..=u8::MAX).zip(&encoded.parities) {
            self.cache.offer(Key::Block(BlockId::new(task.document, task.segment, parity)), payload);
        }
        let parity = |((_, hash), nodes)| ParityRecord { hash, nodes };
        let record = SegmentRecord {
            class,
            length: task.shape.length,
            hash: segment_hash,
            pointers: pointers.records,
            parities: encoded.parities.into_iter().zip(written.nodes).map(parity).collect(),
        };
        Ok(Outcome { record, uncertain: written.uncertain })
    }

    fn header(
        &self,
        task: &Task,
        id: BlockId,
        segment_hash: Hash,
        payload_hash: Hash,
        pointers: &[HeaderPointer],
        ending: Option<Ending>,
    ) -> BlockHeader {
        BlockHeader {
            archive: self.info.id,
            id,
            name: task.name.clone(),
            parameters: self.settings.parameters,
            class: task.shape.class,
            segment_length: task.shape.length,
            segment_offset: task.offset,
            payload_hash,
            segment_hash,
            pointers: pointers.to_vec(),
            ending,
        }
    }
}

impl End {
    fn to_ending(&self, segment: u32, segment_hash: Hash) -> Ending {
        Ending {
            length: self.layout.length(),
            hash: self.hash.unwrap_or(segment_hash),
            segments: segment + 1,
            created: self.created,
            content_type: self.content_type.clone(),
            user_metadata: self.user_metadata.clone(),
        }
    }
}
