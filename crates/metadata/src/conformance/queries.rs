//! Clauses on scans, segments, the class index and the reverse index.

use types::{CodewordRef, DocumentRef, LengthClass, Partition, Pointer};

use super::fixture::{Store, block, class, draft, id, name, pointing, put, put_draft};
use crate::{Codeword, Document, Ordinal};

/// Nothing is found where nothing is.
pub async fn documents_that_are_not_there_are_none(store: Store) {
    put(&store, "there", 100).await;
    assert_eq!(store.document(&name("there/")).await.unwrap(), None);
    assert_eq!(store.document(&name("THERE")).await.unwrap(), None);
    assert_eq!(store.document_by_id(&id("nobody", 0)).await.unwrap(), None);
}

/// A range of segments is cut where the document ends.
pub async fn segments_are_as_many_as_there_are(store: Store) {
    for (text, length) in [("short", 3 << 20), ("long", 130 << 20)] {
        let draft = draft(text, length);
        let all = &draft.segments;
        let document = put_draft(&store, &draft).await;
        let count = u32::try_from(all.len()).unwrap();
        for (first, end) in [(0, count), (1, count), (count - 1, count), (0, 1), (1, 2), (1, 3)] {
            let found = store.segments(document.reference, first, end - first).await.unwrap();
            assert_eq!(found, all[first as usize..end as usize]);
        }
        assert_eq!(store.segments(document.reference, 1, u32::MAX).await.unwrap(), all[1..]);
        assert!(store.segments(document.reference, count, 5).await.unwrap().is_empty());
        assert!(store.segments(document.reference, 0, 0).await.unwrap().is_empty());
        assert!(store.segments(document.reference, u32::MAX, u32::MAX).await.unwrap().is_empty());
        let nothing = DocumentRef { sequence: u64::MAX, ..document.reference };
        assert!(store.segments(nothing, 0, 1).await.unwrap().is_empty());
    }
}

/// Every document is scanned once, in the order of commits, from anywhere.
pub async fn scan_goes_in_the_order_of_commits(store: Store) {
    let mut documents: Vec<Document> = Vec::new();
    for number in 0..20 {
        documents.push(put(&store, &format!("scan {number}"), 100).await);
    }
    for partition in (0..store.archive().partitions).map(Partition) {
        let expected: Vec<Document> =
            documents.iter().filter(|document| document.reference.partition == partition).cloned().collect();
        assert_eq!(store.scan(partition, 0, 100).await.unwrap(), expected);
        let tail = expected.get(1..).unwrap_or_default();
        assert_eq!(store.scan(partition, 1, 100).await.unwrap(), tail);
        assert_eq!(store.scan(partition, 1, 2).await.unwrap(), tail[..tail.len().min(2)]);
        assert!(store.scan(partition, u64::MAX, 10).await.unwrap().is_empty());
        assert!(store.scan(partition, 0, 0).await.unwrap().is_empty());
    }
    assert!(store.scan(Partition(store.archive().partitions), 0, 10).await.unwrap().is_empty());
}

/// All codewords of a class, by place.
async fn by_place(store: &Store, class: LengthClass) -> Vec<Codeword> {
    let counts = store.class_counts(class).await.unwrap();
    assert_eq!(counts.len(), usize::from(store.archive().partitions));
    let mut codewords = Vec::new();
    for (partition, count) in (0..).map(Partition).zip(counts) {
        let places: Vec<Ordinal> = (0..=count).map(|index| Ordinal { partition, index }).collect();
        let mut found = store.codewords_at(class, &places).await.unwrap();
        assert_eq!(found.pop(), Some(None), "the index ends at the count");
        let before = codewords.len();
        codewords.extend(found.into_iter().map(Option::unwrap));
        let order = &codewords[before..];
        assert!(order.is_sorted_by(|a, b| a.reference < b.reference), "in the order of commits");
        assert!(order.iter().all(|codeword| codeword.reference.document.partition == partition));
    }
    codewords
}

/// Every place below the count has a codeword, each codeword has one place, in the order of commits.
pub async fn class_ordinals_cover_the_committed_segments_in_order(store: Store) {
    assert!(by_place(&store, class(4096)).await.is_empty());
    for number in 0..20 {
        put(&store, &format!("4 KiB {number}"), 100).await;
        put(&store, &format!("8 KiB {number}"), 8000).await;
    }
    for bytes in [4096, 8192] {
        let codewords = by_place(&store, class(bytes)).await;
        assert_eq!(codewords.len(), 20);
        assert!(codewords.iter().all(|codeword| codeword.segment.class == class(bytes)));
    }
    assert!(by_place(&store, class(16384)).await.is_empty());
}

/// Documents whose segments are of several classes stand in the index of each.
pub async fn class_ordinals_cover_documents_of_several_classes(store: Store) {
    let lengths = [(5 << 20) + 300_000, 300_000, 1, (20 << 20) + 300_000, 2 << 20];
    let mut expected: Vec<(LengthClass, CodewordRef)> = Vec::new();
    for (number, length) in lengths.into_iter().cycle().take(15).enumerate() {
        let draft = draft(&format!("several {number}"), length);
        let document = put_draft(&store, &draft).await;
        let numbered = (0..).zip(&draft.segments);
        expected
            .extend(numbered.map(|(segment, found)| (found.class, block(&document, segment, 0).codeword)));
    }
    expected.sort();
    let mut found = Vec::new();
    for log2 in 6..=26 {
        let class = LengthClass::new(log2).unwrap();
        found.extend(by_place(&store, class).await.iter().map(|codeword| (class, codeword.reference)));
    }
    assert_eq!(found, expected);
}

/// Each answer stands where its question stood, `None` for what is not there.
pub async fn codewords_that_are_not_there_are_none(store: Store) {
    let document = put(&store, "there", 2 << 20).await;
    let at = |segment| block(&document, segment, 0).codeword;
    let nowhere = DocumentRef { partition: Partition(u16::MAX), sequence: u64::MAX };
    let questions = [at(2), at(1), CodewordRef { document: nowhere, segment: 0 }, at(0), at(u32::MAX), at(0)];
    let answers = store.codewords(&questions).await.unwrap();
    let found = answers.iter().map(|answer| answer.as_ref().map(|codeword| codeword.reference.segment));
    assert!(found.eq([None, Some(1), None, Some(0), None, Some(0)]));
    let partition = document.reference.partition;
    let places = [u64::MAX, 2, 1, 0, u64::from(u32::MAX) + 3].map(|index| Ordinal { partition, index });
    let answers = store.codewords_at(class(1 << 20), &places).await.unwrap();
    let found = answers.iter().map(|answer| answer.as_ref().map(|codeword| codeword.reference.segment));
    assert!(found.eq([None, None, Some(1), Some(0), None]));
    let elsewhere = Ordinal { partition: Partition(u16::MAX), index: 0 };
    assert_eq!(store.codewords_at(class(1 << 20), &[elsewhere]).await.unwrap(), [None]);
    assert!(store.codewords(&[]).await.unwrap().is_empty());
}

/// Page by page, every codeword that points at a block comes once, in order.
pub async fn pointing_at_pages_in_order(store: Store) {
    let target = put(&store, "target", 100).await;
    let at = block(&target, 0, 1);
    let mut expected = Vec::new();
    for number in 0..25 {
        let document = put_draft(&store, &pointing(&format!("by {number}"), &[at])).await;
        expected.push(block(&document, 0, 0).codeword);
    }
    expected.sort();
    let (mut found, mut after) = (Vec::new(), None);
    loop {
        let page = store.pointing_at(at, after, 4).await.unwrap();
        assert!(page.len() <= 4);
        let Some(last) = page.last() else { break };
        after = Some(*last);
        found.extend(page);
    }
    assert_eq!(found, expected);
    assert_eq!(store.pointing_at(at, None, usize::MAX).await.unwrap(), expected);
    assert!(store.pointing_at(at, None, 0).await.unwrap().is_empty());
    let end = DocumentRef { partition: Partition(u16::MAX), sequence: u64::MAX };
    let end = CodewordRef { document: end, segment: u32::MAX };
    assert!(store.pointing_at(at, Some(end), 4).await.unwrap().is_empty());
}

/// The reverse index tells parities, segments and documents apart, and knows both pointers of a codeword.
pub async fn pointing_at_tells_blocks_apart(store: Store) {
    let (one, two) = (put(&store, "one", 100).await, put(&store, "two", 2 << 20).await);
    let small = put_draft(&store, &pointing("small", &[block(&one, 0, 0), block(&one, 0, 2)])).await;
    let mut large = draft("large", 2 << 20);
    large.segments[1].pointers = vec![Pointer::Block(block(&two, 1, 0)), Pointer::Block(block(&two, 0, 0))];
    let large = put_draft(&store, &large).await;
    for (at, by) in [
        (block(&one, 0, 0), Some((&small, 0))),
        (block(&one, 0, 1), None),
        (block(&one, 0, 2), Some((&small, 0))),
        (block(&two, 0, 0), Some((&large, 1))),
        (block(&two, 1, 0), Some((&large, 1))),
        (block(&two, 1, 1), None),
        (block(&large, 1, 0), None),
    ] {
        let expected: Vec<CodewordRef> =
            by.into_iter().map(|(document, segment)| block(document, segment, 0).codeword).collect();
        assert_eq!(store.pointing_at(at, None, 10).await.unwrap(), expected, "{at}");
    }
}
