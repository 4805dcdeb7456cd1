//! Clauses about whose store it is.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::missing_panics_doc,
    missing_docs,
    reason = "these are tests, and each is named by its clause"
)]

use std::time::Duration;

use types::{ArchiveId, ErrorKind, Incarnation, NodeName, Result};

use super::{Fixture, block, id, identity_of, open_attached};
use crate::{BlockStore, NodeIdentity};

const BYTES_MAX: usize = 1 << 20;

/// The kind of error of every operation that must not happen on a store that is not the right one.
async fn refusals(store: &dyn BlockStore) -> Vec<(&'static str, Option<ErrorKind>)> {
    fn kind<T>(result: Result<T>) -> Option<ErrorKind> {
        result.err().map(|error| error.kind())
    }
    let absent = id(99, 0, 0);
    vec![
        ("put", kind(store.put(&absent, &block(1, 10)).await)),
        ("get", kind(store.get(&absent, BYTES_MAX).await)),
        ("stat", kind(store.stat(&absent).await)),
        ("delete", kind(store.delete(&absent).await)),
        ("list", kind(store.list(None, 10).await)),
        ("list_document", kind(store.list_document(&absent.document).await)),
    ]
}

async fn assert_denied(store: &dyn BlockStore) {
    for (operation, kind) in refusals(store).await {
        assert_eq!(kind, Some(ErrorKind::Denied), "{operation}");
    }
}

pub async fn a_fresh_store_has_no_identity(fixture: &dyn Fixture) {
    assert_eq!(fixture.open().await.identity().await.unwrap(), None);
}

pub async fn claim_makes_the_identity_stand(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    let identity = identity_of(store.node());
    assert_eq!(store.claim(&identity).await.unwrap(), identity);
    assert_eq!(store.identity().await.unwrap(), Some(identity.clone()));
    assert_eq!(fixture.open().await.identity().await.unwrap(), Some(identity));
}

pub async fn a_second_claim_is_told_who_won(fixture: &dyn Fixture) {
    let store = open_attached(fixture).await;
    store.put(&id(1, 0, 0), &block(1, 10)).await.unwrap();
    let first = identity_of(store.node());
    let second = NodeIdentity { incarnation: Incarnation::from_bytes([9; 16]), ..first.clone() };
    for handle in [store, fixture.open().await] {
        assert_eq!(handle.claim(&second).await.unwrap(), first);
        assert_eq!(handle.identity().await.unwrap(), Some(first.clone()));
    }
}

pub async fn concurrent_claims_have_one_winner(fixture: &dyn Fixture) {
    let mut tasks = tokio::task::JoinSet::new();
    for number in 0..8 {
        let store = fixture.open().await;
        let incarnation = Incarnation::from_bytes([number; 16]);
        let identity = NodeIdentity { incarnation, ..identity_of(store.node()) };
        tasks.spawn(async move { store.claim(&identity).await.unwrap() });
    }
    let told = tasks.join_all().await;
    let standing = fixture.open().await.identity().await.unwrap().unwrap();
    assert!(told.iter().all(|identity| *identity == standing), "{told:?}");
}

pub async fn claim_of_a_store_that_lost_its_marker_is_denied(fixture: &dyn Fixture) {
    let store = open_attached(fixture).await;
    store.put(&id(1, 0, 0), &block(1, 10)).await.unwrap();
    fixture.remove_marker().await;
    let handle = fixture.open().await;
    assert_eq!(handle.claim(&identity_of(handle.node())).await.unwrap_err().kind(), ErrorKind::Denied);
    assert_eq!(handle.identity().await.unwrap(), None);
}

pub async fn operations_before_attach_are_denied(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    assert_denied(&*store).await;
    store.claim(&identity_of(store.node())).await.unwrap();
    assert_denied(&*store).await;
    store.attach(identity_of(store.node()));
    assert_eq!(store.list(None, 10).await.unwrap(), []);
}

pub async fn operations_under_another_identity_are_denied(fixture: &dyn Fixture) {
    let store = open_attached(fixture).await;
    let right = identity_of(store.node());
    for wrong in [
        NodeIdentity { archive: ArchiveId::from_bytes([9; 16]), ..right.clone() },
        NodeIdentity { node: NodeName::new("somebody-else").unwrap(), ..right.clone() },
        NodeIdentity { incarnation: Incarnation::from_bytes([9; 16]), ..right.clone() },
    ] {
        store.attach(wrong);
        assert_denied(&*store).await;
    }
    store.attach(right);
    store.put(&id(1, 0, 0), &block(1, 10)).await.unwrap();
}

pub async fn operations_without_the_marker_are_denied(fixture: &dyn Fixture) {
    let store = open_attached(fixture).await;
    store.put(&id(1, 0, 0), &block(1, 10)).await.unwrap();
    fixture.remove_marker().await;
    // A look at the marker that is a second old will do, so wait that long.
    tokio::time::sleep(Duration::from_millis(1100)).await;
    assert_denied(&*store).await;
}
