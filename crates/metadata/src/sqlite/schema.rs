//! Opening a database: whose it is, which version, and making a new one. docs/FORMAT.md draws the tables.

use std::path::Path;
use std::time::{Duration, Instant};

use rusqlite::{Connection, OpenFlags};
use types::{ArchiveId, Error, ErrorKind, Result, Timestamp};

use super::error::{During, is_busy};
use crate::{ArchiveInfo, CreateArchive};

/// `PRAGMA application_id`: "SELV".
pub(super) const APPLICATION_ID: i32 = 0x5345_4c56;

/// `PRAGMA user_version`: the version of the tables.
pub(super) const SCHEMA_VERSION: i32 = 1;

/// How long a process waits before it asks again for a lock that another process has.
pub(super) const POLL: Duration = Duration::from_millis(1);

/// Prepared statements kept by a connection: more than there are kinds.
const STATEMENTS: usize = 64;

const SCHEMA: &str = "
CREATE TABLE archive (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    id BLOB NOT NULL, partitions INTEGER NOT NULL, created INTEGER NOT NULL
) STRICT;
CREATE TABLE nodes (
    number INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, incarnation BLOB NOT NULL
) STRICT;
CREATE TABLE documents (key INTEGER PRIMARY KEY, record BLOB NOT NULL) STRICT;
CREATE TABLE names (name TEXT PRIMARY KEY, key INTEGER NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE ids (id BLOB PRIMARY KEY, key INTEGER NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE pages (
    id BLOB NOT NULL, page INTEGER NOT NULL, segments BLOB NOT NULL,
    PRIMARY KEY (id, page)
) STRICT;
CREATE TABLE classes (
    class INTEGER NOT NULL, partition INTEGER NOT NULL, start INTEGER NOT NULL,
    key INTEGER NOT NULL, segment INTEGER NOT NULL, count INTEGER NOT NULL,
    PRIMARY KEY (class, partition, start)
) STRICT, WITHOUT ROWID;
CREATE TABLE pointed (
    key INTEGER NOT NULL, segment INTEGER NOT NULL, parity INTEGER NOT NULL,
    by_key INTEGER NOT NULL, by_segment INTEGER NOT NULL,
    PRIMARY KEY (key, segment, parity, by_key, by_segment)
) STRICT, WITHOUT ROWID;
CREATE TABLE reservations (name TEXT PRIMARY KEY, id BLOB NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE intents (
    id BLOB PRIMARY KEY, name TEXT NOT NULL, owner BLOB NOT NULL,
    started INTEGER NOT NULL, expires INTEGER NOT NULL, staged INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX intents_by_expiry ON intents (expires);
CREATE TABLE damage (
    key INTEGER NOT NULL, segment INTEGER NOT NULL, parity INTEGER NOT NULL,
    node INTEGER NOT NULL, kind INTEGER NOT NULL, id BLOB NOT NULL, seen INTEGER NOT NULL,
    PRIMARY KEY (key, segment, parity, node, kind)
) STRICT, WITHOUT ROWID;
";

/// Also made in a database that has everything else: the kept archives of version 1 are older than this table.
const STATE: &str = "CREATE TABLE IF NOT EXISTS state (key TEXT PRIMARY KEY, value BLOB NOT NULL) STRICT";

/// A connection with nothing read or written yet.
fn connect(path: &Path, flags: OpenFlags, wait: Duration, cache_kib: u32) -> Result<Connection> {
    // A connection belongs to one thread at a time, so it needs no lock of its own.
    let flags = flags | OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection =
        Connection::open_with_flags(path, flags).during(format_args!("opening {}", path.display()))?;
    connection.busy_timeout(wait).during("setting the time to wait")?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    let pragmas = format!(
        "PRAGMA synchronous = FULL; PRAGMA foreign_keys = OFF; PRAGMA trusted_schema = OFF; \
         PRAGMA temp_store = MEMORY; PRAGMA cache_size = -{cache_kib};"
    );
    connection.execute_batch(&pragmas).map_err(|error| not_ours(error, path))?;
    Ok(connection)
}

/// A connection that only reads a database that is known to be ours.
pub(super) fn connect_reader(path: &Path, wait: Duration, cache_kib: u32) -> Result<Connection> {
    let connection = connect(path, OpenFlags::empty(), wait, cache_kib)?;
    connection.execute_batch("PRAGMA query_only = ON").during("setting up a reader")?;
    Ok(connection)
}

/// The writer's connection, the database made if it is new; refuses what is not ours before changing a byte of it.
pub(super) fn connect_writer(
    path: &Path,
    create: &CreateArchive,
    wait: Duration,
    cache_kib: u32,
) -> Result<(Connection, ArchiveInfo)> {
    if create.partitions == 0 {
        return Err(Error::new(ErrorKind::Invalid, "metadata", "an archive has at least one partition"));
    }
    let connection = connect(path, OpenFlags::SQLITE_OPEN_CREATE, wait, cache_kib)?;
    // Looked at before anything is written: another program's database is not to be turned to WAL mode.
    // In one transaction: what another process is making must be seen whole or not at all.
    let look = connection.unchecked_transaction().during("looking at the database")?;
    admit(&look, path)?;
    drop(look);
    patiently(wait, || connection.query_row("PRAGMA journal_mode = WAL", [], |row| row.get::<_, String>(0)))
        .during("turning on write-ahead logging")
        .and_then(|mode| wal_or_refuse(&mode, path))?;
    patiently(wait, || connection.execute_batch("BEGIN IMMEDIATE"))
        .during("waiting to create the archive")?;
    // Another process may have made it in the meantime: then there is nothing left to make.
    if admit(&connection, path)? == Found::Nothing {
        make(&connection, create).during("creating the archive")?;
    }
    connection.execute_batch(STATE).during("creating the archive")?;
    connection.execute_batch("COMMIT").during("creating the archive")?;
    let info = read_info(&connection)?;
    Ok((connection, info))
}

#[derive(Debug, PartialEq, Eq)]
enum Found {
    Nothing,
    Ours,
}

fn refuse(path: &Path, reason: impl std::fmt::Display) -> Error {
    Error::new(ErrorKind::Denied, path.display(), reason)
}

/// Whether the file is empty or ours; refuses any other by name.
fn admit(connection: &Connection, path: &Path) -> Result<Found> {
    let number = |pragma: &str| connection.query_row(pragma, [], |row| row.get::<_, i32>(0));
    let application = number("PRAGMA application_id").map_err(|error| not_ours(error, path))?;
    let version = number("PRAGMA user_version").map_err(|error| not_ours(error, path))?;
    let tables: i64 = connection
        .query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))
        .map_err(|error| not_ours(error, path))?;
    match (application, version, tables) {
        (0, 0, 0) => Ok(Found::Nothing),
        (APPLICATION_ID, SCHEMA_VERSION, 1..) => Ok(Found::Ours),
        (APPLICATION_ID, version, 1..) if version > SCHEMA_VERSION => Err(refuse(
            path,
            format_args!(
                "its tables have version {version}, made by a newer Selvage; {SCHEMA_VERSION} is known here"
            ),
        )),
        (APPLICATION_ID, version, _) => {
            Err(refuse(path, format_args!("a Selvage database of version {version} without our tables")))
        }
        (other, _, _) => Err(refuse(path, format_args!("a database of another program (id {other})"))),
    }
}

fn not_ours(error: rusqlite::Error, path: &Path) -> Error {
    if error.sqlite_error_code() == Some(rusqlite::ErrorCode::NotADatabase) {
        return refuse(path, "not a database").with_source(error);
    }
    match Err::<(), _>(error).during(format_args!("reading {}", path.display())) {
        Err(error) => error,
        Ok(()) => refuse(path, "not a database"),
    }
}

fn wal_or_refuse(mode: &str, path: &Path) -> Result<()> {
    if mode.eq_ignore_ascii_case("wal") {
        return Ok(());
    }
    let message = format_args!("{}: no write-ahead logging here, only {mode:?}", path.display());
    Err(Error::new(ErrorKind::Unavailable, "metadata", message))
}

fn make(connection: &Connection, create: &CreateArchive) -> rusqlite::Result<()> {
    connection.execute_batch(SCHEMA)?;
    connection.execute(
        "INSERT INTO archive (one, id, partitions, created) VALUES (1, ?1, ?2, ?3)",
        (create.id.as_bytes(), create.partitions, create.now.as_millis()),
    )?;
    // In the same transaction, because they are part of the database's first page.
    connection.pragma_update(None, "application_id", APPLICATION_ID)?;
    connection.pragma_update(None, "user_version", SCHEMA_VERSION)
}

fn read_info(connection: &Connection) -> Result<ArchiveInfo> {
    let info = connection.query_row("SELECT id, partitions, created FROM archive", [], |row| {
        Ok(ArchiveInfo {
            id: ArchiveId::from_bytes(row.get(0)?),
            partitions: row.get(1)?,
            created: Timestamp::from_millis(row.get(2)?),
        })
    });
    let info = info.during("reading the archive's identity")?;
    if info.partitions == 0 {
        return Err(Error::new(ErrorKind::Corrupt, "metadata", "the archive has no partition"));
    }
    Ok(info)
}

/// Does `attempt` again while another process has the lock, for `wait` at most.
///
/// SQLite's own waiting does not cover everything (turning to WAL mode, for one), and it sleeps ever longer, which
/// starves a process beside one that commits all the time.
pub(super) fn patiently<T>(
    wait: Duration,
    mut attempt: impl FnMut() -> rusqlite::Result<T>,
) -> rusqlite::Result<T> {
    let started = Instant::now();
    loop {
        match attempt() {
            Err(error) if is_busy(&error) && started.elapsed() < wait => std::thread::sleep(POLL),
            outcome => return outcome,
        }
    }
}
