//! Every kind of damage is found, called by its name, and nothing else is.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Barrier};
use std::time::Duration;

use archive::audit::{
    AuditMode, AuditOptions, AuditReport, Cancel, Event, FindingKind, Limits, Progress, Scope, Standing,
    StandingPolicy,
};
use bytes::Bytes;
use metadata::{DamageKind, MetadataStore};
use storage::faulty::Fault;
use storage::{Block, BlockStat, BlockStore};
use testkit::cluster::{Cluster, ClusterOptions, bytes};
use types::{BlockId, DocumentId};

async fn filled(options: ClusterOptions, count: usize) -> Cluster {
    let cluster = Cluster::new(options).await;
    for number in 0..count {
        let length = [900, 9000, 40_000][number % 3];
        cluster.put(&format!("d/{number}"), &bytes(number as u64, length)).await.unwrap();
    }
    cluster
}

async fn audit(cluster: &Cluster, mode: AuditMode) -> AuditReport {
    cluster.archive.audit(&Scope::Everything, mode, &AuditOptions::default(), &()).await.unwrap()
}

async fn inventory(cluster: &Cluster, node: usize) -> Vec<BlockStat> {
    cluster.nodes[node].store.list(None, usize::MAX).await.unwrap()
}

async fn block(cluster: &Cluster, node: usize, id: &BlockId) -> Bytes {
    cluster.nodes[node].store.get(id, usize::MAX).await.unwrap()
}

async fn overwrite(cluster: &Cluster, node: usize, id: &BlockId, bytes: impl Into<Bytes>) {
    let block = Block { header: Bytes::new(), payload: bytes.into() };
    cluster.nodes[node].store.put(id, &block).await.unwrap();
}

async fn ledger(cluster: &Cluster) -> Vec<(BlockId, DamageKind)> {
    cluster
        .metadata
        .damage(None, 100_000)
        .await
        .unwrap()
        .into_iter()
        .map(|entry| (entry.id, entry.kind))
        .collect()
}

const MODES: [AuditMode; 3] = [AuditMode::Quick, AuditMode::Deep, AuditMode::Sample(1.0)];

#[tokio::test(flavor = "multi_thread")]
async fn a_healthy_archive_has_no_findings() {
    for copies in [1, 3] {
        let cluster = filled(ClusterOptions::default().copies(copies, 1), 40).await;
        for mode in MODES {
            let report = audit(&cluster, mode).await;
            assert_eq!(report.findings, []);
            assert!(report.complete && report.stopped.is_none() && report.unknown.is_empty());
            assert_eq!(report.counts.documents, 40);
            assert_eq!(report.counts.copies, cluster.blocks().await as u64);
            assert_eq!(report.counts.codewords, report.counts.codewords_total);
            assert_eq!(report.counts.bytes_read > 0, mode != AuditMode::Quick);
        }
        assert_eq!(ledger(&cluster).await, []);
    }
}

/// Damages copies in every way; what must be found by a deep audit and, of that, by a quick one.
async fn damage(cluster: &Cluster) -> (BTreeSet<(BlockId, FindingKind)>, BTreeSet<(BlockId, FindingKind)>) {
    let blocks = inventory(cluster, 4).await;
    let (mut deep, mut quick) = (BTreeSet::new(), BTreeSet::new());
    cluster.nodes[4].store.delete(&blocks[0].id).await.unwrap();
    let _ = (
        deep.insert((blocks[0].id, FindingKind::Missing)),
        quick.insert((blocks[0].id, FindingKind::Missing)),
    );
    let whole = block(cluster, 4, &blocks[1].id).await;
    overwrite(cluster, 4, &blocks[1].id, whole.slice(..200)).await;
    let _ = (
        deep.insert((blocks[1].id, FindingKind::Truncated)),
        quick.insert((blocks[1].id, FindingKind::Truncated)),
    );
    let mut flipped = block(cluster, 4, &blocks[2].id).await.to_vec();
    *flipped.last_mut().unwrap() ^= 1;
    overwrite(cluster, 4, &blocks[2].id, flipped).await;
    deep.insert((blocks[2].id, FindingKind::Corrupt));
    // Of the same length, or a quick audit would notice too.
    let alike = blocks.iter().skip(6).find(|other| other.length == blocks[3].length).unwrap();
    let other = block(cluster, 4, &alike.id).await;
    overwrite(cluster, 4, &blocks[3].id, other).await;
    deep.insert((blocks[3].id, FindingKind::Foreign));
    let stray = BlockId::new(DocumentId::from_bytes([0x33; 16]), 0, 0);
    overwrite(cluster, 4, &stray, whole.clone()).await;
    let _ = (deep.insert((stray, FindingKind::Orphan)), quick.insert((stray, FindingKind::Orphan)));
    let last = BlockId::new(DocumentId::from_bytes([0xff; 16]), 0, 0);
    overwrite(cluster, 4, &last, whole.clone()).await;
    let _ = (deep.insert((last, FindingKind::Orphan)), quick.insert((last, FindingKind::Orphan)));
    let holders: Vec<usize> = holders(cluster, &blocks[5].id).await;
    let free = (0..16).find(|node| !holders.contains(node)).unwrap();
    let copy = block(cluster, 4, &blocks[5].id).await;
    overwrite(cluster, free, &blocks[5].id, copy).await;
    let _ = (
        deep.insert((blocks[5].id, FindingKind::Surplus)),
        quick.insert((blocks[5].id, FindingKind::Surplus)),
    );
    (deep, quick)
}

async fn holders(cluster: &Cluster, id: &BlockId) -> Vec<usize> {
    let mut holders = Vec::new();
    for node in 0..16 {
        if cluster.nodes[node].store.stat(id).await.is_ok() {
            holders.push(node);
        }
    }
    holders
}

#[tokio::test(flavor = "multi_thread")]
async fn every_kind_of_damage_is_found_and_no_other() {
    for copies in [1, 3] {
        for mode in MODES {
            let cluster = filled(ClusterOptions::default().copies(copies, 1), 60).await;
            let (deep, quick) = damage(&cluster).await;
            let mut expected = if mode == AuditMode::Quick { quick } else { deep };
            if matches!(mode, AuditMode::Sample(_)) {
                expected.retain(|(_, kind)| !matches!(kind, FindingKind::Orphan | FindingKind::Surplus));
            }
            let report = audit(&cluster, mode).await;
            let found: BTreeSet<_> =
                report.findings.iter().map(|finding| (finding.id, finding.kind)).collect();
            assert_eq!(found, expected, "{mode:?}");
            assert_eq!(report.findings.len(), expected.len(), "each once");
            let repairable = expected.iter().filter(|(_, kind)| *kind < FindingKind::Surplus).count();
            assert_eq!(ledger(&cluster).await.len(), repairable);
            let again = audit(&cluster, mode).await;
            assert_eq!((again.cleared, again.counts.findings), (0, report.counts.findings));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_healthy_again_leaves_the_ledger() {
    let cluster = filled(ClusterOptions::default(), 20).await;
    let blocks = inventory(&cluster, 2).await;
    let kept = [block(&cluster, 2, &blocks[0].id).await, block(&cluster, 2, &blocks[1].id).await];
    cluster.nodes[2].store.delete(&blocks[0].id).await.unwrap();
    overwrite(&cluster, 2, &blocks[1].id, kept[1].slice(..1000)).await;
    audit(&cluster, AuditMode::Deep).await;
    assert_eq!(ledger(&cluster).await.len(), 2);
    for (stat, bytes) in blocks.iter().zip(kept) {
        overwrite(&cluster, 2, &stat.id, bytes).await;
    }
    let report = audit(&cluster, AuditMode::Quick).await;
    assert_eq!((report.cleared, report.counts.findings), (2, 0));
    assert_eq!(ledger(&cluster).await, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_does_not_answer_is_unknown_and_one_without_its_marker_is_lost() {
    let cluster = filled(ClusterOptions::default(), 30).await;
    let (down, wiped) =
        (inventory(&cluster, 1).await.len() as u64, inventory(&cluster, 2).await.len() as u64);
    cluster.nodes[1].faults.set(Fault::Down, 1.0);
    cluster.nodes[2].store.wipe();
    tokio::time::sleep(Duration::from_millis(1100)).await;
    for mode in MODES {
        let report = audit(&cluster, mode).await;
        assert_eq!(report.unknown, BTreeMap::from([(cluster.nodes[1].name.clone(), down)]));
        assert_eq!(report.found, BTreeMap::from([(FindingKind::Missing, wiped)]));
        assert!(report.complete);
    }
    let standing = StandingPolicy { denied_after: None, silent_after: Some(Duration::ZERO) };
    let options = AuditOptions { standing, ..AuditOptions::default() };
    let report = cluster.archive.audit(&Scope::Everything, AuditMode::Quick, &options, &()).await.unwrap();
    assert_eq!(report.unknown, BTreeMap::from([(cluster.nodes[2].name.clone(), wiped)]));
    assert_eq!(report.found, BTreeMap::from([(FindingKind::Missing, down)]));
    let standings = report.nodes.iter().map(|node| node.standing);
    assert_eq!(standings.filter(|standing| *standing == Standing::Answers).count(), 14);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_grace_time_begins_when_a_node_was_first_missed_and_outlasts_the_process() {
    let cluster = filled(ClusterOptions::default(), 10).await;
    cluster.nodes[2].store.wipe();
    let standing = StandingPolicy { denied_after: Some(Duration::from_millis(300)), silent_after: None };
    let options = AuditOptions { standing, ..AuditOptions::default() };
    let run = async |archive: &archive::Archive| {
        archive.audit(&Scope::Everything, AuditMode::Quick, &options, &()).await.unwrap()
    };
    assert_eq!(run(&cluster.archive).await.counts.findings, 0);
    tokio::time::sleep(Duration::from_millis(350)).await;
    assert!(run(&cluster.another().await.unwrap()).await.counts.findings > 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn liars_are_caught_and_nobody_is_falsely_accused() {
    for (fault, kinds) in [
        (Fault::Corrupting, &[FindingKind::Corrupt, FindingKind::Truncated][..]),
        (Fault::Truncating, &[FindingKind::Truncated]),
        (Fault::OtherBlock, &[FindingKind::Foreign]),
    ] {
        let cluster = filled(ClusterOptions::default(), 40).await;
        cluster.nodes[3].faults.set(fault, 1.0);
        let report = audit(&cluster, AuditMode::Deep).await;
        assert_eq!(report.counts.findings, cluster.nodes[3].faults.injected(fault));
        assert!(report.findings.iter().all(|finding| {
            kinds.contains(&finding.kind) && finding.node.as_ref() == Some(&cluster.nodes[3].name)
        }));
        assert_eq!(audit(&cluster, AuditMode::Quick).await.counts.findings, 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn samples_rotate_until_everything_was_read() {
    let cluster = filled(ClusterOptions::default(), 60).await;
    let mut codewords = 0;
    for _ in 0..4 {
        let report = audit(&cluster, AuditMode::Sample(0.25)).await;
        assert!(report.counts.codewords > 0 && report.counts.codewords < report.counts.codewords_total / 2);
        codewords += report.counts.codewords;
    }
    assert_eq!(codewords, audit(&cluster, AuditMode::Quick).await.counts.codewords);
}

#[tokio::test(flavor = "multi_thread")]
async fn too_few_copies_are_found_and_may_be_allowed() {
    let cluster = filled(ClusterOptions::default().copies(2, 1), 10).await;
    let document = cluster.archive.document(&types::DocumentName::new("d/1").unwrap()).await.unwrap();
    let record = cluster.metadata.segments(document.reference, 0, 1).await.unwrap().remove(0);
    let codeword = types::CodewordRef { document: document.reference, segment: 0 };
    let nodes = &record.parities[1].nodes;
    let block = types::BlockRef { codeword, parity: 1 };
    cluster.metadata.relocate(block, nodes, &nodes[..1]).await.unwrap();
    let report = audit(&cluster, AuditMode::Quick).await;
    assert_eq!(report.found[&FindingKind::TooFewCopies], 1);
    assert_eq!(report.found[&FindingKind::Surplus], 1, "the other copy is still there");
    let options = AuditOptions { copies_min: Some(1), ..AuditOptions::default() };
    let report = cluster.archive.audit(&Scope::Everything, AuditMode::Quick, &options, &()).await.unwrap();
    assert_eq!((report.found.get(&FindingKind::TooFewCopies), report.cleared), (None, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scope_is_looked_at_and_nothing_else() {
    let cluster = filled(ClusterOptions::default(), 30).await;
    for node in [1, 2, 3] {
        cluster.nodes[node].store.wipe();
    }
    tokio::time::sleep(Duration::from_millis(1100)).await;
    let run = async |scope: Scope, mode| {
        cluster.archive.audit(&scope, mode, &AuditOptions::default(), &()).await.unwrap()
    };
    for mode in [AuditMode::Quick, AuditMode::Deep] {
        let one = run(Scope::Documents(vec!["d/7".to_owned()]), mode).await;
        assert_eq!((one.counts.documents, one.complete), (1, true));
        assert!(one.findings.iter().all(|finding| finding.name.as_ref().unwrap().as_str() == "d/7"));
        let all = run(Scope::Documents(vec!["d/".to_owned()]), mode).await;
        assert_eq!(all.counts.documents, 30);
        let block = run(Scope::Blocks(vec!["d/7-01".parse().unwrap()]), mode).await;
        assert_eq!(block.counts.copies, 1);
    }
    let (scope, options) = (Scope::Documents(vec!["none".to_owned()]), AuditOptions::default());
    let missing = cluster.archive.audit(&scope, AuditMode::Quick, &options, &()).await;
    assert!(matches!(missing, Err(archive::Error::NotFound(_))));
}

/// Cancels after so many events.
struct After(AtomicU64, Cancel);

impl Progress for After {
    fn event(&self, _: &Event<'_>) {
        if self.0.fetch_sub(1, Ordering::Relaxed) == 1 {
            self.1.cancel();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_audit_is_gone_on_with_and_finds_the_same() {
    let small = ClusterOptions::default();
    let cluster = Cluster::new(small).await;
    for number in 0..2500 {
        cluster.put(&format!("d/{number}"), b"x").await.unwrap();
    }
    cluster.nodes[5].store.wipe();
    tokio::time::sleep(Duration::from_millis(1100)).await;
    let mut runs = 0;
    let (mut documents, mut findings) = (0, 0);
    loop {
        runs += 1;
        let cancel = Cancel::new();
        let progress = After(AtomicU64::new(300), cancel.clone());
        let limits = Limits { cancel, ..Limits::default() };
        let options = AuditOptions { limits, ..AuditOptions::default() };
        let report =
            cluster.archive.audit(&Scope::Everything, AuditMode::Quick, &options, &progress).await.unwrap();
        documents += report.counts.documents;
        findings += report.counts.findings;
        assert_eq!(report.complete, report.stopped.is_none());
        if report.complete {
            break;
        }
        assert!(runs < 50);
    }
    assert!(runs > 1, "{runs}");
    assert!(
        (2500..2 * 2500).contains(&documents),
        "ranges that were finished are not audited again: {documents}"
    );
    assert!(findings >= ledger(&cluster).await.len() as u64);
    let found = ledger(&cluster).await.len();
    audit(&cluster, AuditMode::Quick).await;
    assert_eq!(ledger(&cluster).await.len(), found, "nothing was left out");
}

/// Where two auditors meet, at the first event of each.
struct Meet(Barrier, AtomicU64, AtomicU64);

struct Met(Arc<Meet>, u8);

impl Progress for Met {
    fn event(&self, _: &Event<'_>) {
        let events = if self.1 == 0 { &self.0.1 } else { &self.0.2 };
        if events.fetch_add(1, Ordering::Relaxed) == 0 {
            self.0.0.wait();
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_auditors_share_a_pass() {
    let cluster = Cluster::new(ClusterOptions::default()).await;
    for number in 0..5000 {
        cluster.put(&format!("d/{number}"), b"x").await.unwrap();
    }
    // Neither gets on before both have work.
    let barrier = Arc::new(Meet(Barrier::new(2), AtomicU64::new(0), AtomicU64::new(0)));
    let audit = |archive: archive::Archive, number| {
        let barrier = Arc::clone(&barrier);
        tokio::spawn(async move {
            let met = Met(barrier, number);
            archive.audit(&Scope::Everything, AuditMode::Quick, &AuditOptions::default(), &met).await.unwrap()
        })
    };
    let (one, two) = (audit(cluster.archive.clone(), 0), audit(cluster.another().await.unwrap(), 1));
    let (one, two) = (one.await.unwrap(), two.await.unwrap());
    assert!(one.complete && two.complete);
    assert_eq!(one.counts.documents + two.counts.documents, 5000, "each document is audited once");
    assert!(one.counts.documents > 0 && two.counts.documents > 0);
    assert_eq!((one.findings, two.findings), (vec![], vec![]));
}

#[tokio::test(flavor = "multi_thread")]
async fn uploads_under_way_are_no_leftovers() {
    let cluster = filled(ClusterOptions::default(), 5).await;
    let archive = cluster.archive.clone();
    let (stop, mut stopped) = tokio::sync::watch::channel(false);
    let writer = tokio::spawn(async move {
        let mut number = 0;
        while !*stopped.borrow_and_update() {
            testkit::cluster::put(&archive, &format!("new/{number}"), &bytes(number, 60_000)).await.unwrap();
            number += 1;
        }
    });
    for _ in 0..20 {
        for mode in [AuditMode::Quick, AuditMode::Deep] {
            assert_eq!(audit(&cluster, mode).await.findings, []);
        }
    }
    stop.send(true).unwrap();
    writer.await.unwrap();
}
