//! What cannot be had, with the evidence; and what a repair would do, before it does.

use std::collections::HashSet;
use std::sync::Arc;

use types::BlockRef;

use super::joint::Outcomes;
use super::load::Job;
use super::plan::{Missing, WebWord, margin};
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

    /// The segments that cannot be had, with what is missing and what was tried: those of which more symbols stay
    /// missing than may be, whether their own blocks are among them or not.
    async fn losses(&self, job: &Job, outcomes: &Outcomes) -> Result<Vec<Loss>, Error> {
        let stays = |number: &u32| {
            let missing = job.web.get(*number)?;
            let recovered = outcomes.get(&missing.block).is_some_and(|outcome| outcome.method.is_some());
            (!recovered).then_some(*number)
        };
        let stuck: HashSet<u32> = job.peeling.stuck.iter().filter_map(stays).collect();
        let mut losses = Vec::new();
        for word in &job.web.words {
            let stuck = word.missing.iter().filter(|(_, number)| stuck.contains(number));
            let stuck: Vec<Missing> = stuck.filter_map(|(_, number)| job.web.get(*number).copied()).collect();
            if stuck.len() > word.parameters.e() && stuck.iter().any(|missing| missing.wanted) {
                losses.push(self.loss(job, outcomes, word, &stuck).await?);
            }
        }
        losses.sort_by_key(|loss| loss.codeword);
        Ok(losses)
    }

    async fn loss(
        &self,
        job: &Job,
        outcomes: &Outcomes,
        word: &WebWord,
        stuck: &[Missing],
    ) -> Result<Loss, Error> {
        let codeword = word.reference;
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
        for missing in stuck {
            around += self.all_pointing_at(missing.block).await?.len();
        }
        let (symbols, e) = (word.parameters.symbols(), word.parameters.e());
        let joint: Vec<_> = stuck.iter().filter_map(|missing| outcomes.get(&missing.block)).collect();
        let note = joint.first().map_or("not tried: the run was stopped", |outcome| outcome.note.as_str());
        let tried = vec![
            "replica: no node has a copy left".to_owned(),
            format!("direct: {} of {symbols} symbols missing, {e} may be", missing.len()),
            format!("recursive: {around} codewords point at its symbols, each with more missing than may be"),
            format!("joint: {note}"),
        ];
        let for_good = joint.iter().filter(|outcome| outcome.for_good).count() > e;
        Ok(Loss {
            name: document.record.name,
            document: document.record.id,
            segment: codeword.segment,
            codeword,
            missing,
            since,
            tried,
            for_good,
        })
    }
}
