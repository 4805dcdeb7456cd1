//! The greedy attacks on entanglement, against a whole archive: what the equations that are left determine is repaired and
//! reads again, and nothing else is claimed.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "a test may panic"
)]

use archive::audit::{AuditMode, AuditOptions, Scope};
use archive::repair::RepairOptions;
use code::Policy;
use code::attack::{Attack, Reach, Web};
use code::joint::{Fate, Problem, Symbol};
use metadata::{Codeword, MetadataStore};
use storage::BlockStore;
use testkit::cluster::{Cluster, ClusterOptions, bytes};
use types::{CodewordRef, DocumentRef, Partition, Pointer};

const DOCUMENTS: usize = 500;
const TARGETS: [usize; 4] = [1, 50, 150, 300];

/// An archive of small documents with uniform pointers, document `n` being the `n`th committed.
async fn filled() -> Cluster {
    let mut options = ClusterOptions { partitions: 1, ..ClusterOptions::default() };
    options.settings.policy = Policy::Uniform;
    let cluster = Cluster::new(options).await;
    for number in 0..DOCUMENTS {
        cluster.put(&number.to_string(), &bytes(number as u64, 700)).await.unwrap();
    }
    cluster
}

async fn codewords(cluster: &Cluster) -> Vec<Codeword> {
    let reference = |number: usize| CodewordRef {
        document: DocumentRef { partition: Partition(0), sequence: number as u64 },
        segment: 0,
    };
    let references: Vec<CodewordRef> = (0..DOCUMENTS).map(reference).collect();
    cluster.metadata.codewords(&references).await.unwrap().into_iter().map(Option::unwrap).collect()
}

fn web(codewords: &[Codeword]) -> Web {
    let symbols = |(number, codeword): (usize, &Codeword)| {
        let pointer = |pointer: &Pointer| match pointer {
            Pointer::Anchor(_) => None,
            Pointer::Block(block) => {
                Some(block.codeword.document.sequence as usize * 3 + usize::from(block.parity))
            }
        };
        let own = (0..3).map(|parity| Some(number * 3 + parity));
        codeword.segment.pointers.iter().map(pointer).chain(own).collect()
    };
    let parameters = ClusterOptions::default().settings.parameters;
    Web::of(parameters, codewords.iter().enumerate().map(symbols).collect())
}

/// What is still missing when all that is determined has been recovered.
fn beyond_recovery(web: &Web, erased: &[bool]) -> Vec<bool> {
    let missing: Vec<usize> = (0..erased.len()).filter(|&block| erased[block]).collect();
    let mut problem = Problem::new(missing.len() as u32);
    for symbols in web.documents() {
        let symbols: Vec<Symbol> = symbols
            .iter()
            .map(|symbol| match symbol.and_then(|block| missing.binary_search(&block).ok()) {
                Some(unknown) => Symbol::Unknown(unknown as u32),
                None => Symbol::Known(0),
            })
            .collect();
        if symbols.iter().any(|symbol| matches!(symbol, Symbol::Unknown(_))) {
            problem.codeword(web.parameters(), &symbols).unwrap();
        }
    }
    let plan = problem.plan().unwrap();
    let mut left = vec![false; erased.len()];
    for (block, fate) in missing.into_iter().zip(plan.fates()) {
        left[block] = matches!(fate, Fate::Undetermined { .. });
    }
    left
}

async fn erase(cluster: &Cluster, codewords: &[Codeword], erased: &[bool]) {
    for block in (0..erased.len()).filter(|&block| erased[block]) {
        let (codeword, parity) = (&codewords[block / 3], (block % 3) as u8);
        for node in &codeword.segment.parities[block % 3].nodes {
            cluster.nodes[usize::from(node.0)].store.delete(&codeword.block_id(parity)).await.unwrap();
        }
    }
}

/// Attacks, repairs, reads everything; returns how many documents are lost for good.
async fn survive(attack: Attack, target: usize) -> usize {
    let cluster = filled().await;
    let codewords = codewords(&cluster).await;
    let web = web(&codewords);
    let erased = web.attack(target, attack, Reach::Parities);
    let mut peeled = erased.clone();
    web.peel(&mut peeled);
    assert!(!web.decodes(target, &peeled), "the attack defeats peeling");
    let left = beyond_recovery(&web, &erased);
    erase(&cluster, &codewords, &erased).await;
    let archive = &cluster.archive;
    archive.audit(&Scope::Everything, AuditMode::Quick, &AuditOptions::default(), &()).await.unwrap();
    let report = archive.repair(&Scope::Everything, &RepairOptions::default(), &()).await.unwrap();
    assert!(report.failures.is_empty());
    let mut lost = 0;
    for number in 0..DOCUMENTS {
        let read = cluster.get(&number.to_string()).await;
        if web.decodes(number, &left) {
            assert!(read.unwrap() == bytes(number as u64, 700), "{attack:?} on {target}: document {number}");
        } else {
            assert!(read.is_err(), "{attack:?} on {target}: document {number}");
            lost += 1;
        }
    }
    assert_eq!(
        report.lost.iter().filter(|loss| loss.for_good).count(),
        lost,
        "the report names exactly those"
    );
    lost
}

async fn survive_all(attack: Attack) {
    for target in TARGETS {
        let lost = survive(attack, target).await;
        assert!(target > 50 || lost == 0, "{attack:?} on {target} lost {lost}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn leaping_attacks_are_undone_as_far_as_the_equations_go() {
    survive_all(Attack::Leaping).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn minimum_attacks_are_undone_as_far_as_the_equations_go() {
    survive_all(Attack::Minimum).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn creeping_attacks_are_undone_as_far_as_the_equations_go() {
    survive_all(Attack::Creeping).await;
}
