//! The system of record: the trait [`MetadataStore`], its records and its backends.
//!
//! A document exists if and only if its record is committed here. The conformance suite, not the prose, is the
//! contract.

mod store;

pub use store::{
    ArchiveInfo, Codeword, Commit, Damage, DamageKind, Document, Intent, ListEntry, MetadataStore,
    NodeRecord, Ordinal, Reservation, Reserve, Reserved,
};
