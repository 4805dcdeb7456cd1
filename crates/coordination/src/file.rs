//! A coordinator of lock files: for the processes of one machine that share a folder.
//!
//! ```text
//! <folder>/leases/<name>         locked by the lease's holder; holds the fence last given out
//! <folder>/groups/<name>/<id>    locked by the member; holds its address
//! <folder>/groups/<name>/lock    locked for a moment by whoever adds a member or removes a dead one
//! ```
//!
//! The system lets go of a process's locks when the process ends, however it ends: so a dead holder is noticed
//! at once, and a living one never loses its lease, however long it is paused.
//!
//! Files of leases stay: they keep the fences. A folder that is deleted while processes run forgets who holds
//! what, which wastes work and harms nothing.

mod lease;
mod lock;
mod member;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use types::{Error, ErrorKind, OwnerId, Result};

use crate::{Coordinator, Lease, Member, Membership, name};

/// A coordinator of lock files in a folder on a local file system. Cloning shares it.
///
/// Two handles in one process stand for two processes.
#[derive(Debug, Clone)]
pub struct FileCoordinator {
    directory: Arc<Path>,
}

impl FileCoordinator {
    /// A coordinator of the processes that use `directory`, which is made when it is needed.
    #[must_use]
    pub fn new(directory: impl Into<PathBuf>) -> Self {
        Self { directory: directory.into().into() }
    }

    fn lease_path(&self, lease: &str) -> Result<PathBuf> {
        name::check("lease", lease)?;
        Ok(self.directory.join("leases").join(name::encode(lease)))
    }

    fn group_path(&self, group: &str) -> Result<PathBuf> {
        name::check("group", group)?;
        Ok(self.directory.join("groups").join(name::encode(group)))
    }
}

#[async_trait]
impl Coordinator for FileCoordinator {
    async fn acquire(&self, name: &str, _owner: OwnerId, _ttl: Duration) -> Result<Option<Box<dyn Lease>>> {
        let path = self.lease_path(name)?;
        let taken = blocking(move || lease::acquire(path)).await?;
        Ok(taken.map(|lease| Box::new(lease) as _))
    }

    async fn join(&self, group: &str, member: Member) -> Result<Box<dyn Membership>> {
        let folder = self.group_path(group)?;
        let joined = blocking(move || member::join(&folder, &member)).await?;
        Ok(Box::new(joined))
    }

    async fn members(&self, group: &str) -> Result<Vec<Member>> {
        let folder = self.group_path(group)?;
        blocking(move || member::members(&folder)).await
    }
}

/// Does `work` where it may block.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| {
        let kind = if error.is_panic() { ErrorKind::Internal } else { ErrorKind::Unavailable };
        Err(Error::new(kind, "coordination", "a blocking task did not end").with_source(error))
    })
}

/// An error of the system met with `path`.
fn failed(action: &str, path: &Path, error: std::io::Error) -> Error {
    // That a file is missing or there already says nothing of a lease or a member.
    let kind = match error.kind() {
        std::io::ErrorKind::NotFound | std::io::ErrorKind::AlreadyExists => ErrorKind::Unavailable,
        _ => return Error::from_io("coordination", format_args!("{action} {}", path.display()), error),
    };
    let message = format_args!("{action} {}: {error}", path.display()).to_string();
    Error::new(kind, "coordination", message).with_source(error)
}
