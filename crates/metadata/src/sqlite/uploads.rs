//! Reservations, intents and staged segments: everything of an upload before its commit.

use std::time::Duration;

use rusqlite::{Connection, OptionalExtension, Row};
use types::{DocumentId, DocumentName, Error, ErrorKind, OwnerId, Result, SegmentRecord, Timestamp};

use super::error::During;
use super::keys::limit_of;
use super::read;
use crate::record::{PAGE_SEGMENTS, encode_page};
use crate::{ArchiveInfo, Intent, Reservation, Reserve, Reserved, check, partition_of, refusal};

const HOLDER: &str = "SELECT intents.id, owner, expires, staged FROM reservations
    JOIN intents ON intents.id = reservations.id WHERE reservations.name = ?1";
const BEGUN: &str = "SELECT 1 FROM intents WHERE id = ?1 UNION ALL SELECT 1 FROM ids WHERE id = ?1";
const INTEND: &str = "INSERT INTO intents (id, name, owner, started, expires, staged)
    VALUES (?1, ?2, ?3, ?4, ?5, 0)";
const RESERVE: &str = "INSERT OR REPLACE INTO reservations (name, id) VALUES (?1, ?2)";
const RENEW: &str = "UPDATE intents SET expires = ?2 WHERE id = ?1";
const COUNT_STAGED: &str = "UPDATE intents SET staged = ?2 WHERE id = ?1";
const PUT_PAGE: &str = "INSERT OR REPLACE INTO pages (id, page, segments) VALUES (?1, ?2, ?3)";
const DROP_PAGES: &str = "DELETE FROM pages WHERE id = ?1";
const RELEASE: &str = "DELETE FROM reservations WHERE name = ?1 AND id = ?2";
const FORGET: &str = "DELETE FROM intents WHERE id = ?1";
const EXPIRED: &str = "SELECT id, name, owner, started, expires FROM intents WHERE expires < ?1
    ORDER BY expires, id LIMIT ?2";

/// What a test asks SQLite to explain.
#[cfg(test)]
pub(super) const STATEMENTS: &[&str] =
    &[HOLDER, BEGUN, INTEND, RESERVE, RENEW, COUNT_STAGED, PUT_PAGE, DROP_PAGES, RELEASE, FORGET, EXPIRED];

/// Who holds a name, and how many segments are staged.
struct Holder {
    reservation: Reservation,
    staged: u32,
}

fn run(connection: &Connection, sql: &str, parameters: impl rusqlite::Params, action: &str) -> Result<usize> {
    connection.prepare_cached(sql).and_then(|mut statement| statement.execute(parameters)).during(action)
}

fn holder(connection: &Connection, archive: &ArchiveInfo, name: &DocumentName) -> Result<Option<Holder>> {
    let mut statement = connection.prepare_cached(HOLDER).during("reading a reservation")?;
    let holder = statement.query_row([name.as_str()], |row| {
        let reservation = Reservation {
            name: name.clone(),
            partition: partition_of(name, archive.partitions),
            document: DocumentId::from_bytes(row.get(0)?),
            owner: OwnerId::from_bytes(row.get(1)?),
            expires: Timestamp::from_millis(row.get(2)?),
        };
        Ok(Holder { reservation, staged: row.get(3)? })
    });
    holder.optional().during("reading a reservation")
}

/// How many segments are staged of an upload that holds the name at `now`; `Conflict` if it does not.
pub(super) fn staged(
    connection: &Connection,
    archive: &ArchiveInfo,
    reservation: &Reservation,
    now: Timestamp,
) -> Result<u32> {
    match holder(connection, archive, &reservation.name)? {
        Some(Holder { reservation: held, staged })
            if held.document == reservation.document && held.expires > now =>
        {
            Ok(staged)
        }
        Some(_) | None => Err(refusal::lost(reservation)),
    }
}

pub(super) fn reserve(
    connection: &Connection,
    archive: &ArchiveInfo,
    request: &Reserve,
    now: Timestamp,
) -> Result<Reserved> {
    if let Some(document) = read::document(connection, &request.name)? {
        return Ok(Reserved::Exists(Box::new(document)));
    }
    match holder(connection, archive, &request.name)?.map(|holder| holder.reservation) {
        Some(held) if held.document == request.document => {
            renew(connection, archive, &held, request.ttl, now).map(Reserved::Granted)
        }
        Some(held) if held.expires > now && Some(held.document) != request.instead_of => {
            Ok(Reserved::Held(held))
        }
        Some(_) | None => grant(connection, archive, request, now).map(Reserved::Granted),
    }
}

fn grant(
    connection: &Connection,
    archive: &ArchiveInfo,
    request: &Reserve,
    now: Timestamp,
) -> Result<Reservation> {
    let id = request.document.as_bytes();
    let mut begun = connection.prepare_cached(BEGUN).during("looking for an upload")?;
    if begun.exists([id]).during("looking for an upload")? {
        return Err(refusal::spent(&request.name, request.document));
    }
    let reservation = Reservation {
        name: request.name.clone(),
        partition: partition_of(&request.name, archive.partitions),
        document: request.document,
        owner: request.owner,
        expires: now.after(request.ttl),
    };
    let name = request.name.as_str();
    let (started, expires) = (now.as_millis(), reservation.expires.as_millis());
    run(connection, INTEND, (id, name, request.owner.as_bytes(), started, expires), "recording an intent")?;
    run(connection, RESERVE, (name, id), "reserving a name")?;
    Ok(reservation)
}

pub(super) fn renew(
    connection: &Connection,
    archive: &ArchiveInfo,
    reservation: &Reservation,
    ttl: Duration,
    now: Timestamp,
) -> Result<Reservation> {
    staged(connection, archive, reservation, now)?;
    let expires = now.after(ttl);
    run(connection, RENEW, (reservation.document.as_bytes(), expires.as_millis()), "renewing a reservation")?;
    let held = holder(connection, archive, &reservation.name)?;
    held.map(|holder| holder.reservation).ok_or_else(|| refusal::lost(reservation))
}

pub(super) fn stage(
    connection: &Connection,
    archive: &ArchiveInfo,
    reservation: &Reservation,
    first: u32,
    segments: &[SegmentRecord],
    now: Timestamp,
) -> Result<()> {
    let staged = staged(connection, archive, reservation, now)?;
    if staged != first {
        return Err(refusal::staged_elsewhere(reservation, first, staged));
    }
    let count = u32::try_from(segments.len()).ok().and_then(|count| first.checked_add(count));
    let count = count.ok_or_else(|| refusal::too_many_segments(&reservation.name))?;
    for segment in segments {
        check::segment_limits(segment).map_err(|broken| broken.invalid(&reservation.name))?;
    }
    append(connection, &reservation.document, first, segments)?;
    run(connection, COUNT_STAGED, (reservation.document.as_bytes(), count), "counting staged segments")?;
    Ok(())
}

/// Adds segments to the `staged` that an upload's pages hold.
pub(super) fn append(
    connection: &Connection,
    id: &DocumentId,
    staged: u32,
    mut segments: &[SegmentRecord],
) -> Result<()> {
    let mut number = staged / PAGE_SEGMENTS;
    let held = (staged % PAGE_SEGMENTS) as usize;
    let mut page = if held > 0 { read::page(connection, id, number)? } else { Vec::new() };
    if page.len() != held {
        let message = format_args!("page {number} of upload {id} has {} segments, not {held}", page.len());
        return Err(Error::new(ErrorKind::Corrupt, refusal::SUBJECT, message));
    }
    while !segments.is_empty() {
        let room = (PAGE_SEGMENTS as usize - page.len()).min(segments.len());
        let (now, later) = segments.split_at(room);
        page.extend_from_slice(now);
        put_page(connection, id, number, &page)?;
        (segments, number) = (later, number + 1);
        page.clear();
    }
    Ok(())
}

pub(super) fn put_page(
    connection: &Connection,
    id: &DocumentId,
    number: u32,
    segments: &[SegmentRecord],
) -> Result<()> {
    let bytes = encode_page(segments)?;
    run(connection, PUT_PAGE, (id.as_bytes(), number, bytes), "writing segments")?;
    Ok(())
}

pub(super) fn drop_pages(connection: &Connection, id: &DocumentId) -> Result<()> {
    run(connection, DROP_PAGES, [id.as_bytes()], "dropping staged segments")?;
    Ok(())
}

/// Ends an upload's reservation and intent.
pub(super) fn end(connection: &Connection, name: &DocumentName, id: &DocumentId) -> Result<()> {
    run(connection, RELEASE, (name.as_str(), id.as_bytes()), "ending a reservation")?;
    run(connection, FORGET, [id.as_bytes()], "ending an intent")?;
    Ok(())
}

pub(super) fn abandon(connection: &Connection, reservation: &Reservation, leftovers: bool) -> Result<()> {
    let id = &reservation.document;
    if read::document_by_id(connection, id)?.is_some() {
        return Ok(());
    }
    drop_pages(connection, id)?;
    if !leftovers {
        return end(connection, &reservation.name, id);
    }
    run(connection, RELEASE, (reservation.name.as_str(), id.as_bytes()), "ending a reservation")?;
    run(connection, COUNT_STAGED, (id.as_bytes(), 0), "counting staged segments")?;
    Ok(())
}

pub(super) fn intents(connection: &Connection, before: Timestamp, limit: usize) -> Result<Vec<Intent>> {
    let mut statement = connection.prepare_cached(EXPIRED).during("reading intents")?;
    let mut rows = statement.query((before.as_millis(), limit_of(limit))).during("reading intents")?;
    let mut intents = Vec::new();
    while let Some(row) = rows.next().during("reading intents")? {
        intents.push(intent_from(row)?);
    }
    Ok(intents)
}

fn intent_from(row: &Row<'_>) -> Result<Intent> {
    let name: String = row.get(1).during("reading an intent")?;
    let name = DocumentName::new(&name).map_err(|error| {
        check::Broken::new(format!("an intent's name: {error}")).corrupt(refusal::SUBJECT)
    })?;
    let rest = || {
        Ok::<_, rusqlite::Error>(Intent {
            document: DocumentId::from_bytes(row.get(0)?),
            name,
            owner: OwnerId::from_bytes(row.get(2)?),
            started: Timestamp::from_millis(row.get(3)?),
            expires: Timestamp::from_millis(row.get(4)?),
        })
    };
    rest().during("reading an intent")
}
