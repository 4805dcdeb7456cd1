//! The binary records of documents and segments, the same in every backend; docs/FORMAT.md draws them.
//!
//! A record has one form only: what decodes encodes to the same bytes. Bytes that are not a record are refused
//! with the field's name, never with a panic, and never cost more memory than a small multiple of their length.

mod document;
mod segment;
mod wire;

#[cfg(test)]
mod tests;

pub use document::{Stored, decode_document, encode_document, is_inline};
pub use segment::{decode_page, encode_page};

use wire::Reader;

/// The version of the format, the first byte of every record.
pub const VERSION: u8 = 1;

/// A document of at most this many segments keeps them in its own record: one read finds all.
pub const INLINE_SEGMENTS_MAX: u32 = 8;

/// Segments to a page: reading one segment of a long document reads one page, about 13 KiB at (1,10,3).
pub const PAGE_SEGMENTS: u32 = 64;

/// Longest media type, in bytes.
pub const CONTENT_TYPE_BYTES_MAX: usize = 1024;

/// Most headers of the client's that a document keeps.
pub const USER_METADATA_ENTRIES_MAX: usize = 256;

/// Longest all of them together, names and values, in bytes.
pub const USER_METADATA_BYTES_MAX: usize = 64 * 1024;

/// Most copies of a block: their count is one byte.
pub const COPIES_MAX: usize = 255;

fn take_version(reader: &mut Reader<'_>) -> types::Result<()> {
    match reader.byte("the version")? {
        VERSION => Ok(()),
        other => Err(reader.corrupt(format_args!("version {other} is not known here; {VERSION} is"))),
    }
}
