//! A proxy as a process of its own, on a folder of its own and a free port.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::Client;

/// Longest time until a process serves, or has stopped: long for a busy machine.
const TIME_MAX: Duration = Duration::from_secs(60);

/// How often a process is looked at that should stop.
const LOOK_INTERVAL: Duration = Duration::from_millis(5);

/// What a proxy is to be started with.
#[derive(Debug, Clone)]
pub struct ProxySettings {
    binary: PathBuf,
    configuration: Value,
    environment: Vec<(String, String)>,
}

/// A proxy process. Dropping it kills it, and removes its folder.
#[derive(Debug)]
pub struct ProxyProcess {
    settings: ProxySettings,
    folder: TempDir,
    running: Running,
}

/// How a process ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exit {
    /// Its status; `None` if a signal ended it.
    pub code: Option<i32>,
    /// All that it wrote to standard error.
    pub log: String,
    /// How long it took since it was asked.
    pub took: Duration,
}

/// What belongs to one life of a process.
#[derive(Debug)]
struct Running {
    child: Child,
    address: SocketAddr,
    log: Log,
    collector: Option<JoinHandle<()>>,
}

/// The lines of standard error so far.
#[derive(Debug, Clone, Default)]
struct Log(Arc<Mutex<Vec<String>>>);

impl ProxySettings {
    /// The proxy at this path, which a test of the crate `proxy` has as `env!("CARGO_BIN_EXE_proxy")`.
    #[must_use]
    pub fn new(binary: impl Into<PathBuf>) -> Self {
        let configuration = json!({ "proxy": { "listen": "127.0.0.1:0" } });
        Self { binary: binary.into(), configuration, environment: Vec::new() }
    }

    /// The proxy that was built beside the running test.
    #[must_use]
    pub fn built() -> Self {
        let test = std::env::current_exe().expect("a test knows where it is");
        let folders = test.ancestors().skip(1).take(2);
        let found = folders.map(|folder| folder.join("proxy")).find(|path| path.is_file());
        Self::new(found.unwrap_or_else(|| panic!("no proxy beside {}: cargo build -p proxy", test.display())))
    }

    /// Changes the configuration: what is in `changes` replaces what is there, objects key by key.
    #[must_use]
    pub fn configure(mut self, changes: Value) -> Self {
        merge(&mut self.configuration, changes);
        self
    }

    /// Sets an environment variable.
    #[must_use]
    pub fn environment(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Starts a proxy on a new folder and waits until it serves.
    #[must_use]
    pub fn start(self) -> ProxyProcess {
        let folder = tempfile::tempdir().expect("a folder");
        let running = self.spawn(folder.path());
        ProxyProcess { settings: self, folder, running }
    }

    /// Starts a proxy on a new folder and waits until it has ended by itself.
    #[must_use]
    pub fn run_to_exit(&self) -> Exit {
        let folder = tempfile::tempdir().expect("a folder");
        let begin = Instant::now();
        let output = self.command(folder.path()).output().expect("starts");
        let log = String::from_utf8_lossy(&output.stderr).into_owned();
        Exit { code: output.status.code(), log, took: begin.elapsed() }
    }

    fn command(&self, folder: &Path) -> Command {
        let path = folder.join("configuration.json");
        std::fs::write(&path, self.configuration.to_string()).expect("writes the configuration");
        let mut command = Command::new(&self.binary);
        // What the developer's shell sets is not the test's business.
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("SELVAGE") {
                command.env_remove(name);
            }
        }
        command.arg("--configuration").arg(path).current_dir(folder);
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        command
    }

    fn spawn(&self, folder: &Path) -> Running {
        let mut child = self.command(folder).spawn().expect("starts");
        let stderr = child.stderr.take().expect("standard error is a pipe");
        let log = Log::default();
        let (told, address) = channel();
        let collector = {
            let log = log.clone();
            std::thread::spawn(move || log.collect(stderr, &told))
        };
        let address = wait_for_address(&address, &log, &mut child);
        Running { child, address, log, collector: Some(collector) }
    }
}

fn wait_for_address(address: &Receiver<SocketAddr>, log: &Log, child: &mut Child) -> SocketAddr {
    address.recv_timeout(TIME_MAX).unwrap_or_else(|_| {
        // Without this the process would outlive the test.
        let _ = child.kill();
        panic!("the proxy does not serve:\n{}", log.text())
    })
}

impl Log {
    /// Reads lines until the process closes its end; tells the address when it stands in one.
    fn collect(&self, stderr: ChildStderr, told: &Sender<SocketAddr>) {
        for line in BufReader::new(stderr).lines().map_while(Result::ok) {
            let address = listening(&line);
            self.0.lock().unwrap_or_else(PoisonError::into_inner).push(line);
            // Whoever is told finds the line in the log.
            if let Some(address) = address {
                let _ = told.send(address);
            }
        }
    }

    fn text(&self) -> String {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).join("\n")
    }
}

/// The address in a line of the log that says that the proxy serves.
fn listening(line: &str) -> Option<SocketAddr> {
    let line: Value = serde_json::from_str(line).ok()?;
    if line.get("message")?.as_str()? != "listening" {
        return None;
    }
    line.get("address")?.as_str()?.parse().ok()
}

impl ProxyProcess {
    /// Where it serves.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.running.address
    }

    /// A client of it.
    #[must_use]
    pub fn client(&self) -> Client {
        Client::new(self.running.address)
    }

    /// The folder of its configuration; the archive is in `data`.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The folder of directory node `number`, from 1.
    #[must_use]
    pub fn node_folder(&self, number: usize) -> PathBuf {
        self.folder.path().join(format!("data/nodes/storage-node-{number}"))
    }

    /// All that it has written to standard error.
    #[must_use]
    pub fn log(&self) -> String {
        self.running.log.text()
    }

    /// The most memory that it has held, in bytes; `None` where the system does not tell.
    #[must_use]
    pub fn peak_memory(&self) -> Option<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.running.child.id())).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
        line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok().map(|kib| kib * 1024)
    }

    /// Ends it without warning, as a crash would.
    pub fn kill9(&mut self) {
        self.running.kill();
    }

    /// Asks it to stop, as the system does (SIGTERM), without waiting.
    pub fn ask_to_stop(&self) {
        self.running.signal(Signal::TERM);
    }

    /// Asks it to stop and waits until it has.
    pub fn terminate(&mut self) -> Exit {
        let begin = Instant::now();
        self.ask_to_stop();
        let exit = self.wait();
        Exit { took: begin.elapsed(), ..exit }
    }

    /// Waits until it has ended.
    pub fn wait(&mut self) -> Exit {
        self.running.wait()
    }

    /// Starts it again on the same folder, on another port; kills it first if it still runs.
    pub fn restart(&mut self) {
        self.running.kill();
        self.running = self.settings.spawn(self.folder.path());
    }

    /// As [`ProxyProcess::restart`], with the configuration changed.
    pub fn restart_with(&mut self, changes: Value) {
        merge(&mut self.settings.configuration, changes);
        self.restart();
    }
}

impl Running {
    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).expect("the process is there");
    }

    fn wait(&mut self) -> Exit {
        let begin = Instant::now();
        let status = loop {
            if let Some(status) = self.child.try_wait().expect("the process can be waited for") {
                break status;
            }
            assert!(begin.elapsed() < TIME_MAX, "the proxy does not stop:\n{}", self.log.text());
            std::thread::sleep(LOOK_INTERVAL);
        };
        if let Some(collector) = self.collector.take() {
            let _ = collector.join();
        }
        Exit { code: status.code(), log: self.log.text(), took: begin.elapsed() }
    }

    fn kill(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if let Some(collector) = self.collector.take() {
            let _ = collector.join();
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.kill();
        if std::thread::panicking() {
            // The harness shows it beside the failure.
            use std::io::Write;
            let _ = writeln!(std::io::stderr(), "--- the proxy's log\n{}\n---", self.log.text());
        }
    }
}

/// Puts `changes` into `value`: objects key by key, anything else whole.
fn merge(value: &mut Value, changes: Value) {
    match (value, changes) {
        (Value::Object(value), Value::Object(changes)) => {
            for (key, change) in changes {
                merge(value.entry(key).or_insert(Value::Null), change);
            }
        }
        (value, change) => *value = change,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn configurations_are_changed_key_by_key() {
        let mut value = json!({ "a": { "b": 1, "c": [1] }, "d": 2 });
        merge(&mut value, json!({ "a": { "c": [2], "e": { "f": 3 } } }));
        assert_eq!(value, json!({ "a": { "b": 1, "c": [2], "e": { "f": 3 } }, "d": 2 }));
    }

    #[test]
    fn the_address_is_read_from_the_log() {
        let line = r#"{"timestamp":"x","level":"INFO","message":"listening","address":"127.0.0.1:4711"}"#;
        assert_eq!(listening(line), Some(([127, 0, 0, 1], 4711).into()));
        assert_eq!(listening(&line.replace("listening", "hearing")), None);
        assert_eq!(listening("panicked"), None);
    }
}
