//! Which older blocks a codeword points at.
//!
//! In two steps, so that no step depends on the archive's size: [`Selector::draw`] turns counts and random numbers
//! into places in the class index; [`choose`] picks among the codewords found there. The policies are those of
//! Mercier, Augier and Lenzen, "STEP-archival: storage integrity and anti-tampering using data entanglement"
//! (2015), and of RECAST (2018), which mixes them.

use std::collections::HashSet;

use rand::{Rng, RngExt};
use types::{CodewordRef, NodeIndex};

use crate::place::{Cost, Occupancy};

/// How old the blocks are that a codeword points at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Policy {
    /// All alike.
    Uniform,
    /// Half-normal: the newest most, the window being one standard deviation.
    Normal,
    /// Those in the window, all alike.
    Window,
    /// By turns [`Policy::Window`] and [`Policy::Uniform`].
    Mixed,
}

/// A place in a class index: the `index`-th codeword of partition `partition`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Place {
    /// The partition.
    pub partition: usize,
    /// The codeword's number there, in the order of commits.
    pub index: u64,
}

/// Draws places by a policy.
#[derive(Debug, Clone, Copy)]
pub struct Selector {
    policy: Policy,
    window: u64,
}

impl Selector {
    /// A selector whose window holds the `window` most recent codewords (at least 1).
    #[must_use]
    pub fn new(policy: Policy, window: u64) -> Self {
        Self { policy, window: window.max(1) }
    }

    /// Draws at most `wanted` places that are not in `seen` and adds them to it. `counts` says how many codewords
    /// of the class each partition has; fewer are returned only where there are no more, or (policies other than
    /// uniform) hardly any more that the policy would draw.
    ///
    /// Takes time in `wanted` and the number of partitions, whatever the counts are.
    pub fn draw(
        &self,
        counts: &[u64],
        wanted: usize,
        seen: &mut HashSet<Place>,
        rng: &mut dyn Rng,
    ) -> Vec<Place> {
        let total: u64 = counts.iter().sum();
        let left = total.saturating_sub(seen.len() as u64);
        if left <= 2 * wanted as u64 {
            return all(counts, wanted, seen, rng);
        }
        let mut drawn = Vec::with_capacity(wanted);
        // The draws of a narrow policy repeat: a bound on them, and the whole archive for what is lacking.
        for attempt in 0..8 * wanted {
            if drawn.len() == wanted {
                break;
            }
            let place = self.draw_one(counts, total, attempt, rng);
            if seen.insert(place) {
                drawn.push(place);
            }
        }
        while drawn.len() < wanted {
            let place = uniform(counts, total, rng);
            if seen.insert(place) {
                drawn.push(place);
            }
        }
        drawn
    }

    fn draw_one(&self, counts: &[u64], total: u64, attempt: usize, rng: &mut dyn Rng) -> Place {
        match self.policy {
            Policy::Normal => half_normal(counts, total, self.window, rng),
            Policy::Window => within(counts, total, self.window.min(total), rng),
            Policy::Mixed if attempt.is_multiple_of(2) => within(counts, total, self.window.min(total), rng),
            Policy::Mixed | Policy::Uniform => uniform(counts, total, rng),
        }
    }
}

/// Every place not seen, in random order, at most `wanted` of them.
fn all(counts: &[u64], wanted: usize, seen: &mut HashSet<Place>, rng: &mut dyn Rng) -> Vec<Place> {
    let places = |(partition, &count): (usize, &u64)| (0..count).map(move |index| Place { partition, index });
    let mut places: Vec<Place> =
        counts.iter().enumerate().flat_map(places).filter(|place| !seen.contains(place)).collect();
    for i in (1..places.len()).rev() {
        places.swap(i, rng.random_range(0..=i));
    }
    places.truncate(wanted);
    seen.extend(&places);
    places
}

fn uniform(counts: &[u64], total: u64, rng: &mut dyn Rng) -> Place {
    nth(counts, rng.random_range(0..total.max(1)))
}

/// One of the newest `window` of `total` codewords: of each partition its share, since partitions are filled evenly
/// and keep no common order.
fn within(counts: &[u64], total: u64, window: u64, rng: &mut dyn Rng) -> Place {
    let Place { partition, .. } = uniform(counts, total, rng);
    let count = counts.get(partition).copied().unwrap_or(0);
    let share = scale(count, window, total).clamp(1, count.max(1));
    Place { partition, index: count.saturating_sub(1 + rng.random_range(0..share)) }
}

/// A codeword whose age, in codewords, is drawn from a half-normal distribution.
fn half_normal(counts: &[u64], total: u64, deviation: u64, rng: &mut dyn Rng) -> Place {
    let Place { partition, .. } = uniform(counts, total, rng);
    let count = counts.get(partition).copied().unwrap_or(0);
    let deviation = deviation as f64 * count as f64 / total.max(1) as f64;
    loop {
        let age = standard_normal(rng).abs() * deviation;
        // A tail cut off, not folded: with a window wider than the archive this comes near uniform.
        if age < count as f64 || count == 0 {
            #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 <= age < count")]
            return Place { partition, index: count.saturating_sub(1 + age as u64) };
        }
    }
}

/// Box and Muller's transform.
fn standard_normal(rng: &mut dyn Rng) -> f64 {
    let radius = (-2.0 * (1.0 - rng.random::<f64>()).ln()).sqrt();
    radius * (std::f64::consts::TAU * rng.random::<f64>()).cos()
}

/// `part` of `count` in `total`, rounded up.
fn scale(count: u64, part: u64, total: u64) -> u64 {
    let product = u128::from(count) * u128::from(part);
    u64::try_from(product.div_ceil(u128::from(total.max(1)))).unwrap_or(u64::MAX)
}

fn nth(counts: &[u64], mut index: u64) -> Place {
    for (partition, &count) in counts.iter().enumerate() {
        if index < count {
            return Place { partition, index };
        }
        index -= count;
    }
    Place { partition: 0, index: 0 }
}

/// A codeword that may be pointed at, one of whose parities is to be chosen.
#[derive(Debug, Clone)]
pub struct Candidate {
    /// The codeword.
    pub codeword: CodewordRef,
    /// For each parity that may be taken, its number and the nodes with a copy.
    pub parities: Vec<(u8, Vec<NodeIndex>)>,
}

/// A chosen pointer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Choice {
    /// Which of the candidates.
    pub candidate: usize,
    /// Which of its parities.
    pub parity: u8,
    /// The node that it counts on.
    pub node: NodeIndex,
}

/// What a round of choosing insists on, besides room on the node.
#[derive(Debug, Clone, Copy)]
struct Insist {
    distinct_documents: bool,
    zone_share: bool,
}

/// Chooses at most `wanted` pointers among the candidates, in their order: distinct blocks, of distinct documents and
/// on distinct nodes as far as `candidates` allow, over zones evenly. `occupancy` holds the symbols that are
/// placed already and is left with the chosen ones added.
///
/// Where the codeword has more nodes than symbols, no choice doubles one up: what cannot be chosen is left for an
/// anchor, so that losing any `e` nodes never takes more than `e` symbols. With `strict`, distinct documents
/// and the zones' shares are insisted on too: the caller means to draw more candidates.
pub fn choose(
    candidates: &[Candidate],
    wanted: usize,
    strict: bool,
    occupancy: &mut Occupancy<'_>,
    rng: &mut dyn Rng,
) -> Vec<Choice> {
    let mut rounds = vec![Insist { distinct_documents: true, zone_share: true }];
    if !strict {
        rounds.push(Insist { distinct_documents: true, zone_share: false });
        rounds.push(Insist { distinct_documents: false, zone_share: false });
    }
    let mut chosen: Vec<Choice> = Vec::with_capacity(wanted);
    for insist in rounds {
        // A codeword may give several of its parities, one a pass, so that the first give no more than the last.
        loop {
            let before = chosen.len();
            pass(candidates, wanted, insist, &mut chosen, occupancy, rng);
            if insist.distinct_documents || chosen.len() == before || chosen.len() >= wanted {
                break;
            }
        }
    }
    chosen
}

fn pass(
    candidates: &[Candidate],
    wanted: usize,
    insist: Insist,
    chosen: &mut Vec<Choice>,
    occupancy: &mut Occupancy<'_>,
    rng: &mut dyn Rng,
) {
    for (index, candidate) in candidates.iter().enumerate() {
        if chosen.len() >= wanted {
            return;
        }
        let document = |choice: &Choice| candidates.get(choice.candidate).map(|c| c.codeword.document);
        let known = chosen.iter().any(|choice| document(choice) == Some(candidate.codeword.document));
        if insist.distinct_documents && known {
            continue;
        }
        let taken = |parity| chosen.iter().any(|choice| choice.candidate == index && choice.parity == parity);
        let free = candidate.parities.iter().filter(|(parity, _)| !taken(*parity));
        let best = free
            .filter_map(|(parity, nodes)| Some((occupancy.best(nodes, rng)?, *parity)))
            .min_by_key(|((cost, _), _)| *cost);
        if let Some(((cost, node), parity)) = best
            && fits(cost, insist)
        {
            occupancy.add(node);
            chosen.push(Choice { candidate: index, parity, node });
        }
    }
}

fn fits(cost: Cost, insist: Insist) -> bool {
    cost.over_node_share == 0 && (!insist.zone_share || cost.over_zone_share == 0)
}

#[cfg(test)]
mod tests;
