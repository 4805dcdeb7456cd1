//! What a directory node costs in processor time: `cargo bench -p storage --bench directory`.
//!
//! Three blocks of 1 MiB are written at once, as one PUT of 1 MiB at (1,10,3) does, and eleven are read at once, as
//! a GET without the cache does, on 16 nodes. Beside them: the same with plain file operations on one thread, which
//! is what the system itself takes.
//!
//! Two things make a run dearer than it should be: memory that a virtual machine has never touched (the first
//! write to each page of the page cache may cost its host ten times the copy: fill and free memory first), and
//! files that were deleted in the last half minute (ext4 looks for inodes around them).

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a benchmark may fail loudly"
)]

use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use storage::conformance::identity_of;
use storage::{Block, BlockStore, BufferPool, DirectoryStore, Metered};
use types::{BlockId, DocumentId, NodeName};

const NODES: usize = 16;
const ROUNDS: u32 = 200;
const BLOCKS_WRITTEN: usize = 3;
const BLOCKS_READ: usize = 11;
const PAYLOAD_BYTES: usize = 1 << 20;

fn id(round: u32, block: usize) -> BlockId {
    let mut bytes = [0; 16];
    // The second pass writes other documents into the same sub-folders.
    bytes[15] = (round % ROUNDS).to_le_bytes()[0];
    bytes[..4].copy_from_slice(&round.to_be_bytes());
    BlockId::new(DocumentId::from_bytes(bytes), 0, u8::try_from(block).unwrap())
}

/// Processor time of this process, in ticks of 10 ms.
fn processor_time() -> Duration {
    let mut text = String::new();
    File::open("/proc/self/stat").unwrap().read_to_string(&mut text).unwrap();
    let fields: Vec<&str> = text.rsplit(") ").next().unwrap().split(' ').collect();
    let ticks: u64 = fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap();
    Duration::from_millis(10 * ticks)
}

struct Stopwatch(Instant, Duration);

impl Stopwatch {
    fn start() -> Self {
        Self(Instant::now(), processor_time())
    }

    fn stop(self, what: &str) {
        let (wall, processor) = (self.0.elapsed() / ROUNDS, processor_time().saturating_sub(self.1) / ROUNDS);
        println!("{what:<44} {processor:>12.2?} processor {wall:>12.2?} wall");
    }
}

async fn open_nodes(folder: &Path, pool: &BufferPool) -> Vec<Arc<dyn BlockStore>> {
    let mut nodes: Vec<Arc<dyn BlockStore>> = Vec::new();
    for number in 0..NODES {
        let node = NodeName::new(&format!("node-{number}")).unwrap();
        let directory = folder.join(node.as_str());
        let store = Metered::new(Arc::new(DirectoryStore::new(node, directory, pool.clone())));
        store.attach(store.claim(&identity_of(store.node())).await.unwrap());
        nodes.push(Arc::new(store));
    }
    nodes
}

async fn at_once<T: Send + 'static>(work: impl Iterator<Item = impl Future<Output = T> + Send + 'static>) {
    work.collect::<tokio::task::JoinSet<T>>().join_all().await;
}

async fn nodes(folder: &Path, block: &Block) {
    let pool = BufferPool::new(64 << 20);
    let nodes = open_nodes(folder, &pool).await;
    let node = |round: u32, index: usize| Arc::clone(&nodes[(round as usize + index) % NODES]);
    for (pass, what) in [(0, "into new sub-folders"), (1, "into old ones")] {
        let watch = Stopwatch::start();
        for round in pass * ROUNDS..(pass + 1) * ROUNDS {
            at_once((0..BLOCKS_WRITTEN).map(|index| {
                let (node, block) = (node(round, index), block.clone());
                async move { node.put(&id(round, index), &block).await.unwrap() }
            }))
            .await;
        }
        watch.stop(&format!("nodes: write 3 of 1 MiB {what}"));
    }
    let watch = Stopwatch::start();
    for round in 0..ROUNDS {
        at_once((0..BLOCKS_READ).map(|index| {
            let round = (round + u32::try_from(index).unwrap() * 7) % ROUNDS;
            let (node, index) = (node(round, index % BLOCKS_WRITTEN), index % BLOCKS_WRITTEN);
            async move { drop(node.get(&id(round, index), 2 << 20).await.unwrap()) }
        }))
        .await;
    }
    watch.stop("nodes: read 11 of 1 MiB");
}

fn plain(folder: &Path, block: &Block) {
    fs::create_dir_all(folder).unwrap();
    let path = |round: u32, index: usize| -> PathBuf { folder.join(format!("{round}-{index}")) };
    let watch = Stopwatch::start();
    for round in 0..ROUNDS {
        for index in 0..BLOCKS_WRITTEN {
            let mut file = File::create(path(round, index)).unwrap();
            file.write_all(&block.payload).unwrap();
            file.sync_data().unwrap();
        }
    }
    watch.stop("plain files: write 3 of 1 MiB with fdatasync");
    let mut buffer = vec![0; PAYLOAD_BYTES];
    let watch = Stopwatch::start();
    for round in 0..ROUNDS {
        for index in 0..BLOCKS_READ {
            let round = (round + u32::try_from(index).unwrap() * 7) % ROUNDS;
            File::open(path(round, index % BLOCKS_WRITTEN)).unwrap().read_exact_at(&mut buffer, 0).unwrap();
        }
    }
    watch.stop("plain files: read 11 of 1 MiB");
}

fn main() {
    let folder = tempfile::Builder::new().prefix("selvage-bench").tempdir_in(std::env::temp_dir()).unwrap();
    let payload: Vec<u8> =
        (0..PAYLOAD_BYTES).map(|index| index.wrapping_mul(2_654_435_761).to_le_bytes()[2]).collect();
    let block = Block { header: Bytes::from(vec![1; 700]), payload: payload.into() };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    plain(&folder.path().join("plain"), &block);
    runtime.block_on(nodes(&folder.path().join("nodes"), &block));
}
