//! Does a loss look deliberate? Pure.
//!
//! Nodes fail, and disks rot, without regard to what their blocks mean. An attacker who wants a document gone must
//! erase it with the codewords around it. So the question is put to each neighbourhood (the blocks of the codewords
//! that a document's blocks are in): is more of it lost than its nodes' own losses explain?
//!
//! **The statistic.** Node `i` lost a share `q_i` of its blocks. If losses do not care which block they hit, a
//! neighbourhood of `n` different blocks loses as many as a sum of `n` independent draws with these probabilities,
//! or varies less (placement keeps a codeword's blocks on different nodes, so that one node's failure cannot hit it
//! often). With `q` the mean of the `q_i` over the neighbourhood's blocks and `m > n q` of them lost, Hoeffding's bound on
//! such sums (1956, 1963) is
//!
//! ```text
//! P[at least m lost] <= exp(-n * D(m/n, q)),   D(a, b) = a ln(a/b) + (1-a) ln((1-a)/(1-b))
//! ```
//!
//! `n * D` is the *surprise*, in nats. Blocks of nodes that lost everything have `q_i = 1`: they are expected to be
//! lost and surprise nobody. An alarm is raised above `ln(neighbourhoods / FALSE_ALARMS)`: by the union bound, a whole
//! audit of losses that are independent raises a false one with a probability of at most [`FALSE_ALARMS`].
//!
//! An attack on an old document may grow until it holds a large part of a small archive; no neighbourhood stands out
//! then. What still gives it away is that it erases codewords *whole*: [`Together`] counts codewords that lost all
//! their own parities, against the sum over all codewords of the products of their parities' `q_i`, with the bound
//! `exp(-(m ln(m/mu) - m + mu))` for at least `m` where `mu` are expected (Chernoff). Nodes that failed have `q_i = 1`
//! and explain what they hold, in any number.

use std::collections::BTreeMap;

use types::{CodewordRef, NodeIndex};

/// How likely losses that nobody planned may raise an alarm, per audit.
pub const FALSE_ALARMS: f64 = 1e-6;

/// What a node had and lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct NodeLosses {
    /// Blocks that it should have.
    pub blocks: u64,
    /// How many of them are lost.
    pub lost: u64,
}

/// The different blocks of the codewords around one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Neighbourhood {
    /// The codeword in the middle.
    pub codeword: CodewordRef,
    /// For each block the node that has it, or had it, and whether it is lost.
    pub blocks: Vec<(NodeIndex, bool)>,
}

/// A loss that looks deliberate.
#[derive(Debug, Clone, PartialEq)]
pub struct Alarm {
    /// The codeword around which it is most striking.
    pub codeword: CodewordRef,
    /// How many blocks are around it.
    pub blocks: usize,
    /// How many of them are lost.
    pub lost: usize,
    /// How many would be, by their nodes' losses.
    pub expected: f64,
    /// Minus the logarithm of the probability of so many or more.
    pub surprise: f64,
    /// The surprise from which an alarm is raised.
    pub threshold: f64,
}

/// The neighbourhoods that lost more than chance allows, the most striking first. `candidates` is among how many
/// neighbourhoods those given were picked: all of the archive's, if they were picked for what they lost.
#[must_use]
pub fn assess(
    nodes: &BTreeMap<NodeIndex, NodeLosses>,
    neighbourhoods: &[Neighbourhood],
    candidates: u64,
) -> Vec<Alarm> {
    let candidates = candidates.max(neighbourhoods.len() as u64).max(1);
    let threshold = (candidates as f64 / FALSE_ALARMS).ln();
    let mut alarms: Vec<Alarm> = neighbourhoods
        .iter()
        .map(|neighbourhood| judge(nodes, neighbourhood, threshold))
        .filter(|alarm| alarm.surprise > threshold)
        .collect();
    alarms.sort_by(|one, other| other.surprise.total_cmp(&one.surprise));
    alarms
}

fn judge(nodes: &BTreeMap<NodeIndex, NodeLosses>, neighbourhood: &Neighbourhood, threshold: f64) -> Alarm {
    let blocks = neighbourhood.blocks.len();
    let lost = neighbourhood.blocks.iter().filter(|(_, lost)| *lost).count();
    let expected: f64 = neighbourhood.blocks.iter().map(|(node, _)| share(nodes, *node)).sum();
    let surprise = surprise(blocks, lost, expected);
    Alarm { codeword: neighbourhood.codeword, blocks, lost, expected, surprise, threshold }
}

/// Whether more codewords lost all their parities than chance allows. `codewords` are all of the archive's, each with
/// its own parities only; `Neighbourhood`s are looked at one by one, so they may come from a scan.
#[derive(Debug, Clone, Default)]
pub struct Together {
    whole: usize,
    expected: f64,
    codewords: usize,
    first: Option<CodewordRef>,
}

impl Together {
    /// Adds a codeword: its own parities.
    pub fn add(&mut self, nodes: &BTreeMap<NodeIndex, NodeLosses>, codeword: &Neighbourhood) {
        self.codewords += 1;
        self.expected += codeword.blocks.iter().map(|(node, _)| share(nodes, *node)).product::<f64>();
        if !codeword.blocks.is_empty() && codeword.blocks.iter().all(|(_, lost)| *lost) {
            self.whole += 1;
            self.first.get_or_insert(codeword.codeword);
        }
    }

    /// The alarm, if there is cause for one.
    #[must_use]
    pub fn alarm(&self) -> Option<Alarm> {
        let (lost, mu) = (self.whole as f64, self.expected);
        if lost <= mu {
            return None;
        }
        let surprise = lost * (lost / mu).ln() - lost + mu;
        let threshold = (1.0 / FALSE_ALARMS).ln();
        let alarm = Alarm {
            codeword: self.first?,
            blocks: self.codewords,
            lost: self.whole,
            expected: mu,
            surprise,
            threshold,
        };
        (surprise > threshold).then_some(alarm)
    }
}

/// The share of its blocks that a node lost; of a node that nothing is known of, all.
fn share(nodes: &BTreeMap<NodeIndex, NodeLosses>, node: NodeIndex) -> f64 {
    let losses = nodes.get(&node).filter(|losses| losses.blocks > 0);
    losses.map_or(1.0, |losses| (losses.lost as f64 / losses.blocks as f64).min(1.0))
}

fn surprise(blocks: usize, lost: usize, expected: f64) -> f64 {
    if blocks == 0 || lost as f64 <= expected {
        return 0.0;
    }
    let (n, a, q) = (blocks as f64, lost as f64 / blocks as f64, expected / blocks as f64);
    let term = |a: f64, q: f64| if a > 0.0 { a * (a / q).ln() } else { 0.0 };
    n * (term(a, q) + term(1.0 - a, 1.0 - q))
}

#[cfg(test)]
mod tests {
    use code::Policy;
    use code::attack::{Attack, Reach, Web};
    use rand::{RngExt, SeedableRng, rngs::StdRng, seq::SliceRandom};
    use types::{CodeParameters, DocumentRef, Partition};

    use super::*;

    const NODES: u16 = 16;

    /// An archive, and on which node each block is: a codeword's parities on different ones.
    fn archive(seed: u64) -> (Web, Vec<NodeIndex>) {
        let web = Web::entangle(500, CodeParameters::DEFAULT, Policy::Uniform, seed);
        let mut rng = StdRng::seed_from_u64(seed);
        let mut nodes = Vec::new();
        for _ in 0..500 {
            let mut all: Vec<u16> = (0..NODES).collect();
            all.shuffle(&mut rng);
            nodes.extend(all.into_iter().take(3).map(NodeIndex));
        }
        (web, nodes)
    }

    fn alarms(web: &Web, nodes: &[NodeIndex], lost: &[bool]) -> Vec<Alarm> {
        let mut losses: BTreeMap<NodeIndex, NodeLosses> = BTreeMap::new();
        for (node, lost) in nodes.iter().zip(lost) {
            let entry = losses.entry(*node).or_default();
            entry.blocks += 1;
            entry.lost += u64::from(*lost);
        }
        let documents = web.documents();
        let mut pointing: Vec<Vec<usize>> = (0..documents.len()).map(|document| vec![document]).collect();
        for (document, symbols) in documents.iter().enumerate() {
            for block in symbols.iter().flatten().filter(|block| **block / 3 != document) {
                pointing[block / 3].push(document);
            }
        }
        let neighbourhood = |document: usize| {
            let mut around = pointing[document].clone();
            around.dedup();
            let blocks = around.iter().flat_map(|&document| document * 3..document * 3 + 3);
            let document = DocumentRef { partition: Partition(0), sequence: document as u64 };
            let blocks = blocks.map(|block| (nodes[block], lost[block])).collect();
            Neighbourhood { codeword: CodewordRef { document, segment: 0 }, blocks }
        };
        let mut together = Together::default();
        for document in 0..documents.len() {
            let blocks = (document * 3..document * 3 + 3).map(|block| (nodes[block], lost[block])).collect();
            let document = DocumentRef { partition: Partition(0), sequence: document as u64 };
            let codeword = CodewordRef { document, segment: 0 };
            together.add(&losses, &Neighbourhood { codeword, blocks });
        }
        let neighbourhoods: Vec<Neighbourhood> = (0..documents.len()).map(neighbourhood).collect();
        let mut alarms = assess(&losses, &neighbourhoods, 0);
        alarms.extend(together.alarm());
        alarms
    }

    #[test]
    fn independent_losses_raise_no_alarm() {
        for seed in 0..5 {
            let (web, nodes) = archive(seed);
            let mut rng = StdRng::seed_from_u64(seed);
            for failed in [0, 1, 2, 5, 8] {
                for rot in [0.0, 0.01, 0.1, 0.4] {
                    let mut all: Vec<u16> = (0..NODES).collect();
                    all.shuffle(&mut rng);
                    let gone = &all[..failed];
                    let lost: Vec<bool> =
                        nodes.iter().map(|node| gone.contains(&node.0) || rng.random_bool(rot)).collect();
                    assert_eq!(
                        alarms(&web, &nodes, &lost),
                        [],
                        "{failed} nodes failed, {rot} of the rest rotted"
                    );
                }
            }
        }
    }

    #[test]
    fn leaping_attacks_raise_an_alarm_and_small_ones_also_beside_a_failed_node() {
        let mut beside = 0;
        for seed in 0..5 {
            let (web, nodes) = archive(seed);
            for (target, reach) in [(50, Reach::Symbols), (150, Reach::Parities), (300, Reach::Symbols)] {
                let attacked = web.attack(target, Attack::Leaping, reach);
                assert!(!alarms(&web, &nodes, &attacked).is_empty(), "{target}");
                // What has grown to a quarter of the archive may hide behind a node's failure.
                let size = attacked.iter().filter(|lost| **lost).count();
                if (20..150).contains(&size) {
                    let both = attacked.iter().zip(&nodes).map(|(lost, node)| *lost || node.0 == 3);
                    assert!(
                        !alarms(&web, &nodes, &both.collect::<Vec<_>>()).is_empty(),
                        "{target}, {size} blocks"
                    );
                    beside += 1;
                }
            }
        }
        assert!(beside > 1);
    }

    #[test]
    fn what_nodes_explain_surprises_nobody() {
        assert!(surprise(100, 40, 40.0).abs() < 1e-9);
        assert!(surprise(100, 10, 40.0).abs() < 1e-9, "less than expected");
        assert!((surprise(10, 10, 1.0) - 10.0 * 10.0_f64.ln()).abs() < 1e-9);
        assert!(surprise(0, 0, 0.0).abs() < 1e-9);
    }
}
