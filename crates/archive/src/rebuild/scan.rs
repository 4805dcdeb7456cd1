//! Reading blocks and believing their headers as far as they prove right.

use code::{BlockHeader, header::HEADER_BYTES_MAX};
use coder::Coder;
use types::{ArchiveId, BlockId, ErrorKind, Hash, LengthClass, NodeIndex};

use super::finding::Finding;
use super::inventory::{Listed, ListedCopy};
use super::nodes::ScanNode;

/// Longest block there can be.
const BLOCK_BYTES_MAX: u64 = (LengthClass::MAX.bytes() + HEADER_BYTES_MAX) as u64;

/// Reads blocks of one archive.
#[derive(Debug)]
pub(super) struct Scanner {
    pub(super) archive: ArchiveId,
    pub(super) deep: bool,
    pub(super) nodes: Vec<ScanNode>,
    pub(super) coder: Coder,
}

/// A block as it was found.
#[derive(Debug, Clone)]
pub(super) struct Scanned {
    pub(super) id: BlockId,
    /// `None` if no copy could be read.
    pub(super) header: Option<BlockHeader>,
    /// Who holds it, as far as is known.
    pub(super) nodes: Vec<NodeIndex>,
    pub(super) findings: Vec<Finding>,
    /// How many bytes were read.
    pub(super) bytes: u64,
}

/// Why a copy says nothing.
enum Silent {
    /// It went away since it was listed.
    Gone,
    /// It is not the block.
    Wrong(String),
    /// It may be there and right.
    Unreadable(String),
}

impl Scanner {
    /// Reads copies until one proves right, or all of them in a deep scan.
    pub(super) async fn read(&self, listed: Listed) -> Scanned {
        let id = listed.id;
        let mut scanned = Scanned { id, header: None, nodes: Vec::new(), findings: Vec::new(), bytes: 0 };
        let mut length = 0;
        for copy in listed.copies {
            let Some(node) = self.nodes.get(copy.node) else { continue };
            let name = node.name.clone();
            if !self.deep && scanned.header.is_some() {
                // A copy of the same length is believed to be the same.
                if copy.length == length {
                    scanned.nodes.push(node.index);
                } else {
                    let reason = format!("it has {} bytes, another copy has {length}", copy.length);
                    scanned.findings.push(Finding::BadCopy { block: id, node: name, reason });
                }
                continue;
            }
            match self.read_copy(node, id, copy).await {
                Ok(header) => {
                    scanned.bytes += copy.length;
                    if scanned.header.as_ref().is_some_and(|first| *first != header) {
                        let reason = "its header is not that of another copy".to_owned();
                        scanned.findings.push(Finding::BadCopy { block: id, node: name, reason });
                        continue;
                    }
                    length = copy.length;
                    scanned.header = Some(header);
                    scanned.nodes.push(node.index);
                }
                Err(Silent::Gone) => {}
                Err(Silent::Wrong(reason)) => {
                    scanned.bytes += copy.length;
                    scanned.findings.push(Finding::BadCopy { block: id, node: name, reason });
                }
                Err(Silent::Unreadable(reason)) => {
                    scanned.nodes.push(node.index);
                    scanned.findings.push(Finding::Unreadable { block: id, node: name, reason });
                }
            }
        }
        scanned
    }

    async fn read_copy(&self, node: &ScanNode, id: BlockId, copy: ListedCopy) -> Result<BlockHeader, Silent> {
        if copy.length > BLOCK_BYTES_MAX {
            return Err(Silent::Wrong(format!("it has {} bytes", copy.length)));
        }
        let length = usize::try_from(copy.length).unwrap_or(usize::MAX);
        let bytes = node.store.get(&id, length).await.map_err(|error| match error.kind() {
            ErrorKind::NotFound => Silent::Gone,
            ErrorKind::Corrupt => Silent::Wrong(error.to_string()),
            _ => Silent::Unreadable(error.to_string()),
        })?;
        let (header, payload) =
            BlockHeader::decode(&bytes).map_err(|error| Silent::Wrong(error.to_string()))?;
        if header.archive != self.archive {
            return Err(Silent::Wrong(format!("it is of archive {}", header.archive)));
        }
        if header.id != id {
            return Err(Silent::Wrong(format!("it is block {}", header.id)));
        }
        if self.deep {
            let payload = bytes.slice_ref(payload);
            let hash = self.coder.run(move || Hash::of(&payload)).await;
            let hash = hash.map_err(|error| Silent::Unreadable(error.to_string()))?;
            if hash != header.payload_hash {
                return Err(Silent::Wrong("its payload does not match its hash".to_owned()));
            }
        }
        Ok(header)
    }

    /// The scanned node of this number.
    pub(super) fn node(&self, index: NodeIndex) -> Option<&ScanNode> {
        self.nodes.iter().find(|node| node.index == index)
    }
}
