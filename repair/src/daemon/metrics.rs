//! What the daemon counts.

use std::collections::BTreeMap;
use std::sync::atomic::AtomicU64;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use archive::audit::{AuditReport, FindingKind, Standing};
use archive::repair::{RepairReport, Repaired};
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};

use super::pass::seconds;
use crate::assemble;
use crate::describe;

type Label = [(&'static str, String); 1];
type Counters = Family<Label, Counter>;
type Gauges = Family<Label, Gauge>;
type Seconds = Gauge<f64, AtomicU64>;

/// The counters of a daemon.
#[derive(Debug, Default)]
pub(super) struct Metrics {
    registry: Mutex<Registry>,
    leads: Gauge,
    paused: Gauge,
    alarm: Gauge,
    alarms: Counter,
    passes: Counters,
    pass_seconds: Seconds,
    pass_ended: Seconds,
    found: Counters,
    unknown: Gauges,
    nodes: Gauges,
    blocks: Counters,
    failures: Counter,
    bytes_read: Counter,
    bytes_written: Counter,
    bytes_restored: Counter,
    backlog: Gauges,
    left: Gauge,
    lost: Gauge,
}

impl Metrics {
    pub(super) fn new() -> Self {
        let metrics = Self::default();
        let mut registry = Registry::with_prefix("selvage_repair");
        metrics.register_state(&mut registry);
        metrics.register_work(&mut registry);
        *metrics.registry.lock().unwrap_or_else(PoisonError::into_inner) = registry;
        metrics
    }

    fn register_state(&self, registry: &mut Registry) {
        registry.register("leads", "1 if this daemon leads, else 0", self.leads.clone());
        registry.register("paused", "1 if an operator paused repair, else 0", self.paused.clone());
        registry.register(
            "alarm",
            "1 if the losses that the last pass found look deliberate, else 0",
            self.alarm.clone(),
        );
        registry.register("alarms", "Losses that looked deliberate", self.alarms.clone());
        registry.register("passes", "Passes by outcome: done, stopped, failed", self.passes.clone());
        registry.register_with_unit(
            "pass",
            "Time of the last pass",
            Unit::Seconds,
            self.pass_seconds.clone(),
        );
        registry.register_with_unit(
            "pass_ended_timestamp",
            "When the last pass ended",
            Unit::Seconds,
            self.pass_ended.clone(),
        );
        registry.register(
            "backlog",
            "Damaged blocks that are left, by losses that their codewords survive",
            self.backlog.clone(),
        );
        registry.register("left", "Damaged blocks that are left", self.left.clone());
        registry.register("lost_documents", "Documents that are lost for good", self.lost.clone());
        registry.register("unknown_copies", "Copies on nodes that do not answer", self.unknown.clone());
        registry.register(
            "node_answers",
            "1 for a node that answers, 0 for one that does not, -1 for one that counts as lost",
            self.nodes.clone(),
        );
    }

    fn register_work(&self, registry: &mut Registry) {
        registry.register("damage_found", "Findings of audits, by kind", self.found.clone());
        registry.register("blocks_repaired", "Blocks repaired, by method", self.blocks.clone());
        registry.register(
            "failures",
            "Blocks that could not be repaired although they should",
            self.failures.clone(),
        );
        registry.register_with_unit("read", "Bytes read from nodes", Unit::Bytes, self.bytes_read.clone());
        registry.register_with_unit(
            "written",
            "Bytes written to nodes",
            Unit::Bytes,
            self.bytes_written.clone(),
        );
        registry.register_with_unit(
            "restored",
            "Bytes of copies restored",
            Unit::Bytes,
            self.bytes_restored.clone(),
        );
    }

    /// The page, in the text format of `OpenMetrics`.
    pub(super) fn page(&self) -> String {
        let mut page = String::new();
        // Writing to a string cannot fail.
        let _ = encode(&mut page, &self.registry.lock().unwrap_or_else(PoisonError::into_inner));
        page
    }

    pub(super) fn leads(&self, leads: bool) {
        self.leads.set(i64::from(leads));
    }

    pub(super) fn pauses(&self, paused: bool) {
        self.paused.set(i64::from(paused));
    }

    pub(super) fn alarms(&self, count: usize) {
        self.alarm.set(i64::from(count > 0));
        self.alarms.inc_by(count as u64);
    }

    pub(super) fn passed(&self, outcome: &str, took: Duration) {
        self.passes.get_or_create(&[("outcome", outcome.to_owned())]).inc();
        self.pass_seconds.set(seconds(took));
        self.pass_ended.set(assemble::now().as_millis() as f64 / 1000.0);
    }

    pub(super) fn found(&self, kind: FindingKind) {
        self.found.get_or_create(&[("kind", kind.as_str().to_owned())]).inc();
    }

    /// A whole audit ended.
    pub(super) fn audited(&self, report: &AuditReport) {
        self.read(report.counts.bytes_read);
        self.unknown.clear();
        for (node, count) in &report.unknown {
            self.unknown.get_or_create(&[("node", node.to_string())]).set(gauge(*count));
        }
        self.nodes.clear();
        for node in &report.nodes {
            let answers = match node.standing {
                Standing::Answers => 1,
                Standing::Unknown(_) => 0,
                Standing::Lost(_) => -1,
            };
            self.nodes.get_or_create(&[("node", node.name.to_string())]).set(answers);
        }
    }

    pub(super) fn read(&self, bytes: u64) {
        self.bytes_read.inc_by(bytes);
    }

    pub(super) fn block_repaired(&self, repaired: &Repaired) {
        self.blocks.get_or_create(&[("method", repaired.method.as_str().to_owned())]).inc();
        self.bytes_restored.inc_by(repaired.bytes * repaired.nodes.len() as u64);
    }

    pub(super) fn failed(&self) {
        self.failures.inc();
    }

    /// A whole repair ended.
    pub(super) fn repaired(&self, report: &RepairReport) {
        self.read(report.bytes_read);
        self.bytes_written.inc_by(report.bytes_written);
        self.left.set(gauge(report.left));
        self.lost.set(gauge(describe::lost_documents(&report.lost).len() as u64));
    }

    pub(super) fn backlog(&self, by_margin: &BTreeMap<i64, u64>) {
        self.backlog.clear();
        for (margin, count) in by_margin {
            self.backlog.get_or_create(&[("margin", margin.to_string())]).set(gauge(*count));
        }
    }
}

/// A count as a gauge has it.
fn gauge(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
