//! What is the matter with a block's copies. Pure.

use metadata::{Damage, DamageKind};
use types::{NodeIndex, Timestamp};

use crate::audit::Standing;

/// A block's copies, sorted by what is known of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Diagnosis {
    /// Nodes with a copy that nothing speaks against.
    pub(crate) good: Vec<NodeIndex>,
    /// Nodes that do not answer, and may have a copy.
    pub(crate) silent: Vec<NodeIndex>,
    /// Nodes that answer, and have no copy or a wrong one.
    pub(crate) bad: Vec<NodeIndex>,
    /// Nodes that are lost.
    pub(crate) gone: Vec<NodeIndex>,
    /// Nodes with a good copy that should be elsewhere; among the good ones too.
    pub(crate) misplaced: Vec<NodeIndex>,
    /// How many copies there should be.
    pub(crate) wanted: usize,
    /// When the first damage was seen.
    pub(crate) seen: Option<Timestamp>,
    /// Entries of the ledger that no longer say anything: their copies are not recorded any more.
    pub(crate) stale: Vec<Damage>,
}

/// What there is to be done about a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Need {
    /// Nothing.
    None,
    /// There is a copy, and there should be more, or one elsewhere.
    Copies,
    /// The last copy is lost.
    Rebuild,
    /// There may be a copy on a node that does not answer.
    Wait,
}

/// Sorts a block's copies. `nodes` are those of its record, `entries` those of the ledger for it, `factor` is how
/// many copies a block has that was never written often enough.
pub(crate) fn diagnose(
    nodes: &[NodeIndex],
    entries: &[Damage],
    standing: impl Fn(NodeIndex) -> Standing,
    factor: usize,
) -> Diagnosis {
    let mut diagnosis = Diagnosis {
        good: Vec::new(),
        silent: Vec::new(),
        bad: Vec::new(),
        gone: Vec::new(),
        misplaced: Vec::new(),
        wanted: nodes.len().max(1),
        seen: entries.iter().map(|entry| entry.seen).min(),
        stale: Vec::new(),
    };
    let mut wrong: Vec<NodeIndex> = Vec::new();
    for entry in entries {
        match (entry.kind, entry.node) {
            (DamageKind::NeverWritten | DamageKind::TooFewCopies, _) => {
                if nodes.len() >= factor {
                    diagnosis.stale.push(entry.clone());
                }
                diagnosis.wanted = diagnosis.wanted.max(factor);
            }
            (DamageKind::Misplaced, Some(node)) if nodes.contains(&node) => diagnosis.misplaced.push(node),
            (
                DamageKind::Missing | DamageKind::Corrupt | DamageKind::Truncated | DamageKind::Foreign,
                Some(node),
            ) if nodes.contains(&node) => wrong.push(node),
            (_, None) if nodes.is_empty() => {}
            _ => diagnosis.stale.push(entry.clone()),
        }
    }
    for &node in nodes {
        let list = match standing(node) {
            Standing::Lost(_) => &mut diagnosis.gone,
            // A copy that was seen to be wrong before its node fell silent is no better for it.
            Standing::Unknown(_) | Standing::Answers if wrong.contains(&node) => &mut diagnosis.bad,
            Standing::Unknown(_) => &mut diagnosis.silent,
            Standing::Answers => &mut diagnosis.good,
        };
        list.push(node);
    }
    let good = &diagnosis.good;
    diagnosis.misplaced.retain(|node| good.contains(node));
    diagnosis
}

impl Diagnosis {
    pub(crate) fn need(&self) -> Need {
        if self.good.is_empty() {
            return if self.silent.is_empty() { Need::Rebuild } else { Need::Wait };
        }
        if self.lacking() > 0 { Need::Copies } else { Need::None }
    }

    /// The nodes whose copies stay.
    pub(crate) fn kept(&self) -> impl Iterator<Item = NodeIndex> + '_ {
        self.good.iter().chain(&self.silent).copied().filter(|node| !self.misplaced.contains(node))
    }

    /// How many copies are to be made.
    pub(crate) fn lacking(&self) -> usize {
        self.wanted.saturating_sub(self.kept().count())
    }
}

#[cfg(test)]
mod tests {
    use types::{BlockId, BlockRef, CodewordRef, DocumentId, DocumentRef, ErrorKind, Partition};

    use super::*;

    fn entry(kind: DamageKind, node: Option<u16>) -> Damage {
        let document = DocumentRef { partition: Partition(0), sequence: 0 };
        Damage {
            block: BlockRef { codeword: CodewordRef { document, segment: 0 }, parity: 0 },
            id: BlockId::new(DocumentId::from_bytes([1; 16]), 0, 0),
            node: node.map(NodeIndex),
            kind,
            seen: Timestamp::from_millis(7),
        }
    }

    fn need(nodes: &[u16], entries: &[Damage]) -> (Need, usize, usize) {
        let nodes: Vec<NodeIndex> = nodes.iter().copied().map(NodeIndex).collect();
        // Node 8 is silent, node 9 is lost.
        let standing = |node: NodeIndex| match node.0 {
            8 => Standing::Unknown(ErrorKind::Timeout),
            9 => Standing::Lost(ErrorKind::Denied),
            _ => Standing::Answers,
        };
        let diagnosis = diagnose(&nodes, entries, standing, 3);
        (diagnosis.need(), diagnosis.lacking(), diagnosis.stale.len())
    }

    #[test]
    fn needs_follow_from_records_ledger_and_standing() {
        let missing = |node| entry(DamageKind::Missing, Some(node));
        assert_eq!(need(&[1], &[]), (Need::None, 0, 0));
        assert_eq!(need(&[1], &[missing(1)]), (Need::Rebuild, 1, 0));
        assert_eq!(need(&[1], &[missing(2)]), (Need::None, 0, 1), "moved meanwhile");
        assert_eq!(need(&[8], &[]), (Need::Wait, 0, 0));
        assert_eq!(need(&[8], &[missing(8)]), (Need::Rebuild, 1, 0));
        assert_eq!(need(&[9], &[]), (Need::Rebuild, 1, 0));
        assert_eq!(need(&[1, 9], &[missing(9)]), (Need::Copies, 1, 0));
        assert_eq!(need(&[8, 9], &[missing(9)]), (Need::Wait, 1, 0));
        assert_eq!(need(&[1, 2, 8], &[missing(1)]), (Need::Copies, 1, 0));
        assert_eq!(need(&[1], &[entry(DamageKind::NeverWritten, None)]), (Need::Copies, 2, 0));
        assert_eq!(need(&[1, 2, 3], &[entry(DamageKind::TooFewCopies, None)]), (Need::None, 0, 1));
        let misplaced = |node| entry(DamageKind::Misplaced, Some(node));
        assert_eq!(need(&[1, 2], &[misplaced(2)]), (Need::Copies, 1, 0));
        assert_eq!(need(&[1, 2], &[misplaced(3)]), (Need::None, 0, 1));
        assert_eq!(need(&[1], &[misplaced(1), missing(1)]), (Need::Rebuild, 1, 0));
        assert_eq!(need(&[], &[entry(DamageKind::Missing, None)]), (Need::Rebuild, 1, 0));
    }
}
