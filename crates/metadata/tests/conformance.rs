//! The contract, run against every backend of this crate.
#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

use std::future::{Ready, ready};
use std::sync::Arc;

use metadata::conformance::fixture::NOW;
use metadata::{CreateArchive, MemoryMetadata, MetadataStore, SqliteMetadata};
use tempfile::TempDir;
use types::ArchiveId;

fn create(partitions: u16) -> CreateArchive {
    CreateArchive { id: ArchiveId::from_bytes([1; 16]), partitions, now: NOW }
}

async fn sqlite(partitions: u16) -> (Arc<dyn MetadataStore>, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let store =
        SqliteMetadata::open(&folder.path().join("metadata.sqlite"), create(partitions)).await.unwrap();
    (Arc::new(store), folder)
}

mod memory {
    use super::*;

    fn open() -> Ready<(Arc<dyn MetadataStore>, ())> {
        ready((Arc::new(MemoryMetadata::new(create(1))), ()))
    }

    metadata::metadata_conformance!(open);
}

mod memory_of_five_partitions {
    use super::*;

    fn open() -> Ready<(Arc<dyn MetadataStore>, ())> {
        ready((Arc::new(MemoryMetadata::new(create(5))), ()))
    }

    metadata::metadata_conformance!(open);
}

mod sqlite_of_one_partition {
    use super::*;

    async fn open() -> (Arc<dyn MetadataStore>, TempDir) {
        sqlite(1).await
    }

    metadata::metadata_conformance!(open);
}

mod sqlite_of_five_partitions {
    use super::*;

    async fn open() -> (Arc<dyn MetadataStore>, TempDir) {
        sqlite(5).await
    }

    metadata::metadata_conformance!(open);
}
