//! What a directory node knows of its folder, and whether the folder is the right one.

use std::ffi::OsString;
use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant};

use types::{BlockId, DocumentId, Error, ErrorKind, NodeName, Result};
use uuid::Uuid;

use super::list::ReadAhead;
use crate::{BufferPool, NodeIdentity, marker};

/// The marker's file name.
const MARKER_NAME: &str = "selvage-node.json";

/// Longest marker that is read: ours have about 200 bytes, and a stranger's file may have any length.
const MARKER_BYTES_MAX: u64 = 4096;

/// How old the last look at the marker may be when a block is written, deleted or listed.
const LOOK_AGE_MAX: Duration = Duration::from_secs(1);

/// A folder, and what this process knows of it.
pub(super) struct Folder {
    pub(super) node: NodeName,
    pub(super) directory: PathBuf,
    pub(super) marker: PathBuf,
    pub(super) blocks: PathBuf,
    pub(super) temporary: PathBuf,
    pub(super) pool: BufferPool,
    /// Sub-folders whose entry in `blocks` this process knows to be durable, by number.
    pub(super) durable: [AtomicBool; 256],
    /// What the last listing saw and has not handed out yet.
    pub(super) read_ahead: Mutex<Option<ReadAhead>>,
    /// Names of temporary files: of this handle, and of the file.
    handle: Uuid,
    sequence: AtomicU64,
    /// The zero of `Attached::looked_millis`.
    opened: Instant,
    attached: RwLock<Option<Arc<Attached>>>,
}

/// The identity that the folder must carry.
struct Attached {
    identity: NodeIdentity,
    /// When the marker was last seen in place, in milliseconds since the folder was opened, plus one; 0 is never.
    looked_millis: AtomicU64,
    /// Whether leftovers of dead processes were looked for since this identity was attached.
    swept: AtomicBool,
}

impl Folder {
    pub(super) fn new(node: NodeName, directory: PathBuf, pool: BufferPool) -> Self {
        Self {
            node,
            marker: directory.join(MARKER_NAME),
            blocks: directory.join("blocks"),
            temporary: directory.join("tmp"),
            directory,
            pool,
            durable: [const { AtomicBool::new(false) }; 256],
            read_ahead: Mutex::default(),
            handle: Uuid::new_v4(),
            sequence: AtomicU64::new(0),
            opened: Instant::now(),
            attached: RwLock::default(),
        }
    }

    pub(super) fn attach(&self, identity: NodeIdentity) {
        let attached = Attached { identity, looked_millis: AtomicU64::new(0), swept: AtomicBool::new(false) };
        *self.attached.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(attached));
    }

    /// `Denied` until an identity is attached.
    pub(super) fn check_attached(&self) -> Result<()> {
        self.attached().map(drop)
    }

    fn attached(&self) -> Result<Arc<Attached>> {
        let attached = self.attached.read().unwrap_or_else(PoisonError::into_inner);
        attached.clone().ok_or_else(|| marker::not_attached(&self.node))
    }

    /// `Denied` unless the folder carried the attached identity a moment ago.
    pub(super) fn check_recent(&self) -> Result<()> {
        let attached = self.attached()?;
        if attached.looked_within(self.opened.elapsed(), LOOK_AGE_MAX) {
            Ok(())
        } else {
            self.look(&attached)
        }
    }

    /// `Denied` unless the folder carries the attached identity now.
    pub(super) fn check_now(&self) -> Result<()> {
        self.look(&*self.attached()?)
    }

    fn look(&self, attached: &Attached) -> Result<()> {
        // Taken before the look, so that the look is never older than it is said to be.
        let now = self.opened.elapsed();
        let found = self.read_marker()?;
        let place = format_args!("folder {}", self.directory.display()).to_string();
        marker::check(place, &attached.identity, found.as_ref())?;
        attached.saw_at(now);
        if !attached.swept.swap(true, Ordering::Relaxed) {
            self.sweep();
        }
        Ok(())
    }

    /// Whose folder it is; `None` without a marker, and without a folder.
    pub(super) fn read_marker(&self) -> Result<Option<NodeIdentity>> {
        let mut bytes = Vec::with_capacity(512);
        let read =
            File::open(&self.marker).and_then(|file| file.take(MARKER_BYTES_MAX + 1).read_to_end(&mut bytes));
        let place = self.marker.display();
        match read {
            Ok(_) if bytes.len() as u64 > MARKER_BYTES_MAX => {
                let message =
                    format_args!("the marker {place} has over {MARKER_BYTES_MAX} bytes").to_string();
                Err(Error::new(ErrorKind::Corrupt, &self.node, message))
            }
            Ok(_) => marker::decode(&self.node, place, &bytes).map(Some),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) if error.kind() == io::ErrorKind::IsADirectory => {
                let message = format_args!("the marker {place} is a folder").to_string();
                Err(Error::new(ErrorKind::Corrupt, &self.node, message))
            }
            Err(error) => Err(self.failed(format_args!("reading the marker {place}"), error)),
        }
    }

    /// A failure to do `action`. That a file is missing, or there, says nothing about a block.
    pub(super) fn failed(&self, action: impl std::fmt::Display, error: io::Error) -> Error {
        match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::AlreadyExists => {
                let message = format_args!("{action}: {error}").to_string();
                Error::new(ErrorKind::Unavailable, &self.node, message).with_source(error)
            }
            _ => Error::from_io(&self.node, action, error),
        }
    }

    /// The same for an operation on blocks: `Denied` before all, if the folder is not, or no longer, the right one.
    pub(super) fn explained(&self, action: impl std::fmt::Display, error: io::Error) -> Error {
        match self.check_now() {
            Err(denied) if denied.kind() == ErrorKind::Denied => denied,
            _ => self.failed(action, error),
        }
    }

    /// Where a block is kept.
    pub(super) fn block_path(&self, id: &BlockId) -> PathBuf {
        let mut path = self.path_in_blocks(BlockId::TEXT_BYTES);
        // Writing to a string of the operating system cannot fail.
        let _ = write!(path, "/{:02x}/{id}", sub_folder(&id.document));
        path.into()
    }

    /// Where all blocks of a document are kept.
    pub(super) fn sub_folder_path(&self, sub_folder: u8) -> PathBuf {
        let mut path = self.path_in_blocks(0);
        let _ = write!(path, "/{sub_folder:02x}");
        path.into()
    }

    /// The path of `blocks` with room for a sub-folder and `extra` bytes.
    fn path_in_blocks(&self, extra: usize) -> OsString {
        let blocks = self.blocks.as_os_str();
        let mut path = OsString::with_capacity(blocks.len() + "/xx/".len() + extra);
        path.push(blocks);
        path
    }

    /// A path in `tmp` that nobody else uses.
    pub(super) fn temporary_path(&self) -> PathBuf {
        let sequence = self.sequence.fetch_add(1, Ordering::Relaxed);
        self.temporary.join(format!("{}-{sequence}", self.handle.simple()))
    }
}

impl Attached {
    fn looked_within(&self, now: Duration, age_max: Duration) -> bool {
        let looked = self.looked_millis.load(Ordering::Relaxed);
        looked != 0 && now.saturating_sub(Duration::from_millis(looked - 1)) < age_max
    }

    fn saw_at(&self, now: Duration) {
        let millis = u64::try_from(now.as_millis()).unwrap_or(u64::MAX - 1);
        self.looked_millis.fetch_max(millis + 1, Ordering::Relaxed);
    }
}

/// The number of the sub-folder that holds a document's blocks.
pub(super) fn sub_folder(document: &DocumentId) -> u8 {
    let [.., last] = *document.as_bytes();
    last
}

/// Makes what was created, renamed or removed in a folder durable.
pub(super) fn sync_folder(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

/// Makes a folder, unless it is there.
pub(super) fn make_folder(path: &Path) -> io::Result<()> {
    match fs::create_dir(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        outcome => outcome,
    }
}
