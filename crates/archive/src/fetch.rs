//! Reading stored blocks: any copy will do, and what is wrong with a copy is written down.

use std::time::Instant;

use bytes::Bytes;
use code::header;
use futures_util::future::join_all;
use metadata::{Codeword, Damage, DamageKind};
use types::{BlockId, BlockRef, Error, ErrorKind, Hash, LengthClass, NodeIndex, Result};

use crate::cache::Key;
use crate::core::Core;

/// A stored block: what it must be, and where copies of it are.
#[derive(Debug, Clone)]
pub(crate) struct Located {
    pub(crate) id: BlockId,
    pub(crate) reference: BlockRef,
    pub(crate) class: LengthClass,
    pub(crate) hash: Hash,
    pub(crate) nodes: Vec<NodeIndex>,
}

impl Located {
    /// Parity `parity` of `codeword`, if it has such a one.
    pub(crate) fn new(codeword: &Codeword, parity: u8) -> Option<Self> {
        let record = codeword.segment.parities.get(usize::from(parity))?;
        Some(Self {
            id: codeword.block_id(parity),
            reference: BlockRef { codeword: codeword.reference, parity },
            class: codeword.segment.class,
            hash: record.hash,
            nodes: record.nodes.clone(),
        })
    }
}

impl Core {
    /// The payload of one copy, of the right length but not verified.
    pub(crate) async fn fetch_copy(&self, block: &Located, index: NodeIndex) -> Result<Bytes> {
        let node = self.nodes.get(index).ok_or_else(|| {
            Error::new(
                ErrorKind::Denied,
                self.node_name(index),
                "the node is not attached: replaced or unmounted",
            )
        })?;
        let begin = Instant::now();
        let result = node.store.get(&block.id, block.class.bytes() + header::HEADER_BYTES_MAX).await;
        self.nodes.observe(node, Some(begin), &result);
        let result =
            result.and_then(|bytes| payload(block, &bytes).map_err(|error| corrupt(&node.name, &error)));
        match result.as_ref().map_err(Error::kind) {
            Err(ErrorKind::NotFound) => self.record_damage(block, index, DamageKind::Missing),
            Err(ErrorKind::Corrupt) => self.record_damage(block, index, DamageKind::Corrupt),
            Ok(_) | Err(_) => {}
        }
        result
    }

    /// The payload of the copy that is cheapest to read among those not in `avoid`, of the right length but not
    /// verified, and the node it came from. The error is the last one met.
    pub(crate) async fn fetch_any(&self, block: &Located, avoid: &[NodeIndex]) -> Result<(Bytes, NodeIndex)> {
        let mut nodes: Vec<NodeIndex> =
            block.nodes.iter().copied().filter(|node| !avoid.contains(node)).collect();
        nodes.sort_by_key(|&node| self.nodes.cost_us(node));
        let mut last = Error::new(ErrorKind::NotFound, block.id, "no copy is left");
        for node in nodes {
            match self.fetch_copy(block, node).await {
                Ok(payload) => return Ok((payload, node)),
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    /// The verified payloads of several blocks, each from the cache or from any copy that proves right, or why there
    /// is none. What was read is hashed in one go: changing threads for each would cost as much again.
    pub(crate) async fn fetch_verified(&self, blocks: &[Located]) -> Vec<Result<Bytes>> {
        let first = join_all(blocks.iter().map(|block| self.fetch_or_cached(block))).await;
        let from_node = |read: &Result<(Bytes, Option<NodeIndex>)>| {
            let (payload, node) = read.as_ref().ok()?;
            node.map(|_| payload.clone())
        };
        let read: Vec<Option<Bytes>> = first.iter().map(from_node).collect();
        let hash = move || read.iter().map(|payload| payload.as_deref().map(Hash::of)).collect::<Vec<_>>();
        let Ok(hashes) = self.coder.run(hash).await else {
            let stopped = |block: &Located| {
                Err(Error::new(ErrorKind::Internal, block.id, "the coding thread went away"))
            };
            return blocks.iter().map(stopped).collect();
        };
        let verified = blocks.iter().zip(first).zip(hashes).map(async |((block, read), hash)| {
            let (payload, node) = read?;
            let Some(node) = node else { return Ok(payload) };
            if hash == Some(block.hash) {
                self.cache.offer(Key::Block(block.id), &payload);
                return Ok(payload);
            }
            self.record_damage(block, node, DamageKind::Corrupt);
            self.fetch_from_others(block, node).await
        });
        join_all(verified).await
    }

    /// Whether a block is cached, or a node with a copy answers as far as is known.
    pub(crate) fn is_at_hand(&self, block: &Located) -> bool {
        self.cache.get(&Key::Block(block.id)).is_some()
            || block.nodes.iter().any(|&node| self.nodes.answers(node))
    }

    /// The payload from the cache (then there is no node) or from the cheapest copy.
    async fn fetch_or_cached(&self, block: &Located) -> Result<(Bytes, Option<NodeIndex>)> {
        if let Some(payload) = self.cached(&Key::Block(block.id)) {
            return Ok((payload, None));
        }
        self.fetch_any(block, &[]).await.map(|(payload, node)| (payload, Some(node)))
    }

    /// The verified payload of a block whose copy on `liar` proved wrong.
    async fn fetch_from_others(&self, block: &Located, liar: NodeIndex) -> Result<Bytes> {
        let mut avoid = vec![liar];
        loop {
            let (payload, node) = self.fetch_any(block, &avoid).await?;
            if self.verify(block, &payload, node).await? {
                self.cache.offer(Key::Block(block.id), &payload);
                return Ok(payload);
            }
            avoid.push(node);
        }
    }

    /// Whether a payload is what the record says; writes it down if not.
    pub(crate) async fn verify(&self, block: &Located, payload: &Bytes, node: NodeIndex) -> Result<bool> {
        let bytes = payload.clone();
        let hash = self.coder.run(move || Hash::of(&bytes)).await;
        let hash = hash.map_err(|error| Error::new(ErrorKind::Internal, block.id, error))?;
        if hash != block.hash {
            self.record_damage(block, node, DamageKind::Corrupt);
        }
        Ok(hash == block.hash)
    }

    fn record_damage(&self, block: &Located, node: NodeIndex, kind: DamageKind) {
        let seen = self.clock.now();
        self.damage.record(Damage { block: block.reference, id: block.id, node: Some(node), kind, seen });
    }
}

/// The payload of a block as it came from a node, if header and length allow.
fn payload(block: &Located, bytes: &Bytes) -> Result<Bytes, String> {
    let payload = header::payload(bytes).map_err(|error| error.to_string())?;
    if payload.len() == block.class.bytes() {
        return Ok(bytes.slice_ref(payload));
    }
    Err(format!("a payload of {} bytes instead of {}", payload.len(), block.class))
}

fn corrupt(node: impl std::fmt::Display, message: &str) -> Error {
    Error::new(ErrorKind::Corrupt, node, message)
}
