//! Blocks as files: written aside, made durable, then renamed into place.

use std::fs::{self, File, Metadata};
use std::io::{self, IoSlice, Write as _};
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::sync::atomic::Ordering;
use std::time::SystemTime;

use bytes::Bytes;
use types::{BlockId, Error, ErrorKind, Result};

use super::folder::{Folder, make_folder, sub_folder, sync_folder};
use crate::{Block, BlockStat};

/// What Linux answers when bytes cannot be had from a medium: EIO, EBADMSG, EUCLEAN.
const BAD_MEDIUM: [i32; 3] = [5, 74, 117];

impl Folder {
    /// Keeps a block. No error leaves a temporary file behind, and none is covered up by trying again: after a
    /// failed `fsync` the system may have dropped the bytes and forgotten that it did, so that a second one
    /// on the same file would succeed.
    pub(super) fn put(&self, id: &BlockId, block: &Block) -> Result<()> {
        self.check_recent()?;
        let temporary = self.temporary_path();
        write_durably(&temporary, block).and_then(|()| self.publish(&temporary, id)).map_err(|error| {
            // Gone already if it was renamed; a later sweep finds what cannot be removed now.
            let _ = fs::remove_file(&temporary);
            self.explained(format_args!("writing block {id}"), error)
        })
    }

    /// Gives a durable file its name, durably.
    fn publish(&self, temporary: &Path, id: &BlockId) -> io::Result<()> {
        let path = self.block_path(id);
        let number = sub_folder(&id.document);
        let folder = self.sub_folder_path(number);
        let durable = self.durable.get(usize::from(number));
        match fs::rename(temporary, &path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                if let Some(durable) = durable {
                    durable.store(false, Ordering::Release);
                }
                // Fails without `blocks`: only a claim makes that.
                make_folder(&folder)?;
                fs::rename(temporary, &path)?;
            }
            outcome => outcome?,
        }
        // Whoever made the sub-folder may have died before it was durable: each process sees to it once. After the
        // rename, so that a journal takes both at once.
        if let Some(durable) = durable.filter(|durable| !durable.load(Ordering::Acquire)) {
            sync_folder(&self.blocks)?;
            durable.store(true, Ordering::Release);
        }
        sync_folder(&folder)
    }

    /// Reads a block. A file is never written in place, so the one that was opened is whole, whatever replaces it.
    pub(super) fn get(&self, id: &BlockId, bytes_max: usize) -> Result<Bytes> {
        self.check_attached()?;
        let failed = |error| self.missing_or_failed(id, error);
        let file = File::open(self.block_path(id)).map_err(failed)?;
        let metadata = file.metadata().map_err(failed)?;
        let length = usize::try_from(metadata.len()).unwrap_or(usize::MAX);
        if length > bytes_max || !metadata.is_file() {
            let what = if metadata.is_file() {
                format!("{length} bytes, over {bytes_max}")
            } else {
                "no file".into()
            };
            return Err(Error::new(ErrorKind::Corrupt, &self.node, format_args!("block {id}: {what}")));
        }
        let mut buffer = self.pool.take(length);
        file.read_exact_at(&mut buffer, 0).map_err(failed)?;
        Ok(buffer.freeze())
    }

    pub(super) fn stat(&self, id: &BlockId) -> Result<BlockStat> {
        self.check_attached()?;
        let metadata =
            fs::metadata(self.block_path(id)).map_err(|error| self.missing_or_failed(id, error))?;
        Ok(stat_of(*id, &metadata))
    }

    /// Removes a block. Not made durable: a block that comes back after a crash is one to delete again, and
    /// harms nobody.
    pub(super) fn delete(&self, id: &BlockId) -> Result<()> {
        self.check_recent()?;
        match fs::remove_file(self.block_path(id)) {
            Ok(()) => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => self.check_now(),
            Err(error) => Err(self.explained(format_args!("deleting block {id}"), error)),
        }
    }

    /// That a block is missing is said only of the right folder. So is that its medium is bad: if the rest of the node
    /// answers, a block that cannot be read is one to be made again, not a reason to do without the node.
    fn missing_or_failed(&self, id: &BlockId, error: io::Error) -> Error {
        if error.raw_os_error().is_some_and(|code| BAD_MEDIUM.contains(&code)) && self.check_now().is_ok() {
            return Error::new(
                ErrorKind::Corrupt,
                &self.node,
                format_args!("block {id} cannot be read: {error}"),
            )
            .with_source(error);
        }
        if error.kind() != io::ErrorKind::NotFound {
            return self.failed(format_args!("reading block {id}"), error);
        }
        match self.check_now() {
            Ok(()) => Error::new(ErrorKind::NotFound, &self.node, format_args!("block {id} is not here")),
            Err(refused) => refused,
        }
    }
}

pub(super) fn stat_of(id: BlockId, metadata: &Metadata) -> BlockStat {
    let modified = metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH);
    BlockStat { id, length: metadata.len(), modified: modified.into() }
}

/// Writes a block to a new file and makes its bytes durable.
///
/// `sync_data` is enough: it covers the bytes, and what is needed to read them back (length, extents). What it
/// leaves out is the time of the last change, which nothing rests on.
fn write_durably(path: &Path, block: &Block) -> io::Result<()> {
    let mut file = File::create_new(path)?;
    write_all(&mut file, block)?;
    file.sync_data()
}

/// Header and payload in one system call and no copy, where the system takes them whole.
fn write_all(file: &mut File, block: &Block) -> io::Result<()> {
    let slices = [IoSlice::new(&block.header), IoSlice::new(&block.payload)];
    let written = match file.write_vectored(&slices) {
        Err(error) if error.kind() == io::ErrorKind::Interrupted => 0,
        outcome => outcome?,
    };
    let in_payload = written.saturating_sub(block.header.len());
    file.write_all(block.header.get(written..).unwrap_or_default())?;
    file.write_all(block.payload.get(in_payload..).unwrap_or_default())
}
