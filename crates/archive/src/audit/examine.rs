//! Whether bytes are the copy that they should be. Pure.

use code::BlockHeader;
use code::header::{self, HeaderError};
use types::{Hash, LengthClass};

use super::FindingKind;

/// Headers are filled up to a multiple of this.
const HEADER_ALIGNMENT: u64 = 64;

/// What is wrong with a copy, and in what way.
pub(crate) type Verdict = Result<(), (FindingKind, String)>;

/// Judges a copy by its length alone.
pub(crate) fn length(length: u64, class: LengthClass) -> Verdict {
    let payload = class.bytes() as u64;
    if length <= payload {
        return Err((
            FindingKind::Truncated,
            format!("{length} bytes, of which {payload} should be payload"),
        ));
    }
    let header = length - payload;
    if header > header::HEADER_BYTES_MAX as u64 || !header.is_multiple_of(HEADER_ALIGNMENT) {
        return Err((FindingKind::Corrupt, format!("{length} bytes are no header and {payload} of payload")));
    }
    Ok(())
}

/// Judges a copy by all of its bytes: the header must be intact and say what the records say, and the payload must
/// hash to what was recorded.
pub(crate) fn copy(bytes: &[u8], expected: &BlockHeader) -> Verdict {
    let (header, payload) = BlockHeader::decode(bytes).map_err(|error| broken(bytes, expected, &error))?;
    if header.archive != expected.archive {
        return Err((FindingKind::Foreign, format!("a block of archive {}", header.archive)));
    }
    if header.id != expected.id {
        return Err((FindingKind::Foreign, format!("block {}", header.id)));
    }
    let hash = Hash::of(payload);
    if hash != expected.payload_hash {
        if hash == header.payload_hash {
            let detail =
                format!("header and payload agree on hash {hash}, the record says {}", expected.payload_hash);
            return Err((FindingKind::Contradicts, detail));
        }
        return Err((FindingKind::Corrupt, format!("the payload hashes to {hash}")));
    }
    if header != *expected {
        return Err((FindingKind::Contradicts, contradiction(&header, expected)));
    }
    Ok(())
}

/// A copy whose header cannot be read, or whose payload is not as long as the header says.
fn broken(bytes: &[u8], expected: &BlockHeader, error: &HeaderError) -> (FindingKind, String) {
    let whole = header::header_length(bytes).map(|length| length + expected.class.bytes());
    let short = match whole {
        Ok(whole) => bytes.len() < whole,
        Err(_) => bytes.len() <= expected.class.bytes(),
    };
    let kind = if short { FindingKind::Truncated } else { FindingKind::Corrupt };
    (kind, format!("{error}; {} bytes", bytes.len()))
}

/// The first field in which a header contradicts the records.
fn contradiction(header: &BlockHeader, expected: &BlockHeader) -> String {
    let fields: [(&str, bool); 7] = [
        ("name", header.name == expected.name),
        ("code", header.parameters == expected.parameters),
        ("segment's length", header.segment_length == expected.segment_length),
        ("segment's offset", header.segment_offset == expected.segment_offset),
        ("segment's hash", header.segment_hash == expected.segment_hash),
        ("pointers", header.pointers == expected.pointers),
        ("ending", header.ending == expected.ending),
    ];
    let wrong = fields.iter().find(|(_, same)| !same).map_or("payload's hash", |(name, _)| name);
    format!("the header's {wrong} is not what the record says")
}

#[cfg(test)]
mod tests {
    use code::HeaderPointer;
    use types::{ArchiveId, BlockId, CodeParameters, DocumentId, DocumentName};

    use super::*;

    fn block(document: u8, payload: &[u8]) -> (BlockHeader, Vec<u8>) {
        let hash = Hash::of(payload);
        let header = BlockHeader {
            archive: ArchiveId::from_bytes([1; 16]),
            id: BlockId::new(DocumentId::from_bytes([document; 16]), 0, 0),
            name: DocumentName::new("x").unwrap(),
            parameters: CodeParameters::new(1, 1, 2).unwrap(),
            class: LengthClass::of_bytes(payload.len() as u64).unwrap(),
            segment_length: 5,
            segment_offset: 0,
            payload_hash: hash,
            segment_hash: hash,
            pointers: vec![HeaderPointer::Anchor(0)],
            ending: None,
        };
        let mut bytes = header.encode().unwrap();
        bytes.extend_from_slice(payload);
        (header, bytes)
    }

    fn kind(bytes: &[u8], expected: &BlockHeader) -> Option<FindingKind> {
        copy(bytes, expected).err().map(|(kind, _)| kind)
    }

    #[test]
    fn every_way_to_be_wrong_has_its_name() {
        let (header, good) = block(2, &[7; 128]);
        assert_eq!(kind(&good, &header), None);
        for cut in [0, 1, 40, 100, good.len() - 1] {
            assert_eq!(kind(&good[..cut], &header), Some(FindingKind::Truncated), "{cut}");
        }
        for bit in (0..good.len() * 8).step_by(7) {
            let mut bytes = good.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert!(
                matches!(kind(&bytes, &header), Some(FindingKind::Corrupt | FindingKind::Truncated)),
                "{bit}"
            );
        }
        for other in [[9; 128].as_slice(), &[9; 64], &[9; 256]] {
            assert_eq!(kind(&block(3, other).1, &header), Some(FindingKind::Foreign));
        }
        let (_, changed) = block(2, &[8; 128]);
        assert_eq!(kind(&changed, &header), Some(FindingKind::Contradicts));
        let renamed = BlockHeader { name: DocumentName::new("y").unwrap(), ..header.clone() };
        let (kind, detail) = copy(&good, &renamed).unwrap_err();
        assert_eq!((kind, detail.contains("name")), (FindingKind::Contradicts, true));
    }

    #[test]
    fn lengths_are_judged_without_the_bytes() {
        let (header, good) = block(2, &[7; 128]);
        let judged = |bytes: usize| length(bytes as u64, header.class).err().map(|(kind, _)| kind);
        assert_eq!(judged(good.len()), None);
        assert_eq!(judged(128), Some(FindingKind::Truncated));
        assert_eq!(judged(good.len() + 1), Some(FindingKind::Corrupt));
        assert_eq!(judged(good.len() + 20_480), Some(FindingKind::Corrupt));
    }
}
