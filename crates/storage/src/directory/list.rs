//! Inventories of a folder.
//!
//! Blocks sort by their document's first byte and are filed by its last, so the next page of an inventory may be
//! anywhere: a page looks at every name. It keeps the smallest that follow the page before, in memory bounded by
//! the page and [`READ_AHEAD_MAX`], and the pages after it are served from what it kept: an inventory of n blocks
//! looks at n / [`READ_AHEAD_MAX`] times n names, whatever the page's length.

use std::collections::{BinaryHeap, VecDeque};
use std::fs::{self, DirEntry};
use std::io;
use std::sync::PoisonError;
use std::time::{Duration, Instant};

use types::{BlockId, DocumentId, Result};

use super::files::stat_of;
use super::folder::{Folder, sub_folder};
use crate::BlockStat;

/// How many names a listing keeps for its next pages: 1.5 MiB of them.
const READ_AHEAD_MAX: usize = 65_536;

/// Names that were read ahead longer ago are read again.
const READ_AHEAD_AGE_MAX: Duration = Duration::from_secs(60);

/// What one look at all names found beyond the page that it was for.
pub(super) struct ReadAhead {
    /// The name that they follow; `None` is the beginning.
    after: Option<BlockId>,
    names: VecDeque<BlockId>,
    /// Whether no names follow these.
    complete: bool,
    read: Instant,
}

impl ReadAhead {
    /// Whether this answers the question for `wanted` names after `after`. A new inventory always looks anew.
    fn serves(&self, after: Option<BlockId>, wanted: usize) -> bool {
        after.is_some()
            && self.after == after
            && (self.complete || self.names.len() >= wanted)
            && self.read.elapsed() < READ_AHEAD_AGE_MAX
    }

    /// The next `wanted` names, and what is left.
    fn take(mut self, wanted: usize) -> (Vec<BlockId>, Option<Self>) {
        let page: Vec<BlockId> = self.names.drain(..wanted.min(self.names.len())).collect();
        self.after = page.last().copied().or(self.after);
        let left = (!self.names.is_empty()).then_some(self);
        (page, left)
    }
}

impl Folder {
    pub(super) fn list(&self, mut after: Option<BlockId>, limit: usize) -> Result<Vec<BlockStat>> {
        self.check_recent()?;
        let mut found = Vec::new();
        // Blocks that vanish between the look at the names and the look at the file must not make the answer
        // short: that would end the inventory.
        while found.len() < limit {
            let wanted = limit - found.len();
            let names =
                self.names_after(after, wanted).map_err(|error| self.explained("listing blocks", error))?;
            let ended = names.len() < wanted;
            after = names.last().copied().or(after);
            for id in names {
                match fs::metadata(self.block_path(&id)) {
                    Ok(metadata) => found.push(stat_of(id, &metadata)),
                    Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                    Err(error) => return Err(self.explained("listing blocks", error)),
                }
            }
            if ended {
                break;
            }
        }
        // Of a folder that is being deleted, what is left is not the inventory.
        self.check_now()?;
        Ok(found)
    }

    pub(super) fn list_document(&self, document: &DocumentId) -> Result<Vec<BlockStat>> {
        self.check_recent()?;
        let number = sub_folder(document);
        let mut found = Vec::new();
        let outcome = self.for_each_block(number, |id, entry| {
            if id.document == *document {
                match entry.metadata() {
                    Ok(metadata) => found.push(stat_of(id, &metadata)),
                    Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                    Err(error) => return Err(error),
                }
            }
            Ok(())
        });
        match outcome {
            Ok(()) => {}
            // No document was ever filed there; or the folder is gone, which the look below will tell.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(self.explained(format_args!("listing document {document}"), error)),
        }
        self.check_now()?;
        found.sort_unstable_by_key(|stat| stat.id);
        Ok(found)
    }

    /// The first `wanted` names after `after`, in order; fewer only if there are no more.
    fn names_after(&self, after: Option<BlockId>, wanted: usize) -> io::Result<Vec<BlockId>> {
        let kept = self.read_ahead.lock().unwrap_or_else(PoisonError::into_inner).take();
        let ahead = match kept.filter(|kept| kept.serves(after, wanted)) {
            Some(kept) => kept,
            None => self.read_names(after, wanted.max(READ_AHEAD_MAX))?,
        };
        let (page, rest) = ahead.take(wanted);
        *self.read_ahead.lock().unwrap_or_else(PoisonError::into_inner) = rest;
        Ok(page)
    }

    /// Looks at every name and keeps the `count_max` smallest after `after`.
    fn read_names(&self, after: Option<BlockId>, count_max: usize) -> io::Result<ReadAhead> {
        let read = Instant::now();
        let mut smallest = BinaryHeap::new();
        let mut complete = true;
        for entry in fs::read_dir(&self.blocks)? {
            let entry = entry?;
            let Some(number) = parse_sub_folder(&entry) else {
                self.warn_of(&entry);
                continue;
            };
            self.for_each_block(number, |id, _| {
                if after.is_none_or(|after| id > after) {
                    smallest.push(id);
                    if smallest.len() > count_max {
                        smallest.pop();
                        complete = false;
                    }
                }
                Ok(())
            })?;
        }
        let names = VecDeque::from(smallest.into_sorted_vec());
        Ok(ReadAhead { after, names, complete, read })
    }

    /// Calls `visit` for every block in a sub-folder, in no order. Strange files are skipped.
    fn for_each_block(
        &self,
        number: u8,
        mut visit: impl FnMut(BlockId, &DirEntry) -> io::Result<()>,
    ) -> io::Result<()> {
        for entry in fs::read_dir(self.sub_folder_path(number))? {
            let entry = entry?;
            let id = entry.file_name().to_str().and_then(|name| name.parse::<BlockId>().ok());
            // A block in another's sub-folder is never found by its name: as strange as any other file.
            match id.filter(|id| sub_folder(&id.document) == number) {
                Some(id) => visit(id, &entry)?,
                None => self.warn_of(&entry),
            }
        }
        Ok(())
    }

    fn warn_of(&self, entry: &DirEntry) {
        tracing::warn!(node = %self.node, file = ?entry.path(), "skipped a strange file among the blocks");
    }
}

fn parse_sub_folder(entry: &DirEntry) -> Option<u8> {
    let name = entry.file_name();
    let name = name.to_str()?;
    let number = u8::from_str_radix(name, 16).ok()?;
    (name == format!("{number:02x}")).then_some(number)
}
