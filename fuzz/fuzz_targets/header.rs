//! Any bytes: reading a block's header never panics, and what decodes encodes to the same bytes.
//!
//! Few bytes match their own hash, so each input is tried twice: as it is, and as the fields of a header whose
//! magic, version, length and hash are made right.

#![no_main]

use code::header::{BlockHeader, HEADER_BYTES_MAX, MAGIC, VERSION, header_length, payload};
use libfuzzer_sys::fuzz_target;
use types::Hash;

/// Where the block length stands.
const BLOCK_LENGTH: std::ops::Range<usize> = 56..64;

/// Longer payloads would cost time and show nothing.
const PAYLOAD_BYTES_MAX: u64 = 4096;

fuzz_target!(|bytes: &[u8]| {
    check(bytes);
    check(&sealed(bytes));
});

fn check(block: &[u8]) {
    let length = header_length(block);
    let body = payload(block);
    let Ok((header, rest)) = BlockHeader::decode(block) else { return };
    assert_eq!(body, Ok(rest), "the payload is found without reading the header");
    assert_eq!(Ok(block.len() - rest.len()), length, "and so is its start");
    let again = header.encode().expect("what decodes encodes");
    assert_eq!(again, block[..block.len() - rest.len()], "a header has one form only");
}

/// A block whose header has these fields, with a payload as long as they say. Of a block, those of its header are
/// taken: the blocks that the fuzzer begins with stay good whatever it changes in them.
fn sealed(bytes: &[u8]) -> Vec<u8> {
    let end = header_length(bytes).map_or(bytes.len(), |length| length - Hash::BYTES);
    let mut block = bytes[..end.min(bytes.len()).min(HEADER_BYTES_MAX - Hash::BYTES)].to_vec();
    let length = (block.len().max(BLOCK_LENGTH.end) + Hash::BYTES).next_multiple_of(64);
    block.resize(length - Hash::BYTES, 0);
    block[..8].copy_from_slice(&MAGIC);
    block[8..10].copy_from_slice(&VERSION.to_le_bytes());
    block[12..16].copy_from_slice(&u32::try_from(length).expect("short").to_le_bytes());
    let block_length = u64::from_le_bytes(block[BLOCK_LENGTH].try_into().expect("8 bytes"));
    let hash = Hash::of(&block);
    block.extend_from_slice(hash.as_bytes());
    block.resize(length + usize::try_from(block_length.min(PAYLOAD_BYTES_MAX)).expect("short"), 0);
    block
}
