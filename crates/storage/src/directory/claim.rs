//! Making a folder a node's own, and clearing up after the dead.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::Path;
use std::time::{Duration, SystemTime};

use types::{Error, ErrorKind, Result};

use super::folder::{Folder, make_folder, sync_folder};
use crate::{NodeIdentity, marker};

/// A temporary file that was not written to for this long is nobody's: other processes may be writing theirs,
/// but none takes an hour over a block.
const TEMPORARY_AGE_MAX: Duration = Duration::from_secs(60 * 60);

impl Folder {
    /// Writes the marker where there is none, and returns the one that stands.
    pub(super) fn claim(&self, identity: &NodeIdentity) -> Result<NodeIdentity> {
        if let Some(standing) = self.read_marker()? {
            return Ok(standing);
        }
        let failed = |error| self.failed(format_args!("claiming folder {}", self.directory.display()), error);
        make_folders_durably(&self.directory).map_err(failed)?;
        if let Some(stranger) = self.find_stranger().map_err(failed)? {
            // Another claimant may have won meanwhile, and written blocks: then they are no stranger's.
            return self.read_marker()?.ok_or_else(|| {
                let message = format_args!(
                    "folder {} has no marker but is not empty (it holds {})",
                    self.directory.display(),
                    stranger.display()
                );
                Error::new(ErrorKind::Denied, &self.node, message)
            });
        }
        make_folder(&self.temporary).and_then(|()| make_folder(&self.blocks)).map_err(failed)?;
        let temporary = self.temporary_path();
        let linked = self.link_marker(&temporary, &marker::encode(identity)?);
        let _ = fs::remove_file(&temporary);
        linked.map_err(failed)?;
        self.sweep();
        self.read_marker()?.ok_or_else(|| {
            let message =
                format_args!("folder {} lost its marker at once", self.directory.display()).to_string();
            Error::new(ErrorKind::Unavailable, &self.node, message)
        })
    }

    /// Puts the marker in place whole, unless one is there. A hard link does not replace, as a rename would: so
    /// of several claimants, in any number of processes, one wins.
    fn link_marker(&self, temporary: &Path, bytes: &[u8]) -> io::Result<()> {
        let mut file = File::create_new(temporary)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        // `blocks` and `tmp` are durable before the marker, which promises them.
        sync_folder(&self.directory)?;
        match fs::hard_link(temporary, &self.marker) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            _ => {}
        }
        // The loser too: it answers with a marker that must still stand after a crash.
        sync_folder(&self.directory)
    }

    /// Something in the folder that a new node's folder does not hold.
    fn find_stranger(&self) -> io::Result<Option<std::ffi::OsString>> {
        for entry in fs::read_dir(&self.directory)? {
            let name = entry?.file_name();
            let expected = match name.to_str() {
                // What a claimant leaves that died, or is at work now. Every new ext4 volume has a lost+found.
                Some("tmp" | "lost+found") => true,
                Some("blocks") => fs::read_dir(&self.blocks)?.next().is_none(),
                _ => false,
            };
            if !expected {
                return Ok(Some(name));
            }
        }
        Ok(None)
    }

    /// Removes temporary files of processes that died. Best effort: they cost space and nothing else.
    pub(super) fn sweep(&self) {
        let now = SystemTime::now();
        let Ok(entries) = fs::read_dir(&self.temporary) else { return };
        for entry in entries.flatten() {
            let modified = entry.metadata().and_then(|metadata| metadata.modified());
            // A time to come counts as young.
            let age =
                modified.ok().and_then(|modified| now.duration_since(modified).ok()).unwrap_or_default();
            if age > TEMPORARY_AGE_MAX {
                let removed = fs::remove_file(entry.path());
                tracing::info!(
                    node = %self.node, file = ?entry.path(), removed = removed.is_ok(), "swept a leftover file"
                );
            }
        }
    }
}

/// Makes a folder and those above it, durably.
fn make_folders_durably(directory: &Path) -> io::Result<()> {
    let to_make = |path: &&Path| !path.as_os_str().is_empty() && !path.exists();
    let made: Vec<&Path> = directory.ancestors().take_while(to_make).collect();
    fs::create_dir_all(directory)?;
    made.iter().filter_map(|path| path.parent()).try_for_each(|parent| {
        let here = parent.as_os_str().is_empty();
        sync_folder(if here { Path::new(".") } else { parent })
    })
}
