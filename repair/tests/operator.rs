//! Status, pause and resume, replaced nodes, metadata lost and made again.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod common;

use common::Site;

#[test]
fn a_pause_outlives_processes() {
    let site = Site::filled(1, 3);
    assert!(site.repair(&["status"]).expect(0).stdout.contains("paused:   no"));
    site.repair(&["pause"]).expect(0);
    site.repair(&["pause"]).expect(0);
    let status = site.repair(&["status", "--json"]).expect(0).objects_of("status").pop().unwrap();
    assert!(status["paused"]["since"].is_string(), "{status}");
    site.repair(&["resume"]).expect(0);
    assert!(site.repair(&["status"]).expect(0).stdout.contains("paused:   no"));
}

#[test]
fn status_tells_how_the_last_run_ended() {
    let site = Site::filled(1, 3);
    assert!(site.repair(&["status"]).expect(0).stdout.contains("last run: none"));
    site.repair(&[]).expect(0);
    let status = site.repair(&["status"]).expect(0).stdout;
    assert!(status.contains("last run: ended 2") && status.contains("lost:     0 documents"), "{status}");
}

#[test]
fn a_replaced_disk_is_taken_and_filled() {
    let site = Site::filled(2, 40);
    let before = site.inventory();
    site.empty_node(5);
    let told = site.repair(&["replace-node", "storage-node-5"]).expect(0).stdout;
    assert!(told.contains("storage-node-5") && told.contains("claimed"), "{told}");
    let report = site.repair(&["--json"]).expect(0).report();
    assert!(report["repair"]["copies"].as_u64().unwrap() > 0, "{report}");
    assert!(site.unreadable().is_empty());
    // Everything is there as often as before; not necessarily where it was.
    assert_eq!(site.inventory().len(), before.len());
    site.repair(&["--audit", "deep"]).expect(0);
}

#[test]
fn a_node_is_not_replaced_by_a_store_that_is_not_empty_or_not_its_own() {
    let site = Site::filled(1, 60);
    let refused = |node: &str, why: &str| {
        let ended = site.repair(&["replace-node", node]).expect(1);
        assert!(ended.stderr.contains(why), "{}", ended.stderr);
    };
    refused("storage-node-99", "storage-node-16");
    refused("storage-node-5", "nothing is to be replaced");
    let marker = "selvage-node.json";
    let mine = std::fs::read(site.node(5).join(marker)).unwrap();
    std::fs::remove_file(site.node(5).join(marker)).unwrap();
    refused("storage-node-5", "not empty");
    std::fs::copy(site.node(6).join(marker), site.node(5).join(marker)).unwrap();
    refused("storage-node-5", "somebody else");
    std::fs::write(site.node(5).join(marker), mine).unwrap();
    site.repair(&[]).expect(0);
}

#[test]
fn lost_metadata_is_made_again() {
    let site = Site::filled(2, 60);
    let before = site.repair(&["--export"]).expect(0).stdout;
    assert!(before.lines().count() > 60, "{before}");
    // Not while it is there.
    let refused = site.repair(&["--rebuild-metadata"]).expect(1);
    assert!(refused.stderr.contains("not lost"), "{}", refused.stderr);
    for entry in std::fs::read_dir(site.data()).unwrap() {
        let path = entry.unwrap().path();
        if path.file_name().unwrap().to_string_lossy().starts_with("metadata.sqlite") {
            std::fs::remove_file(path).unwrap();
        }
    }
    let ended = site.repair(&["--rebuild-metadata", "--json"]).expect(0);
    let rebuilt = ended.objects_of("rebuilt").pop().unwrap();
    assert_eq!((&rebuilt["documents"], &rebuilt["findings"]), (&60.into(), &0.into()), "{rebuilt}");
    assert_eq!(site.repair(&["--export"]).expect(0).stdout, before);
    assert!(site.unreadable().is_empty());
    site.repair(&["--verify-metadata"]).expect(0);
    site.repair(&[]).expect(0);
}

#[test]
fn metadata_of_another_archive_is_not_rebuilt_over() {
    let site = Site::filled(1, 3);
    let other = Site::filled(1, 0);
    // The same identifier would be the same archive.
    let data = site.data();
    let marker = other.node(1).join("selvage-node.json");
    let text = std::fs::read_to_string(&marker).unwrap();
    let archive = text.lines().find(|line| line.contains("\"archive\"")).unwrap().to_owned();
    for node in 1..=16 {
        let path = site.node(node).join("selvage-node.json");
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::write(&path, text.replace(&archive, &archive.replace("a5a5", "b6b6"))).unwrap();
    }
    let ended = site.repair(&["--rebuild-metadata"]).expect(1);
    assert!(ended.stderr.contains("move it away"), "{}", ended.stderr);
    assert!(data.join("metadata.sqlite").is_file());
}
