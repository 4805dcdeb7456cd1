use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use types::{ArchiveId, ErrorKind, Incarnation, NodeName};

use super::folder::Folder;
use super::*;
use crate::conformance::{block, id, identity_of, whole};
use crate::open_node;

const ARCHIVE: ArchiveId = ArchiveId::from_bytes([1; 16]);
const FRESH: Incarnation = Incarnation::from_bytes([2; 16]);
const BYTES_MAX: usize = 1 << 20;

struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn directory(&self) -> PathBuf {
        self.0.path().join("nodes/a")
    }

    fn store(&self, node: &str) -> DirectoryStore {
        let node = NodeName::new(node).unwrap();
        DirectoryStore::new(node, self.directory(), BufferPool::new(8 << 20))
    }

    async fn open(&self) -> DirectoryStore {
        let store = self.store("a");
        open_node(&store, ARCHIVE, None, FRESH).await.unwrap();
        store
    }

    fn files_in(&self, folder: &str) -> usize {
        fs::read_dir(self.directory().join(folder)).unwrap().count()
    }
}

#[tokio::test]
async fn files_lie_where_the_format_says() {
    let place = Place::new();
    let store = place.open().await;
    let id = id(0x12, 3, 4);
    store.put(&id, &block(1, 100)).await.unwrap();
    let path = place.directory().join("blocks/ed").join(id.to_string());
    assert_eq!(fs::read(path).unwrap(), whole(&block(1, 100)));
    let marker: serde_json::Value =
        serde_json::from_slice(&fs::read(place.directory().join("selvage-node.json")).unwrap()).unwrap();
    assert_eq!(marker["node"], "a");
    assert_eq!(marker["archive"], ARCHIVE.to_string());
    assert_eq!(place.files_in("tmp"), 0);
}

#[tokio::test]
async fn a_foreign_folder_is_refused_by_name() {
    let place = Place::new();
    place.open().await;
    let other = ArchiveId::from_bytes([9; 16]);
    let archive = open_node(&place.store("a"), other, None, FRESH).await.unwrap_err();
    let node = open_node(&place.store("b"), ARCHIVE, None, FRESH).await.unwrap_err();
    for (error, expected) in [(archive, other.to_string()), (node, "node b of".to_owned())] {
        assert_eq!(error.kind(), ErrorKind::Denied);
        let text = error.to_string();
        let folder = place.directory().display().to_string();
        for part in [&folder, &expected, &ARCHIVE.to_string(), "node a of"] {
            assert!(text.contains(part), "{part} not in {text}");
        }
    }
}

#[tokio::test]
async fn a_folder_of_somebody_elses_files_is_not_claimed() {
    let place = Place::new();
    fs::create_dir_all(place.directory()).unwrap();
    fs::write(place.directory().join("thesis.pdf"), "precious").unwrap();
    let error = open_node(&place.store("a"), ARCHIVE, None, FRESH).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Denied);
    assert!(error.to_string().contains("thesis.pdf"), "{error}");
    assert_eq!(place.files_in(""), 1, "nothing was made in it");
}

#[tokio::test]
async fn a_fresh_volume_is_claimed_in_spite_of_its_lost_and_found() {
    let place = Place::new();
    for leftover in ["lost+found", "tmp", "blocks"] {
        fs::create_dir_all(place.directory().join(leftover)).unwrap();
    }
    place.open().await;
}

#[tokio::test]
async fn blocks_without_a_marker_are_not_claimed() {
    let place = Place::new();
    let store = place.open().await;
    store.put(&id(1, 0, 0), &block(1, 10)).await.unwrap();
    fs::remove_file(place.directory().join("selvage-node.json")).unwrap();
    let error = open_node(&place.store("a"), ARCHIVE, None, FRESH).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Denied);
    assert!(error.to_string().contains("it holds blocks"), "{error}");
}

#[tokio::test]
async fn a_folder_deleted_while_running_is_denied_and_not_made_again() {
    let place = Place::new();
    let store = place.open().await;
    store.put(&id(1, 0, 0), &block(1, 10)).await.unwrap();
    fs::remove_dir_all(place.directory()).unwrap();
    // At once, though the last look at the marker is fresh: nothing works in a folder that is not there.
    let put = store.put(&id(1, 0, 0), &block(1, 10)).await.map(drop);
    let get = store.get(&id(1, 0, 0), BYTES_MAX).await.map(drop);
    let list = store.list(None, 10).await.map(drop);
    let list_document = store.list_document(&id(1, 0, 0).document).await.map(drop);
    let delete = store.delete(&id(1, 0, 0)).await;
    for outcome in [put, get, list, list_document, delete] {
        assert_eq!(outcome.unwrap_err().kind(), ErrorKind::Denied);
    }
    assert!(!place.directory().exists());
}

#[tokio::test]
async fn an_empty_folder_in_the_place_of_a_nodes_stays_empty() {
    let place = Place::new();
    let store = place.open().await;
    fs::remove_dir_all(place.directory()).unwrap();
    fs::create_dir(place.directory()).unwrap();
    let error = store.put(&id(1, 0, 0), &block(1, 10)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Denied);
    assert_eq!(place.files_in(""), 0);
}

#[tokio::test]
async fn a_lost_sub_folder_is_made_again() {
    let place = Place::new();
    let store = place.open().await;
    for round in 0..2 {
        store.put(&id(1, 0, 0), &block(round, 10)).await.unwrap();
        fs::remove_dir_all(place.directory().join("blocks/fe")).unwrap();
        assert_eq!(store.get(&id(1, 0, 0), BYTES_MAX).await.unwrap_err().kind(), ErrorKind::NotFound);
    }
}

#[tokio::test]
async fn an_unreadable_marker_is_corrupt() {
    let place = Place::new();
    place.open().await;
    let marker = place.directory().join("selvage-node.json");
    for bytes in ["", "{", "null", &"x".repeat(5000)] {
        fs::write(&marker, bytes).unwrap();
        let error = open_node(&place.store("a"), ARCHIVE, None, FRESH).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupt);
        assert!(error.to_string().contains(&marker.display().to_string()), "{error}");
    }
    fs::remove_file(&marker).unwrap();
    fs::create_dir(&marker).unwrap();
    assert_eq!(place.store("a").identity().await.unwrap_err().kind(), ErrorKind::Corrupt);
}

#[tokio::test]
async fn a_put_that_fails_leaves_no_temporary_file() {
    let place = Place::new();
    let store = place.open().await;
    fs::write(place.directory().join("blocks/fe"), "in the way").unwrap();
    let error = store.put(&id(1, 0, 0), &block(1, 10)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert_eq!(place.files_in("tmp"), 0);
}

#[tokio::test]
async fn a_full_disk_is_unavailable_and_says_so() {
    let place = Place::new();
    let store = place.open().await;
    let error = store.folder.explained("writing block x", io::Error::from(io::ErrorKind::StorageFull));
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!(error.to_string().contains("no storage space"), "{error}");
}

fn age(path: &Path, age: Duration) {
    fs::File::options().write(true).open(path).unwrap().set_modified(SystemTime::now() - age).unwrap();
}

#[tokio::test]
async fn old_leftovers_are_swept_and_young_ones_left() {
    let place = Place::new();
    place.open().await;
    let (old, young) = (place.directory().join("tmp/old"), place.directory().join("tmp/young"));
    for (path, minutes) in [(&old, 61), (&young, 59)] {
        fs::write(path, "half a block").unwrap();
        age(path, Duration::from_secs(minutes * 60));
    }
    let store = place.open().await;
    store.list(None, 1).await.unwrap();
    assert!(!old.exists() && young.exists());
}

#[tokio::test]
async fn strange_files_are_not_blocks() {
    let place = Place::new();
    let store = place.open().await;
    store.put(&id(1, 0, 0), &block(1, 10)).await.unwrap();
    let blocks = place.directory().join("blocks");
    fs::create_dir(blocks.join("FE")).unwrap();
    fs::write(blocks.join("README"), "").unwrap();
    fs::write(blocks.join("fe/.nfs0001"), "").unwrap();
    fs::write(blocks.join("fe").join(id(2, 0, 0).to_string()), "in another's sub-folder").unwrap();
    let found = store.list(None, 10).await.unwrap();
    assert_eq!(found.iter().map(|stat| stat.id).collect::<Vec<_>>(), [id(1, 0, 0)]);
    assert_eq!(store.list_document(&id(1, 0, 0).document).await.unwrap(), found);
    assert_eq!(store.list_document(&id(2, 0, 0).document).await.unwrap(), []);
}

#[tokio::test]
async fn something_else_under_a_blocks_name_is_corrupt() {
    let place = Place::new();
    let store = place.open().await;
    fs::create_dir_all(place.directory().join("blocks/fe").join(id(1, 0, 0).to_string())).unwrap();
    assert_eq!(store.get(&id(1, 0, 0), BYTES_MAX).await.unwrap_err().kind(), ErrorKind::Corrupt);
}

#[tokio::test]
async fn a_new_inventory_looks_anew_in_the_middle_of_another() {
    let place = Place::new();
    let store = place.open().await;
    for document in [1, 3, 5] {
        store.put(&id(document, 0, 0), &block(1, 10)).await.unwrap();
    }
    assert_eq!(store.list(None, 1).await.unwrap().len(), 1);
    store.put(&id(2, 0, 0), &block(1, 10)).await.unwrap();
    assert_eq!(store.list(None, 10).await.unwrap().len(), 4);
    assert_eq!(store.list(Some(&id(2, 0, 0)), 10).await.unwrap().len(), 2);
}

#[test]
fn a_look_at_the_marker_is_trusted_for_a_second() {
    let place = Place::new();
    let folder = Folder::new(NodeName::new("a").unwrap(), place.directory(), BufferPool::new(0));
    let identity = identity_of(&folder.node);
    folder.claim(&identity).unwrap();
    folder.attach(identity);
    folder.check_recent().unwrap();
    fs::remove_file(&folder.marker).unwrap();
    folder.check_recent().unwrap();
    assert_eq!(folder.check_now().unwrap_err().kind(), ErrorKind::Denied);
    std::thread::sleep(Duration::from_millis(1010));
    assert_eq!(folder.check_recent().unwrap_err().kind(), ErrorKind::Denied);
}
