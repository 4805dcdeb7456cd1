//! Members as locked files.
//!
//! A member's file gets its name when it is locked and complete, so whoever finds one unlocked knows that its
//! process is dead. It is removed, and a name is given, only under the group's lock: between the look at a dead
//! file and its removal, nobody can have put a living member's in its place.
//!
//! Only members lock their files for themselves; whoever looks takes a shared lock. So a look is never taken for
//! a member, nor for one that is in the way.

use std::fs::{self, DirEntry, File};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use types::{Error, ErrorKind, OwnerId, Result};

use super::failed;
use super::lock::{Locked, is_locked};
use crate::{Member, Membership};

/// The group's lock; no identifier of a member.
const LOCK_NAME: &str = "lock";

/// Ends the name of a member's file until it is locked and complete.
const NEW_SUFFIX: &str = ".new";

/// Longest member's file that is read.
const MEMBER_BYTES_MAX: u64 = 64 * 1024;

/// What a member's file holds, as JSON.
#[derive(Serialize, Deserialize)]
struct Content {
    address: String,
}

/// Membership: a locked file.
#[derive(Debug)]
pub(super) struct FileMembership {
    file: Locked,
    path: PathBuf,
}

/// Makes `member` one of the group in `folder`.
pub(super) fn join(folder: &Path, member: &Member) -> Result<FileMembership> {
    let io_failed = |error| failed("joining the group in", folder, error);
    let content = serde_json::to_vec(&Content { address: member.address.clone() }).map_err(|error| {
        Error::new(ErrorKind::Internal, "coordination", "writing JSON").with_source(error)
    })?;
    if content.len() as u64 > MEMBER_BYTES_MAX {
        let message = format_args!("an address of {} bytes is too long", member.address.len()).to_string();
        return Err(Error::new(ErrorKind::Invalid, "coordination", message));
    }
    fs::create_dir_all(folder).map_err(io_failed)?;
    let _group = Locked::wait_for(&folder.join(LOCK_NAME))?;
    let path = folder.join(member.id.to_string());
    if is_alive(&path).map_err(io_failed)? {
        let message = format_args!("member {} of {} is alive", member.id, folder.display()).to_string();
        return Err(Error::new(ErrorKind::AlreadyExists, "coordination", message));
    }
    let file = write_new(&path, &content).map_err(io_failed)?;
    Ok(FileMembership { file, path })
}

/// Writes and locks a file, then gives it its name. To be called under the group's lock.
fn write_new(path: &Path, content: &[u8]) -> io::Result<Locked> {
    let mut new = path.as_os_str().to_owned();
    new.push(NEW_SUFFIX);
    let file = File::options().write(true).create(true).truncate(true).open(&new)?;
    let locked = Locked::try_new(file)?.ok_or(io::ErrorKind::WouldBlock)?;
    (&*locked).write_all(content)?;
    fs::rename(&new, path)?;
    Ok(locked)
}

/// The living members of the group in `folder`.
pub(super) fn members(folder: &Path) -> Result<Vec<Member>> {
    let io_failed = |error| failed("listing the group in", folder, error);
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(io_failed)?,
    };
    let mut living = Vec::new();
    let mut any_dead = false;
    for entry in entries {
        let entry = entry.map_err(io_failed)?;
        let Some(id) = parse_id(&entry) else { continue };
        match read_living(&entry.path()).map_err(io_failed)? {
            Some(content) => living.push(Member { id, address: parse_address(&entry.path(), &content)? }),
            None => any_dead = true,
        }
    }
    if any_dead {
        bury(folder)?;
    }
    living.sort_unstable_by_key(|member| member.id);
    Ok(living)
}

/// What the file at `path` holds; `None` if its member is dead or gone.
fn read_living(path: &Path) -> io::Result<Option<Vec<u8>>> {
    let Some(file) = open(path)? else { return Ok(None) };
    if !is_locked(&file)? {
        return Ok(None);
    }
    let mut content = Vec::new();
    file.take(MEMBER_BYTES_MAX).read_to_end(&mut content)?;
    Ok(Some(content))
}

fn parse_address(path: &Path, content: &[u8]) -> Result<String> {
    serde_json::from_slice(content).map(|content: Content| content.address).map_err(|error| {
        let message = format_args!("{} does not hold a member", path.display()).to_string();
        Error::new(ErrorKind::Corrupt, "coordination", message).with_source(error)
    })
}

/// Removes the files of dead members, unless somebody is adding or removing members right now: then the next one
/// who lists them will.
fn bury(folder: &Path) -> Result<()> {
    let Some(_group) = Locked::at(&folder.join(LOCK_NAME))? else {
        return Ok(());
    };
    for entry in fs::read_dir(folder).map_err(|error| failed("listing the group in", folder, error))? {
        let Ok(entry) = entry else { continue };
        let name = entry.file_name();
        let unfinished = name.to_str().is_some_and(|name| name.ends_with(NEW_SUFFIX));
        let removable = unfinished || parse_id(&entry).is_some();
        // Under the group's lock, what is unlocked is nobody's.
        if removable && matches!(is_alive(&entry.path()), Ok(false)) {
            let removed = fs::remove_file(entry.path());
            tracing::info!(file = ?entry.path(), removed = removed.is_ok(), "removed what a dead member left");
        }
    }
    Ok(())
}

/// Whether the file at `path` is a living member's.
fn is_alive(path: &Path) -> io::Result<bool> {
    open(path)?.map_or(Ok(false), |file| is_locked(&file))
}

fn open(path: &Path) -> io::Result<Option<File>> {
    match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        file => file.map(Some),
    }
}

fn parse_id(entry: &DirEntry) -> Option<OwnerId> {
    let name = entry.file_name();
    let id: OwnerId = name.to_str()?.parse().ok()?;
    (name.to_str() == Some(id.to_string().as_str())).then_some(id)
}

#[async_trait]
impl Membership for FileMembership {
    /// Two quick system calls, as in a drop: no task is worth starting for them.
    async fn leave(self: Box<Self>) -> Result<()> {
        Ok(())
    }
}

impl Drop for FileMembership {
    /// Removes the file while it is locked, so that it is surely ours; then lets go of it.
    fn drop(&mut self) {
        if self.file.is_at(&self.path) {
            let _ = fs::remove_file(&self.path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(number: u8) -> Member {
        Member { id: OwnerId::from_bytes([number; 16]), address: format!("host-{number}") }
    }

    fn files(folder: &Path) -> usize {
        fs::read_dir(folder).unwrap().count()
    }

    #[test]
    fn what_the_dead_left_is_removed_and_the_living_stay() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        let living = join(folder, &member(1)).unwrap();
        for dead in ["02020202-0202-0202-0202-020202020202", "03030303-0303-0303-0303-030303030303.new"] {
            fs::write(folder.join(dead), "{}").unwrap();
        }
        fs::write(folder.join("README"), "a stranger's").unwrap();
        assert_eq!(members(folder).unwrap(), [member(1)]);
        assert_eq!(files(folder), 3, "the living member's, the lock and the stranger's");
        drop(living);
        assert_eq!(files(folder), 2);
    }

    #[test]
    fn a_dead_members_id_may_be_taken_again() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(member(1).id.to_string()), "left behind").unwrap();
        let _living = join(folder.path(), &member(1)).unwrap();
        assert_eq!(members(folder.path()).unwrap(), [member(1)]);
    }

    #[test]
    fn looking_at_members_is_not_being_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(member(1).id.to_string());
        fs::write(&path, "left behind").unwrap();
        let looked_at = File::open(&path).unwrap();
        looked_at.lock_shared().unwrap();
        assert_eq!(members(folder.path()).unwrap(), []);
        let _living = join(folder.path(), &member(1)).unwrap();
    }

    #[test]
    fn too_long_an_address_is_invalid() {
        let folder = tempfile::tempdir().unwrap();
        let long = Member { address: "x".repeat(70_000), ..member(1) };
        assert_eq!(join(folder.path(), &long).unwrap_err().kind(), ErrorKind::Invalid);
    }
}
