//! The blocks of the documents that are wanted, read ahead and handed out segment by segment.

use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use futures_util::stream::{FuturesOrdered, StreamExt};
use types::{DocumentId, Error, ErrorKind, Result};

use super::inventory::{Inventory, Listed};
use super::scan::{Scanned, Scanner};
use crate::abort::AbortOnDrop;

/// Reads blocks in the order of their names.
pub(super) struct Feed<'a> {
    scanner: &'a Arc<Scanner>,
    inventory: Inventory<'a>,
    wanted: &'a (dyn Fn(&DocumentId) -> bool + Send + Sync),
    reading: FuturesOrdered<BoxFuture<'static, Result<Scanned>>>,
    concurrency: usize,
    next: Option<Scanned>,
    ended: bool,
    /// How many bytes were read.
    pub(super) bytes: u64,
}

impl<'a> Feed<'a> {
    /// The blocks of the documents that `wanted` says, `concurrency` of them read at once.
    pub(super) fn new(
        scanner: &'a Arc<Scanner>,
        concurrency: usize,
        wanted: &'a (dyn Fn(&DocumentId) -> bool + Send + Sync),
    ) -> Self {
        Self {
            scanner,
            inventory: Inventory::new(&scanner.nodes),
            wanted,
            reading: FuturesOrdered::new(),
            concurrency: concurrency.max(1),
            next: None,
            ended: false,
            bytes: 0,
        }
    }

    /// The document whose block is next.
    pub(super) async fn document(&mut self) -> Result<Option<DocumentId>> {
        Ok(self.peek().await?.map(|scanned| scanned.id.document))
    }

    /// The blocks of `document`'s next segment, and its number.
    pub(super) async fn segment(&mut self, document: DocumentId) -> Result<Option<(u32, Vec<Scanned>)>> {
        let mut blocks: Vec<Scanned> = Vec::new();
        while let Some(next) = self.peek().await? {
            let here = blocks.last().is_none_or(|block| block.id.segment == next.id.segment);
            if next.id.document != document || !here {
                break;
            }
            blocks.extend(self.next.take());
        }
        Ok(blocks.first().map(|block| block.id.segment).map(|segment| (segment, blocks)))
    }

    async fn peek(&mut self) -> Result<Option<&Scanned>> {
        if self.next.is_none() {
            self.read_ahead().await?;
            self.next = self.reading.next().await.transpose()?;
            self.bytes += self.next.as_ref().map_or(0, |scanned| scanned.bytes);
        }
        Ok(self.next.as_ref())
    }

    async fn read_ahead(&mut self) -> Result<()> {
        while !self.ended && self.reading.len() < self.concurrency {
            match self.inventory.next().await? {
                Some(listed) if (self.wanted)(&listed.id.document) => {
                    self.reading.push_back(read(Arc::clone(self.scanner), listed));
                }
                Some(_) => {}
                None => self.ended = true,
            }
        }
        Ok(())
    }
}

/// Reads a block in a task of its own: one that waits for its turn to hash must get on while nobody looks at the feed,
/// else it would keep the turn from those who are looked at.
fn read(scanner: Arc<Scanner>, listed: Listed) -> BoxFuture<'static, Result<Scanned>> {
    let id = listed.id;
    let mut task = AbortOnDrop(tokio::spawn(async move { scanner.read(listed).await }));
    let broken = move |error| Error::new(ErrorKind::Internal, id, "reading broke off").with_source(error);
    async move { (&mut task.0).await.map_err(|error: tokio::task::JoinError| broken(Box::new(error))) }
        .boxed()
}
