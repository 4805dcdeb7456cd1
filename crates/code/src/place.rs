//! Where symbols go: apart, over zones first, then over nodes.

use rand::{Rng, RngExt};
use types::NodeIndex;

/// A storage node, as placement sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TopologyNode {
    /// The node.
    pub index: NodeIndex,
    /// The number of its zone; nodes of one zone fail together.
    pub zone: usize,
    /// Whether it takes writes and answers reads, as far as is known.
    pub usable: bool,
}

/// The storage nodes there are, and how evenly a codeword's symbols can be spread over them.
#[derive(Debug, Clone, Default)]
pub struct Topology {
    nodes: Vec<TopologyNode>,
    zones: usize,
}

impl Topology {
    /// The topology of these nodes, each named once.
    #[must_use]
    pub fn new(nodes: Vec<TopologyNode>) -> Self {
        let zones = nodes.iter().map(|node| node.zone + 1).max().unwrap_or(0);
        Self { nodes, zones }
    }

    /// All nodes.
    #[must_use]
    pub fn nodes(&self) -> &[TopologyNode] {
        &self.nodes
    }

    /// Node `index`, if it is one of these.
    #[must_use]
    pub fn node(&self, index: NodeIndex) -> Option<&TopologyNode> {
        self.nodes.get(self.slot(index)?)
    }

    /// Where node `index` stands. Nodes are mostly in the order of their numbers.
    fn slot(&self, index: NodeIndex) -> Option<usize> {
        let guess = usize::from(index.0);
        if self.nodes.get(guess).is_some_and(|node| node.index == index) {
            return Some(guess);
        }
        self.nodes.iter().position(|node| node.index == index)
    }

    /// Nodes that take writes.
    pub fn usable(&self) -> impl Iterator<Item = &TopologyNode> {
        self.nodes.iter().filter(|node| node.usable)
    }

    /// Most symbols of `symbols` that one usable node must take: 1 if there are enough nodes.
    fn node_share(&self, symbols: usize) -> usize {
        symbols.div_ceil(self.usable().count().max(1))
    }

    /// Most symbols of `symbols` that one zone must take, when no node takes more than `node_share`.
    fn zone_share(&self, symbols: usize, node_share: usize) -> usize {
        let mut sizes = vec![0_usize; self.zones];
        for node in self.usable() {
            if let Some(size) = sizes.get_mut(node.zone) {
                *size += 1;
            }
        }
        (1..symbols)
            .find(|&share| sizes.iter().map(|size| share.min(size * node_share)).sum::<usize>() >= symbols)
            .unwrap_or(symbols)
    }
}

/// How many symbols of the codeword in the making are on each node and in each zone. A symbol with several
/// copies counts where its representative is: as long as representatives are on different nodes, the loss of any
/// `n` nodes takes at most `n` symbols.
#[derive(Debug, Clone)]
pub struct Occupancy<'a> {
    topology: &'a Topology,
    nodes: Vec<usize>,
    zones: Vec<usize>,
    node_share: usize,
    zone_share: usize,
}

impl<'a> Occupancy<'a> {
    /// Nothing placed yet of a codeword with `symbols` symbols on nodes.
    #[must_use]
    pub fn new(topology: &'a Topology, symbols: usize) -> Self {
        let node_share = topology.node_share(symbols);
        let zone_share = topology.zone_share(symbols, node_share);
        Self {
            topology,
            nodes: vec![0; topology.nodes.len()],
            zones: vec![0; topology.zones],
            node_share,
            zone_share,
        }
    }

    fn slot(&self, index: NodeIndex) -> Option<(usize, &'a TopologyNode)> {
        let slot = self.topology.slot(index)?;
        Some((slot, self.topology.nodes.get(slot)?))
    }

    /// Puts a symbol on node `index`; a node that is not in the topology takes no part.
    pub fn add(&mut self, index: NodeIndex) {
        if let Some((slot, node)) = self.slot(index) {
            if let Some(count) = self.nodes.get_mut(slot) {
                *count += 1;
            }
            if let Some(count) = self.zones.get_mut(node.zone) {
                *count += 1;
            }
        }
    }

    /// How many symbols are on node `index`.
    #[must_use]
    pub fn on_node(&self, index: NodeIndex) -> usize {
        self.slot(index).and_then(|(slot, _)| self.nodes.get(slot)).copied().unwrap_or(0)
    }

    /// Of `nodes`, the usable one that is best for one more symbol, with what it would cost: symbols over the
    /// node's share, symbols over the zone's share, symbols in the zone, symbols on the node. Ties are drawn.
    pub(crate) fn best(&self, nodes: &[NodeIndex], rng: &mut dyn Rng) -> Option<(Cost, NodeIndex)> {
        let mut best: Option<(Cost, u32, NodeIndex)> = None;
        for &index in nodes {
            let Some(cost) = self.cost(index) else { continue };
            let lot = rng.random();
            if best.is_none_or(|(cheapest, least, _)| (cost, lot) < (cheapest, least)) {
                best = Some((cost, lot, index));
            }
        }
        best.map(|(cost, _, index)| (cost, index))
    }

    fn cost(&self, index: NodeIndex) -> Option<Cost> {
        let (slot, node) = self.slot(index).filter(|(_, node)| node.usable)?;
        let (on_node, in_zone) = (*self.nodes.get(slot)?, *self.zones.get(node.zone)?);
        Some(Cost {
            over_node_share: (on_node + 1).saturating_sub(self.node_share),
            over_zone_share: (in_zone + 1).saturating_sub(self.zone_share),
            in_zone,
            on_node,
        })
    }
}

/// What one more symbol on a node costs, dearest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Cost {
    pub(crate) over_node_share: usize,
    pub(crate) over_zone_share: usize,
    in_zone: usize,
    on_node: usize,
}

/// Chooses nodes for a codeword's parities until each has `copies` different usable ones (fewer if there are fewer).
/// `placed` holds, for each parity, the nodes that have it already; what is chosen is appended. Representatives are kept apart from each other and from what `occupancy` holds (not those of
/// `placed`), which is left with them added.
pub fn place(placed: &mut [Vec<NodeIndex>], copies: usize, occupancy: &mut Occupancy<'_>, rng: &mut dyn Rng) {
    let topology = occupancy.topology;
    let usable: Vec<NodeIndex> = topology.usable().map(|node| node.index).collect();
    for nodes in placed.iter_mut().filter(|nodes| !nodes.is_empty()) {
        represent(nodes, copies, &usable, occupancy, rng);
    }
    for nodes in placed.iter_mut().filter(|nodes| nodes.is_empty()) {
        let representative = occupancy.best(&usable, rng).map(|(_, index)| index);
        if let Some(index) = representative {
            occupancy.add(index);
            nodes.push(index);
        }
    }
    // Copies are spread by themselves: where a second copy stands costs no symbol a place of its own.
    let mut spread = Occupancy::new(topology, placed.len() * copies);
    placed.iter().flatten().for_each(|&index| spread.add(index));
    for nodes in placed {
        while nodes.len() < copies {
            let others: Vec<NodeIndex> =
                usable.iter().copied().filter(|index| !nodes.contains(index)).collect();
            let apart: Vec<NodeIndex> =
                others.iter().copied().filter(|&index| !shares_zone(topology, index, nodes)).collect();
            let from = if apart.is_empty() { &others } else { &apart };
            let Some((_, index)) = spread.best(from, rng) else { break };
            spread.add(index);
            nodes.push(index);
        }
    }
}

/// Finds a representative for a parity that is on some nodes already: one that no other symbol counts on, a further copy if
/// there is none and one is lacking.
fn represent(
    nodes: &mut Vec<NodeIndex>,
    copies: usize,
    usable: &[NodeIndex],
    occupancy: &mut Occupancy<'_>,
    rng: &mut dyn Rng,
) {
    let least = nodes.iter().copied().min_by_key(|&index| occupancy.on_node(index));
    let others: Vec<NodeIndex> = usable.iter().copied().filter(|index| !nodes.contains(index)).collect();
    match least {
        Some(index) if occupancy.on_node(index) >= occupancy.node_share && nodes.len() < copies => {
            let further = occupancy.best(&others, rng).map_or(index, |(_, further)| further);
            occupancy.add(further);
            if further != index {
                nodes.push(further);
            }
        }
        Some(index) => occupancy.add(index),
        None => {}
    }
}

fn shares_zone(topology: &Topology, index: NodeIndex, others: &[NodeIndex]) -> bool {
    let zone = |index| topology.node(index).map(|node| node.zone);
    others.iter().any(|&other| zone(other) == zone(index))
}

#[cfg(test)]
mod tests {
    use rand::{SeedableRng, rngs::StdRng};

    use super::*;

    fn topology(zones: &[usize]) -> Topology {
        let node = |(index, &zone): (usize, &usize)| TopologyNode {
            index: NodeIndex(u16::try_from(index).unwrap()),
            zone,
            usable: true,
        };
        Topology::new(zones.iter().enumerate().map(node).collect())
    }

    fn place_new(
        parities: usize,
        copies: usize,
        occupancy: &mut Occupancy<'_>,
        rng: &mut dyn Rng,
    ) -> Vec<Vec<NodeIndex>> {
        let mut placed = vec![Vec::new(); parities];
        place(&mut placed, copies, occupancy, rng);
        placed
    }

    fn loads(topology: &Topology, placed: &[Vec<NodeIndex>]) -> Vec<usize> {
        topology
            .nodes()
            .iter()
            .map(|node| placed.iter().filter(|nodes| nodes[0] == node.index).count())
            .collect()
    }

    #[test]
    fn symbols_are_on_different_nodes_where_there_are_enough() {
        let topology = topology(&(0..16).collect::<Vec<_>>());
        for seed in 0..200 {
            let mut rng = StdRng::seed_from_u64(seed);
            let mut occupancy = Occupancy::new(&topology, 13);
            (0..10).for_each(|index| occupancy.add(NodeIndex(index)));
            let placed = place_new(3, 1, &mut occupancy, &mut rng);
            let mut nodes: Vec<u16> = placed.iter().map(|nodes| nodes[0].0).collect();
            nodes.sort_unstable();
            nodes.dedup();
            assert_eq!(nodes.len(), 3);
            assert!(nodes[0] >= 10, "{nodes:?}");
        }
    }

    #[test]
    fn symbols_are_spread_evenly_where_nodes_are_few() {
        let topology = topology(&[0, 1, 2, 3, 4]);
        let placed = place_new(13, 1, &mut Occupancy::new(&topology, 13), &mut StdRng::seed_from_u64(1));
        assert!(loads(&topology, &placed).iter().all(|load| (2..=3).contains(load)));
    }

    #[test]
    fn zones_are_spread_before_nodes() {
        let topology = topology(&[0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2]);
        for seed in 0..100 {
            let placed =
                place_new(12, 1, &mut Occupancy::new(&topology, 12), &mut StdRng::seed_from_u64(seed));
            let load = loads(&topology, &placed);
            assert!(load.iter().all(|&count| count <= 1));
            assert_eq!([0..8, 8..12, 12..16].map(|zone| load[zone].iter().sum::<usize>()), [4, 4, 4]);
        }
    }

    #[test]
    fn copies_are_on_different_nodes_and_in_different_zones() {
        let topology = topology(&[0, 0, 1, 1, 2, 2]);
        for seed in 0..100 {
            let placed = place_new(3, 3, &mut Occupancy::new(&topology, 3), &mut StdRng::seed_from_u64(seed));
            for nodes in placed {
                let mut zones: Vec<usize> = nodes.iter().map(|&n| topology.node(n).unwrap().zone).collect();
                zones.sort_unstable();
                assert_eq!(zones, [0, 1, 2]);
            }
        }
    }

    #[test]
    fn unusable_nodes_get_nothing() {
        let mut nodes = topology(&[0, 1, 2, 3]).nodes().to_vec();
        nodes[2].usable = false;
        let topology = Topology::new(nodes);
        let placed = place_new(6, 3, &mut Occupancy::new(&topology, 6), &mut StdRng::seed_from_u64(1));
        assert!(placed.iter().all(|nodes| nodes.len() == 3 && !nodes.contains(&NodeIndex(2))));
        assert_eq!(
            place_new(2, 1, &mut Occupancy::new(&Topology::default(), 2), &mut StdRng::seed_from_u64(1)),
            [[], []]
        );
    }

    #[test]
    fn what_failed_is_placed_again_apart_from_what_stands() {
        let mut nodes = topology(&[0, 1, 2, 3]).nodes().to_vec();
        nodes[1].usable = false;
        let topology = Topology::new(nodes);
        let mut placed = vec![vec![NodeIndex(0)], vec![], vec![NodeIndex(3), NodeIndex(2)]];
        place(&mut placed, 2, &mut Occupancy::new(&topology, 3), &mut StdRng::seed_from_u64(1));
        assert_eq!(placed[1][0], NodeIndex(2), "the only node without a representative");
        assert_eq!(placed[2], [NodeIndex(3), NodeIndex(2)]);
        assert!(placed.iter().all(|nodes| nodes.len() == 2 && nodes[0] != nodes[1]));
    }
}
