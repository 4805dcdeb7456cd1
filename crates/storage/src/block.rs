//! A block on its way to a node.

use bytes::Bytes;

/// A block as it is written: the header, then the payload. Cloning shares the bytes.
#[derive(Debug, Clone)]
pub struct Block {
    /// The encoded header.
    pub header: Bytes,
    /// The coded bytes.
    pub payload: Bytes,
}

impl Block {
    /// How many bytes a node keeps.
    #[must_use]
    pub fn len(&self) -> usize {
        self.header.len() + self.payload.len()
    }

    /// Whether there is nothing to keep.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
