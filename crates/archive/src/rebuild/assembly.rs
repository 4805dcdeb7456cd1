//! A document's record, put together segment by segment.

use code::{BlockHeader, Ending};
use metadata::Reservation;
use types::{
    CodeParameters, DocumentId, DocumentName, DocumentRecord, Hash, LengthClass, ParityRecord, Pointer,
    SegmentRecord, SegmentShape, Timestamp,
};

use super::UNKNOWN_HASH;
use super::finding::{Finding, Findings};
use super::pointed::Remnant;
use super::shapes::{Shapes, full_length, gap};

/// What all segments of a document share.
#[derive(Debug, Clone)]
pub(super) struct Facts {
    pub(super) name: DocumentName,
    pub(super) parameters: CodeParameters,
}

/// A document on its way into the metadata store.
#[derive(Debug)]
pub(super) struct Assembly {
    pub(super) id: DocumentId,
    pub(super) facts: Option<Facts>,
    pub(super) ending: Option<Ending>,
    /// Segments not staged yet.
    pub(super) pending: Vec<SegmentRecord>,
    pub(super) staged: u32,
    pub(super) reservation: Option<Reservation>,
    /// Whether a pointer's document is not recorded yet.
    pub(super) waits: bool,
    /// Why there can be no record.
    pub(super) refused: Option<String>,
    /// Segments without a header.
    pub(super) lost: u32,
    /// What was met; reported when it is settled what becomes of the document.
    pub(super) findings: Findings,
    shapes: Option<Shapes>,
    next: u32,
    offset: u64,
    class: Option<LengthClass>,
    only_hash: Option<Hash>,
}

impl Assembly {
    pub(super) fn new(id: DocumentId) -> Self {
        Self {
            id,
            facts: None,
            ending: None,
            pending: Vec::new(),
            staged: 0,
            reservation: None,
            waits: false,
            refused: None,
            lost: 0,
            findings: Findings::default(),
            shapes: None,
            next: 0,
            offset: 0,
            class: None,
            only_hash: None,
        }
    }

    /// Whether no further segment matters.
    pub(super) fn is_over(&self) -> bool {
        self.waits || self.refused.is_some()
    }

    /// How many segments there are so far.
    pub(super) fn segments(&self) -> u32 {
        self.next
    }

    /// Makes room for the segment of `header`: checks that it fits the others and fills the gap before it with lost
    /// segments.
    pub(super) fn admit(&mut self, header: &BlockHeader) -> Result<(), String> {
        let facts = self
            .facts
            .get_or_insert_with(|| Facts { name: header.name.clone(), parameters: header.parameters });
        if facts.name != header.name || facts.parameters != header.parameters {
            return Err(format!("segment {} has another name or code", header.id.segment));
        }
        if self.ending.is_some() {
            return Err(format!("segment {} follows the last one", header.id.segment));
        }
        let missing = header.id.segment.saturating_sub(self.next);
        if missing > 0 {
            let bytes = header.segment_offset.saturating_sub(self.offset);
            let shapes = gap(header.parameters, missing, bytes, self.class, header.class);
            let shapes =
                shapes.ok_or_else(|| format!("{missing} segments before {} are lost", header.id.segment))?;
            shapes.into_iter().try_for_each(|shape| self.lose(shape))?;
        }
        if header.segment_offset != self.offset {
            return Err(format!("segment {} begins at {}", header.id.segment, header.segment_offset));
        }
        self.ending.clone_from(&header.ending);
        Ok(())
    }

    /// Adds a segment.
    pub(super) fn push(&mut self, record: SegmentRecord) -> Result<(), String> {
        let parameters = self.parameters();
        let shape = SegmentShape { class: record.class, length: record.length };
        if !self.shapes.get_or_insert_with(|| Shapes::new(parameters)).push(shape) {
            return Err("its segments make no layout".to_owned());
        }
        self.only_hash = (self.next == 0).then_some(record.hash);
        self.class = Some(record.class);
        self.next += 1;
        self.offset = self.offset.saturating_add(record.length);
        self.pending.push(record);
        Ok(())
    }

    /// Adds a segment of which nothing is known but its shape.
    fn lose(&mut self, shape: SegmentShape) -> Result<(), String> {
        let parameters = self.parameters();
        let facts = self.facts.as_ref();
        if let Some(name) = facts.map(|facts| facts.name.clone()) {
            self.findings.push(Finding::LostSegment { document: self.id, name, segment: self.next });
        }
        self.lost += 1;
        // With t anchors and no parity there are fewer symbols than the k >= t + 1 that it takes to decode: what these
        // pointers stand for is never mistaken for the segment.
        let pointers = (0..=u8::MAX).take(parameters.t()).map(Pointer::Anchor).collect();
        let parity = || ParityRecord { hash: UNKNOWN_HASH, nodes: Vec::new() };
        let parities = std::iter::repeat_with(parity).take(parameters.p()).collect();
        let SegmentShape { class, length } = shape;
        self.push(SegmentRecord { class, length, hash: UNKNOWN_HASH, pointers, parities })
    }

    /// Adds the lost segments that are pointed at after the last that is there.
    pub(super) fn pad(&mut self, remnant: &Remnant) -> Result<(), String> {
        let parameters = self.parameters();
        for class in remnant.classes(self.next, self.class) {
            self.lose(SegmentShape { class, length: full_length(parameters, class) })?;
        }
        Ok(())
    }

    fn parameters(&self) -> CodeParameters {
        self.facts.as_ref().map_or(CodeParameters::DEFAULT, |facts| facts.parameters)
    }

    /// The document's record. What only a lost last segment told is left out: the hash is unknown, the time is that of
    /// the identifier.
    pub(super) fn record(&mut self, facts: Facts) -> Result<DocumentRecord, String> {
        let shapes = self.shapes.take().ok_or("no segment is left")?;
        let layout = shapes.finish().map_err(|error| error.to_string())?;
        let ending = self.ending.take().unwrap_or_else(|| Ending {
            length: layout.length(),
            hash: self.only_hash.unwrap_or(UNKNOWN_HASH),
            segments: layout.segments(),
            created: begun(&self.id),
            content_type: None,
            user_metadata: Vec::new(),
        });
        if ending.segments != layout.segments() || ending.length != layout.length() {
            return Err(format!("{} segments instead of {}", layout.segments(), ending.segments));
        }
        Ok(DocumentRecord {
            id: self.id,
            name: facts.name,
            parameters: facts.parameters,
            layout,
            hash: ending.hash,
            created: ending.created,
            content_type: ending.content_type,
            user_metadata: ending.user_metadata,
        })
    }
}

/// When an upload began: the first 48 bits of its identifier, a `UUIDv7`.
fn begun(id: &DocumentId) -> Timestamp {
    let millis = id.as_bytes().iter().take(6).fold(0_i64, |millis, byte| millis << 8 | i64::from(*byte));
    Timestamp::from_millis(millis)
}
