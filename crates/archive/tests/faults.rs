//! Nodes that are gone, lie, hang or are full: a wrong byte is never sent, and what can be decoded is.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

use std::time::{Duration, Instant};

use archive::Error;
use metadata::{DamageKind, MetadataStore};
use rand::{RngExt, SeedableRng, rngs::StdRng};
use storage::BlockStore;
use storage::faulty::Fault;
use testkit::cluster::{Cluster, ClusterOptions, bytes};
use types::ErrorKind;

/// An archive of `count` documents, the `n`th of which is `bytes(n, length(n))`.
async fn filled(options: ClusterOptions, count: usize) -> Cluster {
    let cluster = Cluster::new(options).await;
    for number in 0..count {
        cluster.put(&number.to_string(), &content(number)).await.unwrap();
    }
    cluster
}

fn content(number: usize) -> Vec<u8> {
    bytes(number as u64, [900, 9000, 40_000][number % 3])
}

async fn assert_all_read(cluster: &Cluster, count: usize) {
    for number in 0..count {
        assert!(cluster.get(&number.to_string()).await.unwrap() == content(number), "document {number}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn any_two_nodes_may_be_lost() {
    let cluster = filled(ClusterOptions::default(), 20).await;
    for first in 0..16 {
        for second in 0..first {
            for node in [first, second] {
                cluster.nodes[node].faults.set(Fault::Down, 1.0);
            }
            assert_all_read(&cluster, 20).await;
            for node in [first, second] {
                cluster.nodes[node].faults.clear();
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_third_node_that_lies_is_made_up_for_by_other_codewords() {
    let cluster = filled(ClusterOptions::default(), 60).await;
    for (first, second, liar) in [(0, 1, 2), (4, 9, 15), (7, 3, 11)] {
        for node in [first, second] {
            cluster.nodes[node].faults.set(Fault::Down, 1.0);
        }
        cluster.nodes[liar].faults.set(Fault::Corrupting, 1.0);
        let gone = [first, second, liar];
        let mut beyond = 0;
        for number in 0..60 {
            match cluster.get(&number.to_string()).await {
                Ok(read) => assert!(read == content(number), "document {number}"),
                // Where the three hold all that there is of a segment, and nobody points at it, nothing is left.
                Err(error) => {
                    assert!(all_parities_on(&cluster, number, &gone).await, "document {number}: {error}");
                    beyond += 1;
                }
            }
        }
        assert!(beyond <= 3, "{beyond} documents with all parities on three of sixteen nodes");
        for node in [first, second, liar] {
            cluster.nodes[node].faults.clear();
        }
    }
}

/// Whether a document has a segment whose parities are all on the nodes of these numbers.
async fn all_parities_on(cluster: &Cluster, number: usize, nodes: &[usize]) -> bool {
    let name = types::DocumentName::new(&number.to_string()).unwrap();
    let document = cluster.archive.document(&name).await.unwrap();
    let segments = cluster.archive.describe(&document, 0, 100).await.unwrap();
    let on = |name: &types::NodeName| nodes.iter().any(|&node| cluster.nodes[node].name == *name);
    segments.iter().any(|segment| segment.blocks.iter().all(|block| block.providers.iter().all(on)))
}

#[tokio::test(flavor = "multi_thread")]
async fn more_losses_give_an_error_and_never_wrong_bytes() {
    let cluster = filled(ClusterOptions::default(), 30).await;
    let mut rng = StdRng::seed_from_u64(4);
    let (mut whole, mut unrecoverable) = (0, 0);
    for _ in 0..20 {
        let gone: Vec<usize> = (0..9).map(|_| rng.random_range(0..16)).collect();
        for &node in &gone {
            cluster.nodes[node].faults.set(Fault::Down, 1.0);
        }
        for number in 0..30 {
            match cluster.get(&number.to_string()).await {
                Ok(read) => {
                    assert!(read == content(number));
                    whole += 1;
                }
                Err(Error::OutOfReach { lost, .. }) => {
                    assert!(lost.len() > 2);
                    unrecoverable += 1;
                }
                Err(error) => panic!("{error}"),
            }
        }
        for &node in &gone {
            cluster.nodes[node].faults.clear();
        }
    }
    assert!(whole > 0 && unrecoverable > 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn emptied_nodes_make_documents_unrecoverable_and_say_so() {
    let cluster = filled(ClusterOptions::default(), 5).await;
    cluster.nodes.iter().for_each(|node| node.store.wipe());
    let error = cluster.get("4").await.unwrap_err();
    assert!(
        matches!(&error, Error::Unrecoverable { lost, .. } if lost.iter().all(|s| s.kind == ErrorKind::Denied))
    );
    assert!(matches!(cluster.put("new", b"new").await, Err(Error::TooFewNodes(_))));
}

#[tokio::test(flavor = "multi_thread")]
async fn liars_cost_time_and_are_written_down() {
    for fault in [Fault::Corrupting, Fault::Truncating, Fault::OtherBlock] {
        let cluster = filled(ClusterOptions::default(), 20).await;
        cluster.nodes[3].faults.set(fault, 1.0);
        cluster.nodes[11].faults.set(fault, 1.0);
        assert_all_read(&cluster, 20).await;
        assert!(cluster.nodes[3].faults.injected(fault) > 0);
        cluster
            .eventually("the damage is queued for repair", async || {
                let damage = cluster.metadata.damage(None, 1000).await.unwrap();
                !damage.is_empty() && damage.iter().all(|entry| entry.kind == DamageKind::Corrupt)
            })
            .await;
        assert!(cluster.archive.statistics().degraded_reads > 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn lies_beyond_the_code_are_an_error() {
    let cluster = filled(ClusterOptions::default(), 20).await;
    cluster.nodes.iter().for_each(|node| node.faults.set(Fault::Corrupting, 1.0));
    let mut errors = 0;
    for number in 0..20 {
        match cluster.get(&number.to_string()).await {
            Ok(read) => assert!(read == content(number)),
            Err(error) => {
                assert!(matches!(error, Error::Unrecoverable { .. }), "{error}");
                errors += 1;
            }
        }
    }
    assert!(errors > 10);
}

#[tokio::test(flavor = "multi_thread")]
async fn hung_nodes_cost_a_hedge_not_a_deadline() {
    let cluster = filled(ClusterOptions::default(), 20).await;
    cluster.nodes[5].faults.set(Fault::Hung, 1.0);
    cluster.nodes[6].faults.set(Fault::Hung, 1.0);
    let begin = Instant::now();
    assert_all_read(&cluster, 20).await;
    let statistics = cluster.archive.statistics();
    assert!(statistics.hedged_reads > 0);
    // Twenty documents of up to three segments, each waiting for the deadline of 400 ms, would take far longer.
    assert!(begin.elapsed() < Duration::from_secs(10), "{:?}", begin.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn writes_go_elsewhere_when_nodes_fail() {
    for fault in [Fault::Down, Fault::Full, Fault::Hung, Fault::FailingAfterWrite] {
        let cluster = filled(ClusterOptions::default(), 5).await;
        for node in [1, 2, 3, 4] {
            cluster.nodes[node].faults.set(fault, 1.0);
        }
        for number in 5..20 {
            cluster.put(&number.to_string(), &content(number)).await.unwrap();
        }
        for node in [1, 2, 3, 4] {
            cluster.nodes[node].faults.clear();
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
        assert_all_read(&cluster, 20).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn too_few_nodes_refuse_the_write_and_nothing_is_left() {
    let cluster = filled(ClusterOptions::default(), 3).await;
    let before = cluster.blocks().await;
    cluster.nodes.iter().skip(2).for_each(|node| node.faults.set(Fault::Full, 1.0));
    for length in [500, 100_000] {
        let error = cluster.put("refused", &bytes(9, length)).await.unwrap_err();
        assert!(matches!(error, Error::TooFewNodes(_)), "{error}");
        assert!(matches!(cluster.get("refused").await, Err(Error::NotFound(_))));
    }
    cluster.nodes.iter().for_each(|node| node.faults.clear());
    cluster.eventually("nothing is left", async || cluster.blocks().await == before).await;
    cluster
        .eventually("the nodes are used again", async || cluster.put("refused", &bytes(9, 500)).await.is_ok())
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn lost_acknowledged_writes_are_survived_and_written_down() {
    let cluster = Cluster::new(ClusterOptions::default()).await;
    cluster.nodes[7].faults.set(Fault::LosingWrites, 1.0);
    cluster.nodes[8].faults.set(Fault::LosingWrites, 1.0);
    for number in 0..20 {
        cluster.put(&number.to_string(), &content(number)).await.unwrap();
    }
    assert_all_read(&cluster, 20).await;
    cluster
        .eventually("the loss is queued for repair", async || {
            let damage = cluster.metadata.damage(None, 1000).await.unwrap();
            damage.iter().any(|entry| entry.kind == DamageKind::Missing)
        })
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn copies_below_the_factor_are_written_down_and_those_below_the_quorum_refused() {
    let options = ClusterOptions { nodes: 3, ..ClusterOptions::default() }.code(1, 2, 2).copies(3, 2);
    let cluster = filled(options, 3).await;
    cluster.nodes[0].faults.set(Fault::Full, 1.0);
    cluster.put("two", &bytes(1, 500)).await.unwrap();
    cluster
        .eventually("the missing copies are queued", async || {
            let damage = cluster.metadata.damage(None, 1000).await.unwrap();
            damage.iter().filter(|entry| entry.kind == DamageKind::NeverWritten).count() == 2
        })
        .await;
    cluster.nodes[1].faults.set(Fault::Full, 1.0);
    assert!(matches!(cluster.put("one", &bytes(1, 500)).await, Err(Error::TooFewNodes(_))));
    for node in [1, 2] {
        cluster.nodes[node].faults.set(Fault::Down, 1.0);
    }
    cluster.nodes[0].faults.set(Fault::Down, 0.0);
    assert_all_read(&cluster, 3).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn random_faults_on_all_nodes_never_give_wrong_bytes() {
    let cluster = filled(ClusterOptions::default().copies(2, 1), 10).await;
    for node in &cluster.nodes {
        for fault in [Fault::Corrupting, Fault::Truncating, Fault::OtherBlock, Fault::LosingWrites] {
            node.faults.set(fault, 0.05);
        }
    }
    let mut good = 0;
    for number in 10..60 {
        let stored = cluster.put(&number.to_string(), &content(number)).await.is_ok();
        for number in [number, number / 2, number / 3] {
            match cluster.get(&number.to_string()).await {
                Ok(read) => {
                    assert!(read == content(number));
                    good += 1;
                }
                Err(Error::NotFound(_)) => assert!(!stored),
                Err(Error::Unrecoverable { .. } | Error::OutOfReach { .. }) => {}
                Err(error) => panic!("{error}"),
            }
        }
    }
    assert!(good > 100, "{good} of 150 reads");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_process_opens_the_archive_without_its_lost_nodes() {
    let cluster = filled(ClusterOptions::default(), 10).await;
    cluster.nodes[0].store.wipe();
    cluster.nodes[1].faults.set(Fault::Down, 1.0);
    let another = cluster.another().await.unwrap();
    for number in 0..10 {
        let read = testkit::cluster::get(&another, &number.to_string()).await.unwrap();
        assert!(read == content(number));
    }
    let nodes = another.statistics().nodes;
    assert_eq!(nodes.iter().filter(|node| !node.usable).count(), 2);
    assert_eq!(
        cluster.nodes[0].store.reopened().identity().await.unwrap(),
        None,
        "never taken for an empty one"
    );
}
