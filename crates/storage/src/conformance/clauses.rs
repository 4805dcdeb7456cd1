//! Clauses about blocks.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::missing_panics_doc,
    missing_docs,
    reason = "these are tests, and each is named by its clause"
)]

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use types::{BlockId, DocumentId, ErrorKind, Timestamp};

use super::{Fixture, block, id, open_attached, whole};
use crate::{Block, BlockStore};

const BYTES_MAX: usize = 16 << 20;

async fn put(store: &dyn BlockStore, id: BlockId, length: usize) -> Bytes {
    let block = block(id.parity, length);
    store.put(&id, &block).await.unwrap();
    whole(&block)
}

async fn names(store: &dyn BlockStore) -> Vec<BlockId> {
    store.list(None, 10_000).await.unwrap().iter().map(|stat| stat.id).collect()
}

pub async fn a_block_is_there_after_put(fixture: &dyn Fixture) {
    let store = open_attached(fixture).await;
    let expected = put(&*store, id(1, 2, 3), 5000).await;
    assert_eq!(store.get(&id(1, 2, 3), BYTES_MAX).await.unwrap(), expected);
}

pub async fn another_handle_sees_a_block_after_put(fixture: &dyn Fixture) {
    let (store, other) = (open_attached(fixture).await, open_attached(fixture).await);
    let expected = put(&*store, id(1, 2, 3), 5000).await;
    assert_eq!(other.get(&id(1, 2, 3), BYTES_MAX).await.unwrap(), expected);
    assert_eq!(names(&*other).await, [id(1, 2, 3)]);
}

pub async fn put_replaces_a_block_whole(fixture: &dyn Fixture) {
    let store = open_attached(fixture).await;
    for (seed, length) in [(1, 9000), (2, 10), (3, 70_000)] {
        let block = block(seed, length);
        store.put(&id(7, 0, 0), &block).await.unwrap();
        assert_eq!(store.get(&id(7, 0, 0), BYTES_MAX).await.unwrap(), whole(&block));
    }
    assert_eq!(names(&*store).await, [id(7, 0, 0)]);
}

pub async fn get_of_a_missing_block_is_not_found(fixture: &dyn Fixture) {
    let store = open_attached(fixture).await;
    put(&*store, id(1, 0, 0), 10).await;
    for missing in [id(1, 0, 1), id(1, 1, 0), id(2, 0, 0)] {
        assert_eq!(store.get(&missing, BYTES_MAX).await.unwrap_err().kind(), ErrorKind::NotFound);
    }
}

pub async fn get_of_more_than_bytes_max_is_corrupt(fixture: &dyn Fixture) {
    let store = open_attached(fixture).await;
    let expected = put(&*store, id(1, 0, 0), 40_000).await;
    for bytes_max in [0, 100, expected.len() - 1] {
        assert_eq!(store.get(&id(1, 0, 0), bytes_max).await.unwrap_err().kind(), ErrorKind::Corrupt);
    }
    assert_eq!(store.get(&id(1, 0, 0), expected.len()).await.unwrap(), expected);
}

pub async fn stat_tells_length_and_time(fixture: &dyn Fixture) {
    let store = open_attached(fixture).await;
    let expected = put(&*store, id(1, 0, 0), 4096).await;
    let stat = store.stat(&id(1, 0, 0)).await.unwrap();
    assert_eq!((stat.id, stat.length), (id(1, 0, 0), expected.len() as u64));
    // The node's clock need not be ours: a minute apart will do.
    let now = Timestamp::from(SystemTime::now()).as_millis();
    assert!((now - stat.modified.as_millis()).abs() < 60_000, "{stat:?}");
    assert_eq!(store.list(None, 10).await.unwrap(), [stat]);
    assert_eq!(store.list_document(&stat.id.document).await.unwrap(), [stat]);
}

pub async fn stat_of_a_missing_block_is_not_found(fixture: &dyn Fixture) {
    let store = open_attached(fixture).await;
    assert_eq!(store.stat(&id(1, 0, 0)).await.unwrap_err().kind(), ErrorKind::NotFound);
}

pub async fn delete_removes_one_block(fixture: &dyn Fixture) {
    let store = open_attached(fixture).await;
    for parity in 0..3 {
        put(&*store, id(1, 0, parity), 100).await;
    }
    store.delete(&id(1, 0, 1)).await.unwrap();
    assert_eq!(store.get(&id(1, 0, 1), BYTES_MAX).await.unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(names(&*store).await, [id(1, 0, 0), id(1, 0, 2)]);
}

pub async fn delete_of_a_missing_block_succeeds(fixture: &dyn Fixture) {
    let store = open_attached(fixture).await;
    put(&*store, id(1, 0, 0), 100).await;
    for _ in 0..2 {
        store.delete(&id(1, 0, 0)).await.unwrap();
        store.delete(&id(2, 0, 0)).await.unwrap();
    }
}

pub async fn ids_of_all_extremes_are_kept_apart(fixture: &dyn Fixture) {
    let store = open_attached(fixture).await;
    let mut ids = Vec::new();
    for document in [0x00, 0xff] {
        for segment in [0, 1, u32::MAX] {
            for parity in [0, 1, 255] {
                ids.push(BlockId::new(DocumentId::from_bytes([document; 16]), segment, parity));
            }
        }
    }
    for (seed, id) in (0..).zip(&ids) {
        store.put(id, &block(seed, 50)).await.unwrap();
    }
    for (seed, id) in (0..).zip(&ids) {
        assert_eq!(store.get(id, BYTES_MAX).await.unwrap(), whole(&block(seed, 50)), "{id}");
    }
    assert_eq!(names(&*store).await, ids);
}

pub async fn an_empty_block_is_a_block(fixture: &dyn Fixture) {
    let store = open_attached(fixture).await;
    store.put(&id(1, 0, 0), &Block { header: Bytes::new(), payload: Bytes::new() }).await.unwrap();
    assert_eq!(store.get(&id(1, 0, 0), 0).await.unwrap(), Bytes::new());
    assert_eq!(store.stat(&id(1, 0, 0)).await.unwrap().length, 0);
}

pub async fn header_and_payload_may_each_be_empty(fixture: &dyn Fixture) {
    let store = open_attached(fixture).await;
    let (some, none) = (Bytes::from_static(b"selvage"), Bytes::new());
    for (header, payload) in [(&some, &none), (&none, &some)] {
        store.put(&id(1, 0, 0), &Block { header: header.clone(), payload: payload.clone() }).await.unwrap();
        assert_eq!(store.get(&id(1, 0, 0), BYTES_MAX).await.unwrap(), some);
    }
}

pub async fn a_large_block_comes_back_whole(fixture: &dyn Fixture) {
    let store = open_attached(fixture).await;
    let expected = put(&*store, id(1, 0, 0), (8 << 20) + 1).await;
    assert!(store.get(&id(1, 0, 0), BYTES_MAX).await.unwrap() == expected);
}

pub async fn concurrent_puts_of_one_block_leave_one_of_them_whole(fixture: &dyn Fixture) {
    let stores = [open_attached(fixture).await, open_attached(fixture).await];
    let blocks: Vec<Block> = (0..8).map(|seed| block(seed, 20_000 + 1000 * usize::from(seed))).collect();
    let mut tasks = tokio::task::JoinSet::new();
    for (block, store) in blocks.iter().cloned().zip(stores.iter().cycle().map(Arc::clone)) {
        tasks.spawn(async move { store.put(&id(1, 0, 0), &block).await.unwrap() });
    }
    tasks.join_all().await;
    let kept = stores[0].get(&id(1, 0, 0), BYTES_MAX).await.unwrap();
    assert!(blocks.iter().any(|block| whole(block) == kept));
    assert_eq!(names(&*stores[1]).await, [id(1, 0, 0)]);
}

pub async fn concurrent_puts_and_gets_see_whole_blocks(fixture: &dyn Fixture) {
    let (writer, reader) = (open_attached(fixture).await, open_attached(fixture).await);
    let blocks = [block(1, 300_000), block(2, 100_000)];
    let wholes = blocks.each_ref().map(whole);
    writer.put(&id(1, 0, 0), &blocks[0]).await.unwrap();
    let writing = tokio::spawn(async move {
        for block in blocks.iter().cycle().take(40) {
            writer.put(&id(1, 0, 0), block).await.unwrap();
        }
    });
    while !writing.is_finished() {
        let seen = reader.get(&id(1, 0, 0), BYTES_MAX).await.unwrap();
        assert!(wholes.contains(&seen), "a part of a block was seen");
    }
    writing.await.unwrap();
}

pub async fn a_dropped_put_leaves_nothing_partial(fixture: &dyn Fixture) {
    let store = open_attached(fixture).await;
    let dropped = block(1, 2 << 20);
    for segment in 0..20 {
        let wait = Duration::from_micros(u64::from(segment) * 100);
        let _ = tokio::time::timeout(wait, store.put(&id(1, segment, 0), &dropped)).await;
    }
    // What the store had begun, it may finish.
    for attempt in 0..2 {
        tokio::time::sleep(Duration::from_millis(200 * attempt)).await;
        for stat in store.list(None, 100).await.unwrap() {
            assert!(store.get(&stat.id, BYTES_MAX).await.unwrap() == whole(&dropped), "{stat:?}");
        }
    }
    put(&*store, id(1, 0, 0), 10).await;
}

pub async fn list_of_an_empty_store_is_empty(fixture: &dyn Fixture) {
    let store = open_attached(fixture).await;
    assert_eq!(store.list(None, 10).await.unwrap(), []);
    assert_eq!(store.list(Some(&id(1, 2, 3)), 10).await.unwrap(), []);
}

/// Blocks of many documents, in the order of names.
async fn fill(store: &dyn BlockStore) -> Vec<BlockId> {
    let mut ids = Vec::new();
    for document in 0..10 {
        for segment in [0, 1, 0x1_0000] {
            ids.push(id(document, segment, document));
        }
    }
    for id in ids.iter().rev() {
        put(store, *id, 10).await;
    }
    ids
}

pub async fn list_is_in_order_of_names(fixture: &dyn Fixture) {
    let store = open_attached(fixture).await;
    let ids = fill(&*store).await;
    assert_eq!(names(&*store).await, ids);
}

pub async fn list_pages_give_every_block_once(fixture: &dyn Fixture) {
    let store = open_attached(fixture).await;
    let ids = fill(&*store).await;
    for limit in [1, 7, 10, ids.len() - 1, ids.len(), ids.len() + 1] {
        let mut seen: Vec<BlockId> = Vec::new();
        loop {
            let page = store.list(seen.last(), limit).await.unwrap();
            assert!(page.len() <= limit);
            seen.extend(page.iter().map(|stat| stat.id));
            if page.len() < limit {
                break;
            }
        }
        assert_eq!(seen, ids, "pages of {limit}");
    }
}

pub async fn list_honours_limits(fixture: &dyn Fixture) {
    let store = open_attached(fixture).await;
    let ids = fill(&*store).await;
    assert_eq!(store.list(None, 0).await.unwrap(), []);
    assert_eq!(store.list(None, usize::MAX).await.unwrap().len(), ids.len());
    assert_eq!(store.list(ids.last(), usize::MAX).await.unwrap(), []);
    assert_eq!(store.list(Some(&ids[3]), 1).await.unwrap()[0].id, ids[4]);
}

pub async fn list_goes_on_after_a_block_that_is_gone(fixture: &dyn Fixture) {
    let store = open_attached(fixture).await;
    let ids = fill(&*store).await;
    let page = store.list(None, 5).await.unwrap();
    let last = page.last().unwrap().id;
    for gone in [4, 5, 6] {
        store.delete(&ids[gone]).await.unwrap();
    }
    let rest = store.list(Some(&last), 5).await.unwrap();
    assert_eq!(
        rest.iter().map(|stat| stat.id).collect::<Vec<_>>(),
        ids[7..12],
        "a full page, or it would end"
    );
}

pub async fn list_document_gives_its_blocks_in_order(fixture: &dyn Fixture) {
    let store = open_attached(fixture).await;
    // Documents that differ in one byte, first, middle or last, and blocks around theirs.
    let mut bytes = [7; 16];
    let document = DocumentId::from_bytes(bytes);
    for index in [0, 8, 15] {
        bytes[index] = 8;
        put(&*store, BlockId::new(DocumentId::from_bytes(bytes), 0, 0), 10).await;
        bytes[index] = 7;
    }
    let mut ids = Vec::new();
    for segment in [0, 9, 10, 300, u32::MAX] {
        for parity in [0, 255] {
            ids.push(BlockId::new(document, segment, parity));
        }
    }
    for id in ids.iter().rev() {
        put(&*store, *id, 10).await;
    }
    let found = store.list_document(&document).await.unwrap();
    assert_eq!(found.iter().map(|stat| stat.id).collect::<Vec<_>>(), ids);
}

pub async fn list_document_of_a_stranger_is_empty(fixture: &dyn Fixture) {
    let store = open_attached(fixture).await;
    assert_eq!(store.list_document(&id(1, 0, 0).document).await.unwrap(), []);
    put(&*store, id(2, 0, 0), 10).await;
    assert_eq!(store.list_document(&id(1, 0, 0).document).await.unwrap(), []);
}
