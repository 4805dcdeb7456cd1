//! Blocks that no record names: leftovers, surplus copies, and uploads under way, which are neither.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use metadata::{Document, Intent};
use types::{BlockId, BlockRef, CodewordRef, DocumentId, ErrorKind, NodeIndex, Timestamp};

use super::run::Audit;
use super::{Finding, FindingKind};
use crate::error::Error;

/// Uploads under way, and unfinished ones, that are told from leftovers.
const INTENTS_MAX: usize = 100_000;

impl Audit<'_> {
    /// Looks again at blocks that a node has and no record was seen to name.
    pub(super) async fn strays(&mut self, node: NodeIndex, ids: &[BlockId]) -> Result<(), Error> {
        if ids.is_empty() {
            return Ok(());
        }
        // Uploads are asked for first: one that ends meanwhile is a document when documents are asked for.
        let intents = self.core.metadata.intents(Timestamp::from_millis(i64::MAX), INTENTS_MAX).await?;
        let intents: HashMap<DocumentId, Intent> =
            intents.into_iter().map(|intent| (intent.document, intent)).collect();
        let mut documents: HashMap<DocumentId, Option<Document>> = HashMap::new();
        let mut findings = Vec::new();
        for &id in ids {
            let document = match documents.entry(id.document) {
                Entry::Occupied(known) => known.into_mut(),
                Entry::Vacant(new) => new.insert(self.core.metadata.document_by_id(&id.document).await?),
            };
            let finding = match document.as_ref() {
                Some(document) => self.surplus(document, id, node).await?,
                None => self.orphan(intents.get(&id.document), id, node),
            };
            if let Some(finding) = finding
                && self.is_still_there(id, node).await
            {
                findings.push((finding, Some(node)));
            }
        }
        self.found(findings).await
    }

    /// A block of a committed document on a node where its record does not have it.
    async fn surplus(
        &self,
        document: &Document,
        id: BlockId,
        node: NodeIndex,
    ) -> Result<Option<Finding>, Error> {
        let codeword = CodewordRef { document: document.reference, segment: id.segment };
        let found = self.core.metadata.codewords(&[codeword]).await?.into_iter().next().flatten();
        let parity = found.as_ref().and_then(|word| word.segment.parities.get(usize::from(id.parity)));
        if parity.is_some_and(|parity| parity.nodes.contains(&node)) {
            return Ok(None);
        }
        let detail = match parity {
            Some(_) => "the record names other nodes",
            None => "the document has no such block",
        };
        Ok(Some(Finding {
            kind: FindingKind::Surplus,
            id,
            block: parity.map(|_| BlockRef { codeword, parity: id.parity }),
            name: Some(document.record.name.clone()),
            node: self.roster.name(node),
            detail: detail.to_owned(),
        }))
    }

    /// A block of no document, unless its upload is under way.
    fn orphan(&self, intent: Option<&Intent>, id: BlockId, node: NodeIndex) -> Option<Finding> {
        let detail = match intent {
            Some(intent) if intent.expires >= self.core.clock.now() => return None,
            Some(intent) => format!("left by an upload of {:?} that never finished", intent.name.as_str()),
            None => "its document was never committed".to_owned(),
        };
        let node = self.roster.name(node);
        Some(Finding { kind: FindingKind::Orphan, id, block: None, name: None, node, detail })
    }

    /// An upload that was given up may have been cleaned up meanwhile.
    async fn is_still_there(&self, id: BlockId, node: NodeIndex) -> bool {
        let Ok(node) = self.core.attached(node) else { return false };
        node.store.stat(&id).await.err().is_none_or(|error| error.kind() != ErrorKind::NotFound)
    }
}
