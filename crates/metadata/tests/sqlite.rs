//! What a store in a file promises beyond the contract: other processes, other files, crashes.
#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use metadata::conformance::fixture::{
    NOW, Store, block, class, draft, granted, id, pointing, put, put_draft, request, reserve,
};
use metadata::{CreateArchive, MetadataStore, Reserve, Reserved, SqliteMetadata, SqliteOptions};
use rusqlite::Connection;
use tempfile::TempDir;
use types::{ArchiveId, ErrorKind, Partition};

fn create(id: u8) -> CreateArchive {
    CreateArchive { id: ArchiveId::from_bytes([id; 16]), partitions: 1, now: NOW }
}

fn folder() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("metadata.sqlite");
    (folder, path)
}

async fn open(path: &Path) -> Store {
    Arc::new(SqliteMetadata::open(path, create(1)).await.unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn stores_opened_at_once_make_one_archive() {
    let (_folder, path) = folder();
    let opening: Vec<_> = (0..8)
        .map(|number| {
            let path = path.clone();
            tokio::spawn(async move { SqliteMetadata::open(&path, create(number)).await.unwrap() })
        })
        .collect();
    let mut archives = Vec::new();
    for store in opening {
        archives.push(store.await.unwrap().archive());
    }
    assert!(archives.iter().all(|archive| *archive == archives[0]), "{archives:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_handles_have_one_winner_for_each_name() {
    let (_folder, path) = folder();
    let stores = [open(&path).await, open(&path).await];
    let mut uploads = Vec::new();
    for attempt in 0..200_u32 {
        let store = Arc::clone(&stores[attempt as usize % 2]);
        uploads.push(tokio::spawn(async move {
            let mut draft = draft(&format!("raced {}", attempt / 8), 100);
            draft.record.id = id(draft.record.name.as_str(), attempt);
            match store.reserve(&request(&draft), NOW).await.unwrap() {
                Reserved::Granted(reservation) => {
                    let document = store.commit(&reservation, &draft, NOW).await.unwrap();
                    assert_eq!(store.document(&draft.record.name).await.unwrap(), Some(document));
                    1
                }
                Reserved::Held(_) | Reserved::Exists(_) => 0,
            }
        }));
    }
    let mut winners = 0;
    for upload in uploads {
        winners += upload.await.unwrap();
    }
    assert_eq!(winners, 25);
    for store in stores {
        let documents = store.scan(Partition(0), 0, 100).await.unwrap();
        assert!(documents.iter().map(|document| document.reference.sequence).eq(0..25));
    }
}

#[tokio::test]
async fn reopened_store_keeps_everything() {
    let (_folder, path) = folder();
    let store = open(&path).await;
    let target = put(&store, "target", 100).await;
    let at = block(&target, 0, 1);
    let pointer = put_draft(&store, &pointing("pointer", &[at])).await;
    let long = draft("long", 100 << 20);
    let reservation = reserve(&store, &long).await;
    store.stage(&reservation, 0, &long.segments[..70], NOW).await.unwrap();
    drop(store);

    let other = create(9);
    let store: Store = Arc::new(SqliteMetadata::open(&path, other).await.unwrap());
    assert_eq!(store.archive().id, create(1).id, "it stays the archive it was");
    assert_eq!(store.document(&target.record.name).await.unwrap(), Some(target.clone()));
    let pointing = store.pointing_at(at, None, 9).await.unwrap();
    assert_eq!(pointing, [block(&pointer, 0, 0).codeword]);
    assert_eq!(store.class_counts(class(4096)).await.unwrap(), [2]);
    let second = Reserve { document: id("long", 1), ..request(&long) };
    assert_eq!(store.reserve(&second, NOW).await.unwrap(), Reserved::Held(reservation.clone()));
    store.stage(&reservation, 70, &long.segments[70..], NOW).await.unwrap();
    let rest = metadata::Commit { segments: Vec::new(), ..long.clone() };
    let document = store.commit(&reservation, &rest, NOW).await.unwrap();
    assert_eq!(store.segments(document.reference, 0, 200).await.unwrap(), long.segments);
}

#[tokio::test]
async fn database_older_than_the_table_of_values_gets_it() {
    let (_folder, path) = folder();
    let document = put(&open(&path).await, "older", 100).await;
    Connection::open(&path).unwrap().execute_batch("DROP TABLE state").unwrap();
    let store = open(&path).await;
    store.set_state("key", None, Some(b"value")).await.unwrap();
    assert_eq!(store.state("key").await.unwrap(), Some(b"value".to_vec()));
    assert_eq!(store.document(&document.record.name).await.unwrap(), Some(document));
}

async fn refused(path: &Path) {
    let before = std::fs::read(path).unwrap();
    let error = SqliteMetadata::open(path, create(1)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Denied, "{error}");
    assert!(error.subject().contains("metadata.sqlite"), "{error}");
    assert_eq!(std::fs::read(path).unwrap(), before, "not a byte of it is changed");
}

#[tokio::test]
async fn file_that_is_no_database_is_refused_by_name() {
    let (_folder, path) = folder();
    std::fs::write(&path, "someone's thesis, ".repeat(1000)).unwrap();
    refused(&path).await;
}

#[tokio::test]
async fn database_of_another_program_is_refused_by_name() {
    for sql in ["CREATE TABLE theirs (a)", "PRAGMA application_id = 7", "PRAGMA user_version = 1"] {
        let (_folder, path) = folder();
        Connection::open(&path).unwrap().execute_batch(sql).unwrap();
        refused(&path).await;
    }
}

#[tokio::test]
async fn newer_version_is_refused_by_name() {
    let (_folder, path) = folder();
    drop(open(&path).await);
    Connection::open(&path).unwrap().execute_batch("PRAGMA user_version = 2").unwrap();
    refused(&path).await;
}

#[tokio::test]
async fn archive_without_partitions_is_refused() {
    let (_folder, path) = folder();
    let none = CreateArchive { partitions: 0, ..create(1) };
    assert_eq!(SqliteMetadata::open(&path, none).await.unwrap_err().kind(), ErrorKind::Invalid);
}

#[tokio::test]
async fn change_behind_another_process_waits_then_times_out() {
    let (_folder, path) = folder();
    let options = SqliteOptions { wait: Duration::from_millis(200), ..SqliteOptions::default() };
    let store: Store = Arc::new(SqliteMetadata::open_with(&path, create(1), options).await.unwrap());
    let other = Connection::open(&path).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let draft = draft("waits", 100);
    let error = store.reserve(&request(&draft), NOW).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout);
    assert_eq!(store.document(&draft.record.name).await.unwrap(), None, "reads wait for nobody");
    other.execute_batch("COMMIT").unwrap();
    put_draft(&store, &draft).await;
}

#[tokio::test]
async fn damaged_record_is_corrupt_and_named() {
    let (_folder, path) = folder();
    let store = open(&path).await;
    let document = put(&store, "damaged", 100).await;
    Connection::open(&path).unwrap().execute("UPDATE documents SET record = x'01ff'", []).unwrap();
    let error = store.document(&document.record.name).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt);
    assert!(error.message().contains("document 0/0"), "{error}");
}

#[tokio::test]
async fn dropped_futures_leave_all_or_nothing() {
    let (_folder, path) = folder();
    let store = open(&path).await;
    let mut drafts = Vec::new();
    for number in 0..40_u64 {
        let draft = draft(&format!("dropped {number}"), 100);
        let reservation = reserve(&store, &draft).await;
        let patience = Duration::from_micros(number * 100);
        let commit = tokio::time::timeout(patience, store.commit(&reservation, &draft, NOW));
        drafts.push((draft.clone(), commit.await.is_ok()));
    }
    drop(store);
    let store = open(&path).await;
    let mut there = 0;
    for (draft, acknowledged) in drafts {
        let by_name = store.document(&draft.record.name).await.unwrap();
        assert_eq!(store.document_by_id(&draft.record.id).await.unwrap(), by_name);
        assert!(by_name.is_some() || !acknowledged);
        there += u64::from(by_name.is_some());
        let second = Reserve { document: id("second", 0), ..request(&draft) };
        let reserved = store.reserve(&second, NOW).await.unwrap();
        assert_eq!(matches!(reserved, Reserved::Exists(_)), by_name.is_some());
    }
    assert_eq!(store.class_counts(class(4096)).await.unwrap(), [there]);
}

const CHILD: &str = "METADATA_TEST_CHILD";

/// Not a test of its own: the process that the next one kills.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn child_that_commits_until_it_is_killed() {
    let Some(path) = std::env::var_os(CHILD) else { return };
    let store = open(Path::new(&path)).await;
    let mut uploads = tokio::task::JoinSet::new();
    for task in 0..8 {
        let store = Arc::clone(&store);
        uploads.spawn(async move {
            for number in 0_u64.. {
                let name = format!("{}/{task}/{number}", std::process::id());
                put(&store, &name, 100 + number % 2 * (30 << 20)).await;
                let mut out = std::io::stdout().lock();
                writeln!(out, "acknowledged {name}").unwrap();
                out.flush().unwrap();
            }
        });
    }
    while let Some(upload) = uploads.join_next().await {
        upload.unwrap();
    }
}

/// Runs the child until it has had `enough` acknowledged, kills it, and returns all it had.
fn acknowledged_before_the_kill(path: &Path, enough: usize) -> Vec<String> {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "child_that_commits_until_it_is_killed", "--nocapture"])
        .env(CHILD, path)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut names = Vec::new();
    for line in BufReader::new(child.stdout.take().unwrap()).lines() {
        let line = line.unwrap();
        names.extend(line.split_once("acknowledged ").map(|(_, name)| name.to_owned()));
        if names.len() == enough {
            child.kill().unwrap();
        }
    }
    child.wait().unwrap();
    assert!(names.len() >= enough, "the child ended by itself");
    names
}

#[tokio::test]
async fn acknowledged_commits_survive_a_killed_process() {
    let (_folder, path) = folder();
    let mut acknowledged = Vec::new();
    for enough in [1, 20, 57, 131] {
        acknowledged.extend(acknowledged_before_the_kill(&path, enough));
        let store = open(&path).await;
        for name in &acknowledged {
            let name = types::DocumentName::new(name).unwrap();
            let document = store.document(&name).await.unwrap().unwrap();
            let segments = store.segments(document.reference, 0, u32::MAX).await.unwrap();
            assert_eq!(segments.len(), document.record.layout.segments() as usize);
        }
        let documents = store.scan(Partition(0), 0, usize::MAX).await.unwrap();
        assert!(documents.len() >= acknowledged.len());
        let sequences = documents.iter().map(|document| document.reference.sequence);
        assert!(sequences.eq(0..documents.len() as u64), "no gaps");
        let listed = store.list("", None, usize::MAX).await.unwrap();
        assert_eq!(listed.len(), documents.len());
        // A name whose upload died is free once the reservation lapsed.
        let late = NOW.after(Duration::from_secs(3600));
        for intent in store.intents(late, 100).await.unwrap() {
            let again = Reserve { name: intent.name, ..request(&draft("again", 100)) };
            let document = id("again", u32::try_from(acknowledged.len()).unwrap());
            let again = Reserve { document, ..again };
            let reservation = granted(store.reserve(&again, late).await.unwrap());
            store.abandon(&reservation, false).await.unwrap();
        }
    }
}
