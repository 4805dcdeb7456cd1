//! One pass: a quick audit of everything, a part of the deep one, and the repair of what they found.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::Result;
use archive::audit::{AuditMode, AuditOptions, AuditReport, Cancel, Event, Limits, Progress, Scope};
use archive::repair::{RepairOptions, RepairReport};
use config::Configuration;
use types::NodeName;

use super::metrics::Metrics;
use crate::arguments::Work;
use crate::assemble::Opened;
use crate::output::Output;
use crate::run::{Done, Outcome, limits};
use crate::{alarm, describe, standing, status};

/// What every pass is bound by.
pub(super) struct Passes<'a> {
    limits: Limits,
    standing: archive::audit::StandingPolicy,
    sample: f64,
    output: &'a Output,
}

impl<'a> Passes<'a> {
    pub(super) fn new(work: &Work, configuration: &Configuration, sample: f64, output: &'a Output) -> Self {
        Self {
            limits: limits(work, configuration, Cancel::new()),
            standing: standing::of_daemon(configuration),
            sample,
            output,
        }
    }

    /// A pass. What goes wrong with it is logged, and left to the next one.
    pub(super) async fn pass(&self, opened: &Opened, metrics: &Metrics, cancel: &Cancel) {
        let begin = tokio::time::Instant::now();
        match self.run(opened, metrics, cancel).await {
            Ok(done) => {
                let outcome = if done.is_stopped() { "stopped" } else { "done" };
                metrics.passed(outcome, begin.elapsed());
                if self.output.is_json() {
                    done.tell(self.output);
                }
                status::record(&*opened.metadata, &done.record()).await;
            }
            Err(error) => {
                metrics.passed("failed", begin.elapsed());
                tracing::error!(error = format_args!("{error:#}"), "pass failed; the next one tries again");
            }
        }
    }

    async fn run(&self, opened: &Opened, metrics: &Metrics, cancel: &Cancel) -> Result<Done> {
        let limits = Limits { cancel: cancel.clone(), ..self.limits.clone() };
        let watcher = Watcher { metrics, output: self.output };
        let audit = AuditOptions { limits: limits.clone(), standing: self.standing, copies_min: None };
        let everything = Scope::Everything;
        let mut found = opened.archive.audit(&everything, AuditMode::Quick, &audit, &watcher).await?;
        metrics.audited(&found);
        if found.stopped.is_none() {
            let deep = AuditMode::Sample(self.sample);
            let read = opened.archive.audit(&everything, deep, &audit, &watcher).await?;
            metrics.read(read.counts.bytes_read);
            merge(&mut found, &read);
        }
        if found.stopped.is_some() {
            return Ok(Done { audit: found, repair: Outcome::NotBegun });
        }
        let options = RepairOptions { limits, standing: self.standing, ..RepairOptions::default() };
        if found.counts.findings > 0 {
            metrics.alarms(alarm::ring(opened, self.standing, self.output).await?);
            self.tell_backlog(opened, metrics, &options).await?;
        } else {
            metrics.alarms(0);
        }
        let report = opened.archive.repair(&everything, &options, &watcher).await?;
        metrics.repaired(&report);
        tell(&report);
        if report.left > 0 {
            self.tell_backlog(opened, metrics, &options).await?;
        } else {
            metrics.backlog(&BTreeMap::new());
        }
        Ok(Done { audit: found, repair: Outcome::Repaired(Box::new(report)) })
    }

    /// What there is to repair, by how endangered it is.
    async fn tell_backlog(&self, opened: &Opened, metrics: &Metrics, options: &RepairOptions) -> Result<()> {
        let mut backlog = BTreeMap::new();
        for block in opened.archive.plan_repair(&Scope::Everything, options).await?.blocks {
            *backlog.entry(block.margin).or_insert(0_u64) += 1;
        }
        metrics.backlog(&backlog);
        Ok(())
    }
}

/// Adds what the deep part found to what the quick one did.
fn merge(found: &mut AuditReport, read: &AuditReport) {
    for (kind, count) in &read.found {
        // The quick part is in the deep one: what both found is counted once.
        let known = found.found.entry(*kind).or_default();
        *known = (*known).max(*count);
    }
    found.counts.bytes_read += read.counts.bytes_read;
    found.cleared += read.cleared;
    found.stopped = read.stopped;
    found.complete &= read.complete;
}

/// Logs how a repair ended, if there was anything to do.
fn tell(report: &RepairReport) {
    let blocks: u64 = report.blocks.values().sum();
    if blocks > 0 || report.left > 0 {
        tracing::info!(
            blocks,
            left = report.left,
            failures = report.failures.len(),
            seconds = report.elapsed.as_secs_f64(),
            "repaired"
        );
    }
    let lost = describe::lost_documents(&report.lost);
    if let Some(first) = lost.first() {
        tracing::error!(
            documents = lost.len(),
            first,
            "documents are lost for good; `repair status` names them"
        );
    }
}

/// Counts while a pass goes on: it may take days.
struct Watcher<'a> {
    metrics: &'a Metrics,
    output: &'a Output,
}

impl Progress for Watcher<'_> {
    fn event(&self, event: &Event<'_>) {
        match event {
            Event::Audited(_) => {}
            Event::Found(finding) => {
                self.output.object(&describe::finding(finding));
                self.metrics.found(finding.kind);
                tracing::warn!(
                    kind = finding.kind.as_str(), block = %finding.id, node = finding.node.as_ref().map(NodeName::as_str),
                    detail = finding.detail, "damage found"
                );
            }
            Event::Planned(totals) => {
                self.output.object(&describe::totals(totals));
                tracing::info!(
                    blocks = totals.blocks,
                    unplanned = totals.unplanned,
                    bytes_read = totals.bytes_read,
                    bytes_written = totals.bytes_written,
                    "repair planned"
                );
            }
            Event::Repaired(repaired) => {
                self.output.object(&describe::repaired(repaired));
                self.metrics.block_repaired(repaired);
            }
            Event::Failed(failure) => {
                self.output.object(&describe::failure(failure));
                self.metrics.failed();
                tracing::warn!(block = %failure.id, reason = failure.message, "block not repaired");
            }
        }
    }
}

/// For metrics.
pub(super) fn seconds(time: Duration) -> f64 {
    time.as_secs_f64()
}
