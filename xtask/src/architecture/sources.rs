//! What stands in the sources: sizes, log messages, words that belong nowhere.

use std::collections::BTreeSet;
use std::path::Path;

use super::assert_none;
use super::scan::Scan;
use super::tree;

/// Most lines of a file, tests aside.
const FILE_LINES_MAX: usize = 500;

/// Most lines of a function.
const FUNCTION_LINES_MAX: usize = 70;

/// Folders that hold no code of the product.
const TEST_FOLDERS: &[&str] = &["/tests/", "/benches/", "/examples/", "fuzz/"];

const LOG_MACROS: &[&str] = &["trace", "debug", "info", "warn", "error"];

const PRINT_MACROS: &[&str] = &["print", "println", "eprint", "eprintln", "dbg"];

/// A source file, read.
struct Source {
    file: String,
    lines: usize,
    scan: Scan,
    /// Whether all of it is for tests, benchmarks or examples.
    for_tests: bool,
}

fn sources() -> Vec<Source> {
    let mut sources = Vec::new();
    let mut broken = Vec::new();
    for file in tree::files() {
        if Path::new(&file).extension().is_none_or(|extension| extension != "rs") {
            continue;
        }
        let text = tree::text(&file).unwrap_or_default();
        let for_tests = TEST_FOLDERS.iter().any(|folder| format!("/{file}").contains(folder));
        match Scan::of(&text) {
            Ok(scan) => sources.push(Source { lines: text.lines().count(), scan, for_tests, file }),
            Err(error) => broken.push(format!("{file}:{error}")),
        }
    }
    assert_none("every source is Rust", &broken);
    let test_modules: BTreeSet<String> = sources.iter().flat_map(test_module_paths).collect();
    for source in &mut sources {
        let path = source.file.trim_end_matches(".rs");
        source.for_tests |=
            test_modules.iter().any(|module| path == module || path.starts_with(&format!("{module}/")));
    }
    sources
}

/// Where the files of a source's `#[cfg(test)] mod name;` are, without `.rs`.
fn test_module_paths(source: &Source) -> Vec<String> {
    let path = source.file.trim_end_matches(".rs");
    let (folder, stem) = path.rsplit_once('/').unwrap_or(("", path));
    let folder = if matches!(stem, "lib" | "main" | "mod") { folder } else { path };
    source.scan.test_modules.iter().map(|module| format!("{folder}/{module}")).collect()
}

/// Whether a source is a library's, not a binary's.
fn is_library(source: &Source) -> bool {
    source.file.starts_with("crates/")
        && !source.for_tests
        // A program all of it: it prints what it measured.
        && !source.file.starts_with("crates/bench/")
        && !source.file.ends_with("/main.rs")
        && !source.file.ends_with("/build.rs")
        && !source.file.contains("/bin/")
}

#[test]
fn files_are_short() {
    let mut broken = Vec::new();
    for source in sources().iter().filter(|source| !source.for_tests) {
        let for_tests: usize = source.scan.test_items.iter().map(|lines| lines.clone().count()).sum();
        let lines = source.lines.saturating_sub(for_tests);
        if lines > FILE_LINES_MAX {
            broken.push(format!("{}:{FILE_LINES_MAX}: {lines} lines", source.file));
        }
    }
    assert_none("a file has at most 500 lines, tests aside", &broken);
}

#[test]
fn functions_are_short() {
    let mut broken = Vec::new();
    for source in sources().iter().filter(|source| !source.for_tests) {
        for function in &source.scan.functions {
            let lines = function.lines.clone().count();
            if lines > FUNCTION_LINES_MAX {
                let line = function.lines.start();
                broken.push(format!("{}:{line}: {} has {lines} lines", source.file, function.name));
            }
        }
    }
    assert_none("a function has at most 70 lines", &broken);
}

#[test]
fn unsafe_lives_in_the_kernel_only() {
    let mut broken = Vec::new();
    for source in sources().iter().filter(|source| !source.file.starts_with("crates/gf/")) {
        broken.extend(source.scan.unsafes.iter().map(|line| format!("{}:{line}", source.file)));
    }
    assert_none("`unsafe` stands in crates/gf only", &broken);
}

#[test]
fn log_messages_start_lowercase() {
    let mut broken = Vec::new();
    for source in sources() {
        for used in source.scan.macros.iter().filter(|used| LOG_MACROS.contains(&used.name.as_str())) {
            let first = used.message.as_deref().and_then(|message| message.chars().next());
            if first.is_some_and(char::is_uppercase) {
                let message = used.message.as_deref().unwrap_or_default();
                broken.push(format!("{}:{}: {message:?}", source.file, used.line));
            }
        }
    }
    assert_none("a log message starts lowercase", &broken);
}

#[test]
fn libraries_do_not_print() {
    let mut broken = Vec::new();
    for source in sources().iter().filter(|source| is_library(source)) {
        let printed =
            |used: &&super::scan::MacroUse| !used.in_test && PRINT_MACROS.contains(&used.name.as_str());
        let places = source.scan.macros.iter().filter(printed);
        broken.extend(places.map(|used| format!("{}:{}: {}!", source.file, used.line, used.name)));
    }
    assert_none("a library logs, it does not print", &broken);
}

#[test]
fn nothing_is_left_undone() {
    let mut broken = Vec::new();
    for source in sources() {
        let undone = ["todo", "unimplemented"];
        let places = source.scan.macros.iter().filter(|used| undone.contains(&used.name.as_str()));
        broken.extend(places.map(|used| format!("{}:{}: {}!", source.file, used.line, used.name)));
        broken.extend(source.scan.ignored.iter().map(|line| format!("{}:{line}: #[ignore]", source.file)));
    }
    assert_none("no stubs and no skipped tests", &broken);
}
