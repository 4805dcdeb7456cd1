//! The configuration as the program uses it: every value checked, every folder absolute.

use std::fs::File;
use std::io::{self, Read};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use types::{BlockSizes, CodeParameters, NodeName, Zone};

use crate::problem::ConfigurationError;
use crate::{assemble, document};

/// Longest configuration file: thousands of nodes fit, a mistaken disk image does not.
const FILE_BYTES_MAX: u64 = 4 << 20;

/// Everything that every binary is told. Made by [`Configuration::load`] only, so that what is here makes sense.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Configuration {
    /// Section `archive`.
    pub archive: Archive,
    /// Section `proxy`.
    pub proxy: Proxy,
    /// Section `storage`.
    pub storage: Storage,
    /// Section `entanglement`.
    pub entanglement: Entanglement,
    /// Section `cache`.
    pub cache: Cache,
    /// Section `metadata`.
    pub metadata: Metadata,
    /// Section `coordination`.
    pub coordination: Coordination,
    /// Section `repair`.
    pub repair: Repair,
}

/// Where the archive is and how long its blocks are.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Archive {
    /// `archive.directory`: the folder of everything that is embedded. Absolute.
    pub directory: PathBuf,
    /// `archive.min_block` and `archive.max_block`.
    pub block_sizes: BlockSizes,
}

/// The HTTP door.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Proxy {
    /// `proxy.listen`; port 0 picks a free one.
    pub listen: SocketAddr,
    /// `proxy.workers`: threads that serve connections; `None` is as many as there are processors.
    pub workers: Option<usize>,
    /// `proxy.graph`: whether the entanglement graph is shown.
    pub graph: bool,
    /// `proxy.reservation_ttl_ms`: for how long an upload holds its name without a sign of life.
    pub reservation_ttl: Duration,
    /// Section `proxy.limits`.
    pub limits: Limits,
}

/// What clients may ask of a proxy.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// `proxy.limits.document_bytes`: longest document.
    pub document_bytes: u64,
    /// `proxy.limits.header_bytes`: longest request line and headers.
    pub header_bytes: usize,
    /// `proxy.limits.header_timeout_ms`: for sending the headers.
    pub header_timeout: Duration,
    /// `proxy.limits.body_timeout_ms`: between one piece of a body and the next, both ways.
    pub body_timeout: Duration,
    /// `proxy.limits.connections`: open connections.
    pub connections: usize,
    /// `proxy.limits.in_flight_bytes`: memory for documents on their way, at least four of the largest codewords.
    pub in_flight_bytes: usize,
    /// `proxy.limits.drain_ms`: for requests under way to end after a signal to stop.
    pub drain: Duration,
    /// `proxy.limits.list_max`: names on one page of a listing.
    pub list_max: usize,
}

/// The storage nodes and how they are used.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Storage {
    /// `storage.nodes`: at least one; no name twice, no folder twice.
    pub nodes: Vec<Node>,
    /// `storage.replication_factor`: copies of a block at first, each on another node.
    pub replication_factor: usize,
    /// `storage.write_quorum`: copies that must be durable before a block counts as written.
    pub write_quorum: usize,
    /// `storage.read_deadline_ms`: after which a node's answer to a read is not waited for.
    pub read_deadline: Duration,
    /// `storage.write_deadline_ms`: after which a node's answer to a write is not waited for.
    pub write_deadline: Duration,
    /// `storage.hedge_after_ms`: after which a spare block is asked for too. Less than the read deadline.
    pub hedge_after: Duration,
}

/// A storage node.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Node {
    /// Its name.
    pub name: NodeName,
    /// What it fails together with; `None` is a zone of its own.
    pub zone: Option<Zone>,
    /// What it is.
    pub backend: NodeBackend,
}

/// What a storage node is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NodeBackend {
    /// A folder. Absolute.
    Directory(PathBuf),
    /// Memory of the process, for tests.
    Memory,
}

/// How documents are entangled.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Entanglement {
    /// `entanglement.type`.
    pub scheme: EntanglementScheme,
    /// `entanglement.configuration`: `(s, t, p)` of new documents.
    pub parameters: CodeParameters,
    /// `entanglement.selection`: how pointers are chosen.
    pub selection: Selection,
    /// `entanglement.window`: codewords in the window of recent ones, per length class.
    pub window: u64,
}

/// A way of entangling.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EntanglementScheme {
    /// STeP: `s` sources, `t` pointers, `p` parities.
    Step,
}

/// How pointers are chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Selection {
    /// Over the whole archive alike.
    Uniform,
    /// Half-normal towards the most recent.
    Normal,
    /// Among the most recent only.
    Window,
    /// Part over the whole archive, part in the window.
    Mixed,
}

/// The cache of blocks.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Cache {
    /// `cache.bytes`: its budget; 0 is no cache.
    pub bytes: u64,
}

/// The metadata store.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Metadata {
    /// `metadata.type`.
    pub backend: MetadataBackend,
    /// `metadata.partitions`: how many a new archive is given.
    pub partitions: u16,
}

/// What keeps the metadata.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MetadataBackend {
    /// A SQLite file in the archive's folder.
    Sqlite,
    /// Memory of the process, for tests.
    Memory,
}

/// The coordinator.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Coordination {
    /// `coordination.type`.
    pub backend: CoordinationBackend,
}

/// What coordinates processes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CoordinationBackend {
    /// Lock files in the archive's folder.
    File,
    /// Memory of the process: for one process alone.
    Local,
}

/// What `repair` does, and when its daemon does it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Repair {
    /// `repair.interval_ms`: between the beginnings of two passes of the daemon.
    pub interval: Duration,
    /// `repair.jitter_percent`: by how much of itself the interval varies, up and down.
    pub jitter_percent: u8,
    /// `repair.deep_period_s`: in this time every copy is read once.
    pub deep_period: Duration,
    /// `repair.grace_ms`: for how long a node must be gone before its blocks are rebuilt elsewhere.
    pub grace: Duration,
    /// `repair.bandwidth_bytes`: the most bytes a second; `None` is no limit.
    pub bandwidth: Option<u64>,
    /// `repair.concurrency`: blocks read, or codewords rebuilt, at once.
    pub concurrency: usize,
    /// `repair.metrics_listen`: where the daemon's metrics page is; `None` is nowhere.
    pub metrics_listen: Option<SocketAddr>,
}

impl Configuration {
    /// Reads the file at `path`, lets `environment` override it, and checks the whole.
    ///
    /// Of `environment`, variables whose names start with `SELVAGE__` are looked at. Relative folders become
    /// relative to the file's folder.
    pub fn load(
        path: &Path,
        environment: impl Iterator<Item = (String, String)>,
    ) -> Result<Self, ConfigurationError> {
        let unreadable = |source| ConfigurationError::Unreadable { path: path.to_owned(), source };
        let text = read(path).map_err(unreadable)?;
        let absolute = std::path::absolute(path).map_err(unreadable)?;
        let folder = absolute.parent().unwrap_or(Path::new("/"));
        Self::parse(&text, path, folder, environment)
    }

    /// Checks the text of the file at `path`; relative folders become relative to `folder`.
    fn parse(
        text: &str,
        path: &Path,
        folder: &Path,
        environment: impl Iterator<Item = (String, String)>,
    ) -> Result<Self, ConfigurationError> {
        let (values, mut problems) = document::read(text, environment)
            .map_err(|source| ConfigurationError::Syntax { path: path.to_owned(), source })?;
        let configuration = assemble::assemble(&values, folder, &mut problems);
        let problems = problems.into_vec();
        if problems.is_empty() {
            return Ok(configuration);
        }
        Err(ConfigurationError::Refused { path: path.to_owned(), problems })
    }

    /// Checks the text of a file that would stand in `folder`, without an environment.
    pub fn from_text(text: &str, folder: &Path) -> Result<Self, ConfigurationError> {
        Self::parse(text, &folder.join("configuration.json"), folder, std::iter::empty())
    }
}

/// The whole file, unless it is too long to be a configuration.
fn read(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    File::open(path)?.take(FILE_BYTES_MAX + 1).read_to_string(&mut text)?;
    if u64::try_from(text.len()).is_ok_and(|bytes| bytes <= FILE_BYTES_MAX) {
        return Ok(text);
    }
    Err(io::Error::new(io::ErrorKind::FileTooLarge, format!("it is longer than {FILE_BYTES_MAX} bytes")))
}
