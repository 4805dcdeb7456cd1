//! Archives as webs of codewords, and attackers that erase blocks until peeling cannot recover a target. For tests
//! and benchmarks of whatever repairs (feature `testing`).
//!
//! The attacks are those of Mercier, Augier and Lenzen, "STEP-archival: storage integrity and anti-tampering using
//! data entanglement" (2015), as greedy rules. Erasing a document's parities touches the codewords that point at
//! them; each touched codeword from which peeling could go on must lose more; what it loses touches others.

#![allow(clippy::indexing_slicing, reason = "numbers of documents and blocks of one web")]

use std::cmp::Reverse;
use std::collections::HashSet;

use rand::{RngExt, SeedableRng, rngs::StdRng};
use types::CodeParameters;

use crate::select::{Policy, Selector};

/// Which block an attacker erases next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Attack {
    /// The one whose earliest newly touched document is latest.
    Leaping,
    /// The one with the fewest newly touched documents.
    Minimum,
    /// The one whose newly touched documents stay closest to the target in time.
    Creeping,
}

impl Attack {
    /// Every rule.
    pub const ALL: [Self; 3] = [Self::Leaping, Self::Minimum, Self::Creeping];
}

/// What an attacker erases of a touched codeword from which peeling could go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Reach {
    /// Its parities: the attack goes forward in time only.
    Parities,
    /// Its pointers too.
    Symbols,
}

/// An archive of documents of one codeword each. Parity `j` of document `i` is block `i * p + j`.
#[derive(Debug, Clone)]
pub struct Web {
    parameters: CodeParameters,
    /// For each document the `t + p` symbols of its codeword; `None` is an anchor.
    symbols: Vec<Vec<Option<usize>>>,
    /// For each block the documents whose codewords it is in.
    around: Vec<Vec<usize>>,
}

impl Web {
    /// Adds `documents` documents one after the other, with pointers drawn by `policy`, all from this seed.
    #[must_use]
    pub fn entangle(documents: usize, parameters: CodeParameters, policy: Policy, seed: u64) -> Self {
        let (t, p) = (parameters.t(), parameters.p());
        let mut rng = StdRng::seed_from_u64(seed);
        let selector = Selector::new(policy, 1000);
        let mut web = Self { parameters, symbols: Vec::new(), around: vec![Vec::new(); documents * p] };
        for document in 0..documents {
            let places = selector.draw(&[document as u64], t, &mut HashSet::new(), &mut rng);
            let block = |index: u64, parity: usize| usize::try_from(index).ok().map(|i| i * p + parity);
            let mut symbols: Vec<Option<usize>> =
                places.iter().map(|place| block(place.index, rng.random_range(0..p))).collect();
            symbols.resize(t, None);
            symbols.extend((0..p).map(|parity| Some(document * p + parity)));
            symbols.iter().flatten().for_each(|&block| web.around[block].push(document));
            web.symbols.push(symbols);
        }
        web
    }

    /// An archive that is there already: for each document its `t + p` symbols, `None` for an anchor. Parity `j` of
    /// document `i` is block `i * p + j`; symbols that name no such block are taken for anchors.
    #[must_use]
    pub fn of(parameters: CodeParameters, documents: Vec<Vec<Option<usize>>>) -> Self {
        let mut around = vec![Vec::new(); documents.len() * parameters.p()];
        for (document, symbols) in documents.iter().enumerate() {
            for &block in symbols.iter().flatten() {
                if let Some(around) = around.get_mut(block) {
                    around.push(document);
                }
            }
        }
        Self { parameters, symbols: documents, around }
    }

    /// The parameters of every codeword.
    #[must_use]
    pub fn parameters(&self) -> CodeParameters {
        self.parameters
    }

    /// How many blocks there are.
    #[must_use]
    pub fn blocks(&self) -> usize {
        self.around.len()
    }

    /// For each document the `t + p` symbols of its codeword; `None` is an anchor.
    #[must_use]
    pub fn documents(&self) -> &[Vec<Option<usize>>] {
        &self.symbols
    }

    fn missing(&self, document: usize, erased: &[bool]) -> usize {
        self.symbols[document].iter().flatten().filter(|&&block| erased[block]).count()
    }

    /// Takes out of `erased` what peeling recovers.
    pub fn peel(&self, erased: &mut [bool]) {
        let e = self.parameters.e();
        let mut missing: Vec<usize> = (0..self.symbols.len()).map(|d| self.missing(d, erased)).collect();
        let mut queue: Vec<usize> = (0..self.symbols.len()).filter(|&d| missing[d] <= e).collect();
        while let Some(document) = queue.pop() {
            for &block in self.symbols[document].iter().flatten() {
                if std::mem::replace(&mut erased[block], false) {
                    for &other in &self.around[block] {
                        missing[other] -= 1;
                        if missing[other] <= e {
                            queue.push(other);
                        }
                    }
                }
            }
        }
    }

    /// Whether a document's codeword has few enough symbols erased to be decoded.
    #[must_use]
    pub fn decodes(&self, document: usize, erased: &[bool]) -> bool {
        self.missing(document, erased) <= self.parameters.e()
    }

    /// Erases blocks, all parities of `target` first, until peeling does not make it decode; which ones are erased.
    #[must_use]
    pub fn attack(&self, target: usize, attack: Attack, reach: Reach) -> Vec<bool> {
        let p = self.parameters.p();
        let mut erased = vec![false; self.blocks()];
        erased[target * p..][..p].fill(true);
        loop {
            let mut left = erased.clone();
            self.peel(&mut left);
            if !self.decodes(target, &left) {
                return erased;
            }
            match self.next(target, attack, reach, &erased) {
                Some(block) => erased[block] = true,
                None => return erased,
            }
        }
    }

    /// The best block to erase of the codewords that are touched but still decode.
    fn next(&self, target: usize, attack: Attack, reach: Reach, erased: &[bool]) -> Option<usize> {
        let missing: Vec<usize> = (0..self.symbols.len()).map(|d| self.missing(d, erased)).collect();
        let weak = (0..missing.len()).filter(|&d| missing[d] > 0 && missing[d] <= self.parameters.e());
        let first = match reach {
            Reach::Parities => self.parameters.t(),
            Reach::Symbols => 0,
        };
        let candidates = weak.flat_map(|d| self.symbols[d][first..].iter().flatten().copied());
        candidates.filter(|&block| !erased[block]).max_by_key(|&block| {
            let newly = self.around[block].iter().copied().filter(|&document| missing[document] == 0);
            let newly: Vec<usize> = newly.collect();
            let rank = match attack {
                Attack::Leaping => newly.iter().copied().min().unwrap_or(usize::MAX),
                Attack::Minimum => usize::MAX - newly.len(),
                Attack::Creeping => usize::MAX - newly.iter().map(|d| d.abs_diff(target)).max().unwrap_or(0),
            };
            (rank, Reverse(block))
        })
    }
}
