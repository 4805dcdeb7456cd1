//! A node's inventory against the records, both in the order of blocks. Pure.

use std::cmp::Ordering;

use storage::BlockStat;
use types::{BlockId, LengthClass};

/// A copy that a node should have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Expected {
    pub(crate) id: BlockId,
    pub(crate) class: LengthClass,
    /// Whose copy it is, a number of the caller's.
    pub(crate) word: usize,
}

/// What an inventory and the records do not agree on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Difference {
    /// Recorded, not in the inventory.
    Absent(Expected),
    /// In both.
    Present(Expected, u64),
    /// In the inventory, not recorded for this node.
    Unexpected(BlockId),
}

/// Merges what is expected with what is there.
pub(crate) fn compare(expected: &[Expected], found: &[BlockStat]) -> Vec<Difference> {
    let mut differences = Vec::with_capacity(expected.len());
    let (mut expected, mut found) = (expected.iter().peekable(), found.iter().peekable());
    loop {
        let order = match (expected.peek(), found.peek()) {
            (Some(expected), Some(found)) => expected.id.cmp(&found.id),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (None, None) => return differences,
        };
        let expected = if order.is_le() { expected.next() } else { None };
        let found = if order.is_ge() { found.next() } else { None };
        differences.extend(match (expected, found) {
            (Some(expected), Some(found)) => Some(Difference::Present(*expected, found.length)),
            (Some(expected), None) => Some(Difference::Absent(*expected)),
            (None, Some(found)) => Some(Difference::Unexpected(found.id)),
            (None, None) => None,
        });
    }
}

#[cfg(test)]
mod tests {
    use types::{DocumentId, Timestamp};

    use super::*;

    #[test]
    fn a_merge_names_what_either_side_lacks() {
        let id = |n| BlockId::new(DocumentId::from_bytes([n; 16]), 0, 0);
        let expected = |n| Expected { id: id(n), class: LengthClass::MIN, word: usize::from(n) };
        let stat = |n| BlockStat { id: id(n), length: u64::from(n), modified: Timestamp::from_millis(0) };
        let differences =
            compare(&[expected(1), expected(3), expected(5)], &[stat(0), stat(3), stat(4), stat(9)]);
        assert_eq!(
            differences,
            [
                Difference::Unexpected(id(0)),
                Difference::Absent(expected(1)),
                Difference::Present(expected(3), 3),
                Difference::Unexpected(id(4)),
                Difference::Absent(expected(5)),
                Difference::Unexpected(id(9)),
            ]
        );
        assert_eq!(compare(&[], &[]), []);
    }
}
