//! `kill -9` at random moments while documents come in: what was acknowledged is there, what was not is there whole
//! or not at all.
//!
//! `SELVAGE_CRASH_KILLS` says how often (20), `SELVAGE_CRASH_SEED` repeats a run's moments and documents as far as
//! the system's scheduling allows. `scripts/crash` does it 200 times.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may panic")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use serde_json::{Value, json};
use testkit::{Client, Documents, ProxyProcess, ProxySettings};

/// Clients that put documents without a pause.
const CLIENTS: usize = 6;
/// Documents are shorter than two to this, in bytes; every number of bits up to it is as likely as any other.
const LENGTH_BITS_MAX: u64 = 22;
const PATTERN_BYTES: usize = 4096;
/// The proxy lives this long at most before it is killed.
const LIFE_MAX_MILLIS: u64 = 500;

/// A document that somebody tried to put. What it holds follows from its seed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Attempt {
    path: String,
    seed: u64,
}

impl Attempt {
    /// What client `client` puts as its `number`th in life `life`.
    fn new(run: u64, life: usize, client: usize, number: usize) -> Self {
        let seed = run.wrapping_add(((life * CLIENTS + client) * 100_000 + number) as u64);
        let path = match number % 4 {
            0 => format!("/{life}/{client}/{number}"),
            1 => format!("/caf%C3%A9%20{life}-{client}-{number}.txt"),
            2 => format!("/{life}/{}/{client}-{number}", "long".repeat(60)),
            _ => format!("/..//{life}/{client}/{number}/"),
        };
        Self { path, seed }
    }

    fn bytes(&self) -> Vec<u8> {
        let mut documents = Documents::new(self.seed);
        let top = 1 << (number(&mut documents) % LENGTH_BITS_MAX);
        let length = top + number(&mut documents) % top;
        // Random bytes for millions take a debug build long: a few thousand again and again, and each time the place.
        let pattern = documents.random(PATTERN_BYTES);
        let mut bytes = pattern.repeat(usize::try_from(length).unwrap().div_ceil(PATTERN_BYTES));
        for (place, piece) in (0_u64..).zip(bytes.chunks_exact_mut(PATTERN_BYTES)) {
            piece.iter_mut().zip(place.to_le_bytes()).for_each(|(byte, stamp)| *byte = stamp);
        }
        bytes.truncate(usize::try_from(length).unwrap());
        bytes
    }
}

/// What became of the uploads of one life.
#[derive(Debug, Default)]
struct Outcome {
    acknowledged: Vec<Attempt>,
    /// Those that the proxy did not live to answer.
    unanswered: Vec<Attempt>,
}

/// What is counted over all lives.
#[derive(Debug, Default)]
struct Tally {
    acknowledged: usize,
    absent: usize,
    committed: usize,
    restart_max: Duration,
}

/// Does `work` for every item, several at a time.
fn for_all<Item: Sync, Done: Send>(items: &[Item], work: impl Fn(&Item) -> Done + Sync) -> Vec<Done> {
    let work = &work;
    thread::scope(|scope| {
        let shares = items.chunks(items.len().div_ceil(CLIENTS).max(1));
        let workers: Vec<_> =
            shares.map(|share| scope.spawn(move || share.iter().map(work).collect::<Vec<Done>>())).collect();
        workers.into_iter().flat_map(|worker| worker.join().unwrap()).collect()
    })
}

/// A random number.
fn number(documents: &mut Documents) -> u64 {
    documents.random(8).iter().fold(0, |number, byte| number << 8 | u64::from(*byte))
}

fn variable(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{name}={text} is no number")))
}

/// Puts documents from many clients until the proxy is killed.
fn live(proxy: &mut ProxyProcess, run: u64, life: usize, lifetime: Duration) -> Outcome {
    let (outcome, over) = (Mutex::new(Outcome::default()), AtomicBool::new(false));
    let client = proxy.client();
    thread::scope(|scope| {
        for number in 0..CLIENTS {
            let (outcome, over, client) = (&outcome, &over, client.clone());
            scope.spawn(move || put_until_dead(&client, outcome, over, run, life, number));
        }
        thread::sleep(lifetime);
        over.store(true, Ordering::Relaxed);
        proxy.kill9();
    });
    outcome.into_inner().unwrap()
}

fn put_until_dead(
    client: &Client,
    outcome: &Mutex<Outcome>,
    over: &AtomicBool,
    run: u64,
    life: usize,
    number: usize,
) {
    for count in 0.. {
        let attempt = Attempt::new(run, life, number, count);
        // The answer is what counts as an acknowledgement, whenever it comes.
        match client.try_request("PUT", &attempt.path, &[], Some(&attempt.bytes())) {
            Ok(answer) => {
                assert_eq!(answer.status, 201, "{}: {}", attempt.path, answer.text());
                outcome.lock().unwrap().acknowledged.push(attempt);
            }
            Err(error) => {
                assert!(over.load(Ordering::Relaxed), "{}: no answer from the living: {error}", attempt.path);
                outcome.lock().unwrap().unanswered.push(attempt);
                return;
            }
        }
    }
}

/// An acknowledged document is there, right.
fn check_acknowledged(client: &Client, attempt: &Attempt) {
    check_bytes(client, attempt, &attempt.bytes());
}

fn check_bytes(client: &Client, attempt: &Attempt, bytes: &[u8]) {
    let got = client.get(&attempt.path);
    assert_eq!(got.status, 200, "lost: {}: {}", attempt.path, got.text());
    assert!(got.body == bytes, "other bytes: {}", attempt.path);
}

/// Whether an unanswered upload was committed. If not, nothing shows of it, and its name can be had at once.
fn check_unanswered(client: &Client, attempt: &Attempt, listed: bool) -> bool {
    let (path, bytes) = (&attempt.path, attempt.bytes());
    let got = client.get(path);
    let committed = got.status == 200;
    if committed {
        assert!(got.body == bytes, "half visible: {path}");
    } else {
        assert_eq!(got.status, 404, "half visible: {path}: {}", got.text());
    }
    let expected = if committed { 200 } else { 404 };
    assert_eq!(client.head(path).status, expected, "{path}");
    assert_eq!(client.get(&format!("{path}/__meta")).status, expected, "{path}");
    assert_eq!(listed, committed, "the listing and the answer differ: {path}");
    let again = client.put(path, &bytes);
    assert_eq!(again.status, if committed { 409 } else { 201 }, "{path}: {}", again.text());
    check_bytes(client, attempt, &bytes);
    committed
}

/// The paths of all documents, as the listing tells them, page by page.
fn listed(client: &Client) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    let mut after = String::new();
    loop {
        let page = client.get(&format!("/?limit=500{after}")).json();
        let files = page.get("files").and_then(Value::as_array).unwrap();
        names.extend(files.iter().map(|file| file.get("path").and_then(Value::as_str).unwrap().to_owned()));
        match page.get("next").and_then(Value::as_str) {
            Some(next) => after = format!("&after={}", encoded(next)),
            None => return names,
        }
    }
}

/// A name as a parameter of a query: every byte escaped.
fn encoded(name: &str) -> String {
    let digit = |half: u8| char::from_digit(u32::from(half), 16).unwrap();
    name.bytes().flat_map(|byte| ['%', digit(byte >> 4), digit(byte & 15)]).collect()
}

/// The name that an attempt's path stands for.
fn name_of(attempt: &Attempt) -> String {
    attempt.path.trim_start_matches('/').replace("%C3%A9", "\u{e9}").replace("%20", " ")
}

/// The files of the blocks of all nodes, and those left in their folders for temporary files.
fn files_of(proxy: &ProxyProcess) -> (BTreeSet<String>, usize) {
    let (mut blocks, mut temporary) = (BTreeSet::new(), 0);
    for node in 1..=16 {
        let node = proxy.node_folder(node);
        for folder in entries(&node.join("blocks")) {
            blocks.extend(entries(&folder).iter().map(|path| name_in(path)));
        }
        temporary += entries(&node.join("tmp")).len();
    }
    (blocks, temporary)
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect()
}

fn name_in(path: &Path) -> String {
    path.file_name().unwrap().to_string_lossy().into_owned()
}

/// The blocks that the archive's documents are made of.
fn blocks_of(client: &Client, attempts: &[Attempt]) -> BTreeSet<String> {
    let described = for_all(attempts, |attempt| {
        let meta = client.get(&format!("{}/__meta", attempt.path)).json();
        let blocks = meta.get("blocks").and_then(Value::as_array).unwrap();
        let id = |block: &Value| block.get("id").and_then(Value::as_str).unwrap().to_owned();
        blocks.iter().map(id).collect::<Vec<_>>()
    });
    described.into_iter().flatten().collect()
}

#[test]
fn kill_9_loses_nothing_acknowledged_and_shows_nothing_by_halves() {
    let kills = usize::try_from(variable("SELVAGE_CRASH_KILLS").unwrap_or(20)).unwrap();
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    let run = variable("SELVAGE_CRASH_SEED").unwrap_or(now.as_secs());
    println!("{kills} kills, SELVAGE_CRASH_SEED={run}");
    let mut random = Documents::new(run);
    // From the disks, every time.
    let settings =
        ProxySettings::new(env!("CARGO_BIN_EXE_proxy")).configure(json!({ "cache": { "bytes": 0 } }));
    let mut proxy = settings.start();
    let (mut all, mut tally) = (Vec::new(), Tally::default());
    for life in 0..kills {
        let lifetime = Duration::from_millis(number(&mut random) % LIFE_MAX_MILLIS);
        let outcome = live(&mut proxy, run, life, lifetime);
        let begin = Instant::now();
        proxy.restart();
        tally.restart_max = tally.restart_max.max(begin.elapsed());
        let (client, names) = (proxy.client(), listed(&proxy.client()));
        // First of all: the name that was being put when the proxy died can be put again at once.
        let committed = for_all(&outcome.unanswered, |attempt| {
            check_unanswered(&client, attempt, names.contains(&name_of(attempt)))
        });
        let committed = committed.into_iter().filter(|&committed| committed).count();
        tally.committed += committed;
        tally.absent += outcome.unanswered.len() - committed;
        for_all(&outcome.acknowledged, |attempt| {
            assert!(names.contains(&name_of(attempt)), "not listed: {}", attempt.path);
            check_acknowledged(&client, attempt);
        });
        tally.acknowledged += outcome.acknowledged.len();
        all.extend(outcome.acknowledged);
        all.extend(outcome.unanswered);
    }
    println!("{tally:?}");
    assert!(tally.acknowledged >= kills && tally.absent > 0, "too little happened: {tally:?}");
    leftovers_are_nobodys_business(&mut proxy, &all);
}

/// What dead uploads left behind costs space and nothing else; and every document has all its blocks, so that any
/// two nodes may be lost even now.
fn leftovers_are_nobodys_business(proxy: &mut ProxyProcess, all: &[Attempt]) {
    let client = proxy.client();
    let expected: BTreeSet<String> = all.iter().map(name_of).collect();
    assert!(listed(&client) == expected, "the archive lists other documents than were put");
    let recorded = blocks_of(&client, all);
    let (stored, temporary) = files_of(proxy);
    let missing: Vec<_> = recorded.difference(&stored).collect();
    assert!(missing.is_empty(), "blocks of committed documents are missing: {missing:?}");
    let orphans = stored.difference(&recorded).count();
    println!(
        "{} documents in {} blocks; left over: {orphans} blocks, {temporary} temporary files",
        all.len(),
        recorded.len()
    );
    for node in [3, 11] {
        std::fs::remove_dir_all(proxy.node_folder(node)).unwrap();
    }
    for_all(all, |attempt| check_acknowledged(&client, attempt));
    let exit = proxy.terminate();
    assert_eq!(exit.code, Some(0), "{}", exit.log);
    assert!(!exit.log.contains("panicked"), "{}", exit.log);
}
