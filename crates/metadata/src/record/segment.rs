//! Segments and pages of segments.

use types::{
    BlockRef, CodewordRef, DocumentRef, Error, ErrorKind, Hash, LengthClass, NodeIndex, ParityRecord,
    Partition, Pointer, Result, SegmentRecord,
};

use super::wire::{Reader, put_number};
use super::{PAGE_SEGMENTS, VERSION};
use crate::check;

/// The bytes of a page: 1 to [`PAGE_SEGMENTS`] consecutive segments of one document.
///
/// `Invalid` if there are more or fewer, or a segment breaks a limit.
pub fn encode_page(segments: &[SegmentRecord]) -> Result<Vec<u8>> {
    let count = u8::try_from(segments.len()).unwrap_or(u8::MAX);
    if count == 0 || u32::from(count) > PAGE_SEGMENTS {
        let message = format!("{} segments; 1 to {PAGE_SEGMENTS} are allowed", segments.len());
        return Err(Error::new(ErrorKind::Invalid, "segment page", message));
    }
    let mut out = vec![VERSION, count];
    for segment in segments {
        check::segment_limits(segment).map_err(|broken| broken.invalid("segment page"))?;
        put(&mut out, segment, true);
    }
    Ok(out)
}

/// The segments of a page.
///
/// `Corrupt`, naming the field, for any bytes that [`encode_page`] does not make.
pub fn decode_page(bytes: &[u8]) -> Result<Vec<SegmentRecord>> {
    let mut reader = Reader::new("segment page", bytes);
    super::take_version(&mut reader)?;
    let count = reader.byte("the number of segments")?;
    if count == 0 || u32::from(count) > PAGE_SEGMENTS {
        return Err(reader.corrupt(format_args!("it has {count} segments")));
    }
    let segments = (0..count).map(|_| take(&mut reader, None)).collect::<Result<_>>()?;
    reader.finish()?;
    Ok(segments)
}

/// Appends a segment within [`check::segment_limits`]; without its hash where the reader knows it.
pub(super) fn put(out: &mut Vec<u8>, segment: &SegmentRecord, with_hash: bool) {
    out.push(segment.class.log2());
    put_number(out, segment.length);
    if with_hash {
        out.extend_from_slice(segment.hash.as_bytes());
    }
    put_count(out, segment.pointers.len());
    for pointer in &segment.pointers {
        put_pointer(out, *pointer);
    }
    put_count(out, segment.parities.len());
    for parity in &segment.parities {
        out.extend_from_slice(parity.hash.as_bytes());
        put_count(out, parity.nodes.len());
        for node in &parity.nodes {
            put_number(out, node.0);
        }
    }
}

/// A count that `check::segment_limits` holds to 255.
fn put_count(out: &mut Vec<u8>, count: usize) {
    out.push(u8::try_from(count).unwrap_or(u8::MAX));
}

/// An anchor starts with 0, a block with its parity's number plus 1: neither costs a byte for its kind.
fn put_pointer(out: &mut Vec<u8>, pointer: Pointer) {
    match pointer {
        Pointer::Anchor(number) => out.extend_from_slice(&[0, number]),
        Pointer::Block(block) => {
            put_number(out, u64::from(block.parity) + 1);
            put_number(out, block.codeword.document.partition.0);
            put_number(out, block.codeword.document.sequence);
            put_number(out, block.codeword.segment);
        }
    }
}

/// Reads a segment; `hash` if it is known from elsewhere and not in the bytes.
pub(super) fn take(reader: &mut Reader<'_>, hash: Option<Hash>) -> Result<SegmentRecord> {
    let class = take_class(reader)?;
    let length = reader.number("a segment's length")?;
    let hash = match hash {
        Some(hash) => hash,
        None => Hash::from_bytes(reader.array("a segment's hash")?),
    };
    let count = reader.byte("the number of pointers")?;
    let pointers = (0..count).map(|_| take_pointer(reader)).collect::<Result<_>>()?;
    let count = reader.byte("the number of parities")?;
    let parities = (0..count).map(|_| take_parity(reader)).collect::<Result<_>>()?;
    let segment = SegmentRecord { class, length, hash, pointers, parities };
    check::segment_limits(&segment).map_err(|broken| reader.corrupt(broken))?;
    Ok(segment)
}

pub(super) fn take_class(reader: &mut Reader<'_>) -> Result<LengthClass> {
    let log2 = reader.byte("a length class")?;
    LengthClass::new(log2).map_err(|error| reader.corrupt(error))
}

fn take_pointer(reader: &mut Reader<'_>) -> Result<Pointer> {
    let kind: u16 = reader.number("a pointer's parity")?;
    let Some(parity) = kind.checked_sub(1) else {
        return reader.byte("an anchor's number").map(Pointer::Anchor);
    };
    let parity = u8::try_from(parity)
        .map_err(|_| reader.corrupt(format_args!("a pointer's parity is {parity}, out of range")))?;
    let partition = Partition(reader.number("a pointer's partition")?);
    let sequence = reader.number("a pointer's sequence")?;
    let segment = reader.number("a pointer's segment")?;
    let codeword = CodewordRef { document: DocumentRef { partition, sequence }, segment };
    Ok(Pointer::Block(BlockRef { codeword, parity }))
}

fn take_parity(reader: &mut Reader<'_>) -> Result<ParityRecord> {
    let hash = Hash::from_bytes(reader.array("a parity's hash")?);
    let count = reader.byte("the number of a parity's nodes")?;
    let nodes = (0..count).map(|_| reader.number("a node").map(NodeIndex)).collect::<Result<_>>()?;
    Ok(ParityRecord { hash, nodes })
}
