//! Reading what a codeword has left, and computing what it lacks.
//!
//! One hash of each result vouches for all inputs; only where it does not match are the inputs hashed, and the liars
//! dropped.

use std::collections::VecDeque;

use bytes::Bytes;
use code::header::{self, HEADER_BYTES_MAX};
use futures_util::stream::{FuturesUnordered, StreamExt};
use metadata::{Codeword, DamageKind};
use types::{ErrorKind, Hash, LengthClass, NodeIndex, Pointer};

use super::run::Run;
use crate::audit::word::Word;
use crate::fetch::Located;

/// A symbol of a codeword that may be read.
#[derive(Debug, Clone)]
struct Symbol {
    position: usize,
    source: Source,
}

#[derive(Debug, Clone)]
enum Source {
    Anchor(LengthClass, u8),
    Stored(Located),
}

/// A symbol that was read.
struct Got {
    symbol: Symbol,
    payload: Bytes,
    /// The node it came from; none for an anchor.
    node: Option<NodeIndex>,
}

/// What is to be computed: a position in the codeword, and the hash that the result must have.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wanted {
    pub(super) position: usize,
    pub(super) hash: Hash,
}

impl Run<'_> {
    /// Computes the wanted symbols of a codeword, in the order of their positions, not asking for those at `without`.
    /// The error says what is lacking.
    pub(super) async fn decode(
        &self,
        word: &Word,
        pointed: &[Option<Codeword>],
        without: &[usize],
        wanted: &[Wanted],
    ) -> Result<Vec<Bytes>, String> {
        let parameters = word.document.record.parameters;
        let mut queue = self.symbols(word, pointed, without);
        let mut got: Vec<Got> = Vec::new();
        loop {
            let reasons = self.fill(&mut queue, &mut got, parameters.k()).await;
            if got.len() < parameters.k() {
                return Err(format!(
                    "{} symbols of codeword {} cannot be read, {} may be: {reasons}",
                    parameters.symbols() - got.len(),
                    word.reference(),
                    parameters.e()
                ));
            }
            if let Some(computed) = self.compute(word, &got, wanted).await? {
                return Ok(computed);
            }
            if !self.drop_liars(&mut got, &mut queue).await {
                let message = "gives other blocks than were recorded, although all its symbols are right";
                return Err(format!("codeword {} {message}", word.reference()));
            }
        }
    }

    /// The symbols that may be read, the cheapest first.
    fn symbols(&self, word: &Word, pointed: &[Option<Codeword>], without: &[usize]) -> VecDeque<Symbol> {
        let (s, class) = (word.document.record.parameters.s(), word.record.class);
        let mut targets = pointed.iter();
        let mut source = |pointer: &Pointer| match *pointer {
            Pointer::Anchor(index) => Some(Source::Anchor(class, index)),
            Pointer::Block(block) => {
                let located = Located::new(targets.next()?.as_ref()?, block.parity)?;
                Some(Source::Stored(located))
            }
        };
        let mut sources: Vec<Option<Source>> = word.record.pointers.iter().map(&mut source).collect();
        let own = word.codeword();
        let parities = (0..=u8::MAX).take(word.record.parities.len());
        sources.extend(parities.map(|parity| Located::new(&own, parity).map(Source::Stored)));
        let symbol = |(position, source): (usize, Option<Source>)| {
            let mut source = source?;
            if let Source::Stored(block) = &mut source {
                block.nodes.retain(|&node| self.roster.answers(node));
                if block.nodes.is_empty() || block.class != class {
                    return None;
                }
            }
            Some(Symbol { position, source }).filter(|_| !without.contains(&position))
        };
        let mut symbols: Vec<Symbol> = (s..).zip(sources).filter_map(symbol).collect();
        symbols.sort_by_cached_key(|symbol| match &symbol.source {
            Source::Anchor(..) => 0,
            Source::Stored(block) => {
                let costs = block.nodes.iter().map(|&node| self.core.nodes.cost_us(node));
                costs.min().unwrap_or(u64::MAX).saturating_add(1)
            }
        });
        symbols.into()
    }

    /// Reads symbols until there are `wanted`, or no more are to be had; returns why those that failed did.
    async fn fill(&self, queue: &mut VecDeque<Symbol>, got: &mut Vec<Got>, wanted: usize) -> String {
        let mut asked = FuturesUnordered::new();
        let mut reasons: Vec<String> = Vec::new();
        loop {
            while got.len() + asked.len() < wanted
                && let Some(symbol) = queue.pop_front()
            {
                asked.push(self.symbol(symbol));
            }
            match asked.next().await {
                Some(Ok(one)) => got.push(one),
                Some(Err(reason)) => reasons.push(reason),
                None => return reasons.join(", "),
            }
        }
    }

    async fn symbol(&self, symbol: Symbol) -> Result<Got, String> {
        let (payload, node) = match &symbol.source {
            Source::Anchor(class, index) => {
                let payload = self.core.anchor(*class, *index).await;
                (payload.map_err(|error| error.to_string())?, None)
            }
            Source::Stored(block) => {
                let (payload, node) = self.read_any(block).await?;
                (payload, Some(node))
            }
        };
        Ok(Got { symbol, payload, node })
    }

    /// The payload of the copy that is cheapest to read, of the right length but not verified.
    async fn read_any(&self, block: &Located) -> Result<(Bytes, NodeIndex), String> {
        let mut nodes = block.nodes.clone();
        nodes.sort_by_key(|&node| self.core.nodes.cost_us(node));
        let mut last = format!("no copy of {} is left", block.id);
        for node in nodes {
            match self.read_copy(block, node).await {
                Ok(payload) => return Ok((payload, node)),
                Err(error) => last = error.to_string(),
            }
        }
        Err(last)
    }

    /// The payload of one copy, of the right length but not verified. What is wrong with it is written down.
    pub(super) async fn read_copy(&self, block: &Located, index: NodeIndex) -> types::Result<Bytes> {
        let node = self.core.attached(index)?;
        let begin = std::time::Instant::now();
        let read = node.store.get(&block.id, block.class.bytes() + HEADER_BYTES_MAX).await;
        self.core.nodes.observe(node, Some(begin), &read);
        let corrupt = |reason: String| types::Error::new(ErrorKind::Corrupt, &node.name, reason);
        let payload = read.and_then(|bytes| {
            self.count_read(bytes.len());
            let payload = header::payload(&bytes).map_err(|error| corrupt(error.to_string()))?;
            if payload.len() != block.class.bytes() {
                return Err(corrupt(format!("block {} has a payload of {} bytes", block.id, payload.len())));
            }
            Ok(bytes.slice_ref(payload))
        });
        match payload.as_ref().map_err(types::Error::kind) {
            Err(ErrorKind::NotFound) => self.note(block, index, DamageKind::Missing).await,
            Err(ErrorKind::Corrupt) => self.note(block, index, DamageKind::Corrupt).await,
            Ok(_) | Err(_) => {}
        }
        payload
    }

    /// A verified payload from one of the nodes; the error is the last one met.
    pub(super) async fn read_verified(&self, block: &Located) -> Result<Bytes, String> {
        let mut block = block.clone();
        loop {
            let (payload, node) = self.read_any(&block).await?;
            if self.is_right(&block, &payload).await {
                return Ok(payload);
            }
            self.note(&block, node, DamageKind::Corrupt).await;
            block.nodes.retain(|&other| other != node);
        }
    }

    async fn is_right(&self, block: &Located, payload: &Bytes) -> bool {
        let bytes = payload.clone();
        self.core.coder.run(move || Hash::of(&bytes)).await.is_ok_and(|hash| hash == block.hash)
    }

    /// The wanted blocks; `None` if one of them is not what it should be.
    async fn compute(
        &self,
        word: &Word,
        got: &[Got],
        wanted: &[Wanted],
    ) -> Result<Option<Vec<Bytes>>, String> {
        let code =
            self.core.coder.code(word.document.record.parameters).map_err(|error| error.to_string())?;
        let pool = self.core.coder.pool().clone();
        let blocks: Vec<(usize, Bytes)> =
            got.iter().map(|got| (got.symbol.position, got.payload.clone())).collect();
        let (wanted, length) = (wanted.to_vec(), word.record.class.bytes());
        let compute = move || {
            let available: Vec<usize> = blocks.iter().map(|(position, _)| *position).collect();
            let positions: Vec<usize> = wanted.iter().map(|wanted| wanted.position).collect();
            let recovery = code.recovery(&available, &positions).map_err(|error| error.to_string())?;
            let block = |input: &usize| blocks.iter().find(|(at, _)| at == input).map(|(_, block)| &**block);
            let inputs: Vec<&[u8]> = recovery.inputs().iter().filter_map(block).collect();
            let mut outputs: Vec<_> = wanted.iter().map(|_| pool.take(length)).collect();
            let mut slices: Vec<&mut [u8]> = outputs.iter_mut().map(|output| &mut **output).collect();
            recovery.apply(&inputs, &mut slices).map_err(|error| error.to_string())?;
            let right = outputs.iter().zip(&wanted).all(|(output, wanted)| Hash::of(output) == wanted.hash);
            Ok(right.then(|| outputs.into_iter().map(storage::PooledBuffer::freeze).collect()))
        };
        self.core.coder.run(compute).await.map_err(|error| error.to_string())?
    }

    /// After a mismatch: drops the blocks that are not what they should be; another copy of them may be asked for.
    /// Returns whether there were any.
    async fn drop_liars(&self, got: &mut Vec<Got>, queue: &mut VecDeque<Symbol>) -> bool {
        let before = got.len();
        let mut honest = Vec::with_capacity(before);
        for got in std::mem::take(got) {
            let (Source::Stored(block), Some(node)) = (&got.symbol.source, got.node) else {
                honest.push(got);
                continue;
            };
            if self.is_right(block, &got.payload).await {
                honest.push(got);
                continue;
            }
            self.note(block, node, DamageKind::Corrupt).await;
            let mut other = block.clone();
            other.nodes.retain(|&other| other != node);
            if !other.nodes.is_empty() {
                queue.push_back(Symbol { position: got.symbol.position, source: Source::Stored(other) });
            }
        }
        *got = honest;
        got.len() < before
    }
}
