//! What is known of documents because others point at them.

use std::collections::{BTreeMap, HashMap};

use types::{BlockId, CodeParameters, DocumentId, LengthClass};

/// Documents that are pointed at and were not recorded when that was seen.
#[derive(Debug, Default)]
pub(super) struct Pointed {
    documents: HashMap<DocumentId, Remnant>,
}

/// What pointers tell of the document that they point at.
#[derive(Debug, Clone)]
pub(super) struct Remnant {
    /// The code of a codeword that points at it: likely its own too.
    pub(super) parameters: CodeParameters,
    /// The segments pointed at: their class, and the highest parity.
    pub(super) segments: BTreeMap<u32, (LengthClass, u8)>,
}

impl Pointed {
    /// A codeword of `class` and `parameters` points at `block`.
    pub(super) fn note(&mut self, block: BlockId, class: LengthClass, parameters: CodeParameters) {
        let remnant = self
            .documents
            .entry(block.document)
            .or_insert_with(|| Remnant { parameters, segments: BTreeMap::new() });
        let (_, parity) = remnant.segments.entry(block.segment).or_insert((class, block.parity));
        *parity = block.parity.max(*parity);
    }

    pub(super) fn contains(&self, document: &DocumentId) -> bool {
        self.documents.contains_key(document)
    }

    pub(super) fn get(&self, document: &DocumentId) -> Option<&Remnant> {
        self.documents.get(document)
    }

    /// All of them, in the order of their identifiers.
    pub(super) fn ids(&self) -> Vec<DocumentId> {
        let mut ids: Vec<DocumentId> = self.documents.keys().copied().collect();
        ids.sort_unstable();
        ids
    }
}

impl Remnant {
    /// The code, with as many parities as are pointed at.
    pub(super) fn code(&self) -> CodeParameters {
        let highest = self.segments.values().map(|(_, parity)| usize::from(*parity) + 1).max().unwrap_or(1);
        let (s, t, p) = (self.parameters.s(), self.parameters.t(), self.parameters.p());
        CodeParameters::new(s, t, p.max(highest)).unwrap_or(self.parameters)
    }

    /// The class of each segment from `first` to the last that is pointed at: that of pointers to it, else that of
    /// the one before it, as in a run of full segments, else that of the first that is known.
    pub(super) fn classes(&self, first: u32, before: Option<LengthClass>) -> Vec<LengthClass> {
        let Some((last, _)) = self.segments.last_key_value() else { return Vec::new() };
        let known = self.segments.range(first..).next().map(|(_, (class, _))| *class);
        let mut class = before.or(known).unwrap_or(LengthClass::MIN);
        let mut classes = Vec::new();
        for segment in first..=*last {
            class = self.segments.get(&segment).map_or(class, |(class, _)| *class);
            classes.push(class);
        }
        classes
    }
}
