//! What peeling leaves: all equations around it together.
//!
//! Working memory is bounded: blocks are combined in tiles, and only so many results are held at once; where there are
//! more, known blocks are read again.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use bytes::Bytes;
use code::CodeError;
use code::header::{self, HEADER_BYTES_MAX};
use code::joint::{Blocks, Fate, Problem, ProblemError, Symbol};
use futures_util::stream::{self, StreamExt};
use metadata::DamageKind;
use types::{BlockRef, ErrorKind, Hash, LengthClass, NodeIndex, Pointer};

use super::Method;
use super::diagnose::Need;
use super::load::{Job, diagnose_in};
use super::run::Run;
use super::write::Restored;
use crate::audit::roster::Roster;
use crate::core::Core;
use crate::error::Error;
use crate::fetch::Located;

/// Look-ups at a time.
const LOOK_UPS: usize = 16;

/// What solving jointly came to, for each block that peeling left.
pub(super) type Outcomes = BTreeMap<BlockRef, Outcome>;

/// What solving jointly came to for one block.
#[derive(Debug, Clone)]
pub(super) struct Outcome {
    /// How it would be recovered.
    pub(super) method: Option<Method>,
    /// Whether nothing brings it back.
    pub(super) for_good: bool,
    /// In words.
    pub(super) note: String,
}

/// Blocks that hang together, and the codewords that they are in; numbers of the web.
#[derive(Debug, Default)]
pub(super) struct Component {
    blocks: Vec<u32>,
    words: Vec<u32>,
}

/// A known block that equations refer to.
#[derive(Debug, Clone)]
enum Known {
    Anchor(LengthClass, u8),
    Stored(Located),
}

/// A component as a system of equations.
struct System {
    problem: Problem,
    known: Vec<Known>,
    fates: Vec<Fate>,
    /// The sizes of what is not determined.
    undetermined: Vec<usize>,
}

/// The components of what is not done and hangs together with something that is wanted and stuck.
pub(super) fn components(job: &Job, done: impl Fn(BlockRef) -> bool) -> Vec<Component> {
    let unknown: Vec<bool> = job.web.blocks.iter().map(|missing| !done(missing.block)).collect();
    let is_unknown = |number: u32| unknown.get(number as usize).copied().unwrap_or(false);
    let around = job.web.around();
    let (mut seen, mut seen_words) = (vec![false; unknown.len()], vec![false; job.web.words.len()]);
    let mut components = Vec::new();
    for &start in &job.peeling.stuck {
        let wanted = job.web.get(start).is_some_and(|missing| missing.wanted);
        if !wanted || !is_unknown(start) || seen.get(start as usize).copied().unwrap_or(true) {
            continue;
        }
        let mut component = Component::default();
        let mut queue = vec![start];
        while let Some(block) = queue.pop() {
            if seen.get_mut(block as usize).is_none_or(|seen| std::mem::replace(seen, true)) {
                continue;
            }
            component.blocks.push(block);
            for &word in around.get(block as usize).into_iter().flatten() {
                if seen_words.get_mut(word as usize).is_none_or(|seen| std::mem::replace(seen, true)) {
                    continue;
                }
                component.words.push(word);
                let missing = job.web.word(word).into_iter().flat_map(|word| &word.missing);
                queue.extend(missing.map(|(_, number)| *number).filter(|&number| is_unknown(number)));
            }
        }
        components.push(component);
    }
    components.sort_by_key(|component| component.blocks.len());
    components
}

impl Core {
    /// What solving jointly would come to.
    pub(super) async fn plan_joint(&self, job: &Job) -> Result<Outcomes, Error> {
        let planned: std::collections::HashSet<BlockRef> = job
            .peeling
            .steps
            .iter()
            .flat_map(|step| &step.targets)
            .filter_map(|&number| Some(job.web.get(number)?.block))
            .collect();
        let mut outcomes = Outcomes::new();
        for component in components(job, |block| planned.contains(&block)) {
            let system = self.system(job, &component, false).await?;
            outcomes.extend(self.outcomes(job, &component, &system).await?);
        }
        Ok(outcomes)
    }

    /// What becomes of a component's blocks.
    async fn outcomes(&self, job: &Job, component: &Component, system: &System) -> Result<Outcomes, Error> {
        let numbers = component.blocks.iter().zip(&system.fates);
        let reachable = |number: &u32| job.web.get(*number).is_some_and(|missing| !missing.out_of_reach);
        let undetermined = system.fates.iter().any(|fate| matches!(fate, Fate::Undetermined { .. }));
        // If those that do not answer came back: would that help?
        let hopeful = if undetermined && !component.blocks.iter().all(reachable) {
            Some(self.system(job, component, true).await?)
        } else {
            None
        };
        let mut outcomes = Outcomes::new();
        for (at, (&number, fate)) in numbers.enumerate() {
            let Some(missing) = job.web.get(number) else { continue };
            let hope = hopeful.as_ref().and_then(|system| system.fates.get(at));
            let outcome = match fate {
                Fate::Peeled => Outcome::found(Method::Recursive),
                Fate::Joint => Outcome::found(Method::Joint),
                Fate::Undetermined { component } => {
                    let size = system.undetermined.get(*component as usize).copied().unwrap_or(0);
                    let note = format!("undetermined component of {size} blocks");
                    let for_good = hope.is_none_or(|fate| matches!(fate, Fate::Undetermined { .. }));
                    Outcome { method: None, for_good, note }
                }
            };
            outcomes.insert(missing.block, outcome);
        }
        Ok(outcomes)
    }

    /// Sets up and solves a component's equations; `hope` takes what is out of reach for known.
    async fn system(&self, job: &Job, component: &Component, hope: bool) -> Result<System, Error> {
        let unknowns: HashMap<u32, u32> = component.blocks.iter().copied().zip(0..).collect();
        let mut problem = Problem::new(u32::try_from(component.blocks.len()).unwrap_or(u32::MAX));
        let (mut known, mut handles) = (Vec::new(), HashMap::new());
        let references: Vec<_> =
            component.words.iter().filter_map(|&word| Some(job.web.word(word)?.reference)).collect();
        let load = |reference| async move {
            let word = self.word(reference).await?;
            let pointed = self.pointed(&word).await?;
            Ok::<_, Error>((word, pointed))
        };
        let mut words = stream::iter(references.into_iter().map(load)).buffered(LOOK_UPS);
        while let Some(loaded) = words.next().await {
            let (word, pointed) = loaded?;
            let mut targets = pointed.iter();
            let mut symbols = Vec::with_capacity(word.document.record.parameters.symbols());
            let own = word.codeword();
            let mut symbol = |block: Option<BlockRef>, source: Option<Known>| {
                let number = block.and_then(|block| job.web.number(&block));
                let unknown = number.and_then(|number| unknowns.get(&number));
                let out_of_reach =
                    number.and_then(|number| job.web.get(number)).is_some_and(|missing| missing.out_of_reach);
                if let Some(&unknown) = unknown.filter(|_| !(hope && out_of_reach)) {
                    return Some(Symbol::Unknown(unknown));
                }
                let next = u32::try_from(known.len()).ok()?;
                let Some(block) = block else {
                    known.push(source?);
                    return Some(Symbol::Known(next));
                };
                let handle = *handles.entry(block).or_insert(next);
                if handle == next {
                    known.push(source?);
                }
                Some(Symbol::Known(handle))
            };
            for pointer in &word.record.pointers {
                symbols.push(match *pointer {
                    Pointer::Anchor(index) => symbol(None, Some(Known::Anchor(word.record.class, index))),
                    Pointer::Block(block) => {
                        let target = targets.next().and_then(Option::as_ref);
                        let located = target.and_then(|target| Located::new(target, block.parity));
                        symbol(Some(block), located.map(Known::Stored))
                    }
                });
            }
            for parity in (0..=u8::MAX).take(word.record.parities.len()) {
                symbols.push(symbol(Some(word.block(parity)), Located::new(&own, parity).map(Known::Stored)));
            }
            // A codeword whose pointers are not recorded says nothing.
            if let Some(symbols) = symbols.into_iter().collect::<Option<Vec<_>>>() {
                problem
                    .codeword(word.document.record.parameters, &symbols)
                    .map_err(|error| internal(&error))?;
            }
        }
        drop(words);
        let solve = move || {
            let plan = problem.plan();
            (problem, plan)
        };
        let solved = tokio::task::spawn_blocking(solve).await;
        let (problem, plan) = solved.map_err(|error| Error::Internal(error.to_string()))?;
        let plan = plan.map_err(|error| internal(&error))?;
        let (fates, undetermined) = (plan.fates().to_vec(), plan.undetermined().to_vec());
        Ok(System { problem, known, fates, undetermined })
    }
}

fn internal(error: &ProblemError) -> Error {
    Error::Internal(error.to_string())
}

impl Outcome {
    fn found(method: Method) -> Self {
        Self { method: Some(method), for_good: false, note: "determined, but not recovered".to_owned() }
    }
}

impl Run<'_> {
    /// Recovers what the equations around what peeling left determine.
    pub(super) async fn joint(&self, job: &Job) -> Result<Outcomes, Error> {
        let mut outcomes = Outcomes::new();
        for component in components(job, |block| self.is_done(block)) {
            if self.control.stop().is_some() {
                break;
            }
            let system = self.core.system(job, &component, false).await?;
            let found = self.core.outcomes(job, &component, &system).await?;
            let wanted = |(at, number): (u32, &u32)| {
                let missing = job.web.get(*number).filter(|missing| missing.wanted)?;
                found.get(&missing.block)?.method.map(|method| (at, missing.block, method))
            };
            let wanted: Vec<(u32, BlockRef, Method)> =
                (0..).zip(&component.blocks).filter_map(wanted).collect();
            outcomes.extend(found);
            if let Some(word) = component.words.first().and_then(|&word| job.web.word(word))
                && !wanted.is_empty()
                && self.turn(&[word.reference], true).await
            {
                self.recover(job, system, &wanted, word.class).await;
                self.turns().release().await;
            }
        }
        Ok(outcomes)
    }

    /// Computes and restores the wanted unknowns of a system, as many at a time as memory allows.
    async fn recover(
        &self,
        job: &Job,
        system: System,
        wanted: &[(u32, BlockRef, Method)],
        class: LengthClass,
    ) {
        let at_once = (self.joint_bytes_max / 2 / class.bytes()).max(1);
        let (problem, known) = (Arc::new(system.problem), Arc::new(system.known));
        for wanted in wanted.chunks(at_once) {
            // What was repaired meanwhile, by whomever, is done.
            let wanted: Vec<_> =
                wanted.iter().filter(|(_, block, _)| !self.is_done(*block)).copied().collect();
            if self.control.stop().is_some() {
                return;
            }
            match self.compute_jointly(&problem, &known, &wanted, class).await {
                Ok(payloads) => {
                    for ((_, block, method), payload) in wanted.into_iter().zip(payloads) {
                        if let Err(error) = self.restore_jointly(block, method, payload).await {
                            self.failed_jointly(job, block, &error);
                        }
                    }
                }
                Err(error) => {
                    for (_, block, _) in wanted {
                        self.failed_jointly(job, block, &error);
                    }
                }
            }
        }
    }

    fn failed_jointly(&self, job: &Job, block: BlockRef, reason: &str) {
        let missing = job.web.number(&block).and_then(|number| job.web.get(number));
        if let Some(missing) = missing {
            self.failed(block, missing.id, reason);
        }
    }

    async fn compute_jointly(
        &self,
        problem: &Arc<Problem>,
        known: &Arc<Vec<Known>>,
        wanted: &[(u32, BlockRef, Method)],
        class: LengthClass,
    ) -> Result<Vec<Bytes>, String> {
        let unknowns: Vec<u32> = wanted.iter().map(|(unknown, ..)| *unknown).collect();
        let (problem, known, budget) = (Arc::clone(problem), Arc::clone(known), self.joint_bytes_max / 2);
        let mut reader = Reader {
            core: Arc::clone(self.core),
            roster: self.roster.clone(),
            known,
            bad: Vec::new(),
            bytes_read: 0,
            outputs: unknowns.iter().map(|&unknown| (unknown, vec![0; class.bytes()])).collect(),
        };
        let compute = move || {
            let result = problem.plan_for(&unknowns).map_err(|error| error.to_string()).and_then(|plan| {
                let tile = plan.tile_within(budget).min(class.bytes());
                plan.execute(class.bytes(), tile, &mut reader).map_err(|error| error.0)
            });
            (result, reader)
        };
        let done = tokio::task::spawn_blocking(compute).await;
        let (result, mut reader) = done.map_err(|error| error.to_string())?;
        self.count_read(reader.bytes_read);
        self.control.spend(reader.bytes_read as u64).await;
        for (block, node, kind) in &reader.bad {
            self.note(block, *node, *kind).await;
        }
        result?;
        let payload =
            |(unknown, ..): &(u32, BlockRef, Method)| reader.outputs.remove(unknown).map(Bytes::from);
        wanted.iter().map(payload).collect::<Option<_>>().ok_or_else(|| "a block was not computed".to_owned())
    }

    async fn restore_jointly(&self, block: BlockRef, method: Method, payload: Bytes) -> Result<(), String> {
        let text = |error: Error| error.to_string();
        let word = self.core.word(block.codeword).await.map_err(text)?;
        let pointed = self.core.pointed(&word).await.map_err(text)?;
        let stored = word.record.parities.get(usize::from(block.parity));
        let stored = stored.ok_or_else(|| "the codeword has no such parity".to_owned())?;
        let entries = self.core.damage_of(block).await.map_err(text)?;
        let diagnosis = diagnose_in(self.core, &self.roster, &stored.nodes, &entries);
        if !matches!(diagnosis.need(), Need::Rebuild | Need::Wait) {
            self.by_others(block);
            return Ok(());
        }
        if Hash::of(&payload) != stored.hash {
            return Err("solving jointly gave another block than was recorded".to_owned());
        }
        let (parity, copies) = (block.parity, diagnosis.lacking().max(1));
        let restored = Restored {
            word: &word,
            pointed: &pointed,
            parity,
            payload,
            method,
            diagnosis: &diagnosis,
            copies,
        };
        self.restore(&restored).await
    }
}

/// Reads known blocks for a plan that runs on a thread of its own, and keeps what it computes.
struct Reader {
    core: Arc<Core>,
    roster: Roster,
    known: Arc<Vec<Known>>,
    /// Copies that proved wrong.
    bad: Vec<(Located, NodeIndex, DamageKind)>,
    bytes_read: usize,
    outputs: HashMap<u32, Vec<u8>>,
}

/// Why a plan was not carried out.
struct Failed(String);

impl From<CodeError> for Failed {
    fn from(error: CodeError) -> Self {
        Self(error.to_string())
    }
}

impl Blocks for Reader {
    type Error = Failed;

    fn read(&mut self, handle: u32, offset: usize, into: &mut [u8]) -> Result<(), Failed> {
        let known = Arc::clone(&self.known);
        let payload = match known.get(handle as usize) {
            Some(Known::Anchor(class, index)) => {
                let anchor = self.core.anchor(*class, *index);
                self.core.runtime.block_on(anchor).map_err(|error| Failed(error.to_string()))?
            }
            Some(Known::Stored(block)) => self.stored(block)?,
            None => return Err(Failed(format!("no known block has the number {handle}"))),
        };
        let bytes = payload.get(offset..).and_then(|rest| rest.get(..into.len()));
        into.copy_from_slice(bytes.ok_or_else(|| Failed("a block shorter than its class".to_owned()))?);
        Ok(())
    }

    fn write(&mut self, unknown: u32, offset: usize, bytes: &[u8]) -> Result<(), Failed> {
        let output = self.outputs.get_mut(&unknown).and_then(|output| output.get_mut(offset..));
        if let Some(output) = output.and_then(|rest| rest.get_mut(..bytes.len())) {
            output.copy_from_slice(bytes);
        }
        Ok(())
    }
}

impl Reader {
    /// A verified payload: among so many inputs a liar could not be told from its effect.
    fn stored(&mut self, block: &Located) -> Result<Bytes, Failed> {
        let mut reason = format!("no node that answers has block {}", block.id);
        for &index in block.nodes.iter().filter(|&&node| self.roster.answers(node)) {
            if self.bad.iter().any(|(bad, node, _)| bad.id == block.id && *node == index) {
                continue;
            }
            let Ok(node) = self.core.attached(index) else { continue };
            let read = node.store.get(&block.id, block.class.bytes() + HEADER_BYTES_MAX);
            let read = self.core.runtime.block_on(read);
            self.core.nodes.observe(node, None, &read);
            match read {
                Ok(bytes) => {
                    self.bytes_read += bytes.len();
                    if let Ok(payload) = header::payload(&bytes)
                        && Hash::of(payload) == block.hash
                    {
                        return Ok(bytes.slice_ref(payload));
                    }
                    self.bad.push((block.clone(), index, DamageKind::Corrupt));
                }
                Err(error) => {
                    if error.kind() == ErrorKind::NotFound {
                        self.bad.push((block.clone(), index, DamageKind::Missing));
                    }
                    reason = error.to_string();
                }
            }
        }
        Err(Failed(reason))
    }
}
