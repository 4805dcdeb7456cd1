//! What must hold of records: the same rules wherever they are written, committed or read.

use std::collections::HashSet;
use std::fmt;

use types::{DocumentRecord, Error, ErrorKind, NodeIndex, SegmentRecord};

use crate::record::{CONTENT_TYPE_BYTES_MAX, COPIES_MAX, USER_METADATA_BYTES_MAX, USER_METADATA_ENTRIES_MAX};
use crate::{STATE_BYTES_MAX, STATE_KEY_BYTES_MAX};

/// A rule that does not hold: `Invalid` in a request, `Corrupt` in what was stored.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Broken(String);

impl Broken {
    pub(crate) fn new(message: String) -> Self {
        Self(message)
    }

    pub(crate) fn invalid(self, subject: impl fmt::Display) -> Error {
        Error::new(ErrorKind::Invalid, subject, self)
    }

    pub(crate) fn corrupt(self, subject: impl fmt::Display) -> Error {
        Error::new(ErrorKind::Corrupt, subject, self)
    }
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Limits on a value of the daemons' own.
pub(crate) fn state_limits(key: &str, value: Option<&[u8]>) -> Result<(), Broken> {
    if !(1..=STATE_KEY_BYTES_MAX).contains(&key.len()) {
        return Err(Broken(format!("a key of {} bytes; 1 to {STATE_KEY_BYTES_MAX} are allowed", key.len())));
    }
    match value.map(<[u8]>::len) {
        Some(length) if length > STATE_BYTES_MAX => {
            Err(Broken(format!("a value of {length} bytes; at most {STATE_BYTES_MAX} are allowed")))
        }
        Some(_) | None => Ok(()),
    }
}

/// Limits on what a client may add to a document.
pub(crate) fn record_limits(record: &DocumentRecord) -> Result<(), Broken> {
    let media_type_bytes = record.content_type.as_ref().map_or(0, String::len);
    if media_type_bytes > CONTENT_TYPE_BYTES_MAX {
        return Err(Broken(format!(
            "the media type has {media_type_bytes} bytes; at most {CONTENT_TYPE_BYTES_MAX} are allowed"
        )));
    }
    let entries = record.user_metadata.len();
    if entries > USER_METADATA_ENTRIES_MAX {
        return Err(Broken(format!("{entries} headers; at most {USER_METADATA_ENTRIES_MAX} are allowed")));
    }
    let bytes: usize = record.user_metadata.iter().map(|(name, value)| name.len() + value.len()).sum();
    if bytes > USER_METADATA_BYTES_MAX {
        return Err(Broken(format!(
            "the headers have {bytes} bytes; at most {USER_METADATA_BYTES_MAX} are allowed"
        )));
    }
    Ok(())
}

/// Limits on a segment of any document.
pub(crate) fn segment_limits(segment: &SegmentRecord) -> Result<(), Broken> {
    for (count, what) in [(segment.pointers.len(), "pointers"), (segment.parities.len(), "parities")] {
        if count > usize::from(u8::MAX) {
            return Err(Broken(format!("a segment has {count} {what}; at most 255 are allowed")));
        }
    }
    segment.parities.iter().try_for_each(|parity| copies(&parity.nodes))
}

/// Copies of one block are never on the same node.
pub(crate) fn copies(nodes: &[NodeIndex]) -> Result<(), Broken> {
    if nodes.len() > COPIES_MAX {
        return Err(Broken(format!("a block has {} copies; at most {COPIES_MAX} are allowed", nodes.len())));
    }
    // One copy is by far the commonest case, and needs no set.
    if nodes.len() > 1 && nodes.iter().collect::<HashSet<_>>().len() < nodes.len() {
        return Err(Broken("two copies of a block are on one node".to_owned()));
    }
    Ok(())
}

/// Whether `segment` is what the document's layout and code say of segment `number`.
pub(crate) fn segment_of(
    record: &DocumentRecord,
    number: u32,
    segment: &SegmentRecord,
) -> Result<(), Broken> {
    let Some(extent) = record.layout.extent(number) else {
        return Err(Broken(format!("segment {number} of {}", record.layout.segments())));
    };
    let differs = |what: &str, is: &dyn fmt::Display, expected: &dyn fmt::Display| {
        Err(Broken(format!("segment {number} has {what} {is} instead of {expected}")))
    };
    if segment.class != extent.shape.class {
        return differs("length class", &segment.class, &extent.shape.class);
    }
    if segment.length != extent.shape.length {
        return differs("length", &segment.length, &extent.shape.length);
    }
    if segment.pointers.len() != record.parameters.t() {
        return differs("pointers", &segment.pointers.len(), &record.parameters.t());
    }
    if segment.parities.len() != record.parameters.p() {
        return differs("parities", &segment.parities.len(), &record.parameters.p());
    }
    if record.layout.segments() == 1 && segment.hash != record.hash {
        return differs("hash", &segment.hash, &record.hash);
    }
    segment_limits(segment)
}

/// Whether parities may be on no node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Copies {
    /// They may not: a new document was written, all of it.
    Written,
    /// They may: a document made again from its blocks has lost what it lost.
    AnyLeft,
}

/// Whether `segment` may be committed as segment `number`: it is that segment and, if that is asked for, all of it
/// was written.
pub(crate) fn committable(
    record: &DocumentRecord,
    number: u32,
    segment: &SegmentRecord,
    copies: Copies,
) -> Result<(), Broken> {
    segment_of(record, number, segment)?;
    if copies == Copies::AnyLeft {
        return Ok(());
    }
    match segment.parities.iter().position(|parity| parity.nodes.is_empty()) {
        Some(parity) => Err(Broken(format!("parity {parity} of segment {number} is on no node"))),
        None => Ok(()),
    }
}

/// Whether a block of `target`'s codeword `segment` may be a pointer: there is such a block, and of that class.
pub(crate) fn pointer_target(
    target: &DocumentRecord,
    block: types::BlockRef,
    class: types::LengthClass,
) -> Result<(), Broken> {
    match target.layout.extent(block.codeword.segment) {
        Some(extent) if extent.shape.class != class => Err(Broken(format!(
            "a codeword of class {class} points at {block}, whose class is {}",
            extent.shape.class
        ))),
        Some(_) if usize::from(block.parity) < target.parameters.p() => Ok(()),
        Some(_) | None => Err(Broken(format!("a pointer to {block}, which there is not"))),
    }
}
