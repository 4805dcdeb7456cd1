//! What every storage node must do, as tests: one clause, one test, so that a failure names the clause.
//!
//! A backend's test crate says how to make a store and gets a module of tests:
//!
//! ```text
//! fn memory() -> Box<dyn Fixture> { ... }
//! storage::conformance!(memory);
//! ```

mod clauses;
mod identity;

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use types::{ArchiveId, BlockId, DocumentId, Incarnation, NodeName};

pub use clauses::*;
pub use identity::*;

use crate::{Block, BlockStore, NodeIdentity};

/// A fresh, empty store, which lives as long as the fixture.
#[async_trait]
pub trait Fixture: Send + Sync + 'static {
    /// Another handle on the store, with nothing attached: what another process would open. All handles have
    /// the same node's name.
    async fn open(&self) -> Arc<dyn BlockStore>;

    /// Removes the marker, and nothing else, behind the back of every handle.
    async fn remove_marker(&self);
}

/// Runs a clause. Tests of backends that have no asynchronous runtime of their own need nothing else.
#[allow(clippy::expect_used, clippy::missing_panics_doc, reason = "part of a test")]
pub fn run(fixture: impl FnOnce() -> Box<dyn Fixture>, clause: impl AsyncFnOnce(&dyn Fixture)) {
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    let runtime = runtime.worker_threads(2).enable_all().build().expect("a runtime");
    runtime.block_on(async { clause(&*fixture()).await });
}

/// Makes a module of tests, one for each clause, from a function that makes a fixture; the module has the
/// function's name.
#[macro_export]
macro_rules! conformance {
    ($fixture:ident) => {
        $crate::conformance!(@clauses $fixture
            a_block_is_there_after_put
            another_handle_sees_a_block_after_put
            put_replaces_a_block_whole
            get_of_a_missing_block_is_not_found
            get_of_more_than_bytes_max_is_corrupt
            stat_tells_length_and_time
            stat_of_a_missing_block_is_not_found
            delete_removes_one_block
            delete_of_a_missing_block_succeeds
            ids_of_all_extremes_are_kept_apart
            an_empty_block_is_a_block
            header_and_payload_may_each_be_empty
            a_large_block_comes_back_whole
            concurrent_puts_of_one_block_leave_one_of_them_whole
            concurrent_puts_and_gets_see_whole_blocks
            a_dropped_put_leaves_nothing_partial
            list_of_an_empty_store_is_empty
            list_is_in_order_of_names
            list_pages_give_every_block_once
            list_honours_limits
            list_goes_on_after_a_block_that_is_gone
            list_document_gives_its_blocks_in_order
            list_document_of_a_stranger_is_empty
            a_fresh_store_has_no_identity
            claim_makes_the_identity_stand
            a_second_claim_is_told_who_won
            concurrent_claims_have_one_winner
            claim_of_a_store_that_lost_its_marker_is_denied
            operations_before_attach_are_denied
            operations_under_another_identity_are_denied
            operations_without_the_marker_are_denied
        );
    };
    (@clauses $fixture:ident $($clause:ident)+) => {
        mod $fixture {
            $(
                #[test]
                fn $clause() {
                    $crate::conformance::run(super::$fixture, $crate::conformance::$clause);
                }
            )+
        }
    };
}

/// The identity that the suite's stores are claimed under.
#[must_use]
pub fn identity_of(node: &NodeName) -> NodeIdentity {
    NodeIdentity {
        archive: ArchiveId::from_bytes([0xa1; 16]),
        node: node.clone(),
        incarnation: Incarnation::from_bytes([0x1c; 16]),
    }
}

/// A handle, claimed and attached.
#[allow(clippy::expect_used, clippy::missing_panics_doc, reason = "part of a test")]
pub async fn open_attached(fixture: &dyn Fixture) -> Arc<dyn BlockStore> {
    let store = fixture.open().await;
    let identity = store.claim(&identity_of(store.node())).await.expect("an empty store can be claimed");
    store.attach(identity);
    store
}

/// A block's name; documents of different numbers differ in their first and last bytes, in opposite orders.
#[must_use]
pub fn id(document: u8, segment: u32, parity: u8) -> BlockId {
    let mut bytes = [0x5a; 16];
    let [first, .., last] = &mut bytes;
    (*first, *last) = (document, 255 - document);
    BlockId::new(DocumentId::from_bytes(bytes), segment, parity)
}

/// A block of `length` bytes of payload and a short header, both made from `seed`.
#[must_use]
pub fn block(seed: u8, length: usize) -> Block {
    let byte = |index: usize| {
        seed.wrapping_mul(31).wrapping_add(index.to_le_bytes()[0]) ^ (index >> 8).to_le_bytes()[0]
    };
    Block { header: Bytes::from(vec![seed; 100]), payload: (0..length).map(byte).collect() }
}

/// The bytes that a node gives back for a block.
#[must_use]
pub fn whole(block: &Block) -> Bytes {
    [&block.header[..], &block.payload[..]].concat().into()
}
