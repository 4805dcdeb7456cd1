//! Documents, with their segments where these are few.

use types::{
    CodeParameters, DocumentId, DocumentName, DocumentRecord, Hash, Layout, NAME_BYTES_MAX, Result,
    SegmentRecord, SegmentShape, TAIL_SEGMENTS_MAX, Timestamp, UserMetadata,
};

use super::segment;
use super::wire::{Reader, put_number, put_text, unzigzag, zigzag};
use super::{
    CONTENT_TYPE_BYTES_MAX, INLINE_SEGMENTS_MAX, USER_METADATA_BYTES_MAX, USER_METADATA_ENTRIES_MAX, VERSION,
};
use crate::check::{self, Broken};

/// A document's record as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// The document.
    pub record: DocumentRecord,
    /// All its segments if they are inline, else none.
    pub segments: Vec<SegmentRecord>,
}

/// Whether a document of this layout keeps its segments in its own record.
#[must_use]
pub fn is_inline(layout: &Layout) -> bool {
    layout.segments() <= INLINE_SEGMENTS_MAX
}

/// The bytes of a document's record; `segments` are all of them if they are inline, else none.
///
/// `Invalid` if the segments are not those of the layout, or something is over its limit.
pub fn encode_document(record: &DocumentRecord, segments: &[SegmentRecord]) -> Result<Vec<u8>> {
    check_document(record, segments).map_err(|broken| broken.invalid(&record.name))?;
    let mut out = Vec::with_capacity(512);
    out.push(VERSION);
    out.extend_from_slice(&record.parameters.to_bytes());
    put_layout(&mut out, &record.layout);
    out.extend_from_slice(record.id.as_bytes());
    out.extend_from_slice(record.hash.as_bytes());
    put_number(&mut out, zigzag(record.created.as_millis()));
    put_text(&mut out, record.name.as_str(), 0);
    match &record.content_type {
        None => out.push(0),
        Some(text) => put_text(&mut out, text, 1),
    }
    put_number(&mut out, record.user_metadata.len() as u64);
    for (name, value) in &record.user_metadata {
        put_text(&mut out, name, 0);
        put_text(&mut out, value, 0);
    }
    // An only segment is the whole document, and has its hash.
    for segment in segments {
        segment::put(&mut out, segment, segments.len() > 1);
    }
    Ok(out)
}

/// The document of a record.
///
/// `Corrupt`, naming the field, for any bytes that [`encode_document`] does not make.
pub fn decode_document(bytes: &[u8]) -> Result<Stored> {
    let mut reader = Reader::new("document record", bytes);
    super::take_version(&mut reader)?;
    let record = take_record(&mut reader)?;
    let count = if is_inline(&record.layout) { record.layout.segments() } else { 0 };
    let hash = (count == 1).then_some(record.hash);
    let segments = (0..count).map(|_| segment::take(&mut reader, hash)).collect::<Result<Vec<_>>>()?;
    check_document(&record, &segments).map_err(|broken| reader.corrupt(broken))?;
    reader.finish()?;
    Ok(Stored { record, segments })
}

fn check_document(record: &DocumentRecord, segments: &[SegmentRecord]) -> Result<(), Broken> {
    check::record_limits(record)?;
    let expected = if is_inline(&record.layout) { record.layout.segments() as usize } else { 0 };
    if segments.len() != expected {
        return Err(Broken::new(format!("{} segments in the record instead of {expected}", segments.len())));
    }
    (0..).zip(segments).try_for_each(|(number, segment)| check::segment_of(record, number, segment))
}

fn take_record(reader: &mut Reader<'_>) -> Result<DocumentRecord> {
    let [s, t, p] = reader.array("the parameters")?.map(usize::from);
    let parameters = CodeParameters::new(s, t, p).map_err(|error| reader.corrupt(error))?;
    let layout = take_layout(reader, parameters)?;
    let id = DocumentId::from_bytes(reader.array("the identifier")?);
    let hash = Hash::from_bytes(reader.array("the hash")?);
    let created = Timestamp::from_millis(unzigzag(reader.number("the time")?));
    let length = reader.number("the name's length")?;
    let name = reader.text(length, NAME_BYTES_MAX, "the name")?;
    let name = DocumentName::new(name).map_err(|error| reader.corrupt(error))?;
    let content_type = take_content_type(reader)?;
    let user_metadata = take_user_metadata(reader)?;
    Ok(DocumentRecord { id, name, parameters, layout, hash, created, content_type, user_metadata })
}

fn put_layout(out: &mut Vec<u8>, layout: &Layout) {
    put_number(out, layout.full());
    out.push(layout.full_class().log2());
    // At most three: the layout's constructor checked it.
    out.push(u8::try_from(layout.tail().len()).unwrap_or(u8::MAX));
    for shape in layout.tail() {
        out.push(shape.class.log2());
        put_number(out, shape.length);
    }
}

fn take_layout(reader: &mut Reader<'_>, parameters: CodeParameters) -> Result<Layout> {
    let full: u32 = reader.number("the number of full segments")?;
    let class = segment::take_class(reader)?;
    let count = usize::from(reader.byte("the number of segments in the tail")?);
    if count > TAIL_SEGMENTS_MAX {
        return Err(reader.corrupt(format_args!("a tail of {count} segments")));
    }
    let take_shape = |reader: &mut Reader<'_>| {
        let class = segment::take_class(reader)?;
        let length = reader.number("a segment's length")?;
        Ok(SegmentShape { class, length })
    };
    let tail = (0..count).map(|_| take_shape(reader)).collect::<Result<Vec<_>>>()?;
    // Looked at first, because `Layout` multiplies; three more for the tail.
    let capacity = parameters.s() as u64 * LARGEST_BLOCK;
    let most = parameters.s() as u64 * class.bytes() as u64;
    let length = u64::from(full).checked_mul(most).and_then(|bytes| bytes.checked_add(3 * capacity));
    if length.is_none() {
        return Err(reader.corrupt("the document is longer than 2^64 bytes"));
    }
    Layout::restore(parameters, full, class, tail).map_err(|error| reader.corrupt(error))
}

/// The length of a block of the largest class.
const LARGEST_BLOCK: u64 = types::LengthClass::MAX.bytes() as u64;

fn take_content_type(reader: &mut Reader<'_>) -> Result<Option<String>> {
    let length: usize = reader.number("the media type's length")?;
    let Some(length) = length.checked_sub(1) else { return Ok(None) };
    let text = reader.text(length, CONTENT_TYPE_BYTES_MAX, "the media type")?;
    Ok(Some(text.to_owned()))
}

fn take_user_metadata(reader: &mut Reader<'_>) -> Result<UserMetadata> {
    let count: usize = reader.number("the number of headers")?;
    if count > USER_METADATA_ENTRIES_MAX {
        return Err(reader.corrupt(format_args!("{count} headers; at most {USER_METADATA_ENTRIES_MAX}")));
    }
    let take_text = |reader: &mut Reader<'_>, field: &str| {
        let length = reader.number(field)?;
        reader.text(length, USER_METADATA_BYTES_MAX, field).map(str::to_owned)
    };
    (0..count)
        .map(|_| Ok((take_text(reader, "a header's name")?, take_text(reader, "a header's value")?)))
        .collect()
}
