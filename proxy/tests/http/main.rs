//! The proxy over real HTTP: its binary, the embedded backends, a folder and a port of its own for every test.

#![allow(
    clippy::panic,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod conditions;
mod configuration;
mod curl;
mod damage;
mod get;
mod lifecycle;
mod limits;
mod list;
mod meta;
mod names;
mod put;
mod ranges;
mod service;

use std::time::{Duration, Instant};

use serde_json::json;
use testkit::{Client, ProxyProcess, ProxySettings};

/// The built proxy with the embedded default, but for the port.
fn settings() -> ProxySettings {
    ProxySettings::new(env!("CARGO_BIN_EXE_proxy"))
}

/// The same with segments of 64 KiB, so that small documents have several.
fn small_segments() -> ProxySettings {
    settings().configure(json!({ "archive": { "max_block": 65536 } }))
}

fn start() -> ProxyProcess {
    settings().start()
}

/// The names of the first page of the listing.
fn names(client: &Client) -> Vec<String> {
    let listing = client.get("/").json();
    let files = listing["files"].as_array().unwrap();
    files.iter().map(|file| file["path"].as_str().unwrap().to_owned()).collect()
}

/// Waits until something is so.
fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    let begin = Instant::now();
    while !is_so() {
        assert!(begin.elapsed() < Duration::from_secs(20), "never: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}
