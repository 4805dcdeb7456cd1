//! What cannot be had, with the evidence; and what a repair would do, before it does.

use std::collections::BTreeMap;
use std::sync::Arc;

use types::{BlockRef, CodewordRef};

use super::joint::Outcomes;
use super::load::Job;
use super::plan::margin;
use super::run::{Run, method, totals};
use super::{Loss, Method, MissingSymbol, PlannedBlock, RepairOptions, RepairPlan};
use crate::Archive;
use crate::audit::Scope;
use crate::audit::roster::Roster;
use crate::core::Core;
use crate::error::Error;

impl Archive {
    /// What [`Archive::repair`] would do about what the damage ledger says now. Changes nothing.
    pub async fn plan_repair(&self, scope: &Scope, options: &RepairOptions) -> Result<RepairPlan, Error> {
        let core: &Arc<Core> = &self.core;
        let resolved = core.resolve(scope).await?;
        let roster = Roster::call(core, options.standing).await?;
        let job = core.job(&roster, &resolved).await?;
        let outcomes = core.plan_joint(&job).await?;
        let mut plan =
            RepairPlan { totals: totals(&job), nodes: roster.standings(), ..RepairPlan::default() };
        core.list_steps(&job, &mut plan.blocks).await?;
        core.list_stuck(&job, &outcomes, &mut plan).await?;
        plan.lost = core.losses(&job, &outcomes).await?;
        Ok(plan)
    }
}

impl Run<'_> {
    /// What of the work that is left cannot be had.
    pub(super) async fn lost(&self, job: &Job, outcomes: &Outcomes) -> Result<Vec<Loss>, Error> {
        self.core.losses(job, outcomes).await
    }
}

impl Core {
    async fn list_steps(&self, job: &Job, blocks: &mut Vec<PlannedBlock>) -> Result<(), Error> {
        for step in &job.peeling.steps {
            let Some(word) = job.web.word(step.word) else { continue };
            for missing in step.targets.iter().filter_map(|&number| job.web.get(number)) {
                let how = Some(method(step, word.reference, missing.block));
                blocks.push(self.planned(missing.block, how, step.margin, step.round).await?);
            }
        }
        for short in &job.short {
            // A block with copies left is not missing: its codeword is as safe as without the damage.
            let margin = i64::try_from(short.left).unwrap_or(i64::MAX);
            blocks.push(self.planned(short.block, Some(Method::Replica), margin, 0).await?);
        }
        Ok(())
    }

    /// Adds what peeling leaves: recovered jointly, or not at all.
    async fn list_stuck(&self, job: &Job, outcomes: &Outcomes, plan: &mut RepairPlan) -> Result<(), Error> {
        let round = job.peeling.steps.last().map_or(0, |step| step.round + 1);
        for missing in job.peeling.stuck.iter().filter_map(|&number| job.web.get(number)) {
            if !missing.wanted {
                continue;
            }
            let how = outcomes.get(&missing.block).and_then(|outcome| outcome.method);
            let word = job.web.word_number(&missing.block.codeword).and_then(|word| job.web.word(word));
            let margin = word.map_or(0, |word| margin(word, word.missing.len()));
            plan.blocks.push(self.planned(missing.block, how, margin, round).await?);
            if let Some(how) = how {
                *plan.totals.by_method.entry(how).or_default() += 1;
                plan.totals.unplanned -= 1;
                let length = word.map_or(0, |word| word.class.bytes() as u64);
                plan.totals.bytes_written += length;
            }
        }
        Ok(())
    }

    async fn planned(
        &self,
        block: BlockRef,
        method: Option<Method>,
        margin: i64,
        round: u32,
    ) -> Result<PlannedBlock, Error> {
        let document = self.document_at(block.codeword.document).await?;
        let id = types::BlockId::new(document.record.id, block.codeword.segment, block.parity);
        Ok(PlannedBlock { id, block, name: document.record.name, method, margin, round })
    }

    /// The segments that cannot be had, with what is missing and what was tried.
    async fn losses(&self, job: &Job, outcomes: &Outcomes) -> Result<Vec<Loss>, Error> {
        let mut stuck: BTreeMap<CodewordRef, Vec<BlockRef>> = BTreeMap::new();
        for missing in job.peeling.stuck.iter().filter_map(|&number| job.web.get(number)) {
            let recovered = outcomes.get(&missing.block).is_some_and(|outcome| outcome.method.is_some());
            if missing.wanted && !recovered {
                stuck.entry(missing.block.codeword).or_default().push(missing.block);
            }
        }
        let mut losses = Vec::with_capacity(stuck.len());
        for (codeword, blocks) in stuck {
            losses.extend(self.loss(job, outcomes, codeword, &blocks).await?);
        }
        Ok(losses)
    }

    async fn loss(
        &self,
        job: &Job,
        outcomes: &Outcomes,
        codeword: CodewordRef,
        blocks: &[BlockRef],
    ) -> Result<Option<Loss>, Error> {
        let Some(word) = job.web.word_number(&codeword).and_then(|word| job.web.word(word)) else {
            return Ok(None);
        };
        let document = self.document_at(codeword.document).await?;
        let symbol = |&(position, number): &(u8, u32)| {
            let missing = job.web.get(number)?;
            Some(MissingSymbol {
                position: usize::from(position),
                id: missing.id,
                since: missing.seen,
                out_of_reach: missing.out_of_reach,
            })
        };
        let missing: Vec<MissingSymbol> = word.missing.iter().filter_map(symbol).collect();
        let since = missing.iter().map(|symbol| symbol.since).min().unwrap_or_else(|| self.clock.now());
        let mut around = 0;
        for &block in blocks {
            around += self.all_pointing_at(block).await?.len();
        }
        let (symbols, e) = (word.parameters.symbols(), word.parameters.e());
        let joint: Vec<_> = blocks.iter().filter_map(|block| outcomes.get(block)).collect();
        let note = joint.first().map_or("not tried: the run was stopped", |outcome| outcome.note.as_str());
        let tried = vec![
            "replica: no node has a copy left".to_owned(),
            format!("direct: {} of {symbols} symbols missing, {e} may be", missing.len()),
            format!("recursive: {around} codewords point at its blocks, each with more missing than may be"),
            format!("joint: {note}"),
        ];
        // A segment is back as soon as one of its blocks is: what the equations leave open must be open in all.
        let for_good = joint.len() == blocks.len() && joint.iter().all(|outcome| outcome.for_good);
        Ok(Some(Loss {
            name: document.record.name,
            document: document.record.id,
            segment: codeword.segment,
            codeword,
            missing,
            since,
            tried,
            for_good,
        }))
    }
}
