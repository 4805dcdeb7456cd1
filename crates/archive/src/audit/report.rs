//! What an audit tells.

use std::collections::BTreeMap;

use metadata::DamageKind;
use types::{BlockId, BlockRef, DocumentName, NodeName};

use super::{Limits, NodeStanding, StandingPolicy, Stop};
use crate::repair::{Failure, PlanTotals, Repaired};

/// Findings kept in a report; all of them are counted and told to [`Progress`].
pub(crate) const FINDINGS_MAX: usize = 1000;

/// How thoroughly to look.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum AuditMode {
    /// Compares each node's inventory with the records; reads no block.
    Quick,
    /// Reads and hashes every copy, besides.
    Deep,
    /// Reads and hashes the copies of this part of all codewords (over 0, at most 1), spread over the archive. Each
    /// run takes another part; `1 / fraction` runs take all.
    Sample(f64),
}

/// How to audit.
#[derive(Debug, Clone, Default)]
pub struct AuditOptions {
    /// Bounds of the run.
    pub limits: Limits,
    /// When a node's copies count as lost.
    pub standing: StandingPolicy,
    /// Blocks recorded on fewer nodes have too few copies; the replication factor if `None`, 0 allows all.
    pub copies_min: Option<usize>,
}

/// What is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FindingKind {
    /// The node has no such block, or is lost with all its blocks.
    Missing,
    /// The node's bytes are not the block's.
    Corrupt,
    /// The node's bytes end before the block does.
    Truncated,
    /// Another block's bytes, or another archive's.
    Foreign,
    /// On a node, or in a zone, where the placement rules do not want it.
    Misplaced,
    /// Recorded on fewer nodes than there should be copies.
    TooFewCopies,
    /// A block that is whole, and says other things of itself than its record does.
    Contradicts,
    /// A copy of a committed block on a node that its record does not name: of use to nobody, and harmless.
    Surplus,
    /// A block of no committed document and of no upload that is under way.
    Orphan,
}

impl FindingKind {
    /// In `snake_case`, for people and metrics.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Corrupt => "corrupt",
            Self::Truncated => "truncated",
            Self::Foreign => "foreign",
            Self::Misplaced => "misplaced",
            Self::TooFewCopies => "too_few_copies",
            Self::Contradicts => "contradicts",
            Self::Surplus => "surplus",
            Self::Orphan => "orphan",
        }
    }

    /// As it is queued for repair; `None` for what there is nothing to repair about.
    pub(crate) fn damage(self) -> Option<DamageKind> {
        match self {
            Self::Missing => Some(DamageKind::Missing),
            Self::Corrupt | Self::Contradicts => Some(DamageKind::Corrupt),
            Self::Truncated => Some(DamageKind::Truncated),
            Self::Foreign => Some(DamageKind::Foreign),
            Self::Misplaced => Some(DamageKind::Misplaced),
            Self::TooFewCopies => Some(DamageKind::TooFewCopies),
            Self::Surplus | Self::Orphan => None,
        }
    }
}

/// Something wrong with a copy of a block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What.
    pub kind: FindingKind,
    /// The block's name on the nodes.
    pub id: BlockId,
    /// The block; `None` for one of no committed document.
    pub block: Option<BlockRef>,
    /// Its document; `None` for one of no committed document.
    pub name: Option<DocumentName>,
    /// The node; `None` where no single node is meant.
    pub node: Option<NodeName>,
    /// In words.
    pub detail: String,
}

/// What an audit has looked at so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct AuditCounts {
    /// Documents.
    pub documents: u64,
    /// Codewords.
    pub codewords: u64,
    /// Copies of blocks.
    pub copies: u64,
    /// Bytes read from the nodes.
    pub bytes_read: u64,
    /// Findings.
    pub findings: u64,
    /// About how many codewords there are in all, for the time left.
    pub codewords_total: u64,
}

/// How an audit ended.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AuditReport {
    /// What this call looked at.
    pub counts: AuditCounts,
    /// How much of each kind it found.
    pub found: BTreeMap<FindingKind, u64>,
    /// The first 1,000 findings.
    pub findings: Vec<Finding>,
    /// Copies on nodes that do not answer: not known to be there, not known to be lost.
    pub unknown: BTreeMap<NodeName, u64>,
    /// How the nodes stand.
    pub nodes: Vec<NodeStanding>,
    /// Entries of the damage ledger that were found healthy again, and taken off it.
    pub cleared: u64,
    /// Whether everything in scope was audited, by this call and others.
    pub complete: bool,
    /// Why it ended early.
    pub stopped: Option<Stop>,
}

/// Is told how a run is getting on. Called often, from the run itself: it must not block.
pub trait Progress: Send + Sync {
    /// Something happened.
    fn event(&self, event: &Event<'_>);
}

impl Progress for () {
    fn event(&self, _: &Event<'_>) {}
}

/// Something that happened in a run.
#[derive(Debug, Clone, Copy)]
pub enum Event<'a> {
    /// An audit got on.
    Audited(&'a AuditCounts),
    /// An audit found something.
    Found(&'a Finding),
    /// A round of a repair was planned: what is left to do.
    Planned(&'a PlanTotals),
    /// A block was repaired, verified and recorded.
    Repaired(&'a Repaired),
    /// A block was not repaired; the run goes on.
    Failed(&'a Failure),
}
