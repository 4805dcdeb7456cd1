//! Documents for the clauses: records only, without bytes, made of their names.

use std::sync::Arc;
use std::time::Duration;

use types::{
    BlockRef, BlockSizes, CodeParameters, CodewordRef, DocumentId, DocumentName, DocumentRecord, Extent,
    Hash, Layout, LengthClass, NodeIndex, OwnerId, ParityRecord, Pointer, SegmentRecord, Timestamp,
};

use crate::{Commit, Document, MetadataStore, Reservation, Reserve, Reserved};

/// A backend under test.
pub type Store = Arc<dyn MetadataStore>;

/// The time at which a clause begins.
pub const NOW: Timestamp = Timestamp::from_millis(1_795_253_400_000);

/// For how long names are held.
pub const TTL: Duration = Duration::from_secs(60);

/// The first moment at which a name reserved at [`NOW`] is free again.
#[must_use]
pub fn lapsed() -> Timestamp {
    NOW.after(TTL)
}

/// A code with few pointers.
#[must_use]
pub fn code() -> CodeParameters {
    CodeParameters::new(1, 2, 3).unwrap()
}

/// A name.
#[must_use]
pub fn name(text: &str) -> DocumentName {
    DocumentName::new(text).unwrap()
}

/// The identifier of attempt `attempt` at a name.
#[must_use]
pub fn id(text: &str, attempt: u32) -> DocumentId {
    let hash = Hash::of(format!("{text}#{attempt}").as_bytes());
    DocumentId::from_bytes(*hash.as_bytes().first_chunk().unwrap())
}

/// The process that uploads.
#[must_use]
pub fn owner() -> OwnerId {
    OwnerId::from_bytes([7; 16])
}

/// A document of `length` bytes with anchors for pointers.
#[must_use]
pub fn draft(text: &str, length: u64) -> Commit {
    let layout = Layout::cut(length, code(), BlockSizes::DEFAULT).unwrap();
    let hash = Hash::of(text.as_bytes());
    let only = layout.segments() == 1;
    let extents = (0..layout.segments()).map_while(|number| layout.extent(number));
    let segments = extents.map(|extent| segment(text, extent, only.then_some(hash))).collect();
    let record = DocumentRecord {
        id: id(text, 0),
        name: name(text),
        parameters: code(),
        layout,
        hash,
        created: NOW,
        content_type: Some("text/plain".to_owned()),
        user_metadata: vec![("x-title".to_owned(), text.to_owned())],
    };
    Commit { record, segments }
}

fn segment(text: &str, extent: Extent, hash: Option<Hash>) -> SegmentRecord {
    let seed = |what: u32| Hash::of(format!("{text}/{}/{what}", extent.segment).as_bytes());
    let node = |parity: u32| NodeIndex(u16::try_from((extent.segment + parity) % 16).unwrap());
    SegmentRecord {
        class: extent.shape.class,
        length: extent.shape.length,
        hash: hash.unwrap_or_else(|| seed(99)),
        pointers: vec![Pointer::Anchor(0), Pointer::Anchor(1)],
        parities: (0..3)
            .map(|parity| ParityRecord { hash: seed(parity), nodes: vec![node(parity)] })
            .collect(),
    }
}

/// The request to hold the name of a draft.
#[must_use]
pub fn request(commit: &Commit) -> Reserve {
    let (name, document) = (commit.record.name.clone(), commit.record.id);
    Reserve { name, document, owner: owner(), ttl: TTL, instead_of: None }
}

/// Holds the name of a draft at [`NOW`].
pub async fn reserve(store: &Store, commit: &Commit) -> Reservation {
    granted(store.reserve(&request(commit), NOW).await.unwrap())
}

/// The reservation of an answer that must have granted it.
pub fn granted(reserved: Reserved) -> Reservation {
    match reserved {
        Reserved::Granted(reservation) => reservation,
        other => panic!("not granted: {other:?}"),
    }
}

/// Reserves and commits a draft.
pub async fn put_draft(store: &Store, commit: &Commit) -> Document {
    let reservation = reserve(store, commit).await;
    store.commit(&reservation, commit, NOW).await.unwrap()
}

/// Reserves and commits a document with anchors for pointers.
pub async fn put(store: &Store, text: &str, length: u64) -> Document {
    put_draft(store, &draft(text, length)).await
}

/// A block of a committed document.
#[must_use]
pub fn block(document: &Document, segment: u32, parity: u8) -> BlockRef {
    BlockRef { codeword: CodewordRef { document: document.reference, segment }, parity }
}

/// A draft of one segment of 4 KiB blocks with these pointers, anchors in front.
#[must_use]
pub fn pointing(text: &str, blocks: &[BlockRef]) -> Commit {
    let mut commit = draft(text, 4000);
    let pointers = &mut commit.segments[0].pointers;
    pointers.truncate(2 - blocks.len());
    pointers.extend(blocks.iter().copied().map(Pointer::Block));
    commit
}

/// The class of blocks of so many bytes.
#[must_use]
pub fn class(bytes: u64) -> LengthClass {
    LengthClass::of_bytes(bytes).unwrap()
}
