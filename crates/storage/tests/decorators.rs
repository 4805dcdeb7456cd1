//! What decorators do when the store inside fails: shown with the faulty store, which is shown by it too.

#![allow(clippy::unwrap_used, reason = "helpers of tests, which may fail as tests do")]

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use storage::conformance::{block, id, identity_of, whole};
use storage::faulty::{Fault, Faults, Faulty};
use storage::{BlockStore, Deadlines, MemoryStore, Metered, Operation, Retry, RetryPolicy, Timeout};
use tokio::time::Instant;
use types::{ErrorKind, NodeName};

const BYTES_MAX: usize = 1 << 20;
const READ: Duration = Duration::from_secs(2);
const WRITE: Duration = Duration::from_secs(5);
const OTHER: Duration = Duration::from_secs(60);

/// A faulty store that holds blocks 0 to 2 of one document, its switches, and the store inside.
async fn faulty(seed: u64) -> (Arc<Faulty>, Faults, MemoryStore) {
    let memory = MemoryStore::new(NodeName::new("node-1").unwrap());
    let identity = memory.claim(&identity_of(memory.node())).await.unwrap();
    memory.attach(identity);
    for parity in 0..3 {
        memory.put(&id(0, 0, parity), &block(parity, 1000)).await.unwrap();
    }
    let store = Arc::new(Faulty::new(Arc::new(memory.clone()), seed));
    let faults = store.faults();
    (store, faults, memory)
}

fn retry(store: Arc<dyn BlockStore>, attempts_max: u32) -> Retry {
    let (backoff_first, backoff_max) = (Duration::from_millis(100), Duration::from_millis(300));
    Retry::new(store, RetryPolicy { attempts_max, backoff_first, backoff_max }, 7)
}

async fn get(store: &dyn BlockStore, parity: u8) -> Result<Bytes, ErrorKind> {
    store.get(&id(0, 0, parity), BYTES_MAX).await.map_err(|error| error.kind())
}

#[tokio::test(start_paused = true)]
async fn a_hung_node_times_out_by_the_kind_of_operation() {
    let (store, faults, _) = faulty(1).await;
    let store = Timeout::new(store, Deadlines { read: READ, write: WRITE, other: OTHER });
    faults.set(Fault::Hung, 1.0);
    let started = Instant::now();
    assert_eq!(get(&store, 0).await, Err(ErrorKind::Timeout));
    assert_eq!(started.elapsed(), READ);
    let error = store.put(&id(0, 0, 0), &block(0, 10)).await.unwrap_err();
    assert_eq!((error.kind(), started.elapsed()), (ErrorKind::Timeout, READ + WRITE));
    let error = store.list(None, 10).await.unwrap_err();
    assert_eq!((error.kind(), started.elapsed()), (ErrorKind::Timeout, READ + WRITE + OTHER));
    assert_eq!(faults.injected(Fault::Hung), 3);
}

#[tokio::test(start_paused = true)]
async fn a_slow_node_within_its_deadline_is_waited_for() {
    let (store, faults, _) = faulty(1).await;
    let store = Timeout::new(store, Deadlines { read: READ, write: WRITE, other: OTHER });
    faults.set(Fault::Slow, 1.0);
    faults.set_delay(READ / 2);
    assert_eq!(get(&store, 1).await, Ok(whole(&block(1, 1000))));
    faults.set_delay(READ * 2);
    assert_eq!(get(&store, 1).await, Err(ErrorKind::Timeout));
}

#[tokio::test(start_paused = true)]
async fn retry_outlasts_a_short_outage() {
    let (store, faults, _) = faulty(1).await;
    let store = retry(store, 100);
    faults.set(Fault::Down, 1.0);
    let outage = faults.clone();
    tokio::spawn(async move {
        tokio::time::sleep(Duration::from_secs(3)).await;
        outage.clear();
    });
    store.put(&id(0, 1, 0), &block(9, 10)).await.unwrap();
    let tries = faults.injected(Fault::Down);
    assert!((10..=25).contains(&tries), "backoff is capped and jittered: {tries} tries");
}

#[tokio::test(start_paused = true)]
async fn retry_gives_up_after_its_attempts() {
    let (store, faults, _) = faulty(1).await;
    faults.set(Fault::Down, 1.0);
    for (attempts_max, tries) in [(0, 1), (1, 1), (4, 4)] {
        let before = faults.injected(Fault::Down);
        assert_eq!(get(&retry(store.clone(), attempts_max), 0).await, Err(ErrorKind::Unavailable));
        assert_eq!(faults.injected(Fault::Down) - before, tries);
    }
}

#[tokio::test(start_paused = true)]
async fn retry_answers_at_once_what_will_not_change() {
    let (store, _, memory) = faulty(1).await;
    let (store, started) = (retry(store, 10), Instant::now());
    assert_eq!(get(&store, 200).await, Err(ErrorKind::NotFound));
    memory.remove_marker();
    assert_eq!(get(&store, 0).await, Err(ErrorKind::Denied));
    assert_eq!(started.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn metered_tells_what_a_node_did() {
    let (store, faults, _) = faulty(1).await;
    let store = Metered::new(store);
    faults.set(Fault::Slow, 1.0);
    faults.set_delay(Duration::from_millis(20));
    get(&store, 0).await.unwrap();
    store.put(&id(0, 1, 0), &block(1, 900)).await.unwrap();
    get(&store, 200).await.unwrap_err();
    faults.set(Fault::Down, 1.0);
    get(&store, 0).await.unwrap_err();
    let statistics = store.statistics();
    assert_eq!((statistics.bytes_read, statistics.bytes_written), (1100, 1000));
    assert_eq!(statistics.read_latency, Some(Duration::from_millis(20)));
    assert!((statistics.recent_failures - 1.0).abs() < 0.01, "a missing block is no failure");
    let read = statistics.operations.iter().find(|each| each.operation == Operation::Get).unwrap();
    let errors = [ErrorKind::NotFound, ErrorKind::Unavailable].map(|kind| read.errors_of(kind));
    assert_eq!((read.ok, errors, read.latency.count()), (1, [1, 1], 3));
}

#[tokio::test]
async fn damaged_reads_are_what_they_say() {
    let (store, faults, memory) = faulty(3).await;
    let right = whole(&block(0, 1000));
    faults.set(Fault::Corrupting, 1.0);
    let flipped = get(&*store, 0).await.unwrap();
    let bits: u32 = flipped.iter().zip(&right).map(|(left, right)| (left ^ right).count_ones()).sum();
    assert_eq!((flipped.len(), bits), (right.len(), 1));
    faults.clear();
    faults.set(Fault::Truncating, 1.0);
    let shorter = get(&*store, 0).await.unwrap();
    assert!(shorter.len() < right.len() && right.starts_with(&shorter));
    faults.clear();
    faults.set(Fault::OtherBlock, 1.0);
    let other = get(&*store, 0).await.unwrap();
    assert!([1, 2].iter().any(|parity| other == whole(&block(*parity, 1000))));
    assert_eq!(faults.injected_total(), 3);
    assert_eq!(get(&memory, 0).await, Ok(right), "the block itself is unharmed");
}

#[tokio::test]
async fn an_only_block_is_never_taken_for_another() {
    let (store, faults, memory) = faulty(3).await;
    for parity in 1..3 {
        memory.delete(&id(0, 0, parity)).await.unwrap();
    }
    faults.set(Fault::OtherBlock, 1.0);
    assert_eq!(get(&*store, 0).await, Ok(whole(&block(0, 1000))));
    assert_eq!(faults.injected(Fault::OtherBlock), 0);
}

#[tokio::test]
async fn failing_writes_are_what_they_say() {
    let (store, faults, memory) = faulty(3).await;
    for (fault, answer, kept) in [
        (Fault::Full, Some(ErrorKind::Unavailable), false),
        (Fault::LosingWrites, None, false),
        (Fault::FailingAfterWrite, Some(ErrorKind::Unavailable), true),
    ] {
        faults.clear();
        faults.set(fault, 1.0);
        let outcome = store.put(&id(0, 9, 9), &block(9, 10)).await;
        assert_eq!(outcome.err().map(|error| error.kind()), answer, "{fault:?}");
        assert_eq!(memory.stat(&id(0, 9, 9)).await.is_ok(), kept, "{fault:?}");
        memory.delete(&id(0, 9, 9)).await.unwrap();
    }
}

#[tokio::test]
async fn the_same_seed_strikes_the_same_operations() {
    let strikes = async |seed| {
        let (store, faults, _) = faulty(seed).await;
        faults.set(Fault::Down, 0.3);
        let mut strikes = Vec::new();
        for _ in 0..100 {
            strikes.push(get(&*store, 0).await.is_err());
        }
        strikes
    };
    let first = strikes(5).await;
    assert_eq!(first, strikes(5).await);
    assert_ne!(first, strikes(6).await);
    let struck = first.iter().filter(|struck| **struck).count();
    assert!((15..=45).contains(&struck), "{struck} of 100 at 0.3");
}
