//! What is known about a document: the same in memory, in every metadata store and, told by the blocks' own
//! headers, on the storage nodes.

use crate::BlockRef;
use crate::{CodeParameters, DocumentId, DocumentName, Hash, Layout, LengthClass, NodeIndex, Timestamp};

/// Headers given by the client and given back to it: lowercase name and value.
pub type UserMetadata = Vec<(String, String)>;

/// What a codeword's pointer symbol is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Pointer {
    /// The anchor of this number, of the codeword's block length.
    Anchor(u8),
    /// A parity of an older, committed document.
    Block(BlockRef),
}

/// A stored parity: what it must hash to and where its copies are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParityRecord {
    /// BLAKE3 of the payload.
    pub hash: Hash,
    /// The nodes that hold a copy, the first written first. Empty only while the last copy is lost.
    pub nodes: Vec<NodeIndex>,
}

/// A coded segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SegmentRecord {
    /// The length of the codeword's blocks.
    pub class: LengthClass,
    /// How many bytes of the document the segment holds, at most `s` blocks.
    pub length: u64,
    /// BLAKE3 of those bytes, without padding.
    pub hash: Hash,
    /// The `t` pointers, in symbol order.
    pub pointers: Vec<Pointer>,
    /// The `p` parities, in symbol order.
    pub parities: Vec<ParityRecord>,
}

/// A document, without its segments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DocumentRecord {
    /// The upload's identifier, which names the document's blocks.
    pub id: DocumentId,
    /// The document's name.
    pub name: DocumentName,
    /// The code of all its segments. A document is decoded with these, not with today's.
    pub parameters: CodeParameters,
    /// How it is cut into segments; holds its length.
    pub layout: Layout,
    /// BLAKE3 of the whole document.
    pub hash: Hash,
    /// When it was committed.
    pub created: Timestamp,
    /// Its media type, if one was given or known.
    pub content_type: Option<String>,
    /// What else the client wanted to be told again.
    pub user_metadata: UserMetadata,
}
