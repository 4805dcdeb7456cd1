use std::collections::HashSet;

use rand::{SeedableRng, rngs::StdRng};
use types::{DocumentRef, Partition};

use super::*;
use crate::place::{Topology, TopologyNode, place};

const POLICIES: [Policy; 4] = [Policy::Uniform, Policy::Normal, Policy::Window, Policy::Mixed];

/// Ages (0 is the newest) of many draws from one partition of `count`.
fn ages(policy: Policy, window: u64, count: u64) -> Vec<u64> {
    let mut rng = StdRng::seed_from_u64(3);
    let selector = Selector::new(policy, window);
    (0..4000)
        .flat_map(|_| selector.draw(&[count], 5, &mut HashSet::new(), &mut rng))
        .map(|place| count - 1 - place.index)
        .collect()
}

#[test]
fn draws_are_distinct_in_range_and_as_many_as_wanted() {
    let mut rng = StdRng::seed_from_u64(1);
    for policy in POLICIES {
        for counts in [&[1000][..], &[0, 3, 500, 1], &[u64::MAX / 4, 7], &[12], &[0, 0, 5, 6]] {
            for _ in 0..50 {
                let mut seen = HashSet::new();
                let first = Selector::new(policy, 4).draw(counts, 10, &mut seen, &mut rng);
                let second = Selector::new(policy, 4).draw(counts, 10, &mut seen, &mut rng);
                let total: u64 = counts.iter().sum();
                assert_eq!(first.len() as u64, total.min(10), "{policy:?} {counts:?}");
                assert_eq!(second.len() as u64, total.min(20) - first.len() as u64);
                assert_eq!(seen.len(), first.len() + second.len(), "no place twice");
                assert!(seen.iter().all(|place| place.index < counts[place.partition]));
            }
        }
    }
}

#[test]
fn an_empty_archive_gives_nothing() {
    for counts in [&[][..], &[0, 0]] {
        let drawn = Selector::new(Policy::Mixed, 4).draw(
            counts,
            3,
            &mut HashSet::new(),
            &mut StdRng::seed_from_u64(1),
        );
        assert!(drawn.is_empty());
    }
}

#[test]
fn uniform_draws_all_ages_alike() {
    let ages = ages(Policy::Uniform, 10, 1000);
    let old = ages.iter().filter(|&&age| age >= 500).count() as f64 / ages.len() as f64;
    assert!((0.48..0.52).contains(&old), "{old}");
}

#[test]
fn window_draws_nothing_older() {
    let ages = ages(Policy::Window, 100, 10_000);
    assert!(ages.iter().all(|&age| age < 100));
    let old = ages.iter().filter(|&&age| age >= 50).count() as f64 / ages.len() as f64;
    assert!((0.48..0.52).contains(&old), "{old}");
}

#[test]
fn normal_draws_68_percent_from_one_deviation() {
    let ages = ages(Policy::Normal, 1000, 100_000);
    let near = ages.iter().filter(|&&age| age < 1000).count() as f64 / ages.len() as f64;
    assert!((0.66..0.70).contains(&near), "{near}");
}

#[test]
fn mixed_draws_half_from_the_window() {
    let ages = ages(Policy::Mixed, 100, 100_000);
    let near = ages.iter().filter(|&&age| age < 100).count() as f64 / ages.len() as f64;
    // Three of five draws are from the window.
    assert!((0.58..0.62).contains(&near), "{near}");
}

#[test]
fn partitions_are_drawn_by_their_counts() {
    let mut rng = StdRng::seed_from_u64(1);
    for policy in POLICIES {
        let draws = (0..2000)
            .flat_map(|_| Selector::new(policy, 50).draw(&[3000, 1000], 5, &mut HashSet::new(), &mut rng));
        let first = draws.filter(|place| place.partition == 0).count() as f64 / 10_000.0;
        assert!((0.72..0.78).contains(&first), "{policy:?}: {first}");
    }
}

/// An archive of documents with one codeword of `p` parities each, built as the service builds it.
fn grow(documents: u64, t: usize, p: usize, topology: &Topology) -> Vec<(Vec<NodeIndex>, Vec<CodewordRef>)> {
    let mut rng = StdRng::seed_from_u64(9);
    let mut archive: Vec<Vec<NodeIndex>> = Vec::new();
    let mut built = Vec::new();
    for _ in 0..documents {
        let counts = [archive.len() as u64];
        let places = Selector::new(Policy::Mixed, 8).draw(&counts, 2 * t, &mut HashSet::new(), &mut rng);
        let candidate = |place: &Place| Candidate {
            codeword: codeword(place.index),
            parities: (0..)
                .zip(archive[usize::try_from(place.index).unwrap()].iter().map(|&n| vec![n]))
                .collect(),
        };
        let candidates: Vec<Candidate> = places.iter().map(candidate).collect();
        let mut occupancy = Occupancy::new(topology, t + p);
        let chosen = choose(&candidates, t, false, &mut occupancy, &mut rng);
        let mut nodes_of = vec![Vec::new(); p];
        place(&mut nodes_of, 1, &mut occupancy, &mut rng);
        let parities: Vec<NodeIndex> = nodes_of.into_iter().map(|nodes| nodes[0]).collect();
        let symbols = chosen.iter().map(|choice| choice.node).chain(parities.clone()).collect();
        built.push((symbols, chosen.iter().map(|choice| candidates[choice.candidate].codeword).collect()));
        archive.push(parities);
    }
    built
}

fn codeword(sequence: u64) -> CodewordRef {
    CodewordRef { document: DocumentRef { partition: Partition(0), sequence }, segment: 0 }
}

fn topology(nodes: u16, zone: impl Fn(u16) -> u16) -> Topology {
    let node = |index| TopologyNode { index: NodeIndex(index), zone: zone(index).into(), usable: true };
    Topology::new((0..nodes).map(node).collect())
}

fn heaviest<T: std::hash::Hash + Eq + Copy>(items: impl Iterator<Item = T>) -> usize {
    let items: Vec<T> = items.collect();
    let count = |item: T| items.iter().filter(|&&other| other == item).count();
    items.iter().copied().map(count).max().unwrap_or(0)
}

#[test]
fn all_symbols_are_on_different_nodes_from_the_first_document_on() {
    for nodes in [13, 14, 16, 40] {
        for (symbols, _) in grow(200, 10, 3, &topology(nodes, |node| node)) {
            assert_eq!(heaviest(symbols.iter()), 1, "{nodes} nodes: {symbols:?}");
        }
    }
}

#[test]
fn few_nodes_are_filled_evenly() {
    for (number, (symbols, _)) in grow(100, 10, 3, &topology(5, |node| node)).into_iter().enumerate() {
        assert!(heaviest(symbols.iter()) <= 3, "{symbols:?}");
        assert!(number < 8 || symbols.len() == 13, "{symbols:?}");
    }
}

#[test]
fn pointers_are_of_distinct_documents_where_there_are_enough() {
    for (number, (symbols, documents)) in grow(200, 10, 3, &topology(16, |node| node)).into_iter().enumerate()
    {
        if number > 40 {
            assert_eq!(symbols.len(), 13);
            assert_eq!(heaviest(documents.iter()), 1, "document {number}: {documents:?}");
        }
    }
}

#[test]
fn zones_are_filled_evenly() {
    let mut over = 0;
    for (symbols, _) in grow(200, 10, 3, &topology(16, |node| node / 4)) {
        assert_eq!(heaviest(symbols.iter()), 1);
        over += usize::from(heaviest(symbols.iter().map(|node| node.0 / 4)) > 4);
    }
    assert!(over < 20, "{over} of 200 codewords have more than 4 symbols in a zone");
}

#[test]
fn blocks_on_unusable_nodes_are_not_chosen() {
    let mut nodes = topology(4, |node| node).nodes().to_vec();
    nodes[1].usable = false;
    let topology = Topology::new(nodes);
    let candidates: Vec<Candidate> = (0..3)
        .map(|i| Candidate {
            codeword: codeword(i),
            parities: vec![(0, vec![NodeIndex(1)]), (1, vec![NodeIndex(9)])],
        })
        .collect();
    let mut occupancy = Occupancy::new(&topology, 3);
    assert!(choose(&candidates, 2, false, &mut occupancy, &mut StdRng::seed_from_u64(1)).is_empty());
}
