//! Recursive decoding on the way of a read: a block that no node serves is computed from a codeword that it is in, be it
//! as parity or as pointer, and that codeword's lost blocks likewise.
//!
//! A read must end soon, so this gives up early. What it does not find, `repair` may.

use std::collections::HashMap;

use bytes::Bytes;
use futures_util::future::{BoxFuture, FutureExt, join_all};
use metadata::{Codeword, Document};
use types::{BlockRef, CodeParameters, CodewordRef, Hash, Result};

use crate::cache::Key;
use crate::core::Core;
use crate::fetch::Located;
use crate::read::{Source, Symbol};

/// A block is computed from blocks that are computed from blocks, so many times over at most. Each level holds a
/// codeword's blocks in memory.
const DEPTH_MAX: usize = 3;
/// Codewords tried for one segment, over all levels: each costs the reading of its blocks.
const CODEWORDS_MAX: usize = 64;
/// Codewords looked at that point at a block.
const POINTING_MAX: usize = 16;

/// The recovery of one segment's lost symbols.
pub(crate) struct Attempt<'a> {
    core: &'a Core,
    codewords_left: usize,
    /// Blocks being computed, or found impossible, and at what depth: not to be tried again at that or a smaller one.
    tried: HashMap<BlockRef, usize>,
}

impl<'a> Attempt<'a> {
    pub(crate) fn new(core: &'a Core) -> Self {
        Self { core, codewords_left: CODEWORDS_MAX, tried: HashMap::new() }
    }

    /// The verified payload of a block that no node serves.
    pub(crate) async fn block(&mut self, block: &Located) -> Option<Bytes> {
        self.compute(block, DEPTH_MAX).await
    }

    fn compute<'s>(&'s mut self, block: &'s Located, depth: usize) -> BoxFuture<'s, Option<Bytes>> {
        async move {
            if depth == 0 || self.tried.get(&block.reference).is_some_and(|&tried| tried >= depth) {
                return None;
            }
            self.tried.insert(block.reference, depth);
            for codeword in self.around(block).await.ok()? {
                if self.codewords_left == 0 {
                    return None;
                }
                self.codewords_left -= 1;
                if let Some(payload) = self.decode_codeword(block, &codeword, depth).await {
                    self.core.cache.offer(Key::Block(block.id), &payload);
                    return Some(payload);
                }
            }
            None
        }
        .boxed()
    }

    /// The codewords that a block is in: its own, then some that point at it.
    async fn around(&self, block: &Located) -> Result<Vec<Codeword>> {
        let metadata = &self.core.metadata;
        let mut around: Vec<CodewordRef> = vec![block.reference.codeword];
        around.extend(metadata.pointing_at(block.reference, None, POINTING_MAX).await?);
        Ok(metadata.codewords(&around).await?.into_iter().flatten().collect())
    }

    /// Decodes `codeword` far enough to have `block`.
    async fn decode_codeword(&mut self, block: &Located, codeword: &Codeword, depth: usize) -> Option<Bytes> {
        let core = self.core;
        let document = self.document(codeword).await?;
        let symbols = core.symbols(&document, codeword.reference.segment, &codeword.segment).await.ok()?;
        let is_wanted = |symbol: &Symbol| matches!(&symbol.source, Source::Stored(stored) if stored.reference == block.reference);
        let wanted = symbols.iter().find(|symbol| is_wanted(symbol))?.position;
        let others = symbols.into_iter().filter(|symbol| !is_wanted(symbol));
        let mut have = Vec::new();
        let mut lost = Vec::new();
        for (symbol, fetched) in join_all(others.map(|symbol| fetch_verified(core, symbol))).await {
            match fetched {
                Some(payload) => have.push((symbol.position, payload)),
                None => lost.push(symbol),
            }
        }
        let k = document.record.parameters.k();
        for symbol in lost {
            if have.len() >= k {
                break;
            }
            if let Source::Stored(stored) = &symbol.source
                && let Some(payload) = self.compute(stored, depth - 1).await
            {
                have.push((symbol.position, payload));
            }
        }
        self.solve(block, document.record.parameters, have, wanted).await
    }

    /// Computes the symbol at `wanted`, which is `block`, from those there are, if they suffice.
    async fn solve(
        &self,
        block: &Located,
        parameters: CodeParameters,
        have: Vec<(usize, Bytes)>,
        wanted: usize,
    ) -> Option<Bytes> {
        let coder = &self.core.coder;
        let positions: Vec<usize> = have.iter().map(|(position, _)| *position).collect();
        let recovery = coder.code(parameters).ok()?.recovery(&positions, &[wanted]).ok()?;
        let (pool, class, hash) = (coder.pool().clone(), block.class, block.hash);
        let compute = move || {
            let of = |input: &usize| {
                have.iter().find(|(position, _)| position == input).map(|(_, block)| &**block)
            };
            let inputs: Vec<&[u8]> = recovery.inputs().iter().filter_map(of).collect();
            let mut payload = pool.take(class.bytes());
            recovery.apply(&inputs, &mut [&mut payload]).ok()?;
            (Hash::of(&payload) == hash).then(|| payload.freeze())
        };
        coder.run(compute).await.ok().flatten()
    }

    /// The document of a codeword, for its code.
    async fn document(&self, codeword: &Codeword) -> Option<Document> {
        let at = codeword.reference.document;
        let found = self.core.metadata.scan(at.partition, at.sequence, 1).await.ok()?;
        found.into_iter().next().filter(|document| document.reference == at)
    }
}

async fn fetch_verified(core: &Core, symbol: Symbol) -> (Symbol, Option<Bytes>) {
    let fetched = match &symbol.source {
        Source::Anchor(class, index) => core.anchor(*class, *index).await.ok(),
        // A node that failed just now would cost a deadline for each codeword.
        Source::Stored(block) if !core.is_at_hand(block) => None,
        Source::Stored(block) => {
            core.fetch_verified(std::slice::from_ref(block)).await.pop().and_then(Result::ok)
        }
        Source::Unknown(_) => None,
    };
    (symbol, fetched)
}
