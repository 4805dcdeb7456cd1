//! A rebuild: a survey, then rounds over the inventories until no document waits for another.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use coder::Coder;
use metadata::{MetadataStore, Reservation, partition_of};
use types::{DocumentId, Timestamp};

use super::feed::Feed;
use super::finding::Finding;
use super::nodes::{self, Unknown};
use super::pointed::Pointed;
use super::restore::{Mode, REBUILDER, Restorer};
use super::scan::Scanner;
use super::survey::{Survey, survey};
use super::targets::Targets;
use super::{OnProgress, RebuildReport, ScanOptions, ScanPhase, ScanProgress};
use crate::error::Error;
use crate::settings::NodeParts;

/// Documents or intents read at once.
const PAGE: usize = 1024;

/// What a round does with documents; those that are not in it are passed over.
type Work = HashMap<DocumentId, Mode>;

/// Makes the metadata of an archive again from its blocks. `metadata` is a new and empty store of that archive (see
/// [`super::discover`]), or what an interrupted rebuild left; nobody else uses it meanwhile.
///
/// Left out are uploads that never finished and, of several finished uploads of one name, all but one: one that others
/// point at, else the one that began last. Where all blocks of a segment are lost the document is recorded without:
/// others may point at it. The report names all of them.
pub async fn rebuild_metadata(
    nodes: &[NodeParts],
    metadata: Arc<dyn MetadataStore>,
    options: &ScanOptions,
    progress: OnProgress<'_>,
) -> Result<RebuildReport, Error> {
    let metadata = &*metadata;
    let without = options.without_missing_nodes;
    let (opened, missing) = nodes::open(nodes, metadata, Unknown::Register, without).await?;
    let report = RebuildReport {
        missing,
        nodes: opened.iter().map(|node| node.name.clone()).collect(),
        ..RebuildReport::default()
    };
    let archive = metadata.archive();
    let coder = Coder::new(options.coding_threads, options.pool.clone());
    let scanner = Arc::new(Scanner { archive: archive.id, deep: options.deep, nodes: opened, coder });
    forget_leftovers(metadata).await?;
    let mut restorer = Restorer {
        metadata,
        scanner: &scanner,
        // One moment for all: reservations do not lapse while the rebuild goes on.
        now: archive.created,
        targets: Targets::default(),
        pointed: Pointed::default(),
        done: recorded(metadata).await?,
        deferred: HashMap::new(),
        report,
    };
    restorer.report.already = restorer.done.len() as u64;
    let survey = survey(&scanner, options.concurrency, &restorer.done, progress).await?;
    restorer.report.bytes += survey.bytes;
    let (candidates, tried) = (Vec::new(), HashSet::new());
    let mut rounds = Rounds { restorer, survey, options, progress, candidates, tried };
    rounds.run().await?;
    Ok(rounds.restorer.report)
}

/// Ends the uploads of a rebuild that was interrupted, and of nobody else.
async fn forget_leftovers(metadata: &dyn MetadataStore) -> Result<(), Error> {
    let partitions = metadata.archive().partitions;
    loop {
        let intents = metadata.intents(Timestamp::from_millis(i64::MAX), PAGE).await?;
        let ours: Vec<_> = intents.into_iter().filter(|intent| intent.owner == REBUILDER).collect();
        if ours.is_empty() {
            return Ok(());
        }
        for intent in ours {
            let reservation = Reservation {
                partition: partition_of(&intent.name, partitions),
                name: intent.name,
                document: intent.document,
                owner: intent.owner,
                expires: intent.expires,
            };
            metadata.abandon(&reservation, false).await?;
        }
    }
}

/// The documents that are recorded already.
async fn recorded(metadata: &dyn MetadataStore) -> Result<HashSet<DocumentId>, Error> {
    let mut done = HashSet::new();
    let mut after = None;
    loop {
        let page = metadata.scan_ids(after.as_ref(), PAGE).await?;
        let Some(last) = page.last() else { return Ok(done) };
        after = Some(last.record.id);
        done.extend(page.iter().map(|document| document.record.id));
    }
}

struct Rounds<'a> {
    restorer: Restorer<'a>,
    survey: Survey,
    options: &'a ScanOptions,
    progress: OnProgress<'a>,
    /// Of each contested name the uploads that were not tried yet, the likeliest last.
    candidates: Vec<Vec<DocumentId>>,
    /// Documents that were to be recorded for those who point at them: once is enough.
    tried: HashSet<DocumentId>,
}

impl Rounds<'_> {
    async fn run(&mut self) -> Result<(), Error> {
        let already = self.restorer.done.clone();
        let contested: HashSet<DocumentId> = self.survey.contested.iter().flatten().copied().collect();
        let unfinished: HashSet<DocumentId> = self.survey.unfinished.keys().copied().collect();
        let look = |id: &DocumentId| contested.contains(id) || unfinished.contains(id);
        let mode = |id: &DocumentId| if look(id) { Mode::Look } else { Mode::Restore };
        self.round(&|id: &DocumentId| (!already.contains(id)).then(|| mode(id))).await?;
        self.rank_candidates();
        loop {
            let mut work: Work = std::mem::take(&mut self.restorer.deferred);
            let mut fresh = self.add_candidates(&mut work);
            fresh |= self.add_remnants(&mut work).await?;
            if work.is_empty() {
                break;
            }
            let before = self.restorer.done.len();
            self.round(&|id: &DocumentId| work.get(id).copied()).await?;
            if self.restorer.done.len() == before && !fresh {
                self.give_up();
                break;
            }
        }
        self.report_left_out().await
    }

    /// One pass over the inventories.
    async fn round(
        &mut self,
        mode: &(dyn Fn(&DocumentId) -> Option<Mode> + Send + Sync),
    ) -> Result<(), Error> {
        self.restorer.report.rounds += 1;
        let round = self.restorer.report.rounds;
        let (phase, total) = (ScanPhase::Restore { round }, self.survey.documents);
        let wanted = |id: &DocumentId| mode(id).is_some();
        let mut feed = Feed::new(self.restorer.scanner, self.options.concurrency, &wanted);
        let mut documents = 0;
        while let Some(id) = feed.document().await? {
            let Some(mode) = mode(&id) else { break };
            self.restorer.document(&mut feed, id, mode).await?;
            documents += 1;
            let bytes = self.restorer.report.bytes + feed.bytes;
            (self.progress)(ScanProgress { phase, documents, documents_total: total, bytes });
        }
        self.restorer.report.bytes += feed.bytes;
        Ok(())
    }

    /// Of each contested name one upload was committed, at most. As far as can be told, it is one that others point at,
    /// because only blocks of committed documents are; else the one that began last, because who takes a name over
    /// begins later.
    fn rank_candidates(&mut self) {
        self.candidates = self.survey.contested.clone();
        for group in &mut self.candidates {
            group.sort_unstable_by_key(|id| (self.restorer.pointed.contains(id), *id));
        }
    }

    /// Adds the likeliest upload of each contested name that nobody has yet. Returns whether there was any.
    fn add_candidates(&mut self, work: &mut Work) -> bool {
        let before = work.len();
        for (group, candidates) in self.survey.contested.iter().zip(&mut self.candidates) {
            let decided = group.iter().any(|id| self.restorer.done.contains(id) || work.contains_key(id));
            if !decided && let Some(next) = candidates.pop() {
                work.insert(next, Mode::Restore);
            }
        }
        work.len() > before
    }

    /// Adds what others point at and nothing else would record: it is lost, in part or as a whole. Returns whether
    /// there was any.
    async fn add_remnants(&mut self, work: &mut Work) -> Result<bool, Error> {
        let mut any = false;
        for id in self.restorer.pointed.ids() {
            let group = self.survey.contested.iter().find(|group| group.contains(&id));
            let undecided =
                group.is_some_and(|group| !group.iter().any(|id| self.restorer.done.contains(id)));
            if self.restorer.done.contains(&id)
                || work.contains_key(&id)
                || undecided
                || !self.tried.insert(id)
            {
                continue;
            }
            any = true;
            if group.is_some() || self.survey.unfinished.contains_key(&id) {
                work.insert(id, Mode::Remnant);
            } else {
                self.restorer.ghost(id).await?;
            }
        }
        Ok(any)
    }

    /// Reports the documents that still wait.
    fn give_up(&mut self) {
        let mut waiting: Vec<DocumentId> = self.restorer.deferred.drain().map(|(id, _)| id).collect();
        waiting.sort_unstable();
        for document in waiting {
            let reason = "it points at documents that cannot be recorded".to_owned();
            self.restorer.report.findings.push(Finding::Unrestorable { document, name: None, reason });
        }
    }

    /// Reports the uploads that are not recorded.
    async fn report_left_out(&mut self) -> Result<(), Error> {
        let (done, findings) = (&self.restorer.done, &mut self.restorer.report.findings);
        let mut left: Vec<_> = self.survey.unfinished.drain().filter(|(id, _)| !done.contains(id)).collect();
        left.sort_unstable();
        findings.extend(left.into_iter().map(|(document, name)| Finding::Unfinished { document, name }));
        for group in &self.survey.contested {
            let Some(by) = group.iter().find(|id| done.contains(id)) else { continue };
            let Some(winner) = self.restorer.metadata.document_by_id(by).await? else { continue };
            for document in group.iter().filter(|id| !done.contains(id)) {
                let name = winner.record.name.clone();
                findings.push(Finding::Superseded { document: *document, name, by: *by });
            }
        }
        Ok(())
    }
}
