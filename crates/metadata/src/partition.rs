//! Which partition a name belongs to.

use types::{DocumentName, Hash, Partition};

/// The partition of `name` in an archive of `partitions`: the first eight bytes of its BLAKE3 hash, as a
/// little-endian number, modulo `partitions`.
///
/// Part of the format: a name is looked for where this puts it. An archive has at least one partition; 0 is
/// taken as 1.
#[must_use]
pub fn partition_of(name: &DocumentName, partitions: u16) -> Partition {
    let hash = Hash::of(name.as_str().as_bytes());
    let number = hash.as_bytes().first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes));
    // A remainder of 16 bits has 16 bits.
    Partition(u16::try_from(number % u64::from(partitions.max(1))).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stay_in_their_partitions() {
        let partition =
            |name: &str, partitions| partition_of(&DocumentName::new(name).unwrap(), partitions).0;
        assert_eq!(partition("papers/thesis.pdf", 1), 0);
        assert_eq!(partition("papers/thesis.pdf", 0), 0);
        assert_eq!(["a", "b", "c", "ä/€"].map(|name| partition(name, 5)), [3, 4, 1, 2]);
        assert_eq!(["a", "b", "c", "ä/€"].map(|name| partition(name, u16::MAX)), [4293, 19564, 34281, 53082]);
    }
}
