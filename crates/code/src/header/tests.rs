use proptest::prelude::*;

use super::*;

fn sample(t: usize, ending: bool) -> BlockHeader {
    let document = DocumentId::from_bytes([0x22; 16]);
    BlockHeader {
        archive: ArchiveId::from_bytes([0x11; 16]),
        id: BlockId::new(document, 6, 2),
        name: DocumentName::new("papers/thesis.pdf").unwrap(),
        parameters: CodeParameters::new(1, t, 3).unwrap(),
        class: LengthClass::MIN,
        segment_length: 61,
        segment_offset: 384,
        payload_hash: Hash::of(b"payload"),
        segment_hash: Hash::of(b"segment"),
        pointers: (0..t)
            .map(|i| {
                if i % 2 == 0 {
                    HeaderPointer::Anchor(u8::try_from(i).unwrap())
                } else {
                    HeaderPointer::Block(BlockId::new(document, 3, 1))
                }
            })
            .collect(),
        ending: ending.then(|| Ending {
            length: 445,
            hash: Hash::of(b"whole"),
            segments: 7,
            created: Timestamp::from_millis(1_795_253_400_125),
            content_type: Some("application/pdf".to_owned()),
            user_metadata: vec![("author".to_owned(), "Ada".to_owned())],
        }),
    }
}

fn block(header: &BlockHeader) -> Vec<u8> {
    let mut bytes = header.encode().unwrap();
    bytes.resize(bytes.len() + header.class.bytes(), 0x5a);
    bytes
}

#[test]
fn headers_round_trip() {
    for (t, ending) in [(0, false), (0, true), (10, false), (10, true), (252, true)] {
        let header = sample(t, ending);
        let bytes = block(&header);
        let (decoded, rest) = BlockHeader::decode(&bytes).unwrap();
        assert_eq!(decoded, header);
        assert_eq!(rest, payload(&bytes).unwrap());
        assert_eq!(rest, [0x5a; 64]);
    }
}

#[test]
fn the_largest_header_fits() {
    let mut header = sample(252, true);
    header.name = DocumentName::new(&"n".repeat(types::NAME_BYTES_MAX)).unwrap();
    let ending = header.ending.as_mut().unwrap();
    ending.content_type = Some("c".repeat(CONTENT_TYPE_BYTES_MAX));
    let value = "v".repeat(USER_METADATA_BYTES_MAX / USER_METADATA_ENTRIES_MAX - 2);
    ending.user_metadata =
        (0..USER_METADATA_ENTRIES_MAX).map(|i| (format!("{i:02}"), value.clone())).collect();
    assert!(header.encode().unwrap().len() <= HEADER_BYTES_MAX);
    header.ending.as_mut().unwrap().user_metadata.push((String::new(), String::new()));
    assert!(matches!(header.encode(), Err(HeaderError::Invalid(_))));
}

#[test]
fn golden_header_of_version_1() {
    let bytes = sample(2, true).encode().unwrap();
    let golden = include_str!("golden-header-1.hex").trim().as_bytes();
    let byte = |digits: &[u8]| u8::from_str_radix(str::from_utf8(digits).unwrap(), 16).unwrap();
    let golden: Vec<u8> = golden.chunks(2).map(byte).collect();
    assert_eq!(bytes, golden, "format version 1 must never change");
}

#[test]
fn impossible_headers_are_neither_written_nor_read() {
    type Change = fn(&mut BlockHeader);
    let changes: [Change; 7] = [
        |header| header.id.parity = 3,
        |header| header.segment_length = 65,
        |header| header.segment_length = 0,
        |header| header.segment_offset = 0,
        |header| header.pointers.truncate(1),
        |header| header.ending.as_mut().unwrap().length = 400,
        |header| header.ending.as_mut().unwrap().segments = 8,
    ];
    for (number, change) in changes.into_iter().enumerate() {
        let mut header = sample(2, true);
        change(&mut header);
        assert!(matches!(header.encode(), Err(HeaderError::Invalid(_))), "change {number}");
    }
    let mut only = sample(2, true);
    (only.id.segment, only.segment_offset) = (0, 0);
    let ending = only.ending.as_mut().unwrap();
    (ending.segments, ending.length) = (1, 61);
    assert!(only.encode().is_err(), "the only segment's hash is the document's");
    only.ending.as_mut().unwrap().hash = only.segment_hash;
    assert!(only.encode().is_ok());
}

#[test]
fn every_flipped_bit_is_noticed() {
    let good = block(&sample(3, true));
    let header = header_length(&good).unwrap();
    for bit in 0..header * 8 {
        let mut bad = good.clone();
        bad[bit / 8] ^= 1 << (bit % 8);
        assert!(BlockHeader::decode(&bad).is_err(), "bit {bit}");
    }
}

#[test]
fn every_truncation_is_noticed() {
    let good = block(&sample(3, true));
    for length in 0..good.len() {
        assert!(BlockHeader::decode(&good[..length]).is_err(), "{length} bytes");
    }
    assert!(BlockHeader::decode(&[&good[..], &[0]].concat()).is_err());
}

#[test]
fn another_version_is_named() {
    let mut bytes = block(&sample(0, false));
    bytes[8] = 9;
    assert_eq!(BlockHeader::decode(&bytes), Err(HeaderError::Version(9)));
}

proptest! {
    #[test]
    fn arbitrary_bodies_never_panic_and_decode_to_what_encodes_alike(
        mut body in proptest::collection::vec(any::<u8>(), 0..400),
        flips in proptest::collection::vec((16_usize..300, any::<u8>()), 0..6),
        from_sample in any::<bool>(),
    ) {
        if from_sample {
            body = sample(3, true).encode().unwrap();
            body.truncate(body.len() - Hash::BYTES);
            for (at, value) in flips {
                if let Some(byte) = body.get_mut(at) { *byte = value; }
            }
        }
        let hash = Hash::of(&body);
        body.extend_from_slice(hash.as_bytes());
        let header_bytes = body.len();
        body.resize(header_bytes + 64, 0);
        if let Ok((header, _)) = BlockHeader::decode(&body) {
            prop_assert_eq!(header.encode().unwrap(), &body[..header_bytes]);
        }
    }
}
