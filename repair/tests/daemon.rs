//! The daemon.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod common;

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use common::{Running, Site, eventually, merge};
use rustix::process::Signal;
use serde_json::{Value, json};

const DAEMON: &[&str] = &["--daemon", "--interval", "1"];

fn ids(site: &Site) -> BTreeSet<String> {
    site.blocks().iter().map(|path| path.file_name().unwrap().to_string_lossy().into_owned()).collect()
}

/// Deletes some blocks; all blocks that there should be.
fn damage(site: &Site) -> BTreeSet<String> {
    let whole = ids(site);
    site.delete_every(13);
    whole
}

fn wait_until_whole(site: &Site, whole: &BTreeSet<String>, running: &Running) {
    eventually(|| ids(site) == *whole, || format!("everything repaired:\n{}", running.log()));
}

fn configure(site: &Site, changes: Value) {
    let path = site.folder.path().join("configuration.json");
    let mut configuration = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    merge(&mut configuration, changes);
    std::fs::write(path, configuration.to_string()).unwrap();
}

#[test]
fn the_daemon_repairs_by_itself_and_stops_when_told() {
    let site = Site::filled(1, 40);
    let daemon = site.start(&["--daemon", "--interval", "1", "--json"]);
    daemon.wait_for("\"leading\"");
    for _ in 0..2 {
        let whole = damage(&site);
        wait_until_whole(&site, &whole, &daemon);
    }
    daemon.signal(Signal::TERM);
    let ended = daemon.wait().expect(0);
    // The last pass may have been stopped in the middle.
    assert!(
        ended.objects_of("repaired").len() > 1 && ended.report()["exit_code"].is_u64(),
        "{}",
        ended.stdout
    );
    assert_eq!(site.unreadable(), [""; 0]);
    assert!(site.repair(&["status"]).expect(0).stdout.contains("leader:   none"));
}

#[test]
fn the_daemon_reads_everything_within_the_deep_period() {
    let site = Site::filled(1, 40);
    configure(&site, json!({ "repair": { "deep_period_s": 4 } }));
    let blocks = site.blocks();
    for path in blocks.iter().step_by(20) {
        let mut bytes = std::fs::read(path).unwrap();
        *bytes.last_mut().unwrap() ^= 1;
        std::fs::write(path, bytes).unwrap();
    }
    // What no audit finds first is met by a repair that reads it for another block's sake.
    let daemon = site.start(DAEMON);
    let healthy = || site.repair(&["--audit", "deep", "--dry-run"]).code == Some(0);
    eventually(healthy, || format!("all repaired:\n{}", daemon.log()));
}

#[test]
fn a_standby_takes_over_from_a_leader_that_dies() {
    let site = Site::filled(1, 40);
    let mut first = site.start(DAEMON);
    first.wait_for("\"leading\"");
    let second = site.start(DAEMON);
    second.wait_for("\"daemon started\"");
    std::thread::sleep(Duration::from_millis(1500));
    assert!(!second.log().contains("\"leading\""), "one leads at a time");
    let status = site.repair(&["status"]).expect(0).stdout;
    assert!(status.contains("1 standing by"), "{status}");
    first.kill9();
    second.wait_for("\"leading\"");
    let whole = damage(&site);
    wait_until_whole(&site, &whole, &second);
}

#[test]
fn a_pause_holds_over_restarts_until_it_is_lifted() {
    let site = Site::filled(1, 40);
    site.repair(&["pause"]).expect(0);
    let whole = damage(&site);
    for _ in 0..2 {
        let mut daemon = site.start(DAEMON);
        daemon.wait_for("\"paused\"");
        std::thread::sleep(Duration::from_millis(1500));
        assert_ne!(ids(&site), whole);
        daemon.kill9();
    }
    let daemon = site.start(DAEMON);
    daemon.wait_for("\"paused\"");
    site.repair(&["resume"]).expect(0);
    wait_until_whole(&site, &whole, &daemon);
}

#[test]
fn a_node_that_is_gone_for_a_moment_is_not_rebuilt() {
    let site = Site::filled(2, 30);
    configure(&site, json!({ "repair": { "grace_ms": 3_600_000 } }));
    let before = ids(&site);
    let aside = site.folder.path().join("aside");
    std::fs::rename(site.node(6), &aside).unwrap();
    let daemon = site.start(DAEMON);
    daemon.wait_for("\"leading\"");
    std::thread::sleep(Duration::from_secs(3));
    assert!(!daemon.log().contains("\"repaired\""), "{}", daemon.log());
    std::fs::rename(aside, site.node(6)).unwrap();
    drop(daemon);
    site.repair(&[]).expect(0);
    assert_eq!(ids(&site), before);
}

#[test]
fn the_metrics_page_tells_what_was_done() {
    let site = Site::filled(1, 40);
    configure(&site, json!({ "repair": { "metrics_listen": "127.0.0.1:0" } }));
    let whole = damage(&site);
    let daemon = site.start(DAEMON);
    daemon.wait_for("\"metrics page\"");
    wait_until_whole(&site, &whole, &daemon);
    let log = daemon.log();
    let line = log.lines().find(|line| line.contains("\"metrics page\"")).unwrap();
    let address = serde_json::from_str::<Value>(line).unwrap()["address"].as_str().unwrap().to_owned();
    let page = || {
        let mut stream = TcpStream::connect(&address).unwrap();
        stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
        let mut page = String::new();
        stream.read_to_string(&mut page).unwrap();
        page
    };
    eventually(
        || page().contains("selvage_repair_passes_total{outcome=\"done\"}"),
        || "a pass done".to_owned(),
    );
    let page = page();
    for line in [
        "selvage_repair_leads 1",
        "selvage_repair_damage_found_total{kind=\"missing\"}",
        "selvage_repair_blocks_repaired_total{method=\"direct\"}",
        "selvage_repair_lost_documents 0",
        "selvage_repair_left 0",
    ] {
        assert!(page.contains(line), "{line} in\n{page}");
    }
}

#[test]
fn a_port_in_use_is_told_before_anything_begins() {
    let site = Site::filled(1, 1);
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    configure(&site, json!({ "repair": { "metrics_listen": address } }));
    let ended = site.repair(DAEMON).expect(1);
    assert!(ended.stderr.contains("repair.metrics_listen"), "{}", ended.stderr);
}
