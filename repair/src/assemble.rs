//! Opening the archive of a configuration.

use std::sync::Arc;

use anyhow::{Result, bail};
use archive::{Archive, NodeParts, Parts, Settings};
use config::Configuration;
use coordination::Coordinator;
use metadata::MetadataStore;
use runtime::backends::{self, Backends, StorageNode};
use types::{ArchiveId, Clock, SystemClock, Timestamp};
use uuid::Uuid;

/// Repair reads each block about once: a cache would hold what nobody asks for again.
const CACHE_BYTES: u64 = 16 << 20;

/// An open archive and what stands behind it.
#[derive(Debug, Clone)]
pub(crate) struct Opened {
    pub(crate) archive: Archive,
    pub(crate) metadata: Arc<dyn MetadataStore>,
    pub(crate) coordinator: Arc<dyn Coordinator>,
}

/// The time now.
pub(crate) fn now() -> Timestamp {
    SystemClock.now()
}

/// What spreads the retries of many processes.
pub(crate) fn seed() -> u64 {
    Uuid::new_v4().as_u64_pair().0
}

/// The backends of an archive that is there. A repair never makes one: where the metadata is gone, an empty archive
/// in its place would be the second disaster.
pub(crate) async fn backends(configuration: &Configuration) -> Result<Backends> {
    let place = backends::metadata_place(configuration);
    if !backends::has_metadata(configuration).await? {
        bail!(
            "there is no archive: {place} is not there. If it was lost, `repair --rebuild-metadata` makes it again"
        );
    }
    let unused = ArchiveId::from_random(Uuid::new_v4().into_bytes());
    Ok(backends::open(configuration, unused, now(), seed()).await?)
}

/// Opens the archive.
pub(crate) async fn open(configuration: &Configuration) -> Result<Opened> {
    let backends = backends(configuration).await?;
    let (metadata, coordinator) = (backends.metadata, backends.coordinator);
    let settings = Settings::from_configuration(configuration);
    let settings = Settings { cache_bytes: settings.cache_bytes.min(CACHE_BYTES), ..settings };
    let parts = Parts {
        nodes: node_parts(backends.nodes),
        metadata: Arc::clone(&metadata),
        coordinator: Arc::clone(&coordinator),
        clock: Arc::new(SystemClock),
        pool: backends.pool,
        address: process_name(),
        seed: None,
    };
    let archive = Archive::open(settings, parts).await?;
    Ok(Opened { archive, metadata, coordinator })
}

/// The nodes as the archive takes them.
pub(crate) fn node_parts(nodes: Vec<StorageNode>) -> Vec<NodeParts> {
    let parts = |node: StorageNode| NodeParts { name: node.name, zone: node.zone, store: node.store };
    nodes.into_iter().map(parts).collect()
}

/// This process, for people: host and process number.
pub(crate) fn process_name() -> String {
    let host = rustix::system::uname();
    format!("repair on {}, process {}", host.nodename().to_string_lossy(), std::process::id())
}
