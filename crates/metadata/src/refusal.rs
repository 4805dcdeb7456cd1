//! The refusals that every backend words the same.

use std::fmt;

use types::{BlockRef, DocumentId, DocumentName, Error, ErrorKind, NodeName, Result};

use crate::{Commit, Damage, Reservation};

/// Whose errors they are where no document is meant.
pub(crate) const SUBJECT: &str = "metadata";

pub(crate) fn lost(reservation: &Reservation) -> Error {
    let message = format!("upload {} no longer holds the name", reservation.document);
    Error::new(ErrorKind::Conflict, &reservation.name, message)
}

pub(crate) fn spent(name: &DocumentName, document: DocumentId) -> Error {
    let message =
        format!("upload {document} began before and may have lost blocks since; take a new identifier");
    Error::new(ErrorKind::Conflict, name, message)
}

pub(crate) fn staged_elsewhere(reservation: &Reservation, first: u32, staged: u32) -> Error {
    let message = format!("segments from {first} were to be staged, but {staged} are");
    Error::new(ErrorKind::Invalid, &reservation.name, message)
}

pub(crate) fn too_many_segments(name: &DocumentName) -> Error {
    Error::new(ErrorKind::Invalid, name, "more than 2^32 segments")
}

pub(crate) fn wrong_count(commit: &Commit, given: u64) -> Error {
    let expected = commit.record.layout.segments();
    let message = format!("{given} segments instead of the layout's {expected}");
    Error::new(ErrorKind::Invalid, &commit.record.name, message)
}

pub(crate) fn not_committed(name: &DocumentName, block: BlockRef) -> Error {
    Error::new(ErrorKind::Invalid, name, format!("a pointer to {block}, whose document is not committed"))
}

pub(crate) fn no_block(block: BlockRef) -> Error {
    Error::new(ErrorKind::NotFound, SUBJECT, format!("there is no block {block}"))
}

pub(crate) fn moved(block: BlockRef) -> Error {
    Error::new(ErrorKind::Conflict, SUBJECT, format!("block {block} is on other nodes than expected"))
}

pub(crate) fn unknown_node(name: &NodeName) -> Error {
    Error::new(ErrorKind::NotFound, SUBJECT, format!("there is no storage node {name}"))
}

pub(crate) fn replaced_elsewhere(name: &NodeName) -> Error {
    Error::new(ErrorKind::Conflict, SUBJECT, format!("node {name} has another incarnation than expected"))
}

pub(crate) fn state_changed(key: &str) -> Error {
    Error::new(ErrorKind::Conflict, SUBJECT, format!("the value of {key:?} is another than expected"))
}

pub(crate) fn too_many_nodes() -> Error {
    Error::new(
        ErrorKind::Invalid,
        SUBJECT,
        "no number is left for another storage node: 65536 are registered",
    )
}

pub(crate) fn internal(message: impl fmt::Display) -> Error {
    Error::new(ErrorKind::Internal, SUBJECT, message)
}

/// Whether the commit is for the document that the name is held for.
pub(crate) fn commit_is_for(reservation: &Reservation, commit: &Commit) -> Result<()> {
    if commit.record.id == reservation.document && commit.record.name == reservation.name {
        return Ok(());
    }
    let message = format!("the record is of {} ({:?})", commit.record.id, commit.record.name);
    Err(Error::new(ErrorKind::Invalid, &reservation.name, message))
}

/// Whether the document committed under this identifier is the one that the commit is for.
pub(crate) fn committed_as(name: &DocumentName, commit: &Commit) -> Result<()> {
    if *name == commit.record.name {
        return Ok(());
    }
    let message = format!("identifier {} is that of document {name:?}", commit.record.id);
    Err(Error::new(ErrorKind::Invalid, &commit.record.name, message))
}

/// Whether a damaged copy's block and name are of one block.
pub(crate) fn damage_is_sound(damage: &Damage) -> Result<()> {
    if damage.id.segment == damage.block.codeword.segment && damage.id.parity == damage.block.parity {
        return Ok(());
    }
    let message = format!("block {} is not named {}", damage.block, damage.id);
    Err(Error::new(ErrorKind::Invalid, SUBJECT, message))
}
