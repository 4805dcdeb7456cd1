//! What every request needs: the archive, the limits, the counters.

use std::sync::atomic::{AtomicBool, Ordering};

use archive::Archive;
use config::{Configuration, Limits};
use prometheus_client::registry::Registry;

use crate::metrics::Metrics;
use crate::node_metrics::{ArchiveCollector, MeteredNode};

/// An archive with a door, shared by all workers.
#[derive(Debug)]
pub(crate) struct Door {
    pub(crate) archive: Archive,
    pub(crate) limits: Limits,
    /// Whether the entanglement graph is shown.
    pub(crate) shows_graph: bool,
    pub(crate) metrics: Metrics,
    pub(crate) registry: Registry,
    draining: AtomicBool,
}

impl Door {
    pub(crate) fn new(configuration: &Configuration, archive: Archive, nodes: Vec<MeteredNode>) -> Self {
        let metrics = Metrics::new();
        let mut registry = Registry::default();
        metrics.register(&mut registry);
        registry.register_collector(Box::new(ArchiveCollector::new(archive.clone(), nodes)));
        Self {
            archive,
            limits: configuration.proxy.limits.clone(),
            shows_graph: configuration.proxy.graph,
            metrics,
            registry,
            draining: AtomicBool::new(false),
        }
    }

    /// From now on the door is closing: it says that it is not ready.
    pub(crate) fn begin_draining(&self) {
        self.draining.store(true, Ordering::Relaxed);
    }

    pub(crate) fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Relaxed)
    }
}
