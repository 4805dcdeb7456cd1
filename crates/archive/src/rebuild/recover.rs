//! The hashes of parities that no node holds, computed from the rest of their codeword.

use bytes::Bytes;
use code::{Code, header};
use futures_util::stream::{self, StreamExt};
use metadata::{Codeword, MetadataStore};
use storage::BufferPool;
use types::{BlockId, Hash, LengthClass, NodeIndex, Pointer};

use super::draft::Draft;
use super::scan::Scanner;
use crate::error::Error;

/// Symbols of one codeword read at once.
const READS: usize = 4;

/// A symbol that may be to hand.
#[derive(Debug)]
enum Symbol {
    Anchor(u8),
    Block { id: BlockId, hash: Hash, nodes: Vec<NodeIndex> },
}

/// What computing hashes took.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Recomputed {
    pub(super) parities: u64,
    pub(super) bytes: u64,
}

impl Scanner {
    /// Computes the hashes that no header of `draft` tells, if enough of the codeword is left; `pointers` are its
    /// pointers, whose documents are recorded.
    pub(super) async fn recompute(
        &self,
        metadata: &dyn MetadataStore,
        draft: &mut Draft,
        pointers: &[Pointer],
    ) -> Result<Recomputed, Error> {
        let lost = draft.unknown();
        let mut recomputed = Recomputed::default();
        if lost.is_empty() {
            return Ok(recomputed);
        }
        let (parameters, class) = (draft.parameters(), draft.class());
        let symbols = symbols(metadata, draft, pointers).await?;
        let mut reading = stream::iter(symbols)
            .map(|(position, symbol)| async move { (position, self.fetch(symbol, class).await) })
            .buffered(READS);
        let mut blocks: Vec<(usize, Bytes)> = Vec::new();
        while blocks.len() < parameters.k()
            && let Some((position, block)) = reading.next().await
        {
            recomputed.bytes += block.as_ref().map_or(0, |block| block.len() as u64);
            blocks.extend(block.map(|block| (position, block)));
        }
        drop(reading);
        if blocks.len() < parameters.k() {
            return Ok(recomputed);
        }
        let code = self.coder.code(parameters).map_err(coder::CoderError::from)?;
        let (pool, wanted) = (self.coder.pool().clone(), lost.clone());
        let (length, expected) = (draft.header.segment_length, draft.header.segment_hash);
        let compute = move || compute(&code, &pool, class, length, expected, &blocks, &wanted);
        let Some(hashes) = self.coder.run(compute).await? else { return Ok(recomputed) };
        for (parity, hash) in lost.into_iter().zip(hashes) {
            if let Some(parity) = draft.parities.get_mut(usize::from(parity)) {
                parity.hash = Some(hash);
                recomputed.parities += 1;
            }
        }
        Ok(recomputed)
    }

    /// The symbol's bytes, if a node gives the right ones.
    async fn fetch(&self, symbol: Symbol, class: LengthClass) -> Option<Bytes> {
        let (id, expected, nodes) = match symbol {
            Symbol::Anchor(index) => return self.coder.anchor(self.archive, class, index).await.ok(),
            Symbol::Block { id, hash, nodes } => (id, hash, nodes),
        };
        for node in nodes.into_iter().filter_map(|index| self.node(index)) {
            let read = node.store.get(&id, class.bytes() + header::HEADER_BYTES_MAX).await;
            let Ok(bytes) = read else { continue };
            let payload = header::payload(&bytes).ok().filter(|payload| payload.len() == class.bytes());
            let Some(payload) = payload.map(|payload| bytes.slice_ref(payload)) else { continue };
            let hashed = payload.clone();
            let hash = self.coder.run(move || Hash::of(&hashed)).await;
            if hash.is_ok_and(|hash| hash == expected) {
                return Some(payload);
            }
        }
        None
    }
}

/// The codeword's symbols with their positions, those that cost nothing to fetch first.
async fn symbols(
    metadata: &dyn MetadataStore,
    draft: &Draft,
    pointers: &[Pointer],
) -> Result<Vec<(usize, Symbol)>, Error> {
    let parameters = draft.parameters();
    let references: Vec<_> = pointers
        .iter()
        .filter_map(|pointer| match pointer {
            Pointer::Block(block) => Some(block.codeword),
            Pointer::Anchor(_) => None,
        })
        .collect();
    let mut codewords = metadata.codewords(&references).await?.into_iter();
    let mut symbols = Vec::with_capacity(parameters.symbols());
    for (position, pointer) in (parameters.s()..).zip(pointers) {
        let symbol = match pointer {
            Pointer::Anchor(index) => Some(Symbol::Anchor(*index)),
            Pointer::Block(block) => {
                codewords.next().flatten().and_then(|codeword| stored(&codeword, block.parity))
            }
        };
        symbols.extend(symbol.map(|symbol| (position, symbol)));
    }
    for (number, parity) in (0..=u8::MAX).zip(&draft.parities) {
        if let Some(hash) = parity.hash {
            let symbol = Symbol::Block { id: draft.block_id(number), hash, nodes: parity.nodes.clone() };
            symbols.push((parameters.k() + usize::from(number), symbol));
        }
    }
    symbols.sort_by_key(|(_, symbol)| matches!(symbol, Symbol::Block { .. }));
    Ok(symbols)
}

fn stored(codeword: &Codeword, parity: u8) -> Option<Symbol> {
    let record = codeword.segment.parities.get(usize::from(parity))?;
    Some(Symbol::Block { id: codeword.block_id(parity), hash: record.hash, nodes: record.nodes.clone() })
}

/// The hashes of the parities `wanted`; `None` if the blocks do not decode to the segment that is `expected`.
fn compute(
    code: &Code,
    pool: &BufferPool,
    class: LengthClass,
    length: u64,
    expected: Hash,
    blocks: &[(usize, Bytes)],
    wanted: &[u8],
) -> Option<Vec<Hash>> {
    let (s, k) = (code.parameters().s(), code.parameters().k());
    let positions: Vec<usize> = (0..s).chain(wanted.iter().map(|parity| k + usize::from(*parity))).collect();
    let available: Vec<usize> = blocks.iter().map(|(position, _)| *position).collect();
    let recovery = code.recovery(&available, &positions).ok()?;
    let block =
        |input: &usize| blocks.iter().find(|(position, _)| position == input).map(|(_, block)| &**block);
    let inputs: Vec<&[u8]> = recovery.inputs().iter().filter_map(block).collect();
    let mut outputs: Vec<_> = positions.iter().map(|_| pool.take(class.bytes())).collect();
    recovery.apply(&inputs, &mut outputs.iter_mut().map(|output| &mut **output).collect::<Vec<_>>()).ok()?;
    let mut left = usize::try_from(length).ok()?;
    let mut hasher = blake3::Hasher::new();
    for source in outputs.iter().take(s) {
        let bytes = left.min(source.len());
        hasher.update(source.get(..bytes)?);
        left -= bytes;
    }
    if Hash::from_bytes(*hasher.finalize().as_bytes()) != expected {
        return None;
    }
    Some(outputs.iter().skip(s).map(|parity| Hash::of(parity)).collect())
}
