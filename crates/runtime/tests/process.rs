//! What a binary looks like from outside: exit status, standard error, signals.
//!
//! The binary is this test itself, started again with its part in the environment.

#![allow(clippy::panic, clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::ffi::OsString;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, ExitCode, Stdio};
use std::time::Duration;

use clap::Parser;
use runtime::{ExitStatus, Options};
use serde_json::Value;

/// Set for the process that plays the binary: its arguments, separated by spaces.
const ARGUMENTS: &str = "RUNTIME_TEST_ARGUMENTS";

/// A binary of a test.
#[derive(Parser)]
struct Arguments {
    #[command(flatten)]
    common: Options,
    /// What it does.
    #[arg(long, default_value = "end")]
    part: String,
}

impl AsRef<Options> for Arguments {
    fn as_ref(&self) -> &Options {
        &self.common
    }
}

/// Plays the binary if this is the process that should.
#[test]
fn binary() {
    let Ok(given) = std::env::var(ARGUMENTS) else { return };
    let arguments = ["binary"].into_iter().chain(given.split_whitespace()).map(OsString::from);
    let code = runtime::run_from(arguments, async |arguments: Arguments, configuration| {
        match arguments.part.as_str() {
            "end" => Ok(ExitStatus::Ok),
            "fail" => Err(types::Error::new(types::ErrorKind::Unavailable, "node-1", "is down").into()),
            "panic" => tokio::spawn(async { panic!("a defect") }).await.map_err(Into::into),
            part => {
                let stop = runtime::shutdown()?;
                tracing::info!(address = %configuration.proxy.listen, "listening");
                let signal = stop.await;
                tracing::info!(signal = signal.as_str(), "draining");
                if part == "hang" {
                    tokio::time::sleep(Duration::from_secs(60)).await;
                }
                Ok(ExitStatus::Ok)
            }
        }
    });
    // The test harness would turn any failure into its own.
    let codes = [ExitStatus::Ok, ExitStatus::Failed, ExitStatus::Usage, ExitStatus::Configuration];
    let code = codes.into_iter().find(|status| ExitCode::from(*status) == code).map_or(99, ExitStatus::code);
    std::process::exit(code.into());
}

struct Running {
    child: Child,
    stderr: BufReader<ChildStderr>,
}

impl Running {
    fn start(arguments: &str, configuration: &Path, environment: &[(&str, &str)]) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "binary", "--nocapture"])
            .env(ARGUMENTS, arguments)
            .env("SELVAGE_CONFIGURATION", configuration)
            .envs(environment.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        Self { child, stderr }
    }

    /// The next line of the log.
    fn event(&mut self) -> Value {
        let mut line = String::new();
        self.stderr.read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("{line:?}: {error}"))
    }

    fn event_with(&mut self, message: &str) -> Value {
        loop {
            let event = self.event();
            if event["message"] == message {
                return event;
            }
        }
    }

    fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-s", name, &pid]).status().unwrap().success());
    }

    /// Its exit code and what is left of standard error.
    fn end(mut self) -> (i32, String) {
        let mut rest = String::new();
        self.stderr.read_to_string(&mut rest).unwrap();
        (self.child.wait().unwrap().code().unwrap(), rest)
    }
}

fn shipped() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../configuration.json")
}

#[test]
fn a_binary_that_did_its_work_ends_with_0_and_says_nothing() {
    assert_eq!(Running::start("", &shipped(), &[]).end(), (0, String::new()));
}

#[test]
fn a_refused_configuration_ends_with_64_and_names_every_problem() {
    let environment = [("SELVAGE__CACHE__BYTES", "much"), ("SELVAGE__PROXY__LISTNE", "x")];
    let (code, told) = Running::start("", &shipped(), &environment).end();
    assert_eq!(code, 64, "{told}");
    for part in ["cache.bytes", "\"much\"", "a whole number from 0", "proxy.listne", "proxy.listen"] {
        assert!(told.contains(part), "{told}");
    }
}

#[test]
fn a_missing_configuration_ends_with_64_and_names_it() {
    let (code, told) = Running::start("", Path::new("/no/such.json"), &[]).end();
    assert_eq!(code, 64, "{told}");
    assert!(told.contains("/no/such.json"), "{told}");
}

#[test]
fn the_option_comes_before_the_environment() {
    let arguments = format!("--configuration {}", shipped().display());
    assert_eq!(Running::start(&arguments, Path::new("/no/such.json"), &[]).end().0, 0);
}

#[test]
fn arguments_that_make_no_sense_end_with_2() {
    for arguments in ["--colour red", "--log archive=loud"] {
        let (code, told) = Running::start(arguments, &shipped(), &[]).end();
        assert_eq!(code, 2, "{told}");
    }
    assert_eq!(Running::start("--help", &shipped(), &[]).end().0, 0);
}

#[test]
fn work_that_fails_ends_with_1_and_logs_why() {
    let mut running = Running::start("--part fail", &shipped(), &[]);
    let event = running.event();
    assert_eq!(event["level"], "ERROR");
    assert_eq!(event["message"], "failed");
    assert_eq!(event["error"], "node-1: is down (unavailable)");
    assert_eq!(running.end().0, 1);
}

#[test]
fn a_panic_is_a_line_of_the_log() {
    let mut running = Running::start("--part panic", &shipped(), &[]);
    let event = running.event_with("panicked");
    assert_eq!(event["reason"], "a defect");
    assert!(event["location"].as_str().unwrap().contains("process.rs"));
    assert_eq!(running.end().0, 1);
}

#[test]
fn a_signal_stops_and_the_log_has_fields_beside_the_message() {
    for name in ["TERM", "INT"] {
        let mut running =
            Running::start("--part serve", &shipped(), &[("SELVAGE__PROXY__LISTEN", "[::1]:0")]);
        assert_eq!(running.event_with("listening")["address"], "[::1]:0");
        running.signal(name);
        assert_eq!(running.event_with("draining")["signal"], format!("SIG{name}"));
        assert_eq!(running.end().0, 0);
    }
}

#[test]
fn a_second_signal_exits_at_once_with_130() {
    let mut running = Running::start("--part hang", &shipped(), &[]);
    running.event_with("listening");
    running.signal("TERM");
    running.event_with("draining");
    running.signal("INT");
    assert_eq!(running.end().0, 130);
}

#[test]
fn the_filter_decides_what_is_logged() {
    assert_eq!(Running::start("--part fail --log off", &shipped(), &[]).end(), (1, String::new()));
    assert_eq!(
        Running::start("--part fail", &shipped(), &[("SELVAGE_LOG", "off")]).end(),
        (1, String::new())
    );
}
