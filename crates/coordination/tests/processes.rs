//! Lock files between processes: one that is killed holds nothing any more.

#![allow(clippy::unwrap_used, reason = "helpers of tests, which may fail as tests do")]

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use coordination::{Coordinator, FileCoordinator, Member};
use types::{ErrorKind, OwnerId};

const FOLDER_VARIABLE: &str = "SELVAGE_TEST_COORDINATION_FOLDER";
const TTL: Duration = Duration::from_secs(60);

fn member(number: u8) -> Member {
    Member { id: OwnerId::from_bytes([number; 16]), address: format!("process {number}") }
}

/// The other process: [`start_holder`] starts this test program again, with a folder, to run one test only.
const HOLDER: &str = "a_killed_process_holds_nothing_any_more";

/// The other process's whole life.
async fn hold(folder: &Path) {
    let coordinator = FileCoordinator::new(folder);
    let lease = coordinator.acquire("repair", member(1).id, TTL).await.unwrap().unwrap();
    let _joined = coordinator.join("repairers", member(1)).await.unwrap();
    println!("\nfence {}", lease.fence());
    std::future::pending::<()>().await;
}

/// Starts a process that holds the lease and is a member; returns when it is, with its fence.
fn start_holder(folder: &Path) -> (Child, u64) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", HOLDER, "--nocapture"])
        .env(FOLDER_VARIABLE, folder)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let fence = lines.map(Result::unwrap).find_map(|line| line.strip_prefix("fence ")?.parse().ok()).unwrap();
    (child, fence)
}

#[tokio::test]
async fn a_killed_process_holds_nothing_any_more() {
    if let Ok(folder) = std::env::var(FOLDER_VARIABLE) {
        return hold(Path::new(&folder)).await;
    }
    let folder = tempfile::tempdir().unwrap();
    let coordinator = FileCoordinator::new(folder.path());
    let mut last = 0;
    for _ in 0..3 {
        let (mut child, fence) = start_holder(folder.path());
        assert!(fence > last, "fences outlive processes");
        assert!(coordinator.acquire("repair", member(2).id, TTL).await.unwrap().is_none());
        assert_eq!(coordinator.members("repairers").await.unwrap(), [member(1)]);
        let twin = coordinator.join("repairers", member(1)).await.unwrap_err();
        assert_eq!(twin.kind(), ErrorKind::AlreadyExists);

        child.kill().unwrap();
        child.wait().unwrap();

        assert_eq!(coordinator.members("repairers").await.unwrap(), []);
        let lease = coordinator.acquire("repair", member(2).id, TTL).await.unwrap().unwrap();
        assert!(lease.fence() > fence);
        last = lease.fence();
    }
    let left = std::fs::read_dir(folder.path().join("groups/repairers")).unwrap().count();
    assert_eq!(left, 1, "the lock, and nothing of the dead");
}

#[tokio::test]
async fn a_dead_members_id_may_be_taken_without_a_look() {
    let folder = tempfile::tempdir().unwrap();
    let (mut child, _) = start_holder(folder.path());
    child.kill().unwrap();
    child.wait().unwrap();
    let coordinator = FileCoordinator::new(folder.path());
    let _joined = coordinator.join("repairers", member(1)).await.unwrap();
    assert_eq!(coordinator.members("repairers").await.unwrap(), [member(1)]);
}
