//! What the archive's audit and repair tell, as JSON and as text.

use std::collections::BTreeMap;
use std::fmt::Display;

use archive::audit::{AuditCounts, AuditReport, Finding, NodeStanding, Standing, Stop};
use archive::repair::{Failure, Loss, Method, PlanTotals, PlannedBlock, RepairReport, Repaired};
use serde_json::{Map, Value, json};
use types::BlockRef;

use crate::quantity::bytes_text;

/// Where a block stands in its archive.
fn place(block: &BlockRef) -> Value {
    let document = block.codeword.document;
    json!({
        "partition": document.partition.0,
        "sequence": document.sequence,
        "segment": block.codeword.segment,
        "parity": block.parity,
    })
}

/// Something with a text, as JSON.
fn text(value: impl Display) -> Value {
    value.to_string().into()
}

fn by_method(counts: &BTreeMap<Method, u64>) -> Value {
    let count = |(method, count): (&Method, &u64)| (method.as_str().to_owned(), (*count).into());
    Value::Object(counts.iter().map(count).collect::<Map<_, _>>())
}

pub(crate) fn finding(finding: &Finding) -> Value {
    json!({
        "type": "finding",
        "kind": finding.kind.as_str(),
        "id": text(finding.id),
        "block": finding.block.as_ref().map(place),
        "document": finding.name.as_ref().map(text),
        "node": finding.node.as_ref().map(text),
        "detail": finding.detail,
    })
}

pub(crate) fn repaired(repaired: &Repaired) -> Value {
    json!({
        "type": "repaired",
        "id": text(repaired.id),
        "block": place(&repaired.block),
        "method": repaired.method.as_str(),
        "nodes": repaired.nodes.iter().map(text).collect::<Vec<_>>(),
        "bytes": repaired.bytes,
    })
}

pub(crate) fn failure(failure: &Failure) -> Value {
    json!({
        "type": "failure",
        "id": text(failure.id),
        "block": place(&failure.block),
        "message": failure.message,
    })
}

pub(crate) fn loss(loss: &Loss) -> Value {
    let missing = |symbol: &archive::repair::MissingSymbol| {
        json!({
            "position": symbol.position,
            "id": text(symbol.id),
            "since": text(symbol.since),
            "out_of_reach": symbol.out_of_reach,
        })
    };
    json!({
        "type": "loss",
        "document": text(&loss.name),
        "document_id": text(loss.document),
        "segment": loss.segment,
        "for_good": loss.for_good,
        "since": text(loss.since),
        "missing": loss.missing.iter().map(missing).collect::<Vec<_>>(),
        "tried": loss.tried,
    })
}

pub(crate) fn loss_text(loss: &Loss) -> String {
    let what = if loss.for_good { "lost for good" } else { "out of reach for now" };
    format!(
        "{what}: segment {} of {}: {} symbols missing, the first since {}; tried: {}",
        loss.segment,
        loss.name,
        loss.missing.len(),
        loss.since,
        loss.tried.join(", ")
    )
}

pub(crate) fn planned(block: &PlannedBlock) -> Value {
    json!({
        "type": "planned",
        "id": text(block.id),
        "block": place(&block.block),
        "document": text(&block.name),
        "method": block.method.map(Method::as_str),
        "margin": block.margin,
        "round": block.round,
    })
}

pub(crate) fn planned_text(block: &PlannedBlock) -> String {
    let method = block.method.map_or("cannot be rebuilt", Method::as_str);
    let danger = match block.margin {
        ..0 => format!("a codeword lacks {} symbols too many to decode by itself", -block.margin),
        0 => "the next loss is one too many".to_owned(),
        margin => format!("{margin} more losses are borne"),
    };
    format!("round {}: {} of {}, {method}; {danger}", block.round, block.id, block.name)
}

pub(crate) fn totals(totals: &PlanTotals) -> Value {
    json!({
        "type": "plan",
        "blocks": totals.blocks,
        "by_method": by_method(&totals.by_method),
        "unplanned": totals.unplanned,
        "bytes_read": totals.bytes_read,
        "bytes_written": totals.bytes_written,
    })
}

pub(crate) fn totals_text(totals: &PlanTotals) -> String {
    format!(
        "plan: {} blocks to repair ({}), {} that cannot be; {} to read, {} to write",
        totals.blocks,
        counts_text(totals.by_method.iter().map(|(method, count)| (method.as_str(), *count))),
        totals.unplanned,
        bytes_text(totals.bytes_read),
        bytes_text(totals.bytes_written)
    )
}

/// `3 missing, 1 corrupt`, or `none`.
fn counts_text<'a>(counts: impl Iterator<Item = (&'a str, u64)>) -> String {
    let counts: Vec<String> = counts.map(|(name, count)| format!("{count} {name}")).collect();
    if counts.is_empty() { "none".to_owned() } else { counts.join(", ") }
}

pub(crate) fn stop(stop: Option<Stop>) -> Value {
    match stop {
        Some(Stop::Cancelled) => "cancelled".into(),
        Some(Stop::Duration) => "duration".into(),
        None => Value::Null,
    }
}

fn counts(counts: &AuditCounts) -> Value {
    json!({
        "documents": counts.documents,
        "codewords": counts.codewords,
        "copies": counts.copies,
        "bytes_read": counts.bytes_read,
        "findings": counts.findings,
    })
}

fn node(node: &NodeStanding) -> Value {
    let (standing, why) = match node.standing {
        Standing::Answers => ("answers", None),
        Standing::Unknown(kind) => ("unknown", Some(kind)),
        Standing::Lost(kind) => ("lost", Some(kind)),
    };
    json!({
        "name": text(&node.name),
        "standing": standing,
        "why": why.map(text),
        "since": node.since.map(text),
    })
}

pub(crate) fn audit(report: &AuditReport) -> Value {
    let found = report.found.iter().map(|(kind, count)| (kind.as_str().to_owned(), (*count).into()));
    let unknown = report.unknown.iter().map(|(node, count)| (node.to_string(), (*count).into()));
    json!({
        "type": "audit",
        "counts": counts(&report.counts),
        "found": found.collect::<Map<_, _>>(),
        "unknown_copies": unknown.collect::<Map<_, _>>(),
        "nodes": report.nodes.iter().map(node).collect::<Vec<_>>(),
        "cleared": report.cleared,
        "complete": report.complete,
        "stopped": stop(report.stopped),
    })
}

pub(crate) fn audit_text(report: &AuditReport) -> String {
    let mut lines = vec![format!(
        "audit{}: {} documents, {} codewords, {} copies, {} read; found: {}",
        if report.complete { "" } else { " (not finished)" },
        report.counts.documents,
        report.counts.codewords,
        report.counts.copies,
        bytes_text(report.counts.bytes_read),
        counts_text(report.found.iter().map(|(kind, count)| (kind.as_str(), *count)))
    )];
    for (node, count) in &report.unknown {
        lines.push(format!("  {node} does not answer: {count} copies may be there"));
    }
    for node in &report.nodes {
        if let Standing::Lost(kind) = node.standing {
            lines.push(format!(
                "  {} counts as lost ({kind}): its blocks are rebuilt on other nodes",
                node.name
            ));
        }
    }
    lines.join("\n")
}

pub(crate) fn repair(report: &RepairReport) -> Value {
    json!({
        "blocks": by_method(&report.blocks),
        "copies": report.copies,
        "bytes_restored": report.bytes_restored,
        "bytes_read": report.bytes_read,
        "bytes_written": report.bytes_written,
        "by_others": report.by_others,
        "failures": report.failures.len(),
        "lost": report.lost.iter().filter(|loss| loss.for_good).count(),
        "out_of_reach": report.lost.iter().filter(|loss| !loss.for_good).count(),
        "left": report.left,
        "stopped": stop(report.stopped),
        "seconds": report.elapsed.as_secs_f64(),
    })
}

pub(crate) fn repair_text(report: &RepairReport) -> String {
    let seconds = report.elapsed.as_secs_f64();
    format!(
        "repaired: {}; {} copies, {} in {seconds:.1} s ({}/s); {} read, {} written; {} by others, {} failed, {} left",
        counts_text(report.blocks.iter().map(|(method, count)| (method.as_str(), *count))),
        report.copies,
        bytes_text(report.bytes_restored),
        bytes_text(rate(report.bytes_restored, seconds)),
        bytes_text(report.bytes_read),
        bytes_text(report.bytes_written),
        report.by_others,
        report.failures.len(),
        report.left
    )
}

/// Bytes a second, for people.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it saturates, and is shown only")]
fn rate(bytes: u64, seconds: f64) -> u64 {
    (bytes as f64 / seconds.max(0.001)) as u64
}

/// The names of documents that are lost for good, each once.
pub(crate) fn lost_documents(lost: &[Loss]) -> Vec<String> {
    let mut names: Vec<String> =
        lost.iter().filter(|loss| loss.for_good).map(|loss| loss.name.to_string()).collect();
    names.sort_unstable();
    names.dedup();
    names
}
