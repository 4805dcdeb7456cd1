//! A segment, put together from the headers of its blocks.

use code::BlockHeader;
use types::{BlockId, CodeParameters, Hash, LengthClass, NodeIndex};

use super::finding::{Finding, Findings};
use super::scan::Scanned;

/// A segment as its blocks tell of it.
#[derive(Debug, Clone)]
pub(super) struct Draft {
    /// What all of its headers say: everything but the parity's number and the payload's hash.
    pub(super) header: BlockHeader,
    pub(super) parities: Vec<Parity>,
}

/// A parity as it was found.
#[derive(Debug, Clone, Default)]
pub(super) struct Parity {
    /// `None` if no header tells it.
    pub(super) hash: Option<Hash>,
    pub(super) nodes: Vec<NodeIndex>,
}

/// Whether two headers agree in everything that the headers of a codeword share.
fn agree(one: &BlockHeader, other: &BlockHeader) -> bool {
    // Field by field, because a clone to blank two of them would copy every pointer.
    one.archive == other.archive
        && one.id.document == other.id.document
        && one.id.segment == other.id.segment
        && one.name == other.name
        && one.parameters == other.parameters
        && one.class == other.class
        && one.segment_length == other.segment_length
        && one.segment_offset == other.segment_offset
        && one.segment_hash == other.segment_hash
        && one.pointers == other.pointers
        && one.ending == other.ending
}

/// The header that most of the blocks agree with, the first of several.
fn elect(blocks: &[Scanned]) -> Option<&BlockHeader> {
    let headers = || blocks.iter().filter_map(|block| block.header.as_ref());
    let votes = |candidate: &BlockHeader| headers().filter(|header| agree(candidate, header)).count();
    // `max_by_key` takes the last of equals.
    headers().rev().max_by_key(|header| votes(header))
}

/// Puts a segment together; `None` if no header of it is left.
pub(super) fn fold(blocks: Vec<Scanned>, findings: &mut Findings) -> Option<Draft> {
    let elected = elect(&blocks).cloned();
    let count = elected.as_ref().map_or(0, |header| header.parameters.p());
    let mut parities = vec![Parity::default(); count];
    for block in blocks {
        findings.extend(block.findings);
        let Some(elected) = &elected else { continue };
        let hash = block.header.as_ref().filter(|header| agree(elected, header)).map(|h| h.payload_hash);
        if block.header.is_some() && hash.is_none() {
            findings.push(Finding::Contradiction { block: block.id });
            continue;
        }
        if let Some(parity) = parities.get_mut(usize::from(block.id.parity)) {
            *parity = Parity { hash, nodes: block.nodes };
        }
    }
    Some(Draft { header: elected?, parities })
}

impl Draft {
    pub(super) fn parameters(&self) -> CodeParameters {
        self.header.parameters
    }

    pub(super) fn class(&self) -> LengthClass {
        self.header.class
    }

    /// The name of parity `parity`.
    pub(super) fn block_id(&self, parity: u8) -> BlockId {
        BlockId { parity, ..self.header.id }
    }

    /// The parities whose hashes no header tells.
    pub(super) fn unknown(&self) -> Vec<u8> {
        let numbered = (0..=u8::MAX).zip(&self.parities);
        numbered.filter(|(_, parity)| parity.hash.is_none()).map(|(number, _)| number).collect()
    }
}
