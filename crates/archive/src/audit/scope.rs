//! Which part of the archive a run is about.

use std::collections::HashSet;
use std::str::FromStr;

use types::{BlockRef, CodewordRef, DocumentName, DocumentRef, ErrorKind};

use crate::core::Core;
use crate::error::Error;

/// Names looked up at a time.
const NAMES: usize = 256;

/// Which part of the archive a run is about.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Scope {
    /// All of it.
    #[default]
    Everything,
    /// These documents: each a name, or, ending with `/`, what all their names begin with.
    Documents(Vec<String>),
    /// These blocks.
    Blocks(Vec<BlockKey>),
}

/// A block, named as in the service's `__meta`: `<document's name>-<two digits or more>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BlockKey {
    /// The document.
    pub name: DocumentName,
    /// The block's number in it: segment * p + parity.
    pub index: u64,
}

impl FromStr for BlockKey {
    type Err = types::Error;

    fn from_str(text: &str) -> Result<Self, types::Error> {
        let invalid = || {
            let message =
                "not a block's key: a document's name, a hyphen and two digits or more are expected";
            types::Error::new(ErrorKind::Invalid, format_args!("{text:?}"), message)
        };
        let (name, number) = text.rsplit_once('-').ok_or_else(invalid)?;
        if number.len() < 2 || !number.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(invalid());
        }
        let name = DocumentName::new(name).map_err(|_| invalid())?;
        Ok(Self { name, index: number.parse().map_err(|_| invalid())? })
    }
}

/// A scope with everything looked up.
#[derive(Debug)]
pub(crate) enum Resolved {
    Everything,
    Documents(Vec<DocumentRef>, HashSet<DocumentRef>),
    Blocks(Vec<DocumentRef>, HashSet<BlockRef>),
}

impl Resolved {
    pub(crate) fn contains(&self, block: &BlockRef) -> bool {
        match self {
            Self::Everything => true,
            Self::Documents(_, documents) => documents.contains(&block.codeword.document),
            Self::Blocks(_, blocks) => blocks.contains(block),
        }
    }

    /// The documents, unless it is all of them.
    pub(crate) fn documents(&self) -> Option<&[DocumentRef]> {
        match self {
            Self::Everything => None,
            Self::Documents(documents, _) | Self::Blocks(documents, _) => Some(documents),
        }
    }
}

impl Core {
    /// Looks a scope up; [`Error::NotFound`] if a name or block is not there.
    pub(crate) async fn resolve(&self, scope: &Scope) -> Result<Resolved, Error> {
        match scope {
            Scope::Everything => Ok(Resolved::Everything),
            Scope::Documents(names) => {
                let mut documents = Vec::new();
                for name in names {
                    self.resolve_name(name, &mut documents).await?;
                }
                documents.sort_unstable();
                documents.dedup();
                let set = documents.iter().copied().collect();
                Ok(Resolved::Documents(documents, set))
            }
            Scope::Blocks(keys) => {
                let mut blocks = HashSet::new();
                for key in keys {
                    blocks.insert(self.resolve_block(key).await?);
                }
                let mut documents: Vec<DocumentRef> =
                    blocks.iter().map(|block| block.codeword.document).collect();
                documents.sort_unstable();
                documents.dedup();
                Ok(Resolved::Blocks(documents, blocks))
            }
        }
    }

    async fn resolve_name(&self, name: &str, documents: &mut Vec<DocumentRef>) -> Result<(), Error> {
        if !name.ends_with('/') {
            let invalid = |error| types::Error::new(ErrorKind::Invalid, format_args!("{name:?}"), error);
            let name = DocumentName::new(name).map_err(invalid)?;
            let found = self.metadata.document(&name).await?.ok_or(Error::NotFound(name))?;
            documents.push(found.reference);
            return Ok(());
        }
        let mut after: Option<String> = None;
        loop {
            let page = self.metadata.list(name, after.as_deref(), NAMES).await?;
            for entry in &page {
                documents.extend(self.metadata.document(&entry.name).await?.map(|found| found.reference));
            }
            match page.last() {
                Some(last) if page.len() == NAMES => after = Some(last.name.as_str().to_owned()),
                Some(_) | None => return Ok(()),
            }
        }
    }

    async fn resolve_block(&self, key: &BlockKey) -> Result<BlockRef, Error> {
        let found = self.metadata.document(&key.name).await?;
        let found = found.ok_or_else(|| Error::NotFound(key.name.clone()))?;
        let p = found.record.parameters.p() as u64;
        let segments = found.record.layout.segments();
        let segment = u32::try_from(key.index / p).ok().filter(|&segment| segment < segments);
        let (Some(segment), Ok(parity)) = (segment, u8::try_from(key.index % p)) else {
            let message = format!("it has {} blocks, none of number {}", u64::from(segments) * p, key.index);
            return Err(types::Error::new(ErrorKind::NotFound, &key.name, message).into());
        };
        Ok(BlockRef { codeword: CodewordRef { document: found.reference, segment }, parity })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn block_keys_are_names_and_numbers() {
        let key: BlockKey = "papers/a-b-01".parse().unwrap();
        assert_eq!((key.name.as_str(), key.index), ("papers/a-b", 1));
        assert_eq!("x-1234".parse::<BlockKey>().unwrap().index, 1234);
        for bad in ["", "x", "x-1", "x-1a", "-01", "x-+1", "x-99999999999999999999"] {
            assert!(bad.parse::<BlockKey>().is_err(), "{bad}");
        }
    }
}
