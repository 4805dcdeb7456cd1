//! PUT: a name is reserved, segments are coded and written as they arrive, and the record is committed last.
//!
//! `docs/ARCHITECTURE.md` walks through it. Until the commit nothing is visible; whatever ends an upload early
//! (an error, the client, a dropped future) frees the name and has the blocks deleted in the background.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use coder::CoderError;
use futures_util::stream::{FuturesOrdered, Stream, StreamExt};
use metadata::{Commit, Damage, DamageKind, Document, Reservation, Reserve, Reserved};
use rand::RngExt;
use storage::PooledBuffer;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use types::{
    BlockId, BlockRef, CodewordRef, DocumentId, DocumentName, DocumentRecord, ErrorKind, Hash, Layout,
    SegmentRecord, SegmentShape, UserMetadata,
};

use crate::abort::AbortOnDrop;
use crate::core::{Core, WRITERS};
use crate::error::Error;
use crate::segment::{End, Outcome, Task, padded};
use crate::segmenter::{Run, Segmenter};

/// Records of segments are handed to the metadata store in batches of this many, so that an upload holds few.
const STAGE_SEGMENTS: usize = 64;

/// A document to be put.
#[derive(Debug, Clone)]
pub struct PutRequest {
    /// Its name.
    pub name: DocumentName,
    /// How long the body says it is, if it says so.
    pub length: Option<u64>,
    /// Its media type.
    pub content_type: Option<String>,
    /// What the client wants to be told again.
    pub user_metadata: UserMetadata,
}

/// An upload under way.
struct Upload {
    core: Arc<Core>,
    request: PutRequest,
    reservation: Reservation,
    /// Set when the reservation could not be held.
    lapsed: Arc<AtomicBool>,
    _renewal: AbortOnDrop,
    /// Segments being written, in order.
    in_flight: FuturesOrdered<JoinHandle<Result<Outcome, Error>>>,
    /// The next segment's number, and where in the document it begins.
    next: u32,
    offset: u64,
    staged: u32,
    /// Records not staged yet.
    pending: Vec<SegmentRecord>,
    /// The hash of all segments so far, where there are several: being computed while the next one arrives.
    hashing: Option<JoinHandle<Result<blake3::Hasher, CoderError>>>,
    uncertain: bool,
    /// Parities with fewer copies than there should be.
    short: Vec<(u32, u8)>,
    /// Whether the upload has been given into other hands, so that dropping it cleans up nothing.
    handed_over: bool,
}

impl Core {
    /// Puts a document; see `Archive::put`.
    pub(crate) async fn put<S>(self: &Arc<Self>, request: PutRequest, body: S) -> Result<Document, Error>
    where
        S: Stream<Item = std::io::Result<Bytes>> + Unpin,
    {
        code::header::check_attributes(request.content_type.as_deref(), &request.user_metadata)
            .map_err(|error| Error::Attributes(error.to_string()))?;
        let limit = self.settings.document_bytes_max;
        match request.length {
            Some(0) => return Err(Error::Empty),
            Some(length) if length > limit => return Err(Error::TooLarge { limit }),
            Some(_) | None => {}
        }
        let reservation = self.reserve_surely(&request.name).await?;
        let mut upload = Upload::new(Arc::clone(self), request, reservation);
        match upload.run(body).await {
            Ok(record) => upload.commit(record).await,
            Err(error) => {
                // Whoever is told of the failure may try again at once. Dropping the upload does the rest.
                upload.free_name().await;
                Err(error)
            }
        }
    }

    /// Reserves a name in a task of its own, so that a reservation whose caller went away meanwhile is given back.
    async fn reserve_surely(self: &Arc<Self>, name: &DocumentName) -> Result<Reservation, Error> {
        let (tell, told) = oneshot::channel();
        let (core, name) = (Arc::clone(self), name.clone());
        self.runtime.spawn(async move {
            if let Err(Ok(unwanted)) = tell.send(core.reserve(&name).await)
                && let Err(error) = core.metadata.abandon(&unwanted, false).await
            {
                tracing::warn!(%name, %error, "name not freed; it is held until it lapses");
            }
        });
        told.await.map_err(|_| Error::Internal("the reservation's task ended".to_owned()))?
    }

    /// Reserves a name, taking it over from a process that is known to be dead.
    async fn reserve(&self, name: &DocumentName) -> Result<Reservation, Error> {
        let now = self.clock.now();
        let mut request = Reserve {
            name: name.clone(),
            document: DocumentId::new(now, self.rng().random()),
            owner: self.owner,
            ttl: self.settings.reservation_ttl,
            instead_of: None,
        };
        let holder = match self.metadata.reserve(&request, now).await? {
            Reserved::Granted(reservation) => return Ok(reservation),
            Reserved::Exists(document) => return Err(Error::Taken(document)),
            Reserved::Held(holder) => holder,
        };
        let members = self.coordinator.members(WRITERS).await?;
        if members.iter().any(|member| member.id == holder.owner) {
            return Err(Error::Busy(name.clone()));
        }
        request.instead_of = Some(holder.document);
        match self.metadata.reserve(&request, self.clock.now()).await? {
            Reserved::Granted(reservation) => Ok(reservation),
            Reserved::Exists(document) => Err(Error::Taken(document)),
            Reserved::Held(_) => Err(Error::Busy(name.clone())),
        }
    }

    /// Ends an upload that will not commit: frees the name first, then deletes the blocks, then forgets the intent
    /// if none can be left.
    ///
    /// Returns the document if it did commit after all: then nothing is deleted.
    async fn end_upload(&self, reservation: Reservation, uncertain: bool) -> Option<Document> {
        let ended = match self.metadata.abandon(&reservation, true).await {
            // A commit that was still on its way may have come first. From now on it would be refused, so a look now
            // is the last word.
            Ok(()) => self.metadata.document_by_id(&reservation.document).await,
            Err(error) => Err(error),
        };
        match ended {
            Ok(None) => {}
            Ok(Some(document)) => return Some(document),
            Err(error) => {
                // It may still commit: nothing of it may be deleted. Its intent tells scrub.
                tracing::warn!(name = %reservation.name, %error, "upload not ended; its name is held until it lapses");
                return None;
            }
        }
        if self.delete_upload(reservation.document).await
            && !uncertain
            && let Err(error) = self.metadata.abandon(&reservation, false).await
        {
            tracing::warn!(name = %reservation.name, %error, "intent of an ended upload not dropped");
        }
        None
    }
}

impl Upload {
    fn new(core: Arc<Core>, request: PutRequest, reservation: Reservation) -> Self {
        let lapsed = Arc::new(AtomicBool::new(false));
        let renewal = core.runtime.spawn(renew(Arc::clone(&core), reservation.clone(), Arc::clone(&lapsed)));
        Self {
            core,
            request,
            reservation,
            lapsed,
            _renewal: AbortOnDrop(renewal),
            in_flight: FuturesOrdered::new(),
            next: 0,
            offset: 0,
            staged: 0,
            pending: Vec::new(),
            hashing: None,
            uncertain: false,
            short: Vec::new(),
            handed_over: false,
        }
    }

    /// Reads the body to its end and writes all of it; returns the document's record.
    async fn run<S>(&mut self, body: S) -> Result<DocumentRecord, Error>
    where
        S: Stream<Item = std::io::Result<Bytes>> + Unpin,
    {
        let (parameters, sizes) = (self.core.settings.parameters, self.core.settings.sizes);
        let full = SegmentShape { class: sizes.max(), length: (parameters.s() * sizes.max().bytes()) as u64 };
        let full_bytes = parameters.s() * sizes.max().bytes();
        let pool = self.core.coder.pool().clone();
        let limit = self.core.settings.document_bytes_max;
        let mut segmenter = Segmenter::new(body, pool, full_bytes, limit, self.request.length);
        loop {
            match segmenter.next().await? {
                Run::Full(buffer) => {
                    let source = buffer.freeze();
                    self.start(full, source.clone(), None).await?;
                    self.hash(source).await?;
                }
                Run::Rest(_, 0) => return Err(Error::Empty),
                Run::Rest(buffer, length) => return self.finish(buffer, length).await,
            }
        }
    }

    /// Cuts and writes the rest of the document, the last segment last of all.
    async fn finish(&mut self, buffer: PooledBuffer, length: usize) -> Result<DocumentRecord, Error> {
        let (parameters, sizes) = (self.core.settings.parameters, self.core.settings.sizes);
        let total = self.offset + length as u64;
        let layout =
            Layout::cut(total, parameters, sizes).map_err(|error| Error::Attributes(error.to_string()))?;
        let rest = buffer.freeze().slice(..length);
        let several = layout.segments() > 1;
        if several {
            self.hash(rest.clone()).await?;
        }
        let hash =
            if several { Some(Hash::from_bytes(*self.hashed().await?.finalize().as_bytes())) } else { None };
        let created = self.core.clock.now();
        let mut at = 0;
        for segment in self.next..layout.segments() {
            let Some(extent) = layout.extent(segment) else { break };
            let bytes = usize::try_from(extent.shape.length).unwrap_or(usize::MAX);
            let source = self.blocks(&rest.slice(at..at + bytes), extent.shape);
            at += bytes;
            let mut end = None;
            if segment + 1 == layout.segments() {
                while self.wait().await? {}
                end = Some(End {
                    layout: layout.clone(),
                    hash,
                    created,
                    content_type: self.request.content_type.clone(),
                    user_metadata: self.request.user_metadata.clone(),
                });
            }
            self.start(extent.shape, source, end).await?;
        }
        while self.wait().await? {}
        let hash = match (hash, self.pending.last()) {
            (Some(hash), _) => hash,
            (None, Some(only)) => only.hash,
            (None, None) => return Err(Error::Internal("a document without a segment".to_owned())),
        };
        Ok(DocumentRecord {
            id: self.reservation.document,
            name: self.request.name.clone(),
            parameters,
            layout,
            hash,
            created,
            content_type: self.request.content_type.clone(),
            user_metadata: self.request.user_metadata.clone(),
        })
    }

    /// A segment's bytes as `s` whole blocks: themselves if they fill them, else a padded copy.
    fn blocks(&self, bytes: &Bytes, shape: SegmentShape) -> Bytes {
        let whole = self.core.settings.parameters.s() * shape.class.bytes();
        if bytes.len() == whole {
            return bytes.clone();
        }
        let mut buffer = self.core.coder.pool().take(whole);
        if let Some(start) = buffer.get_mut(..bytes.len()) {
            start.copy_from_slice(bytes);
        }
        padded(buffer, bytes.len())
    }

    /// Adds a segment to the document's hash, which goes on while the next segment arrives.
    async fn hash(&mut self, bytes: Bytes) -> Result<(), Error> {
        let mut hasher = self.hashed().await?;
        let coder = self.core.coder.clone();
        let update = move || {
            hasher.update(&bytes);
            hasher
        };
        self.hashing = Some(self.core.runtime.spawn(async move { coder.run(update).await }));
        Ok(())
    }

    /// The hash of all segments so far.
    async fn hashed(&mut self) -> Result<blake3::Hasher, Error> {
        let Some(hashing) = self.hashing.take() else { return Ok(blake3::Hasher::new()) };
        Ok(hashing.await.map_err(|error| Error::Internal(format!("the hash's task ended: {error}")))??)
    }

    /// Begins to code and write the next segment, when there is memory for it and not too many are under way.
    async fn start(&mut self, shape: SegmentShape, source: Bytes, end: Option<End>) -> Result<(), Error> {
        while self.in_flight.len() >= self.core.settings.write_ahead.max(1) {
            self.wait().await?;
        }
        if self.lapsed.load(Ordering::Relaxed) {
            return Err(Error::Lapsed(self.request.name.clone()));
        }
        let parameters = self.core.settings.parameters;
        let blocks = parameters.k() + parameters.p();
        let task = Task {
            document: self.reservation.document,
            name: self.request.name.clone(),
            segment: self.next,
            shape,
            offset: self.offset,
            source,
            end,
        };
        self.next += 1;
        self.offset += shape.length;
        // The wait is here, not in the task: what waits for memory must not pile up in it.
        let memory = self.core.reserve_memory(blocks, shape.class).await?;
        let core = Arc::clone(&self.core);
        let work = async move {
            let _memory = memory;
            core.put_segment(task).await
        };
        self.in_flight.push_back(self.core.runtime.spawn(work));
        Ok(())
    }

    /// Waits for the oldest segment under way; `false` if there is none.
    async fn wait(&mut self) -> Result<bool, Error> {
        let Some(joined) = self.in_flight.next().await else { return Ok(false) };
        // A segment that failed may have left blocks with nodes that did not say so.
        self.uncertain |= !matches!(joined, Ok(Ok(_)));
        let outcome =
            joined.map_err(|error| Error::Internal(format!("a segment's task ended: {error}")))??;
        let segment = self.staged + u32::try_from(self.pending.len()).unwrap_or(u32::MAX);
        let copies = self.core.settings.replication_factor;
        for (parity, record) in (0..=u8::MAX).zip(&outcome.record.parities) {
            if record.nodes.len() < copies {
                self.short.push((segment, parity));
            }
        }
        self.uncertain |= outcome.uncertain;
        self.pending.push(outcome.record);
        if self.pending.len() >= STAGE_SEGMENTS {
            self.stage().await?;
        }
        Ok(true)
    }

    async fn stage(&mut self) -> Result<(), Error> {
        let now = self.core.clock.now();
        let staged = self.core.metadata.stage(&self.reservation, self.staged, &self.pending, now).await;
        staged.map_err(|error| self.refused(error))?;
        self.staged += u32::try_from(self.pending.len()).unwrap_or(u32::MAX);
        self.pending.clear();
        Ok(())
    }

    fn refused(&self, error: types::Error) -> Error {
        if error.kind() == ErrorKind::Conflict {
            Error::Lapsed(self.request.name.clone())
        } else {
            error.into()
        }
    }

    /// Commits, in a task of its own: once begun, a commit is seen through whatever becomes of the client.
    async fn commit(mut self, record: DocumentRecord) -> Result<Document, Error> {
        self.handed_over = true;
        let runtime = self.core.runtime.clone();
        let commit = runtime.spawn(async move {
            let segments = std::mem::take(&mut self.pending);
            let (core, commit) = (Arc::clone(&self.core), Commit { record, segments });
            match core.metadata.commit(&self.reservation, &commit, core.clock.now()).await {
                Ok(document) => Ok(self.committed(document)),
                Err(error) => self.settle(error).await,
            }
        });
        commit.await.map_err(|error| Error::Internal(format!("the commit's task ended: {error}")))?
    }

    fn committed(&self, document: Document) -> Document {
        for &(segment, parity) in &self.short {
            let codeword = CodewordRef { document: document.reference, segment };
            let seen = document.record.created;
            let id = BlockId::new(document.record.id, segment, parity);
            let block = BlockRef { codeword, parity };
            self.core.damage.record(Damage { block, id, node: None, kind: DamageKind::NeverWritten, seen });
        }
        document
    }

    async fn free_name(&self) {
        if let Err(error) = self.core.metadata.abandon(&self.reservation, true).await {
            tracing::warn!(name = %self.reservation.name, %error, "name not freed; it is held until it lapses");
        }
    }

    /// After a commit that did not succeed: reads back whether it did all the same.
    async fn settle(&self, error: types::Error) -> Result<Document, Error> {
        let core = &self.core;
        let refused = matches!(error.kind(), ErrorKind::Conflict | ErrorKind::Invalid);
        match core.metadata.document(&self.request.name).await {
            Ok(Some(document)) if document.record.id == self.reservation.document => {
                Ok(self.committed(document))
            }
            Ok(found) => {
                let uncertain = self.uncertain || !refused;
                if let Some(document) = core.end_upload(self.reservation.clone(), uncertain).await {
                    return Ok(self.committed(document));
                }
                match (refused, found) {
                    (true, Some(document)) => Err(Error::Taken(Box::new(document))),
                    (true, None) | (false, _) => Err(self.refused(error)),
                }
            }
            Err(_) => {
                // Nothing is known: nothing is deleted. The intent is left for scrub.
                tracing::error!(name = %self.request.name, %error, "outcome of a commit unknown");
                Err(error.into())
            }
        }
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        if self.handed_over {
            return;
        }
        let (core, reservation) = (Arc::clone(&self.core), self.reservation.clone());
        let (mut in_flight, mut uncertain) = (std::mem::take(&mut self.in_flight), self.uncertain);
        self.core.runtime.spawn(async move {
            // The name is free at once; the blocks can be deleted only when no more are being written. Where this
            // fails it is tried again below.
            let _ = core.metadata.abandon(&reservation, true).await;
            while let Some(joined) = in_flight.next().await {
                uncertain |= joined.map_or(true, |outcome| outcome.map_or(true, |outcome| outcome.uncertain));
            }
            core.end_upload(reservation, uncertain).await;
        });
    }
}

/// Holds a reservation until dropped; sets `lapsed` if it is lost.
async fn renew(core: Arc<Core>, mut reservation: Reservation, lapsed: Arc<AtomicBool>) {
    let ttl = core.settings.reservation_ttl;
    loop {
        tokio::time::sleep((ttl / 3).max(Duration::from_millis(10))).await;
        match core.metadata.renew(&reservation, ttl, core.clock.now()).await {
            Ok(renewed) => reservation = renewed,
            Err(error) if error.kind() == ErrorKind::Conflict => {
                lapsed.store(true, Ordering::Relaxed);
                return;
            }
            Err(error) => {
                tracing::warn!(name = %reservation.name, %error, "reservation not renewed; trying again");
            }
        }
    }
}
