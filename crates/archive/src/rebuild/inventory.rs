//! The inventories of all nodes, merged in the order of block names.

use std::collections::VecDeque;

use storage::BlockStat;
use types::{BlockId, Result};

use super::nodes::ScanNode;

/// Blocks asked of a node at once: 16 nodes' pages take less than a MiB.
const PAGE: usize = 1024;

/// A block, and who says that it holds it.
#[derive(Debug, Clone)]
pub(super) struct Listed {
    pub(super) id: BlockId,
    pub(super) copies: Vec<ListedCopy>,
}

/// A copy of a block as a node lists it.
#[derive(Debug, Clone, Copy)]
pub(super) struct ListedCopy {
    /// The node's place among the scanned ones.
    pub(super) node: usize,
    /// Header and payload, in bytes.
    pub(super) length: u64,
}

/// What a node listed, as far as it was asked.
#[derive(Debug, Default)]
struct Cursor {
    page: VecDeque<BlockStat>,
    after: Option<BlockId>,
    ended: bool,
}

/// Goes over all nodes' blocks.
#[derive(Debug)]
pub(super) struct Inventory<'a> {
    nodes: &'a [ScanNode],
    cursors: Vec<Cursor>,
}

impl<'a> Inventory<'a> {
    pub(super) fn new(nodes: &'a [ScanNode]) -> Self {
        Self { nodes, cursors: nodes.iter().map(|_| Cursor::default()).collect() }
    }

    /// The next block in the order of names.
    pub(super) async fn next(&mut self) -> Result<Option<Listed>> {
        for (node, cursor) in self.nodes.iter().zip(&mut self.cursors) {
            cursor.fill(node).await?;
        }
        let Some(id) = self.cursors.iter().filter_map(|cursor| Some(cursor.page.front()?.id)).min() else {
            return Ok(None);
        };
        let mut copies = Vec::new();
        for (node, cursor) in self.cursors.iter_mut().enumerate() {
            if let Some(stat) = cursor.page.front().filter(|stat| stat.id == id) {
                copies.push(ListedCopy { node, length: stat.length });
                cursor.page.pop_front();
            }
        }
        Ok(Some(Listed { id, copies }))
    }
}

impl Cursor {
    /// Asks for the next page when this one is used up.
    async fn fill(&mut self, node: &ScanNode) -> Result<()> {
        if !self.page.is_empty() || self.ended {
            return Ok(());
        }
        let page = node.store.list(self.after.as_ref(), PAGE).await?;
        self.ended = page.len() < PAGE;
        self.after = page.last().map(|stat| stat.id).or(self.after);
        self.page = page.into();
        Ok(())
    }
}
