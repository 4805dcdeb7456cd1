//! What the configuration's backends are in this build.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use config::{Configuration, CoordinationBackend, MetadataBackend, Node, NodeBackend, Storage};
use coordination::{Coordinator, FileCoordinator, LocalCoordinator};
use metadata::{CreateArchive, MemoryMetadata, MetadataStore, SqliteMetadata};
use storage::{
    BlockStore, BufferPool, Deadlines, DirectoryStore, MemoryStore, Metered, Retry, RetryPolicy, Timeout,
};
use types::{ArchiveId, Error, NodeName, Result, Timestamp, Zone};

/// The metadata's file in the archive's folder.
const METADATA_FILE: &str = "metadata.sqlite";

/// The lock files' folder in the archive's folder.
const COORDINATION_FOLDER: &str = "coordination";

/// For reading a node's marker and listing its blocks: longer than a read, because a listing looks at many files.
const LISTING_DEADLINE: Duration = Duration::from_secs(30);

/// What fails for a moment only is tried once more, soon: others wait for this block, and other nodes have more.
/// The deadline is for both attempts.
const RETRIES: RetryPolicy = RetryPolicy {
    attempts_max: 2,
    backoff_first: Duration::from_millis(20),
    backoff_max: Duration::from_millis(20),
};

/// The backends of an archive.
#[derive(Debug)]
pub struct Backends {
    /// The storage nodes, in the order of the configuration. Nobody has looked whose they are.
    pub nodes: Vec<StorageNode>,
    /// The system of record, open.
    pub metadata: Arc<dyn MetadataStore>,
    /// Who else is there.
    pub coordinator: Arc<dyn Coordinator>,
    /// The buffers that the nodes read into, for everyone else's blocks too.
    pub pool: BufferPool,
}

/// A storage node, held to its deadlines, tried again and metered.
#[derive(Debug, Clone)]
pub struct StorageNode {
    /// Its name.
    pub name: NodeName,
    /// What it fails together with; a node without one is a zone of its own.
    pub zone: Option<Zone>,
    /// The node, and its statistics.
    pub store: Arc<Metered>,
}

/// Makes the archive's folder if need be and opens the metadata store, which makes the archive if there is none.
///
/// `create` is the identifier of an archive that is made; `seed` spreads the retries of many processes.
pub async fn open(
    configuration: &Configuration,
    create: ArchiveId,
    now: Timestamp,
    seed: u64,
) -> Result<Backends> {
    let directory = &configuration.archive.directory;
    // What lies idle now was in flight before: keeping half of it serves the next requests.
    let pool = BufferPool::new(configuration.proxy.limits.in_flight_bytes / 2);
    let create = CreateArchive { id: create, partitions: configuration.metadata.partitions, now };
    let metadata: Arc<dyn MetadataStore> = match configuration.metadata.backend {
        MetadataBackend::Sqlite => {
            make_folder(directory).await?;
            Arc::new(SqliteMetadata::open(&metadata_file(configuration), create).await?)
        }
        MetadataBackend::Memory => Arc::new(MemoryMetadata::new(create)),
    };
    let coordinator: Arc<dyn Coordinator> = match configuration.coordination.backend {
        CoordinationBackend::File => Arc::new(FileCoordinator::new(directory.join(COORDINATION_FOLDER))),
        CoordinationBackend::Local => Arc::new(LocalCoordinator::new()),
    };
    Ok(Backends { nodes: nodes(configuration, &pool, seed), metadata, coordinator, pool })
}

/// Whether there is a metadata store to open, which [`open`] would make otherwise.
pub async fn has_metadata(configuration: &Configuration) -> Result<bool> {
    match configuration.metadata.backend {
        MetadataBackend::Sqlite => {
            let file = metadata_file(configuration);
            let failed = |error| {
                Error::from_io(
                    "archive",
                    format_args!("looking for the metadata in {}", file.display()),
                    error,
                )
            };
            tokio::fs::try_exists(&file).await.map_err(failed)
        }
        MetadataBackend::Memory => Ok(false),
    }
}

/// Where the metadata is, for people.
#[must_use]
pub fn metadata_place(configuration: &Configuration) -> String {
    match configuration.metadata.backend {
        MetadataBackend::Sqlite => metadata_file(configuration).display().to_string(),
        MetadataBackend::Memory => "memory".to_owned(),
    }
}

fn metadata_file(configuration: &Configuration) -> PathBuf {
    configuration.archive.directory.join(METADATA_FILE)
}

/// The storage nodes alone, in the order of the configuration. Nothing is opened, and nobody has looked whose they
/// are.
#[must_use]
pub fn nodes(configuration: &Configuration, pool: &BufferPool, seed: u64) -> Vec<StorageNode> {
    let storage = &configuration.storage;
    let seeds = (0..).map(|number: u64| seed.wrapping_add(number));
    storage.nodes.iter().zip(seeds).map(|(node, seed)| storage_node(node, storage, pool, seed)).collect()
}

async fn make_folder(folder: &Path) -> Result<()> {
    let failed =
        |error| Error::from_io("archive", format_args!("making the folder {}", folder.display()), error);
    tokio::fs::create_dir_all(folder).await.map_err(failed)
}

fn storage_node(node: &Node, storage: &Storage, pool: &BufferPool, seed: u64) -> StorageNode {
    let name = node.name.clone();
    let store: Arc<dyn BlockStore> = match &node.backend {
        NodeBackend::Directory(directory) => {
            Arc::new(DirectoryStore::new(name.clone(), directory.clone(), pool.clone()))
        }
        NodeBackend::Memory => Arc::new(MemoryStore::new(name.clone())),
    };
    let deadlines =
        Deadlines { read: storage.read_deadline, write: storage.write_deadline, other: LISTING_DEADLINE };
    let store = Arc::new(Retry::new(store, RETRIES, seed));
    let store = Arc::new(Timeout::new(store, deadlines));
    StorageNode { name, zone: node.zone.clone(), store: Arc::new(Metered::new(store)) }
}

#[cfg(test)]
mod tests {
    use storage::open_node;
    use types::Incarnation;

    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_795_253_400_125);
    const FRESH: Incarnation = Incarnation::from_bytes([7; 16]);

    async fn opened(text: &str, folder: &Path, archive: u8) -> Result<Backends> {
        let configuration = Configuration::from_text(text, folder).unwrap();
        open(&configuration, ArchiveId::from_bytes([archive; 16]), NOW, 1).await
    }

    #[tokio::test]
    async fn the_embedded_default_keeps_everything_in_the_archives_folder() {
        let folder = tempfile::tempdir().unwrap();
        let first = opened("{}", folder.path(), 1).await.unwrap();
        assert_eq!(first.nodes.len(), 16);
        let archive = first.metadata.archive().id;
        for node in &first.nodes {
            open_node(&*node.store, archive, None, FRESH).await.unwrap();
        }
        let data = folder.path().join("data");
        assert!(data.join("metadata.sqlite").is_file());
        assert!(data.join("nodes/storage-node-16").is_dir());
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[tokio::test]
    async fn an_archive_that_is_there_keeps_its_identifier() {
        let folder = tempfile::tempdir().unwrap();
        let first = opened("{}", folder.path(), 1).await.unwrap();
        let second = opened("{}", folder.path(), 2).await.unwrap();
        assert_eq!(second.metadata.archive(), first.metadata.archive());
        assert_eq!(first.metadata.archive().id, ArchiveId::from_bytes([1; 16]));
    }

    #[tokio::test]
    async fn an_archive_in_memory_touches_no_disk() {
        let folder = tempfile::tempdir().unwrap();
        let text = r#"{"storage": {"nodes": 3, "type": "memory"}, "metadata": {"type": "memory", "partitions": 4},
            "coordination": {"type": "local"}}"#;
        let backends = opened(text, folder.path(), 1).await.unwrap();
        assert_eq!(backends.metadata.archive().partitions, 4);
        for node in &backends.nodes {
            open_node(&*node.store, backends.metadata.archive().id, None, FRESH).await.unwrap();
        }
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[tokio::test]
    async fn a_folder_that_cannot_be_made_is_named() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("data"), "in the way").unwrap();
        let error = opened("{}", folder.path(), 1).await.unwrap_err();
        assert!(error.to_string().contains("/data"), "{error}");
    }
}
