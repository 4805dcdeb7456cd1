//! Writing a codeword's parities: where they belong, elsewhere if a node fails, durably or not at all.

use code::{Occupancy, place};
use futures_util::future::join_all;
use storage::Block;
use types::{BlockId, DocumentId, ErrorKind, NodeIndex};

use crate::core::Core;
use crate::error::Error;

/// How often parities whose nodes failed are placed again.
const ROUNDS_MAX: usize = 4;

/// Where parities are.
#[derive(Debug)]
pub(crate) struct Written {
    /// For each parity, the nodes with a durable copy.
    pub(crate) nodes: Vec<Vec<NodeIndex>>,
    /// Whether a node may have kept a block although it did not say so.
    pub(crate) uncertain: bool,
}

impl Core {
    /// Writes the parities of a segment, apart from each other and from `pointers`, the nodes that the codeword's
    /// pointers count on. Returns when every copy is durable, or every parity has its quorum and no more nodes are
    /// to be had; fails, with what was written deleted, if a parity lacks its quorum.
    pub(crate) async fn write_parities(
        &self,
        document: DocumentId,
        segment: u32,
        blocks: &[Block],
        pointers: &[NodeIndex],
    ) -> Result<Written, Error> {
        let ids: Vec<BlockId> =
            (0..=u8::MAX).take(blocks.len()).map(|parity| BlockId::new(document, segment, parity)).collect();
        let mut written = Written { nodes: vec![Vec::new(); blocks.len()], uncertain: false };
        let mut avoid: Vec<NodeIndex> = Vec::new();
        let mut reason = String::new();
        for _ in 0..ROUNDS_MAX {
            let plan = match self.plan_writes(&written.nodes, pointers, &avoid) {
                Ok(plan) => plan,
                Err(refusal) => {
                    reason = format!("{refusal}{}{reason}", if reason.is_empty() { "" } else { "; " });
                    break;
                }
            };
            if plan.is_empty() {
                break;
            }
            for (parity, node, result) in self.write_round(&ids, blocks, plan).await {
                match result {
                    Ok(()) => written.nodes.get_mut(parity).into_iter().for_each(|nodes| nodes.push(node)),
                    Err(error) => {
                        avoid.push(node);
                        written.uncertain |= error.kind() == ErrorKind::Timeout;
                        reason = error.to_string();
                    }
                }
            }
        }
        if written.nodes.iter().all(|nodes| nodes.len() >= self.settings.write_quorum) {
            return Ok(written);
        }
        self.delete_written(&ids, &written.nodes).await;
        Err(Error::TooFewNodes(reason))
    }

    /// Which parity goes to which node next; nothing if nothing is lacking or no node is left.
    fn plan_writes(
        &self,
        written: &[Vec<NodeIndex>],
        pointers: &[NodeIndex],
        avoid: &[NodeIndex],
    ) -> Result<Vec<(usize, NodeIndex)>, String> {
        let topology = self.nodes.topology(avoid);
        // Parities double up on a node only where there are fewer nodes, never because nodes fail: they would be
        // lost together.
        let (usable, needed) = (topology.usable().count(), written.len().min(self.nodes.len()));
        if usable < needed && written.iter().any(Vec::is_empty) {
            return Err(format!("{usable} of {} nodes take writes, {needed} must", self.nodes.len()));
        }
        let mut occupancy = Occupancy::new(&topology, pointers.len() + written.len());
        for &node in pointers {
            occupancy.add(node);
        }
        let mut placed = written.to_vec();
        place::place(&mut placed, self.settings.replication_factor, &mut occupancy, &mut self.rng());
        let new = |(parity, (before, after)): (usize, (&Vec<NodeIndex>, Vec<NodeIndex>))| {
            after.into_iter().skip(before.len()).map(move |node| (parity, node))
        };
        Ok(written.iter().zip(placed).enumerate().flat_map(new).collect())
    }

    async fn write_round(
        &self,
        ids: &[BlockId],
        blocks: &[Block],
        plan: Vec<(usize, NodeIndex)>,
    ) -> Vec<(usize, NodeIndex, types::Result<()>)> {
        let write = async |(parity, index): (usize, NodeIndex)| {
            let (Some(id), Some(block), Some(node)) =
                (ids.get(parity), blocks.get(parity), self.nodes.get(index))
            else {
                let gone =
                    types::Error::new(ErrorKind::Unavailable, self.node_name(index), "the node is gone");
                return (parity, index, Err(gone));
            };
            let result = node.store.put(id, block).await;
            self.nodes.observe(node, None, &result);
            (parity, index, result)
        };
        join_all(plan.into_iter().map(write)).await
    }

    async fn delete_written(&self, ids: &[BlockId], written: &[Vec<NodeIndex>]) {
        let copies =
            ids.iter().zip(written).flat_map(|(id, nodes)| nodes.iter().map(move |&node| (id, node)));
        let delete = async |(id, index): (&BlockId, NodeIndex)| {
            if let Some(node) = self.nodes.get(index)
                && let Err(error) = node.store.delete(id).await
            {
                tracing::warn!(block = %id, node = %node.name, %error, "leftover block not deleted");
            }
        };
        join_all(copies.map(delete)).await;
    }

    /// Deletes every block of an upload that did not commit. Returns whether none can be left.
    pub(crate) async fn delete_upload(&self, document: DocumentId) -> bool {
        let topology = self.nodes.topology(&[]);
        let mut clean = topology.nodes().len() == self.nodes.len();
        for node in topology.nodes().iter().filter_map(|node| self.nodes.get(node.index)) {
            clean &= delete_from(&*node.store, &document).await.is_ok();
        }
        clean
    }
}

async fn delete_from(store: &dyn storage::BlockStore, document: &DocumentId) -> types::Result<()> {
    for block in store.list_document(document).await? {
        store.delete(&block.id).await?;
    }
    Ok(())
}
