//! What the archive and its storage nodes count, read when the metrics page is asked for.

use std::fmt;
use std::sync::Arc;

use archive::Archive;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use storage::{LATENCY_BOUNDS, LatencyHistogram, Metered, NodeStatistics};
use types::{ErrorKind, NodeName};

/// A storage node and its meter.
#[derive(Debug, Clone)]
pub(crate) struct MeteredNode {
    /// The node.
    pub(crate) name: NodeName,
    /// What counts what it does.
    pub(crate) meter: Arc<Metered>,
}

/// Reads what others count.
#[derive(Debug)]
pub(crate) struct ArchiveCollector {
    archive: Archive,
    nodes: Vec<MeteredNode>,
}

type Snapshot = Vec<(String, NodeStatistics)>;

impl ArchiveCollector {
    pub(crate) fn new(archive: Archive, nodes: Vec<MeteredNode>) -> Self {
        Self { archive, nodes }
    }
}

impl Collector for ArchiveCollector {
    fn encode(&self, mut encoder: DescriptorEncoder) -> fmt::Result {
        encode_archive(&mut encoder, &self.archive.statistics())?;
        let snapshot: Snapshot =
            self.nodes.iter().map(|node| (node.name.to_string(), node.meter.statistics())).collect();
        encode_operations(&mut encoder, &snapshot)?;
        encode_latencies(&mut encoder, &snapshot)?;
        encode_bytes(&mut encoder, &snapshot)
    }
}

fn encode_archive(encoder: &mut DescriptorEncoder, statistics: &archive::Statistics) -> fmt::Result {
    for (name, help, count) in [
        ("selvage_cache_hits", "Look-ups that the cache answered", statistics.cache_hits),
        ("selvage_cache_misses", "Look-ups that the cache did not answer", statistics.cache_misses),
        (
            "selvage_degraded_reads",
            "Segments read although a symbol was missing, wrong or slow",
            statistics.degraded_reads,
        ),
        (
            "selvage_hedged_reads",
            "Segments for which spare symbols were asked because an answer was slow",
            statistics.hedged_reads,
        ),
        ("selvage_damage_seen", "Copies of blocks found missing or wrong", statistics.damage_seen),
    ] {
        ConstCounter::new(count).encode(encoder.encode_descriptor(
            name,
            help,
            None,
            MetricType::Counter,
        )?)?;
    }
    let gauge =
        encoder.encode_descriptor("selvage_cache_bytes", "Bytes in the cache", None, MetricType::Gauge)?;
    ConstGauge::new(statistics.cache_bytes).encode(gauge)?;
    let mut usable = encoder.encode_descriptor(
        "selvage_node_usable",
        "1 for a node that is attached and not avoided after failures, else 0",
        None,
        MetricType::Gauge,
    )?;
    for node in &statistics.nodes {
        let gauge = ConstGauge::new(u64::from(node.usable));
        gauge.encode(usable.encode_family(&[("node", node.name.as_str())])?)?;
    }
    Ok(())
}

fn encode_operations(encoder: &mut DescriptorEncoder, snapshot: &Snapshot) -> fmt::Result {
    let mut counts = encoder.encode_descriptor(
        "selvage_node_operations",
        "What nodes were asked to do, by operation and outcome: ok, the error's kind, or abandoned",
        None,
        MetricType::Counter,
    )?;
    for (node, statistics) in snapshot {
        for operation in &statistics.operations {
            let mut count = |outcome: &str, count: u64| {
                let labels = [
                    ("node", node.as_str()),
                    ("operation", operation.operation.as_str()),
                    ("outcome", outcome),
                ];
                ConstCounter::new(count).encode(counts.encode_family(&labels)?)
            };
            count("ok", operation.ok)?;
            count("abandoned", operation.abandoned)?;
            // Kinds that never were would make most of the page.
            for kind in ErrorKind::ALL.into_iter().filter(|kind| operation.errors_of(*kind) > 0) {
                count(kind.as_str(), operation.errors_of(kind))?;
            }
        }
    }
    Ok(())
}

fn encode_latencies(encoder: &mut DescriptorEncoder, snapshot: &Snapshot) -> fmt::Result {
    let mut histograms = encoder.encode_descriptor(
        "selvage_node_operation_seconds",
        "How long nodes take to answer, by operation",
        None,
        MetricType::Histogram,
    )?;
    for (node, statistics) in snapshot {
        for operation in statistics.operations.iter().filter(|operation| operation.latency.count() > 0) {
            let labels = [("node", node.as_str()), ("operation", operation.operation.as_str())];
            encode_histogram(histograms.encode_family(&labels)?, &operation.latency)?;
        }
    }
    Ok(())
}

fn encode_histogram(mut encoder: MetricEncoder<'_>, latency: &LatencyHistogram) -> fmt::Result {
    let bounds = LATENCY_BOUNDS.iter().map(std::time::Duration::as_secs_f64).chain([f64::INFINITY]);
    let buckets: Vec<(f64, u64)> = bounds.zip(latency.counts).collect();
    encoder.encode_histogram::<NoLabelSet>(latency.total.as_secs_f64(), latency.count(), &buckets, None)
}

/// A counter of bytes: its name, what it is, and where it stands.
type Bytes = (&'static str, &'static str, fn(&NodeStatistics) -> u64);

const BYTES: [Bytes; 2] = [
    ("selvage_node_read_bytes", "Bytes of blocks read from nodes", |statistics| statistics.bytes_read),
    ("selvage_node_written_bytes", "Bytes of blocks written to nodes", |statistics| statistics.bytes_written),
];

fn encode_bytes(encoder: &mut DescriptorEncoder, snapshot: &Snapshot) -> fmt::Result {
    for (name, help, bytes) in BYTES {
        let mut counts = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
        for (node, statistics) in snapshot {
            let count = ConstCounter::new(bytes(statistics));
            count.encode(counts.encode_family(&[("node", node.as_str())])?)?;
        }
    }
    let mut gauges = encoder.encode_descriptor(
        "selvage_node_operations_in_flight",
        "Operations that nodes have not answered",
        None,
        MetricType::Gauge,
    )?;
    for (node, statistics) in snapshot {
        let gauge = ConstGauge::new(statistics.in_flight);
        gauge.encode(gauges.encode_family(&[("node", node.as_str())])?)?;
    }
    Ok(())
}
