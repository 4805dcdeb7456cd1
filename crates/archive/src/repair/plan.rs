//! What to rebuild from what, in which order. Pure: which blocks are missing and the codewords around them in, steps
//! out.
//!
//! Peeling: a codeword with at most `e` symbols missing gives all of them back at once, which may make others decode.
//! In each round those steps come first whose blocks are in the most endangered codewords.

use std::collections::HashMap;

use types::{BlockId, BlockRef, CodeParameters, CodewordRef, LengthClass, Timestamp};

/// A block that cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Missing {
    pub(crate) block: BlockRef,
    pub(crate) id: BlockId,
    /// When it was first seen to be missing.
    pub(crate) seen: Timestamp,
    /// Whether a node that does not answer may have it: it is rebuilt only if others need it.
    pub(crate) out_of_reach: bool,
    /// Whether it is to be rebuilt for its own sake.
    pub(crate) wanted: bool,
    /// Whether a codeword points at it, as far as is known.
    pub(crate) pointed: bool,
}

/// A codeword with symbols that are missing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct WebWord {
    pub(crate) reference: CodewordRef,
    pub(crate) parameters: CodeParameters,
    pub(crate) class: LengthClass,
    /// How many of its symbols are anchors, which cost no read.
    pub(crate) anchors: u8,
    /// Positions (pointers from `s` on, then parities) and numbers of the missing blocks.
    pub(crate) missing: Vec<(u8, u32)>,
}

/// Missing blocks and codewords around them.
#[derive(Debug, Default)]
pub(crate) struct Web {
    pub(crate) blocks: Vec<Missing>,
    pub(crate) words: Vec<WebWord>,
    numbers: HashMap<BlockRef, u32>,
    known: HashMap<CodewordRef, u32>,
}

/// A codeword to be decoded for some of its missing symbols.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Step {
    /// The codeword's number in the web.
    pub(crate) word: u32,
    /// Steps of one round need nothing of each other.
    pub(crate) round: u32,
    /// The smallest margin of the codewords that get something back.
    pub(crate) margin: i64,
    /// Numbers of the blocks to be rebuilt.
    pub(crate) targets: Vec<u32>,
}

/// Steps in the order to take them, and what they leave.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Peeling {
    pub(crate) steps: Vec<Step>,
    /// Numbers of the blocks that no single codeword gives back.
    pub(crate) stuck: Vec<u32>,
}

impl Web {
    /// Adds a missing block, unless it is known; returns its number.
    pub(crate) fn block(&mut self, missing: Missing) -> u32 {
        // The ledger of an archive has fewer than 2^32 blocks: its numbers alone would take a TiB.
        let next = u32::try_from(self.blocks.len()).unwrap_or(u32::MAX);
        let number = *self.numbers.entry(missing.block).or_insert(next);
        if number == next {
            self.blocks.push(missing);
        }
        number
    }

    pub(crate) fn number(&self, block: &BlockRef) -> Option<u32> {
        self.numbers.get(block).copied()
    }

    pub(crate) fn get(&self, number: u32) -> Option<&Missing> {
        self.blocks.get(number as usize)
    }

    pub(crate) fn word(&self, number: u32) -> Option<&WebWord> {
        self.words.get(number as usize)
    }

    /// Whether a codeword was added already.
    pub(crate) fn has_word(&self, reference: &CodewordRef) -> bool {
        self.known.contains_key(reference)
    }

    /// The number of a codeword that was added.
    pub(crate) fn word_number(&self, reference: &CodewordRef) -> Option<u32> {
        self.known.get(reference).copied()
    }

    /// Adds a codeword, unless it is known.
    pub(crate) fn add_word(&mut self, word: WebWord) {
        let next = u32::try_from(self.words.len()).unwrap_or(u32::MAX);
        if let std::collections::hash_map::Entry::Vacant(entry) = self.known.entry(word.reference) {
            entry.insert(next);
            self.words.push(word);
        }
    }

    /// For each block, the codewords that it is in.
    pub(crate) fn around(&self) -> Vec<Vec<u32>> {
        let mut around = vec![Vec::new(); self.blocks.len()];
        for (number, word) in (0..).zip(&self.words) {
            for &(_, block) in &word.missing {
                around
                    .get_mut(block as usize)
                    .into_iter()
                    .for_each(|words: &mut Vec<u32>| words.push(number));
            }
        }
        around
    }

    /// Peels: what single codewords give back, one after the other.
    pub(crate) fn peel(&self) -> Peeling {
        let around = self.around();
        let mut lacking: Vec<usize> = self.words.iter().map(|word| word.missing.len()).collect();
        let mut have = vec![false; self.blocks.len()];
        let mut steps: Vec<Step> = Vec::new();
        let mut ready: Vec<u32> =
            (0..).zip(&self.words).filter(|(_, w)| decodes(w, w.missing.len())).map(|(n, _)| n).collect();
        for round in 0.. {
            let mut order: Vec<_> =
                ready.drain(..).map(|word| (self.urgency(word, &around, &lacking), word)).collect();
            order.sort_unstable();
            let begin = steps.len();
            for ((margin, ..), word) in order {
                let Some(entry) = self.words.get(word as usize) else { continue };
                let targets = entry.missing.iter().map(|&(_, block)| block);
                let targets: Vec<u32> = targets
                    .filter(|&block| {
                        have.get_mut(block as usize).is_some_and(|have| !std::mem::replace(have, true))
                    })
                    .collect();
                if !targets.is_empty() {
                    steps.push(Step { word, round, margin, targets });
                }
            }
            // What was given back counts from the next round on.
            for &block in steps.iter().skip(begin).flat_map(|step| &step.targets) {
                for &word in around.get(block as usize).into_iter().flatten() {
                    let (Some(left), Some(entry)) =
                        (lacking.get_mut(word as usize), self.words.get(word as usize))
                    else {
                        continue;
                    };
                    let before = decodes(entry, *left);
                    *left -= 1;
                    if !before && decodes(entry, *left) {
                        ready.push(word);
                    }
                }
            }
            if ready.is_empty() {
                break;
            }
        }
        let stuck = (0..).zip(&have).filter(|(_, have)| !**have).map(|(number, _)| number).collect();
        Peeling { steps: self.prune(steps), stuck }
    }

    /// The smallest margin around a codeword's missing blocks; then blocks nobody points at, then young ones.
    fn urgency(
        &self,
        word: u32,
        around: &[Vec<u32>],
        lacking: &[usize],
    ) -> (i64, bool, std::cmp::Reverse<BlockId>) {
        let margin = |word: &u32| {
            let (entry, lacking) = (self.words.get(*word as usize)?, lacking.get(*word as usize)?);
            Some(margin(entry, *lacking))
        };
        let missing = self.words.get(word as usize).into_iter().flat_map(|word| &word.missing);
        let mut urgency = (i64::MAX, true, None);
        for &(_, block) in missing {
            let words = around.get(block as usize).into_iter().flatten();
            urgency.0 = words.filter_map(margin).min().unwrap_or(i64::MAX).min(urgency.0);
            if let Some(block) = self.get(block) {
                urgency.1 &= block.pointed;
                urgency.2 = urgency.2.max(Some(block.id));
            }
        }
        let youngest = urgency.2.unwrap_or(BlockId::new(types::DocumentId::from_bytes([0; 16]), 0, 0));
        (urgency.0, urgency.1, std::cmp::Reverse(youngest))
    }

    /// Leaves out what is neither wanted nor needed by a later step.
    fn prune(&self, mut steps: Vec<Step>) -> Vec<Step> {
        let mut needed: Vec<bool> = self.blocks.iter().map(|block| block.wanted).collect();
        for step in steps.iter_mut().rev() {
            step.targets.retain(|&block| needed.get(block as usize).copied().unwrap_or(false));
            let Some(word) = self.word(step.word) else { continue };
            if step.targets.is_empty() || decodes(word, word.missing.len()) {
                continue;
            }
            for &(_, block) in &word.missing {
                needed.get_mut(block as usize).into_iter().for_each(|needed| *needed = true);
            }
        }
        steps.retain(|step| !step.targets.is_empty());
        steps
    }
}

/// How many more losses a codeword with so many symbols missing survives; below 0 it does not decode.
pub(crate) fn margin(word: &WebWord, missing: usize) -> i64 {
    let signed = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
    signed(word.parameters.e()) - signed(missing)
}

fn decodes(word: &WebWord, missing: usize) -> bool {
    missing > 0 && margin(word, missing) >= 0
}

#[cfg(test)]
mod tests {
    use rand::{RngExt, SeedableRng, rngs::StdRng};
    use types::{DocumentId, DocumentRef, Partition};

    use super::*;

    fn reference(document: u64) -> CodewordRef {
        CodewordRef { document: DocumentRef { partition: Partition(0), sequence: document }, segment: 0 }
    }

    fn missing(document: u64, parity: u8) -> Missing {
        let mut id = [0; 16];
        id[8..].copy_from_slice(&document.to_be_bytes());
        Missing {
            block: BlockRef { codeword: reference(document), parity },
            id: BlockId::new(DocumentId::from_bytes(id), 0, parity),
            seen: Timestamp::from_millis(0),
            out_of_reach: false,
            wanted: true,
            pointed: true,
        }
    }

    /// A web of codewords of (1,2,3), given by their missing symbols (document, parity).
    fn web(words: &[&[(u64, u8)]]) -> Web {
        let mut web = Web::default();
        for (document, symbols) in (0..).zip(words) {
            let missing =
                (1..).zip(*symbols).map(|(at, &(owner, parity))| (at, web.block(missing(owner, parity))));
            let missing = missing.collect();
            web.add_word(WebWord {
                reference: reference(document),
                parameters: CodeParameters::new(1, 2, 3).unwrap(),
                class: LengthClass::MIN,
                anchors: 0,
                missing,
            });
        }
        web
    }

    fn order(web: &Web) -> Vec<(u32, u32, usize)> {
        web.peel().steps.iter().map(|step| (step.round, step.word, step.targets.len())).collect()
    }

    #[test]
    fn a_codeword_gives_back_all_it_lacks_at_once_and_the_most_endangered_comes_first() {
        let web = web(&[&[(0, 0)], &[(1, 0), (1, 1)], &[(2, 0)]]);
        assert_eq!(order(&web), [(0, 1, 2), (0, 2, 1), (0, 0, 1)], "margin, then the youngest");
    }

    #[test]
    fn what_one_gives_back_makes_the_next_decode() {
        let web = web(&[&[(0, 0), (0, 1), (0, 2)], &[(0, 0), (1, 0)], &[(0, 1), (2, 0), (2, 1)]]);
        assert_eq!(order(&web), [(0, 1, 2), (1, 0, 2), (2, 2, 2)]);
        assert_eq!(web.peel().stuck, [] as [u32; 0]);
    }

    #[test]
    fn what_is_stuck_is_named() {
        let web = web(&[&[(0, 0), (0, 1), (0, 2)], &[(0, 0), (0, 1), (0, 2)], &[(2, 0)]]);
        assert_eq!(order(&web), [(0, 2, 1)]);
        assert_eq!(web.peel().stuck, [0, 1, 2]);
    }

    #[test]
    fn what_nobody_wants_is_rebuilt_only_where_it_is_needed() {
        let words: [&[(u64, u8)]; 3] = [&[(0, 0), (0, 1), (0, 2)], &[(0, 0), (1, 0)], &[(2, 0)]];
        let mut web = web(&words);
        web.blocks.iter_mut().for_each(|block| block.wanted = block.block.parity == 2);
        assert_eq!(order(&web), [(0, 1, 1), (1, 0, 1)]);
    }

    #[test]
    fn peeling_recovers_what_a_slow_reference_does() {
        let mut rng = StdRng::seed_from_u64(3);
        for _ in 0..300 {
            let documents = rng.random_range(1..40_u64);
            let mut words: Vec<Vec<(u64, u8)>> = Vec::new();
            let gone: Vec<[bool; 3]> =
                (0..documents).map(|_| std::array::from_fn(|_| rng.random_bool(0.5))).collect();
            for document in 0..documents {
                let mut symbols: Vec<(u64, u8)> = (0..3).map(|parity| (document, parity)).collect();
                for _ in 0..2.min(document) {
                    symbols.push((rng.random_range(0..document), rng.random_range(0..3)));
                }
                symbols.sort_unstable();
                symbols.dedup();
                symbols.retain(|symbol| gone[usize::try_from(symbol.0).unwrap()][usize::from(symbol.1)]);
                words.push(symbols);
            }
            let web = web(&words.iter().map(Vec::as_slice).collect::<Vec<_>>());
            let mut left: Vec<Vec<(u64, u8)>> = words.clone();
            while let Some(decodes) = left.iter().position(|word| !word.is_empty() && word.len() <= 2) {
                let back = left[decodes].clone();
                for word in &mut left {
                    word.retain(|symbol| !back.contains(symbol));
                }
            }
            let mut expected: Vec<BlockRef> =
                left.iter().flatten().map(|&(document, parity)| missing(document, parity).block).collect();
            expected.sort_unstable();
            expected.dedup();
            let mut stuck: Vec<BlockRef> =
                web.peel().stuck.iter().map(|&n| web.get(n).unwrap().block).collect();
            stuck.sort_unstable();
            assert_eq!(stuck, expected);
        }
    }
}
