//! Clauses on commits.

use types::{BlockRef, CodewordRef, DocumentRef, ErrorKind, Hash, NodeIndex, Partition, Pointer};

use super::fixture::{
    NOW, Store, TTL, block, class, draft, granted, id, lapsed, name, pointing, put, put_draft, request,
    reserve,
};
use crate::{Commit, Reserve};

/// Committed is visible, by name and by identifier, as it was given.
pub async fn commit_makes_the_document_exist(store: Store) {
    let draft = draft("exists", 100);
    let document = put_draft(&store, &draft).await;
    assert_eq!(document.record, draft.record);
    assert_eq!(store.document(&draft.record.name).await.unwrap(), Some(document.clone()));
    assert_eq!(store.document_by_id(&draft.record.id).await.unwrap(), Some(document.clone()));
    assert_eq!(store.segments(document.reference, 0, 1).await.unwrap(), draft.segments);
    let codeword = store.codewords(&[block(&document, 0, 0).codeword]).await.unwrap().remove(0).unwrap();
    assert_eq!((codeword.document, &codeword.name), (draft.record.id, &draft.record.name));
    assert_eq!(codeword.segment, draft.segments[0]);
}

/// Whoever is late has lost the name, even if nobody took it.
pub async fn commit_refuses_a_lapsed_reservation(store: Store) {
    let draft = draft("late", 100);
    let reservation = reserve(&store, &draft).await;
    let error = store.commit(&reservation, &draft, lapsed()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict);
    assert_eq!(store.document(&draft.record.name).await.unwrap(), None);
}

/// Whoever was replaced has lost the name, whatever its clock says; also after the other's commit.
pub async fn commit_refuses_a_reservation_taken_over(store: Store) {
    let first = draft("taken", 100);
    let old = reserve(&store, &first).await;
    let mut second = first.clone();
    second.record.id = id("taken", 1);
    let new = granted(store.reserve(&request(&second), lapsed()).await.unwrap());
    let refused = store.commit(&old, &first, NOW).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Conflict);
    store.commit(&new, &second, lapsed()).await.unwrap();
    let refused = store.commit(&old, &first, NOW).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Conflict);
    let found = store.document(&first.record.name).await.unwrap().unwrap();
    assert_eq!(found.record.id, second.record.id);
}

/// The record must be of the upload and the name that are reserved.
pub async fn commit_refuses_another_document(store: Store) {
    let draft = draft("mine", 100);
    let reservation = reserve(&store, &draft).await;
    let mut other = draft.clone();
    other.record.name = name("yours");
    assert_eq!(store.commit(&reservation, &other, NOW).await.unwrap_err().kind(), ErrorKind::Invalid);
    let mut other = draft.clone();
    other.record.id = id("yours", 0);
    assert_eq!(store.commit(&reservation, &other, NOW).await.unwrap_err().kind(), ErrorKind::Invalid);
}

/// A commit whose answer got lost may be tried again, however late.
pub async fn commit_again_returns_the_document(store: Store) {
    let draft = draft("again", 100);
    let reservation = reserve(&store, &draft).await;
    let document = store.commit(&reservation, &draft, NOW).await.unwrap();
    for now in [NOW, lapsed().after(TTL)] {
        assert_eq!(store.commit(&reservation, &draft, now).await.unwrap(), document);
    }
    assert_eq!(store.list("", None, 10).await.unwrap().len(), 1);
}

/// Commits a changed draft, which must be refused as invalid.
async fn refused(store: &Store, text: &str, length: u64, change: impl FnOnce(&mut Commit)) {
    let mut draft = draft(text, length);
    change(&mut draft);
    let reservation = reserve(store, &draft).await;
    let error = store.commit(&reservation, &draft, NOW).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid, "{text}: {error}");
    assert_eq!(store.document(&draft.record.name).await.unwrap(), None, "{text}");
    assert_eq!(store.document_by_id(&draft.record.id).await.unwrap(), None, "{text}");
}

/// Staged and given together are the layout's, no more and no fewer.
pub async fn commit_refuses_a_wrong_number_of_segments(store: Store) {
    let more = |draft: &mut Commit| draft.segments.extend_from_within(..1);
    refused(&store, "none", 100, |draft| draft.segments.clear()).await;
    refused(&store, "one more", 100, more).await;
    refused(&store, "one of twenty missing", 20 << 20, |draft| drop(draft.segments.pop())).await;
    refused(&store, "one more than twenty", 20 << 20, more).await;
    let draft = draft("staged", 100);
    let reservation = reserve(&store, &draft).await;
    store.stage(&reservation, 0, &draft.segments, NOW).await.unwrap();
    assert_eq!(store.commit(&reservation, &draft, NOW).await.unwrap_err().kind(), ErrorKind::Invalid);
    let rest = Commit { segments: Vec::new(), ..draft };
    store.commit(&reservation, &rest, NOW).await.unwrap();
}

/// Every segment has the class and the length that the layout says.
pub async fn commit_refuses_a_segment_unlike_the_layout(store: Store) {
    refused(&store, "class", 100, |draft| draft.segments[0].class = class(8192)).await;
    refused(&store, "length", 100, |draft| draft.segments[0].length = 99).await;
    refused(&store, "in a long one", 20 << 20, |draft| draft.segments[13].length -= 1).await;
}

/// Every segment has `t` pointers and `p` parities.
pub async fn commit_refuses_pointers_and_parities_unlike_the_code(store: Store) {
    refused(&store, "a pointer less", 100, |draft| draft.segments[0].pointers.truncate(1)).await;
    refused(&store, "a pointer more", 100, |draft| {
        draft.segments[0].pointers.push(Pointer::Anchor(2));
    })
    .await;
    refused(&store, "a parity less", 100, |draft| drop(draft.segments[0].parities.pop())).await;
    refused(&store, "in a long one", 20 << 20, |draft| drop(draft.segments[19].parities.pop())).await;
}

/// What was written nowhere is not committed.
pub async fn commit_refuses_a_parity_on_no_node(store: Store) {
    refused(&store, "nowhere", 100, |draft| draft.segments[0].parities[2].nodes.clear()).await;
}

/// Two copies on one node are one.
pub async fn commit_refuses_two_copies_on_one_node(store: Store) {
    let twice = vec![NodeIndex(3), NodeIndex(4), NodeIndex(3)];
    refused(&store, "twice", 100, |draft| draft.segments[0].parities[0].nodes = twice).await;
}

/// An only segment is the whole document.
pub async fn commit_refuses_an_only_segment_of_another_hash(store: Store) {
    refused(&store, "hash", 100, |draft| draft.segments[0].hash = Hash::of(b"other")).await;
}

/// Only committed blocks are pointed at.
pub async fn commit_refuses_pointers_at_nothing(store: Store) {
    let there = put(&store, "there", 100).await;
    let at = |sequence, segment, parity| {
        let document = DocumentRef { sequence, ..there.reference };
        Pointer::Block(BlockRef { codeword: CodewordRef { document, segment }, parity })
    };
    let sequence = there.reference.sequence;
    let nothing = [
        ("no document", at(sequence + 1, 0, 0)),
        ("no such number", at(u64::MAX, 0, 0)),
        ("no segment", at(sequence, 1, 0)),
        ("no parity", at(sequence, 0, 3)),
    ];
    for (text, pointer) in nothing {
        refused(&store, text, 100, |draft| draft.segments[0].pointers[1] = pointer).await;
    }
    let nowhere = DocumentRef { partition: Partition(u16::MAX), sequence: 0 };
    let codeword = CodewordRef { document: nowhere, segment: 0 };
    let pointer = Pointer::Block(BlockRef { codeword, parity: 0 });
    refused(&store, "no partition", 100, |draft| draft.segments[0].pointers[0] = pointer).await;
    let pointer = at(sequence + 9, 0, 0);
    refused(&store, "in a long one", 20 << 20, |draft| draft.segments[9].pointers[0] = pointer).await;
}

/// A codeword points only at blocks of its own length.
pub async fn commit_refuses_a_pointer_of_another_class(store: Store) {
    let there = put(&store, "there", 300_000).await;
    let pointer = |segment| Pointer::Block(block(&there, segment, 0));
    refused(&store, "wrong", 60_000, |draft| draft.segments[0].pointers[0] = pointer(0)).await;
    let mut right = draft("right", 60_000);
    right.segments[0].pointers[0] = pointer(1);
    put_draft(&store, &right).await;
}

/// Everything has a limit.
pub async fn commit_refuses_what_is_over_the_limits(store: Store) {
    use crate::record::{CONTENT_TYPE_BYTES_MAX, USER_METADATA_BYTES_MAX, USER_METADATA_ENTRIES_MAX};
    let long = "x".repeat(CONTENT_TYPE_BYTES_MAX + 1);
    refused(&store, "media type", 100, |draft| draft.record.content_type = Some(long)).await;
    let entry = ("a".to_owned(), "x".repeat(USER_METADATA_BYTES_MAX));
    refused(&store, "bytes", 100, |draft| draft.record.user_metadata = vec![entry]).await;
    let many = vec![("a".to_owned(), "b".to_owned()); USER_METADATA_ENTRIES_MAX + 1];
    refused(&store, "entries", 100, |draft| draft.record.user_metadata = many).await;
    let nodes: Vec<NodeIndex> = (0..256).map(NodeIndex).collect();
    refused(&store, "copies", 100, |draft| draft.segments[0].parities[0].nodes = nodes).await;
}

/// After a refusal the name is still held, and the upload can do better.
pub async fn commit_refused_changes_nothing(store: Store) {
    let target = put(&store, "target", 100).await;
    let right = pointing("better", &[block(&target, 0, 1)]);
    let mut wrong = right.clone();
    wrong.segments[0].parities[2].nodes.clear();
    let reservation = reserve(&store, &right).await;
    store.commit(&reservation, &wrong, NOW).await.unwrap_err();
    assert!(store.pointing_at(block(&target, 0, 1), None, 10).await.unwrap().is_empty());
    assert_eq!(store.class_counts(class(4096)).await.unwrap().iter().sum::<u64>(), 1);
    let document = store.commit(&reservation, &right, NOW).await.unwrap();
    assert_eq!(store.pointing_at(block(&target, 0, 1), None, 10).await.unwrap().len(), 1);
    assert_eq!(store.segments(document.reference, 0, 1).await.unwrap(), right.segments);
}

/// One upload's commit, sent many times at once, makes one document.
pub async fn commits_of_one_upload_at_once_agree(store: Store) {
    let draft = draft("once", 100);
    let reservation = reserve(&store, &draft).await;
    let mut tasks = Vec::new();
    for _ in 0..16 {
        let (store, reservation, draft) = (store.clone(), reservation.clone(), draft.clone());
        tasks.push(tokio::spawn(async move { store.commit(&reservation, &draft, NOW).await.unwrap() }));
    }
    let mut documents = Vec::new();
    for task in tasks {
        documents.push(task.await.unwrap());
    }
    assert!(documents.iter().all(|document| *document == documents[0]));
    assert_eq!(store.list("", None, 10).await.unwrap().len(), 1);
}

/// The numbers of a partition's documents are 0, 1, 2 and so on, whatever was refused or raced in between.
pub async fn sequences_have_no_gaps(store: Store) {
    let mut tasks = Vec::new();
    for number in 0..60_u32 {
        let store = store.clone();
        tasks.push(tokio::spawn(async move {
            let mut draft = draft(&format!("gap {number}"), 100);
            if number % 3 == 0 {
                draft.segments[0].length += 1;
            }
            let reservation = reserve(&store, &draft).await;
            let document = store.commit(&reservation, &draft, NOW).await;
            document.ok().map(|document| document.reference)
        }));
    }
    let mut references = Vec::new();
    for task in tasks {
        references.extend(task.await.unwrap());
    }
    references.sort();
    assert_eq!(references.len(), 40);
    for (before, after) in references.iter().zip(&references[1..]) {
        let next = DocumentRef { sequence: before.sequence + 1, ..*before };
        assert!(*after == next || (after.partition > before.partition && after.sequence == 0));
    }
    assert_eq!(references[0].sequence, 0);
}

/// A document of many segments is staged, committed and read in parts, and its pointers are indexed.
pub async fn documents_of_ten_thousand_segments_are_kept(store: Store) {
    let target = put(&store, "target", 1 << 20).await;
    let mut draft = draft("long", 10_000 << 20);
    assert_eq!(draft.segments.len(), 10_000);
    for segment in &mut draft.segments {
        segment.pointers[1] = Pointer::Block(block(&target, 0, 2));
    }
    let reservation = reserve(&store, &draft).await;
    for (number, segments) in draft.segments.chunks(1000).enumerate().take(9) {
        let first = u32::try_from(number * 1000).unwrap();
        store.stage(&reservation, first, segments, NOW).await.unwrap();
    }
    let commit = Commit { segments: draft.segments[9000..].to_vec(), ..draft.clone() };
    let document = store.commit(&reservation, &commit, NOW).await.unwrap();
    assert_eq!(store.document(&document.record.name).await.unwrap(), Some(document.clone()));
    for first in [0_u32, 63, 64, 8_999, 9_999] {
        let segments = store.segments(document.reference, first, 1).await.unwrap();
        assert_eq!(segments, draft.segments[first as usize..=first as usize]);
        let codewords = store.codewords(&[block(&document, first, 0).codeword]).await.unwrap();
        assert_eq!(codewords[0].as_ref().unwrap().segment, draft.segments[first as usize]);
    }
    assert_eq!(store.segments(document.reference, 0, u32::MAX).await.unwrap(), draft.segments);
    assert_eq!(store.class_counts(class(1 << 20)).await.unwrap().iter().sum::<u64>(), 10_001);
    let pointing = store.pointing_at(block(&target, 0, 2), None, usize::MAX).await.unwrap();
    assert!(pointing.iter().map(|by| by.segment).eq(0..10_000));
}

/// What was acknowledged is seen by every read that begins afterwards, of whatever kind.
pub async fn reads_follow_acknowledged_commits(store: Store) {
    let mut tasks = Vec::new();
    for task in 0..8_u32 {
        let store = store.clone();
        tasks.push(tokio::spawn(async move {
            for number in 0..10_u32 {
                let document = put(&store, &format!("{task}/{number}"), 100).await;
                let name = &document.record.name;
                assert_eq!(store.document(name).await.unwrap().as_ref(), Some(&document));
                let by_id = store.document_by_id(&document.record.id).await.unwrap();
                assert_eq!(by_id.as_ref(), Some(&document));
                let listed = store.list(&format!("{task}/"), None, 100).await.unwrap();
                assert_eq!(listed.len(), number as usize + 1);
                assert!(
                    store.class_counts(class(4096)).await.unwrap().iter().sum::<u64>() > u64::from(number)
                );
                let taken = Reserve { document: id(name.as_str(), 1), ..request(&draft(name.as_str(), 100)) };
                let reserved = store.reserve(&taken, NOW).await.unwrap();
                assert_eq!(reserved, crate::Reserved::Exists(Box::new(document)));
            }
        }));
    }
    for task in tasks {
        task.await.unwrap();
    }
}
