//! References inside the metadata store: small integers, so that records stay small.

use std::fmt;

/// A partition of the metadata store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Partition(pub u16);

/// A document's number in its partition, in the order of commits, from 0 without gaps.
pub type Sequence = u64;

/// A committed document.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DocumentRef {
    /// The document's partition.
    pub partition: Partition,
    /// Its number there.
    pub sequence: Sequence,
}

/// A committed codeword.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CodewordRef {
    /// The document.
    pub document: DocumentRef,
    /// The segment's number in it, from 0.
    pub segment: u32,
}

/// A committed block.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BlockRef {
    /// The codeword that the block is a parity of.
    pub codeword: CodewordRef,
    /// The parity's number in it, from 0.
    pub parity: u8,
}

impl fmt::Display for DocumentRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.partition.0, self.sequence)
    }
}

impl fmt::Display for CodewordRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.document, self.segment)
    }
}

impl fmt::Display for BlockRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.codeword, self.parity)
    }
}
