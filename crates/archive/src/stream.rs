//! GET: a document's bytes, segment by segment, read ahead of the client by a bounded amount.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::stream::{self, Stream, StreamExt};
use metadata::Document;
use tokio::task::JoinHandle;
use types::SegmentRecord;

use crate::abort::AbortOnDrop;
use crate::core::Core;
use crate::error::Error;

/// Records of segments are read from the metadata store this many at a time.
const RECORDS_AT_ONCE: u32 = 32;

/// A download under way.
struct Download {
    core: Arc<Core>,
    document: Arc<Document>,
    range: Range<u64>,
    /// Segments not begun yet.
    segments: Range<u32>,
    /// Records of the next of them.
    records: VecDeque<SegmentRecord>,
    /// Segments under way, in order.
    in_flight: VecDeque<(u32, AbortOnDrop<Result<Bytes, Error>>)>,
    /// Segments that may be under way at once; grows from one, so that a client that wants only the beginning
    /// makes no more than that be read.
    ahead: usize,
}

impl Core {
    /// The bytes `range` of a document; what lies past the end is left out. The stream ends after an error.
    pub(crate) fn read(
        self: &Arc<Self>,
        document: &Document,
        range: Range<u64>,
    ) -> impl Stream<Item = Result<Bytes, Error>> + Send + Unpin + 'static {
        let download = Download {
            core: Arc::clone(self),
            segments: document.record.layout.segments_of(&range),
            document: Arc::new(document.clone()),
            range,
            records: VecDeque::new(),
            in_flight: VecDeque::new(),
            ahead: 1,
        };
        let next = |download: Option<Download>| async move {
            let mut download = download?;
            match download.next().await {
                Ok(Some(bytes)) => Some((Ok(bytes), Some(download))),
                Ok(None) => None,
                Err(error) => Some((Err(error), None)),
            }
        };
        stream::unfold(Some(download), next).boxed()
    }
}

impl Download {
    async fn next(&mut self) -> Result<Option<Bytes>, Error> {
        self.begin().await?;
        let Some((segment, mut task)) = self.in_flight.pop_front() else { return Ok(None) };
        let bytes = joined(&mut task.0).await?;
        self.ahead = (self.ahead + 1).min(self.core.settings.read_ahead.max(1));
        // The next segments are read while the client takes this one.
        self.begin().await?;
        Ok(Some(self.clip(segment, &bytes)))
    }

    /// Begins to read segments until enough are under way.
    async fn begin(&mut self) -> Result<(), Error> {
        while self.in_flight.len() < self.ahead
            && let Some(segment) = self.segments.next()
        {
            let record = self.record(segment).await?;
            let core = Arc::clone(&self.core);
            let task =
                self.core.runtime.spawn(core.read_segment(Arc::clone(&self.document), segment, record));
            self.in_flight.push_back((segment, AbortOnDrop(task)));
        }
        Ok(())
    }

    async fn record(&mut self, segment: u32) -> Result<SegmentRecord, Error> {
        if self.records.is_empty() {
            let count = (self.segments.end - segment).min(RECORDS_AT_ONCE);
            self.records = self.core.metadata.segments(self.document.reference, segment, count).await?.into();
        }
        self.records.pop_front().ok_or_else(|| Error::Internal(format!("segment {segment} has no record")))
    }

    /// What of a segment is in the range.
    fn clip(&self, segment: u32, bytes: &Bytes) -> Bytes {
        let offset = self.document.record.layout.extent(segment).map_or(0, |extent| extent.offset);
        let within = |position: u64| usize::try_from(position.saturating_sub(offset)).unwrap_or(usize::MAX);
        let start = within(self.range.start).min(bytes.len());
        bytes.slice(start..within(self.range.end).clamp(start, bytes.len()))
    }
}

async fn joined(task: &mut JoinHandle<Result<Bytes, Error>>) -> Result<Bytes, Error> {
    task.await.map_err(|error| Error::Internal(format!("a segment's task ended: {error}")))?
}
