//! Anchors: blocks that anyone can derive, taken as pointers while an archive has too few blocks of its own.
//!
//! Never stored, so never lost.

use types::{ArchiveId, LengthClass};

/// What the derivation begins with, so that no other use of BLAKE3 makes the same bytes.
const DOMAIN: &[u8; 16] = b"selvage anchor 1";

/// Writes anchor `index` of `archive` for blocks of `class` into `out`, which is cut off at the class's length.
///
/// The bytes are BLAKE3's extendable output for: 16 bytes `selvage anchor 1`, 16 bytes archive identifier, the
/// block length and the index as little-endian 64-bit numbers.
pub fn derive(archive: &ArchiveId, class: LengthClass, index: u8, out: &mut [u8]) {
    let mut hasher = blake3::Hasher::new();
    hasher.update(DOMAIN);
    hasher.update(archive.as_bytes());
    hasher.update(&(class.bytes() as u64).to_le_bytes());
    hasher.update(&u64::from(index).to_le_bytes());
    let length = out.len().min(class.bytes());
    if let Some(out) = out.get_mut(..length) {
        hasher.finalize_xof().fill(out);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn anchors_differ_by_archive_length_and_index() {
        let anchor = |archive: u8, log2: u8, index: u8| {
            let mut out = vec![0; 1 << log2];
            derive(&ArchiveId::from_bytes([archive; 16]), LengthClass::new(log2).unwrap(), index, &mut out);
            out[..64].to_vec()
        };
        let all = [anchor(0, 12, 0), anchor(1, 12, 0), anchor(0, 13, 0), anchor(0, 12, 1)];
        for (i, one) in all.iter().enumerate() {
            assert!(all[i + 1..].iter().all(|other| other != one));
        }
    }

    #[test]
    fn golden_vector() {
        let mut out = vec![0; 64];
        derive(&ArchiveId::from_bytes([7; 16]), LengthClass::MIN, 9, &mut out);
        let mut input = Vec::from(*b"selvage anchor 1");
        input.extend([7; 16]);
        input.extend([64, 0, 0, 0, 0, 0, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(out[..32], *blake3::hash(&input).as_bytes());
    }
}
