//! Where the question whether a loss looks deliberate gets its numbers from.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use futures_util::stream::{self, StreamExt};
use metadata::Document;
use types::{BlockRef, CodewordRef, NodeIndex, SegmentRecord};

use super::load::Job;
use crate::Archive;
use crate::audit::alarm::{Alarm, Neighbourhood, NodeLosses, Together, assess};
use crate::audit::roster::Roster;
use crate::audit::scope::Resolved;
use crate::audit::{Scope, StandingPolicy};
use crate::core::Core;
use crate::error::Error;

/// Documents and segments read at a time.
const DOCUMENTS: usize = 256;
const SEGMENTS: u32 = 256;
/// Most neighbourhoods that are looked at: those of the codewords that lost most.
const NEIGHBOURHOODS_MAX: usize = 512;
/// Look-ups at a time.
const LOOK_UPS: usize = 16;

impl Archive {
    /// Losses, by the damage ledger, that independent failures of nodes do not explain, the most striking first.
    /// Reads all records twice if any block is lost, and nothing if none is.
    pub async fn loss_alarms(&self, standing: StandingPolicy) -> Result<Vec<Alarm>, Error> {
        let core: &Arc<Core> = &self.core;
        let roster = Roster::call(core, standing).await?;
        let resolved: Resolved = core.resolve(&Scope::Everything).await?;
        let job = core.job(&roster, &resolved).await?;
        let lost: HashSet<BlockRef> = job
            .web
            .blocks
            .iter()
            .filter(|missing| !missing.out_of_reach)
            .map(|missing| missing.block)
            .collect();
        if lost.is_empty() {
            return Ok(Vec::new());
        }
        let mut nodes: BTreeMap<NodeIndex, NodeLosses> = BTreeMap::new();
        core.each_codeword(|codeword, record| {
            for (node, lost) in parities(codeword, record, &lost) {
                let losses = nodes.entry(node).or_default();
                losses.blocks += 1;
                losses.lost += u64::from(lost);
            }
        })
        .await?;
        let (mut together, mut codewords) = (Together::default(), 0);
        core.each_codeword(|codeword, record| {
            codewords += 1;
            together.add(&nodes, &Neighbourhood { codeword, blocks: parities(codeword, record, &lost) });
        })
        .await?;
        let neighbourhoods = core.neighbourhoods(&job, &lost).await?;
        let mut alarms = assess(&nodes, &neighbourhoods, codewords);
        alarms.extend(together.alarm());
        Ok(alarms)
    }
}

/// A codeword's own parities: the node that counts, and whether the block is lost.
fn parities(
    codeword: CodewordRef,
    record: &SegmentRecord,
    lost: &HashSet<BlockRef>,
) -> Vec<(NodeIndex, bool)> {
    let parities = (0..=u8::MAX).zip(&record.parities);
    let parity = |(parity, stored): (u8, &types::ParityRecord)| {
        Some((*stored.nodes.first()?, lost.contains(&BlockRef { codeword, parity })))
    };
    parities.filter_map(parity).collect()
}

impl Core {
    /// Shows every codeword's record.
    async fn each_codeword(&self, mut show: impl FnMut(CodewordRef, &SegmentRecord)) -> Result<(), Error> {
        let mut after = None;
        loop {
            let documents = self.metadata.scan_ids(after.as_ref(), DOCUMENTS).await?;
            let Some(last) = documents.last() else { return Ok(()) };
            after = Some(last.record.id);
            let first = |document: Document| async move {
                let records = self.metadata.segments(document.reference, 0, SEGMENTS).await;
                (document, records)
            };
            let mut firsts = stream::iter(documents.into_iter().map(first)).buffered(LOOK_UPS);
            while let Some((document, records)) = firsts.next().await {
                let (mut segment, mut records) = (0, records?);
                while !records.is_empty() {
                    for record in &records {
                        show(CodewordRef { document: document.reference, segment }, record);
                        segment += 1;
                    }
                    if segment >= document.record.layout.segments() {
                        break;
                    }
                    records = self.metadata.segments(document.reference, segment, SEGMENTS).await?;
                }
            }
        }
    }

    /// The parities of the codewords that point at the blocks of those that lost most, and of these.
    async fn neighbourhoods(&self, job: &Job, lost: &HashSet<BlockRef>) -> Result<Vec<Neighbourhood>, Error> {
        let mut own: HashMap<CodewordRef, usize> = HashMap::new();
        for block in lost {
            *own.entry(block.codeword).or_default() += 1;
        }
        let mut worst: Vec<(usize, CodewordRef)> =
            own.into_iter().map(|(codeword, lost)| (lost, codeword)).collect();
        worst.sort_unstable_by(|one, other| other.cmp(one));
        worst.truncate(NEIGHBOURHOODS_MAX);
        let mut neighbourhoods = Vec::with_capacity(worst.len());
        for (_, codeword) in worst {
            let p = job.web.word_number(&codeword).and_then(|word| job.web.word(word));
            let p = p.map_or(0, |word| word.parameters.p());
            let mut around = vec![codeword];
            for parity in (0..=u8::MAX).take(p) {
                around.extend(self.all_pointing_at(BlockRef { codeword, parity }).await?);
            }
            around.sort_unstable();
            around.dedup();
            let mut blocks = Vec::new();
            for word in self.metadata.codewords(&around).await?.into_iter().flatten() {
                blocks.extend(parities(word.reference, &word.segment, lost));
            }
            neighbourhoods.push(Neighbourhood { codeword, blocks });
        }
        Ok(neighbourhoods)
    }
}
