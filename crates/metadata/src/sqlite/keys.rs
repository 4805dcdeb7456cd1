//! References as integers of the database.

use rusqlite::Row;
use types::{BlockRef, CodewordRef, DocumentRef, NodeIndex, Partition, Result, Sequence};

use crate::{DamageKind, refusal};

/// Where the partition stands in a key: 16 bits above 47 fill a positive number of 64 bits, so that keys sort as
/// references do. In partition 0, where most archives live, the key is the sequence, which SQLite keeps in few bytes.
const PARTITION_SHIFT: u32 = 47;

/// Most documents of a partition.
const SEQUENCES: Sequence = 1 << PARTITION_SHIFT;

/// The key of a document; `None` for a sequence that cannot be, which no document has.
pub(super) fn key_of(reference: DocumentRef) -> Option<i64> {
    if reference.sequence >= SEQUENCES {
        return None;
    }
    Some((i64::from(reference.partition.0) << PARTITION_SHIFT) | reference.sequence.cast_signed())
}

/// The key of the next document of a partition, an error once the partition is full.
pub(super) fn new_key(reference: DocumentRef) -> Result<i64> {
    key_of(reference).ok_or_else(|| refusal::internal("a partition is full"))
}

/// The lowest and the highest key that a partition's documents can have.
pub(super) fn keys_of(partition: Partition) -> (i64, i64) {
    let first = i64::from(partition.0) << PARTITION_SHIFT;
    (first, first | (SEQUENCES - 1).cast_signed())
}

/// The document of a key.
pub(super) fn reference_of(key: i64) -> DocumentRef {
    let key = key.cast_unsigned();
    // A key has 63 bits; of a negative one, which is no key, only the lowest 16 of the partition are taken.
    let partition = Partition(u16::try_from((key >> PARTITION_SHIFT) & 0xffff).unwrap_or(0));
    DocumentRef { partition, sequence: key & (SEQUENCES - 1) }
}

/// A block as columns `key`, `segment`, `parity`; `None` for one that cannot be.
pub(super) fn block_columns(block: BlockRef) -> Option<(i64, u32, u8)> {
    key_of(block.codeword.document).map(|key| (key, block.codeword.segment, block.parity))
}

/// A codeword from two columns, `at` and the next.
pub(super) fn codeword_from(row: &Row<'_>, at: usize) -> rusqlite::Result<CodewordRef> {
    Ok(CodewordRef { document: reference_of(row.get(at)?), segment: row.get(at + 1)? })
}

/// A limit as SQLite takes it.
pub(super) fn limit_of(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}

/// Node number plus 1, and 0 for none: none sorts first.
pub(super) fn node_column(node: Option<NodeIndex>) -> u32 {
    node.map_or(0, |node| u32::from(node.0) + 1)
}

pub(super) fn node_from(column: u32) -> Option<NodeIndex> {
    column.checked_sub(1).and_then(|number| u16::try_from(number).ok()).map(NodeIndex)
}

pub(super) fn kind_column(kind: DamageKind) -> u8 {
    match kind {
        DamageKind::Missing => 0,
        DamageKind::Corrupt => 1,
        DamageKind::NeverWritten => 2,
        DamageKind::Truncated => 3,
        DamageKind::Foreign => 4,
        DamageKind::Misplaced => 5,
        DamageKind::TooFewCopies => 6,
    }
}

pub(super) fn kind_from(column: u8) -> Option<DamageKind> {
    DamageKind::ALL.get(usize::from(column)).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_sort_as_references_do_and_round_trip() {
        let mut references: Vec<DocumentRef> = [0, 1, 2, 0x7fff, 0x8000, u16::MAX]
            .into_iter()
            .flat_map(|partition| {
                [0, 1, SEQUENCES - 1]
                    .map(|sequence| DocumentRef { partition: Partition(partition), sequence })
            })
            .collect();
        references.sort();
        let keys: Vec<i64> = references.iter().map(|reference| key_of(*reference).unwrap()).collect();
        assert!(keys.is_sorted_by(|a, b| a < b), "{keys:?}");
        assert!(keys.iter().map(|key| reference_of(*key)).eq(references));
        assert_eq!(key_of(DocumentRef { partition: Partition(0), sequence: SEQUENCES }), None);
    }

    #[test]
    fn nodes_and_kinds_round_trip_in_order() {
        for node in [None, Some(NodeIndex(0)), Some(NodeIndex(u16::MAX))] {
            assert_eq!(node_from(node_column(node)), node);
        }
        for kind in DamageKind::ALL {
            assert_eq!(kind_from(kind_column(kind)), Some(kind));
        }
        assert_eq!(kind_from(7), None);
    }
}
