//! From the configuration to an archive's settings and parts.

use std::net::SocketAddr;
use std::sync::Arc;

use archive::{NodeParts, Parts, Settings};
use config::Configuration;
use runtime::backends;
use types::{ArchiveId, SystemClock, Timestamp};
use uuid::Uuid;

use crate::node_metrics::MeteredNode;

/// What an archive is opened with, and what watches its nodes.
pub(crate) struct Assembled {
    pub(crate) settings: Settings,
    pub(crate) parts: Parts,
    pub(crate) nodes: Vec<MeteredNode>,
}

/// Opens the backends of the configuration for a proxy at `address`.
pub(crate) async fn assemble(configuration: &Configuration, address: SocketAddr) -> types::Result<Assembled> {
    let (create, seed) = (Uuid::new_v4().into_bytes(), Uuid::new_v4().as_u64_pair().0);
    let now = Timestamp::from(std::time::SystemTime::now());
    let backends = backends::open(configuration, ArchiveId::from_random(create), now, seed).await?;
    let nodes = backends
        .nodes
        .iter()
        .map(|node| MeteredNode { name: node.name.clone(), meter: Arc::clone(&node.store) });
    let nodes = nodes.collect();
    let parts = backends.nodes.into_iter().map(|node| NodeParts {
        name: node.name,
        zone: node.zone,
        store: node.store,
    });
    let parts = Parts {
        nodes: parts.collect(),
        metadata: backends.metadata,
        coordinator: backends.coordinator,
        clock: Arc::new(SystemClock),
        pool: backends.pool,
        address: address.to_string(),
        seed: None,
    };
    Ok(Assembled { settings: Settings::from_configuration(configuration), parts, nodes })
}
