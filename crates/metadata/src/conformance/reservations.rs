//! Clauses on holding names.

use types::ErrorKind;

use super::fixture::{NOW, Store, TTL, draft, granted, id, lapsed, name, owner, put, request, reserve};
use crate::{Reserve, Reserved, partition_of};

/// A name that nobody has is granted, with everything that was asked.
pub async fn reserve_grants_a_free_name(store: Store) {
    let draft = draft("free", 100);
    let reservation = reserve(&store, &draft).await;
    assert_eq!(reservation.name, draft.record.name);
    assert_eq!(reservation.document, draft.record.id);
    assert_eq!(reservation.owner, owner());
    assert_eq!(reservation.expires, lapsed());
    assert_eq!(reservation.partition, partition_of(&draft.record.name, store.archive().partitions));
    assert_eq!(store.document(&draft.record.name).await.unwrap(), None);
}

/// A second upload is told who holds the name.
pub async fn reserve_tells_who_holds_the_name(store: Store) {
    let first = draft("held", 100);
    let reservation = reserve(&store, &first).await;
    let second = Reserve { document: id("held", 1), ..request(&first) };
    let just_before = types::Timestamp::from_millis(lapsed().as_millis() - 1);
    for now in [NOW, just_before] {
        assert_eq!(store.reserve(&second, now).await.unwrap(), Reserved::Held(reservation.clone()));
    }
}

/// Whoever wants the name of a document is told of the document.
pub async fn reserve_tells_which_document_has_the_name(store: Store) {
    let document = put(&store, "there", 100).await;
    let request = Reserve { document: id("there", 1), ..request(&draft("there", 100)) };
    let late = lapsed().after(TTL);
    for now in [NOW, late] {
        let reserved = store.reserve(&request, now).await.unwrap();
        assert_eq!(reserved, Reserved::Exists(Box::new(document.clone())));
    }
}

/// Asking again, after an answer got lost, is no loss.
pub async fn reserve_is_granted_again_to_the_upload_that_holds_the_name(store: Store) {
    let draft = draft("again", 100);
    reserve(&store, &draft).await;
    let later = NOW.after(TTL / 2);
    let reservation = granted(store.reserve(&request(&draft), later).await.unwrap());
    assert_eq!(reservation.expires, later.after(TTL));
    store.commit(&reservation, &draft, lapsed()).await.unwrap();
}

/// Of many uploads at once, one gets the name and the others are told who.
pub async fn reserve_has_one_winner_among_many(store: Store) {
    let mut tasks = Vec::new();
    for attempt in 0..32 {
        let request = Reserve { document: id("race", attempt), ..request(&draft("race", 100)) };
        let store = store.clone();
        tasks.push(tokio::spawn(async move { store.reserve(&request, NOW).await.unwrap() }));
    }
    let (mut winners, mut told) = (Vec::new(), Vec::new());
    for task in tasks {
        match task.await.unwrap() {
            Reserved::Granted(reservation) => winners.push(reservation),
            Reserved::Held(reservation) => told.push(reservation),
            Reserved::Exists(document) => panic!("{document:?}"),
        }
    }
    assert_eq!((winners.len(), told.len()), (1, 31));
    assert!(told.iter().all(|reservation| *reservation == winners[0]));
}

/// A lapsed name is anybody's.
pub async fn reserve_takes_over_a_lapsed_name(store: Store) {
    let first = draft("lapsed", 100);
    reserve(&store, &first).await;
    let mut second = first.clone();
    second.record.id = id("lapsed", 1);
    let reservation = granted(store.reserve(&request(&second), lapsed()).await.unwrap());
    let document = store.commit(&reservation, &second, lapsed()).await.unwrap();
    assert_eq!(document.record.id, second.record.id);
}

/// A name held by an upload that is known to be dead is taken from it.
pub async fn reserve_takes_over_from_the_upload_named(store: Store) {
    let first = draft("dead", 100);
    let old = reserve(&store, &first).await;
    let mut second = first.clone();
    second.record.id = id("dead", 1);
    let taking = Reserve { instead_of: Some(first.record.id), ..request(&second) };
    let reservation = granted(store.reserve(&taking, NOW).await.unwrap());
    let error = store.commit(&old, &first, NOW).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict);
    store.commit(&reservation, &second, NOW).await.unwrap();
}

/// A name is taken from no other upload than the one named.
pub async fn reserve_does_not_take_over_from_another_upload(store: Store) {
    let first = draft("alive", 100);
    let held = reserve(&store, &first).await;
    let taking = Reserve { document: id("alive", 2), instead_of: Some(id("alive", 1)), ..request(&first) };
    assert_eq!(store.reserve(&taking, NOW).await.unwrap(), Reserved::Held(held));
}

/// An upload that lost its name, or committed, cannot start over under its identifier.
pub async fn reserve_refuses_an_identifier_that_was_used(store: Store) {
    let draft_ = draft("used", 100);
    reserve(&store, &draft_).await;
    let error = store.reserve(&request(&draft_), lapsed()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict, "its blocks may have been collected");
    let other = Reserve { name: name("other"), ..request(&draft_) };
    assert_eq!(store.reserve(&other, NOW).await.unwrap_err().kind(), ErrorKind::Conflict);
    let committed = put(&store, "committed", 100).await;
    let other = Reserve { name: name("other"), document: committed.record.id, ..request(&draft_) };
    assert_eq!(store.reserve(&other, NOW).await.unwrap_err().kind(), ErrorKind::Conflict);
}

/// A renewed reservation holds where the first would have lapsed.
pub async fn renew_holds_the_name_for_longer(store: Store) {
    let draft = draft("renewed", 100);
    let reservation = reserve(&store, &draft).await;
    let later = NOW.after(TTL / 2);
    let renewed = store.renew(&reservation, TTL, later).await.unwrap();
    assert_eq!(renewed.expires, later.after(TTL));
    assert_eq!((&renewed.name, renewed.document), (&reservation.name, reservation.document));
    let second = Reserve { document: id("renewed", 1), ..request(&draft) };
    assert_eq!(store.reserve(&second, lapsed()).await.unwrap(), Reserved::Held(renewed));
    // The handle from before the renewal is as good: the store knows until when the name is held.
    store.commit(&reservation, &draft, lapsed()).await.unwrap();
}

/// What lapsed is not renewed, even if nobody took it.
pub async fn renew_refuses_a_lapsed_reservation(store: Store) {
    let reservation = reserve(&store, &draft("late", 100)).await;
    let error = store.renew(&reservation, TTL, lapsed()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict);
}

/// What was taken over is not renewed, by whatever clock.
pub async fn renew_refuses_a_reservation_taken_over(store: Store) {
    let first = draft("taken", 100);
    let reservation = reserve(&store, &first).await;
    let second = Reserve { document: id("taken", 1), ..request(&first) };
    granted(store.reserve(&second, lapsed()).await.unwrap());
    for now in [NOW, lapsed()] {
        let error = store.renew(&reservation, TTL, now).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Conflict);
    }
}
