//! Reading and writing little-endian fields one after the other.

use types::Hash;

use super::{HeaderError, invalid};

/// Where the header's own length stands.
const LENGTH_AT: std::ops::Range<usize> = 12..16;

/// Takes fields off the front of a slice.
pub(super) struct Reader<'a> {
    rest: &'a [u8],
    read: usize,
}

impl<'a> Reader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes, read: 0 }
    }

    fn slice(&mut self, length: usize) -> Result<&'a [u8], HeaderError> {
        let (slice, rest) = self.rest.split_at_checked(length).ok_or(HeaderError::Truncated)?;
        self.rest = rest;
        self.read += length;
        Ok(slice)
    }

    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], HeaderError> {
        let (array, rest) = self.rest.split_first_chunk::<N>().ok_or(HeaderError::Truncated)?;
        self.rest = rest;
        self.read += N;
        Ok(*array)
    }

    pub(super) fn u8(&mut self) -> Result<u8, HeaderError> {
        self.array().map(u8::from_le_bytes)
    }

    pub(super) fn u16(&mut self) -> Result<u16, HeaderError> {
        self.array().map(u16::from_le_bytes)
    }

    pub(super) fn u32(&mut self) -> Result<u32, HeaderError> {
        self.array().map(u32::from_le_bytes)
    }

    pub(super) fn u64(&mut self) -> Result<u64, HeaderError> {
        self.array().map(u64::from_le_bytes)
    }

    pub(super) fn i64(&mut self) -> Result<i64, HeaderError> {
        self.array().map(i64::from_le_bytes)
    }

    /// A length of two bytes, then so many bytes of UTF-8.
    pub(super) fn text(&mut self) -> Result<String, HeaderError> {
        let length = self.u16()?;
        let bytes = self.slice(length.into())?;
        std::str::from_utf8(bytes).map(str::to_owned).map_err(|_| invalid("a text that is not UTF-8"))
    }

    /// The rest must be fewer than `alignment` zeros: one value has one encoding.
    pub(super) fn padding(&self, alignment: usize) -> Result<(), HeaderError> {
        if self.rest.len() < alignment && self.rest.iter().all(|&byte| byte == 0) {
            return Ok(());
        }
        Err(invalid(format_args!("{} bytes that mean nothing after byte {}", self.rest.len(), self.read)))
    }
}

/// Appends fields.
#[derive(Default)]
pub(super) struct Writer {
    bytes: Vec<u8>,
}

impl Writer {
    pub(super) fn bytes(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    pub(super) fn u8(&mut self, value: u8) {
        self.bytes.push(value);
    }

    pub(super) fn u16(&mut self, value: u16) {
        self.bytes(&value.to_le_bytes());
    }

    pub(super) fn u32(&mut self, value: u32) {
        self.bytes(&value.to_le_bytes());
    }

    pub(super) fn u64(&mut self, value: u64) {
        self.bytes(&value.to_le_bytes());
    }

    pub(super) fn i64(&mut self, value: i64) {
        self.bytes(&value.to_le_bytes());
    }

    pub(super) fn text(&mut self, text: &str) -> Result<(), HeaderError> {
        self.u16(u16::try_from(text.len()).map_err(|_| invalid("a text over 65535 bytes"))?);
        self.bytes(text.as_bytes());
        Ok(())
    }

    /// Pads, writes the length into its place, appends the hash of all before it.
    pub(super) fn seal(mut self, alignment: usize, bytes_max: usize) -> Result<Vec<u8>, HeaderError> {
        let length = (self.bytes.len() + Hash::BYTES).next_multiple_of(alignment);
        if length > bytes_max {
            return Err(invalid(format_args!("{length} bytes; at most {bytes_max} are allowed")));
        }
        self.bytes.resize(length - Hash::BYTES, 0);
        let field = u32::try_from(length).map_err(invalid)?.to_le_bytes();
        self.bytes.get_mut(LENGTH_AT).ok_or(HeaderError::Truncated)?.copy_from_slice(&field);
        let hash = Hash::of(&self.bytes);
        self.bytes.extend_from_slice(hash.as_bytes());
        Ok(self.bytes)
    }
}
