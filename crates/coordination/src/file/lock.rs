//! Locked files.

use std::fs::{self, File, TryLockError};
use std::io;
use std::ops::Deref;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::time::{Duration, Instant};

use types::{Error, ErrorKind, Result};

use super::failed;

/// How long to wait for a lock that is held for a few system calls only. A holder that takes longer is paused.
const MOMENT_MAX: Duration = Duration::from_secs(5);

/// How often such a lock is tried.
const POLL: Duration = Duration::from_millis(2);

/// A file that this process has locked.
#[derive(Debug)]
pub(super) struct Locked(File);

impl Locked {
    /// Locks `file`; `None` if somebody has.
    pub(super) fn try_new(file: File) -> io::Result<Option<Self>> {
        match file.try_lock() {
            Ok(()) => Ok(Some(Self(file))),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }

    /// Locks the file at `path`, made if need be, after a moment if somebody has it.
    pub(super) fn wait_for(path: &Path) -> Result<Self> {
        let opened = Instant::now();
        while opened.elapsed() < MOMENT_MAX {
            if let Some(locked) = Self::at(path)? {
                return Ok(locked);
            }
            std::thread::sleep(POLL);
        }
        let message =
            format_args!("{} stayed locked for {} s", path.display(), MOMENT_MAX.as_secs()).to_string();
        Err(Error::new(ErrorKind::Timeout, "coordination", message))
    }

    /// Locks the file at `path`, made if need be; `None` if somebody has.
    pub(super) fn at(path: &Path) -> Result<Option<Self>> {
        let open = || File::options().read(true).write(true).create(true).truncate(false).open(path);
        let Some(locked) = open().and_then(Self::try_new).map_err(|error| failed("locking", path, error))?
        else {
            return Ok(None);
        };
        // Whoever deleted it between the opening and the locking left us with the lock of a file without a name.
        Ok(locked.is_at(path).then_some(locked))
    }

    /// Whether the file is still the one at `path`.
    pub(super) fn is_at(&self, path: &Path) -> bool {
        let identity = |metadata: fs::Metadata| (metadata.dev(), metadata.ino());
        match (self.0.metadata(), fs::metadata(path)) {
            (Ok(ours), Ok(theirs)) => identity(ours) == identity(theirs),
            _ => false,
        }
    }
}

impl Deref for Locked {
    type Target = File;

    fn deref(&self) -> &File {
        &self.0
    }
}

impl Drop for Locked {
    /// Closing would do, but for a child that another thread is starting at this moment: it has the file open too,
    /// until it runs its program.
    fn drop(&mut self) {
        let _ = self.0.unlock();
    }
}

/// Whether a process holds the lock of `file`, not counting others who ask the same.
pub(super) fn is_locked(file: &File) -> io::Result<bool> {
    match file.try_lock_shared() {
        Ok(()) => file.unlock().map(|()| false),
        Err(TryLockError::WouldBlock) => Ok(true),
        Err(TryLockError::Error(error)) => Err(error),
    }
}
