//! What is in the damage ledger already: still so, or healthy again?

use std::sync::Arc;

use futures_util::stream::{self, StreamExt};
use metadata::{Damage, DamageKind};

use super::run::Audit;
use super::scope::Resolved;
use crate::error::Error;

/// Entries read at a time.
const PAGE: usize = 256;

impl Audit<'_> {
    /// Takes entries off the ledger whose copies turn out to be as they should be.
    pub(super) async fn recheck_ledger(&mut self, scope: &Resolved) -> Result<(), Error> {
        let core = Arc::clone(self.core);
        let mut after: Option<Damage> = None;
        while self.control.stop().is_none() {
            let page = core.metadata.damage(after.as_ref(), PAGE).await?;
            let Some(last) = page.last() else { break };
            after = Some(last.clone());
            let entries: Vec<Damage> =
                page.into_iter().filter(|entry| scope.contains(&entry.block)).collect();
            let healthy = {
                let this = &*self;
                let check = |entry: Damage| async move {
                    let healthy = this.is_healthy(&entry).await;
                    (entry, healthy)
                };
                let checks = stream::iter(entries.into_iter().map(check));
                checks.buffer_unordered(self.control.concurrency).collect::<Vec<_>>().await
            };
            let mut cleared = Vec::new();
            for (entry, healthy) in healthy {
                if healthy? {
                    cleared.push(entry);
                }
            }
            if !cleared.is_empty() {
                core.metadata.clear_damage(&cleared).await?;
                self.report.cleared += cleared.len() as u64;
            }
        }
        Ok(())
    }

    /// Whether what an entry says is no longer so. Where it cannot be known, it is.
    async fn is_healthy(&self, entry: &Damage) -> Result<bool, Error> {
        let found = self.core.metadata.codewords(&[entry.block.codeword]).await?;
        let word = found.into_iter().next().flatten();
        let nodes = word.as_ref().and_then(|word| word.segment.parities.get(usize::from(entry.block.parity)));
        let Some(nodes) = nodes.map(|parity| &parity.nodes) else { return Ok(false) };
        match entry.kind {
            DamageKind::NeverWritten | DamageKind::TooFewCopies => Ok(nodes.len() >= self.copies_min.max(1)),
            DamageKind::Misplaced => Ok(entry.node.is_some_and(|node| !nodes.contains(&node))),
            DamageKind::Missing | DamageKind::Corrupt | DamageKind::Truncated | DamageKind::Foreign => {
                let Some(node) = entry.node else { return Ok(!nodes.is_empty()) };
                if !nodes.contains(&node) {
                    // The copy was replaced elsewhere; unless that was the last one, this is history.
                    return Ok(!nodes.is_empty());
                }
                if !self.roster.answers(node) {
                    return Ok(false);
                }
                self.core.copy_is_whole(entry, node).await
            }
        }
    }
}
