//! Commits and relocations: the changes of documents.

use rusqlite::{Connection, OptionalExtension};
use types::{
    BlockRef, CodewordRef, DocumentRecord, DocumentRef, NodeIndex, Partition, Pointer, Result, SegmentRecord,
    Timestamp,
};

use super::error::During;
use super::keys::{block_columns, keys_of, new_key, reference_of};
use super::{read, uploads};
use crate::check::Copies;
use crate::record::{self, PAGE_SEGMENTS, encode_document};
use crate::runs::runs;
use crate::{ArchiveInfo, Commit, Document, Reservation, check, partition_of, refusal};

const LAST_KEY: &str = "SELECT key FROM documents WHERE key BETWEEN ?1 AND ?2 ORDER BY key DESC LIMIT 1";
const PUT_DOCUMENT: &str = "INSERT INTO documents (key, record) VALUES (?1, ?2)";
const PUT_NAME: &str = "INSERT INTO names (name, key) VALUES (?1, ?2)";
const PUT_ID: &str = "INSERT INTO ids (id, key) VALUES (?1, ?2)";
const PUT_RUN: &str = "INSERT INTO classes (class, partition, start, key, segment, count)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
const PUT_POINTED: &str = "INSERT OR IGNORE INTO pointed (key, segment, parity, by_key, by_segment)
    VALUES (?1, ?2, ?3, ?4, ?5)";
const CHANGE_DOCUMENT: &str = "UPDATE documents SET record = ?2 WHERE key = ?1";

/// What a test asks SQLite to explain.
#[cfg(test)]
pub(super) const STATEMENTS: &[&str] =
    &[LAST_KEY, PUT_DOCUMENT, PUT_NAME, PUT_ID, PUT_RUN, PUT_POINTED, CHANGE_DOCUMENT];

pub(super) fn commit(
    connection: &Connection,
    archive: &ArchiveInfo,
    reservation: &Reservation,
    commit: &Commit,
    now: Timestamp,
    copies: Copies,
) -> Result<Document> {
    refusal::commit_is_for(reservation, commit)?;
    if let Some(document) = read::document_by_id(connection, &commit.record.id)? {
        return refusal::committed_as(&document.record.name, commit).map(|()| document);
    }
    let staged = uploads::staged(connection, archive, reservation, now)?;
    let record = &commit.record;
    check::record_limits(record).map_err(|broken| broken.invalid(&record.name))?;
    let count = u64::from(staged) + commit.segments.len() as u64;
    if count != u64::from(record.layout.segments()) {
        return Err(refusal::wrong_count(commit, count));
    }
    let reference = next_reference(connection, partition_of(&record.name, archive.partitions))?;
    let inline = if record::is_inline(&record.layout) {
        take_inline(connection, reference, commit, staged, copies)?
    } else {
        keep_pages(connection, reference, commit, staged, copies)?;
        Vec::new()
    };
    insert(connection, reference, record, &inline)?;
    uploads::end(connection, &record.name, &record.id)?;
    Ok(Document { reference, record: record.clone() })
}

/// One more than the last of the partition: a look-up, and no counter that could disagree.
fn next_reference(connection: &Connection, partition: Partition) -> Result<DocumentRef> {
    let mut statement = connection.prepare_cached(LAST_KEY).during("numbering a document")?;
    let last: Option<i64> = statement
        .query_row(keys_of(partition), |row| row.get(0))
        .optional()
        .during("numbering a document")?;
    let sequence = last.map_or(0, |key| reference_of(key).sequence + 1);
    Ok(DocumentRef { partition, sequence })
}

/// All segments of a short document; those that were staged move into its record.
fn take_inline(
    connection: &Connection,
    reference: DocumentRef,
    commit: &Commit,
    staged: u32,
    copies: Copies,
) -> Result<Vec<SegmentRecord>> {
    let mut segments = Vec::new();
    if staged > 0 {
        segments = read::page(connection, &commit.record.id, 0)?;
        uploads::drop_pages(connection, &commit.record.id)?;
    }
    segments.extend_from_slice(&commit.segments);
    for (number, segment) in (0..).zip(&segments) {
        admit(connection, reference, &commit.record, number, segment, copies)?;
    }
    Ok(segments)
}

/// Completes the pages of a long document and goes over them one by one: it may have a million segments.
fn keep_pages(
    connection: &Connection,
    reference: DocumentRef,
    commit: &Commit,
    staged: u32,
    copies: Copies,
) -> Result<()> {
    let record = &commit.record;
    for segment in &commit.segments {
        check::segment_limits(segment).map_err(|broken| broken.invalid(&record.name))?;
    }
    uploads::append(connection, &record.id, staged, &commit.segments)?;
    let mut number = 0;
    for page in 0..record.layout.segments().div_ceil(PAGE_SEGMENTS) {
        for segment in read::page(connection, &record.id, page)? {
            admit(connection, reference, record, number, &segment, copies)?;
            number += 1;
        }
    }
    if number == record.layout.segments() {
        return Ok(());
    }
    let missing =
        check::Broken::new(format!("{number} segments are staged instead of {}", record.layout.segments()));
    Err(missing.corrupt(&record.name))
}

/// Checks a segment and its pointers, and enters them in the reverse index.
fn admit(
    connection: &Connection,
    reference: DocumentRef,
    record: &DocumentRecord,
    number: u32,
    segment: &SegmentRecord,
    copies: Copies,
) -> Result<()> {
    check::committable(record, number, segment, copies).map_err(|broken| broken.invalid(&record.name))?;
    let by = CodewordRef { document: reference, segment: number };
    for pointer in &segment.pointers {
        if let Pointer::Block(block) = *pointer {
            let target = read::stored(connection, block.codeword.document)?;
            let target = target.ok_or_else(|| refusal::not_committed(&record.name, block))?;
            check::pointer_target(&target.record, block, segment.class)
                .map_err(|broken| broken.invalid(&record.name))?;
            enter_pointer(connection, block, by)?;
        }
    }
    Ok(())
}

fn enter_pointer(connection: &Connection, block: BlockRef, by: CodewordRef) -> Result<()> {
    let (key, segment, parity) = block_columns(block).ok_or_else(|| refusal::no_block(block))?;
    let parameters = (key, segment, parity, new_key(by.document)?, by.segment);
    put(connection, PUT_POINTED, parameters, "writing the reverse index")
}

fn put(connection: &Connection, sql: &str, parameters: impl rusqlite::Params, action: &str) -> Result<()> {
    let put = connection.prepare_cached(sql).and_then(|mut statement| statement.execute(parameters));
    put.during(action).map(|_| ())
}

fn insert(
    connection: &Connection,
    reference: DocumentRef,
    record: &DocumentRecord,
    inline: &[SegmentRecord],
) -> Result<()> {
    let key = new_key(reference)?;
    put(connection, PUT_DOCUMENT, (key, encode_document(record, inline)?), "writing a document")?;
    put(connection, PUT_NAME, (record.name.as_str(), key), "writing a name")?;
    put(connection, PUT_ID, (record.id.as_bytes(), key), "writing an identifier")?;
    let partition = reference.partition.0;
    for run in runs(&record.layout) {
        let start = read::class_count(connection, run.class, partition)?.cast_signed();
        let parameters = (run.class.log2(), partition, start, key, run.first, run.count);
        put(connection, PUT_RUN, parameters, "writing the class index")?;
    }
    Ok(())
}

pub(super) fn relocate(
    connection: &Connection,
    block: BlockRef,
    expected: &[NodeIndex],
    nodes: &[NodeIndex],
) -> Result<()> {
    check::copies(nodes).map_err(|broken| broken.invalid(block))?;
    let CodewordRef { document, segment } = block.codeword;
    let stored = read::stored(connection, document)?.ok_or_else(|| refusal::no_block(block))?;
    let inline = record::is_inline(&stored.record.layout);
    let record = stored.record;
    let (page, at) = (segment / PAGE_SEGMENTS, (segment % PAGE_SEGMENTS) as usize);
    let (mut segments, at) = if inline {
        (stored.segments, segment as usize)
    } else {
        (read::page(connection, &record.id, page)?, at)
    };
    let codeword = segments.get_mut(at).ok_or_else(|| refusal::no_block(block))?;
    let parity = codeword.parities.get_mut(usize::from(block.parity));
    let parity = parity.ok_or_else(|| refusal::no_block(block))?;
    if parity.nodes != expected {
        return Err(refusal::moved(block));
    }
    parity.nodes = nodes.to_vec();
    if !inline {
        return uploads::put_page(connection, &record.id, page, &segments);
    }
    let parameters = (new_key(document)?, encode_document(&record, &segments)?);
    put(connection, CHANGE_DOCUMENT, parameters, "moving a block")
}
