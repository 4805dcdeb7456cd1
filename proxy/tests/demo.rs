//! `scripts/demo` shows what it says it shows.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may panic")]

use std::path::Path;
use std::process::{Command, Output};

fn demo(proxy: &str) -> (Output, String) {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scripts/demo");
    let output = Command::new(script).arg(proxy).output().expect("scripts/demo starts: it needs python3");
    let said =
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    (output, said)
}

/// The number in front of `word`, in the line that begins with `line`.
fn number(said: &str, line: &str, word: &str) -> u64 {
    let found = said.lines().find_map(|text| text.strip_prefix("demo: ")?.strip_prefix(line));
    let line = found.unwrap_or_else(|| panic!("no line {line:?} in\n{said}"));
    let before = line.split(word).next().unwrap();
    before.split_whitespace().next_back().unwrap().parse().unwrap_or_else(|_| panic!("no {word} in {line}"))
}

#[test]
fn a_real_tree_survives_two_deleted_nodes_and_a_lying_one() {
    let (output, said) = demo(env!("CARGO_BIN_EXE_proxy"));
    assert!(output.status.success(), "{said}");
    assert!(said.ends_with("demo: all identical\n"), "{said}");
    for line in ["put", "read back"] {
        assert!(number(&said, line, " files") >= 500, "{said}");
        assert!(number(&said, line, " bytes,") >= 50_000_000, "{said}");
    }
    assert!(number(&said, "flipped", " blocks of storage-node") >= 50, "{said}");
}

#[test]
fn a_proxy_that_does_not_serve_is_no_success() {
    let (output, said) = demo("/bin/false");
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("does not serve"), "{said}");
}
