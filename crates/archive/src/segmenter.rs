//! Cutting a body that arrives in chunks of any length into runs of whole segments and a tail.

use bytes::{Buf, Bytes};
use futures_util::{Stream, StreamExt};
use storage::{BufferPool, PooledBuffer};

use crate::error::Error;

/// The first buffer of an upload of unknown length; it doubles until it holds a full segment.
const FIRST_BUFFER_BYTES: usize = 64 * 1024;

/// A run of the document's bytes.
#[derive(Debug)]
pub(crate) enum Run {
    /// One full segment; more follows.
    Full(PooledBuffer),
    /// The rest, at most one full segment; empty only if the document is. Its buffer may be longer than it.
    Rest(PooledBuffer, usize),
}

/// Fills buffers from a body. Holds one buffer of at most a full segment.
pub(crate) struct Segmenter<S> {
    body: S,
    pool: BufferPool,
    full_bytes: usize,
    first_bytes: usize,
    bytes_max: u64,
    read: u64,
    rest: Bytes,
}

impl<S: Stream<Item = std::io::Result<Bytes>> + Unpin> Segmenter<S> {
    /// Cuts `body` into segments of `full_bytes`; refuses more than `bytes_max` bytes. `length` is how long the body
    /// says it is.
    pub(crate) fn new(
        body: S,
        pool: BufferPool,
        full_bytes: usize,
        bytes_max: u64,
        length: Option<u64>,
    ) -> Self {
        let announced = length.and_then(|length| usize::try_from(length).ok());
        let first_bytes = announced.unwrap_or(FIRST_BUFFER_BYTES).clamp(1, full_bytes);
        Self { body, pool, full_bytes, first_bytes, bytes_max, read: 0, rest: Bytes::new() }
    }

    /// The next run. After [`Run::Rest`] there is none.
    pub(crate) async fn next(&mut self) -> Result<Run, Error> {
        let mut buffer = self.pool.take(self.first_bytes);
        let mut filled = 0;
        loop {
            if self.rest.is_empty() {
                match self.chunk().await? {
                    Some(chunk) => self.rest = chunk,
                    None => return Ok(Run::Rest(buffer, filled)),
                }
                continue;
            }
            if filled == self.full_bytes {
                // Only now is it known that this is not the end.
                self.first_bytes = self.full_bytes;
                return Ok(Run::Full(buffer));
            }
            if filled == buffer.len() {
                buffer = self.grown(&buffer);
            }
            let room = buffer.get_mut(filled..).unwrap_or_default();
            let taken = room.len().min(self.rest.len());
            self.rest.copy_to_slice(room.get_mut(..taken).unwrap_or_default());
            filled += taken;
        }
    }

    fn grown(&self, buffer: &PooledBuffer) -> PooledBuffer {
        let mut larger = self.pool.take((buffer.len() * 2).min(self.full_bytes));
        larger.iter_mut().zip(buffer.iter()).for_each(|(to, from)| *to = *from);
        larger
    }

    async fn chunk(&mut self) -> Result<Option<Bytes>, Error> {
        let Some(chunk) = self.body.next().await.transpose().map_err(Error::Body)? else { return Ok(None) };
        self.read += chunk.len() as u64;
        if self.read > self.bytes_max {
            return Err(Error::TooLarge { limit: self.bytes_max });
        }
        Ok(Some(chunk))
    }
}

#[cfg(test)]
mod tests {
    use futures_util::stream;

    use super::*;

    /// The runs of a body of `length` bytes in chunks of `chunk`: the lengths of full ones, then of the rest.
    async fn runs(length: usize, chunk: usize, announced: Option<u64>) -> (Vec<usize>, usize) {
        let bytes: Vec<u8> = (0..length).map(|i| u8::try_from(i % 251).unwrap()).collect();
        let chunks: Vec<_> = bytes.chunks(chunk).map(|chunk| Ok(Bytes::copy_from_slice(chunk))).collect();
        let mut segmenter =
            Segmenter::new(stream::iter(chunks), BufferPool::new(0), 100_000, 1 << 20, announced);
        let mut seen = Vec::new();
        let mut full = Vec::new();
        loop {
            match segmenter.next().await.unwrap() {
                Run::Full(buffer) => {
                    seen.extend_from_slice(&buffer);
                    full.push(buffer.len());
                }
                Run::Rest(buffer, filled) => {
                    seen.extend_from_slice(&buffer[..filled]);
                    assert!(seen == bytes, "bytes are kept in order");
                    return (full, filled);
                }
            }
        }
    }

    #[tokio::test]
    async fn bodies_are_cut_into_full_segments_and_a_rest() {
        for chunk in [1, 7, 99_999, 100_000, 100_001, 500_000] {
            for announced in [None, Some(0), Some(5), Some(u64::MAX)] {
                assert_eq!(runs(0, chunk, announced).await, (vec![], 0));
                assert_eq!(runs(1, chunk, announced).await, (vec![], 1));
                assert_eq!(runs(100_000, chunk, announced).await, (vec![], 100_000));
                assert_eq!(runs(100_001, chunk, announced).await, (vec![100_000], 1));
                assert_eq!(runs(300_000, chunk, announced).await, (vec![100_000; 2], 100_000));
            }
        }
    }

    #[tokio::test]
    async fn a_body_over_the_limit_is_refused() {
        let chunks = (0..20).map(|_| Ok(Bytes::from(vec![0; 100_000])));
        let mut segmenter =
            Segmenter::new(stream::iter(chunks), BufferPool::new(0), 100_000, 1_000_000, None);
        let mut full = 0;
        let error = loop {
            match segmenter.next().await {
                Ok(_) => full += 1,
                Err(error) => break error,
            }
        };
        assert!(matches!(error, Error::TooLarge { limit: 1_000_000 }));
        assert!(full <= 10);
    }
}
