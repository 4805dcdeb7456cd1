//! Reading documents, segments and indexes. Every query is a look-up or a bounded range of an index.

use rusqlite::{Connection, OptionalExtension};
use types::{
    BlockRef, CodewordRef, DocumentId, DocumentName, DocumentRef, Error, LengthClass, Partition, Result,
    SegmentRecord, Sequence,
};

use super::error::During;
use super::keys::{block_columns, codeword_from, key_of, keys_of, limit_of, reference_of};
use crate::record::{self, PAGE_SEGMENTS, Stored, decode_document, decode_page};
use crate::refusal::SUBJECT;
use crate::{Codeword, Document, ListEntry, Ordinal, check};

const RECORD: &str = "SELECT record FROM documents WHERE key = ?1";
const BY_NAME: &str = "SELECT key FROM names WHERE name = ?1";
const BY_ID: &str = "SELECT key FROM ids WHERE id = ?1";
const SCAN: &str = "SELECT key, record FROM documents WHERE key BETWEEN ?1 AND ?2 ORDER BY key LIMIT ?3";
const AFTER_ID: &str = "SELECT key FROM ids WHERE id > ?1 ORDER BY id LIMIT ?2";
const PAGE: &str = "SELECT segments FROM pages WHERE id = ?1 AND page = ?2";
const LAST_RUN: &str = "SELECT start + count FROM classes WHERE class = ?1 AND partition = ?2
    ORDER BY start DESC LIMIT 1";
const RUN_AT: &str = "SELECT key, segment, ?3 - start, count FROM classes
    WHERE class = ?1 AND partition = ?2 AND start <= ?3 ORDER BY start DESC LIMIT 1";
const POINTING: &str = "SELECT by_key, by_segment FROM pointed
    WHERE key = ?1 AND segment = ?2 AND parity = ?3 AND (by_key, by_segment) > (?4, ?5)
    ORDER BY by_key, by_segment LIMIT ?6";
const LIST_FROM: &str = "SELECT key, name FROM names WHERE name >= ?1 ORDER BY name";
const LIST_AFTER: &str = "SELECT key, name FROM names WHERE name > ?1 ORDER BY name";

/// What a test asks SQLite to explain.
#[cfg(test)]
pub(super) const STATEMENTS: &[&str] =
    &[RECORD, BY_NAME, BY_ID, AFTER_ID, SCAN, PAGE, LAST_RUN, RUN_AT, POINTING, LIST_FROM, LIST_AFTER];

/// A damaged record is told with the document whose it is.
fn about(reference: DocumentRef) -> impl Fn(Error) -> Error {
    move |error| {
        Error::new(error.kind(), SUBJECT, format_args!("document {reference}: {}", error.message()))
            .with_source(error)
    }
}

/// The record of the document at `key`.
pub(super) fn stored(connection: &Connection, reference: DocumentRef) -> Result<Option<Stored>> {
    let Some(key) = key_of(reference) else { return Ok(None) };
    let mut statement = connection.prepare_cached(RECORD).during("reading a document")?;
    let mut rows = statement.query([key]).during("reading a document")?;
    let Some(row) = rows.next().during("reading a document")? else { return Ok(None) };
    let bytes = row.get_ref(0).during("reading a document")?;
    let bytes = bytes.as_blob().map_err(rusqlite::Error::from).during("reading a document")?;
    decode_document(bytes).map(Some).map_err(about(reference))
}

fn document_at(connection: &Connection, key: Option<i64>) -> Result<Option<Document>> {
    let Some(reference) = key.map(reference_of) else { return Ok(None) };
    match stored(connection, reference)? {
        Some(stored) => Ok(Some(Document { reference, record: stored.record })),
        None => Err(check::Broken::new(format!("document {reference} is in an index only")).corrupt(SUBJECT)),
    }
}

fn find(connection: &Connection, sql: &str, parameter: impl rusqlite::ToSql) -> Result<Option<i64>> {
    let mut statement = connection.prepare_cached(sql).during("looking up a document")?;
    statement.query_row([parameter], |row| row.get(0)).optional().during("looking up a document")
}

pub(super) fn document(connection: &Connection, name: &DocumentName) -> Result<Option<Document>> {
    document_at(connection, find(connection, BY_NAME, name.as_str())?)
}

pub(super) fn document_by_id(connection: &Connection, id: &DocumentId) -> Result<Option<Document>> {
    document_at(connection, find(connection, BY_ID, id.as_bytes())?)
}

pub(super) fn scan(
    connection: &Connection,
    partition: Partition,
    from: Sequence,
    limit: usize,
) -> Result<Vec<Document>> {
    let Some(first) = key_of(DocumentRef { partition, sequence: from }) else { return Ok(Vec::new()) };
    let mut statement = connection.prepare_cached(SCAN).during("scanning")?;
    let mut rows = statement.query((first, keys_of(partition).1, limit_of(limit))).during("scanning")?;
    let mut documents = Vec::new();
    while let Some(row) = rows.next().during("scanning")? {
        let reference = reference_of(row.get(0).during("scanning")?);
        let bytes: Vec<u8> = row.get(1).during("scanning")?;
        let record = decode_document(&bytes).map_err(about(reference))?.record;
        documents.push(Document { reference, record });
    }
    Ok(documents)
}

pub(super) fn scan_ids(
    connection: &Connection,
    after: Option<&DocumentId>,
    limit: usize,
) -> Result<Vec<Document>> {
    // The empty string of bytes sorts before every identifier.
    let after = after.map_or(&[][..], |after| after.as_bytes());
    let mut statement = connection.prepare_cached(AFTER_ID).during("scanning")?;
    let rows = statement.query_map((after, limit_of(limit)), |row| row.get(0)).during("scanning")?;
    let documents = rows.map(|key| document_at(connection, Some(key.during("scanning")?)));
    documents.filter_map(Result::transpose).collect()
}

/// Goes over the names in order from the first that can match, and stops at the first that does not: so no upper
/// bound has to be made, and the last character there is has no special place.
pub(super) fn list(
    connection: &Connection,
    prefix: &str,
    after: Option<&str>,
    limit: usize,
) -> Result<Vec<ListEntry>> {
    let (sql, from) = match after {
        Some(after) if after >= prefix => (LIST_AFTER, after),
        Some(_) | None => (LIST_FROM, prefix),
    };
    let mut statement = connection.prepare_cached(sql).during("listing")?;
    let mut rows = statement.query([from]).during("listing")?;
    let mut entries = Vec::new();
    while entries.len() < limit {
        let Some(row) = rows.next().during("listing")? else { break };
        let name = row.get_ref(1).and_then(|name| Ok(name.as_str()?)).during("listing")?;
        if !name.starts_with(prefix) {
            break;
        }
        let key = row.get(0).during("listing")?;
        entries.extend(document_at(connection, Some(key))?.map(|document| ListEntry::of(&document.record)));
    }
    Ok(entries)
}

/// The page `page` of a document; empty if there is none.
pub(super) fn page(connection: &Connection, id: &DocumentId, page: u32) -> Result<Vec<SegmentRecord>> {
    let mut statement = connection.prepare_cached(PAGE).during("reading segments")?;
    let bytes: Option<Vec<u8>> =
        statement.query_row((id.as_bytes(), page), |row| row.get(0)).optional().during("reading segments")?;
    let Some(bytes) = bytes else { return Ok(Vec::new()) };
    decode_page(&bytes).map_err(|error| {
        let message = format_args!("page {page} of document {id}: {}", error.message());
        Error::new(error.kind(), SUBJECT, message).with_source(error)
    })
}

pub(super) fn segments(
    connection: &Connection,
    reference: DocumentRef,
    first: u32,
    count: u32,
) -> Result<Vec<SegmentRecord>> {
    let Some(Stored { record, segments }) = stored(connection, reference)? else { return Ok(Vec::new()) };
    let end = first.saturating_add(count).min(record.layout.segments());
    if first >= end {
        return Ok(Vec::new());
    }
    if record::is_inline(&record.layout) {
        return Ok(segments.into_iter().skip(first as usize).take((end - first) as usize).collect());
    }
    let mut found = Vec::with_capacity((end - first) as usize);
    for number in first / PAGE_SEGMENTS..=(end - 1) / PAGE_SEGMENTS {
        let start = number * PAGE_SEGMENTS;
        let page = page(connection, &record.id, number)?;
        let numbered = (start..).zip(page).filter(|(segment, _)| (first..end).contains(segment));
        for (segment, found_segment) in numbered {
            check::segment_of(&record, segment, &found_segment)
                .map_err(|broken| about(reference)(broken.corrupt(SUBJECT)))?;
            found.push(found_segment);
        }
    }
    if found.len() != (end - first) as usize {
        let missing = check::Broken::new(format!("segments of document {reference} are missing"));
        return Err(missing.corrupt(SUBJECT));
    }
    Ok(found)
}

pub(super) fn codeword(connection: &Connection, reference: CodewordRef) -> Result<Option<Codeword>> {
    let Some(Stored { record, segments: inline }) = stored(connection, reference.document)? else {
        return Ok(None);
    };
    let segment = if record::is_inline(&record.layout) {
        inline.into_iter().nth(reference.segment as usize)
    } else {
        segments(connection, reference.document, reference.segment, 1)?.pop()
    };
    Ok(segment.map(|segment| Codeword { reference, document: record.id, name: record.name, segment }))
}

/// How many codewords of a class a partition has: the end of the last run.
pub(super) fn class_count(connection: &Connection, class: LengthClass, partition: u16) -> Result<u64> {
    let mut statement = connection.prepare_cached(LAST_RUN).during("counting codewords")?;
    let end: Option<i64> = statement
        .query_row((class.log2(), partition), |row| row.get(0))
        .optional()
        .during("counting codewords")?;
    Ok(end.unwrap_or(0).cast_unsigned())
}

pub(super) fn codeword_at(
    connection: &Connection,
    class: LengthClass,
    place: Ordinal,
) -> Result<Option<Codeword>> {
    let Ok(index) = i64::try_from(place.index) else { return Ok(None) };
    let mut statement = connection.prepare_cached(RUN_AT).during("reading the class index")?;
    let run = statement.query_row((class.log2(), place.partition.0, index), |row| {
        let (offset, count): (u32, u32) = (row.get(2)?, row.get(3)?);
        let first = codeword_from(row, 0)?;
        Ok((offset < count).then(|| CodewordRef { segment: first.segment.saturating_add(offset), ..first }))
    });
    match run.optional() {
        // Past the end of the last run the offset may be larger than any number of segments.
        Err(rusqlite::Error::IntegralValueOutOfRange(2, _)) => Ok(None),
        run => match run.during("reading the class index")?.flatten() {
            Some(reference) => codeword(connection, reference),
            None => Ok(None),
        },
    }
}

pub(super) fn pointing_at(
    connection: &Connection,
    block: BlockRef,
    after: Option<CodewordRef>,
    limit: usize,
) -> Result<Vec<CodewordRef>> {
    let Some((key, segment, parity)) = block_columns(block) else { return Ok(Vec::new()) };
    let (after_key, after_segment) = match after {
        // A sequence that cannot be is after all that can.
        Some(after) => (
            key_of(after.document).unwrap_or(keys_of(after.document.partition).1.saturating_add(1)),
            i64::from(after.segment),
        ),
        None => (-1, 0),
    };
    let mut statement = connection.prepare_cached(POINTING).during("reading the reverse index")?;
    let parameters = (key, segment, parity, after_key, after_segment, limit_of(limit));
    let rows =
        statement.query_map(parameters, |row| codeword_from(row, 0)).during("reading the reverse index")?;
    rows.collect::<rusqlite::Result<_>>().during("reading the reverse index")
}
