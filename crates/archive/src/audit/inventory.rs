//! A node's inventory, read page by page as an audit walks along.

use std::collections::VecDeque;

use storage::BlockStat;
use types::{BlockId, Error, ErrorKind, NodeIndex, Result};

use std::sync::Arc;

use crate::core::Core;
use crate::nodes::Node;

/// Blocks in a page: 64 KiB of them.
const PAGE: usize = 1024;

/// Where one node's inventory stands.
#[derive(Debug)]
pub(crate) struct Inventory {
    pub(crate) node: NodeIndex,
    /// Everything up to here was handed out.
    passed: Option<BlockId>,
    /// What was read beyond it.
    ahead: VecDeque<BlockStat>,
    /// Where to read on.
    read: Option<BlockId>,
    ended: bool,
    /// Whether all of it was handed out.
    spent: bool,
}

/// A piece of an inventory.
#[derive(Debug)]
pub(crate) struct Piece {
    pub(crate) blocks: Vec<BlockStat>,
    /// Up to where the piece is all that there is; `None` is the end asked for.
    pub(crate) upto: Option<BlockId>,
}

impl Inventory {
    pub(crate) fn new(node: NodeIndex) -> Self {
        Self { node, passed: None, ahead: VecDeque::new(), read: None, ended: false, spent: false }
    }

    /// Goes to the blocks after `after`. Going on where it stands costs nothing.
    pub(crate) fn seek(&mut self, after: Option<BlockId>) {
        if self.spent || self.passed != after {
            *self = Self { passed: after, read: after, ..Self::new(self.node) };
        }
    }

    /// The next blocks, `upto` (the end of the inventory if `None`) at most. The last piece has no `upto`.
    pub(crate) async fn next(&mut self, core: &Core, upto: Option<BlockId>) -> Result<Piece> {
        let within = |id: BlockId| upto.is_none_or(|upto| id <= upto);
        if self.ahead.is_empty() && !self.ended {
            let page = core.list_node(self.node, self.read.as_ref(), PAGE).await?;
            self.ended = page.len() < PAGE;
            self.read = page.last().map(|stat| stat.id).or(self.read);
            self.ahead = page.into();
        }
        let mut blocks = Vec::new();
        while self.ahead.front().is_some_and(|stat| within(stat.id)) {
            blocks.extend(self.ahead.pop_front());
        }
        let over = self.ended || !self.ahead.is_empty();
        self.spent = over && upto.is_none();
        self.passed = if over { upto } else { blocks.last().map(|stat| stat.id) };
        Ok(Piece { upto: self.passed.filter(|_| !over), blocks })
    }
}

impl Core {
    /// A page of a node's inventory.
    async fn list_node(
        &self,
        index: NodeIndex,
        after: Option<&BlockId>,
        limit: usize,
    ) -> Result<Vec<BlockStat>> {
        let node = self.attached(index)?;
        let page = node.store.list(after, limit).await;
        self.nodes.observe(node, None, &page);
        page
    }
}

impl Core {
    /// The node, if it is attached.
    pub(crate) fn attached(&self, index: NodeIndex) -> Result<&Arc<Node>> {
        self.nodes
            .get(index)
            .ok_or_else(|| Error::new(ErrorKind::Denied, self.node_name(index), "the node is not attached"))
    }
}
