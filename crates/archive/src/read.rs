//! Reading one segment: any `k` symbols that are cheap to get, a spare where one is slow, another where one lies.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use coder::CoderError;
use futures_util::stream::{FuturesUnordered, StreamExt};
use metadata::{Codeword, Document};
use tokio::time::timeout;
use types::{BlockId, BlockRef, CodewordRef, ErrorKind, LengthClass, NodeIndex, Pointer, SegmentRecord};

use crate::cache::Key;
use crate::core::{Core, count};
use crate::error::{Error, LostSymbol};
use crate::fetch::Located;
use crate::recover::Attempt;

/// How long a read looks for lost symbols in other codewords. It holds memory that others wait for.
const RECOVERY_MAX: Duration = Duration::from_secs(10);

/// A symbol of a codeword that is yet to be had.
#[derive(Debug, Clone)]
pub(crate) struct Symbol {
    pub(crate) position: usize,
    pub(crate) source: Source,
    /// Nodes whose copies proved wrong.
    avoid: Vec<NodeIndex>,
}

#[derive(Debug, Clone)]
pub(crate) enum Source {
    Anchor(LengthClass, u8),
    Stored(Located),
    /// A pointer whose codeword is not in the metadata store: a record that contradicts another.
    Unknown(BlockRef),
}

/// A symbol that was had.
#[derive(Debug)]
struct Got {
    symbol: Symbol,
    block: Bytes,
    /// The node it came from; `None` for what needs no verification.
    node: Option<NodeIndex>,
}

pub(crate) type Fetched = (Symbol, Result<(Bytes, Option<NodeIndex>), types::Error>);

/// The state of one segment's reading.
struct Gather<'a> {
    core: &'a Core,
    document: &'a Document,
    segment: u32,
    record: &'a SegmentRecord,
    /// Not asked yet, the cheapest first.
    queue: VecDeque<Symbol>,
    got: Vec<Got>,
    lost: Vec<LostSymbol>,
    /// Those of the lost symbols that may yet be computed from other codewords.
    beyond: Vec<Symbol>,
    hedged: bool,
}

impl Core {
    /// The bytes of a segment, verified.
    pub(crate) async fn read_segment(
        self: Arc<Self>,
        document: Arc<Document>,
        segment: u32,
        record: SegmentRecord,
    ) -> Result<Bytes, Error> {
        let key = Key::Segment(document.record.id, segment);
        if let Some(bytes) = self.cached(&key) {
            return Ok(bytes);
        }
        let parameters = document.record.parameters;
        let _memory = self.reserve_memory(parameters.k() + parameters.p(), record.class).await?;
        let queue = self.symbols(&document, segment, &record).await?;
        let gather = Gather {
            core: &self,
            document: &document,
            segment,
            record: &record,
            queue,
            got: Vec::new(),
            lost: Vec::new(),
            beyond: Vec::new(),
            hedged: false,
        };
        let bytes = gather.run().await?;
        self.cache.offer(key, &bytes);
        Ok(bytes)
    }

    /// A codeword's symbols, the cheapest to get first.
    pub(crate) async fn symbols(
        &self,
        document: &Document,
        segment: u32,
        record: &SegmentRecord,
    ) -> Result<VecDeque<Symbol>, Error> {
        let s = document.record.parameters.s();
        let blocks = |pointer: &Pointer| match pointer {
            Pointer::Block(block) => Some(block.codeword),
            Pointer::Anchor(_) => None,
        };
        let references: Vec<CodewordRef> = record.pointers.iter().filter_map(blocks).collect();
        let mut found = self.metadata.codewords(&references).await?.into_iter();
        let own = Codeword {
            reference: CodewordRef { document: document.reference, segment },
            document: document.record.id,
            name: document.record.name.clone(),
            segment: record.clone(),
        };
        let pointer = |pointer: &Pointer| match *pointer {
            Pointer::Anchor(index) => Source::Anchor(record.class, index),
            Pointer::Block(block) => {
                let located =
                    found.next().flatten().and_then(|codeword| Located::new(&codeword, block.parity));
                located
                    .filter(|block| block.class == record.class)
                    .map_or(Source::Unknown(block), Source::Stored)
            }
        };
        let mut sources: Vec<Source> = record.pointers.iter().map(pointer).collect();
        let parities = (0..=u8::MAX).take(record.parities.len());
        sources.extend(parities.filter_map(|parity| Located::new(&own, parity)).map(Source::Stored));
        let symbol = |(index, source)| Symbol { position: s + index, source, avoid: Vec::new() };
        let mut symbols: Vec<Symbol> = sources.into_iter().enumerate().map(symbol).collect();
        symbols.sort_by_cached_key(|symbol| self.cost(symbol));
        Ok(symbols.into())
    }

    fn cost(&self, symbol: &Symbol) -> u64 {
        match &symbol.source {
            Source::Anchor(..) => 0,
            Source::Stored(block) if self.cache.get(&Key::Block(block.id)).is_some() => 0,
            Source::Stored(block) => {
                let nodes = block.nodes.iter();
                nodes.map(|&node| self.nodes.cost_us(node)).min().unwrap_or(u64::MAX).saturating_add(1)
            }
            Source::Unknown(_) => u64::MAX,
        }
    }

    pub(crate) async fn fetch_symbol(&self, symbol: Symbol) -> Fetched {
        let fetched = match &symbol.source {
            Source::Anchor(class, index) => {
                let anchor = self.anchor(*class, *index).await;
                anchor
                    .map(|block| (block, None))
                    .map_err(|error| types::Error::new(ErrorKind::Internal, "anchor", error))
            }
            Source::Stored(block) => match self.cache.get(&Key::Block(block.id)) {
                Some(payload) => Ok((payload, None)),
                None => {
                    self.fetch_any(block, &symbol.avoid).await.map(|(payload, node)| (payload, Some(node)))
                }
            },
            Source::Unknown(block) => {
                Err(types::Error::new(ErrorKind::Corrupt, block, "the pointer's codeword is not recorded"))
            }
        };
        (symbol, fetched)
    }
}

impl Gather<'_> {
    async fn run(mut self) -> Result<Bytes, Error> {
        let parameters = self.document.record.parameters;
        let length = usize::try_from(self.record.length).unwrap_or(usize::MAX);
        loop {
            if !self.fill(parameters.k()).await? && !self.recover(parameters.k()).await {
                return Err(self.too_few());
            }
            let blocks = self.got.iter().map(|got| (got.symbol.position, got.block.clone())).collect();
            let decoded =
                self.core.coder.decode(parameters, self.record.class, length, blocks, self.record.hash).await;
            match decoded {
                Ok(bytes) => {
                    if self.hedged || !self.lost.is_empty() {
                        count(&self.core.counters.degraded_reads);
                    }
                    return Ok(bytes);
                }
                Err(CoderError::Mismatch) => self.drop_liars().await?,
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Asks for symbols until there are `wanted`; asks the spare ones too when an answer is slow to come. `false` if
    /// there are fewer.
    async fn fill(&mut self, wanted: usize) -> Result<bool, Error> {
        let core = self.core;
        let mut asked = FuturesUnordered::new();
        let mut waiting: Vec<(Symbol, Instant, Option<NodeIndex>)> = Vec::new();
        let mut spare = 0;
        while self.got.len() < wanted {
            while self.got.len() + asked.len() < wanted + spare
                && let Some(symbol) = self.queue.pop_front()
            {
                waiting.push((symbol.clone(), Instant::now(), symbol.likely_node(core)));
                asked.push(core.fetch_symbol(symbol));
            }
            let answer = if self.queue.is_empty() {
                asked.next().await
            } else if let Ok(answer) = timeout(core.settings.hedge_after, asked.next()).await {
                answer
            } else {
                spare += self.queue.len();
                self.hedged = true;
                count(&core.counters.hedged_reads);
                continue;
            };
            let Some((symbol, fetched)) = answer else { return Ok(false) };
            waiting.retain(|(asked, ..)| asked.position != symbol.position);
            match fetched {
                Ok((block, node)) => self.got.push(Got { symbol, block, node }),
                Err(error) => self.lose(symbol, error.kind(), &error),
            }
        }
        // Who has not answered by now is slow: the next read asks others first. It may be asked again, should one of
        // those that answered prove a liar.
        for (symbol, since, node) in waiting {
            if let Some(node) = node.filter(|_| self.hedged) {
                core.nodes.slow(node, since.elapsed());
            }
            self.queue.push_back(symbol);
        }
        Ok(true)
    }

    /// Computes lost symbols from other codewords until there are `wanted` in all; `false` if there are fewer.
    async fn recover(&mut self, wanted: usize) -> bool {
        let mut attempt = Attempt::new(self.core);
        let until = tokio::time::Instant::now() + RECOVERY_MAX;
        while self.got.len() < wanted
            && let Some(symbol) = self.beyond.pop()
        {
            let Source::Stored(block) = &symbol.source else { continue };
            let Ok(payload) = tokio::time::timeout_at(until, attempt.block(block)).await else { break };
            if let Some(payload) = payload {
                self.got.push(Got { symbol, block: payload, node: None });
            }
        }
        self.got.len() >= wanted
    }

    /// After a mismatch: verifies every block that came from a node, and puts those symbols that have another copy
    /// back into the queue.
    async fn drop_liars(&mut self) -> Result<(), Error> {
        let mut honest = Vec::with_capacity(self.got.len());
        let mut liars = 0;
        for got in std::mem::take(&mut self.got) {
            let (Source::Stored(block), Some(node)) = (&got.symbol.source, got.node) else {
                honest.push(got);
                continue;
            };
            if self.core.verify(block, &got.block, node).await? {
                honest.push(got);
                continue;
            }
            liars += 1;
            let mut symbol = got.symbol.clone();
            symbol.avoid.push(node);
            if block.nodes.iter().any(|node| !symbol.avoid.contains(node)) {
                self.queue.push_back(symbol);
            } else {
                let reason = format!("{} served other bytes", self.core.node_name(node));
                self.lose(symbol, ErrorKind::Corrupt, &reason);
            }
        }
        self.got = honest;
        if liars > 0 {
            return Ok(());
        }
        let message =
            format_args!("segment {} does not match its hash although every block does", self.segment);
        Err(types::Error::new(ErrorKind::Corrupt, &self.document.record.name, message).into())
    }

    fn lose(&mut self, symbol: Symbol, kind: ErrorKind, reason: &dyn std::fmt::Display) {
        let block = match &symbol.source {
            Source::Stored(block) => block.id,
            // Neither has a block of its own to name.
            Source::Anchor(..) | Source::Unknown(_) => BlockId::new(self.document.record.id, self.segment, 0),
        };
        self.lost.push(LostSymbol { position: symbol.position, block, kind, reason: reason.to_string() });
        self.beyond.push(symbol);
    }

    /// The error for fewer than `k` symbols: for good, or for now.
    fn too_few(&mut self) -> Error {
        let (name, segment) = (self.document.record.name.clone(), self.segment);
        let lost = std::mem::take(&mut self.lost);
        let for_good = lost.iter().filter(|symbol| !symbol.kind.is_transient()).count();
        for symbol in &lost {
            tracing::warn!(%name, segment, position = symbol.position, block = %symbol.block, reason = symbol.reason,
                "symbol not to be had");
        }
        if for_good > self.document.record.parameters.e() {
            Error::Unrecoverable { name, segment, lost }
        } else {
            Error::OutOfReach { name, segment, lost }
        }
    }
}

impl Symbol {
    /// The node that will be asked first.
    fn likely_node(&self, core: &Core) -> Option<NodeIndex> {
        match &self.source {
            Source::Stored(block) => {
                let nodes = block.nodes.iter().copied().filter(|node| !self.avoid.contains(node));
                nodes.min_by_key(|&node| core.nodes.cost_us(node))
            }
            Source::Anchor(..) | Source::Unknown(_) => None,
        }
    }
}
