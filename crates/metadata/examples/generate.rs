//! Fills a SQLite metadata store with synthetic one-segment documents and measures it:
//! `cargo run --release -p metadata --example generate -- FILE DOCUMENTS [PARTITIONS]`.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use metadata::synthetic::{Random, Synthetic, generate};
use metadata::{CreateArchive, MetadataStore, Ordinal, SqliteMetadata, SqliteOptions};
use types::{ArchiveId, CodeParameters, DocumentRef, LengthClass, Partition};

/// Memory for the writer's pages while it fills the archive; the figures are taken with what a proxy has.
const FILLING_CACHE_KIB: u32 = 1024 * 1024;

/// Operations to a figure.
const SAMPLES: u64 = 200;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let usage = "usage: generate FILE DOCUMENTS [PARTITIONS]";
    let path = PathBuf::from(arguments.next().ok_or(usage)?);
    let documents: u64 = arguments.next().ok_or(usage)?.parse()?;
    let partitions: u16 = arguments.next().map_or(Ok(1), |text| text.parse())?;
    let now = SystemTime::now().into();
    let synthetic = Synthetic { parameters: CodeParameters::DEFAULT, nodes: 16, now, payload: None };
    let create = CreateArchive { id: ArchiveId::from_random([42; 16]), partitions, now };
    let options = SqliteOptions { cache_kib: FILLING_CACHE_KIB, ..SqliteOptions::default() };
    let store = SqliteMetadata::open_with(&path, create, options).await?;

    let mut committed = earlier(&store).await?;
    let first = committed.len() as u64;
    for node in 1..=16 {
        let name = types::NodeName::new(&format!("storage-node-{node}"))?;
        store.register_node(&name, types::Incarnation::from_random([node; 16])).await?;
    }
    let started = Instant::now();
    generate(&store, synthetic, first, documents, &mut committed).await?;
    let elapsed = started.elapsed();
    println!("{documents} documents in {:.1} s, {} now", elapsed.as_secs_f64(), committed.len());
    drop(store);

    let store = SqliteMetadata::open(&path, create).await?;
    measure(&store, synthetic, &mut committed).await?;
    drop(store);
    let bytes = bytes_of(&path);
    println!("{bytes} bytes on disk, {:.1} per document", bytes as f64 / committed.len() as f64);
    Ok(())
}

async fn earlier(store: &dyn MetadataStore) -> types::Result<Vec<DocumentRef>> {
    let mut found = Vec::new();
    for partition in (0..store.archive().partitions).map(Partition) {
        let mut from = 0;
        loop {
            let documents = store.scan(partition, from, 1000).await?;
            let Some(last) = documents.last() else { break };
            from = last.reference.sequence + 1;
            found.extend(documents.iter().map(|document| document.reference));
        }
    }
    Ok(found)
}

/// Uploads one after the other, as a lone client's are.
async fn measure(
    store: &dyn MetadataStore,
    synthetic: Synthetic,
    committed: &mut Vec<DocumentRef>,
) -> types::Result<()> {
    let class = LengthClass::of_bytes(4096).unwrap_or(LengthClass::MIN);
    let mut random = Random::new(99);
    let (mut reserve, mut select, mut commit, mut read) = (vec![], vec![], vec![], vec![]);
    for sample in 0..SAMPLES {
        let number = (1 << 40) + committed.len() as u64 + sample;
        let draft = synthetic.draft(number, committed, &mut random)?;
        let started = Instant::now();
        let reservation = synthetic.reserve(store, &draft).await?;
        reserve.push(started.elapsed());

        let started = Instant::now();
        let counts = store.class_counts(class).await?;
        let places: Vec<Ordinal> = (0..20).map(|_| place(&counts, &mut random)).collect();
        let codewords = store.codewords_at(class, &places).await?;
        select.push(started.elapsed());
        assert!(codewords.iter().all(Option::is_some), "places below the counts have codewords");

        let started = Instant::now();
        let document = store.commit(&reservation, &draft, synthetic.now).await?;
        commit.push(started.elapsed());
        committed.push(document.reference);

        let started = Instant::now();
        store.document(&draft.record.name).await?;
        store.segments(document.reference, 0, 1).await?;
        read.push(started.elapsed());
    }
    for (what, mut times) in [
        ("reserve", reserve),
        ("class_counts and codewords_at(20)", select),
        ("commit", commit),
        ("document and segments", read),
    ] {
        times.sort();
        let at = |share: usize| times.get(times.len() * share / 100).copied().unwrap_or(Duration::ZERO);
        println!("{what}: median {:?}, 95th percentile {:?}", at(50), at(95));
    }
    Ok(())
}

fn place(counts: &[u64], random: &mut Random) -> Ordinal {
    let mut at = random.below(counts.iter().sum());
    for (partition, count) in (0..).map(Partition).zip(counts) {
        if at < *count {
            return Ordinal { partition, index: at };
        }
        at -= count;
    }
    Ordinal { partition: Partition(0), index: 0 }
}

/// The database and, should another process still use it, its log.
fn bytes_of(path: &Path) -> u64 {
    let with = |suffix: &str| PathBuf::from(format!("{}{suffix}", path.display()));
    let files = [path.to_owned(), with("-wal")];
    files.iter().filter_map(|file| std::fs::metadata(file).ok()).map(|found| found.len()).sum()
}
