//! The name of a stored block.

use std::fmt;
use std::str::FromStr;

use crate::DocumentId;

/// The name under which storage nodes keep a block: the document, the segment and the parity's number in it.
///
/// Prints as `<32 hexadecimal digits>.<8 digits>.<2 digits>` (the document's identifier, then segment and
/// parity in hexadecimal, all lowercase): a file name on any file system, a key in any store. The text sorts as
/// the value does, so a document's blocks stand together and in order.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BlockId {
    /// The document whose codeword the block belongs to.
    pub document: DocumentId,
    /// The segment's number in the document, from 0.
    pub segment: u32,
    /// The parity's number in the codeword, from 0 to `p - 1`.
    pub parity: u8,
}

impl BlockId {
    /// Length of the text form, in bytes.
    pub const TEXT_BYTES: usize = 32 + 1 + 8 + 1 + 2;

    /// The block `parity` of segment `segment` of `document`.
    #[must_use]
    pub const fn new(document: DocumentId, segment: u32, parity: u8) -> Self {
        Self { document, segment, parity }
    }
}

impl fmt::Display for BlockId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for byte in self.document.as_bytes() {
            write!(f, "{byte:02x}")?;
        }
        write!(f, ".{:08x}.{:02x}", self.segment, self.parity)
    }
}

impl fmt::Debug for BlockId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A text that is not a block's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BlockIdError;

impl fmt::Display for BlockIdError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not a block's name: expected 32, 8 and 2 lowercase hexadecimal digits with dots between")
    }
}

impl std::error::Error for BlockIdError {}

impl FromStr for BlockId {
    type Err = BlockIdError;

    fn from_str(text: &str) -> Result<Self, BlockIdError> {
        let mut fields = text.split('.');
        let mut field = |digits: usize| {
            let field = fields.next().filter(|field| field.len() == digits).ok_or(BlockIdError)?;
            let lowercase_hex = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
            if !field.bytes().all(lowercase_hex) {
                return Err(BlockIdError);
            }
            u128::from_str_radix(field, 16).map_err(|_| BlockIdError)
        };
        let document = DocumentId::from_bytes(field(32)?.to_be_bytes());
        let segment = u32::try_from(field(8)?).map_err(|_| BlockIdError)?;
        let parity = u8::try_from(field(2)?).map_err(|_| BlockIdError)?;
        if fields.next().is_some() {
            return Err(BlockIdError);
        }
        Ok(Self { document, segment, parity })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_round_trips_and_has_a_fixed_length() {
        let id = BlockId::new(DocumentId::from_bytes([0xab; 16]), 0x0102_0304, 0xfe);
        let text = id.to_string();
        assert_eq!(text, "abababababababababababababababab.01020304.fe");
        assert_eq!(text.len(), BlockId::TEXT_BYTES);
        assert_eq!(text.parse::<BlockId>(), Ok(id));
    }

    #[test]
    fn other_texts_are_refused() {
        let good = BlockId::new(DocumentId::from_bytes([1; 16]), 2, 3).to_string();
        for bad in [
            String::new(),
            "..".to_owned(),
            good.to_uppercase() + "A",
            good.clone() + ".00",
            good.replacen("01", "+1", 1),
            good.replacen('.', "/", 1),
            good[1..].to_owned(),
        ] {
            assert_eq!(bad.parse::<BlockId>(), Err(BlockIdError), "{bad:?}");
        }
    }
}
