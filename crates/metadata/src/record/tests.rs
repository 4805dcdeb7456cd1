//! Round trips, the bytes themselves, and bytes that are no record.

use proptest::prelude::*;
use types::{
    BlockRef, BlockSizes, CodeParameters, CodewordRef, DocumentId, DocumentName, DocumentRecord, DocumentRef,
    ErrorKind, Hash, Layout, LengthClass, NodeIndex, ParityRecord, Partition, Pointer, SegmentRecord,
    Timestamp,
};

use super::*;

fn hash(byte: u8) -> Hash {
    Hash::from_bytes([byte; 32])
}

fn block(partition: u16, sequence: u64, segment: u32, parity: u8) -> Pointer {
    let document = DocumentRef { partition: Partition(partition), sequence };
    Pointer::Block(BlockRef { codeword: CodewordRef { document, segment }, parity })
}

/// (1,2,3), 5,000 bytes, one pointer and one anchor, a second copy, headers.
fn one_segment() -> Stored {
    let parameters = CodeParameters::new(1, 2, 3).unwrap();
    let record = DocumentRecord {
        id: DocumentId::from_bytes([0x11; 16]),
        name: DocumentName::new("a/ä").unwrap(),
        parameters,
        layout: Layout::cut(5000, parameters, BlockSizes::DEFAULT).unwrap(),
        hash: hash(0x22),
        created: Timestamp::from_millis(1_795_253_400_125),
        content_type: Some("text/plain".to_owned()),
        user_metadata: vec![("x-a".to_owned(), "b".to_owned())],
    };
    let parity = |byte, nodes: &[u16]| ParityRecord {
        hash: hash(byte),
        nodes: nodes.iter().copied().map(NodeIndex).collect(),
    };
    let segment = SegmentRecord {
        class: LengthClass::of_bytes(8192).unwrap(),
        length: 5000,
        hash: hash(0x22),
        pointers: vec![Pointer::Anchor(7), block(1, 300, 2, 255)],
        parities: vec![parity(0x33, &[3]), parity(0x44, &[15, 300]), parity(0x55, &[])],
    };
    Stored { record, segments: vec![segment] }
}

fn unhex(text: &str) -> Vec<u8> {
    let digits: Vec<char> = text.chars().filter(|digit| !digit.is_whitespace()).collect();
    let byte = |pair: &[char]| u8::from_str_radix(&pair.iter().collect::<String>(), 16).unwrap();
    digits.chunks(2).map(byte).collect()
}

/// A change of these bytes is a change of the format: it needs a new version, and this one stays readable.
const ONE_SEGMENT: &str = "
    01 01 02 03
    00 14 01 0d 8827
    11111111111111111111111111111111
    2222222222222222222222222222222222222222222222222222222222222222
    fac887d7bf68
    04 612fc3a4
    0b 746578742f706c61696e
    01 03 782d61 01 62
    0d 8827
    02 00 07 8002 01 ac02 02
    03 3333333333333333333333333333333333333333333333333333333333333333 01 03
       4444444444444444444444444444444444444444444444444444444444444444 02 0f ac02
       5555555555555555555555555555555555555555555555555555555555555555 00
";

#[test]
fn bytes_of_a_document_of_one_segment_are_those_of_version_1() {
    let stored = one_segment();
    let bytes = encode_document(&stored.record, &stored.segments).unwrap();
    assert_eq!(bytes, unhex(ONE_SEGMENT));
    assert_eq!(decode_document(&bytes).unwrap(), stored);
}

/// Nine segments: eight of 1 MiB and one of 4 KiB, in pages of their own.
const NINE_SEGMENTS: &str = "
    01 01 02 03
    08 14 01 0c 01
    11111111111111111111111111111111
    2222222222222222222222222222222222222222222222222222222222222222
    01 04 612fc3a4 00 00
";

#[test]
fn bytes_of_a_long_document_are_those_of_version_1() {
    let Stored { mut record, .. } = one_segment();
    record.layout = Layout::cut((8 << 20) + 1, record.parameters, BlockSizes::DEFAULT).unwrap();
    record.created = Timestamp::from_millis(-1);
    record.content_type = None;
    record.user_metadata.clear();
    let bytes = encode_document(&record, &[]).unwrap();
    assert_eq!(bytes, unhex(NINE_SEGMENTS));
    assert_eq!(decode_document(&bytes).unwrap(), Stored { record, segments: Vec::new() });
}

const PAGE: &str = "
    01 02
    0d 8827 2222222222222222222222222222222222222222222222222222222222222222
    02 00 07 8002 01 ac02 02
    03 3333333333333333333333333333333333333333333333333333333333333333 01 03
       4444444444444444444444444444444444444444444444444444444444444444 02 0f ac02
       5555555555555555555555555555555555555555555555555555555555555555 00
    06 40 6666666666666666666666666666666666666666666666666666666666666666 00 00
";

#[test]
fn bytes_of_a_page_are_those_of_version_1() {
    let [first] = <[SegmentRecord; 1]>::try_from(one_segment().segments).unwrap();
    let (pointers, parities) = (Vec::new(), Vec::new());
    let second = SegmentRecord { class: LengthClass::MIN, length: 64, hash: hash(0x66), pointers, parities };
    let segments = [first, second];
    let bytes = encode_page(&segments).unwrap();
    assert_eq!(bytes, unhex(PAGE));
    assert_eq!(decode_page(&bytes).unwrap(), segments);
}

#[test]
fn record_of_a_usual_document_is_small() {
    let Stored { mut record, .. } = one_segment();
    record.parameters = CodeParameters::DEFAULT;
    record.layout = Layout::cut(4096, record.parameters, BlockSizes::DEFAULT).unwrap();
    record.content_type = None;
    record.user_metadata.clear();
    let parity = |byte| ParityRecord { hash: hash(byte), nodes: vec![NodeIndex(15)] };
    let segment = SegmentRecord {
        class: LengthClass::of_bytes(4096).unwrap(),
        length: 4096,
        hash: record.hash,
        pointers: vec![block(0, 1_000_000, 0, 2); 10],
        parities: vec![parity(1), parity(2), parity(3)],
    };
    let bytes = encode_document(&record, &[segment]).unwrap();
    assert!(bytes.len() - record.name.as_str().len() <= 250, "{} bytes", bytes.len());
}

#[test]
fn trailing_bytes_are_refused() {
    for text in [ONE_SEGMENT, NINE_SEGMENTS] {
        let mut bytes = unhex(text);
        bytes.push(0);
        let error = decode_document(&bytes).unwrap_err();
        assert_eq!((error.kind(), error.message()), (ErrorKind::Corrupt, "1 bytes follow its end"));
    }
    let mut bytes = unhex(PAGE);
    bytes.extend([0, 0]);
    assert_eq!(decode_page(&bytes).unwrap_err().message(), "2 bytes follow its end");
}

#[test]
fn records_cut_short_are_refused() {
    for text in [ONE_SEGMENT, NINE_SEGMENTS, PAGE] {
        let bytes = unhex(text);
        for end in 0..bytes.len() {
            assert_eq!(decode_document(&bytes[..end]).unwrap_err().kind(), ErrorKind::Corrupt, "{end}");
            assert_eq!(decode_page(&bytes[..end]).unwrap_err().kind(), ErrorKind::Corrupt, "{end}");
        }
    }
}

#[test]
fn refusals_name_what_was_wrong() {
    let refused = |at: usize, byte: u8| {
        let mut bytes = unhex(ONE_SEGMENT);
        bytes[at] = byte;
        decode_document(&bytes).unwrap_err().message().to_owned()
    };
    assert_eq!(refused(0, 2), "version 2 is not known here; 1 is");
    assert!(refused(1, 4).contains("(4,2,3) is no code"), "{}", refused(1, 4));
    assert!(refused(5, 27).contains("2^27 bytes is no block length"), "{}", refused(5, 27));
    assert!(refused(6, 4).contains("a tail of 4 segments"), "{}", refused(6, 4));
    assert!(refused(64, 0).contains("the name is empty"), "{}", refused(64, 0));
    assert!(refused(65, b'\n').contains("control character"), "{}", refused(65, b'\n'));
    assert!(refused(87, 12).contains("length class 4096 instead of 8192"), "{}", refused(87, 12));
}

#[test]
fn documents_longer_than_64_bits_are_refused() {
    // (128,0,128), 2^32 - 4 segments of 128 blocks of 64 MiB.
    let mut bytes = vec![VERSION, 128, 0, 128, 0xfc, 0xff, 0xff, 0xff, 0x0f, 26, 0];
    bytes.extend([0; 100]);
    assert_eq!(decode_document(&bytes).unwrap_err().message(), "the document is longer than 2^64 bytes");
}

#[test]
fn encoding_refuses_segments_unlike_the_layout() {
    let Stored { record, segments } = one_segment();
    assert_eq!(encode_document(&record, &[]).unwrap_err().kind(), ErrorKind::Invalid);
    let twice = [segments[0].clone(), segments[0].clone()];
    assert_eq!(encode_document(&record, &twice).unwrap_err().kind(), ErrorKind::Invalid);
    assert_eq!(encode_page(&[]).unwrap_err().kind(), ErrorKind::Invalid);
    assert_eq!(encode_page(&vec![segments[0].clone(); 65]).unwrap_err().kind(), ErrorKind::Invalid);
}

fn any_hash() -> impl Strategy<Value = Hash> {
    any::<[u8; 32]>().prop_map(Hash::from_bytes)
}

fn any_pointer() -> impl Strategy<Value = Pointer> {
    prop_oneof![
        any::<u8>().prop_map(Pointer::Anchor),
        (any::<u16>(), any::<u64>(), any::<u32>(), any::<u8>())
            .prop_map(|(partition, sequence, segment, parity)| block(partition, sequence, segment, parity)),
    ]
}

fn any_parity() -> impl Strategy<Value = ParityRecord> {
    let nodes = prop::collection::btree_set(any::<u16>().prop_map(NodeIndex), 0..4);
    (any_hash(), nodes).prop_map(|(hash, nodes)| ParityRecord { hash, nodes: nodes.into_iter().collect() })
}

fn any_segment(
    parameters: CodeParameters,
    shape: types::SegmentShape,
) -> impl Strategy<Value = SegmentRecord> {
    let pointers = prop::collection::vec(any_pointer(), parameters.t());
    let parities = prop::collection::vec(any_parity(), parameters.p());
    (any_hash(), pointers, parities).prop_map(move |(hash, pointers, parities)| SegmentRecord {
        class: shape.class,
        length: shape.length,
        hash,
        pointers,
        parities,
    })
}

prop_compose! {
    fn any_record()(
        (s, t, p) in (1..4_usize, 0..12_usize, 4..6_usize),
        length in prop_oneof![1..70_000_u64, 1..12_000_000_u64, 1..u64::from(u32::MAX)],
        id in any::<[u8; 16]>(),
        name in "[^\\p{Cc}/-][^\\p{Cc}_]{0,40}",
        hash in any_hash(),
        created in any::<i64>(),
        content_type in prop::option::of("[ -~]{0,30}"),
        user_metadata in prop::collection::vec(("[a-z-]{1,10}", "\\PC{0,20}"), 0..4),
    ) -> DocumentRecord {
        let parameters = CodeParameters::new(s, t, p).unwrap();
        DocumentRecord {
            id: DocumentId::from_bytes(id),
            name: DocumentName::new(&name).unwrap(),
            parameters,
            layout: Layout::cut(length, parameters, BlockSizes::DEFAULT).unwrap(),
            hash,
            created: Timestamp::from_millis(created),
            content_type,
            user_metadata,
        }
    }
}

fn any_stored() -> impl Strategy<Value = Stored> {
    any_record().prop_flat_map(|record| {
        let count = if is_inline(&record.layout) { record.layout.segments() } else { 0 };
        let shapes = (0..count).map(|number| record.layout.extent(number).unwrap().shape);
        let segments: Vec<_> = shapes.map(|shape| any_segment(record.parameters, shape)).collect();
        (Just(record), segments).prop_map(|(record, mut segments)| {
            if let [only] = &mut segments[..] {
                only.hash = record.hash;
            }
            Stored { record, segments }
        })
    })
}

proptest! {
    #[test]
    fn documents_round_trip(stored in any_stored()) {
        let bytes = encode_document(&stored.record, &stored.segments).unwrap();
        prop_assert_eq!(decode_document(&bytes).unwrap(), stored);
    }

    #[test]
    fn pages_round_trip(
        segments in (0..5_usize, 1..4_usize).prop_flat_map(|(t, p)| {
            let shape = types::SegmentShape { class: LengthClass::MAX, length: 77 };
            let parameters = CodeParameters::new(1, t, p).unwrap();
            prop::collection::vec(any_segment(parameters, shape), 1..=64)
        })
    ) {
        let bytes = encode_page(&segments).unwrap();
        prop_assert_eq!(decode_page(&bytes).unwrap(), segments);
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
        let _ = decode_document(&bytes);
        let _ = decode_page(&bytes);
    }

    #[test]
    fn changed_records_are_refused_or_another_record(
        stored in any_stored(), at in any::<prop::sample::Index>(), byte in any::<u8>(),
    ) {
        let mut bytes = encode_document(&stored.record, &stored.segments).unwrap();
        let at = at.index(bytes.len());
        bytes[at] = byte;
        match decode_document(&bytes) {
            Ok(found) => prop_assert_eq!(encode_document(&found.record, &found.segments).unwrap(), bytes),
            Err(error) => prop_assert_eq!(error.kind(), ErrorKind::Corrupt),
        }
    }
}
