//! Clauses on intents, staged segments and abandoned uploads.

use std::time::Duration;

use types::{ErrorKind, Timestamp};

use super::fixture::{
    NOW, Store, class, draft, granted, id, lapsed, name, owner, put, put_draft, request, reserve,
};
use crate::{Intent, Reserve};

const FOREVER: Timestamp = Timestamp::from_millis(i64::MAX);

/// Those that expired before a moment, the oldest first, no more than asked for.
pub async fn intents_are_those_expired_oldest_first(store: Store) {
    for seconds in [30, 10, 20] {
        let draft = draft(&format!("{seconds}"), 100);
        let request = Reserve { ttl: Duration::from_secs(seconds), ..request(&draft) };
        granted(store.reserve(&request, NOW).await.unwrap());
    }
    let at = |seconds| NOW.after(Duration::from_secs(seconds));
    let names = |intents: Vec<Intent>| -> Vec<String> {
        intents.iter().map(|intent| intent.name.to_string()).collect()
    };
    assert_eq!(names(store.intents(FOREVER, 10).await.unwrap()), ["10", "20", "30"]);
    assert_eq!(names(store.intents(FOREVER, 2).await.unwrap()), ["10", "20"]);
    assert_eq!(names(store.intents(at(20), 10).await.unwrap()), ["10"], "before, not at");
    assert!(store.intents(NOW, 10).await.unwrap().is_empty());
    let intent = store.intents(FOREVER, 1).await.unwrap().remove(0);
    let expected =
        Intent { document: id("10", 0), name: name("10"), owner: owner(), started: NOW, expires: at(10) };
    assert_eq!(intent, expected);
}

/// Its blocks are still to be collected.
pub async fn intent_of_a_taken_over_upload_stays(store: Store) {
    let first = draft("intent", 100);
    reserve(&store, &first).await;
    let mut second = first.clone();
    second.record.id = id("intent", 1);
    let reservation = granted(store.reserve(&request(&second), lapsed()).await.unwrap());
    assert_eq!(store.intents(FOREVER, 10).await.unwrap().len(), 2);
    store.commit(&reservation, &second, lapsed()).await.unwrap();
    let intents = store.intents(FOREVER, 10).await.unwrap();
    assert_eq!(intents.iter().map(|intent| intent.document).collect::<Vec<_>>(), [first.record.id]);
}

/// A committed upload leaves nothing to be collected.
pub async fn intent_ends_with_the_commit(store: Store) {
    put(&store, "committed", 100).await;
    assert!(store.intents(FOREVER, 10).await.unwrap().is_empty());
}

/// Afterwards it is as if the upload had never been.
pub async fn abandon_frees_the_name_and_forgets_the_upload(store: Store) {
    let first = draft("abandoned", 100);
    let reservation = reserve(&store, &first).await;
    store.abandon(&reservation, false).await.unwrap();
    assert!(store.intents(FOREVER, 10).await.unwrap().is_empty());
    let error = store.commit(&reservation, &first, NOW).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict);
    let second = Reserve { document: id("abandoned", 1), ..request(&first) };
    granted(store.reserve(&second, NOW).await.unwrap());
}

/// The name is free, but the intent stays until the leftovers are collected.
pub async fn abandon_keeps_the_intent_of_leftovers(store: Store) {
    let first = draft("leftovers", 100);
    let reservation = reserve(&store, &first).await;
    store.abandon(&reservation, true).await.unwrap();
    assert_eq!(store.intents(FOREVER, 10).await.unwrap().len(), 1);
    let second = Reserve { document: id("leftovers", 1), ..request(&first) };
    granted(store.reserve(&second, NOW).await.unwrap());
    store.abandon(&reservation, false).await.unwrap();
    let intents = store.intents(FOREVER, 10).await.unwrap();
    assert_eq!(intents.iter().map(|intent| intent.document).collect::<Vec<_>>(), [second.document]);
}

/// The name is the new upload's.
pub async fn abandon_does_not_free_a_name_taken_over(store: Store) {
    let first = draft("new owner", 100);
    let old = reserve(&store, &first).await;
    let mut second = first.clone();
    second.record.id = id("new owner", 1);
    let new = granted(store.reserve(&request(&second), lapsed()).await.unwrap());
    store.abandon(&old, false).await.unwrap();
    store.commit(&new, &second, lapsed()).await.unwrap();
}

/// Ending what has ended is no error.
pub async fn abandon_of_nothing_succeeds(store: Store) {
    let reservation = reserve(&store, &draft("twice", 100)).await;
    for leftovers in [false, false, true] {
        store.abandon(&reservation, leftovers).await.unwrap();
    }
    assert!(store.intents(FOREVER, 10).await.unwrap().is_empty());
}

/// An abandon that comes late, after a commit whose answer got lost, harms nothing.
pub async fn abandon_does_nothing_to_a_committed_document(store: Store) {
    for (text, length) in [("short", 100), ("long", 20 << 20)] {
        let draft = draft(text, length);
        let reservation = reserve(&store, &draft).await;
        store.stage(&reservation, 0, &draft.segments, NOW).await.unwrap();
        let rest = crate::Commit { segments: Vec::new(), ..draft.clone() };
        let document = store.commit(&reservation, &rest, NOW).await.unwrap();
        store.abandon(&reservation, false).await.unwrap();
        assert_eq!(store.document(&document.record.name).await.unwrap(), Some(document.clone()));
        let segments = store.segments(document.reference, 0, u32::MAX).await.unwrap();
        assert_eq!(segments, draft.segments);
    }
}

/// Segments are staged one after the other.
pub async fn stage_counts_from_the_segments_staged(store: Store) {
    let draft = draft("counted", 20 << 20);
    let reservation = reserve(&store, &draft).await;
    let (first, rest) = draft.segments.split_at(5);
    for wrong in [1, 5] {
        let error = store.stage(&reservation, wrong, first, NOW).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid);
    }
    store.stage(&reservation, 0, first, NOW).await.unwrap();
    for wrong in [0, 4, 6] {
        let error = store.stage(&reservation, wrong, rest, NOW).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid);
    }
    store.stage(&reservation, 5, &[], NOW).await.unwrap();
    store.stage(&reservation, 5, rest, NOW).await.unwrap();
}

/// Nothing is staged once the name may be somebody else's.
pub async fn stage_refuses_a_lapsed_reservation(store: Store) {
    let draft = draft("late stage", 20 << 20);
    let reservation = reserve(&store, &draft).await;
    let error = store.stage(&reservation, 0, &draft.segments, lapsed()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict);
}

/// Nothing is staged once the name is somebody else's.
pub async fn stage_refuses_a_reservation_taken_over(store: Store) {
    let first = draft("lost stage", 20 << 20);
    let reservation = reserve(&store, &first).await;
    let second = Reserve { document: id("lost stage", 1), ..request(&first) };
    granted(store.reserve(&second, lapsed()).await.unwrap());
    let error = store.stage(&reservation, 0, &first.segments, NOW).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict);
}

/// No look-up, listing, scan or index shows a document before its commit.
pub async fn staged_segments_are_invisible_before_the_commit(store: Store) {
    let draft = draft("hidden", 20 << 20);
    let reservation = reserve(&store, &draft).await;
    store.stage(&reservation, 0, &draft.segments, NOW).await.unwrap();
    assert_eq!(store.document(&draft.record.name).await.unwrap(), None);
    assert_eq!(store.document_by_id(&draft.record.id).await.unwrap(), None);
    assert!(store.list("", None, 10).await.unwrap().is_empty());
    assert!(store.scan(reservation.partition, 0, 10).await.unwrap().is_empty());
    assert_eq!(store.class_counts(class(1 << 20)).await.unwrap().iter().sum::<u64>(), 0);
}

/// Abandoned segments do not come back with a later upload.
pub async fn staged_segments_are_dropped_by_abandon(store: Store) {
    let draft = draft("dropped", 20 << 20);
    for leftovers in [false, true] {
        let mut attempt = draft.clone();
        attempt.record.id = id("dropped", u32::from(leftovers));
        let reservation = reserve(&store, &attempt).await;
        store.stage(&reservation, 0, &draft.segments[..7], NOW).await.unwrap();
        store.abandon(&reservation, leftovers).await.unwrap();
    }
    let mut last = draft.clone();
    last.record.id = id("dropped", 2);
    let document = put_draft(&store, &last).await;
    let segments = store.segments(document.reference, 0, u32::MAX).await.unwrap();
    assert_eq!(segments, draft.segments);
}

/// Staging is for long documents, but a short one may be staged too, in whole or in part.
pub async fn staged_segments_of_a_short_document_are_committed(store: Store) {
    for (text, staged) in [("all", 3), ("some", 2), ("none", 0)] {
        let draft = draft(text, (1 << 20) + 300_000);
        assert_eq!(draft.segments.len(), 3);
        let reservation = reserve(&store, &draft).await;
        let (first, rest) = draft.segments.split_at(staged);
        store.stage(&reservation, 0, first, NOW).await.unwrap();
        let commit = crate::Commit { segments: rest.to_vec(), ..draft.clone() };
        let document = store.commit(&reservation, &commit, NOW).await.unwrap();
        let segments = store.segments(document.reference, 0, 9).await.unwrap();
        assert_eq!(segments, draft.segments);
    }
}

/// How segments were batched leaves no trace.
pub async fn staged_segments_in_odd_batches_are_committed(store: Store) {
    let draft = draft("batches", (300 << 20) + 5000);
    assert_eq!(draft.segments.len(), 301);
    let reservation = reserve(&store, &draft).await;
    let mut first = 0;
    for count in [1, 62, 1, 1, 64, 128, 3, 20] {
        let staged = &draft.segments[first..first + count];
        store.stage(&reservation, u32::try_from(first).unwrap(), staged, NOW).await.unwrap();
        first += count;
    }
    let commit = crate::Commit { segments: draft.segments[first..].to_vec(), ..draft.clone() };
    let document = store.commit(&reservation, &commit, NOW).await.unwrap();
    assert_eq!(store.segments(document.reference, 0, 400).await.unwrap(), draft.segments);
}
