//! Coding and hashing, run off the asynchronous threads and no more of it at once than there are processors.
//!
//! Architecture invariant: blocks in, blocks out. Nothing here knows what is stored where.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use code::{Code, CodeError, anchor};
use storage::BufferPool;
use tokio::sync::Semaphore;
use types::{ArchiveId, CodeParameters, Hash, LengthClass};

/// Codes and hashes for everyone in the process. Cloning shares the threads, the tables and the buffers.
#[derive(Debug, Clone)]
pub struct Coder {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    pool: BufferPool,
    /// One permit a processor: more threads than that would only take turns.
    turns: Arc<Semaphore>,
    codes: Mutex<HashMap<CodeParameters, Arc<Code>>>,
}

/// A coded segment.
#[derive(Debug, Clone)]
pub struct Encoded {
    /// BLAKE3 of the segment's bytes, without padding.
    pub segment_hash: Hash,
    /// The parities and BLAKE3 of each.
    pub parities: Vec<(Bytes, Hash)>,
}

/// Why a segment was not coded or decoded.
#[derive(Debug, thiserror::Error)]
pub enum CoderError {
    /// The blocks do not allow it.
    #[error(transparent)]
    Code(#[from] CodeError),
    /// The decoded bytes are not the segment's: one of the blocks is not what it should be.
    #[error("the decoded segment does not match its hash")]
    Mismatch,
    /// The thread ended before the work did: the process is shutting down.
    #[error("the coding thread went away")]
    Cancelled,
}

impl Coder {
    /// A coder that keeps `threads` processors busy at most (at least one) and takes its buffers from `pool`.
    #[must_use]
    pub fn new(threads: usize, pool: BufferPool) -> Self {
        let turns = Arc::new(Semaphore::new(threads.max(1)));
        Self { shared: Arc::new(Shared { pool, turns, codes: Mutex::default() }) }
    }

    /// Where the coder's buffers come from.
    #[must_use]
    pub fn pool(&self) -> &BufferPool {
        &self.shared.pool
    }

    /// The code of these parameters, made at first use.
    pub fn code(&self, parameters: CodeParameters) -> Result<Arc<Code>, CodeError> {
        let mut codes = self.shared.codes.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(code) = codes.get(&parameters) {
            return Ok(Arc::clone(code));
        }
        let code = Arc::new(Code::new(parameters)?);
        codes.insert(parameters, Arc::clone(&code));
        Ok(code)
    }

    /// Runs `work` on a thread where it holds nobody up, when it is its turn.
    pub async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, CoderError> {
        let turn = Arc::clone(&self.shared.turns).acquire_owned().await.map_err(|_| CoderError::Cancelled)?;
        // The turn ends with the work, not with the one who waits for it.
        let work = move || {
            let result = work();
            drop(turn);
            result
        };
        tokio::task::spawn_blocking(work).await.map_err(|_| CoderError::Cancelled)
    }

    /// Codes one segment: `source` holds `s` blocks of `class`, of which the first `length` bytes are the
    /// document's and the rest are zeros; `pointers` are `t` blocks.
    pub async fn encode(
        &self,
        parameters: CodeParameters,
        class: LengthClass,
        source: Bytes,
        length: usize,
        pointers: Vec<Bytes>,
    ) -> Result<Encoded, CoderError> {
        let code = self.code(parameters)?;
        let pool = self.shared.pool.clone();
        self.run(move || encode(&code, &pool, class, &source, length, &pointers))
            .await?
            .map_err(CoderError::from)
    }

    /// Decodes one segment of `length` bytes from blocks at the given positions of its codeword (`k` of them at
    /// least), and checks it against `expected`.
    pub async fn decode(
        &self,
        parameters: CodeParameters,
        class: LengthClass,
        length: usize,
        blocks: Vec<(usize, Bytes)>,
        expected: Hash,
    ) -> Result<Bytes, CoderError> {
        let code = self.code(parameters)?;
        let pool = self.shared.pool.clone();
        self.run(move || decode(&code, &pool, class, length, &blocks, expected)).await?
    }

    /// Derives an anchor.
    pub async fn anchor(
        &self,
        archive: ArchiveId,
        class: LengthClass,
        index: u8,
    ) -> Result<Bytes, CoderError> {
        let pool = self.shared.pool.clone();
        let derive = move || {
            let mut block = pool.take(class.bytes());
            anchor::derive(&archive, class, index, &mut block);
            block.freeze()
        };
        self.run(derive).await
    }
}

fn encode(
    code: &Code,
    pool: &BufferPool,
    class: LengthClass,
    source: &[u8],
    length: usize,
    pointers: &[Bytes],
) -> Result<Encoded, CodeError> {
    let document =
        source.get(..length).ok_or_else(|| CodeError::Shape("a segment shorter than itself".into()))?;
    let segment_hash = Hash::of(document);
    let blocks: Vec<&[u8]> = source.chunks(class.bytes()).chain(pointers.iter().map(Bytes::as_ref)).collect();
    let mut parities: Vec<_> = (0..code.parameters().p()).map(|_| pool.take(class.bytes())).collect();
    code.encode(&blocks, &mut parities.iter_mut().map(|parity| &mut **parity).collect::<Vec<_>>())?;
    let hashed = |parity: storage::PooledBuffer| {
        let hash = Hash::of(&parity);
        (parity.freeze(), hash)
    };
    Ok(Encoded { segment_hash, parities: parities.into_iter().map(hashed).collect() })
}

fn decode(
    code: &Code,
    pool: &BufferPool,
    class: LengthClass,
    length: usize,
    blocks: &[(usize, Bytes)],
    expected: Hash,
) -> Result<Bytes, CoderError> {
    let s = code.parameters().s();
    let sources: Vec<usize> = (0..s).collect();
    let available: Vec<usize> = blocks.iter().map(|(position, _)| *position).collect();
    let recovery = code.recovery(&available, &sources)?;
    let block =
        |input: &usize| blocks.iter().find(|(position, _)| position == input).map(|(_, block)| &**block);
    let inputs: Vec<&[u8]> = recovery.inputs().iter().filter_map(block).collect();
    let mut segment = pool.take(s * class.bytes());
    recovery.apply(&inputs, &mut segment.chunks_mut(class.bytes()).collect::<Vec<_>>())?;
    segment.truncate(length);
    if Hash::of(&segment) != expected {
        return Err(CoderError::Mismatch);
    }
    Ok(segment.freeze())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn segment(parameters: CodeParameters, length: usize) -> (LengthClass, Bytes, Vec<Bytes>) {
        let class = LengthClass::MIN;
        let mut source = vec![0; parameters.s() * class.bytes()];
        source[..length].iter_mut().zip(1..).for_each(|(byte, value)| *byte = value);
        let pointer = |index| Bytes::from(vec![index; class.bytes()]);
        (class, source.into(), (0..u8::try_from(parameters.t()).unwrap()).map(pointer).collect())
    }

    #[tokio::test]
    async fn segments_round_trip_through_any_symbols() {
        let parameters = CodeParameters::new(2, 3, 4).unwrap();
        let coder = Coder::new(2, BufferPool::new(0));
        let (class, source, pointers) = segment(parameters, 100);
        let encoded = coder.encode(parameters, class, source.clone(), 100, pointers.clone()).await.unwrap();
        assert_eq!(encoded.segment_hash, Hash::of(&source[..100]));
        assert!(encoded.parities.iter().all(|(parity, hash)| Hash::of(parity) == *hash));
        let symbols: Vec<Bytes> =
            pointers.into_iter().chain(encoded.parities.into_iter().map(|(parity, _)| parity)).collect();
        let blocks = |skip: [usize; 2]| {
            symbols
                .iter()
                .enumerate()
                .filter(|(index, _)| !skip.contains(index))
                .map(|(index, block)| (2 + index, block.clone()))
                .collect::<Vec<_>>()
        };
        for skip in [[0, 1], [2, 5], [5, 6]] {
            let decoded =
                coder.decode(parameters, class, 100, blocks(skip), encoded.segment_hash).await.unwrap();
            assert_eq!(decoded, source[..100]);
        }
        let mut liar = blocks([0, 1]);
        liar[2].1 = Bytes::from(vec![9; class.bytes()]);
        let result = coder.decode(parameters, class, 100, liar, encoded.segment_hash).await;
        assert!(matches!(result, Err(CoderError::Mismatch)));
        let few = blocks([0, 1])[1..].to_vec();
        let result = coder.decode(parameters, class, 100, few, encoded.segment_hash).await;
        assert!(matches!(result, Err(CoderError::Code(CodeError::TooFewSymbols { .. }))));
    }

    #[tokio::test]
    async fn anchors_are_the_derived_ones() {
        let (archive, class) = (ArchiveId::from_bytes([3; 16]), LengthClass::MIN);
        let block = Coder::new(1, BufferPool::new(0)).anchor(archive, class, 4).await.unwrap();
        let mut expected = vec![0; class.bytes()];
        anchor::derive(&archive, class, 4, &mut expected);
        assert_eq!(block, expected);
    }
}
