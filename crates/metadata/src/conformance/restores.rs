//! Clauses on documents made again from their blocks, and on going over all documents.

use types::{DocumentId, ErrorKind};

use super::fixture::{NOW, Store, block, draft, lapsed, pointing, put, reserve};
use crate::Document;

/// Every document comes once, whatever its partition and the order of commits.
pub async fn scan_ids_goes_in_the_order_of_identifiers(store: Store) {
    assert!(store.scan_ids(None, 10).await.unwrap().is_empty());
    let mut expected: Vec<Document> = Vec::new();
    for number in 0..20 {
        expected.push(put(&store, &format!("document {number}"), 100).await);
    }
    expected.sort_by_key(|document| document.record.id);
    assert!(store.scan_ids(None, 0).await.unwrap().is_empty());
    for limit in [1, 3, 20, 100, usize::MAX] {
        let (mut found, mut after) = (Vec::new(), None::<DocumentId>);
        loop {
            let page = store.scan_ids(after.as_ref(), limit).await.unwrap();
            assert!(page.len() <= limit);
            let Some(last) = page.last() else { break };
            after = Some(last.record.id);
            found.extend(page);
        }
        assert_eq!(found, expected, "limit {limit}");
    }
    let last = DocumentId::from_bytes([255; 16]);
    assert!(store.scan_ids(Some(&last), 10).await.unwrap().is_empty());
    let first = DocumentId::from_bytes([0; 16]);
    assert_eq!(store.scan_ids(Some(&first), 100).await.unwrap(), expected, "after what is not there");
}

/// Also staged ones, of documents short and long; nothing else is forgiven.
pub async fn restore_takes_parities_on_no_node(store: Store) {
    for (text, length) in [("short", 100), ("long", 20 << 20)] {
        let mut draft = draft(text, length);
        for segment in &mut draft.segments {
            segment.parities[1].nodes.clear();
        }
        let mut wrong = draft.clone();
        wrong.segments[0].length += 1;
        let reservation = reserve(&store, &draft).await;
        let refused = store.commit(&reservation, &draft, NOW).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Invalid);
        let refused = store.restore(&reservation, &wrong, NOW).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Invalid);
        let refused = store.restore(&reservation, &draft, lapsed()).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Conflict);
        let (first, rest) = draft.segments.split_at(draft.segments.len() / 2);
        store.stage(&reservation, 0, first, NOW).await.unwrap();
        let commit = crate::Commit { segments: rest.to_vec(), ..draft.clone() };
        let document = store.restore(&reservation, &commit, NOW).await.unwrap();
        assert_eq!(store.segments(document.reference, 0, u32::MAX).await.unwrap(), draft.segments);
        assert_eq!(store.restore(&reservation, &commit, NOW).await.unwrap(), document, "again");
    }
}

/// By name, by identifier and in every index.
pub async fn restore_makes_the_same_document_as_a_commit(store: Store) {
    let target = put(&store, "target", 100).await;
    let at = block(&target, 0, 1);
    let draft = pointing("restored", &[at]);
    let reservation = reserve(&store, &draft).await;
    let document = store.restore(&reservation, &draft, NOW).await.unwrap();
    assert_eq!(document.record, draft.record);
    assert_eq!(store.document(&draft.record.name).await.unwrap(), Some(document.clone()));
    assert_eq!(store.document_by_id(&draft.record.id).await.unwrap(), Some(document.clone()));
    assert_eq!(store.pointing_at(at, None, 9).await.unwrap(), [block(&document, 0, 0).codeword]);
    let class = draft.segments[0].class;
    assert_eq!(store.class_counts(class).await.unwrap().iter().sum::<u64>(), 2);
    assert!(store.intents(lapsed().after(super::fixture::TTL), 9).await.unwrap().is_empty());
}
