//! A repair from beginning to end: load, plan, do, and again until nothing more comes back.
//!
//! Nothing is kept of a run but what it did: everything that counts is in the records and in the damage ledger, block
//! by block, so a run that is killed is gone on with by the next one.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use futures_util::stream::{self, StreamExt};
use types::{BlockRef, CodewordRef, NodeIndex};

use super::decode::Wanted;
use super::diagnose::{Diagnosis, Need};
use super::joint::Outcomes;
use super::load::{Job, Short, diagnose_in};
use super::plan::{Step, Web};
use super::turns::Turns;
use super::write::Restored;
use super::{Failure, Method, PlanTotals, RepairOptions, RepairReport, Repaired};
use crate::Archive;
use crate::audit::control::Control;
use crate::audit::roster::Roster;
use crate::audit::scope::{Resolved, Scope};
use crate::audit::word::Word;
use crate::audit::{Event, Progress};
use crate::core::Core;
use crate::error::Error;
use crate::fetch::Located;

/// How often to plan again after damage came to light that the plan did not know of.
const PLANS_MAX: usize = 16;
/// How often to look whether others have finished with a part.
const WAIT: Duration = Duration::from_millis(100);

/// A repair under way.
pub(super) struct Run<'a> {
    pub(super) core: &'a Arc<Core>,
    pub(super) control: &'a Control,
    pub(super) progress: &'a dyn Progress,
    pub(super) roster: Roster,
    pub(super) joint_bytes_max: usize,
    turns: Turns,
    bytes_read: AtomicU64,
    bytes_written: AtomicU64,
    tally: Mutex<Tally>,
    chosen: Mutex<Chosen>,
}

#[derive(Default)]
struct Tally {
    blocks: BTreeMap<Method, u64>,
    copies: u64,
    bytes_restored: u64,
    by_others: u64,
    /// Blocks that are as they should be, by us or others.
    done: HashSet<BlockRef>,
    failures: BTreeMap<BlockRef, Failure>,
}

/// Where this run put, or is about to put, blocks that were missing.
type Chosen = HashMap<BlockRef, NodeIndex>;

/// A block that a codeword is to give back.
struct Target {
    /// Its position in the codeword that is decoded.
    position: usize,
    parity: u8,
    /// Its own codeword, unless that is the one that is decoded.
    word: Option<(Word, Vec<Option<metadata::Codeword>>)>,
    diagnosis: Diagnosis,
    method: Method,
}

impl Archive {
    /// Repairs what the damage ledger says is damaged: copies what has a copy left, and rebuilds the rest from the
    /// codewords that it is in, the most endangered first. See [`Archive::audit`] for how damage gets into the ledger.
    ///
    /// Any number of repairs may run at once, beside uploads. What cannot be repaired now or ever is in the report;
    /// an error is returned only where the metadata store does not answer.
    pub async fn repair(
        &self,
        scope: &Scope,
        options: &RepairOptions,
        progress: &dyn Progress,
    ) -> Result<RepairReport, Error> {
        let begin = Instant::now();
        let control = Control::start(&options.limits);
        let resolved = self.core.resolve(scope).await?;
        let run = Run {
            core: &self.core,
            control: &control,
            progress,
            roster: Roster::call(&self.core, options.standing).await?,
            joint_bytes_max: options.joint_bytes_max,
            turns: Turns::new(&self.core),
            bytes_read: AtomicU64::new(0),
            bytes_written: AtomicU64::new(0),
            tally: Mutex::default(),
            chosen: Mutex::default(),
        };
        let (job, outcomes) = run.plan_and_do(&resolved).await?;
        let lost = run.lost(&job, &outcomes).await?;
        let mut report = run.report();
        let later = job.web.blocks.iter().filter(|missing| missing.wanted);
        let later =
            later.filter(|missing| outcomes.get(&missing.block).is_none_or(|outcome| !outcome.for_good));
        let later = later.count();
        report.left = (later + job.short.len()) as u64;
        report.lost = lost;
        report.elapsed = begin.elapsed();
        Ok(report)
    }
}

impl Run<'_> {
    /// Plans and does what is planned until nothing more comes back; returns what is left, and what solving
    /// it jointly came to.
    async fn plan_and_do(&self, scope: &Resolved) -> Result<(Job, Outcomes), Error> {
        let mut outcomes = Outcomes::default();
        let mut before = None;
        for plan in 0.. {
            let job = self.core.job(&self.roster, scope).await?;
            let done = self.done();
            let over = plan == PLANS_MAX || before == Some(done) || self.control.stop().is_some();
            if over || job.is_empty() {
                return Ok((job, outcomes));
            }
            before = Some(done);
            if !job.stale.is_empty() {
                self.core.metadata.clear_damage(&job.stale).await?;
            }
            self.progress.event(&Event::Planned(&totals(&job)));
            self.peel(&job).await;
            self.copy(&job.short).await;
            outcomes = self.joint(&job).await?;
        }
        Ok((Job::default(), outcomes))
    }

    /// Does the steps of a plan, round by round.
    async fn peel(&self, job: &Job) {
        for steps in job.peeling.steps.chunk_by(|one, other| one.round == other.round) {
            let postponed = {
                let step = |number: usize| async move {
                    let step = steps.get(number)?;
                    if self.step(&job.web, step, false).await { None } else { Some(number) }
                };
                let steps =
                    stream::iter((0..steps.len()).map(step)).buffer_unordered(self.control.concurrency);
                steps.filter_map(async |postponed| postponed).collect::<Vec<usize>>().await
            };
            self.turns.release().await;
            for step in postponed.into_iter().filter_map(|number| steps.get(number)) {
                self.step(&job.web, step, true).await;
                self.turns.release().await;
            }
        }
    }

    /// Makes copies of what has a copy left.
    async fn copy(&self, short: &[Short]) {
        let postponed = {
            let copy = |number: usize| async move {
                let short = short.get(number)?;
                if self.copy_block(short, false).await { None } else { Some(number) }
            };
            let copies = stream::iter((0..short.len()).map(copy)).buffer_unordered(self.control.concurrency);
            copies.filter_map(async |postponed| postponed).collect::<Vec<usize>>().await
        };
        self.turns.release().await;
        for short in postponed.into_iter().filter_map(|number| short.get(number)) {
            self.copy_block(short, true).await;
            self.turns.release().await;
        }
    }

    pub(super) fn turns(&self) -> &Turns {
        &self.turns
    }

    /// Takes the turn for codewords; waits for it if it is to. `false` if others have it, or the run is to stop.
    pub(super) async fn turn(&self, codewords: &[CodewordRef], wait: bool) -> bool {
        loop {
            let mut all = true;
            for &codeword in codewords {
                all = all && self.control.stop().is_none() && self.turns.take(codeword).await;
            }
            if all || !wait || self.control.stop().is_some() {
                return all;
            }
            // Two that wait for each other with something in hand would wait for ever.
            self.turns.release().await;
            self.control.pause(WAIT).await;
        }
    }

    /// Does one step; returns `false` if others are at it.
    async fn step(&self, web: &Web, step: &Step, wait: bool) -> bool {
        let Some(word) = web.word(step.word) else { return true };
        // The codeword that is read, and those that get something back: their symbols must not be placed by two.
        let mut codewords = vec![word.reference];
        codewords.extend(step.targets.iter().filter_map(|&number| Some(web.get(number)?.block.codeword)));
        if !self.turn(&codewords, wait).await {
            return self.control.stop().is_some();
        }
        if let Err(reason) = self.rebuild(web, step).await {
            for missing in step.targets.iter().filter_map(|&number| web.get(number)) {
                self.failed(missing.block, missing.id, &reason);
            }
        }
        true
    }

    /// Decodes a codeword and restores what it gives back.
    async fn rebuild(&self, web: &Web, step: &Step) -> Result<(), String> {
        let text = |error: Error| error.to_string();
        let Some(entry) = web.word(step.word) else { return Ok(()) };
        let word = self.core.word(entry.reference).await.map_err(text)?;
        let pointed = self.core.pointed(&word).await.map_err(text)?;
        let targets = self.targets_of(web, step, &word).await.map_err(text)?;
        let Some(wanted) = wanted(&word, &targets).filter(|wanted| !wanted.is_empty()) else { return Ok(()) };
        let parameters = word.document.record.parameters;
        let memory = self.core.reserve_memory(parameters.k() + 2 * wanted.len(), word.record.class).await;
        let _memory = memory.map_err(text)?;
        self.control
            .spend(((parameters.k() - usize::from(entry.anchors)) * word.record.class.bytes()) as u64)
            .await;
        let done = |number: &u32| web.get(*number).is_some_and(|missing| self.is_done(missing.block));
        let without = entry.missing.iter().filter(|(_, number)| !done(number));
        let without: Vec<usize> = without.map(|(position, _)| usize::from(*position)).collect();
        let payloads = self.decode(&word, &pointed, &without, &wanted).await?;
        let restore = async |(target, payload): (&Target, bytes::Bytes)| {
            let (own, own_pointed) =
                target.word.as_ref().map_or((&word, &pointed), |(word, pointed)| (word, pointed));
            let restored = Restored {
                word: own,
                pointed: own_pointed,
                parity: target.parity,
                payload,
                method: target.method,
                diagnosis: &target.diagnosis,
                copies: target.diagnosis.lacking().max(1),
            };
            if let Err(reason) = self.restore(&restored).await {
                self.failed(own.block(target.parity), own.block_id(target.parity), &reason);
            }
        };
        futures_util::future::join_all(targets.iter().zip(payloads).map(restore)).await;
        Ok(())
    }

    /// Those blocks of a step that still need it, in the order of their positions.
    async fn targets_of(&self, web: &Web, step: &Step, word: &Word) -> Result<Vec<Target>, Error> {
        let Some(entry) = web.word(step.word) else { return Ok(Vec::new()) };
        let mut targets = Vec::new();
        for &(position, number) in &entry.missing {
            let Some(missing) = web.get(number).filter(|_| step.targets.contains(&number)) else { continue };
            let own = missing.block.codeword == word.reference();
            let other = if own {
                None
            } else {
                let other = self.core.word(missing.block.codeword).await?;
                let pointed = self.core.pointed(&other).await?;
                Some((other, pointed))
            };
            let record = &other.as_ref().map_or(word, |(other, _)| other).record;
            let Some(stored) = record.parities.get(usize::from(missing.block.parity)) else { continue };
            let entries = self.core.damage_of(missing.block).await?;
            let diagnosis = diagnose_in(self.core, &self.roster, &stored.nodes, &entries);
            // What no node that answers has is rebuilt although it may come back: others need it.
            if !matches!(diagnosis.need(), Need::Rebuild | Need::Wait) {
                self.by_others(missing.block);
                continue;
            }
            let method = if own && step.round == 0 { Method::Direct } else { Method::Recursive };
            let position = usize::from(position);
            targets.push(Target { position, parity: missing.block.parity, word: other, diagnosis, method });
        }
        Ok(targets)
    }

    async fn copy_block(&self, short: &Short, wait: bool) -> bool {
        if !self.turn(&[short.block.codeword], wait).await {
            return self.control.stop().is_some();
        }
        if let Err((id, reason)) = self.copy_of(short).await {
            self.failed(short.block, id, &reason);
        }
        true
    }

    async fn copy_of(&self, short: &Short) -> Result<(), (types::BlockId, String)> {
        let nobody = types::BlockId::new(types::DocumentId::from_bytes([0; 16]), 0, 0);
        let text = |error: Error| (nobody, error.to_string());
        let word = self.core.word(short.block.codeword).await.map_err(text)?;
        let parity = short.block.parity;
        let pointed = self.core.pointed(&word).await.map_err(text)?;
        let entries = self.core.damage_of(short.block).await.map_err(text)?;
        let Some(mut block) = Located::new(&word.codeword(), parity) else { return Ok(()) };
        let diagnosis = diagnose_in(self.core, &self.roster, &block.nodes, &entries);
        if diagnosis.need() != Need::Copies {
            self.by_others(short.block);
            return Ok(());
        }
        let memory = self.core.reserve_memory(3, word.record.class).await;
        let _memory = memory.map_err(text)?;
        self.control.spend(word.record.class.bytes() as u64).await;
        block.nodes.clone_from(&diagnosis.good);
        let with_id = |reason| (block.id, reason);
        let payload = self.read_verified(&block).await.map_err(with_id)?;
        let restored = Restored {
            word: &word,
            pointed: &pointed,
            parity,
            payload,
            method: Method::Replica,
            copies: diagnosis.lacking(),
            diagnosis: &diagnosis,
        };
        self.restore(&restored).await.map_err(with_id)
    }
}

/// What is to be computed for the targets.
fn wanted(word: &Word, targets: &[Target]) -> Option<Vec<Wanted>> {
    let wanted = |target: &Target| {
        let record = &target.word.as_ref().map_or(word, |(word, _)| word).record;
        let hash = record.parities.get(usize::from(target.parity))?.hash;
        Some(Wanted { position: target.position, hash })
    };
    targets.iter().map(wanted).collect()
}

/// What a plan comes to.
pub(super) fn totals(job: &Job) -> PlanTotals {
    let mut totals = PlanTotals::default();
    for step in &job.peeling.steps {
        let Some(word) = job.web.word(step.word) else { continue };
        let length = word.class.bytes() as u64;
        totals.bytes_read += (word.parameters.k() - usize::from(word.anchors)) as u64 * length;
        for missing in step.targets.iter().filter_map(|&number| job.web.get(number)) {
            *totals.by_method.entry(method(step, word.reference, missing.block)).or_default() += 1;
            totals.bytes_written += length;
        }
    }
    for short in &job.short {
        *totals.by_method.entry(Method::Replica).or_default() += 1;
        totals.bytes_read += short.class.bytes() as u64;
        totals.bytes_written += (short.lacking * short.class.bytes()) as u64;
    }
    let stuck = job.peeling.stuck.iter().filter_map(|&number| job.web.get(number));
    totals.unplanned = stuck.filter(|missing| missing.wanted).count() as u64;
    totals.blocks = totals.by_method.values().sum::<u64>() + totals.unplanned;
    totals
}

/// By which method a step gives a block back.
pub(super) fn method(step: &Step, word: CodewordRef, block: BlockRef) -> Method {
    if step.round == 0 && block.codeword == word { Method::Direct } else { Method::Recursive }
}

impl Run<'_> {
    fn tally(&self) -> MutexGuard<'_, Tally> {
        self.tally.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn chosen(&self) -> MutexGuard<'_, Chosen> {
        self.chosen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From now on a block counts as being on this node.
    pub(super) fn choose(&self, block: BlockRef, node: NodeIndex) {
        self.chosen().insert(block, node);
    }

    fn done(&self) -> usize {
        self.tally().done.len()
    }

    pub(super) fn is_done(&self, block: BlockRef) -> bool {
        self.tally().done.contains(&block)
    }

    pub(super) fn count_read(&self, bytes: usize) {
        self.bytes_read.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    pub(super) fn count_written(&self, bytes: usize) {
        self.bytes_written.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    /// Counts a block that others repaired.
    pub(super) fn by_others(&self, block: BlockRef) {
        let mut tally = self.tally();
        if tally.done.insert(block) {
            tally.by_others += 1;
        }
        tally.failures.remove(&block);
    }

    /// Counts a block that was repaired.
    pub(super) fn repaired(&self, repaired: &Repaired) {
        let mut tally = self.tally();
        tally.done.insert(repaired.block);
        tally.failures.remove(&repaired.block);
        *tally.blocks.entry(repaired.method).or_default() += 1;
        tally.copies += repaired.nodes.len() as u64;
        tally.bytes_restored += repaired.bytes;
        drop(tally);
        self.progress.event(&Event::Repaired(repaired));
    }

    /// Counts a block that was not. The run goes on.
    pub(super) fn failed(&self, block: BlockRef, id: types::BlockId, reason: &str) {
        let failure = Failure { id, block, message: reason.to_owned() };
        tracing::warn!(block = %id, reason, "block not repaired");
        self.progress.event(&Event::Failed(&failure));
        self.tally().failures.insert(block, failure);
    }

    fn report(&self) -> RepairReport {
        let mut tally = self.tally();
        RepairReport {
            blocks: std::mem::take(&mut tally.blocks),
            copies: tally.copies,
            bytes_restored: tally.bytes_restored,
            bytes_read: self.bytes_read.load(Ordering::Relaxed),
            bytes_written: self.bytes_written.load(Ordering::Relaxed),
            by_others: tally.by_others,
            failures: std::mem::take(&mut tally.failures).into_values().collect(),
            nodes: self.roster.standings(),
            stopped: self.control.stop(),
            ..RepairReport::default()
        }
    }
}
