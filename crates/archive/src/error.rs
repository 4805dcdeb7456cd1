//! What can go wrong with a document.

use std::sync::Arc;

use metadata::Document;
use types::{BlockId, DocumentName, ErrorKind};

/// Why a symbol of a codeword could not be had.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LostSymbol {
    /// The symbol's position in its codeword.
    pub position: usize,
    /// The block.
    pub block: BlockId,
    /// The kind of the last error met.
    pub kind: ErrorKind,
    /// That error, in words.
    pub reason: String,
}

/// An error of the archive.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No document has the name.
    #[error("there is no document {0:?}")]
    NotFound(DocumentName),
    /// A document has the name already.
    #[error("the name {:?} is taken", .0.record.name)]
    Taken(Box<Document>),
    /// Another upload holds the name.
    #[error("another upload of {0:?} is in progress")]
    Busy(DocumentName),
    /// An upload without a byte.
    #[error("a document has at least one byte")]
    Empty,
    /// An upload over the limit.
    #[error("the document is longer than {limit} bytes, the most that is allowed")]
    TooLarge {
        /// The limit, in bytes.
        limit: u64,
    },
    /// A media type or user metadata out of bounds.
    #[error("{0}")]
    Attributes(String),
    /// The client's side of the upload failed.
    #[error("the upload was cut short: {0}")]
    Body(std::io::Error),
    /// The upload lost its name to another.
    #[error("the upload of {0:?} took too long and lost its name")]
    Lapsed(DocumentName),
    /// Not enough nodes took the write.
    #[error("too few storage nodes take the write: {0}")]
    TooFewNodes(String),
    /// More symbols are lost than the code makes up for.
    #[error("segment {segment} of {name:?} cannot be recovered: {} of its symbols are lost", lost.len())]
    Unrecoverable {
        /// The document.
        name: DocumentName,
        /// Its segment.
        segment: u32,
        /// What is lost.
        lost: Vec<LostSymbol>,
    },
    /// More symbols are out of reach than the code makes up for, some of which may come back.
    #[error("segment {segment} of {name:?} is out of reach for now: {} of its symbols are missing", lost.len())]
    OutOfReach {
        /// The document.
        name: DocumentName,
        /// Its segment.
        segment: u32,
        /// What is missing.
        lost: Vec<LostSymbol>,
    },
    /// An error of the metadata store, of a node or of the coordinator that concerns the whole request.
    #[error(transparent)]
    Backend(Arc<types::Error>),
    /// A defect of ours.
    #[error("internal error: {0}")]
    Internal(String),
}

impl Error {
    /// What a caller can act on.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::NotFound(_) => ErrorKind::NotFound,
            Self::Taken(_) => ErrorKind::AlreadyExists,
            Self::Busy(_) | Self::Lapsed(_) => ErrorKind::Conflict,
            Self::Empty | Self::TooLarge { .. } | Self::Attributes(_) | Self::Body(_) => ErrorKind::Invalid,
            Self::TooFewNodes(_) | Self::OutOfReach { .. } => ErrorKind::Unavailable,
            Self::Unrecoverable { .. } => ErrorKind::Corrupt,
            Self::Backend(error) => error.kind(),
            Self::Internal(_) => ErrorKind::Internal,
        }
    }
}

impl From<types::Error> for Error {
    fn from(error: types::Error) -> Self {
        Self::Backend(Arc::new(error))
    }
}

impl From<coder::CoderError> for Error {
    fn from(error: coder::CoderError) -> Self {
        Self::Internal(error.to_string())
    }
}
