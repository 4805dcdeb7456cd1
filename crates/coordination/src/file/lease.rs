//! Leases as locked files.

use std::fs;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use types::{Error, ErrorKind, Result};

use super::lock::Locked;
use super::{blocking, failed};
use crate::Lease;

/// A fence as text: as many digits as the largest has, so that each write replaces the one before.
const FENCE_DIGITS: usize = 20;

/// A lease that is held: a locked file.
#[derive(Debug)]
pub(super) struct FileLease {
    file: Arc<Locked>,
    path: PathBuf,
    fence: u64,
}

/// Takes the lease at `path`; `None` if it is held.
pub(super) fn acquire(path: PathBuf) -> Result<Option<FileLease>> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(|error| failed("making", folder, error))?;
    }
    let Some(file) = Locked::at(&path)? else {
        return Ok(None);
    };
    let fence = read_fence(&file, &path)?.saturating_add(1);
    // Durable before the lease is anyone's: whoever saw this fence outside may remember it longer than we do.
    file.write_all_at(format!("{fence:0FENCE_DIGITS$}\n").as_bytes(), 0)
        .and_then(|()| file.sync_data())
        .map_err(|error| failed("writing", &path, error))?;
    Ok(Some(FileLease { file: Arc::new(file), path, fence }))
}

/// The fence last given out; 0 in a new file, and in one whose first fence a crash undid (it reads as zeros).
fn read_fence(file: &Locked, path: &Path) -> Result<u64> {
    let mut bytes = [0; FENCE_DIGITS];
    let length = file.read_at(&mut bytes, 0).map_err(|error| failed("reading", path, error))?;
    if bytes == [0; FENCE_DIGITS] {
        return Ok(0);
    }
    let digits = bytes.get(..length).and_then(|bytes| std::str::from_utf8(bytes).ok());
    digits.filter(|digits| digits.len() == FENCE_DIGITS).and_then(|digits| digits.parse().ok()).ok_or_else(
        || {
            let message = format_args!("{} does not hold a fence; delete it if nothing runs", path.display());
            Error::new(ErrorKind::Corrupt, "coordination", message.to_string())
        },
    )
}

#[async_trait]
impl Lease for FileLease {
    fn fence(&self) -> u64 {
        self.fence
    }

    /// The lock is held while the process lives: it can be lost only with the file.
    async fn renew(&self) -> Result<()> {
        let (file, path) = (Arc::clone(&self.file), self.path.clone());
        blocking(move || {
            if file.is_at(&path) {
                return Ok(());
            }
            let message = format_args!("the lease was lost: {} was deleted", path.display()).to_string();
            Err(Error::new(ErrorKind::Conflict, "coordination", message))
        })
        .await
    }

    /// Letting go does not block.
    async fn release(self: Box<Self>) -> Result<()> {
        Ok(())
    }
}

impl Drop for FileLease {
    /// At once, even while a renewal still looks at the file.
    fn drop(&mut self) {
        let _ = self.file.unlock();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_fence_is_corrupt_and_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        for bytes in ["7", "xxxxxxxxxxxxxxxxxxxx", "-0000000000000000001"] {
            fs::write(&path, bytes).unwrap();
            let error = acquire(path.clone()).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Corrupt);
            assert!(error.to_string().contains(&path.display().to_string()), "{error}");
        }
    }

    #[test]
    fn a_crash_before_the_first_fence_was_durable_starts_anew() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        for bytes in [&[0_u8; 21][..], &[]] {
            fs::write(&path, bytes).unwrap();
            assert_eq!(acquire(path.clone()).unwrap().unwrap().fence, 1);
        }
        assert_eq!(fs::read_to_string(&path).unwrap(), "00000000000000000001\n");
    }

    #[tokio::test]
    async fn a_lease_whose_file_was_deleted_is_lost() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        let lease = acquire(path.clone()).unwrap().unwrap();
        lease.renew().await.unwrap();
        fs::remove_file(&path).unwrap();
        assert_eq!(lease.renew().await.unwrap_err().kind(), ErrorKind::Conflict);
        let _other = acquire(path).unwrap().unwrap();
        assert_eq!(lease.renew().await.unwrap_err().kind(), ErrorKind::Conflict);
    }
}
