//! Buffers that are used again: fresh pages cost more than the coding does.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::{Deref, DerefMut};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;

/// Room for a block's header in front of a payload whose length is a power of two: with it, a whole block and
/// its bare payload come from the same list.
const HEADER_ROOM: usize = 16 * 1024;

/// Buffers shorter than this are not worth keeping.
const POOLED_BYTES_MIN: usize = 32 * 1024;

/// A pool of byte buffers with a bound on what lies idle. Cloning shares the pool.
#[derive(Clone)]
pub struct BufferPool {
    shared: Arc<Shared>,
}

struct Shared {
    /// Most bytes that may lie idle.
    idle_bytes_max: usize,
    idle: Mutex<Idle>,
}

#[derive(Default)]
struct Idle {
    bytes: usize,
    /// By capacity. Every buffer is initialised over its whole length: taking one clears nothing.
    buffers: BTreeMap<usize, Vec<Vec<u8>>>,
}

impl fmt::Debug for BufferPool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BufferPool")
            .field("idle_bytes_max", &self.shared.idle_bytes_max)
            .finish_non_exhaustive()
    }
}

impl BufferPool {
    /// A pool that keeps at most `idle_bytes_max` bytes of buffers that nobody uses.
    #[must_use]
    pub fn new(idle_bytes_max: usize) -> Self {
        Self { shared: Arc::new(Shared { idle_bytes_max, idle: Mutex::default() }) }
    }

    /// A buffer of `len` bytes. Its contents are unspecified: leftovers of an earlier use.
    #[must_use]
    pub fn take(&self, len: usize) -> PooledBuffer {
        let capacity = capacity_for(len);
        let reused = (capacity >= POOLED_BYTES_MIN).then(|| self.shared.reuse(capacity)).flatten();
        let bytes = reused.unwrap_or_else(|| vec![0; capacity]);
        PooledBuffer { bytes, len, pool: Arc::clone(&self.shared) }
    }

    /// How many bytes lie idle.
    #[must_use]
    pub fn idle_bytes(&self) -> usize {
        self.shared.lock().bytes
    }
}

/// The capacity behind a buffer of `len` bytes: the next power of two, with room for a header where there is one.
fn capacity_for(len: usize) -> usize {
    if len < POOLED_BYTES_MIN {
        return len;
    }
    let payload = len.saturating_sub(HEADER_ROOM).max(POOLED_BYTES_MIN / 2);
    payload
        .checked_next_power_of_two()
        .and_then(|bytes| bytes.checked_add(HEADER_ROOM))
        .unwrap_or(len)
        .max(len)
}

impl Shared {
    /// The lists are valid after every statement, so a panic elsewhere poisons nothing.
    fn lock(&self) -> std::sync::MutexGuard<'_, Idle> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn reuse(&self, capacity: usize) -> Option<Vec<u8>> {
        let mut idle = self.lock();
        let bytes = idle.buffers.get_mut(&capacity)?.pop()?;
        idle.bytes -= capacity;
        Some(bytes)
    }

    fn keep(&self, bytes: Vec<u8>) {
        let capacity = bytes.len();
        let mut idle = self.lock();
        if capacity >= POOLED_BYTES_MIN && idle.bytes + capacity <= self.idle_bytes_max {
            idle.bytes += capacity;
            idle.buffers.entry(capacity).or_default().push(bytes);
        }
    }
}

/// A buffer of a [`BufferPool`]; goes back to it when dropped.
pub struct PooledBuffer {
    /// Initialised over its whole length, which is its capacity class; the first `len` bytes are the buffer.
    bytes: Vec<u8>,
    len: usize,
    pool: Arc<Shared>,
}

impl PooledBuffer {
    /// Shortens the buffer to `len` bytes; a longer `len` changes nothing.
    pub fn truncate(&mut self, len: usize) {
        self.len = self.len.min(len);
    }

    /// The same bytes, shared and no longer writable; the buffer goes back when the last share is dropped.
    #[must_use]
    pub fn freeze(self) -> Bytes {
        Bytes::from_owner(self)
    }
}

impl Deref for PooledBuffer {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }
}

impl DerefMut for PooledBuffer {
    fn deref_mut(&mut self) -> &mut [u8] {
        self.bytes.get_mut(..self.len).unwrap_or_default()
    }
}

impl AsRef<[u8]> for PooledBuffer {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

impl fmt::Debug for PooledBuffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PooledBuffer").field("len", &self.len).finish_non_exhaustive()
    }
}

impl Drop for PooledBuffer {
    fn drop(&mut self) {
        self.pool.keep(std::mem::take(&mut self.bytes));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dropped_buffer_is_used_again() {
        let pool = BufferPool::new(8 << 20);
        let mut buffer = pool.take(1 << 20);
        buffer.fill(7);
        drop(buffer);
        assert_eq!(pool.idle_bytes(), (1 << 20) + HEADER_ROOM);
        let with_header = pool.take((1 << 20) + 500);
        assert_eq!(with_header.len(), (1 << 20) + 500);
        assert_eq!(pool.idle_bytes(), 0, "a block and its payload come from one list");
        drop(with_header.freeze());
        assert_eq!(pool.idle_bytes(), (1 << 20) + HEADER_ROOM);
    }

    #[test]
    fn idle_bytes_are_bounded() {
        let pool = BufferPool::new(3 << 20);
        let buffers: Vec<_> = (0..8).map(|_| pool.take(1 << 20)).collect();
        drop(buffers);
        assert!(pool.idle_bytes() <= 3 << 20);
    }

    #[test]
    fn lengths_are_exact() {
        let pool = BufferPool::new(1 << 20);
        for len in [0, 1, 4096, 32 * 1024 - 1, 32 * 1024, 32 * 1024 + 1, 48 * 1024, 100_000] {
            for _ in 0..2 {
                assert_eq!(pool.take(len).len(), len);
            }
        }
    }
}
