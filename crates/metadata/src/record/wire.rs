//! Bytes and LEB128 varints, in one canonical form only: what decodes encodes to the same bytes.

use std::fmt::Display;

use types::{Error, ErrorKind, Result};

/// Reads a record; every refusal says which record and which field.
pub(super) struct Reader<'a> {
    record: &'static str,
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(super) fn new(record: &'static str, bytes: &'a [u8]) -> Self {
        Self { record, rest: bytes }
    }

    pub(super) fn corrupt(&self, message: impl Display) -> Error {
        Error::new(ErrorKind::Corrupt, self.record, message)
    }

    pub(super) fn bytes(&mut self, count: usize, field: &str) -> Result<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(count).ok_or_else(|| self.cut_short(field))?;
        self.rest = rest;
        Ok(taken)
    }

    pub(super) fn array<const N: usize>(&mut self, field: &str) -> Result<[u8; N]> {
        let (taken, rest) = self.rest.split_first_chunk().ok_or_else(|| self.cut_short(field))?;
        self.rest = rest;
        Ok(*taken)
    }

    pub(super) fn byte(&mut self, field: &str) -> Result<u8> {
        self.array(field).map(|[byte]| byte)
    }

    /// A varint that fits its type.
    pub(super) fn number<T: TryFrom<u64>>(&mut self, field: &str) -> Result<T> {
        let value = self.varint(field)?;
        T::try_from(value).map_err(|_| self.corrupt(format_args!("{field} is {value}, out of range")))
    }

    /// A length in bytes of at most `max`, and as many bytes of UTF-8.
    pub(super) fn text(&mut self, count: usize, max: usize, field: &str) -> Result<&'a str> {
        if count > max {
            return Err(self.corrupt(format_args!("{field} has {count} bytes; at most {max} are allowed")));
        }
        let bytes = self.bytes(count, field)?;
        std::str::from_utf8(bytes).map_err(|_| self.corrupt(format_args!("{field} is not UTF-8")))
    }

    fn varint(&mut self, field: &str) -> Result<u64> {
        let mut value = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte(field)?;
            let bits = u64::from(byte & 0x7f);
            // Only one bit of the tenth byte has a place in 64.
            if shift == 63 && bits > 1 {
                break;
            }
            value |= bits << shift;
            if byte & 0x80 == 0 {
                if byte == 0 && shift > 0 {
                    return Err(self.corrupt(format_args!("{field} is a number with a needless byte")));
                }
                return Ok(value);
            }
        }
        Err(self.corrupt(format_args!("{field} is a number of more than 64 bits")))
    }

    pub(super) fn finish(self) -> Result<()> {
        if self.rest.is_empty() {
            return Ok(());
        }
        Err(self.corrupt(format_args!("{} bytes follow its end", self.rest.len())))
    }

    fn cut_short(&self, field: &str) -> Error {
        self.corrupt(format_args!("it ends within {field}"))
    }
}

/// Appends `value` as LEB128: seven bits a byte, lowest first, the high bit set on all but the last.
pub(super) fn put_number(out: &mut Vec<u8>, value: impl Into<u64>) {
    let mut value = value.into();
    while value >= 0x80 {
        // Truncation is meant: the lowest seven bits.
        out.push(value.to_le_bytes()[0] | 0x80);
        value >>= 7;
    }
    out.push(value.to_le_bytes()[0]);
}

/// Appends the length of `text` plus `more`, then `text`.
pub(super) fn put_text(out: &mut Vec<u8>, text: &str, more: u64) {
    put_number(out, text.len() as u64 + more);
    out.extend_from_slice(text.as_bytes());
}

/// Zigzag: small numbers of either sign become small numbers.
pub(super) fn zigzag(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)).cast_unsigned()
}

/// The inverse of [`zigzag`].
pub(super) fn unzigzag(value: u64) -> i64 {
    (value >> 1).cast_signed() ^ -(value & 1).cast_signed()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_round_trip_in_one_form_only() {
        for value in [0, 1, 127, 128, 16_383, 16_384, u64::from(u32::MAX), u64::MAX - 1, u64::MAX] {
            let mut bytes = Vec::new();
            put_number(&mut bytes, value);
            let mut reader = Reader::new("test", &bytes);
            assert_eq!(reader.number::<u64>("number").unwrap(), value);
            reader.finish().unwrap();
        }
        let refused: [&[u8]; 4] = [&[], &[0x80], &[0x80, 0], &[0xff; 11]];
        for bytes in refused {
            assert!(Reader::new("test", bytes).number::<u64>("number").is_err(), "{bytes:?}");
        }
        let too_large = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2];
        assert!(Reader::new("test", &too_large).number::<u64>("number").is_err());
        assert!(Reader::new("test", &[0x80, 0x80, 4]).number::<u16>("number").is_err());
    }

    #[test]
    fn zigzag_is_its_inverse() {
        for value in [0, -1, 1, i64::MIN, i64::MAX, -1_000_000] {
            assert_eq!(unzigzag(zigzag(value)), value);
        }
        assert_eq!(zigzag(-1), 1);
    }
}
