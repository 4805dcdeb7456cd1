//! Damage, and what the program makes of it.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod common;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use common::Site;
use rustix::process::Signal;
use serde_json::Value;

fn id(path: &Path) -> String {
    path.file_name().unwrap().to_string_lossy().into_owned()
}

fn texts(objects: &[Value], key: &str) -> BTreeSet<String> {
    objects.iter().map(|object| object[key].as_str().unwrap().to_owned()).collect()
}

#[test]
fn an_emptied_node_is_made_good_elsewhere() {
    for copies in [1, 3] {
        let site = Site::filled(copies, 60);
        let before = site.inventory();
        site.empty_node(5);
        let ended = site.repair(&["--json"]).expect(0);
        let lost = before.keys().filter(|path| common::is_of(path, 5)).count();
        let repaired = ended.objects_of("repaired");
        assert_eq!(repaired.len(), lost, "at {copies} copies");
        assert_eq!(ended.report()["repair"]["copies"], lost, "at {copies} copies");
        let method = if copies == 1 { "direct" } else { "replica" };
        assert!(repaired.iter().all(|block| block["method"] == method), "at {copies} copies: {repaired:#?}");
        assert_eq!(site.inventory().len(), before.len());
        assert_eq!(site.unreadable(), [""; 0]);
        assert_eq!(
            site.repair(&["--json", "--audit", "deep"]).expect(0).report()["audit"]["counts"]["findings"],
            0
        );
    }
}

#[test]
fn a_dry_run_tells_the_plan_and_changes_nothing() {
    let site = Site::filled(1, 60);
    let (whole, export) = (site.inventory(), site.repair(&["--export"]).expect(0).stdout);
    let deleted = site.delete_every(17);
    let before = site.inventory();
    let ended = site.repair(&["--dry-run", "--json"]).expect(3);
    assert_eq!(site.inventory(), before);
    assert_eq!(site.repair(&["--export"]).expect(0).stdout, export);
    let planned = ended.objects_of("planned");
    assert_eq!(texts(&planned, "id"), deleted.iter().map(|path| id(path)).collect());
    let number = |block: &Value, key: &str| block[key].as_i64().unwrap();
    let order: Vec<_> =
        planned.iter().map(|block| (number(block, "round"), number(block, "margin"))).collect();
    assert!(order.is_sorted(), "in each round the most endangered first: {order:?}");
    let plan = ended.objects_of("plan").pop().unwrap();
    assert_eq!(plan["blocks"], deleted.len());
    assert!(
        plan["bytes_read"].as_u64().unwrap() > 0 && plan["bytes_written"].as_u64().unwrap() > 0,
        "{plan}"
    );
    assert!(site.repair(&["--dry-run"]).expect(3).stdout.contains("to read"));
    site.repair(&[]).expect(0);
    let restored = site.inventory();
    assert_eq!(restored.values().collect::<Vec<_>>().len(), whole.len());
    assert_eq!(site.unreadable(), [""; 0]);
}

#[test]
fn only_what_is_named_is_repaired() {
    let mut site = Site::filled(1, 20);
    site.fill("papers", 20);
    site.delete_every(9);
    let damaged = texts(&site.repair(&["--dry-run", "--json"]).expect(3).objects_of("planned"), "document");
    let named = damaged.iter().find(|name| name.starts_with("document/")).unwrap();
    let ended = site.repair(&["--json", "--document", named]).expect(0);
    assert!(!ended.objects_of("repaired").is_empty());
    let left = texts(&site.repair(&["--dry-run", "--json"]).expect(3).objects_of("planned"), "document");
    assert_eq!(left, damaged.iter().filter(|name| *name != named).cloned().collect());
    site.repair(&["--document", "papers/"]).expect(0);
    let left = texts(&site.repair(&["--dry-run", "--json"]).expect(3).objects_of("planned"), "document");
    assert!(left.iter().all(|name| name.starts_with("document/")), "{left:?}");
    let keys: Vec<String> = (0..9).map(|block| format!("{}-{block:02}", left.first().unwrap())).collect();
    let keys: Vec<&str> = keys.iter().take(3).map(String::as_str).collect();
    assert!(
        !site.repair(&[&["--json"], keys.as_slice()].concat()).expect(0).objects_of("repaired").is_empty()
    );
    site.repair(&[]).expect(0);
}

#[test]
fn a_lying_node_is_caught_by_a_deep_audit_without_false_alarm() {
    let site = Site::filled(2, 80);
    let before = site.inventory();
    let mine: Vec<&PathBuf> = before.keys().filter(|path| common::is_of(path, 3)).collect();
    let mut lies: [BTreeSet<String>; 3] = Default::default();
    for (number, path) in mine.iter().enumerate() {
        let mut bytes = before[*path].clone();
        match number % 10 {
            0 => {
                let middle = bytes.len() * 2 / 3;
                bytes[middle] ^= 0x10;
            }
            3 => bytes.truncate(bytes.len() / 2),
            // Another block's bytes.
            6 => bytes = before[mine[(number + 1) % mine.len()]].clone(),
            _ => continue,
        }
        lies[number % 10 / 3].insert(id(path));
        std::fs::write(path, bytes).unwrap();
    }
    let ended = site.repair(&["--json", "--dry-run", "--audit", "deep"]).expect(3);
    let findings = ended.objects_of("finding");
    assert!(findings.iter().all(|finding| finding["node"] == "storage-node-3"), "{findings:#?}");
    for (kind, lies) in ["corrupt", "truncated", "foreign"].iter().zip(&lies) {
        let found: Vec<Value> = findings.iter().filter(|finding| finding["kind"] == *kind).cloned().collect();
        assert_eq!(texts(&found, "id"), *lies, "{kind}");
    }
    assert_eq!(findings.len(), lies.iter().map(BTreeSet::len).sum::<usize>());
    site.repair(&["--audit", "deep"]).expect(0);
    assert_eq!(site.unreadable(), [""; 0]);
    assert_eq!(
        site.repair(&["--json", "--audit", "deep"]).expect(0).report()["audit"]["counts"]["findings"],
        0
    );
}

#[test]
fn what_is_lost_for_good_is_named_and_the_rest_comes_back() {
    let site = Site::filled(1, 120);
    let blocks = site.blocks();
    // Two of three: far more than the codewords make up for.
    for path in blocks.iter().enumerate().filter(|(number, _)| number % 3 != 0).map(|(_, path)| path) {
        std::fs::remove_file(path).unwrap();
    }
    let ended = site.repair(&["--json"]).expect(4);
    let losses = ended.objects_of("loss");
    let named = texts(&losses, "document");
    assert_eq!(named, site.unreadable().into_iter().collect());
    assert!(!named.is_empty());
    assert!(
        losses.iter().all(|loss| loss["for_good"] == true && !loss["missing"].as_array().unwrap().is_empty())
    );
    assert_eq!(ended.report()["lost_documents"], named.len());
    let status = site.repair(&["status"]).expect(0).stdout;
    assert!(named.iter().all(|name| status.contains(name.as_str())), "{status}");
    site.repair(&["--dry-run"]).expect(4);
}

#[test]
fn nodes_that_do_not_answer_are_not_empty() {
    let site = Site::filled(1, 30);
    let before = site.inventory();
    // A file where the folder should be: an error, not an absence.
    let (node, aside) = (site.node(4), site.folder.path().join("aside"));
    std::fs::rename(node.join("blocks"), &aside).unwrap();
    std::fs::write(node.join("blocks"), "in the way").unwrap();
    let ended = site.repair(&["--json", "--dry-run"]);
    assert!(
        ended.objects_of("finding").iter().all(|finding| finding["kind"] != "missing"),
        "{}",
        ended.stdout
    );
    std::fs::remove_file(node.join("blocks")).unwrap();
    std::fs::rename(aside, node.join("blocks")).unwrap();
    site.repair(&[]).expect(0);
    assert_eq!(site.inventory(), before);
}

#[test]
fn an_interrupted_run_says_so_and_the_next_one_ends_the_work() {
    let site = Site::filled(1, 120);
    site.delete_every(6);
    let running = site.start(&["--json", "--bandwidth", "100KiB", "--concurrency", "1"]);
    common::eventually(|| running.out().contains("\"repaired\""), || "a block repaired".to_owned());
    running.signal(Signal::INT);
    let ended = running.wait().expect(130);
    assert_eq!(ended.report()["stopped"], "cancelled");
    let done = ended.objects_of("repaired").len();
    let rest = site.repair(&["--json"]).expect(0).objects_of("repaired").len();
    assert!(done > 0 && rest > 0, "{done} and {rest}");
    assert_eq!(site.unreadable(), [""; 0]);
}

#[test]
fn a_run_whose_time_is_up_leaves_the_rest_for_later() {
    let site = Site::filled(1, 60);
    site.delete_every(5);
    let ended = site.repair(&["--json", "--bandwidth", "20KiB", "--max-duration", "1s"]).expect(3);
    assert_eq!(ended.report()["stopped"], "duration");
    site.repair(&[]).expect(0);
    assert_eq!(site.unreadable(), [""; 0]);
}

#[test]
fn two_repairs_and_uploads_at_once_do_no_harm_and_little_double_work() {
    let mut site = Site::filled(1, 150);
    let deleted = site.delete_every(8).len();
    let running: Vec<_> = (0..2).map(|_| site.start(&["--json"])).collect();
    site.fill("meanwhile", 40);
    let ended: Vec<_> = running.into_iter().map(|running| running.wait().expect(0)).collect();
    let repaired: usize = ended.iter().map(|ended| ended.objects_of("repaired").len()).sum();
    assert!((deleted..=deleted * 5 / 4).contains(&repaired), "{repaired} repairs of {deleted} blocks");
    assert_eq!(site.unreadable(), [""; 0]);
    assert_eq!(
        site.repair(&["--json", "--audit", "deep"]).expect(0).report()["audit"]["counts"]["findings"],
        0
    );
}

#[test]
fn killed_again_and_again_it_ends_as_if_undisturbed() {
    let kills = std::env::var("REPAIR_KILLS").map_or(5, |text| text.parse::<u64>().unwrap());
    let site = Site::filled(1, 160 + 8 * usize::try_from(kills).unwrap());
    let before = site.inventory();
    site.empty_node(7);
    let deleted = site.delete_every(11);
    let emptied = before.keys().filter(|path| common::is_of(path, 7)).count();
    for kill in 0..kills {
        // So slow that the repair is not over before the last kill.
        let mut running = site.start(&["--json", "--bandwidth", "400KiB", "--concurrency", "2"]);
        if kill % 4 < 3 {
            let out = || running.out();
            common::eventually(|| out().contains("\"repaired\""), || format!("a block repaired:\n{}", out()));
        }
        // At another place each time: of a start, an audit, a block.
        std::thread::sleep(Duration::from_millis(37 * kill % 150));
        assert!(running.is_running(), "over before kill {kill}");
        running.kill9();
    }
    let rest = site.repair(&["--json"]).expect(0).objects_of("repaired").len();
    let damaged = emptied + deleted.len();
    assert!((1..damaged).contains(&rest), "{rest} of {damaged} blocks were left to the last run");
    let after = site.inventory();
    let bytes = |inventory: &std::collections::BTreeMap<PathBuf, Vec<u8>>| {
        let mut blocks: Vec<(String, Vec<u8>)> =
            inventory.iter().map(|(path, bytes)| (id(path), bytes.clone())).collect();
        blocks.sort();
        // A copy that was written and not recorded before the kill is surplus, and harmless.
        blocks.dedup();
        blocks
    };
    assert!(bytes(&after) == bytes(&before), "{damaged} damaged");
    assert_eq!(site.unreadable(), [""; 0]);
    let report = site.repair(&["--json", "--audit", "deep"]).expect(0).report();
    let found = report["audit"]["found"].as_object().unwrap().clone();
    assert!(found.keys().all(|kind| kind == "surplus"), "{found:?}");
}

/// The blocks of a document, and of all whose codewords point at it.
fn around(site: &Site, name: &str) -> BTreeSet<String> {
    let export = site.repair(&["--export"]).expect(0).stdout;
    let lines: Vec<Value> = export.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let (mut blocks, mut id) = (BTreeSet::new(), String::new());
    for line in &lines {
        if let Some(document) = line["id"].as_str() {
            id = document.replace('-', "");
            continue;
        }
        let mut pointers = line["pointers"].as_array().unwrap().iter();
        if line["of"] == name || pointers.any(|pointer| pointer["document"] == name) {
            let segment = line["segment"].as_u64().unwrap();
            blocks.extend((0..3).map(|parity| format!("{id}.{segment:08x}.{parity:02x}")));
        }
    }
    blocks
}

#[test]
fn losses_that_look_deliberate_raise_an_alarm_and_others_do_not() {
    let site = Site::filled(1, 500);
    let attacked = around(&site, "document/100");
    let blocks = site.blocks();
    // As many, anywhere.
    site.delete_every(blocks.len() / attacked.len());
    assert!(site.repair(&["--json"]).expect(0).objects_of("alarm").is_empty());
    for path in site.blocks().iter().filter(|path| attacked.contains(&id(path))) {
        std::fs::remove_file(path).unwrap();
    }
    let ended = site.repair(&["--json"]);
    assert!(!ended.objects_of("alarm").is_empty(), "{} blocks: {}", attacked.len(), ended.report());
    assert!(ended.stderr.contains("losses look deliberate"), "{}", ended.stderr);
}
