//! What a repair plans, does and tells.

use std::collections::BTreeMap;
use std::time::Duration;

use types::{BlockId, BlockRef, CodewordRef, DocumentId, DocumentName, NodeName, Timestamp};

use crate::audit::{Limits, NodeStanding, StandingPolicy, Stop};

/// How to repair.
#[derive(Debug, Clone)]
pub struct RepairOptions {
    /// Bounds of the run.
    pub limits: Limits,
    /// When a node's copies count as lost.
    pub standing: StandingPolicy,
    /// Most bytes of blocks held while codewords are solved jointly.
    pub joint_bytes_max: usize,
}

impl Default for RepairOptions {
    fn default() -> Self {
        Self { limits: Limits::default(), standing: StandingPolicy::default(), joint_bytes_max: 64 << 20 }
    }
}

/// A way to have a block again, the cheapest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Method {
    /// Another copy of it.
    Replica,
    /// The block's own codeword, decoded from what was there before the repair.
    Direct,
    /// Another codeword that points at it, or its own after other blocks were rebuilt.
    Recursive,
    /// Several codewords solved together.
    Joint,
}

impl Method {
    /// In `snake_case`, for people and metrics.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Replica => "replica",
            Self::Direct => "direct",
            Self::Recursive => "recursive",
            Self::Joint => "joint",
        }
    }
}

/// What there is to do, in sum.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PlanTotals {
    /// Blocks of which copies are to be made.
    pub blocks: u64,
    /// How, as far as it is known.
    pub by_method: BTreeMap<Method, u64>,
    /// Blocks that the equations do not determine: lost, unless nodes that do not answer come back.
    pub unplanned: u64,
    /// Bytes of blocks to be read.
    pub bytes_read: u64,
    /// Bytes of blocks to be written.
    pub bytes_written: u64,
}

/// A block that is to be repaired.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlannedBlock {
    /// The block's name on the nodes.
    pub id: BlockId,
    /// The block.
    pub block: BlockRef,
    /// Its document.
    pub name: DocumentName,
    /// How; `None` if it cannot be.
    pub method: Option<Method>,
    /// How many more losses the most endangered codeword with this block survives; below 0 it does not decode now.
    pub margin: i64,
    /// In which round: later ones need blocks of earlier ones.
    pub round: u32,
}

/// What a repair would do.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RepairPlan {
    /// In sum.
    pub totals: PlanTotals,
    /// Block by block, in the order of work.
    pub blocks: Vec<PlannedBlock>,
    /// What would stay lost.
    pub lost: Vec<Loss>,
    /// How the nodes stand.
    pub nodes: Vec<NodeStanding>,
}

/// A repaired block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Repaired {
    /// The block's name on the nodes.
    pub id: BlockId,
    /// The block.
    pub block: BlockRef,
    /// How it was had again.
    pub method: Method,
    /// Where copies were written, read back and found right.
    pub nodes: Vec<NodeName>,
    /// Bytes of its payload.
    pub bytes: u64,
}

/// A block that was not repaired, although it should have been.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The block's name on the nodes.
    pub id: BlockId,
    /// The block.
    pub block: BlockRef,
    /// Why.
    pub message: String,
}

/// A segment of a document that cannot be read and that nothing makes whole again, with the evidence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loss {
    /// The document.
    pub name: DocumentName,
    /// Its identifier.
    pub document: DocumentId,
    /// Its segment.
    pub segment: u32,
    /// The segment's codeword.
    pub codeword: CodewordRef,
    /// The symbols that are missing.
    pub missing: Vec<MissingSymbol>,
    /// When the first of them was seen to be missing.
    pub since: Timestamp,
    /// What was tried, and how it ended.
    pub tried: Vec<String>,
    /// Whether nothing brings it back; if not, nodes that do not answer may.
    pub for_good: bool,
}

/// A symbol of a codeword that cannot be had.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MissingSymbol {
    /// Its position in the codeword: pointers from `s` on, then parities.
    pub position: usize,
    /// The block.
    pub id: BlockId,
    /// Since when it is missing.
    pub since: Timestamp,
    /// Whether a node that does not answer may have it.
    pub out_of_reach: bool,
}

/// How a repair ended.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RepairReport {
    /// Blocks repaired, by method.
    pub blocks: BTreeMap<Method, u64>,
    /// Copies written, read back and recorded.
    pub copies: u64,
    /// Bytes of payload of those copies.
    pub bytes_restored: u64,
    /// Bytes read from nodes, without what was read back.
    pub bytes_read: u64,
    /// Bytes written to nodes.
    pub bytes_written: u64,
    /// Blocks that others repaired meanwhile.
    pub by_others: u64,
    /// Blocks that should have been repaired and were not.
    pub failures: Vec<Failure>,
    /// Segments that cannot be had.
    pub lost: Vec<Loss>,
    /// Blocks left as they are for now: failed, out of reach, or not come to.
    pub left: u64,
    /// How the nodes stood.
    pub nodes: Vec<NodeStanding>,
    /// Why it ended early.
    pub stopped: Option<Stop>,
    /// How long it took.
    pub elapsed: Duration,
}
