//! A store in one SQLite database, shared by several processes of one machine: the embedded default.
//!
//! Write-ahead logging with an fsync at every commit: what was answered is on the disk. All changes of a process go
//! through one thread, which commits many of them at once; reads go through a pool of connections beside it.
//! Architecture invariant: nobody else's tables, and no statement whose cost grows with the archive.

mod commit;
mod damage;
mod error;
mod keys;
mod read;
mod readers;
mod schema;
mod uploads;
mod writer;

#[cfg(test)]
mod tests;

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use async_trait::async_trait;
use rusqlite::Connection;
use types::{
    BlockRef, CodewordRef, DocumentId, DocumentName, DocumentRef, Error, ErrorKind, Incarnation, LengthClass,
    NodeIndex, NodeName, Partition, Result, SegmentRecord, Sequence, Timestamp,
};

use crate::check::Copies;
use crate::refusal::SUBJECT;
use crate::{
    ArchiveInfo, Codeword, Commit, CreateArchive, Damage, Document, Intent, ListEntry, MetadataStore,
    NodeRecord, Ordinal, Reservation, Reserve, Reserved,
};
use readers::Readers;
use writer::Writer;

/// What may be tuned; the default is right for a proxy on one machine.
#[derive(Debug, Clone, Copy)]
pub struct SqliteOptions {
    /// How long a change waits for other processes' changes before it fails with `Timeout`.
    pub wait: Duration,
    /// How many reads run at once.
    pub readers: usize,
    /// Memory for the writer's pages, in KiB; a reader has a quarter of it.
    pub cache_kib: u32,
}

impl Default for SqliteOptions {
    fn default() -> Self {
        // Four readers of 4 MiB and a writer of 16: the operating system's cache holds the rest.
        Self { wait: Duration::from_secs(10), readers: 4, cache_kib: 16 * 1024 }
    }
}

/// A metadata store in one SQLite database.
///
/// Dropping it carries out the changes that were asked for, then closes the database.
pub struct SqliteMetadata {
    path: PathBuf,
    archive: ArchiveInfo,
    writer: Writer,
    readers: Readers,
}

impl SqliteMetadata {
    /// Opens the database at `path`, in a folder that is there; makes the archive if the file is new or empty. Of
    /// several processes that make it at once one wins, and all use what it made.
    ///
    /// `Denied`, naming the file, if it is another program's, no database, or a newer Selvage's.
    pub async fn open(path: &Path, create: CreateArchive) -> Result<Self> {
        Self::open_with(path, create, SqliteOptions::default()).await
    }

    /// Like [`Self::open`], tuned.
    pub async fn open_with(path: &Path, create: CreateArchive, options: SqliteOptions) -> Result<Self> {
        let path = path.to_owned();
        let opening = tokio::task::spawn_blocking(move || Self::open_blocking(path, create, options));
        let broken = |error| Error::new(ErrorKind::Internal, SUBJECT, "opening broke off").with_source(error);
        opening.await.map_err(|error: tokio::task::JoinError| broken(Box::new(error)))?
    }

    fn open_blocking(path: PathBuf, create: CreateArchive, options: SqliteOptions) -> Result<Self> {
        let SqliteOptions { wait, readers, cache_kib } = options;
        let (connection, archive) = schema::connect_writer(&path, &create, wait, cache_kib)?;
        let readers = Readers::new(path.clone(), readers, wait, cache_kib / 4);
        let writer = Writer::start(connection, wait)?;
        Ok(Self { path, archive, writer, readers })
    }

    /// Reserves and commits documents in one transaction, by the code that uploads go through: fills an archive with
    /// synthetic documents in a fraction of the time.
    #[cfg(feature = "testing")]
    pub async fn put_together(&self, commits: Vec<Commit>, now: Timestamp) -> Result<Vec<DocumentRef>> {
        use crate::synthetic::{granted, request};
        let put = move |connection: &Connection, archive: &ArchiveInfo, commit: &Commit| {
            let reserved = uploads::reserve(connection, archive, &request(commit), now)?;
            let reservation = granted(reserved, commit)?;
            Ok(commit::commit(connection, archive, &reservation, commit, now, Copies::Written)?.reference)
        };
        self.change(move |connection, archive| {
            commits.iter().map(|commit| put(connection, archive, commit)).collect()
        })
        .await
    }

    /// Runs a change of the archive in a transaction.
    async fn change<T, F>(&self, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&Connection, &ArchiveInfo) -> Result<T> + Send + 'static,
    {
        let archive = self.archive;
        self.writer.change(move |connection| work(connection, &archive)).await
    }
}

impl fmt::Debug for SqliteMetadata {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("SqliteMetadata");
        debug.field("path", &self.path).field("archive", &self.archive).finish_non_exhaustive()
    }
}

#[async_trait]
impl MetadataStore for SqliteMetadata {
    fn archive(&self) -> ArchiveInfo {
        self.archive
    }

    async fn register_node(&self, name: &NodeName, incarnation: Incarnation) -> Result<NodeRecord> {
        let name = name.clone();
        self.change(move |connection, _| damage::register_node(connection, &name, incarnation)).await
    }

    async fn replace_node(
        &self,
        name: &NodeName,
        expected: Incarnation,
        incarnation: Incarnation,
    ) -> Result<NodeRecord> {
        let name = name.clone();
        self.change(move |connection, _| damage::replace_node(connection, &name, expected, incarnation)).await
    }

    async fn nodes(&self) -> Result<Vec<NodeRecord>> {
        self.readers.read(damage::nodes).await
    }

    async fn reserve(&self, request: &Reserve, now: Timestamp) -> Result<Reserved> {
        let request = request.clone();
        self.change(move |connection, archive| uploads::reserve(connection, archive, &request, now)).await
    }

    async fn renew(&self, reservation: &Reservation, ttl: Duration, now: Timestamp) -> Result<Reservation> {
        let reservation = reservation.clone();
        self.change(move |connection, archive| uploads::renew(connection, archive, &reservation, ttl, now))
            .await
    }

    async fn stage(
        &self,
        reservation: &Reservation,
        first: u32,
        segments: &[SegmentRecord],
        now: Timestamp,
    ) -> Result<()> {
        let (reservation, segments) = (reservation.clone(), segments.to_vec());
        self.change(move |connection, archive| {
            uploads::stage(connection, archive, &reservation, first, &segments, now)
        })
        .await
    }

    async fn commit(&self, reservation: &Reservation, commit: &Commit, now: Timestamp) -> Result<Document> {
        let (reservation, commit) = (reservation.clone(), commit.clone());
        self.change(move |connection, archive| {
            commit::commit(connection, archive, &reservation, &commit, now, Copies::Written)
        })
        .await
    }

    async fn restore(&self, reservation: &Reservation, commit: &Commit, now: Timestamp) -> Result<Document> {
        let (reservation, commit) = (reservation.clone(), commit.clone());
        self.change(move |connection, archive| {
            commit::commit(connection, archive, &reservation, &commit, now, Copies::AnyLeft)
        })
        .await
    }

    async fn abandon(&self, reservation: &Reservation, leftovers: bool) -> Result<()> {
        let reservation = reservation.clone();
        self.change(move |connection, _| uploads::abandon(connection, &reservation, leftovers)).await
    }

    async fn intents(&self, before: Timestamp, limit: usize) -> Result<Vec<Intent>> {
        self.readers.read(move |connection| uploads::intents(connection, before, limit)).await
    }

    async fn document(&self, name: &DocumentName) -> Result<Option<Document>> {
        let name = name.clone();
        self.readers.read(move |connection| read::document(connection, &name)).await
    }

    async fn document_by_id(&self, id: &DocumentId) -> Result<Option<Document>> {
        let id = *id;
        self.readers.read(move |connection| read::document_by_id(connection, &id)).await
    }

    async fn scan(&self, partition: Partition, from: Sequence, limit: usize) -> Result<Vec<Document>> {
        self.readers.read(move |connection| read::scan(connection, partition, from, limit)).await
    }

    async fn scan_ids(&self, after: Option<&DocumentId>, limit: usize) -> Result<Vec<Document>> {
        let after = after.copied();
        self.readers.read(move |connection| read::scan_ids(connection, after.as_ref(), limit)).await
    }

    async fn list(&self, prefix: &str, after: Option<&str>, limit: usize) -> Result<Vec<ListEntry>> {
        let (prefix, after) = (prefix.to_owned(), after.map(str::to_owned));
        self.readers.read(move |connection| read::list(connection, &prefix, after.as_deref(), limit)).await
    }

    async fn segments(&self, document: DocumentRef, first: u32, count: u32) -> Result<Vec<SegmentRecord>> {
        self.readers.read(move |connection| read::segments(connection, document, first, count)).await
    }

    async fn class_counts(&self, class: LengthClass) -> Result<Vec<u64>> {
        let partitions = 0..self.archive.partitions;
        self.readers
            .read(move |connection| {
                partitions.map(|partition| read::class_count(connection, class, partition)).collect()
            })
            .await
    }

    async fn codewords_at(&self, class: LengthClass, places: &[Ordinal]) -> Result<Vec<Option<Codeword>>> {
        let places = places.to_vec();
        self.readers
            .read(move |connection| {
                places.iter().map(|place| read::codeword_at(connection, class, *place)).collect()
            })
            .await
    }

    async fn codewords(&self, references: &[CodewordRef]) -> Result<Vec<Option<Codeword>>> {
        let references = references.to_vec();
        self.readers
            .read(move |connection| {
                references.iter().map(|reference| read::codeword(connection, *reference)).collect()
            })
            .await
    }

    async fn pointing_at(
        &self,
        block: BlockRef,
        after: Option<CodewordRef>,
        limit: usize,
    ) -> Result<Vec<CodewordRef>> {
        self.readers.read(move |connection| read::pointing_at(connection, block, after, limit)).await
    }

    async fn record_damage(&self, damage: &[Damage]) -> Result<()> {
        let damage = damage.to_vec();
        self.change(move |connection, _| damage::record(connection, &damage)).await
    }

    async fn damage(&self, after: Option<&Damage>, limit: usize) -> Result<Vec<Damage>> {
        let after = after.cloned();
        self.readers.read(move |connection| damage::read(connection, after.as_ref(), limit)).await
    }

    async fn clear_damage(&self, damage: &[Damage]) -> Result<()> {
        let damage = damage.to_vec();
        self.change(move |connection, _| damage::clear(connection, &damage)).await
    }

    async fn relocate(&self, block: BlockRef, expected: &[NodeIndex], nodes: &[NodeIndex]) -> Result<()> {
        let (expected, nodes) = (expected.to_vec(), nodes.to_vec());
        self.change(move |connection, _| commit::relocate(connection, block, &expected, &nodes)).await
    }

    async fn state(&self, key: &str) -> Result<Option<Vec<u8>>> {
        let key = key.to_owned();
        self.readers.read(move |connection| damage::value(connection, &key)).await
    }

    async fn set_state(&self, key: &str, expected: Option<&[u8]>, value: Option<&[u8]>) -> Result<()> {
        let (key, expected) = (key.to_owned(), expected.map(<[u8]>::to_vec));
        let value = value.map(<[u8]>::to_vec);
        self.change(move |connection, _| {
            damage::set_value(connection, &key, expected.as_deref(), value.as_deref())
        })
        .await
    }
}
