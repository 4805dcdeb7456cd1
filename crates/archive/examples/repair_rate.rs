//! How fast a repair restores an emptied node: 16 folders as storage nodes, blocks of 1 MiB, SQLite.
//!
//! `cargo run --release -p archive --example repair_rate -- <folder> <copies> <documents> [<kibibytes>]`

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a measuring program may panic")]

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use archive::audit::{AuditMode, AuditOptions, Scope};
use archive::repair::RepairOptions;
use archive::{Archive, NodeParts, Parts, Settings};
use coordination::LocalCoordinator;
use metadata::{CreateArchive, MetadataStore, SqliteMetadata};
use storage::{BlockStore, BufferPool, DirectoryStore};
use types::{ArchiveId, NodeName, SystemClock, Timestamp};

const NODES: usize = 16;

async fn open(folder: &Path, copies: usize) -> Archive {
    let now = Timestamp::from_millis(1_795_253_400_000);
    let create = CreateArchive { id: ArchiveId::from_bytes([7; 16]), partitions: 8, now };
    let metadata = SqliteMetadata::open(&folder.join("metadata.db"), create).await;
    let metadata: Arc<dyn MetadataStore> = Arc::new(metadata.unwrap());
    let pool = BufferPool::new(64 << 20);
    let node = |number: usize| {
        let name = NodeName::new(&format!("node-{number}")).unwrap();
        let store = DirectoryStore::new(name.clone(), folder.join(name.as_str()), pool.clone());
        let store: Arc<dyn BlockStore> = Arc::new(store);
        NodeParts { name, zone: None, store }
    };
    let settings = Settings {
        replication_factor: copies,
        write_quorum: copies,
        cache_bytes: 32 << 20,
        in_flight_bytes: 96 << 20,
        coding_threads: 2,
        ..Settings::default()
    };
    let parts = Parts {
        nodes: (0..NODES).map(node).collect(),
        metadata,
        coordinator: Arc::new(LocalCoordinator::new()),
        clock: Arc::new(SystemClock),
        pool: pool.clone(),
        address: String::new(),
        seed: Some(1),
    };
    Archive::open(settings, parts).await.unwrap()
}

/// Memory of this process in MiB, now and at most.
fn memory() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let lines = status.lines().filter(|line| line.starts_with("VmRSS") || line.starts_with("VmHWM"));
    lines.collect::<Vec<_>>().join(" ").replace('\t', " ")
}

#[tokio::main]
async fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let (folder, copies) = (Path::new(&arguments[1]), arguments[2].parse().unwrap());
    let documents: u64 = arguments[3].parse().unwrap();
    let length = arguments.get(4).map_or(1024, |kib| kib.parse().unwrap()) * 1024;
    if !folder.join("metadata.db").exists() {
        std::fs::create_dir_all(folder).unwrap();
        let archive = open(folder, copies).await;
        for number in 0..documents {
            let bytes = testkit::cluster::bytes(number, length);
            testkit::cluster::put(&archive, &format!("d/{number}"), &bytes).await.unwrap();
        }
        println!("filled; {}", memory());
        return;
    }
    let lost = folder.join("node-5");
    std::fs::remove_dir_all(&lost).unwrap();
    std::fs::create_dir(&lost).unwrap();
    let archive = open(folder, copies).await;
    let begin = Instant::now();
    let audit =
        archive.audit(&Scope::Everything, AuditMode::Quick, &AuditOptions::default(), &()).await.unwrap();
    println!("quick audit: {:?} in {:?}", audit.found, begin.elapsed());
    let begin = Instant::now();
    let plan = archive.plan_repair(&Scope::Everything, &RepairOptions::default()).await.unwrap();
    println!("plan: {:?} in {:?}", plan.totals, begin.elapsed());
    let report = archive.repair(&Scope::Everything, &RepairOptions::default(), &()).await.unwrap();
    let mib = report.bytes_restored as f64 / f64::from(1 << 20);
    println!(
        "{:?}: {mib:.0} MiB restored in {:?}, {:.0} MiB/s; read {} MiB; {} failures, {} left; {}",
        report.blocks,
        report.elapsed,
        mib / report.elapsed.as_secs_f64(),
        report.bytes_read >> 20,
        report.failures.len(),
        report.left,
        memory()
    );
    let begin = Instant::now();
    let deep =
        archive.audit(&Scope::Everything, AuditMode::Deep, &AuditOptions::default(), &()).await.unwrap();
    println!("deep audit: {:?}, {} MiB in {:?}", deep.found, deep.counts.bytes_read >> 20, begin.elapsed());
}
