//! `multipart/byteranges` (RFC 9110, section 14.6): several ranges of a document in one body.

use std::ops::Range;

use bytes::Bytes;

/// A piece of a body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Piece {
    /// These bytes.
    Text(Bytes),
    /// These bytes of the document.
    Document(Range<u64>),
}

impl Piece {
    /// How many bytes there are.
    pub(crate) fn length(&self) -> u64 {
        match self {
            Self::Text(text) => text.len() as u64,
            Self::Document(range) => range.end.saturating_sub(range.start),
        }
    }
}

/// The pieces of the body that holds `ranges` of a document of `length` bytes and this media type.
pub(crate) fn pieces(ranges: &[Range<u64>], length: u64, content_type: &str, boundary: &str) -> Vec<Piece> {
    let mut pieces = Vec::with_capacity(ranges.len() * 2 + 1);
    for (number, range) in ranges.iter().enumerate() {
        let line_end = if number == 0 { "" } else { "\r\n" };
        let head = format!(
            "{line_end}--{boundary}\r\nContent-Type: {content_type}\r\nContent-Range: {}\r\n\r\n",
            content_range(range, length)
        );
        pieces.push(Piece::Text(head.into()));
        pieces.push(Piece::Document(range.clone()));
    }
    pieces.push(Piece::Text(format!("\r\n--{boundary}--\r\n").into()));
    pieces
}

/// The `Content-Range` header of a range that holds at least one byte.
pub(crate) fn content_range(range: &Range<u64>, length: u64) -> String {
    format!("bytes {}-{}/{length}", range.start, range.end.saturating_sub(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_framed_as_the_rfc_draws_them() {
        let text = pieces(&[0..2, 5..6], 10, "text/plain", "b")
            .iter()
            .map(|piece| match piece {
                Piece::Text(text) => String::from_utf8(text.to_vec()).unwrap(),
                Piece::Document(range) => format!("<{range:?}>"),
            })
            .collect::<String>();
        let expected = "--b\r\nContent-Type: text/plain\r\nContent-Range: bytes 0-1/10\r\n\r\n<0..2>\r\n\
                        --b\r\nContent-Type: text/plain\r\nContent-Range: bytes 5-5/10\r\n\r\n<5..6>\r\n--b--\r\n";
        assert_eq!(text, expected);
    }
}
