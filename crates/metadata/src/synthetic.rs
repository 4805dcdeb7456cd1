//! Synthetic documents for benchmarks: records without bytes, written as uploads write them.

use std::time::Duration;

use types::{
    BlockRef, BlockSizes, CodeParameters, CodewordRef, DocumentId, DocumentName, DocumentRecord, DocumentRef,
    Error, ErrorKind, Hash, Layout, NodeIndex, OwnerId, ParityRecord, Pointer, Result, SegmentRecord,
    Timestamp,
};

use crate::{Commit, Document, MetadataStore, Reservation, Reserve, Reserved, SqliteMetadata};

/// For how long a synthetic upload holds its name: longer than any run.
const TTL: Duration = Duration::from_secs(24 * 3600);

/// The generator `SplitMix64`: enough for figures, the same on every machine.
#[derive(Debug, Clone)]
pub struct Random(u64);

impl Random {
    /// The sequence of `seed`.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next number.
    pub fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `end`, which is at least 1.
    pub fn below(&mut self, end: u64) -> u64 {
        self.number() % end.max(1)
    }

    fn hash(&mut self) -> Hash {
        let mut bytes = [0; Hash::BYTES];
        for chunk in bytes.chunks_exact_mut(8) {
            chunk.copy_from_slice(&self.number().to_le_bytes());
        }
        Hash::from_bytes(bytes)
    }
}

/// What all synthetic documents have in common.
#[derive(Debug, Clone, Copy)]
pub struct Synthetic {
    /// The code.
    pub parameters: CodeParameters,
    /// Storage nodes, each block on one.
    pub nodes: u16,
    /// The time of all uploads.
    pub now: Timestamp,
    /// What every block hashes to, for a store that serves one payload as all of them; random if `None`.
    pub payload: Option<Hash>,
}

impl Synthetic {
    /// A one-segment document of 4 KiB blocks, number `number`, that points at blocks of `committed`, or at
    /// anchors while there are none.
    pub fn draft(&self, number: u64, committed: &[DocumentRef], random: &mut Random) -> Result<Commit> {
        let invalid = |error: &dyn std::fmt::Display| Error::new(ErrorKind::Invalid, "synthetic", error);
        let length = 1 + random.below(4096);
        let layout = Layout::cut(length, self.parameters, BlockSizes::DEFAULT).map_err(|e| invalid(&e))?;
        let name = format!("synthetic/{:04x}/{number:012}.bin", random.below(1 << 16));
        let mut tail = [0; 10];
        tail.copy_from_slice(&random.hash().as_bytes()[..10]);
        let record = DocumentRecord {
            // Identifiers sort by time, as those of real uploads do.
            id: DocumentId::new(self.now.after(Duration::from_millis(number)), tail),
            name: DocumentName::new(&name).map_err(|error| invalid(&error))?,
            parameters: self.parameters,
            layout,
            hash: random.hash(),
            created: self.now.after(Duration::from_millis(number)),
            content_type: Some("application/octet-stream".to_owned()),
            user_metadata: Vec::new(),
        };
        let extent = record.layout.extent(0).ok_or_else(|| invalid(&"no segment"))?;
        let (class, length) = (extent.shape.class, extent.shape.length);
        let pointers = self.pointers(committed, random);
        let parities = self.parities(random);
        let segment = SegmentRecord { class, length, hash: record.hash, pointers, parities };
        Ok(Commit { record, segments: vec![segment] })
    }

    fn pointers(&self, committed: &[DocumentRef], random: &mut Random) -> Vec<Pointer> {
        let mut pointer = |number| {
            let chosen = usize::try_from(random.below(committed.len() as u64)).unwrap_or(0);
            let Some(document) = committed.get(chosen) else { return Pointer::Anchor(number) };
            let parity = u8::try_from(random.below(self.parameters.p() as u64)).unwrap_or(0);
            Pointer::Block(BlockRef { codeword: CodewordRef { document: *document, segment: 0 }, parity })
        };
        (0..=u8::MAX).take(self.parameters.t()).map(&mut pointer).collect()
    }

    fn parities(&self, random: &mut Random) -> Vec<ParityRecord> {
        let first = random.below(self.nodes.into());
        let node = |parity: u64| u16::try_from((first + parity) % u64::from(self.nodes.max(1))).unwrap_or(0);
        (0..self.parameters.p() as u64)
            .map(|parity| ParityRecord {
                hash: self.payload.unwrap_or_else(|| random.hash()),
                nodes: vec![NodeIndex(node(parity))],
            })
            .collect()
    }

    /// Reserves the name of a draft.
    pub async fn reserve(&self, store: &dyn MetadataStore, commit: &Commit) -> Result<Reservation> {
        granted(store.reserve(&request(commit), self.now).await?, commit)
    }

    /// Reserves and commits a draft.
    pub async fn put(&self, store: &dyn MetadataStore, commit: &Commit) -> Result<Document> {
        let reservation = self.reserve(store, commit).await?;
        store.commit(&reservation, commit, self.now).await
    }
}

/// The request to hold the name of a draft.
pub(crate) fn request(commit: &Commit) -> Reserve {
    let (name, document) = (commit.record.name.clone(), commit.record.id);
    Reserve { name, document, owner: OwnerId::from_bytes([0; 16]), ttl: TTL, instead_of: None }
}

/// The reservation of an answer, or that the name is taken.
pub(crate) fn granted(reserved: Reserved, commit: &Commit) -> Result<Reservation> {
    match reserved {
        Reserved::Granted(reservation) => Ok(reservation),
        Reserved::Exists(_) | Reserved::Held(_) => {
            Err(Error::new(ErrorKind::AlreadyExists, &commit.record.name, "the name is taken"))
        }
    }
}

/// Most documents to a transaction. Random pointers touch nearly every page of the reverse index in each large
/// transaction, so that fewer of them write less; a cache of 1 GiB holds what this many touch.
const TOGETHER: u64 = 100_000;

/// Writes `documents` synthetic documents numbered from `first`, many to a transaction; each points at random
/// documents of earlier transactions, `earlier` included.
pub async fn generate(
    store: &SqliteMetadata,
    synthetic: Synthetic,
    first: u64,
    documents: u64,
    earlier: &mut Vec<DocumentRef>,
) -> Result<()> {
    let mut random = Random::new(first);
    let (mut number, end) = (first, first.saturating_add(documents));
    while number < end {
        // The first ones can only point at anchors, so they are few.
        let together = (earlier.len() as u64).clamp(64, TOGETHER).min(end - number);
        let drafts = (number..number + together).map(|number| synthetic.draft(number, earlier, &mut random));
        let drafts = drafts.collect::<Result<Vec<_>>>()?;
        earlier.extend(store.put_together(drafts, synthetic.now).await?);
        number += together;
    }
    Ok(())
}
