//! An archive of SQLite and folders in a folder of its own, filled in this process, and the program `repair` on it.
#![allow(dead_code, missing_docs, unreachable_pub, reason = "each test uses a part")]

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use archive::{Archive, NodeParts, Parts, Settings};
use config::Configuration;
use runtime::backends;
use serde_json::{Value, json};
use tempfile::TempDir;
use testkit::Documents;
use testkit::cluster;
use types::{ArchiveId, SystemClock, Timestamp};

/// Longest wait for anything: long for a busy machine.
pub const TIME_MAX: Duration = Duration::from_secs(60);

/// An archive's folder.
pub struct Site {
    pub folder: TempDir,
    pub runtime: tokio::runtime::Runtime,
    /// What was put, by name.
    pub documents: BTreeMap<String, Vec<u8>>,
}

/// How the program ended.
#[derive(Debug)]
pub struct Ended {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Ended {
    pub fn of(output: Output) -> Self {
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        Self { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
    }

    #[track_caller]
    pub fn expect(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{}\n{}", self.stdout, self.stderr);
        self
    }

    /// Standard output as objects, of which every line must be one.
    pub fn objects(&self) -> Vec<Value> {
        let object = |line: &str| {
            let value: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{line}: {error}"));
            assert!(value["type"].is_string(), "{line}");
            value
        };
        self.stdout.lines().map(object).collect()
    }

    pub fn objects_of(&self, kind: &str) -> Vec<Value> {
        self.objects().into_iter().filter(|object| object["type"] == kind).collect()
    }

    #[track_caller]
    pub fn report(&self) -> Value {
        self.objects_of("report")
            .pop()
            .unwrap_or_else(|| panic!("no report: {}\n{}", self.stdout, self.stderr))
    }
}

impl Site {
    /// An empty archive with so many copies of a block.
    pub fn new(copies: usize) -> Self {
        Self::with(json!({ "storage": { "replication_factor": copies } }))
    }

    pub fn with(changes: Value) -> Self {
        let mut configuration = json!({
            "archive": { "min_block": 1024, "max_block": 16384 },
            "storage": { "nodes": 16 },
        });
        merge(&mut configuration, changes);
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("configuration.json"), configuration.to_string()).unwrap();
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        Self { folder, runtime, documents: BTreeMap::new() }
    }

    pub fn filled(copies: usize, documents: usize) -> Self {
        let mut site = Self::new(copies);
        site.fill("document", documents);
        site
    }

    pub fn configuration(&self) -> Configuration {
        Configuration::load(&self.folder.path().join("configuration.json"), std::iter::empty()).unwrap()
    }

    pub fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    pub fn node(&self, number: usize) -> PathBuf {
        self.data().join(format!("nodes/storage-node-{number}"))
    }

    /// Opens the archive in this process.
    pub fn open(&self) -> Archive {
        let configuration = self.configuration();
        self.runtime.block_on(async {
            let create = ArchiveId::from_bytes([0xa5; 16]);
            let now = Timestamp::from(std::time::SystemTime::now());
            let backends = backends::open(&configuration, create, now, 1).await.unwrap();
            let part = |node: backends::StorageNode| NodeParts {
                name: node.name,
                zone: node.zone,
                store: node.store,
            };
            let parts = Parts {
                nodes: backends.nodes.into_iter().map(part).collect(),
                metadata: backends.metadata,
                coordinator: backends.coordinator,
                clock: Arc::new(SystemClock),
                pool: backends.pool,
                address: "a test".to_owned(),
                seed: None,
            };
            let settings = Settings { cache_bytes: 0, ..Settings::from_configuration(&configuration) };
            Archive::open(settings, parts).await.unwrap()
        })
    }

    pub fn close(&self, archive: &Archive) {
        self.runtime.block_on(archive.close());
    }

    /// Puts so many documents of a few lengths, `<prefix>/0` and so on.
    pub fn fill(&mut self, prefix: &str, count: usize) {
        let archive = self.open();
        let mut documents = Documents::new(7);
        for number in 0..count {
            // One to a few blocks; every tenth has several segments.
            let length = if number % 10 == 9 { 50_000 } else { 500 + 397 * (number % 23) };
            let (name, bytes) = (format!("{prefix}/{number}"), documents.random(length));
            self.runtime.block_on(cluster::put(&archive, &name, &bytes)).unwrap();
            self.documents.insert(name, bytes);
        }
        self.close(&archive);
    }

    /// Names of documents that cannot be read; one that reads as something else fails the test.
    pub fn unreadable(&self) -> Vec<String> {
        let archive = self.open();
        let read =
            |(name, bytes): (&String, &Vec<u8>)| match self.runtime.block_on(cluster::get(&archive, name)) {
                Ok(read) => {
                    assert!(read == *bytes, "{name} reads as something else");
                    None
                }
                Err(_) => Some(name.clone()),
            };
        let unreadable = self.documents.iter().filter_map(read).collect();
        self.close(&archive);
        unreadable
    }

    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_repair"));
        // What the developer's shell sets is not the test's business.
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("SELVAGE") {
                command.env_remove(name);
            }
        }
        command.current_dir(self.folder.path()).stdin(Stdio::null());
        command.args(arguments);
        command
    }

    /// Runs the program to its end.
    pub fn repair(&self, arguments: &[&str]) -> Ended {
        Ended::of(self.command(arguments).output().unwrap())
    }

    /// Starts the program.
    pub fn start(&self, arguments: &[&str]) -> Running {
        let mut child =
            self.command(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let (log, out) = (Lines::default(), Lines::default());
        let readers = vec![log.read(child.stderr.take().unwrap()), out.read(child.stdout.take().unwrap())];
        Running { child, log, out, readers }
    }

    /// Deletes everything in a node's folder, its marker too.
    pub fn empty_node(&self, number: usize) {
        std::fs::remove_dir_all(self.node(number)).unwrap();
        std::fs::create_dir(self.node(number)).unwrap();
    }

    /// Deletes every `step`th block, but of no codeword the last one: whatever pointed-at blocks are lost too, it then
    /// decodes after them, and everything comes back. Returns which they were.
    pub fn delete_every(&self, step: usize) -> Vec<PathBuf> {
        let blocks = self.blocks();
        let mut left: BTreeMap<String, usize> = BTreeMap::new();
        for path in &blocks {
            *left.entry(codeword(path)).or_default() += 1;
        }
        let mut deleted = Vec::new();
        for path in blocks.into_iter().step_by(step) {
            let left = left.get_mut(&codeword(&path)).unwrap();
            if *left > 1 {
                *left -= 1;
                std::fs::remove_file(&path).unwrap();
                deleted.push(path);
            }
        }
        deleted
    }

    /// The files of all blocks.
    pub fn blocks(&self) -> Vec<PathBuf> {
        let mut files = Vec::new();
        for node in 1..=16 {
            let blocks = self.node(node).join("blocks");
            let Ok(folders) = std::fs::read_dir(blocks) else { continue };
            for folder in folders {
                let entries = std::fs::read_dir(folder.unwrap().path()).unwrap();
                files.extend(entries.map(|entry| entry.unwrap().path()));
            }
        }
        files.sort();
        files
    }

    /// Node and name of every block, and what it holds.
    pub fn inventory(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        let blocks = self.blocks();
        blocks.into_iter().map(|path| (path.clone(), std::fs::read(path).unwrap())).collect()
    }
}

/// Lines as they come.
#[derive(Debug, Clone, Default)]
struct Lines(Arc<Mutex<Vec<String>>>);

impl Lines {
    fn read(&self, pipe: impl Read + Send + 'static) -> JoinHandle<()> {
        let lines = Arc::clone(&self.0);
        std::thread::spawn(move || {
            for line in BufReader::new(pipe).lines().map_while(Result::ok) {
                lines.lock().unwrap().push(line);
            }
        })
    }

    fn text(&self) -> String {
        self.0.lock().unwrap().join("\n")
    }
}

/// The program while it runs. Dropping it kills it.
pub struct Running {
    child: Child,
    log: Lines,
    out: Lines,
    readers: Vec<JoinHandle<()>>,
}

impl Running {
    pub fn log(&self) -> String {
        self.log.text()
    }

    /// What it wrote to standard output so far.
    pub fn out(&self) -> String {
        self.out.text()
    }

    /// Waits until a line of the log holds this.
    #[track_caller]
    pub fn wait_for(&self, text: &str) {
        let log = || self.log();
        eventually(|| log().contains(text), || format!("{text:?} in\n{}", log()));
    }

    pub fn kill9(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    pub fn signal(&self, signal: rustix::process::Signal) {
        rustix::process::kill_process(rustix::process::Pid::from_child(&self.child), signal).unwrap();
    }

    /// Waits for its end.
    pub fn wait(mut self) -> Ended {
        let status = self.child.wait().unwrap();
        for reader in std::mem::take(&mut self.readers) {
            reader.join().unwrap();
        }
        Ended { code: status.code(), stdout: self.out(), stderr: self.log() }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.kill9();
        if std::thread::panicking() {
            eprintln!("--- the log\n{}\n---", self.log());
        }
    }
}

/// A block's document and segment.
fn codeword(path: &Path) -> String {
    path.file_stem().unwrap().to_string_lossy().into_owned()
}

/// Waits until something holds.
#[track_caller]
pub fn eventually(mut condition: impl FnMut() -> bool, what: impl Fn() -> String) {
    let begin = Instant::now();
    while !condition() {
        assert!(begin.elapsed() < TIME_MAX, "never: {}", what());
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Puts `changes` into `value`: objects key by key, anything else whole.
pub fn merge(value: &mut Value, changes: Value) {
    match (value, changes) {
        (Value::Object(value), Value::Object(changes)) => {
            for (key, change) in changes {
                merge(value.entry(key).or_insert(Value::Null), change);
            }
        }
        (value, change) => *value = change,
    }
}

/// Whether a path is of a node.
pub fn is_of(path: &Path, node: usize) -> bool {
    path.components().any(|part| part.as_os_str() == format!("storage-node-{node}").as_str())
}
