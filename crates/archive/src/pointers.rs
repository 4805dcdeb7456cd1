//! Finding the pointers of a codeword in the making.

use std::collections::HashSet;

use bytes::Bytes;
use code::{Candidate, Choice, HeaderPointer, Occupancy, Place, Selector, Topology, select};
use metadata::{Codeword, Ordinal};
use rand::rngs::StdRng;
use types::{BlockRef, LengthClass, NodeIndex, Partition, Pointer};

use crate::core::Core;
use crate::error::Error;
use crate::fetch::Located;

/// How often more candidates are drawn before what there is must do.
const DRAWS_MAX: usize = 4;
/// Candidates drawn at first beyond the pointers wanted: some will be on the same node as others.
const SPARE_CANDIDATES: usize = 3;
/// How often pointers that could not be read are replaced by others before anchors are.
const READS_MAX: usize = 4;

/// The pointers of a codeword, in symbol order.
pub(crate) struct Pointers {
    pub(crate) records: Vec<Pointer>,
    pub(crate) headers: Vec<HeaderPointer>,
    pub(crate) blocks: Vec<Bytes>,
    /// The nodes that the pointers count on.
    pub(crate) nodes: Vec<NodeIndex>,
}

/// Codewords that may be pointed at.
#[derive(Default)]
struct Drawn {
    codewords: Vec<Codeword>,
    candidates: Vec<Candidate>,
}

impl Core {
    /// Selects and reads the `t` pointers of a codeword of `class`. Where the archive has too few blocks that can be
    /// read and are apart, anchors stand in.
    pub(crate) async fn select_pointers(&self, class: LengthClass) -> Result<Pointers, Error> {
        let mut rng = self.rng();
        let mut drawn = Drawn::default();
        let mut seen = HashSet::new();
        let mut chosen = Vec::new();
        for _ in 0..READS_MAX {
            let topology = self.nodes.topology(&[]);
            let choices = self.choose(class, &topology, &mut drawn, &mut seen, &mut rng).await?;
            let (read, failed) = self.read_choices(&drawn, choices).await;
            chosen = read;
            if failed.is_empty() {
                break;
            }
            drawn.drop_parities(&failed);
        }
        self.with_anchors(class, &drawn, chosen).await
    }

    /// Draws candidates until `t` can be chosen as they should be, or no more are to be had.
    async fn choose(
        &self,
        class: LengthClass,
        topology: &Topology,
        drawn: &mut Drawn,
        seen: &mut HashSet<Place>,
        rng: &mut StdRng,
    ) -> Result<Vec<Choice>, Error> {
        let symbols = self.settings.parameters.symbols();
        let t = self.pointers_apart(topology);
        let counts = self.metadata.class_counts(class).await?;
        let selector = Selector::new(self.settings.policy, self.settings.window);
        for draw in 0..DRAWS_MAX {
            let lacking =
                if draw == 0 { (t + SPARE_CANDIDATES).saturating_sub(drawn.candidates.len()) } else { t };
            let places = selector.draw(&counts, lacking, seen, rng);
            let exhausted = places.len() < lacking;
            self.look_up(class, &places, drawn).await?;
            let mut occupancy = Occupancy::new(topology, symbols.min(t + self.settings.parameters.p()));
            let choices = select::choose(&drawn.candidates, t, true, &mut occupancy, rng);
            if choices.len() == t {
                return Ok(choices);
            }
            if exhausted {
                break;
            }
        }
        Ok(select::choose(
            &drawn.candidates,
            t,
            false,
            &mut Occupancy::new(topology, symbols.min(t + self.settings.parameters.p())),
            rng,
        ))
    }

    /// How many pointers may be blocks. With as many nodes as a codeword has symbols, each symbol has a node of its own,
    /// whoever is away: two on one node would be lost together long after the others are back. Anchors need no node.
    fn pointers_apart(&self, topology: &Topology) -> usize {
        let (parameters, usable) = (self.settings.parameters, topology.usable().count());
        if self.nodes.len() < parameters.symbols() {
            return parameters.t();
        }
        parameters.t().min(usable.saturating_sub(parameters.p()))
    }

    async fn look_up(&self, class: LengthClass, places: &[Place], drawn: &mut Drawn) -> Result<(), Error> {
        if places.is_empty() {
            return Ok(());
        }
        let ordinal = |place: &Place| Ordinal {
            partition: Partition(u16::try_from(place.partition).unwrap_or(u16::MAX)),
            index: place.index,
        };
        let places: Vec<Ordinal> = places.iter().map(ordinal).collect();
        for codeword in self.metadata.codewords_at(class, &places).await?.into_iter().flatten() {
            let parities = codeword.segment.parities.iter().map(|parity| parity.nodes.clone());
            drawn
                .candidates
                .push(Candidate { codeword: codeword.reference, parities: (0..).zip(parities).collect() });
            drawn.codewords.push(codeword);
        }
        Ok(())
    }

    /// Reads the chosen blocks; returns those that were read and those that were not.
    async fn read_choices(&self, drawn: &Drawn, choices: Vec<Choice>) -> (Vec<(Choice, Bytes)>, Vec<Choice>) {
        let located = |choice: &Choice| {
            let codeword = drawn.codewords.get(choice.candidate)?;
            Some((*choice, Located::new(codeword, choice.parity)?))
        };
        let (choices, blocks): (Vec<Choice>, Vec<Located>) = choices.iter().filter_map(located).unzip();
        let mut good = Vec::with_capacity(choices.len());
        let mut failed = Vec::new();
        for (choice, block) in choices.into_iter().zip(self.fetch_verified(&blocks).await) {
            match block {
                Ok(block) => good.push((choice, block)),
                Err(_) => failed.push(choice),
            }
        }
        (good, failed)
    }

    async fn with_anchors(
        &self,
        class: LengthClass,
        drawn: &Drawn,
        chosen: Vec<(Choice, Bytes)>,
    ) -> Result<Pointers, Error> {
        let t = self.settings.parameters.t();
        let mut pointers = Pointers {
            records: Vec::with_capacity(t),
            headers: Vec::with_capacity(t),
            blocks: Vec::with_capacity(t),
            nodes: Vec::with_capacity(t),
        };
        for (choice, block) in chosen {
            let Some(codeword) = drawn.codewords.get(choice.candidate) else { continue };
            pointers
                .records
                .push(Pointer::Block(BlockRef { codeword: codeword.reference, parity: choice.parity }));
            pointers.headers.push(HeaderPointer::Block(codeword.block_id(choice.parity)));
            pointers.blocks.push(block);
            pointers.nodes.push(choice.node);
        }
        for index in pointers.records.len()..t {
            // t is at most 254, since s and p are at least 1.
            let index = u8::try_from(index).unwrap_or(u8::MAX);
            pointers.records.push(Pointer::Anchor(index));
            pointers.headers.push(HeaderPointer::Anchor(index));
            pointers.blocks.push(self.anchor(class, index).await?);
        }
        Ok(pointers)
    }
}

impl Drawn {
    /// Forgets parities that could not be read.
    fn drop_parities(&mut self, failed: &[Choice]) {
        for choice in failed {
            if let Some(candidate) = self.candidates.get_mut(choice.candidate) {
                candidate.parities.retain(|(parity, _)| *parity != choice.parity);
            }
        }
    }
}
