//! Verified bytes kept in memory: parities and pointers for coding, decoded segments for reading.

use bytes::Bytes;
use quick_cache::{OptionsBuilder, Weighter, sync::Cache as Inner};
use types::{BlockId, DocumentId, LengthClass};

/// What a cached run of bytes is. Nothing under one key ever changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Key {
    /// The payload of a stored block.
    Block(BlockId),
    /// An anchor.
    Anchor(LengthClass, u8),
    /// A segment's bytes, without padding.
    Segment(DocumentId, u32),
}

/// What an entry costs beside its bytes: key, links, the owner of the bytes.
const ENTRY_BYTES: u64 = 192;
/// Buffers of the pool are longer than what is in them; short entries are copied, so that the budget holds.
const COPY_BYTES_MAX: usize = 128 * 1024;
/// A shard takes no entry that is larger than itself, so shards are as large as this many of the largest entries.
const SHARD_ENTRIES_MIN: u64 = 16;

#[derive(Debug, Clone, Copy)]
struct ByBytes;

impl Weighter<Key, Bytes> for ByBytes {
    fn weight(&self, _: &Key, bytes: &Bytes) -> u64 {
        bytes.len() as u64 + ENTRY_BYTES
    }
}

/// A cache with a budget of bytes. What is read once (a scan) does not drive out what is used again.
#[derive(Debug)]
pub(crate) struct Cache {
    inner: Option<Inner<Key, Bytes, ByBytes>>,
}

impl Cache {
    /// A cache of `budget` bytes for entries of at most `entry_bytes_max`; a budget of 0 caches nothing.
    pub(crate) fn new(budget: u64, entry_bytes_max: usize) -> Self {
        let shard = (entry_bytes_max as u64 + ENTRY_BYTES) * SHARD_ENTRIES_MIN;
        let shards = usize::try_from((budget / shard).clamp(1, 8)).unwrap_or(1);
        let options = OptionsBuilder::new()
            .weight_capacity(budget)
            .estimated_items_capacity(usize::try_from(budget / (64 * 1024)).unwrap_or(0).max(64))
            // What passes by gets a quarter: more than one of the largest entries, or a scan pushes out what is used.
            .hot_allocation(0.75)
            .shards(shards)
            .build();
        let inner = options.ok().filter(|_| budget > 0).map(|options| {
            Inner::with_options(
                options,
                ByBytes,
                quick_cache::DefaultHashBuilder::default(),
                quick_cache::sync::DefaultLifecycle::default(),
            )
        });
        Self { inner }
    }

    /// What is cached under `key`.
    pub(crate) fn get(&self, key: &Key) -> Option<Bytes> {
        self.inner.as_ref()?.get(key)
    }

    /// Offers bytes to the cache, which may decline.
    pub(crate) fn offer(&self, key: Key, bytes: &Bytes) {
        if let Some(inner) = &self.inner {
            let kept =
                if bytes.len() <= COPY_BYTES_MAX { Bytes::copy_from_slice(bytes) } else { bytes.clone() };
            inner.insert(key, kept);
        }
    }

    /// Bytes in use.
    pub(crate) fn bytes(&self) -> u64 {
        self.inner.as_ref().map_or(0, Inner::weight)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(segment: u32) -> Key {
        Key::Segment(DocumentId::from_bytes([1; 16]), segment)
    }

    #[test]
    fn the_budget_holds_and_entries_of_full_length_are_taken() {
        let cache = Cache::new(32 << 20, 1 << 20);
        for segment in 0..100 {
            cache.offer(key(segment), &Bytes::from(vec![0; 1 << 20]));
            assert!(cache.bytes() <= 32 << 20);
        }
        assert!(cache.bytes() >= 16 << 20, "{}", cache.bytes());
        assert!((0..100).filter(|&segment| cache.get(&key(segment)).is_some()).count() >= 16);
    }

    #[test]
    fn a_budget_of_zero_caches_nothing() {
        let cache = Cache::new(0, 1 << 20);
        cache.offer(key(0), &Bytes::from_static(b"x"));
        assert_eq!(cache.get(&key(0)), None);
    }

    #[test]
    fn a_scan_does_not_drive_out_what_is_used() {
        let cache = Cache::new(32 << 20, 1 << 20);
        let block = Bytes::from(vec![0; 1 << 20]);
        for _ in 0..3 {
            for segment in 0..8 {
                if cache.get(&key(segment)).is_none() {
                    cache.offer(key(segment), &block);
                }
            }
        }
        for segment in 1000..1500 {
            cache.offer(key(segment), &block);
        }
        let kept = (0..8).filter(|&segment| cache.get(&key(segment)).is_some()).count();
        assert!(kept >= 6, "{kept} of 8 are left");
    }
}
