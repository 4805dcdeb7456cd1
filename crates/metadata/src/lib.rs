//! The system of record: the trait [`MetadataStore`], its records and its backends.
//!
//! A document exists if and only if its record is committed here. The conformance suite, not the prose, is the
//! contract.

mod check;
#[cfg(feature = "testing")]
pub mod conformance;
mod memory;
mod partition;
pub mod record;
mod refusal;
mod runs;
mod sqlite;
mod store;
#[cfg(feature = "testing")]
pub mod synthetic;

pub use memory::MemoryMetadata;
pub use partition::partition_of;
pub use sqlite::{SqliteMetadata, SqliteOptions};
pub use store::{
    ArchiveInfo, Codeword, Commit, CreateArchive, Damage, DamageKind, Document, Intent, ListEntry,
    MetadataStore, NodeRecord, Ordinal, Reservation, Reserve, Reserved, STATE_BYTES_MAX, STATE_KEY_BYTES_MAX,
};
