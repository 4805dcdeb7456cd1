//! The body of a request, as the archive takes it: bounded in how long it may stand still, and counted.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use actix_web::error::PayloadError;
use actix_web::web::Payload;
use bytes::Bytes;
use futures_util::Stream;
use prometheus_client::metrics::counter::Counter;
use tokio::time::{Instant, Sleep, sleep};

/// A request's body.
///
/// Kept until the response has been sent: the server takes an unread body that is still held as the sign to close
/// the connection, and one that was dropped as leave to read it to its end, however far off that is.
pub(crate) struct Upload {
    payload: Payload,
    /// Longest time without a byte.
    idle_max: Duration,
    /// Runs while a piece is waited for.
    idle: Pin<Box<Sleep>>,
    waiting: bool,
    bytes_in: Counter,
}

impl Upload {
    pub(crate) fn new(payload: Payload, idle_max: Duration, bytes_in: Counter) -> Self {
        Self { payload, idle_max, idle: Box::pin(sleep(idle_max)), waiting: false, bytes_in }
    }

    /// Nothing has come: is it too long now?
    fn poll_idle(&mut self, cx: &mut Context<'_>) -> Poll<Option<io::Result<Bytes>>> {
        if !self.waiting {
            self.waiting = true;
            self.idle.as_mut().reset(Instant::now() + self.idle_max);
        }
        self.idle.as_mut().poll(cx).map(|()| {
            let text = format!("nothing came for {} ms", self.idle_max.as_millis());
            Some(Err(io::Error::new(io::ErrorKind::TimedOut, text)))
        })
    }
}

impl Stream for Upload {
    type Item = io::Result<Bytes>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        match Pin::new(&mut this.payload).poll_next(cx) {
            Poll::Pending => this.poll_idle(cx),
            Poll::Ready(piece) => {
                this.waiting = false;
                if let Some(Ok(bytes)) = &piece {
                    this.bytes_in.inc_by(bytes.len() as u64);
                }
                Poll::Ready(piece.map(|piece| piece.map_err(to_io)))
            }
        }
    }
}

fn to_io(error: PayloadError) -> io::Error {
    match error {
        PayloadError::Io(error) => error,
        PayloadError::Incomplete(_) => {
            io::Error::new(io::ErrorKind::UnexpectedEof, "the connection closed before its end")
        }
        other => io::Error::new(io::ErrorKind::InvalidData, other.to_string()),
    }
}
