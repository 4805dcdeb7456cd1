//! The words of the archive: names, identifiers, parameters, records, errors.
//!
//! Constructors are the invariants: a value of one of these types is valid wherever it is found.
//! Architecture invariant: no I/O, no asynchronous code, and no dependency on another crate of ours.

mod block;
mod error;
mod hash;
mod identifier;
mod layout;
mod name;
mod parameters;
mod record;
mod reference;
mod time;

pub use block::{BlockId, BlockIdError};
pub use error::{Error, ErrorKind, Result};
pub use hash::Hash;
pub use identifier::{ArchiveId, DocumentId, Incarnation, NodeIndex, NodeName, OwnerId, Zone};
pub use layout::{Extent, Layout, SINGLE_SEGMENT_BYTES_MAX, SegmentShape, TAIL_SEGMENTS_MAX};
pub use name::{DocumentName, NAME_BYTES_MAX, NameError};
pub use parameters::{BlockSizes, CodeParameters, LengthClass, ParametersError};
pub use record::{DocumentRecord, ParityRecord, Pointer, SegmentRecord, UserMetadata};
pub use reference::{BlockRef, CodewordRef, DocumentRef, Partition, Sequence};
pub use time::{Clock, SystemClock, Timestamp};
