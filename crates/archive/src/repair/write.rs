//! Writing a copy where it belongs: read back, recorded, and only then counted.

use bytes::Bytes;
use code::header::HEADER_BYTES_MAX;
use metadata::{Codeword, Damage, DamageKind};
use storage::Block;
use types::{BlockRef, ErrorKind, NodeIndex};

use super::diagnose::Diagnosis;
use super::run::Run;
use super::{Method, Repaired};
use crate::audit::word::{Word, header_pointers};
use crate::fetch::Located;

/// How often copies whose nodes failed are placed again.
const ROUNDS_MAX: usize = 4;

/// A block that is to be written, verified.
pub(super) struct Restored<'a> {
    /// The block's own codeword, as it was recorded when the diagnosis was made.
    pub(super) word: &'a Word,
    pub(super) pointed: &'a [Option<Codeword>],
    pub(super) parity: u8,
    pub(super) payload: Bytes,
    pub(super) method: Method,
    pub(super) diagnosis: &'a Diagnosis,
    /// How many copies to write.
    pub(super) copies: usize,
}

impl Run<'_> {
    /// Writes copies of a block until there are enough, and records them. The error says why there are not.
    pub(super) async fn restore(&self, restored: &Restored<'_>) -> Result<(), String> {
        let (word, parity) = (restored.word, restored.parity);
        let block = self.encoded(restored)?;
        let old = word.record.parities.get(usize::from(parity)).map(|stored| stored.nodes.clone());
        let old = old.ok_or_else(|| "the codeword has no such parity".to_owned())?;
        let mut written: Vec<NodeIndex> = Vec::new();
        let mut failed: Vec<NodeIndex> = Vec::new();
        let mut reason = "no node is left for it".to_owned();
        let crowd = self.crowd(restored).await;
        for _ in 0..ROUNDS_MAX {
            let lacking = restored.copies.saturating_sub(written.len());
            let targets = self.targets(restored, &crowd, &written, &failed);
            if lacking == 0 || targets.is_empty() {
                break;
            }
            for node in targets {
                match self.write_copy(word, parity, &block, node).await {
                    Ok(()) => written.push(node),
                    Err(error) => {
                        reason = error;
                        failed.push(node);
                    }
                }
            }
        }
        if written.is_empty() {
            return Err(reason);
        }
        self.record(restored, &old, &written).await?;
        if written.len() < restored.copies {
            return Err(format!("{} of {} copies written: {reason}", written.len(), restored.copies));
        }
        Ok(())
    }

    fn encoded(&self, restored: &Restored<'_>) -> Result<Block, String> {
        let pointers = header_pointers(restored.word, restored.pointed);
        let header =
            pointers.and_then(|pointers| restored.word.header(self.core.info.id, restored.parity, &pointers));
        let header = header.ok_or_else(|| "its header's pointers are not recorded".to_owned())?;
        let header = header.encode().map_err(|error| error.to_string())?;
        Ok(Block { header: header.into(), payload: restored.payload.clone() })
    }

    /// Writes a copy, reads it back, and compares.
    async fn write_copy(
        &self,
        word: &Word,
        parity: u8,
        block: &Block,
        index: NodeIndex,
    ) -> Result<(), String> {
        let id = word.block_id(parity);
        let node = self.core.attached(index).map_err(|error| error.to_string())?;
        self.control.spend(2 * block.len() as u64).await;
        let written = node.store.put(&id, block).await;
        self.core.nodes.observe(node, None, &written);
        written.map_err(|error| error.to_string())?;
        self.count_written(block.len());
        let read = node
            .store
            .get(&id, block.payload.len() + HEADER_BYTES_MAX)
            .await
            .map_err(|error| error.to_string())?;
        let same = read.split_at_checked(block.header.len());
        if same.is_some_and(|(header, payload)| *header == *block.header && *payload == *block.payload) {
            return Ok(());
        }
        Err(format!("{} gives back other bytes than were written", node.name))
    }

    /// Records where a block is now, and takes what is repaired off the ledger.
    async fn record(
        &self,
        restored: &Restored<'_>,
        old: &[NodeIndex],
        written: &[NodeIndex],
    ) -> Result<(), String> {
        let (word, diagnosis) = (restored.word, restored.diagnosis);
        let block = word.block(restored.parity);
        let stays = |node: &&NodeIndex| diagnosis.kept().any(|kept| kept == **node) || written.contains(node);
        let mut nodes: Vec<NodeIndex> = old.iter().filter(stays).copied().collect();
        nodes.extend(written.iter().copied().filter(|node| !old.contains(node)));
        // As long as there are too few copies, the list says how many there should be.
        let lacking = diagnosis.wanted.saturating_sub(nodes.len());
        let left: Vec<NodeIndex> =
            old.iter().copied().filter(|node| !nodes.contains(node)).take(lacking).collect();
        nodes.extend(left);
        if nodes != old {
            match self.core.metadata.relocate(block, old, &nodes).await {
                Ok(()) => {}
                Err(error) if error.kind() == ErrorKind::Conflict => {
                    self.by_others(block);
                    return Ok(());
                }
                Err(error) => return Err(error.to_string()),
            }
        }
        self.clear(block, &nodes, written).await?;
        self.repaired(&Repaired {
            id: word.block_id(restored.parity),
            block,
            method: restored.method,
            nodes: written.iter().filter_map(|&node| self.roster.name(node)).collect(),
            bytes: (written.len() * word.record.class.bytes()) as u64,
        });
        Ok(())
    }

    async fn clear(&self, block: BlockRef, nodes: &[NodeIndex], written: &[NodeIndex]) -> Result<(), String> {
        let entries = self.core.damage_of(block).await.map_err(|error| error.to_string())?;
        let factor = self.core.settings.replication_factor;
        let over = |entry: &Damage| match entry.kind {
            DamageKind::NeverWritten | DamageKind::TooFewCopies => nodes.len() >= factor,
            DamageKind::Missing
            | DamageKind::Corrupt
            | DamageKind::Truncated
            | DamageKind::Foreign
            | DamageKind::Misplaced => {
                entry.node.is_none_or(|node| !nodes.contains(&node) || written.contains(&node))
            }
        };
        let over: Vec<Damage> = entries.into_iter().filter(over).collect();
        self.core.metadata.clear_damage(&over).await.map_err(|error| error.to_string())
    }

    /// Writes down what is wrong with a copy. A later look finds again what is not written down.
    pub(super) async fn note(&self, block: &Located, node: NodeIndex, kind: DamageKind) {
        let seen = self.core.clock.now();
        let damage = Damage { block: block.reference, id: block.id, node: Some(node), kind, seen };
        if let Err(error) = self.core.metadata.record_damage(&[damage]).await {
            tracing::warn!(block = %block.id, %error, "damage not written down");
        }
    }
}
