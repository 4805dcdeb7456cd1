//! Where a repaired block goes.
//!
//! First over what is wrong on nodes that answer, which keeps codewords spread as they were. Else where the placement
//! rules want it for its own codeword; among those nodes, where it meets fewest symbols of the codewords that point
//! at it.

use std::collections::HashMap;

use code::{Occupancy, place};
use rand::{SeedableRng, rngs::StdRng};
use types::{BlockRef, NodeIndex};

use super::run::Run;
use super::write::Restored;
use crate::audit::word::Word;

/// Most codewords pointing at a block that are looked at: more would not change much.
const POINTING_MAX: usize = 16;

/// On how many codewords that point at a block each node has another symbol.
pub(super) type Crowd = HashMap<NodeIndex, usize>;

impl Run<'_> {
    /// How crowded the nodes are around a block. A look-up that fails costs spread, not the repair.
    pub(super) async fn crowd(&self, restored: &Restored<'_>) -> Crowd {
        let mut crowd = Crowd::new();
        let in_place = restored.diagnosis.bad.iter().filter(|&&node| self.takes(node)).count();
        if in_place >= restored.copies {
            return crowd;
        }
        let block = restored.word.block(restored.parity);
        let Ok(pointing) = self.core.metadata.pointing_at(block, None, POINTING_MAX).await else {
            return crowd;
        };
        for codeword in pointing {
            let Ok(word) = self.core.word(codeword).await else { continue };
            let Ok(pointed) = self.core.pointed(&word).await else { continue };
            let mut nodes = self.around(&word, &pointed, block);
            nodes.sort_unstable();
            nodes.dedup();
            for node in nodes {
                *crowd.entry(node).or_default() += 1;
            }
        }
        crowd
    }

    /// Whether a node takes writes, as far as is known.
    fn takes(&self, node: NodeIndex) -> bool {
        let topology = self.core.nodes.topology(&[]);
        self.roster.answers(node) && topology.node(node).is_some_and(|node| node.usable)
    }

    /// The nodes that a codeword's symbols other than `block` count on.
    fn around(&self, word: &Word, pointed: &[Option<metadata::Codeword>], block: BlockRef) -> Vec<NodeIndex> {
        let chosen = self.chosen();
        let first = |block: BlockRef, nodes: &[NodeIndex]| {
            // What this run is writing, or has written, is not where its record was read.
            let now = chosen.get(&block).copied();
            now.or_else(|| nodes.iter().copied().find(|&node| !self.roster.is_lost(node)))
        };
        let own = (0..=u8::MAX).zip(&word.record.parities);
        let own = own.map(|(parity, stored)| (word.block(parity), stored.nodes.as_slice()));
        let pointers = word.pointed().zip(pointed).filter_map(|(block, target)| {
            Some((block, target.as_ref()?.segment.parities.get(usize::from(block.parity))?.nodes.as_slice()))
        });
        let others = own.chain(pointers).filter(|(other, _)| *other != block);
        others.filter_map(|(block, nodes)| first(block, nodes)).collect()
    }

    /// Where to write the copies of a block that are still to be written.
    pub(super) fn targets(
        &self,
        restored: &Restored<'_>,
        crowd: &Crowd,
        written: &[NodeIndex],
        failed: &[NodeIndex],
    ) -> Vec<NodeIndex> {
        let lacking = restored.copies.saturating_sub(written.len());
        let diagnosis = restored.diagnosis;
        let in_place = diagnosis.bad.iter().copied().filter(|&node| self.takes(node));
        let in_place = in_place.filter(|node| !written.contains(node) && !failed.contains(node));
        let mut targets: Vec<NodeIndex> = in_place.take(lacking).collect();
        if targets.len() < lacking {
            let standing = diagnosis.kept().chain(written.iter().copied()).chain(targets.iter().copied());
            let standing: Vec<NodeIndex> = standing.collect();
            let block = restored.word.block(restored.parity);
            let others = self.around(restored.word, restored.pointed, block);
            let mut avoid = failed.to_vec();
            avoid.extend_from_slice(&diagnosis.misplaced);
            let copies = standing.len() + lacking - targets.len();
            targets.extend(self.place(restored, crowd, &avoid, &others, &standing, copies));
        }
        if let Some(&first) = targets.first().filter(|_| diagnosis.kept().next().is_none()) {
            self.choose(restored.word.block(restored.parity), first);
        }
        targets
    }

    /// Nodes for new copies: the least crowded ones that are free of the codeword's other symbols, if there are.
    fn place(
        &self,
        restored: &Restored<'_>,
        crowd: &Crowd,
        avoid: &[NodeIndex],
        others: &[NodeIndex],
        standing: &[NodeIndex],
        copies: usize,
    ) -> Vec<NodeIndex> {
        let everybody = self.core.nodes.topology(&[]);
        let silent =
            everybody.nodes().iter().map(|node| node.index).filter(|&node| !self.roster.answers(node));
        let avoid: Vec<NodeIndex> = silent.chain(avoid.iter().copied()).collect();
        let most = crowd.values().copied().max().unwrap_or(0);
        for crowded in 0..=most {
            let mut avoid = avoid.clone();
            avoid.extend(crowd.iter().filter(|(_, count)| **count > crowded).map(|(node, _)| *node));
            let topology = self.core.nodes.topology(&avoid);
            let mut occupancy = Occupancy::new(&topology, others.len() + 1);
            for &node in others {
                occupancy.add(node);
            }
            let free = occupancy.clone();
            let mut placed = vec![standing.to_vec()];
            // Drawn from the block's name: a repair that was killed writes to the same nodes when it runs again.
            let mut rng = StdRng::seed_from_u64(seed(restored.word, restored.parity));
            place::place(&mut placed, copies, &mut occupancy, &mut rng);
            let new: Vec<NodeIndex> = placed.into_iter().flatten().skip(standing.len()).collect();
            let whole = new.len() + standing.len() == copies;
            if crowded == most || whole && new.iter().all(|&node| free.on_node(node) == 0) {
                // A copy is not moved from one wrong place to another.
                let moves = !restored.diagnosis.misplaced.is_empty();
                return new.into_iter().filter(|&node| !moves || free.on_node(node) == 0).collect();
            }
        }
        Vec::new()
    }
}

fn seed(word: &Word, parity: u8) -> u64 {
    let id = word.document.record.id;
    let random = id.as_bytes().last_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes));
    random.wrapping_add(u64::from(word.segment) << 8).wrapping_add(u64::from(parity))
}
