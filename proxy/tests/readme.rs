//! Every command of the README, run as it stands there.
//!
//! All `sh` blocks are run, in order, by `bash -e` in one scratch folder that holds what a checkout has there:
//! `configuration.json` and `scripts`. What a block writes to standard output is compared with its lines that begin
//! with `#>`, in which `...` stands for anything. Three things are not as a reader has them:
//!
//! - `cargo` is a stand-in. Asked for `run --release --locked` it becomes the proxy that was built for the tests,
//!   with the environment that the block gives it, and nothing else. Of anything else (building, running the tests
//!   of which this is one) it writes down what it was asked for, but for `-p repair`, which it runs likewise.
//! - `SELVAGE__PROXY__LISTEN` has the proxy listen on a free port, and `http://localhost:3000` in the blocks becomes
//!   that.
//! - A block that starts the archive goes on in the background, as in a terminal of its own; the next one that does,
//!   or the end, sends it SIGINT, which is `Ctrl-C`.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may panic")]

use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use serde_json::Value;

const TIME_MAX: Duration = Duration::from_secs(60);

/// What starts the archive, in the README.
const START: &str = "cargo run --release --locked";

/// What `cargo` is while the README runs.
const CARGO: &str = r#"#!/bin/sh
if [ "$*" = "run --release --locked" ]; then
  exec "$SELVAGE_TEST_PROXY"
fi
case "$*" in "run --release --locked -p repair"*)
  shift 5
  if [ "$1" = "--" ]; then shift; fi
  exec "$SELVAGE_TEST_REPAIR" "$@"
esac
echo "$*" >> "$SELVAGE_TEST_ASKED"
"#;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// The program `repair`, built where the proxy was: it is another crate's, so cargo does not build it for this test.
fn repair() -> PathBuf {
    let profile = Path::new(env!("CARGO_BIN_EXE_proxy")).parent().unwrap();
    let target = profile.parent().unwrap();
    let built = Command::new(env!("CARGO"))
        .args(["build", "--quiet", "--locked", "-p", "repair", "--target-dir"])
        .arg(target)
        .current_dir(root())
        .status()
        .unwrap();
    assert!(built.success());
    profile.join("repair")
}

/// The fenced blocks of a text: what follows the fence, and the lines.
fn blocks(text: &str) -> Vec<(String, String)> {
    let mut blocks = Vec::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        let Some(language) = line.strip_prefix("```") else { continue };
        let block: Vec<&str> = lines.by_ref().take_while(|line| *line != "```").collect();
        blocks.push((language.to_owned(), block.join("\n")));
    }
    blocks
}

/// What a block says that it writes.
fn promised(block: &str) -> Vec<&str> {
    block.lines().filter_map(|line| line.strip_prefix("#> ")).collect()
}

/// Whether a line is as promised, `...` standing for anything.
fn keeps(promise: &str, line: &str) -> bool {
    let mut pieces = promise.split("...");
    let Some(mut rest) = line.strip_prefix(pieces.next().unwrap_or_default()) else { return false };
    let mut open = false;
    for piece in pieces {
        open = piece.is_empty();
        let Some((_, after)) = rest.split_once(piece) else { return false };
        rest = after;
    }
    open || rest.is_empty()
}

/// The folder in which the README runs.
struct Scratch {
    folder: tempfile::TempDir,
    /// The program `repair`.
    repair: PathBuf,
    running: Option<Child>,
    address: String,
    lives: usize,
}

impl Scratch {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let scratch = Self { folder, repair: repair(), running: None, address: String::new(), lives: 0 };
        fs::copy(root().join("configuration.json"), scratch.path("configuration.json")).unwrap();
        for name in ["bin", "scripts"] {
            fs::create_dir(scratch.path(name)).unwrap();
        }
        for script in fs::read_dir(root().join("scripts")).unwrap() {
            let script = script.unwrap();
            fs::copy(script.path(), scratch.path("scripts").join(script.file_name())).unwrap();
        }
        let cargo = scratch.path("bin/cargo");
        fs::write(&cargo, CARGO).unwrap();
        fs::set_permissions(&cargo, fs::Permissions::from_mode(0o755)).unwrap();
        scratch
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn bash(&self, block: &str) -> Command {
        let path = std::env::var("PATH").unwrap();
        let mut command = Command::new("bash");
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("SELVAGE") {
                command.env_remove(name);
            }
        }
        command
            .args(["-e", "-o", "pipefail", "-c", block])
            .current_dir(self.folder.path())
            .env("PATH", format!("{}:{path}", self.path("bin").display()))
            .env("SELVAGE_TEST_PROXY", env!("CARGO_BIN_EXE_proxy"))
            .env("SELVAGE_TEST_REPAIR", &self.repair)
            .env("SELVAGE_TEST_ASKED", self.path("asked"))
            .env("SELVAGE__PROXY__LISTEN", "127.0.0.1:0")
            .stdin(Stdio::null());
        command
    }

    /// Runs a block that starts the archive, and waits until that serves.
    fn start(&mut self, block: &str) {
        self.stop();
        self.lives += 1;
        let log = self.path(&format!("log-{}", self.lives));
        // The last command of `bash -c` takes the place of the shell, so that the signal reaches the proxy.
        let child = self.bash(block).stderr(File::create(&log).unwrap()).spawn().unwrap();
        self.running = Some(child);
        let begin = Instant::now();
        self.address = loop {
            let text = fs::read_to_string(&log).unwrap();
            if let Some(address) = text.lines().find_map(listening) {
                break address;
            }
            assert!(begin.elapsed() < TIME_MAX, "the archive does not serve:\n{text}");
            sleep(Duration::from_millis(10));
        };
    }

    /// `Ctrl-C`.
    fn stop(&mut self) {
        let Some(mut child) = self.running.take() else { return };
        let interrupted = Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
        assert!(interrupted.success());
        let status = child.wait().unwrap();
        assert!(status.success(), "the archive ended with {status}");
    }

    /// Runs a block to its end, and compares what it writes with what it promises.
    fn run(&self, block: &str) {
        let command = block.replace("http://localhost:3000", &format!("http://{}", self.address));
        let output = self.bash(&command).output().unwrap();
        let (written, complaints) =
            (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "{block}\n--- {}\n{written}{complaints}", output.status);
        let promised = promised(block);
        let kept = promised.len() == written.lines().count()
            && promised.iter().zip(written.lines()).all(|(promise, line)| keeps(promise, line));
        assert!(kept, "{block}\n--- wrote\n{written}\n--- and\n{complaints}");
    }

    /// What `cargo` was asked for, beside running the archive.
    fn asked(&self) -> String {
        fs::read_to_string(self.path("asked")).unwrap_or_default()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if let Some(child) = &mut self.running {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// The address in the line of the log that says that the archive serves.
fn listening(line: &str) -> Option<String> {
    let line: Value = serde_json::from_str(line).ok()?;
    let is = line.get("message")?.as_str()? == "listening";
    is.then(|| line.get("address").and_then(Value::as_str).map(str::to_owned))?
}

#[test]
fn every_command_of_the_readme_does_what_it_says() {
    let text = fs::read_to_string(root().join("README.md")).unwrap();
    let mut scratch = Scratch::new();
    let mut ran = 0;
    for (language, block) in blocks(&text) {
        assert_eq!(language, "sh", "a block that no test runs:\n{block}");
        if block.lines().any(|line| line.ends_with(START)) {
            assert!(block.ends_with(START), "what comes after is never reached:\n{block}");
            scratch.start(&block);
        } else {
            scratch.run(&block);
        }
        ran += 1;
        // Shown by `--nocapture`, and when it fails.
        writeln!(std::io::stdout(), "ran:\n{block}\n").unwrap();
    }
    scratch.stop();
    assert!(ran >= 9, "only {ran} blocks were found");
    // The two commands: one ran the archive above; the other runs the tests, all of them.
    let asked = scratch.asked();
    assert!(
        asked.lines().any(|line| line.starts_with("nextest run --locked") && line.ends_with("--workspace"))
    );
    assert!(asked.contains("test --doc --workspace"), "{asked}");
}

#[test]
fn promises_are_compared_with_what_is_written() {
    assert!(keeps("a b", "a b"));
    assert!(!keeps("a b", "a b c") && !keeps("a b", "x a b"));
    assert!(keeps("a ...", "a b c") && keeps("a...c", "a b c") && keeps("...", ""));
    assert!(!keeps("a...d", "a b c") && !keeps("a...b", "a b c"));
}

#[test]
fn the_files_that_the_readme_links_to_are_there() {
    let text = fs::read_to_string(root().join("README.md")).unwrap();
    let links: Vec<&str> =
        text.split("](").skip(1).filter_map(|rest| rest.split_once(')').map(|(link, _)| link)).collect();
    assert!(links.len() >= 5);
    for link in links {
        assert!(root().join(link).is_file(), "{link}");
    }
}
