//! Pointers as headers name them, turned into references to restored documents.

use std::collections::HashMap;

use code::HeaderPointer;
use metadata::MetadataStore;
use types::{BlockId, BlockRef, CodewordRef, DocumentId, DocumentRef, Pointer, Result};

/// References kept in memory: about 3 MiB of them.
const KEPT_MAX: usize = 1 << 16;

/// Looks up documents by identifier and remembers some.
#[derive(Debug, Default)]
pub(super) struct Targets {
    kept: HashMap<DocumentId, DocumentRef>,
}

impl Targets {
    /// Where a document is recorded, if it is.
    pub(super) async fn find(
        &mut self,
        metadata: &dyn MetadataStore,
        id: DocumentId,
    ) -> Result<Option<DocumentRef>> {
        if let Some(reference) = self.kept.get(&id) {
            return Ok(Some(*reference));
        }
        let found = metadata.document_by_id(&id).await?.map(|document| document.reference);
        if let Some(reference) = found {
            self.keep(id, reference);
        }
        Ok(found)
    }

    /// Remembers a document.
    pub(super) fn keep(&mut self, id: DocumentId, reference: DocumentRef) {
        if self.kept.len() >= KEPT_MAX {
            self.kept.clear();
        }
        self.kept.insert(id, reference);
    }

    /// The pointers as references, and the blocks whose documents are not recorded.
    pub(super) async fn resolve(
        &mut self,
        metadata: &dyn MetadataStore,
        pointers: &[HeaderPointer],
    ) -> Result<(Vec<Pointer>, Vec<BlockId>)> {
        let (mut resolved, mut missing) = (Vec::with_capacity(pointers.len()), Vec::new());
        for pointer in pointers {
            match *pointer {
                HeaderPointer::Anchor(index) => resolved.push(Pointer::Anchor(index)),
                HeaderPointer::Block(block) => match self.find(metadata, block.document).await? {
                    Some(document) => {
                        let codeword = CodewordRef { document, segment: block.segment };
                        resolved.push(Pointer::Block(BlockRef { codeword, parity: block.parity }));
                    }
                    None => missing.push(block),
                },
            }
        }
        Ok((resolved, missing))
    }
}
