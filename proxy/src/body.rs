//! Bodies of responses.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use actix_web::body::{BodySize, BoxBody, MessageBody};
use archive::{Archive, Error};
use bytes::Bytes;
use futures_util::Stream;
use metadata::Document;

use crate::connections::InUse;
use crate::metrics::Measured;
use crate::multipart::Piece;
use crate::upload::Upload;

/// The most that is handed to the connection at a time. It is copied into the connection's buffer, which is kept
/// and stays in the processor's cache as long as it is no larger than this; see `server::WRITE_BUFFER_BYTES`.
pub(crate) const CHUNK_BYTES: usize = 64 * 1024;

/// Verified bytes of a document.
pub(crate) type Reading = Box<dyn Stream<Item = Result<Bytes, Error>> + Unpin>;

/// Pieces of a document, and text in between.
pub(crate) struct DocumentBody {
    archive: Archive,
    document: Document,
    length: u64,
    pieces: VecDeque<Piece>,
    /// The piece being read.
    reading: Option<Reading>,
    /// What has been read and not been sent.
    rest: Bytes,
}

impl DocumentBody {
    pub(crate) fn new(archive: &Archive, document: &Document, pieces: Vec<Piece>) -> Self {
        Self {
            archive: archive.clone(),
            document: document.clone(),
            length: pieces.iter().map(Piece::length).sum(),
            pieces: pieces.into(),
            reading: None,
            rest: Bytes::new(),
        }
    }

    /// Reads as far as the document's first bytes, so that an error can still be told by a status.
    pub(crate) async fn begin(&mut self) -> Result<(), Error> {
        let is_document = |piece: &Piece| matches!(piece, Piece::Document(_));
        let Some(first) = self.pieces.iter().find(|piece| is_document(piece)).cloned() else { return Ok(()) };
        let Piece::Document(range) = first else { return Ok(()) };
        let mut reading: Reading = Box::new(self.archive.read(&self.document, range));
        let bytes = futures_util::StreamExt::next(&mut reading).await.transpose()?.unwrap_or_default();
        match self.pieces.pop_front() {
            // The text goes first; what has been read waits its turn.
            Some(Piece::Text(text)) => {
                self.pieces.pop_front();
                self.rest = text;
                self.reading = Some(Box::new(Chained { first: Some(bytes), then: reading }));
            }
            Some(Piece::Document(_)) | None => {
                self.rest = bytes;
                self.reading = Some(reading);
            }
        }
        Ok(())
    }
}

impl MessageBody for DocumentBody {
    type Error = Error;

    fn size(&self) -> BodySize {
        BodySize::Sized(self.length)
    }

    /// An error ends the connection, so that the client knows: fewer bytes came than were announced.
    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Error>>> {
        let this = self.get_mut();
        loop {
            if !this.rest.is_empty() {
                let chunk = this.rest.split_to(this.rest.len().min(CHUNK_BYTES));
                return Poll::Ready(Some(Ok(chunk)));
            }
            if let Some(reading) = &mut this.reading {
                match Pin::new(reading).poll_next(cx) {
                    Poll::Pending => return Poll::Pending,
                    Poll::Ready(Some(Ok(bytes))) => this.rest = bytes,
                    Poll::Ready(Some(Err(error))) => return Poll::Ready(Some(Err(error))),
                    Poll::Ready(None) => this.reading = None,
                }
                continue;
            }
            match this.pieces.pop_front() {
                Some(Piece::Text(text)) => this.rest = text,
                Some(Piece::Document(range)) => {
                    this.reading = Some(Box::new(this.archive.read(&this.document, range)));
                }
                None => return Poll::Ready(None),
            }
        }
    }
}

/// A stream whose first piece has been taken off.
struct Chained {
    first: Option<Bytes>,
    then: Reading,
}

impl Stream for Chained {
    type Item = Result<Bytes, Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        match self.first.take() {
            Some(first) => Poll::Ready(Some(Ok(first))),
            None => Pin::new(&mut self.then).poll_next(cx),
        }
    }
}

/// The body of an answer to HEAD: as long as it says, and never sent.
pub(crate) struct Unsent(pub(crate) BodySize);

impl MessageBody for Unsent {
    type Error = Infallible;

    fn size(&self) -> BodySize {
        self.0
    }

    fn poll_next(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Bytes, Infallible>>> {
        Poll::Ready(None)
    }
}

/// A body with what has to last as long as it does: the measurements, and what is left of the request.
pub(crate) struct Attended {
    pub(crate) body: BoxBody,
    pub(crate) measured: Measured,
    pub(crate) _upload: Upload,
    pub(crate) _in_use: Option<InUse>,
}

impl MessageBody for Attended {
    type Error = Box<dyn std::error::Error>;

    fn size(&self) -> BodySize {
        self.body.size()
    }

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Self::Error>>> {
        let this = self.get_mut();
        let polled = this.body.as_pin_mut().poll_next(cx);
        match &polled {
            Poll::Ready(Some(Ok(bytes))) => this.measured.sent(bytes.len()),
            Poll::Ready(Some(Err(error))) => this.measured.cut(&**error),
            Poll::Ready(None) | Poll::Pending => {}
        }
        polled
    }
}
