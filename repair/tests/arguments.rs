//! What the program says of what makes no sense, and of an archive that is not there.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod common;

use common::Site;

#[test]
fn nonsense_exits_with_2() {
    let site = Site::new(1);
    for arguments in
        [["--frobnicate"].as_slice(), &["nonsense"], &["--dry-run", "status"], &["--interval", "5"]]
    {
        let ended = site.repair(arguments).expect(2);
        assert!(ended.stdout.is_empty() && ended.stderr.contains("error"), "{arguments:?}: {}", ended.stderr);
    }
}

#[test]
fn a_refused_configuration_exits_with_64() {
    let site = Site::new(1);
    let path = site.folder.path().join("other.json");
    std::fs::write(&path, r#"{"repair": {"interval": 5}}"#).unwrap();
    let ended = site.repair(&["--configuration", "other.json"]).expect(64);
    assert!(ended.stderr.contains("repair.interval: no such setting"), "{}", ended.stderr);
    site.repair(&["status", "--configuration", "missing.json"]).expect(64);
}

#[test]
fn completions_need_no_configuration() {
    let site = Site::new(1);
    std::fs::remove_file(site.folder.path().join("configuration.json")).unwrap();
    for shell in ["bash", "zsh", "fish"] {
        assert!(
            site.repair(&["completions", shell]).expect(0).stdout.contains("rebuild-metadata"),
            "{shell}"
        );
    }
    site.repair(&["completions", "abacus"]).expect(2);
}

#[test]
fn an_archive_that_is_not_there_is_not_made() {
    let site = Site::new(1);
    for arguments in [[].as_slice(), &["status"], &["--export"], &["--daemon"]] {
        let ended = site.repair(arguments).expect(1);
        assert!(ended.stderr.contains("--rebuild-metadata"), "{}", ended.stderr);
        assert!(!site.data().exists());
    }
}

#[test]
fn a_healthy_archive_exits_with_0() {
    let site = Site::filled(1, 30);
    let before = site.inventory();
    for arguments in [
        ["--json"].as_slice(),
        &["--json", "--audit", "deep"],
        &["--json", "--audit", "sample=50%"],
        &["--json", "--dry-run"],
    ] {
        let report = site.repair(arguments).expect(0).report();
        assert_eq!(report["exit_code"], 0, "{arguments:?}");
        assert_eq!(report["audit"]["counts"]["findings"], 0, "{arguments:?}");
    }
    assert_eq!(site.inventory(), before);
}

#[test]
fn documents_and_blocks_that_do_not_exist_are_named() {
    let site = Site::filled(1, 3);
    for arguments in [["--document", "nobody"].as_slice(), &["nobody-00"], &["document/0-99"]] {
        let ended = site.repair(arguments).expect(1);
        assert!(ended.stderr.contains("nobody") || ended.stderr.contains("document/0"), "{}", ended.stderr);
    }
}
