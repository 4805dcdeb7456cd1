//! Measures repair and audit of the real program on folders: `scripts/bench-repair`.
//!
//! `measure --repair PROGRAM nodes GIB` empties one of 16 nodes at replication 1 and 3 and repairs it;
//! `measure --repair PROGRAM audit COUNT...` audits archives of so many documents of 4 KiB;
//! `measure --repair PROGRAM loss COUNT PERCENT` deletes so many of the blocks of such an archive at random.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a measurement that fails ends")]

use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use archive::{Archive, NodeParts, Parts, Settings};
use config::Configuration;
use futures_util::{StreamExt, stream};
use runtime::backends::{self, StorageNode};
use serde_json::{Value, json};
use testkit::{Documents, cluster};
use types::{ArchiveId, SystemClock, Timestamp};

/// Documents put at once.
const PUTS: usize = 24;
/// Most memory that a repair may take.
const RSS_MAX: u64 = 256 << 20;

/// What a run of the program took.
struct Run {
    report: Value,
    took: Duration,
    /// The most memory that it held.
    peak: u64,
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments.as_slice() {
        ["--repair", program, "nodes", gib] => {
            for copies in [1, 3] {
                node(Path::new(program), copies, gib.parse().unwrap());
            }
        }
        ["--repair", program, "audit", counts @ ..] => {
            for count in counts {
                audit(Path::new(program), count.parse().unwrap());
            }
        }
        ["--repair", program, "loss", count, percent] => {
            loss(Path::new(program), count.parse().unwrap(), percent.parse().unwrap());
        }
        _ => panic!("usage: measure --repair PROGRAM (nodes GIB | audit COUNT... | loss COUNT PERCENT)"),
    }
}

fn node(program: &Path, copies: usize, gib: f64) {
    let folder = site(&json!({ "storage": { "nodes": 16, "replication_factor": copies } }));
    // Each MiB of a document is three blocks of it, each of so many copies.
    let documents = (gib * 1024.0 / 3.0 / copies as f64 / 4.0).round().max(1.0);
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a small whole number")]
    fill(folder.path(), documents as usize, 4 << 20);
    let emptied = folder.path().join("data/nodes/storage-node-5");
    std::fs::remove_dir_all(&emptied).unwrap();
    std::fs::create_dir(&emptied).unwrap();
    let mut replace = command(program, folder.path(), &["replace-node", "storage-node-5"]);
    assert!(replace.stdout(Stdio::null()).status().unwrap().success());
    let run = run(program, folder.path(), &["--json"]);
    let number = |key: &str| run.report.pointer(key).and_then(Value::as_f64).unwrap();
    let (restored, seconds) = (number("/repair/bytes_restored"), number("/repair/seconds"));
    let mib = f64::from(1 << 20);
    let repaired: u64 = run
        .report
        .pointer("/repair/blocks")
        .unwrap()
        .as_object()
        .unwrap()
        .values()
        .filter_map(Value::as_u64)
        .sum();
    println!(
        "one of 16 nodes emptied, {copies} copies, {documents} documents of 4 MiB: {repaired} blocks {}, {:.0} MiB in \
         {seconds:.2} s: {:.0} MiB/s; {:.2} blocks read a repaired block; audit and repair {:.2} s; peak RSS {} MiB{}",
        run.report.pointer("/repair/blocks").unwrap(),
        restored / mib,
        restored / mib / seconds,
        number("/repair/bytes_read") / mib / repaired as f64,
        run.took.as_secs_f64(),
        run.peak >> 20,
        if run.peak > RSS_MAX { " (TOO MUCH)" } else { "" }
    );
}

fn audit(program: &Path, count: usize) {
    let folder = site(&json!({ "storage": { "nodes": 16 } }));
    let begin = Instant::now();
    fill(folder.path(), count, 4096);
    let filled = begin.elapsed();
    for mode in ["quick", "deep"] {
        let run = run(program, folder.path(), &["--json", "--dry-run", "--audit", mode]);
        println!(
            "{mode} audit of {count} documents of 4 KiB (filled in {:.0} s): {:.2} s, peak RSS {} MiB",
            filled.as_secs_f64(),
            run.took.as_secs_f64(),
            run.peak >> 20
        );
    }
    let step = 50;
    delete(folder.path(), |number, _| number.is_multiple_of(step));
    let run = run(program, folder.path(), &["--json"]);
    let seconds = run.report.pointer("/repair/seconds").and_then(Value::as_f64).unwrap();
    println!(
        "repair of every {step}th block of {count} documents: {} in {seconds:.2} s, with the audit {:.2} s, peak RSS {} MiB",
        run.report.pointer("/repair/blocks").unwrap(),
        run.took.as_secs_f64(),
        run.peak >> 20
    );
}

fn loss(program: &Path, count: usize, percent: usize) {
    for selection in ["mixed", "uniform"] {
        let folder = site(&json!({ "storage": { "nodes": 16 }, "entanglement": { "selection": selection } }));
        fill(folder.path(), count, 4096);
        // Names of blocks end in the random bits of their documents; their hash is as good as a die.
        let die = |path: &Path| {
            let hash = path.to_string_lossy().bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
                (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
            });
            (hash >> 32) % 100 < percent as u64
        };
        delete(folder.path(), |_, path| die(path));
        let run = run(program, folder.path(), &["--json"]);
        let lost = run.report.pointer("/lost_documents").and_then(Value::as_u64).unwrap();
        let names = run.report.pointer("/lost").and_then(Value::as_array).unwrap();
        let oldest = names.iter().filter_map(|name| name.as_str()?.parse::<u64>().ok()).min();
        let oldest = oldest.map_or_else(|| "none".to_owned(), |number| format!("number {number}"));
        println!(
            "{percent} % of the blocks of {count} documents deleted at random, selection {selection}: {} repaired, {} \
             documents lost ({:.2} % back; oldest: {oldest}) in {:.2} s, peak RSS {} MiB",
            run.report.pointer("/repair/blocks").unwrap(),
            lost,
            100.0 - 100.0 * lost as f64 / count as f64,
            run.took.as_secs_f64(),
            run.peak >> 20
        );
    }
}

/// Deletes blocks, by their number and path.
fn delete(folder: &Path, which: impl Fn(usize, &Path) -> bool) {
    let mut number = 0_usize;
    for node in std::fs::read_dir(folder.join("data/nodes")).unwrap() {
        for part in std::fs::read_dir(node.unwrap().path().join("blocks")).unwrap() {
            for block in std::fs::read_dir(part.unwrap().path()).unwrap() {
                let block = block.unwrap().path();
                if which(number, &block) {
                    std::fs::remove_file(block).unwrap();
                }
                number += 1;
            }
        }
    }
}

fn site(configuration: &Value) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("configuration.json"), configuration.to_string()).unwrap();
    folder
}

fn fill(folder: &Path, documents: usize, length: usize) {
    let configuration = Configuration::load(&folder.join("configuration.json"), std::iter::empty()).unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let now = Timestamp::from(std::time::SystemTime::now());
        let backends = backends::open(&configuration, ArchiveId::from_bytes([1; 16]), now, 1).await.unwrap();
        let part = |node: StorageNode| NodeParts { name: node.name, zone: node.zone, store: node.store };
        let parts = Parts {
            nodes: backends.nodes.into_iter().map(part).collect(),
            metadata: backends.metadata,
            coordinator: backends.coordinator,
            clock: Arc::new(SystemClock),
            pool: backends.pool,
            address: String::new(),
            seed: Some(1),
        };
        let archive = Archive::open(Settings::from_configuration(&configuration), parts).await.unwrap();
        let put = |number: usize| {
            let archive = archive.clone();
            async move {
                let bytes = Documents::new(number as u64).random(length);
                cluster::put(&archive, &format!("{number}"), &bytes).await.unwrap();
            }
        };
        stream::iter(0..documents).map(put).buffer_unordered(PUTS).for_each(|()| async {}).await;
        archive.close().await;
    });
}

fn command(program: &Path, folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(program);
    command.args(arguments).args(["--log", "error"]).current_dir(folder).stdin(Stdio::null());
    command
}

/// Runs the program; its report is the last line.
fn run(program: &Path, folder: &Path, arguments: &[&str]) -> Run {
    let output = folder.join("output");
    let begin = Instant::now();
    let mut child =
        command(program, folder, arguments).stdout(std::fs::File::create(&output).unwrap()).spawn().unwrap();
    let mut peak = 0;
    let status = loop {
        let status = std::fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kib = line.and_then(|line| line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok());
        peak = peak.max(kib.unwrap_or(0) * 1024);
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        std::thread::sleep(Duration::from_millis(5));
    };
    let took = begin.elapsed();
    // 4: documents are lost for good.
    assert!(matches!(status.code(), Some(0 | 4)), "{arguments:?}: {status}");
    let text = std::fs::read_to_string(output).unwrap();
    let report = serde_json::from_str(text.lines().last().unwrap()).unwrap();
    Run { report, took, peak }
}
