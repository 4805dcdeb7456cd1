//! What a scan of the blocks finds wrong.

use std::fmt;

use types::{BlockId, DocumentId, DocumentName, NodeName};

/// Most findings that a report lists; of more it tells the number.
const LISTED_MAX: usize = 10_000;

/// Something wrong, or worth knowing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Finding {
    /// A copy that is not the block it is named after.
    BadCopy {
        /// The block.
        block: BlockId,
        /// The node.
        node: NodeName,
        /// What is wrong with it.
        reason: String,
    },
    /// A copy that could not be read now; it is taken to be there.
    Unreadable {
        /// The block.
        block: BlockId,
        /// The node.
        node: NodeName,
        /// Why.
        reason: String,
    },
    /// A header that says other things of its codeword than most of the codeword's headers.
    Contradiction {
        /// The block.
        block: BlockId,
    },
    /// An upload that never finished (or lost all blocks of its last segment): left out.
    Unfinished {
        /// The upload.
        document: DocumentId,
        /// The name it wanted, if a header tells.
        name: Option<DocumentName>,
    },
    /// A complete upload of a name that another one has: left out.
    Superseded {
        /// The upload.
        document: DocumentId,
        /// The name.
        name: DocumentName,
        /// The document that has the name.
        by: DocumentId,
    },
    /// A segment all of whose blocks are gone: the document is recorded, the segment is lost for good.
    LostSegment {
        /// The document.
        document: DocumentId,
        /// Its name.
        name: DocumentName,
        /// The segment.
        segment: u32,
    },
    /// A document that is recorded only because others point at it, under a made-up name if its own is not known or
    /// another has it.
    LostDocument {
        /// The document.
        document: DocumentId,
        /// The name it is recorded under.
        name: DocumentName,
    },
    /// A parity that is lost and cannot be computed now, so that its hash is not known.
    UnknownHash {
        /// The block.
        block: BlockId,
    },
    /// A document whose blocks do not make a record.
    Unrestorable {
        /// The document.
        document: DocumentId,
        /// Its name, if a header tells.
        name: Option<DocumentName>,
        /// Why.
        reason: String,
    },
    /// Blocks of a document that is not recorded: an upload under way or left over, or a lost record.
    Unrecorded {
        /// The document.
        document: DocumentId,
        /// The name in the headers, if one can be read.
        name: Option<DocumentName>,
    },
    /// A recorded document of which no node holds a block.
    NoBlocks {
        /// The document.
        document: DocumentId,
        /// Its name.
        name: DocumentName,
    },
    /// A record and a header that disagree.
    Differs {
        /// The block whose header it is.
        block: BlockId,
        /// What they disagree about.
        what: &'static str,
        /// What the record says.
        recorded: String,
        /// What the header says.
        found: String,
    },
    /// A copy that is on a node where the record does not know of it.
    Unlisted {
        /// The block.
        block: BlockId,
        /// The node.
        node: NodeName,
    },
    /// A copy that is not on a node where the record says it is.
    NotThere {
        /// The block.
        block: BlockId,
        /// The node.
        node: NodeName,
    },
}

impl Finding {
    /// The kind in `snake_case`, for logs and JSON.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::BadCopy { .. } => "bad_copy",
            Self::Unreadable { .. } => "unreadable",
            Self::Contradiction { .. } => "contradiction",
            Self::Unfinished { .. } => "unfinished",
            Self::Superseded { .. } => "superseded",
            Self::LostSegment { .. } => "lost_segment",
            Self::LostDocument { .. } => "lost_document",
            Self::UnknownHash { .. } => "unknown_hash",
            Self::Unrestorable { .. } => "unrestorable",
            Self::Unrecorded { .. } => "unrecorded",
            Self::NoBlocks { .. } => "no_blocks",
            Self::Differs { .. } => "differs",
            Self::Unlisted { .. } => "unlisted",
            Self::NotThere { .. } => "not_there",
        }
    }

    /// The document concerned.
    #[must_use]
    pub fn document(&self) -> DocumentId {
        match self {
            Self::BadCopy { block, .. }
            | Self::Unreadable { block, .. }
            | Self::Contradiction { block }
            | Self::UnknownHash { block }
            | Self::Differs { block, .. }
            | Self::Unlisted { block, .. }
            | Self::NotThere { block, .. } => block.document,
            Self::Unfinished { document, .. }
            | Self::Superseded { document, .. }
            | Self::LostSegment { document, .. }
            | Self::LostDocument { document, .. }
            | Self::Unrestorable { document, .. }
            | Self::Unrecorded { document, .. }
            | Self::NoBlocks { document, .. } => *document,
        }
    }
}

/// A name in quotes, or words for none.
fn named(name: Option<&DocumentName>) -> String {
    name.map_or_else(|| "of unknown name".to_owned(), |name| format!("{name:?}"))
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BadCopy { block, node, reason } => write!(f, "block {block} on {node} is bad: {reason}"),
            Self::Unreadable { block, node, reason } => {
                write!(f, "block {block} on {node} cannot be read now: {reason}")
            }
            Self::Contradiction { block } => {
                write!(f, "block {block} says other things than most blocks of its codeword")
            }
            Self::Unfinished { document, name } => {
                write!(
                    f,
                    "upload {document} ({}) never finished, or lost its last segment",
                    named(name.as_ref())
                )
            }
            Self::Superseded { document, name, by } => {
                write!(f, "upload {document} of {name:?} is left out: {by} has the name")
            }
            Self::LostSegment { document, name, segment } => {
                write!(f, "segment {segment} of {name:?} ({document}) is lost")
            }
            Self::LostDocument { document, name } => {
                write!(f, "document {document} is recorded as {name:?} only because others point at it")
            }
            Self::UnknownHash { block } => write!(f, "block {block} is lost and cannot be computed now"),
            Self::Unrestorable { document, name, reason } => {
                write!(f, "document {document} ({}) cannot be recorded: {reason}", named(name.as_ref()))
            }
            Self::Unrecorded { document, name } => {
                write!(f, "document {document} ({}) has blocks but no record", named(name.as_ref()))
            }
            Self::NoBlocks { document, name } => write!(f, "document {name:?} ({document}) has no blocks"),
            Self::Differs { block, what, recorded, found } => {
                write!(f, "block {block}: the record's {what} is {recorded}, the header's is {found}")
            }
            Self::Unlisted { block, node } => {
                write!(f, "block {block} is on {node}, which the record does not know")
            }
            Self::NotThere { block, node } => {
                write!(f, "block {block} is not on {node}, where the record has it")
            }
        }
    }
}

/// Findings, up to a limit.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Findings {
    listed: Vec<Finding>,
    beyond: u64,
}

impl Findings {
    /// The findings, in the order in which they were made, as many as are listed.
    #[must_use]
    pub fn listed(&self) -> &[Finding] {
        &self.listed
    }

    /// How many there were beyond those listed.
    #[must_use]
    pub fn beyond(&self) -> u64 {
        self.beyond
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.listed.is_empty()
    }

    pub(super) fn push(&mut self, finding: Finding) {
        if self.listed.len() < LISTED_MAX {
            self.listed.push(finding);
        } else {
            self.beyond += 1;
        }
    }

    /// Takes over another's.
    pub(super) fn absorb(&mut self, other: Self) {
        self.beyond += other.beyond;
        self.extend(other.listed);
    }
}

impl Extend<Finding> for Findings {
    fn extend<I: IntoIterator<Item = Finding>>(&mut self, findings: I) {
        for finding in findings {
            self.push(finding);
        }
    }
}
