//! All that can be undone is undone, from whatever state, and what cannot is named.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "a test may panic"
)]

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use archive::Archive;
use archive::audit::{
    AuditMode, AuditOptions, Cancel, Event, FindingKind, Limits, Progress, Scope, StandingPolicy, Stop,
};
use archive::repair::{Method, RepairOptions, RepairReport};
use metadata::MetadataStore;
use rand::{RngExt, SeedableRng, rngs::StdRng};
use storage::BlockStore;
use storage::faulty::Fault;
use testkit::cluster::{Cluster, ClusterOptions, bytes};
use types::{BlockId, DocumentName, Incarnation, Pointer};

fn content(number: usize) -> Vec<u8> {
    bytes(number as u64, [900, 9000, 40_000][number % 3])
}

async fn filled(options: ClusterOptions, count: usize) -> Cluster {
    let cluster = Cluster::new(options).await;
    for number in 0..count {
        cluster.put(&format!("d/{number}"), &content(number)).await.unwrap();
    }
    cluster
}

/// Small documents of one segment, so that much is missing of few bytes.
async fn small(count: usize) -> Cluster {
    let cluster = Cluster::new(ClusterOptions::default()).await;
    for number in 0..count {
        cluster.put(&format!("d/{number}"), &bytes(number as u64, 900)).await.unwrap();
    }
    cluster
}

async fn audit(archive: &Archive, mode: AuditMode) -> archive::audit::AuditReport {
    archive.audit(&Scope::Everything, mode, &AuditOptions::default(), &()).await.unwrap()
}

async fn repair(archive: &Archive) -> RepairReport {
    archive.repair(&Scope::Everything, &RepairOptions::default(), &()).await.unwrap()
}

async fn assert_healthy(cluster: &Cluster, count: usize) {
    assert_sound(cluster).await;
    for number in 0..count {
        assert!(cluster.get(&format!("d/{number}")).await.unwrap() == content(number), "document {number}");
    }
}

async fn assert_sound(cluster: &Cluster) {
    assert_eq!(cluster.metadata.damage(None, 10).await.unwrap(), [], "the ledger is empty");
    let report = audit(&cluster.archive, AuditMode::Deep).await;
    let harmful = report.findings.iter().filter(|finding| finding.kind < FindingKind::Surplus);
    assert_eq!(harmful.collect::<Vec<_>>(), [] as [&archive::audit::Finding; 0]);
}

/// Puts an empty store in the place of a node's, and tells the metadata store.
async fn replace(cluster: &Cluster, node: usize) {
    cluster.nodes[node].store.wipe();
    let record = cluster.metadata.nodes().await.unwrap();
    let record = record.iter().find(|record| record.name == cluster.nodes[node].name).unwrap().clone();
    let fresh = Incarnation::from_bytes([node as u8; 16]);
    let archive = cluster.metadata.archive().id;
    let identity = storage::NodeIdentity { archive, node: record.name.clone(), incarnation: fresh };
    cluster.nodes[node].store.claim(&identity).await.unwrap();
    cluster.metadata.replace_node(&record.name, record.incarnation, fresh).await.unwrap();
}

async fn erase(cluster: &Cluster, ids: &BTreeSet<BlockId>) {
    for node in &cluster.nodes {
        for stat in node.store.list(None, usize::MAX).await.unwrap_or_default() {
            if ids.contains(&stat.id) {
                node.store.delete(&stat.id).await.unwrap();
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_emptied_node_is_restored_elsewhere() {
    for (copies, method) in [(1, Method::Direct), (3, Method::Replica)] {
        let cluster = filled(ClusterOptions::default().copies(copies, 1), 60).await;
        let lost = cluster.nodes[5].store.blocks() as u64;
        cluster.nodes[5].store.wipe();
        tokio::time::sleep(Duration::from_millis(1100)).await;
        let found = audit(&cluster.archive, AuditMode::Quick).await;
        assert_eq!(found.found, BTreeMap::from([(FindingKind::Missing, lost)]));
        let plan = cluster.archive.plan_repair(&Scope::Everything, &RepairOptions::default()).await.unwrap();
        assert_eq!((plan.totals.blocks, plan.totals.unplanned, plan.lost.len()), (lost, 0, 0));
        assert_eq!(plan.blocks.len() as u64, lost);
        let report = repair(&cluster.archive).await;
        assert_eq!(report.blocks.values().sum::<u64>(), lost);
        assert_eq!(report.blocks, plan.totals.by_method);
        assert!(report.blocks[&method] > lost * 9 / 10, "{:?}", report.blocks);
        assert_eq!((report.copies, report.failures.len(), report.left), (lost, 0, 0));
        assert!(
            report.bytes_read <= plan.totals.bytes_read + 12 * 2048 * lost,
            "no more than was planned, and headers"
        );
        assert_healthy(&cluster, 60).await;
        // Any other node may go. (With 15 nodes left, not all of the four codewords that a block is in can be spread
        // over 13 of them.)
        for node in (0..16).filter(|node| *node != 5) {
            cluster.nodes[node].faults.set(Fault::Down, 1.0);
            for number in 0..60 {
                assert!(cluster.get(&format!("d/{number}")).await.unwrap() == content(number));
            }
            cluster.nodes[node].faults.clear();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replaced_node_is_filled_again() {
    let cluster = filled(ClusterOptions::default(), 40).await;
    let lost = cluster.nodes[5].store.blocks();
    replace(&cluster, 5).await;
    let archive = cluster.another().await.unwrap();
    audit(&archive, AuditMode::Quick).await;
    let report = repair(&archive).await;
    assert_eq!(report.blocks.values().sum::<u64>(), lost as u64);
    assert_eq!(cluster.nodes[5].store.blocks(), lost, "in place: the codewords are spread as before");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_codeword_is_read_once_for_all_that_it_lacks() {
    let cluster = small(60).await;
    let document = cluster.archive.document(&DocumentName::new("d/59").unwrap()).await.unwrap();
    let ids: BTreeSet<BlockId> = [0, 2].map(|parity| BlockId::new(document.record.id, 0, parity)).into();
    erase(&cluster, &ids).await;
    audit(&cluster.archive, AuditMode::Quick).await;
    let report = repair(&cluster.archive).await;
    assert_eq!(report.blocks, BTreeMap::from([(Method::Direct, 2)]));
    assert!(report.bytes_read < 11 * 3000, "11 blocks of 1 KiB with their headers: {}", report.bytes_read);
}

/// What peeling and elimination determine, slowly: blocks that stay missing.
async fn reference(cluster: &Cluster, count: usize, gone: &BTreeSet<BlockId>) -> BTreeSet<BlockId> {
    let mut words: Vec<Vec<Option<BlockId>>> = Vec::new();
    for number in 0..count {
        let name = DocumentName::new(&format!("d/{number}")).unwrap();
        let document = cluster.archive.document(&name).await.unwrap();
        let record = cluster.metadata.segments(document.reference, 0, 1).await.unwrap().remove(0);
        let mut symbols = Vec::new();
        for pointer in &record.pointers {
            symbols.push(match *pointer {
                Pointer::Anchor(_) => None,
                Pointer::Block(block) => {
                    let found =
                        cluster.metadata.codewords(&[block.codeword]).await.unwrap().remove(0).unwrap();
                    Some(found.block_id(block.parity))
                }
            });
        }
        symbols.extend((0..3).map(|parity| Some(BlockId::new(document.record.id, 0, parity))));
        words.push(symbols);
    }
    let numbers: HashMap<BlockId, u32> = gone.iter().copied().zip(0..).collect();
    let mut problem = code::joint::Problem::new(gone.len() as u32);
    for symbols in &words {
        let symbols: Vec<_> = symbols
            .iter()
            .map(|symbol| match symbol.and_then(|id| numbers.get(&id)) {
                Some(&unknown) => code::joint::Symbol::Unknown(unknown),
                None => code::joint::Symbol::Known(0),
            })
            .collect();
        problem.codeword(types::CodeParameters::DEFAULT, &symbols).unwrap();
    }
    let plan = problem.plan().unwrap();
    let fates = gone.iter().zip(plan.fates());
    fates
        .filter(|(_, fate)| matches!(fate, code::joint::Fate::Undetermined { .. }))
        .map(|(id, _)| *id)
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn random_losses_come_back_as_far_as_the_equations_determine_them() {
    for (seed, share, count) in [(1, 0.4, 400), (2, 0.5, 150), (3, 0.6, 120)] {
        let cluster = small(count).await;
        let mut rng = StdRng::seed_from_u64(seed);
        let mut gone = BTreeSet::new();
        for node in &cluster.nodes {
            let blocks = node.store.list(None, usize::MAX).await.unwrap();
            gone.extend(blocks.iter().map(|stat| stat.id).filter(|_| rng.random_bool(share)));
        }
        erase(&cluster, &gone).await;
        let left = reference(&cluster, count, &gone).await;
        audit(&cluster.archive, AuditMode::Quick).await;
        let plan = cluster.archive.plan_repair(&Scope::Everything, &RepairOptions::default()).await.unwrap();
        let report = repair(&cluster.archive).await;
        assert_eq!(plan.totals.by_method, report.blocks, "the dry run told the truth");
        assert_eq!(report.blocks.values().sum::<u64>() as usize, gone.len() - left.len());
        if share < 0.45 {
            assert!(report.blocks[&Method::Direct] > 0 && report.blocks[&Method::Recursive] > 0);
        }
        let damage = cluster.metadata.damage(None, 100_000).await.unwrap();
        assert_eq!(damage.iter().map(|entry| entry.id).collect::<BTreeSet<_>>(), left);
        let lost: BTreeSet<String> = report.lost.iter().map(|loss| loss.name.as_str().to_owned()).collect();
        assert!(
            report.lost.iter().all(|loss| loss.for_good && loss.tried.len() == 4 && loss.missing.len() > 2)
        );
        assert_eq!((report.left, report.failures.len()), (0, 0));
        for number in 0..count {
            let name = format!("d/{number}");
            match cluster.get(&name).await {
                Ok(read) => assert!(read == bytes(number as u64, 900) && !lost.contains(&name), "{name}"),
                Err(_) => assert!(lost.contains(&name), "{name} is named as lost"),
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_peeling_cannot_undo_is_solved_jointly() {
    let mut joint = 0;
    for seed in 0..6 {
        let cluster = small(120).await;
        let mut rng = StdRng::seed_from_u64(seed);
        let mut gone = BTreeSet::new();
        for node in &cluster.nodes {
            let blocks = node.store.list(None, usize::MAX).await.unwrap();
            gone.extend(blocks.iter().map(|stat| stat.id).filter(|_| rng.random_bool(0.48)));
        }
        erase(&cluster, &gone).await;
        audit(&cluster.archive, AuditMode::Quick).await;
        let options = RepairOptions { joint_bytes_max: 40 << 10, ..RepairOptions::default() };
        let report = cluster.archive.repair(&Scope::Everything, &options, &()).await.unwrap();
        let left = reference(&cluster, 120, &gone).await;
        assert_eq!(report.blocks.values().sum::<u64>() as usize, gone.len() - left.len());
        joint += report.blocks.get(&Method::Joint).copied().unwrap_or(0);
    }
    assert!(joint > 0, "no case needed it");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_liar_is_repaired_around_and_its_copies_are_made_elsewhere() {
    for fault in [Fault::Corrupting, Fault::Truncating, Fault::OtherBlock, Fault::LosingWrites] {
        let cluster = small(60).await;
        let lost = cluster.nodes[3].store.blocks() as u64;
        if fault == Fault::LosingWrites {
            replace(&cluster, 3).await;
        }
        cluster.nodes[3].faults.set(fault, 1.0);
        let archive = cluster.another().await.unwrap();
        let found = audit(&archive, AuditMode::Deep).await;
        let report = repair(&archive).await;
        assert_eq!((report.failures.len(), report.left), (0, 0), "{fault:?}");
        assert_eq!(report.blocks.values().sum::<u64>(), found.counts.findings.min(lost), "{fault:?}");
        let used: Vec<_> = archive.statistics().nodes.into_iter().filter(|node| node.usable).collect();
        assert!(used.len() >= 15);
        assert_sound(&cluster).await;
        for number in 0..60 {
            assert!(cluster.get(&format!("d/{number}")).await.unwrap() == bytes(number, 900));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn unseen_damage_met_on_the_way_is_repaired_too() {
    let cluster = filled(ClusterOptions::default(), 40).await;
    cluster.nodes[5].store.wipe();
    tokio::time::sleep(Duration::from_millis(1100)).await;
    audit(&cluster.archive, AuditMode::Quick).await;
    // After the audit another node begins to lie about a tenth of its blocks.
    let blocks = cluster.nodes[8].store.list(None, usize::MAX).await.unwrap();
    let other = cluster.nodes[8].store.get(&blocks[0].id, usize::MAX).await.unwrap();
    for stat in blocks.iter().step_by(10).skip(1) {
        let block = storage::Block { header: bytes::Bytes::new(), payload: other.clone() };
        cluster.nodes[8].store.put(&stat.id, &block).await.unwrap();
    }
    let report = repair(&cluster.archive).await;
    assert_eq!((report.left, report.failures.len(), report.lost.len()), (0, 0, 0));
    audit(&cluster.archive, AuditMode::Deep).await;
    repair(&cluster.archive).await;
    assert_healthy(&cluster, 40).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_node_is_waited_for_and_what_hangs_on_it_is_not_lost_for_good() {
    let cluster = filled(ClusterOptions::default(), 30).await;
    for node in [1, 2] {
        cluster.nodes[node].store.wipe();
    }
    cluster.nodes[4].faults.set(Fault::Down, 1.0);
    tokio::time::sleep(Duration::from_millis(1100)).await;
    audit(&cluster.archive, AuditMode::Quick).await;
    let before = cluster.nodes[4].store.blocks();
    let report = repair(&cluster.archive).await;
    assert!(
        report
            .lost
            .iter()
            .all(|loss| !loss.for_good || loss.missing.iter().all(|symbol| !symbol.out_of_reach))
    );
    assert_eq!(report.stopped, None);
    cluster.nodes[4].faults.clear();
    tokio::time::sleep(Duration::from_millis(600)).await;
    audit(&cluster.archive, AuditMode::Quick).await;
    let report = repair(&cluster.archive).await;
    assert_eq!((report.left, report.lost.len()), (0, 0));
    assert_eq!(cluster.nodes[4].store.blocks().max(before), cluster.nodes[4].store.blocks());
    assert_healthy(&cluster, 30).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn grace_holds_a_repair_back() {
    let cluster = filled(ClusterOptions::default(), 20).await;
    cluster.nodes[2].store.wipe();
    tokio::time::sleep(Duration::from_millis(1100)).await;
    audit(&cluster.archive, AuditMode::Quick).await;
    let standing = StandingPolicy { denied_after: Some(Duration::from_secs(3600)), silent_after: None };
    let options = RepairOptions { standing, ..RepairOptions::default() };
    let report = cluster.archive.repair(&Scope::Everything, &options, &()).await.unwrap();
    // The ledger says that the copies are missing; where nothing else is known of them, they are.
    assert_eq!(report.failures, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scope_is_repaired_and_nothing_else() {
    let cluster = small(60).await;
    let id = async |name: &str| {
        cluster.archive.document(&DocumentName::new(name).unwrap()).await.unwrap().record.id
    };
    let mut ids = BTreeSet::new();
    for name in ["d/50", "d/51"] {
        ids.extend(
            [0, 1].map(|parity| {
                BlockId::new(futures_util::FutureExt::now_or_never(id(name)).unwrap(), 0, parity)
            }),
        );
    }
    erase(&cluster, &ids).await;
    audit(&cluster.archive, AuditMode::Quick).await;
    let run =
        async |scope: Scope| cluster.archive.repair(&scope, &RepairOptions::default(), &()).await.unwrap();
    let report = run(Scope::Blocks(vec!["d/50-01".parse().unwrap()])).await;
    assert_eq!((report.copies, report.left), (1, 0));
    let report = run(Scope::Documents(vec!["d/50".to_owned()])).await;
    assert_eq!((report.copies, report.left), (1, 0));
    let report = run(Scope::Documents(vec!["d/".to_owned()])).await;
    assert_eq!((report.copies, report.left), (2, 0));
}

/// Cancels after so many events.
struct After(AtomicU64, Cancel);

impl Progress for After {
    fn event(&self, event: &Event<'_>) {
        if matches!(event, Event::Repaired(_)) && self.0.fetch_sub(1, Ordering::Relaxed) == 1 {
            self.1.cancel();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repair_that_is_cancelled_again_and_again_ends_in_the_same_state() {
    let cluster = filled(ClusterOptions::default(), 60).await;
    cluster.nodes[5].store.wipe();
    cluster.nodes[6].store.wipe();
    tokio::time::sleep(Duration::from_millis(1100)).await;
    let lost = audit(&cluster.archive, AuditMode::Quick).await.counts.findings;
    let (mut runs, mut copies) = (0, 0);
    loop {
        let cancel = Cancel::new();
        let progress = After(AtomicU64::new(2), cancel.clone());
        let limits = Limits { cancel, ..Limits::default() };
        let options = RepairOptions { limits, ..RepairOptions::default() };
        let report = cluster.archive.repair(&Scope::Everything, &options, &progress).await.unwrap();
        (runs, copies) = (runs + 1, copies + report.copies);
        assert_eq!(report.failures, []);
        if report.stopped.is_none() {
            assert_eq!(report.left, 0);
            break;
        }
        assert_eq!(report.stopped, Some(Stop::Cancelled));
    }
    assert!(runs > 3);
    assert_eq!(copies, lost, "nothing was done twice");
    assert_healthy(&cluster, 60).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repair_that_is_killed_again_and_again_ends_in_the_same_state() {
    let cluster = filled(ClusterOptions::default(), 60).await;
    cluster.nodes[5].store.wipe();
    cluster.nodes[6].store.wipe();
    tokio::time::sleep(Duration::from_millis(1100)).await;
    audit(&cluster.archive, AuditMode::Quick).await;
    let mut rng = StdRng::seed_from_u64(7);
    for _ in 0..50 {
        let killed = Duration::from_micros(rng.random_range(100..20_000));
        let _ = tokio::time::timeout(killed, repair(&cluster.archive)).await;
    }
    let report = repair(&cluster.archive).await;
    assert_eq!((report.left, report.failures.len(), report.lost.len()), (0, 0, 0));
    assert_healthy(&cluster, 60).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_repairs_and_uploads_at_once_do_no_harm_and_little_twice() {
    let cluster = filled(ClusterOptions::default(), 90).await;
    for node in [5, 6] {
        cluster.nodes[node].store.wipe();
    }
    tokio::time::sleep(Duration::from_millis(1100)).await;
    let lost = audit(&cluster.archive, AuditMode::Quick).await.counts.findings;
    let another = cluster.another().await.unwrap();
    let third = cluster.another().await.unwrap();
    let uploads = async {
        for number in 90..130 {
            testkit::cluster::put(&third, &format!("d/{number}"), &content(number)).await.unwrap();
        }
    };
    let (one, two, ()) = tokio::join!(repair(&cluster.archive), repair(&another), uploads);
    for report in [&one, &two] {
        assert_eq!((report.left, report.failures.len(), report.lost.len()), (0, 0, 0));
    }
    let copies = one.copies + two.copies;
    assert!((lost..=lost + lost / 10).contains(&copies), "{copies} copies of {lost} blocks");
    audit(&cluster.archive, AuditMode::Quick).await;
    assert_healthy(&cluster, 130).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn copies_that_were_never_written_are_made() {
    let options = ClusterOptions::default().copies(3, 1);
    let cluster = Cluster::new(options).await;
    cluster.nodes.iter().skip(4).for_each(|node| node.faults.set(Fault::Full, 1.0));
    let mut put = 0;
    for number in 0..20 {
        put += usize::from(cluster.put(&format!("d/{number}"), &content(number)).await.is_ok());
    }
    cluster.nodes.iter().for_each(|node| node.faults.clear());
    if put == 0 {
        return;
    }
    tokio::time::sleep(Duration::from_secs(1)).await;
    audit(&cluster.archive, AuditMode::Quick).await;
    let report = repair(&cluster.archive).await;
    assert_eq!((report.left, report.failures.len()), (0, 0));
    assert_eq!(audit(&cluster.archive, AuditMode::Quick).await.found.get(&FindingKind::TooFewCopies), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn time_and_bandwidth_are_bounded() {
    let cluster = filled(ClusterOptions::default(), 60).await;
    cluster.nodes[5].store.wipe();
    tokio::time::sleep(Duration::from_millis(1100)).await;
    audit(&cluster.archive, AuditMode::Quick).await;
    let limits = Limits {
        bytes_per_second: Some(400_000),
        duration: Some(Duration::from_secs(1)),
        ..Limits::default()
    };
    let options = RepairOptions { limits, ..RepairOptions::default() };
    let report = cluster.archive.repair(&Scope::Everything, &options, &()).await.unwrap();
    assert_eq!(report.stopped, Some(Stop::Duration));
    assert!(report.left > 0 && report.elapsed < Duration::from_secs(3), "{:?}", report.elapsed);
    // Those under way when the time was up are finished at full speed.
    assert!(report.bytes_read + report.bytes_written < 3_000_000, "{}", report.bytes_read);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_attack_on_a_document_raises_an_alarm_and_a_lost_node_does_not() {
    let cluster = small(200).await;
    cluster.nodes[7].store.wipe();
    tokio::time::sleep(Duration::from_millis(1100)).await;
    audit(&cluster.archive, AuditMode::Quick).await;
    let alarms = async || cluster.archive.loss_alarms(StandingPolicy::default()).await.unwrap();
    assert_eq!(alarms().await, []);
    repair(&cluster.archive).await;
    // All parities of a document, and of the documents that point at it.
    let target = cluster.archive.document(&DocumentName::new("d/100").unwrap()).await.unwrap();
    let codeword = types::CodewordRef { document: target.reference, segment: 0 };
    let mut words = vec![codeword];
    for parity in 0..3 {
        let block = types::BlockRef { codeword, parity };
        words.extend(cluster.metadata.pointing_at(block, None, 1000).await.unwrap());
    }
    let words = cluster.metadata.codewords(&words).await.unwrap();
    let ids = words.iter().flatten().flat_map(|word| (0..3).map(|parity| word.block_id(parity))).collect();
    erase(&cluster, &ids).await;
    audit(&cluster.archive, AuditMode::Quick).await;
    assert!(!alarms().await.is_empty());
    repair(&cluster.archive).await;
    assert_eq!(alarms().await, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_document_whose_neighbourhood_was_erased_comes_back() {
    let cluster = small(300).await;
    for number in [1_u64, 50, 150, 250] {
        let target =
            cluster.archive.document(&DocumentName::new(&format!("d/{number}")).unwrap()).await.unwrap();
        let codeword = types::CodewordRef { document: target.reference, segment: 0 };
        let mut words = vec![codeword];
        for depth in 0..2 {
            let known = words.clone();
            for &codeword in known.iter().take(if depth == 0 { usize::MAX } else { 4 }) {
                for parity in 0..3 {
                    let block = types::BlockRef { codeword, parity };
                    words.extend(cluster.metadata.pointing_at(block, None, 1000).await.unwrap());
                }
            }
            words.sort_unstable();
            words.dedup();
        }
        let found = cluster.metadata.codewords(&words).await.unwrap();
        let ids =
            found.iter().flatten().flat_map(|word| (0..3).map(|parity| word.block_id(parity))).collect();
        let left = reference(&cluster, 300, &ids).await;
        erase(&cluster, &ids).await;
        audit(&cluster.archive, AuditMode::Quick).await;
        let report = repair(&cluster.archive).await;
        assert_eq!(report.blocks.values().sum::<u64>() as usize, ids.len() - left.len());
        if !left.is_empty() {
            return;
        }
        assert!(cluster.get(&format!("d/{number}")).await.unwrap() == bytes(number, 900));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_in_the_wrong_place_is_moved() {
    let cluster = small(60).await;
    let document = cluster.archive.document(&DocumentName::new("d/50").unwrap()).await.unwrap();
    let record = cluster.metadata.segments(document.reference, 0, 1).await.unwrap().remove(0);
    let codeword = types::CodewordRef { document: document.reference, segment: 0 };
    let (block, id) = (types::BlockRef { codeword, parity: 1 }, BlockId::new(document.record.id, 0, 1));
    let (from, to) = (record.parities[1].nodes[0], record.parities[0].nodes[0]);
    let node = |index: types::NodeIndex| &cluster.nodes[usize::from(index.0)].store;
    let payload = node(from).get(&id, usize::MAX).await.unwrap();
    let copy = storage::Block { header: bytes::Bytes::new(), payload };
    node(to).put(&id, &copy).await.unwrap();
    node(from).delete(&id).await.unwrap();
    cluster.metadata.relocate(block, &[from], &[to]).await.unwrap();
    let report = audit(&cluster.archive, AuditMode::Quick).await;
    assert_eq!(report.found, BTreeMap::from([(FindingKind::Misplaced, 1)]));
    let report = repair(&cluster.archive).await;
    assert_eq!((report.blocks, report.left), (BTreeMap::from([(Method::Replica, 1)]), 0));
    assert_sound(&cluster).await;
    assert!(cluster.get("d/50").await.unwrap() == bytes(50, 900));
}
