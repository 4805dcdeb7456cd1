//! Which documents there are, which of them never finished, and which names are claimed by several.

use std::collections::{HashMap, HashSet};

use futures_util::stream::{FuturesUnordered, StreamExt};
use types::{DocumentId, DocumentName, Hash, Result};

use super::inventory::{Inventory, Listed};
use super::scan::Scanner;
use super::{OnProgress, ScanPhase, ScanProgress};

/// The first half of a name's hash: 2^64 documents would have to be there for two to be taken for one.
type NameKey = [u8; 16];

/// What the last segments of all documents tell.
#[derive(Debug, Default)]
pub(super) struct Survey {
    /// How many documents have blocks.
    pub(super) documents: u64,
    /// Documents without a readable block of a last segment, and their names if a header tells.
    pub(super) unfinished: HashMap<DocumentId, Option<DocumentName>>,
    /// Finished documents of one name, where there are several.
    pub(super) contested: Vec<Vec<DocumentId>>,
    pub(super) bytes: u64,
}

/// What one document's last blocks tell.
struct Tip {
    document: DocumentId,
    /// `None` if no header can be read.
    name: Option<DocumentName>,
    finished: bool,
    bytes: u64,
}

/// Puts the documents' names side by side.
#[derive(Default)]
struct Names {
    first: HashMap<NameKey, DocumentId>,
    contested: HashMap<NameKey, Vec<DocumentId>>,
}

impl Names {
    fn claim(&mut self, name: &DocumentName, document: DocumentId) {
        let name = Hash::of(name.as_str().as_bytes()).as_bytes().first_chunk().copied().unwrap_or_default();
        if let Some(first) = self.first.insert(name, document) {
            self.contested.entry(name).or_default().push(first);
        }
    }

    fn contested(mut self) -> Vec<Vec<DocumentId>> {
        for (name, documents) in &mut self.contested {
            documents.extend(self.first.get(name));
        }
        self.contested.into_values().collect()
    }
}

/// Goes over all documents but those in `skip`, reading one block of each.
pub(super) async fn survey(
    scanner: &Scanner,
    concurrency: usize,
    skip: &HashSet<DocumentId>,
    progress: OnProgress<'_>,
) -> Result<Survey> {
    let (mut survey, mut names) = (Survey::default(), Names::default());
    let mut inventory = Inventory::new(&scanner.nodes);
    let mut reading = FuturesUnordered::new();
    let mut last: Vec<Listed> = Vec::new();
    loop {
        let next = inventory.next().await?;
        let here = |listed: &Listed| next.as_ref().is_some_and(|next| next.id.document == listed.id.document);
        if let Some(first) = last.first()
            && !here(first)
        {
            let document = first.id.document;
            let blocks = std::mem::take(&mut last);
            if !skip.contains(&document) {
                reading.push(read_tip(scanner, document, blocks));
            }
            survey.documents += 1;
        }
        let ended = next.is_none();
        while reading.len() >= concurrency.max(1) || ended {
            let Some(tip) = reading.next().await else { break };
            survey.take(tip, &mut names);
            let (documents, bytes) = (survey.documents, survey.bytes);
            progress(ScanProgress { phase: ScanPhase::Survey, documents, documents_total: 0, bytes });
        }
        let Some(next) = next else { break };
        last.retain(|listed| listed.id.segment == next.id.segment);
        last.push(next);
    }
    survey.contested = names.contested();
    Ok(survey)
}

impl Survey {
    fn take(&mut self, tip: Tip, names: &mut Names) {
        self.bytes += tip.bytes;
        match tip.name {
            Some(name) if tip.finished => names.claim(&name, tip.document),
            name => drop(self.unfinished.insert(tip.document, name)),
        }
    }
}

/// Reads the blocks of a document's last segment until one tells.
async fn read_tip(scanner: &Scanner, document: DocumentId, blocks: Vec<Listed>) -> Tip {
    let mut bytes = 0;
    for listed in blocks {
        let block = scanner.read(listed).await;
        bytes += block.bytes;
        if let Some(header) = block.header {
            let finished = header.ending.is_some();
            return Tip { document, name: Some(header.name), finished, bytes };
        }
    }
    Tip { document, name: None, finished: false, bytes }
}
