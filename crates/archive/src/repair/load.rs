//! From the damage ledger to a plan: which blocks have no copy left, and the codewords around them.
//!
//! What is kept is a few hundred bytes for each missing block. Codewords other than a missing block's own are looked
//! up only where its own does not give it back.

use futures_util::stream::{self, StreamExt};
use metadata::{Codeword, Damage};
use types::{BlockRef, CodewordRef, LengthClass, NodeIndex, Pointer, Timestamp};

use super::diagnose::{Diagnosis, Need, diagnose};
use super::plan::{Missing, Peeling, Web, WebWord, margin};
use crate::audit::Standing;
use crate::audit::roster::Roster;
use crate::audit::scope::Resolved;
use crate::audit::word::Word;
use crate::core::Core;
use crate::error::Error;

/// Entries of the ledger read at a time.
const PAGE: usize = 512;
/// Look-ups at a time.
const LOOK_UPS: usize = 16;
/// Codewords around a block read at a time.
const AROUND: usize = 256;

/// A block of which there is a copy, and should be more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Short {
    /// How many copies are left: few come first.
    pub(crate) left: usize,
    pub(crate) block: BlockRef,
    /// How many are to be made.
    pub(crate) lacking: usize,
    pub(crate) class: LengthClass,
}

/// What there is to repair.
#[derive(Debug, Default)]
pub(crate) struct Job {
    pub(crate) web: Web,
    pub(crate) peeling: Peeling,
    pub(crate) short: Vec<Short>,
    /// Entries of the ledger that no longer say anything.
    pub(crate) stale: Vec<Damage>,
}

impl Job {
    /// Whether there is nothing to be done.
    pub(crate) fn is_empty(&self) -> bool {
        let wanted = self.web.blocks.iter().any(|missing| missing.wanted);
        !wanted && self.short.is_empty() && self.stale.is_empty()
    }
}

struct Loader<'a> {
    core: &'a Core,
    roster: &'a Roster,
    scope: &'a Resolved,
    /// Whether some nodes do not answer, so that blocks may be out of reach that no entry tells of.
    silence: bool,
    job: Job,
    /// How many missing blocks' own codewords, and which blocks' surroundings, were looked up.
    own: usize,
    surrounded: Vec<bool>,
}

impl Core {
    /// Finds out what there is to repair, and how.
    pub(crate) async fn job(&self, roster: &Roster, scope: &Resolved) -> Result<Job, Error> {
        let silence = roster.standings().iter().any(|node| matches!(node.standing, Standing::Unknown(_)));
        let job = Job::default();
        let mut loader = Loader { core: self, roster, scope, silence, job, own: 0, surrounded: Vec::new() };
        loader.read_ledger().await?;
        loop {
            loader.load_own().await?;
            loader.job.peeling = loader.job.web.peel();
            if !loader.load_around().await? {
                break;
            }
        }
        if loader.note_pointed().await? {
            loader.job.peeling = loader.job.web.peel();
        }
        loader.job.short.sort_unstable();
        Ok(loader.job)
    }

    /// The entries of the ledger for one block.
    pub(crate) async fn damage_of(&self, block: BlockRef) -> Result<Vec<Damage>, Error> {
        let mut entries = Vec::new();
        let mut after = before(block);
        loop {
            let page = self.metadata.damage(after.as_ref(), LOOK_UPS).await?;
            let more = page.len() == LOOK_UPS && page.iter().all(|entry| entry.block <= block);
            after = page.last().cloned();
            entries.extend(page.into_iter().filter(|entry| entry.block == block));
            if !more {
                return Ok(entries);
            }
        }
    }
}

/// An entry that stands before all those of a block, and after all those of the block before it. `None` is the
/// beginning.
fn before(block: BlockRef) -> Option<Damage> {
    let mut previous = block;
    let CodewordRef { document, segment } = &mut previous.codeword;
    if let Some(parity) = previous.parity.checked_sub(1) {
        previous.parity = parity;
    } else if let Some(before) = segment.checked_sub(1) {
        (*segment, previous.parity) = (before, u8::MAX);
    } else if let Some(before) = document.sequence.checked_sub(1) {
        (document.sequence, *segment, previous.parity) = (before, u32::MAX, u8::MAX);
    } else {
        document.partition.0 = document.partition.0.checked_sub(1)?;
        // Stores that keep sequences as signed numbers know none that is larger.
        (document.sequence, *segment, previous.parity) = (i64::MAX.unsigned_abs(), u32::MAX, u8::MAX);
    }
    let nobody = types::DocumentId::from_bytes([0; 16]);
    Some(Damage {
        block: previous,
        id: types::BlockId::new(nobody, 0, 0),
        node: Some(NodeIndex(u16::MAX)),
        kind: metadata::DamageKind::TooFewCopies,
        seen: Timestamp::from_millis(0),
    })
}

/// The diagnosis of a parity from its record.
pub(crate) fn diagnose_in(
    core: &Core,
    roster: &Roster,
    nodes: &[NodeIndex],
    entries: &[Damage],
) -> Diagnosis {
    diagnose(nodes, entries, |node| roster.standing(node), core.settings.replication_factor)
}

impl Loader<'_> {
    async fn read_ledger(&mut self) -> Result<(), Error> {
        let mut after: Option<Damage> = None;
        let mut pending: Vec<Damage> = Vec::new();
        loop {
            let page = self.core.metadata.damage(after.as_ref(), PAGE).await?;
            let ended = page.len() < PAGE;
            after = page.last().cloned().or(after);
            pending.extend(page);
            // The last block's entries may go on in the next page.
            let whole = match pending.last() {
                Some(last) if !ended => pending.partition_point(|entry| entry.block < last.block),
                Some(_) | None => pending.len(),
            };
            let rest = pending.split_off(whole);
            self.sort(&pending).await?;
            pending = rest;
            if ended {
                return Ok(());
            }
        }
    }

    /// Sorts damaged blocks by what they need.
    async fn sort(&mut self, entries: &[Damage]) -> Result<(), Error> {
        let mut references: Vec<CodewordRef> = entries.iter().map(|entry| entry.block.codeword).collect();
        references.dedup();
        let words = self.core.metadata.codewords(&references).await?;
        let mut words = words.into_iter().flatten().peekable();
        for entries in entries.chunk_by(|one, other| one.block == other.block) {
            let Some(first) = entries.first() else { continue };
            while words.next_if(|word| word.reference < first.block.codeword).is_some() {}
            let Some(word) = words.peek().filter(|word| word.reference == first.block.codeword) else {
                continue;
            };
            let Some(stored) = word.segment.parities.get(usize::from(first.block.parity)) else { continue };
            let diagnosis = diagnose_in(self.core, self.roster, &stored.nodes, entries);
            let wanted = self.scope.contains(&first.block);
            let missing = |out_of_reach| Missing {
                block: first.block,
                id: first.id,
                seen: first.seen,
                out_of_reach,
                wanted: wanted && !out_of_reach,
                pointed: true,
            };
            match diagnosis.need() {
                Need::Rebuild => _ = self.job.web.block(missing(false)),
                Need::Wait => _ = self.job.web.block(missing(true)),
                Need::Copies if wanted => self.job.short.push(Short {
                    left: diagnosis.good.len(),
                    block: first.block,
                    lacking: diagnosis.lacking(),
                    class: word.segment.class,
                }),
                Need::Copies | Need::None => {}
            }
            self.job.stale.extend(diagnosis.stale);
        }
        Ok(())
    }

    /// Looks up the codewords of missing blocks where that was not done yet.
    async fn load_own(&mut self) -> Result<(), Error> {
        while self.own < self.job.web.blocks.len() {
            let blocks = self.job.web.blocks.get(self.own..).unwrap_or_default();
            let mut references: Vec<CodewordRef> = blocks.iter().map(|block| block.block.codeword).collect();
            self.own = self.job.web.blocks.len();
            references.sort_unstable();
            references.dedup();
            self.load_words(references).await?;
        }
        Ok(())
    }

    /// Looks up the codewords that point at blocks which their own do not give back; returns whether there were any
    /// to look up.
    async fn load_around(&mut self) -> Result<bool, Error> {
        self.surrounded.resize(self.job.web.blocks.len(), false);
        let mut stuck = Vec::new();
        for &number in &self.job.peeling.stuck {
            let surrounded = self.surrounded.get_mut(number as usize);
            if surrounded.is_some_and(|surrounded| !std::mem::replace(surrounded, true)) {
                stuck.extend(self.job.web.get(number).map(|missing| missing.block));
            }
        }
        if stuck.is_empty() {
            return Ok(false);
        }
        let core = self.core;
        let around = |block: BlockRef| async move { core.all_pointing_at(block).await };
        let mut around = stream::iter(stuck.into_iter().map(around)).buffer_unordered(LOOK_UPS);
        let mut references = Vec::new();
        while let Some(pointing) = around.next().await {
            references.extend(pointing?);
        }
        drop(around);
        references.sort_unstable();
        references.dedup();
        self.load_words(references).await?;
        Ok(true)
    }

    async fn load_words(&mut self, mut references: Vec<CodewordRef>) -> Result<(), Error> {
        references.retain(|reference| !self.job.web.has_word(reference));
        let (core, silence) = (self.core, self.silence);
        let load = |reference: CodewordRef| async move {
            let word = core.word(reference).await?;
            let pointed = if silence { core.pointed(&word).await? } else { Vec::new() };
            Ok::<_, Error>((word, pointed))
        };
        let mut words = stream::iter(references.into_iter().map(load)).buffered(LOOK_UPS);
        while let Some(loaded) = words.next().await {
            match loaded {
                Ok((word, pointed)) => self.add(&word, &pointed),
                // A record that cannot be read is one codeword less, not the end of the repair.
                Err(error) if error.kind() == types::ErrorKind::Corrupt => {
                    tracing::error!(%error, "a codeword's record cannot be read");
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Adds a codeword, and those of its symbols that are out of reach although no entry of the ledger says so.
    fn add(&mut self, word: &Word, pointed: &[Option<Codeword>]) {
        let s = word.document.record.parameters.s();
        let mut missing = Vec::new();
        let mut targets = pointed.iter();
        let mut anchors = 0;
        for (index, pointer) in word.record.pointers.iter().enumerate() {
            let Pointer::Block(block) = *pointer else {
                anchors += 1;
                continue;
            };
            let target = targets.next().and_then(Option::as_ref);
            let nodes = target.and_then(|target| target.segment.parities.get(usize::from(block.parity)));
            let id = target.map(|target| target.block_id(block.parity));
            let number = self.missing(block, id.zip(nodes.map(|parity| parity.nodes.as_slice())));
            missing.extend(position(s + index).zip(number));
        }
        for (parity, stored) in (0..=u8::MAX).zip(&word.record.parities) {
            let at = s + word.record.pointers.len() + usize::from(parity);
            let number = self.missing(word.block(parity), Some((word.block_id(parity), &stored.nodes)));
            missing.extend(position(at).zip(number));
        }
        self.job.web.add_word(WebWord {
            reference: word.reference(),
            parameters: word.document.record.parameters,
            class: word.record.class,
            anchors,
            missing,
        });
    }

    /// The number of a block that is missing: by the ledger, or because none of its nodes answers.
    fn missing(&mut self, block: BlockRef, located: Option<(types::BlockId, &[NodeIndex])>) -> Option<u32> {
        if let Some(number) = self.job.web.number(&block) {
            return Some(number);
        }
        let (id, nodes) = located?;
        if nodes.iter().any(|&node| self.roster.answers(node)) {
            return None;
        }
        let out_of_reach = !nodes.iter().all(|&node| self.roster.is_lost(node));
        let wanted = !out_of_reach && self.scope.contains(&block);
        let seen = self.core.clock.now();
        Some(self.job.web.block(Missing { block, id, seen, out_of_reach, wanted, pointed: true }))
    }

    /// Looks which blocks of the most endangered codewords nobody points at: these come first among equals. Returns
    /// whether there are any.
    async fn note_pointed(&mut self) -> Result<bool, Error> {
        let endangered = self.job.web.words.iter().filter(|word| margin(word, word.missing.len()) <= 0);
        let mut numbers: Vec<u32> =
            endangered.flat_map(|word| word.missing.iter().map(|(_, number)| *number)).collect();
        numbers.sort_unstable();
        numbers.dedup();
        let core = self.core;
        let asked = numbers.into_iter().filter_map(|number| Some((number, self.job.web.get(number)?.block)));
        let asked: Vec<(u32, BlockRef)> = asked.collect();
        let ask = |(number, block): (u32, BlockRef)| async move {
            (number, core.metadata.pointing_at(block, None, 1).await)
        };
        let mut answers = stream::iter(asked.into_iter().map(ask)).buffer_unordered(LOOK_UPS);
        let mut lonely = Vec::new();
        while let Some((number, pointing)) = answers.next().await {
            if pointing?.is_empty() {
                lonely.push(number);
            }
        }
        drop(answers);
        for &number in &lonely {
            if let Some(block) = self.job.web.blocks.get_mut(number as usize) {
                block.pointed = false;
            }
        }
        Ok(!lonely.is_empty())
    }
}

fn position(position: usize) -> Option<u8> {
    // A codeword has at most 256 positions.
    u8::try_from(position).ok()
}

impl Core {
    /// All codewords that point at a block.
    pub(crate) async fn all_pointing_at(&self, block: BlockRef) -> Result<Vec<CodewordRef>, Error> {
        let mut all: Vec<CodewordRef> = Vec::new();
        loop {
            let page = self.metadata.pointing_at(block, all.last().copied(), AROUND).await?;
            let ended = page.len() < AROUND;
            all.extend(page);
            if ended {
                return Ok(all);
            }
        }
    }
}
