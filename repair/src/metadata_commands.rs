//! `--rebuild-metadata`, `--verify-metadata`, `--export`.

use std::io::Write;
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use archive::audit::{AuditMode, Cancel};
use archive::rebuild::{self, Findings, MissingNode, RebuildReport, ScanOptions, ScanProgress};
use config::Configuration;
use futures_util::StreamExt;
use runtime::ExitStatus;
use runtime::backends::{self, Backends};
use serde_json::{Value, json};
use storage::BufferPool;
use types::NodeName;

use crate::arguments::Work;
use crate::assemble;
use crate::output::Output;
use crate::progress::Console;
use crate::quantity::bytes_text;

/// Set while a rebuild goes on: what an interrupted one left may be gone on with, and nothing else may.
const REBUILDING: &str = "repair/rebuilding";

/// The group of all processes that write documents, in which every open archive is.
const WRITERS: &str = "writers";

/// Findings told to people one by one; `--json` tells all.
const FINDINGS_MAX: usize = 20;

/// `repair --rebuild-metadata`.
pub(crate) async fn rebuild(
    work: &Work,
    configuration: &Configuration,
    output: &Output,
) -> Result<ExitStatus> {
    let stop = runtime::shutdown()?;
    let pool = BufferPool::new(configuration.proxy.limits.in_flight_bytes / 2);
    let nodes = assemble::node_parts(backends::nodes(configuration, &pool, assemble::seed()));
    let discovered = rebuild::discover(&nodes).await?;
    if let Some(node) = discovered.missing.first().filter(|_| !work.without_missing_nodes) {
        bail!(
            "{} of {} nodes cannot be read, the first of them {}: {}. Bring them back, or run with \
             --without-missing-nodes: what only they hold is then taken for lost",
            discovered.missing.len(),
            nodes.len(),
            node.name,
            node.reason
        );
    }
    let opened = backends::open(configuration, discovered.archive, assemble::now(), assemble::seed()).await?;
    let place = backends::metadata_place(configuration);
    if opened.metadata.archive().id != discovered.archive {
        let (is, wanted) = (opened.metadata.archive().id, discovered.archive);
        bail!(
            "{place} is of archive {is}, but the nodes are of archive {wanted}: move it away and run this again, if \
             you are sure that it is not needed"
        );
    }
    refuse_what_is_in_use(&opened, &place).await?;
    opened
        .metadata
        .set_state(REBUILDING, opened.metadata.state(REBUILDING).await?.as_deref(), Some(b"1"))
        .await?;
    let options = scan_options(work, configuration, pool);
    let console = Console::of_scan(output);
    let tell = |progress: ScanProgress| show(&console, progress);
    let report = tokio::select! {
        report = rebuild::rebuild_metadata(&nodes, Arc::clone(&opened.metadata), &options, &tell) => Some(report?),
        _ = stop => None,
    };
    console.end();
    let Some(report) = report else { return Ok(interrupted(output)) };
    opened.metadata.set_state(REBUILDING, Some(b"1"), None).await?;
    tell_rebuilt(&report, output);
    Ok(status_of(&report))
}

/// What a rebuild leaves to be done: a parity whose hash had to be computed is on no node.
fn status_of(report: &RebuildReport) -> ExitStatus {
    if report.incomplete > 0 {
        ExitStatus::Lost
    } else if report.recomputed > 0 {
        ExitStatus::DamageLeft
    } else {
        ExitStatus::Ok
    }
}

/// A rebuild makes a whole store. It never adds to one that may be right.
async fn refuse_what_is_in_use(opened: &Backends, place: &str) -> Result<()> {
    let writers = opened.coordinator.members(WRITERS).await?;
    if let Some(writer) = writers.first() {
        bail!(
            "{} processes have the archive open ({:?}, for one): stop them first",
            writers.len(),
            writer.address
        );
    }
    let metadata = &*opened.metadata;
    let (first, begun) = (metadata.scan_ids(None, 1).await?, metadata.state(REBUILDING).await?);
    if let (Some(document), None) = (first.first(), begun) {
        bail!(
            "{place} holds documents, such as {:?}: it is not lost. To check it, run `repair --verify-metadata`; to \
             make it again all the same, move it away first",
            document.record.name
        );
    }
    Ok(())
}

/// `repair --verify-metadata`.
pub(crate) async fn verify(
    work: &Work,
    configuration: &Configuration,
    output: &Output,
) -> Result<ExitStatus> {
    let stop = runtime::shutdown()?;
    let opened = assemble::backends(configuration).await?;
    let nodes = assemble::node_parts(opened.nodes);
    let options = scan_options(work, configuration, opened.pool);
    let console = Console::of_scan(output);
    let tell = |progress: ScanProgress| show(&console, progress);
    let report = tokio::select! {
        report = rebuild::verify_metadata(&nodes, opened.metadata, &options, &tell) => Some(report?),
        _ = stop => None,
    };
    console.end();
    let Some(report) = report else { return Ok(interrupted(output)) };
    tell_findings(&report.findings, &report.missing, output);
    let verified = json!({
        "type": "verified",
        "documents": report.documents,
        "blocks": report.blocks,
        "bytes_read": report.bytes,
        "findings": found(&report.findings),
    });
    output.object(&verified);
    output.line(format_args!(
        "verified: {} documents, {} blocks, {} read; {} findings",
        report.documents,
        report.blocks,
        bytes_text(report.bytes),
        found(&report.findings)
    ));
    let fine = report.findings.is_empty() && report.missing.is_empty();
    Ok(if fine { ExitStatus::Ok } else { ExitStatus::DamageLeft })
}

/// `repair --export`.
pub(crate) async fn export(configuration: &Configuration) -> Result<ExitStatus> {
    let opened = assemble::backends(configuration).await?;
    let mut lines = rebuild::export(opened.metadata);
    let mut out = std::io::BufWriter::new(std::io::stdout());
    while let Some(line) = lines.next().await {
        writeln!(out, "{}", line?.trim_end_matches('\n')).context("cannot write the export")?;
    }
    out.flush().context("cannot write the export")?;
    Ok(ExitStatus::Ok)
}

fn scan_options(work: &Work, configuration: &Configuration, pool: BufferPool) -> ScanOptions {
    let limits = crate::run::limits(work, configuration, Cancel::new());
    ScanOptions {
        deep: work.audit == Some(AuditMode::Deep),
        without_missing_nodes: work.without_missing_nodes,
        concurrency: limits.concurrency,
        pool,
        ..ScanOptions::default()
    }
}

fn show(console: &Console<'_>, progress: ScanProgress) {
    let message = format!("{:?}, {}", progress.phase, bytes_text(progress.bytes)).to_lowercase();
    console.at(progress.documents, progress.documents_total, message);
}

fn interrupted(output: &Output) -> ExitStatus {
    output.either(
        &json!({ "type": "report", "stopped": "cancelled", "exit_code": ExitStatus::Interrupted.code() }),
        "stopped before the end; run it again to go on from here",
    );
    ExitStatus::Interrupted
}

fn found(findings: &Findings) -> u64 {
    findings.listed().len() as u64 + findings.beyond()
}

fn tell_findings(findings: &Findings, missing: &[MissingNode], output: &Output) {
    for node in missing {
        let object = json!({ "type": "missing_node", "node": node.name.as_str(), "reason": node.reason });
        output.either(&object, format_args!("node {} left out: {}", node.name, node.reason));
    }
    for finding in findings.listed() {
        output.object(&finding_object(finding));
    }
    for finding in findings.listed().iter().take(FINDINGS_MAX) {
        output.line(finding);
    }
    let more = found(findings).saturating_sub(FINDINGS_MAX as u64);
    if more > 0 {
        output.line(format_args!("... and {more} more; --json tells {}", findings.listed().len()));
    }
}

fn finding_object(finding: &rebuild::Finding) -> Value {
    json!({
        "type": "scan_finding",
        "kind": finding.kind(),
        "document_id": finding.document().to_string(),
        "detail": finding.to_string(),
    })
}

fn tell_rebuilt(report: &RebuildReport, output: &Output) {
    tell_findings(&report.findings, &report.missing, output);
    let rebuilt = json!({
        "type": "rebuilt",
        "documents": report.documents,
        "already": report.already,
        "incomplete": report.incomplete,
        "segments": report.segments,
        "recomputed": report.recomputed,
        "bytes_read": report.bytes,
        "rounds": report.rounds,
        "nodes": report.nodes.iter().map(NodeName::as_str).collect::<Vec<_>>(),
        "findings": found(&report.findings),
    });
    output.object(&rebuilt);
    output.line(format_args!(
        "metadata made again: {} documents ({} by an earlier run, {} incomplete), {} segments, {} from {} nodes in {} \
         rounds; {} lost blocks computed, {} findings",
        report.documents + report.already,
        report.already,
        report.incomplete,
        report.segments,
        bytes_text(report.bytes),
        report.nodes.len(),
        report.rounds,
        report.recomputed,
        found(&report.findings)
    ));
}
