//! A codeword with everything that its records say, and what the headers of its blocks must be.

use std::sync::Arc;

use code::{BlockHeader, Ending, HeaderPointer};
use metadata::{Codeword, Document};
use types::{ArchiveId, BlockId, BlockRef, CodewordRef, DocumentRef, ErrorKind, Pointer, SegmentRecord};

use crate::core::Core;
use crate::error::Error;

/// A codeword and its document.
#[derive(Debug, Clone)]
pub(crate) struct Word {
    pub(crate) document: Arc<Document>,
    pub(crate) segment: u32,
    pub(crate) record: SegmentRecord,
}

impl Word {
    pub(crate) fn reference(&self) -> CodewordRef {
        CodewordRef { document: self.document.reference, segment: self.segment }
    }

    pub(crate) fn block(&self, parity: u8) -> BlockRef {
        BlockRef { codeword: self.reference(), parity }
    }

    pub(crate) fn block_id(&self, parity: u8) -> BlockId {
        BlockId::new(self.document.record.id, self.segment, parity)
    }

    /// The same without its document.
    pub(crate) fn codeword(&self) -> Codeword {
        Codeword {
            reference: self.reference(),
            document: self.document.record.id,
            name: self.document.record.name.clone(),
            segment: self.record.clone(),
        }
    }

    /// The blocks that it points at.
    pub(crate) fn pointed(&self) -> impl Iterator<Item = BlockRef> + '_ {
        self.record.pointers.iter().filter_map(|pointer| match pointer {
            Pointer::Block(block) => Some(*block),
            Pointer::Anchor(_) => None,
        })
    }

    /// What the header of parity `parity` must be; `pointers` as [`Core::header_pointers`] gives them.
    pub(crate) fn header(
        &self,
        archive: ArchiveId,
        parity: u8,
        pointers: &[HeaderPointer],
    ) -> Option<BlockHeader> {
        let document = &self.document.record;
        let extent = document.layout.extent(self.segment)?;
        let stored = self.record.parities.get(usize::from(parity))?;
        let last = self.segment.checked_add(1) == Some(document.layout.segments());
        let ending = last.then(|| Ending {
            length: document.layout.length(),
            hash: document.hash,
            segments: document.layout.segments(),
            created: document.created,
            content_type: document.content_type.clone(),
            user_metadata: document.user_metadata.clone(),
        });
        Some(BlockHeader {
            archive,
            id: self.block_id(parity),
            name: document.name.clone(),
            parameters: document.parameters,
            class: self.record.class,
            segment_length: self.record.length,
            segment_offset: extent.offset,
            payload_hash: stored.hash,
            segment_hash: self.record.hash,
            pointers: pointers.to_vec(),
            ending,
        })
    }
}

impl Core {
    /// The document of this number; an error if there is none, which contradicts whoever named it.
    pub(crate) async fn document_at(&self, reference: DocumentRef) -> Result<Document, Error> {
        let found = self.metadata.scan(reference.partition, reference.sequence, 1).await?;
        found.into_iter().next().filter(|document| document.reference == reference).ok_or_else(|| {
            let message = format!("document {reference} is not recorded");
            types::Error::new(ErrorKind::Corrupt, "metadata", message).into()
        })
    }

    /// The codeword of this number.
    pub(crate) async fn word(&self, reference: CodewordRef) -> Result<Word, Error> {
        let document = Arc::new(self.document_at(reference.document).await?);
        let record = self.metadata.segments(reference.document, reference.segment, 1).await?;
        let record = record.into_iter().next().ok_or_else(|| {
            let message = format!("codeword {reference} is not recorded");
            Error::from(types::Error::new(ErrorKind::Corrupt, "metadata", message))
        })?;
        Ok(Word { document, segment: reference.segment, record })
    }

    /// The codewords that a codeword's pointers point into, in the order of [`Word::pointed`]; `None` for one that is
    /// not recorded.
    pub(crate) async fn pointed(&self, word: &Word) -> Result<Vec<Option<Codeword>>, Error> {
        let references: Vec<CodewordRef> = word.pointed().map(|block| block.codeword).collect();
        Ok(self.metadata.codewords(&references).await?)
    }
}

/// A codeword's pointers as headers name them; `None` if one is not recorded.
pub(crate) fn header_pointers(word: &Word, pointed: &[Option<Codeword>]) -> Option<Vec<HeaderPointer>> {
    let mut targets = pointed.iter();
    let name = |pointer: &Pointer| match *pointer {
        Pointer::Anchor(index) => Some(HeaderPointer::Anchor(index)),
        Pointer::Block(block) => {
            let target = targets.next()?.as_ref()?;
            Some(HeaderPointer::Block(target.block_id(block.parity)))
        }
    };
    word.record.pointers.iter().map(name).collect()
}
