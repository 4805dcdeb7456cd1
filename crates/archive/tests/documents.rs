//! Documents in and out, whole and in parts, with every shape of code.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

use std::collections::HashSet;

use archive::{Error, PointerDescription};
use futures_util::{StreamExt, stream};
use metadata::MetadataStore;
use rand::{RngExt, SeedableRng, rngs::StdRng};
use testkit::cluster::{Cluster, ClusterOptions, bytes, cut_short, get, put, read, request};
use testkit::faulty_metadata::CommitFault;
use types::{DocumentName, Pointer};

const KIB: usize = 1024;

/// Lengths around every border: of classes, of full segments, of tails in one, two and three segments.
const LENGTHS: [usize; 14] = [
    1,
    KIB - 1,
    KIB,
    KIB + 1,
    5000,
    16 * KIB - 1,
    16 * KIB,
    16 * KIB + 1,
    64 * KIB,
    64 * KIB + 7,
    100_000,
    300_000,
    5 * 16 * KIB,
    1 << 20,
];

async fn round_trip(options: ClusterOptions) {
    let cluster = Cluster::new(options).await;
    for (number, length) in LENGTHS.into_iter().enumerate() {
        let document = cluster.put(&format!("d/{number}"), &bytes(number as u64, length)).await.unwrap();
        assert_eq!(document.record.layout.length(), length as u64);
    }
    let mut rng = StdRng::seed_from_u64(1);
    for (number, length) in LENGTHS.into_iter().enumerate() {
        let expected = bytes(number as u64, length);
        assert!(cluster.get(&format!("d/{number}")).await.unwrap() == expected, "{length} bytes");
        let document =
            cluster.archive.document(&DocumentName::new(&format!("d/{number}")).unwrap()).await.unwrap();
        for _ in 0..5 {
            let start = rng.random_range(0..length);
            let end = rng.random_range(start..=length);
            let part = read(&cluster.archive, &document, start as u64..end as u64).await.unwrap();
            assert!(part == expected[start..end], "{start}..{end} of {length}");
        }
        assert!(read(&cluster.archive, &document, length as u64..u64::MAX).await.unwrap().is_empty());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn documents_of_all_lengths_round_trip_with_1_10_3() {
    round_trip(ClusterOptions::default()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn documents_of_all_lengths_round_trip_with_2_7_5() {
    round_trip(ClusterOptions::default().code(2, 7, 5)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn documents_of_all_lengths_round_trip_with_5_2_7() {
    round_trip(ClusterOptions::default().code(5, 2, 7)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn documents_of_all_lengths_round_trip_with_3_0_3() {
    round_trip(ClusterOptions::default().code(3, 0, 3)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn documents_of_all_lengths_round_trip_on_three_nodes_with_a_cache_and_copies() {
    let mut options = ClusterOptions { nodes: 3, ..ClusterOptions::default() }.copies(2, 2);
    options.settings.cache_bytes = 1 << 20;
    round_trip(options).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn records_of_a_long_document_are_staged() {
    let cluster = Cluster::new(ClusterOptions::default()).await;
    let content = bytes(5, 200 * 16 * KIB + 9);
    let document = cluster.put("long", &content).await.unwrap();
    assert_eq!(document.record.layout.segments(), 201);
    assert!(cluster.get("long").await.unwrap() == content);
    let described = cluster.archive.describe(&document, 150, 10).await.unwrap();
    assert_eq!(described.len(), 10);
    assert_eq!(described[0].offset, 150 * 16 * 1024);
    assert_eq!(described[0].blocks[2].index, 150 * 3 + 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn symbols_of_every_codeword_are_on_different_nodes() {
    let cluster = Cluster::new(ClusterOptions::default()).await;
    for number in 0..60 {
        cluster.put(&format!("{number}"), &bytes(number, 3000)).await.unwrap();
    }
    let mut anchors = 0;
    for number in 0..60 {
        let name = DocumentName::new(&format!("{number}")).unwrap();
        let document = cluster.archive.document(&name).await.unwrap();
        let record = cluster.metadata.segments(document.reference, 0, 1).await.unwrap().remove(0);
        let mut nodes: Vec<_> = record.parities.iter().map(|parity| parity.nodes[0]).collect();
        for pointer in &record.pointers {
            match pointer {
                Pointer::Anchor(_) => anchors += 1,
                Pointer::Block(block) => {
                    let target =
                        cluster.metadata.codewords(&[block.codeword]).await.unwrap().remove(0).unwrap();
                    assert_eq!(target.segment.class, record.class);
                    nodes.push(target.segment.parities[usize::from(block.parity)].nodes[0]);
                }
            }
        }
        let distinct: HashSet<_> = nodes.iter().collect();
        assert_eq!(distinct.len(), nodes.len(), "document {number}");
    }
    assert!((10..60).contains(&anchors), "{anchors} anchors: only the first documents need them");
}

#[tokio::test(flavor = "multi_thread")]
async fn descriptions_agree_in_both_directions() {
    let cluster = Cluster::new(ClusterOptions::default()).await;
    for number in 0..12 {
        cluster.put(&format!("{number}"), &bytes(number, 3000)).await.unwrap();
    }
    let graph: Vec<_> = cluster.archive.graph().map(Result::unwrap).collect().await;
    assert_eq!(graph.len(), 12);
    let mut edges = HashSet::new();
    for node in &graph {
        assert_eq!(node.pointers.len(), 10);
        for pointer in &node.pointers {
            if let PointerDescription::Block { name, index } = pointer {
                edges.insert((name.clone(), *index, node.name.clone()));
            }
        }
    }
    let mut back = HashSet::new();
    for node in &graph {
        let document = cluster.archive.document(&node.name).await.unwrap();
        for block in cluster.archive.describe(&document, 0, 1).await.unwrap().remove(0).blocks {
            assert_eq!(block.providers.len(), 1);
            back.extend(block.entangled_with.into_iter().map(|by| (node.name.clone(), block.index, by)));
        }
    }
    assert_eq!(edges, back);
    assert!(!edges.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn empty_and_overlong_documents_are_refused_and_leave_nothing() {
    let mut options = ClusterOptions::default();
    options.settings.document_bytes_max = 100_000;
    let cluster = Cluster::new(options).await;
    assert!(matches!(cluster.put("empty", b"").await, Err(Error::Empty)));
    let nothing = stream::iter(Vec::<std::io::Result<bytes::Bytes>>::new());
    assert!(matches!(cluster.archive.put(request("empty", None), nothing).await, Err(Error::Empty)));
    let long = bytes(1, 100_001);
    assert!(matches!(cluster.put("long", &long).await, Err(Error::TooLarge { limit: 100_000 })));
    let body = stream::iter([Ok(bytes::Bytes::from(long))]);
    assert!(matches!(cluster.archive.put(request("long", None), body).await, Err(Error::TooLarge { .. })));
    assert_nothing_left(&cluster, 0).await;
    cluster.put("long", &bytes(1, 100_000)).await.unwrap();
}

/// Waits until only the blocks of `documents` one-segment documents are left, and no intent.
async fn assert_nothing_left(cluster: &Cluster, documents: usize) {
    let end = types::Timestamp::from_millis(i64::MAX);
    cluster
        .eventually("everything of failed uploads is gone", async || {
            cluster.blocks().await == documents * 3
                && cluster.metadata.intents(end, 10).await.unwrap().is_empty()
        })
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cut_upload_leaves_nothing_and_frees_its_name_at_once() {
    let cluster = Cluster::new(ClusterOptions::default()).await;
    for length in [10, 16 * KIB, 300_000] {
        let result = cluster.archive.put(request("name", None), cut_short(bytes(1, length))).await;
        assert!(matches!(result, Err(Error::Body(_))));
        assert!(matches!(cluster.get("name").await, Err(Error::NotFound(_))));
        assert_nothing_left(&cluster, 0).await;
    }
    cluster.put("name", &bytes(2, 1000)).await.unwrap();
    assert_nothing_left(&cluster, 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dropped_upload_leaves_nothing() {
    let cluster = Cluster::new(ClusterOptions::default()).await;
    let first = stream::iter([Ok(bytes::Bytes::from(bytes(1, 200_000)))]);
    let body = first.chain(stream::pending()).boxed();
    let upload = cluster.archive.put(request("name", None), body);
    let waited = tokio::time::timeout(std::time::Duration::from_millis(200), upload).await;
    assert!(waited.is_err());
    assert_nothing_left(&cluster, 0).await;
    cluster.put("name", &bytes(2, 1000)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn one_of_many_uploads_of_a_name_wins() {
    let cluster = Cluster::new(ClusterOptions::default()).await;
    let another = cluster.another().await.unwrap();
    for name in ["a", "b", "c"] {
        let contents: Vec<Vec<u8>> = (0..8).map(|seed| bytes(seed, 20_000)).collect();
        let uploads = contents.iter().enumerate().map(|(number, content)| {
            put(if number % 2 == 0 { &cluster.archive } else { &another }, name, content)
        });
        let results = futures_util::future::join_all(uploads).await;
        let winners: Vec<usize> = (0..8).filter(|&number| results[number].is_ok()).collect();
        assert_eq!(winners.len(), 1);
        assert!(results.iter().all(|result| matches!(result, Ok(_) | Err(Error::Busy(_) | Error::Taken(_)))));
        assert!(get(&another, name).await.unwrap() == contents[winners[0]]);
        assert!(matches!(cluster.put(name, b"later").await, Err(Error::Taken(_))));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_name_of_a_dead_process_is_taken_over_at_once() {
    let cluster = Cluster::new(ClusterOptions::default()).await;
    let dead = cluster.another().await.unwrap();
    let first = stream::iter([Ok(bytes::Bytes::from(bytes(1, 200_000)))]);
    let mut upload = Box::pin(dead.put(request("name", None), first.chain(stream::pending()).boxed()));
    assert!(tokio::time::timeout(std::time::Duration::from_millis(100), &mut upload).await.is_err());
    assert!(matches!(cluster.put("name", b"mine").await, Err(Error::Busy(_))));
    dead.close().await; // what the end of a process does
    cluster.put("name", b"mine").await.unwrap();
    drop(upload);
    tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    assert_eq!(cluster.get("name").await.unwrap(), b"mine");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_whose_answer_is_lost_is_read_back() {
    let cluster = Cluster::new(ClusterOptions::default()).await;
    cluster.metadata_faults.set_commit(CommitFault::AnswerLost);
    let document = cluster.put("done", &bytes(1, 5000)).await.unwrap();
    assert_eq!(document.record.name.as_str(), "done");
    cluster.metadata_faults.set_commit(CommitFault::RequestLost);
    assert!(matches!(cluster.put("lost", &bytes(2, 5000)).await, Err(Error::Backend(_))));
    cluster.metadata_faults.set_commit(CommitFault::None);
    assert!(matches!(cluster.get("lost").await, Err(Error::NotFound(_))));
    assert!(cluster.get("done").await.unwrap() == bytes(1, 5000));
    cluster.put("lost", &bytes(2, 5000)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn attributes_out_of_bounds_are_refused() {
    let cluster = Cluster::new(ClusterOptions::default()).await;
    let mut long = request("name", Some(1));
    long.content_type = Some("x".repeat(300));
    let body = || stream::iter([Ok(bytes::Bytes::from_static(b"x"))]);
    assert!(matches!(cluster.archive.put(long, body()).await, Err(Error::Attributes(_))));
    let mut good = request("name", Some(1));
    good.content_type = Some("text/plain".to_owned());
    good.user_metadata = vec![("author".to_owned(), "Ada".to_owned())];
    cluster.archive.put(good, body()).await.unwrap();
    let document = cluster.archive.document(&DocumentName::new("name").unwrap()).await.unwrap();
    assert_eq!(document.record.content_type.as_deref(), Some("text/plain"));
    assert_eq!(document.record.user_metadata, [("author".to_owned(), "Ada".to_owned())]);
}
