//! Format version 1: yesterday's archive is read by today's code, and by a Python script written from docs/FORMAT.md.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test may panic")]

#[path = "../examples/golden/setup.rs"]
mod setup;
#[path = "../examples/golden/vectors.rs"]
mod vectors;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Arc;
use std::time::Duration;

use archive::{Archive, Settings};
use futures_util::TryStreamExt;
use serde_json::{Value, json};
use setup::{Sample, StandingClock};
use tempfile::TempDir;
use types::{BlockSizes, CodeParameters, DocumentName, Hash, LengthClass, SystemClock};

/// The archives that are kept, by their codes.
const CODES: [&str; 2] = ["1-10-3", "2-3-4"];

fn tests_folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests")
}

fn data(code: &str) -> PathBuf {
    tests_folder().join("data/archive-v1").join(code)
}

fn json_of(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

/// What is in a kept archive.
fn contents(code: &str) -> Value {
    json_of(&data(code).join("documents.json"))
}

fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let to = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_folder(&entry.path(), &to);
        } else {
            fs::copy(entry.path(), to).unwrap();
        }
    }
}

/// A copy of a kept archive. Git keeps no empty folders, so those of the nodes are made again.
fn copy(code: &str) -> TempDir {
    let copy = tempfile::tempdir().unwrap();
    copy_folder(&data(code), copy.path());
    for number in 1..=node_count(code) {
        fs::create_dir_all(setup::node_folder(copy.path(), number).join("tmp")).unwrap();
    }
    copy
}

fn node_count(code: &str) -> usize {
    usize::try_from(contents(code)["nodes"].as_u64().unwrap()).unwrap()
}

fn lose(root: &Path, nodes: &[usize]) {
    for &number in nodes {
        fs::remove_dir_all(setup::node_folder(root, number)).unwrap();
    }
}

/// Today's code on an archive of yesterday's, with settings that are not those it was made with.
async fn open(root: &Path, nodes: usize) -> Archive {
    let settings = Settings { parameters: CodeParameters::new(1, 5, 3).unwrap(), ..Settings::default() };
    setup::open(root, nodes, settings, 99, Arc::new(SystemClock)).await.unwrap()
}

async fn read(archive: &Archive, name: &str) -> Vec<u8> {
    let document = archive.document(&DocumentName::new(name).unwrap()).await.unwrap();
    archive.read(&document, 0..u64::MAX).map_ok(|bytes| bytes.to_vec()).try_concat().await.unwrap()
}

/// Reads every document of a copy of a kept archive, and compares all that is known of each.
async fn check_with_todays_code(root: &Path, code: &str) {
    let contents = contents(code);
    let archive = open(root, node_count(code)).await;
    assert_eq!(archive.info().id.to_string(), contents["archive"]);
    for expected in contents["documents"].as_array().unwrap() {
        let name = expected["name"].as_str().unwrap();
        let record = archive.document(&DocumentName::new(name).unwrap()).await.unwrap().record;
        let told = json!({
            "name": record.name.as_str(),
            "id": record.id.to_string(),
            "length": record.layout.length(),
            "blake3": record.hash.to_string(),
            "segments": record.layout.segments(),
            "created": record.created.as_millis(),
            "content_type": record.content_type,
            "user_metadata": record.user_metadata,
        });
        assert_eq!(&told, expected);
        assert_eq!(Hash::of(&read(&archive, name).await).to_string(), expected["blake3"], "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn todays_code_reads_version_1() {
    for code in CODES {
        check_with_todays_code(copy(code).path(), code).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn todays_code_reads_version_1_without_any_two_nodes() {
    for (code, lost) in [("1-10-3", [1, 2]), ("1-10-3", [5, 16]), ("1-10-3", [9, 10]), ("2-3-4", [3, 8])] {
        let copy = copy(code);
        lose(copy.path(), &lost);
        check_with_todays_code(copy.path(), code).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn todays_code_adds_to_an_archive_of_version_1() {
    for code in CODES {
        let copy = copy(code);
        let sample = Sample::plain("added later", 5000);
        let archive = open(copy.path(), node_count(code)).await;
        setup::put(&archive, &sample).await.unwrap();
        assert!(read(&archive, &sample.name).await == sample.bytes());
        let again = setup::put(&archive, &Sample::plain("64 bytes", 64)).await;
        assert_eq!(again.is_err(), code == "2-3-4", "names stay taken");
        drop(archive);
        check_with_todays_code(copy.path(), code).await;
    }
}

/// Runs one of the scripts in `tests/python`.
fn python(script: &str, arguments: &[&Path]) -> Output {
    let script = tests_folder().join("python").join(script);
    let output = Command::new("python3").arg("-B").arg(script).args(arguments).output();
    output.unwrap_or_else(|error| panic!("python3 must be there, to decode without our code: {error}"))
}

/// Decodes all documents of some nodes with the script: their bytes by identifier, and what it complained of.
fn decode(nodes: &Path) -> (BTreeMap<String, Vec<u8>>, String) {
    let folder = tempfile::tempdir().unwrap();
    let output = python("decode.py", &[nodes, Path::new("-o"), folder.path()]);
    let complaints = String::from_utf8(output.stderr).unwrap();
    let report = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{report}{complaints}");
    let decoded = fs::read_dir(folder.path()).unwrap().map(|entry| {
        let entry = entry.unwrap();
        (entry.file_name().into_string().unwrap(), fs::read(entry.path()).unwrap())
    });
    (decoded.collect(), complaints)
}

/// Decodes a kept archive, of which the nodes in `root` are left, with the script; returns its complaints.
fn check_with_the_script(root: &Path, code: &str) -> String {
    let (decoded, complaints) = decode(&root.join("nodes"));
    let contents = contents(code);
    let expected = contents["documents"].as_array().unwrap();
    assert_eq!(decoded.len(), expected.len());
    for document in expected {
        let id = document["id"].as_str().unwrap().replace('-', "");
        assert_eq!(Hash::of(&decoded[&id]).to_string(), document["blake3"], "{}", document["name"]);
    }
    complaints
}

#[test]
fn a_stranger_decodes_version_1_from_the_directories() {
    for code in CODES {
        let copy = copy(code);
        fs::remove_file(setup::database(copy.path())).unwrap();
        assert_eq!(check_with_the_script(copy.path(), code), "");
    }
}

#[test]
fn a_stranger_learns_what_is_known_of_documents() {
    for code in CODES {
        let output = python("decode.py", &[&data(code).join("nodes"), Path::new("--list")]);
        let listing = String::from_utf8(output.stdout).unwrap();
        let mut listed: Vec<Value> =
            listing.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        listed.sort_by_key(|document| document["id"].to_string());
        // Made one after the other, so their identifiers sort as they stand.
        let mut expected = contents(code)["documents"].as_array().unwrap().clone();
        for document in &mut expected {
            document["id"] = document["id"].as_str().unwrap().replace('-', "").into();
        }
        assert_eq!(listed, expected);
    }
}

#[test]
fn a_stranger_decodes_version_1_without_two_nodes_and_with_a_flipped_byte() {
    for (code, lost, liar) in [("1-10-3", [4, 11], 7), ("2-3-4", [2, 6], 4)] {
        let copy = copy(code);
        lose(copy.path(), &lost);
        let damaged = flip_a_byte(&setup::node_folder(copy.path(), liar));
        let complaints = check_with_the_script(copy.path(), code);
        assert!(complaints.contains(&damaged), "the damage is noticed: {complaints}");
    }
}

/// More symbols are missing of some codewords than they make up for: their pointers are recovered first.
#[test]
fn a_stranger_decodes_version_1_recursively_without_three_nodes() {
    let copy = copy("1-10-3");
    lose(copy.path(), &[2, 3, 7]);
    assert_eq!(check_with_the_script(copy.path(), "1-10-3"), "");
}

/// Flips a bit in the last byte, one of the payload, of the first block of a node; returns the block's name.
fn flip_a_byte(node: &Path) -> String {
    let folders = fs::read_dir(node.join("blocks")).unwrap().map(|folder| folder.unwrap().path());
    let blocks = folders.flat_map(|folder| fs::read_dir(folder).unwrap());
    let path = blocks.map(|block| block.unwrap().path()).min().unwrap();
    let mut block = fs::read(&path).unwrap();
    *block.last_mut().unwrap() ^= 1;
    fs::write(&path, block).unwrap();
    path.file_name().unwrap().to_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stranger_decodes_what_is_written_today() {
    let root = tempfile::tempdir().unwrap();
    let class = |log2| LengthClass::new(log2).unwrap();
    let settings = Settings {
        parameters: CodeParameters::new(2, 5, 4).unwrap(),
        sizes: BlockSizes::new(class(7), class(11)).unwrap(),
        replication_factor: 2,
        ..Settings::default()
    };
    let clock = Arc::new(StandingClock::new());
    let archive =
        setup::open(root.path(), 12, settings, 3, Arc::<StandingClock>::clone(&clock)).await.unwrap();
    let mut expected = BTreeMap::new();
    for length in [1, 255, 4096, 4097, 10_000] {
        clock.advance(Duration::from_millis(1));
        let sample = Sample::plain(&format!("{length} bytes"), length);
        let id = setup::put(&archive, &sample).await.unwrap().record.id;
        expected.insert(id.to_string().replace('-', ""), sample.bytes());
    }
    drop(archive);
    let (decoded, complaints) = decode(&root.path().join("nodes"));
    assert!(decoded == expected);
    assert_eq!(complaints, "");
}

#[test]
fn vectors_hold() {
    let file = tests_folder().join("data/archive-v1/vectors.json");
    assert_eq!(vectors::make().unwrap(), json_of(&file));
    let output = python("vectors.py", &[&file]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// The block that docs/FORMAT.md takes apart is one of the kept archive.
#[test]
fn the_example_of_the_document_is_real() {
    let document = fs::read_to_string(tests_folder().join("../../../docs/FORMAT.md")).unwrap();
    let path = "2-3-4/nodes/storage-node-5/blocks/cd/01a1fd70f9907a878cea9af2002b81cd.00000000.00";
    assert!(document.contains(path));
    let drawn = document
        .lines()
        .filter_map(|line| line.strip_prefix("    "))
        .filter_map(|line| line.split_once(": ").filter(|(at, _)| at.len() == 4))
        .flat_map(|(_, line)| line.split("  ").next().unwrap_or_default().split(' '));
    let drawn: Vec<u8> = drawn.map(|byte| u8::from_str_radix(byte, 16).unwrap()).collect();
    assert_eq!(drawn, fs::read(tests_folder().join("data/archive-v1").join(path)).unwrap());
}
