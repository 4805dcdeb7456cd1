//! The metadata made again from the blocks alone, compared with the blocks in place, and written out as text.
//!
//! Everything is told by the headers of the blocks (`docs/FORMAT.md`, chapters 6 and 7). The nodes' inventories are
//! merged in the order of block names, so that documents come one after the other in the order in which their uploads
//! began, and only one block of each is held. A document whose pointers' documents are not there yet waits for the
//! next round over the inventories.
//!
//! Architecture invariant: nothing here changes a block, and nothing holds more memory than a few blocks and, for
//! each document, less than 150 bytes: a hash of its name and its identifier.

mod assembly;
mod draft;
mod export;
mod feed;
mod finding;
mod inventory;
mod nodes;
mod pointed;
mod recover;
mod restore;
mod rounds;
mod scan;
mod shapes;
mod survey;
mod targets;
mod verify;

use storage::BufferPool;
use types::{Hash, NodeName};

pub use export::export;
pub use finding::{Finding, Findings};
pub use nodes::{Discovered, MissingNode, discover};
pub use rounds::rebuild_metadata;
pub use verify::{VerifyReport, verify_metadata};

/// What stands in a record for a hash that no header is left to tell: no bytes are known to have it.
pub const UNKNOWN_HASH: Hash = Hash::from_bytes([0; 32]);

/// How blocks are scanned.
#[derive(Debug, Clone)]
pub struct ScanOptions {
    /// Reads every copy and checks its payload; else the header of one copy of each block is believed.
    pub deep: bool,
    /// Goes on without nodes that do not answer or carry no marker. What only they hold is taken for lost.
    pub without_missing_nodes: bool,
    /// Blocks read at once; at least 1.
    pub concurrency: usize,
    /// Processors to keep busy with hashing and decoding.
    pub coding_threads: usize,
    /// Buffers; the stores that read into memory should take theirs from the same pool.
    pub pool: BufferPool,
}

impl Default for ScanOptions {
    fn default() -> Self {
        Self {
            deep: false,
            without_missing_nodes: false,
            concurrency: 16,
            coding_threads: std::thread::available_parallelism().map_or(1, usize::from),
            pool: BufferPool::new(8 << 20),
        }
    }
}

/// What a scan is at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ScanPhase {
    /// Finding out which documents there are: one block of each is read.
    Survey,
    /// Restoring documents; more rounds than one where documents waited for others.
    Restore {
        /// The round, from 1.
        round: u32,
    },
    /// Comparing blocks with records.
    Verify,
}

/// How far a scan is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ScanProgress {
    /// What it is at.
    pub phase: ScanPhase,
    /// Documents gone over in this phase.
    pub documents: u64,
    /// How many there are; 0 until the survey has ended.
    pub documents_total: u64,
    /// Bytes read so far, over all phases.
    pub bytes: u64,
}

/// Is told how far a scan is.
pub type OnProgress<'a> = &'a (dyn Fn(ScanProgress) + Send + Sync);

/// What became of a rebuild.
#[derive(Debug, Clone, Default)]
pub struct RebuildReport {
    /// Documents restored.
    pub documents: u64,
    /// Documents that an earlier, interrupted rebuild had restored.
    pub already: u64,
    /// Documents that are recorded again so that others can point at them, but lack segments for good.
    pub incomplete: u64,
    /// Segments restored.
    pub segments: u64,
    /// Parities that no node holds, whose hashes were computed from the rest of their codewords.
    pub recomputed: u64,
    /// Bytes read.
    pub bytes: u64,
    /// Rounds over the inventories, without the survey.
    pub rounds: u32,
    /// Nodes that were left out.
    pub missing: Vec<MissingNode>,
    /// Nodes that were scanned.
    pub nodes: Vec<NodeName>,
    /// What was met on the way.
    pub findings: Findings,
}
