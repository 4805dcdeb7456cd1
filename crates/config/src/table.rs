//! The table of all settings: the one place that says which there are, what they may be and what they default to.

use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::path::PathBuf;

use types::{BlockSizes, CodeParameters, NodeName, Zone};

use crate::configuration::{CoordinationBackend, EntanglementScheme, MetadataBackend, Selection};
use crate::kind::{ADDRESS, BlockLength, Choice, FOLDER, Flag, Integer, Milliseconds, Parsed};
use crate::nodes::{KEY, NODE_TYPES, NodeType, Nodes};
use crate::setting::{Described, OptionalSetting, Setting};
use crate::suggestion::nearest;

/// A tebibyte.
const TIB: u64 = 1 << 40;

/// What each section is about, in the order of the document.
pub(crate) const SECTIONS: &[(&str, &str)] = &[
    ("archive", "Where the archive is and how long its blocks are."),
    ("proxy", "The HTTP door."),
    (
        "proxy.limits",
        "What clients may ask of a proxy. Whoever reaches a limit is told so and holds no others up.",
    ),
    ("storage", "The storage nodes and how they are used."),
    (
        "entanglement",
        "How new documents are entangled with older ones. Documents are read as they were written.",
    ),
    (
        "entanglement.configuration",
        "The code: every segment becomes `p` stored blocks, any of which can be computed from `s + t` others.",
    ),
    ("cache", "The cache of blocks in memory."),
    ("metadata", "The metadata store: the system of record."),
    ("coordination", "The coordinator: who is there and who does what."),
    ("repair", "What `repair` does, and when its daemon does it."),
];

pub(crate) const ARCHIVE_DIRECTORY: Setting<Parsed<PathBuf>> = Setting {
    key: "archive.directory",
    kind: FOLDER,
    default: (|| PathBuf::from("data"), "data"),
    about: "The folder of everything that is embedded: metadata, locks and, unless they say otherwise, directory nodes.",
};
pub(crate) const MIN_BLOCK: Setting<BlockLength> = Setting {
    key: "archive.min_block",
    kind: BlockLength,
    default: BlockSizes::DEFAULT.min(),
    about: "The shortest block that documents are cut into, in bytes.",
};
pub(crate) const MAX_BLOCK: Setting<BlockLength> = Setting {
    key: "archive.max_block",
    kind: BlockLength,
    default: BlockSizes::DEFAULT.max(),
    about: "The longest block that documents are cut into, in bytes.",
};

pub(crate) const LISTEN: Setting<Parsed<SocketAddr>> = Setting {
    key: "proxy.listen",
    kind: ADDRESS,
    default: (|| SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, 3000)), "0.0.0.0:3000"),
    about: "The address that clients connect to. Port 0 picks a free one, which the log tells.",
};
pub(crate) const GRAPH: Setting<Flag> = Setting {
    key: "proxy.graph",
    kind: Flag,
    default: false,
    about: "Whether `/-/graph` shows the entanglement graph. It tells a censor what to attack.",
};
pub(crate) const WORKERS: OptionalSetting<Integer<usize>> = OptionalSetting {
    key: "proxy.workers",
    kind: Integer { min: 1, max: 1024 },
    otherwise: "as many as there are processors",
    about: "Threads that serve connections.",
};
pub(crate) const RESERVATION_TTL: Setting<Milliseconds> = Setting {
    key: "proxy.reservation_ttl_ms",
    kind: Milliseconds,
    default: 30_000,
    about: "For how long an upload holds its name without a sign of life; a living one renews it.",
};
pub(crate) const DOCUMENT_BYTES: Setting<Integer<u64>> = Setting {
    key: "proxy.limits.document_bytes",
    kind: Integer { min: 1, max: 1024 * TIB },
    default: TIB,
    about: "The longest document; a longer one is refused with 413.",
};
pub(crate) const HEADER_BYTES: Setting<Integer<usize>> = Setting {
    key: "proxy.limits.header_bytes",
    kind: Integer { min: 4096, max: 1 << 20 },
    default: 32 * 1024,
    about: "The longest request line and headers together. A name of 1,024 bytes takes up to 3,072.",
};
pub(crate) const HEADER_TIMEOUT: Setting<Milliseconds> = Setting {
    key: "proxy.limits.header_timeout_ms",
    kind: Milliseconds,
    default: 10_000,
    about: "For sending the request line and headers.",
};
pub(crate) const BODY_TIMEOUT: Setting<Milliseconds> = Setting {
    key: "proxy.limits.body_timeout_ms",
    kind: Milliseconds,
    default: 30_000,
    about: "Between one piece of a body and the next, whichever way it goes.",
};
pub(crate) const CONNECTIONS: Setting<Integer<usize>> = Setting {
    key: "proxy.limits.connections",
    kind: Integer { min: 1, max: 1_000_000 },
    default: 1024,
    about: "Open connections; more wait until one is closed.",
};
pub(crate) const IN_FLIGHT_BYTES: OptionalSetting<Integer<usize>> = OptionalSetting {
    key: "proxy.limits.in_flight_bytes",
    kind: Integer { min: 1, max: 1 << 40 },
    otherwise: "100663296, or four codewords of the longest blocks if that is more",
    about: "Memory for documents on their way in or out; requests that would need more wait. At least one codeword of the longest blocks.",
};
pub(crate) const DRAIN: Setting<Milliseconds> = Setting {
    key: "proxy.limits.drain_ms",
    kind: Milliseconds,
    default: 30_000,
    about: "For requests under way to end after SIGTERM; then they are cut off.",
};
pub(crate) const LIST_MAX: Setting<Integer<usize>> = Setting {
    key: "proxy.limits.list_max",
    kind: Integer { min: 1, max: 100_000 },
    default: 10_000,
    about: "The most names on one page of a listing.",
};

pub(crate) const NODES: Setting<Nodes> = Setting {
    key: KEY,
    kind: Nodes,
    default: 16,
    about: "The storage nodes: how many, named `storage-node-1` and so on, all of `storage.type`; or each by itself.",
};
pub(crate) const STORAGE_TYPE: Setting<Choice<NodeType>> = Setting {
    key: "storage.type",
    kind: NODE_TYPES,
    default: NodeType::Directory,
    about: "What the storage nodes are, unless one says otherwise: folders, or memory (for tests).",
};
pub(crate) const REPLICATION_FACTOR: Setting<Integer<usize>> = Setting {
    key: "storage.replication_factor",
    kind: Integer { min: 1, max: 64 },
    default: 1,
    about: "Copies of a block at first, each on another node.",
};
pub(crate) const WRITE_QUORUM: OptionalSetting<Integer<usize>> = OptionalSetting {
    key: "storage.write_quorum",
    kind: Integer { min: 1, max: 64 },
    otherwise: "a majority of `storage.replication_factor`",
    about: "Copies that must be durable before a block counts as written; at most `storage.replication_factor`.",
};
pub(crate) const READ_DEADLINE: Setting<Milliseconds> = Setting {
    key: "storage.read_deadline_ms",
    kind: Milliseconds,
    default: 10_000,
    about: "After which a node's answer to a read is not waited for.",
};
pub(crate) const WRITE_DEADLINE: Setting<Milliseconds> = Setting {
    key: "storage.write_deadline_ms",
    kind: Milliseconds,
    default: 10_000,
    about: "After which a node's answer to a write is not waited for.",
};
pub(crate) const HEDGE_AFTER: Setting<Milliseconds> = Setting {
    key: "storage.hedge_after_ms",
    kind: Milliseconds,
    default: 50,
    about: "After which a spare block is asked for in place of one that has not come. Less than `storage.read_deadline_ms`.",
};

pub(crate) const ENTANGLEMENT_TYPE: Setting<Choice<EntanglementScheme>> = Setting {
    key: "entanglement.type",
    kind: Choice { here: &[("step", EntanglementScheme::Step)], elsewhere: &[] },
    default: EntanglementScheme::Step,
    about: "The scheme: STeP, entangled Reed-Solomon codewords.",
};
pub(crate) const S: Setting<Integer<usize>> = Setting {
    key: "entanglement.configuration.s",
    kind: Integer { min: 1, max: 128 },
    default: CodeParameters::DEFAULT.s(),
    about: "Source blocks of a codeword: slices of the document. Coded, never stored.",
};
pub(crate) const T: Setting<Integer<usize>> = Setting {
    key: "entanglement.configuration.t",
    kind: Integer { min: 0, max: 254 },
    default: CodeParameters::DEFAULT.t(),
    about: "Pointers of a codeword: stored blocks of older documents. `s + t + p` is at most 256.",
};
pub(crate) const P: Setting<Integer<usize>> = Setting {
    key: "entanglement.configuration.p",
    kind: Integer { min: 1, max: 255 },
    default: CodeParameters::DEFAULT.p(),
    about: "Parities of a codeword: what is stored, at least `s`. Any `p - s` of its `t + p` stored blocks may be lost.",
};
pub(crate) const SELECTION: Setting<Choice<Selection>> = Setting {
    key: "entanglement.selection",
    kind: Choice {
        here: &[
            ("uniform", Selection::Uniform),
            ("normal", Selection::Normal),
            ("window", Selection::Window),
            ("mixed", Selection::Mixed),
        ],
        elsewhere: &[],
    },
    default: Selection::Mixed,
    about: "How pointers are chosen: over the whole archive alike, half-normal towards the most recent, among the most recent only, or part over the whole and part among the most recent.",
};
pub(crate) const WINDOW: Setting<Integer<u64>> = Setting {
    key: "entanglement.window",
    kind: Integer { min: 1, max: 1 << 32 },
    default: 128,
    about: "How many of the most recent codewords of a block length are the window.",
};

pub(crate) const CACHE_BYTES: Setting<Integer<u64>> = Setting {
    key: "cache.bytes",
    kind: Integer { min: 0, max: TIB },
    default: 256 << 20,
    about: "Memory for cached blocks; 0 is no cache.",
};

pub(crate) const METADATA_TYPE: Setting<Choice<MetadataBackend>> = Setting {
    key: "metadata.type",
    kind: Choice {
        here: &[("sqlite", MetadataBackend::Sqlite), ("memory", MetadataBackend::Memory)],
        elsewhere: &["redis"],
    },
    default: MetadataBackend::Sqlite,
    about: "What keeps the metadata: a SQLite file in `archive.directory`, or memory (for tests).",
};
pub(crate) const PARTITIONS: Setting<Integer<u16>> = Setting {
    key: "metadata.partitions",
    kind: Integer { min: 1, max: 4096 },
    default: 1,
    about: "Partitions of a new archive; an archive keeps the number it was created with.",
};

pub(crate) const COORDINATION_TYPE: Setting<Choice<CoordinationBackend>> = Setting {
    key: "coordination.type",
    kind: Choice {
        here: &[("file", CoordinationBackend::File), ("local", CoordinationBackend::Local)],
        elsewhere: &["zookeeper"],
    },
    default: CoordinationBackend::File,
    about: "What coordinates processes: lock files in `archive.directory`, or nothing outside this process (for one process alone).",
};

pub(crate) const REPAIR_INTERVAL: Setting<Milliseconds> = Setting {
    key: "repair.interval_ms",
    kind: Milliseconds,
    default: 600_000,
    about: "Between the beginnings of two passes of the daemon: a quick audit, and the repair of what it found.",
};
pub(crate) const REPAIR_JITTER: Setting<Integer<u8>> = Setting {
    key: "repair.jitter_percent",
    kind: Integer { min: 0, max: 100 },
    default: 10,
    about: "By how much of itself the interval varies at random, up and down, so that archives on the same nodes do not all audit at once.",
};
pub(crate) const REPAIR_DEEP_PERIOD: Setting<Integer<u64>> = Setting {
    key: "repair.deep_period_s",
    kind: Integer { min: 1, max: 10 * 365 * 86_400 },
    default: 30 * 86_400,
    about: "In this time the daemon reads and hashes every copy once, a part in each pass. In seconds; 2592000 are 30 days.",
};
pub(crate) const REPAIR_GRACE: Setting<Milliseconds> = Setting {
    key: "repair.grace_ms",
    kind: Milliseconds,
    default: 3_600_000,
    about: "For how long a node must be gone before its blocks are rebuilt elsewhere: one that restarts or flaps comes back sooner.",
};
pub(crate) const REPAIR_BANDWIDTH: OptionalSetting<Integer<u64>> = OptionalSetting {
    key: "repair.bandwidth_bytes",
    kind: Integer { min: 4096, max: TIB },
    otherwise: "no limit",
    about: "The most bytes a second that repair reads and writes together.",
};
pub(crate) const REPAIR_CONCURRENCY: Setting<Integer<usize>> = Setting {
    key: "repair.concurrency",
    kind: Integer { min: 1, max: 1024 },
    default: 8,
    about: "Blocks that are read (audit) and codewords that are rebuilt (repair) at once.",
};
pub(crate) const REPAIR_METRICS_LISTEN: OptionalSetting<Parsed<SocketAddr>> = OptionalSetting {
    key: "repair.metrics_listen",
    kind: ADDRESS,
    otherwise: "left out: there is no metrics page",
    about: "The address where the daemon answers `GET /metrics`. Port 0 picks a free one, which the log tells.",
};

/// Every setting, in the order of the document.
pub(crate) const SETTINGS: &[&dyn Described] = &[
    &ARCHIVE_DIRECTORY,
    &MIN_BLOCK,
    &MAX_BLOCK,
    &LISTEN,
    &WORKERS,
    &GRAPH,
    &RESERVATION_TTL,
    &DOCUMENT_BYTES,
    &HEADER_BYTES,
    &HEADER_TIMEOUT,
    &BODY_TIMEOUT,
    &CONNECTIONS,
    &IN_FLIGHT_BYTES,
    &DRAIN,
    &LIST_MAX,
    &NODES,
    &STORAGE_TYPE,
    &REPLICATION_FACTOR,
    &WRITE_QUORUM,
    &READ_DEADLINE,
    &WRITE_DEADLINE,
    &HEDGE_AFTER,
    &ENTANGLEMENT_TYPE,
    &S,
    &T,
    &P,
    &SELECTION,
    &WINDOW,
    &CACHE_BYTES,
    &METADATA_TYPE,
    &PARTITIONS,
    &COORDINATION_TYPE,
    &REPAIR_INTERVAL,
    &REPAIR_JITTER,
    &REPAIR_DEEP_PERIOD,
    &REPAIR_GRACE,
    &REPAIR_BANDWIDTH,
    &REPAIR_CONCURRENCY,
    &REPAIR_METRICS_LISTEN,
];

const LABEL_ALLOWED: &str = "1 to 63 of a-z, A-Z, 0-9, '-', '_', '.', a letter or digit first";
const LABEL_PATTERN: &str = "^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$";

pub(crate) const NODE_NAME: OptionalSetting<Parsed<NodeName>> = OptionalSetting {
    key: "name",
    kind: Parsed { parse: |text| NodeName::new(text).ok(), allowed: LABEL_ALLOWED, pattern: LABEL_PATTERN },
    otherwise: "none, must be given",
    about: "The node's name; no other node has it. A name stays with its blocks: never give it to another store.",
};
pub(crate) const NODE_TYPE: OptionalSetting<Choice<NodeType>> = OptionalSetting {
    key: "type",
    kind: NODE_TYPES,
    otherwise: "`storage.type`",
    about: "What the node is.",
};
pub(crate) const NODE_ZONE: OptionalSetting<Parsed<Zone>> = OptionalSetting {
    key: "zone",
    kind: Parsed { parse: |text| Zone::new(text).ok(), allowed: LABEL_ALLOWED, pattern: LABEL_PATTERN },
    otherwise: "a zone of its own",
    about: "What the node fails together with: a disk, a rack, a room, a provider.",
};
pub(crate) const NODE_DIRECTORY: OptionalSetting<Parsed<PathBuf>> = OptionalSetting {
    key: "directory",
    kind: FOLDER,
    otherwise: "`<archive.directory>/nodes/<name>`",
    about: "The folder of a node of type `directory`; no other node's is the same, in it or around it.",
};
pub(crate) const NODE_URL: OptionalSetting<Parsed<String>> = OptionalSetting {
    key: "url",
    kind: Parsed { parse: |_| None, allowed: "no node of this build", pattern: "$^" },
    otherwise: "left out: the types that have a url, redis and s3, are not in this build",
    about: "Where a node that is a server is.",
};

/// What a node of the list `storage.nodes` may say.
pub(crate) const NODE_SETTINGS: &[&dyn Described] =
    &[&NODE_NAME, &NODE_TYPE, &NODE_ZONE, &NODE_DIRECTORY, &NODE_URL];

/// The setting of this name.
pub(crate) fn find(key: &str) -> Option<&'static dyn Described> {
    SETTINGS.iter().find(|setting| setting.key() == key).copied()
}

/// Whether a section has this name.
pub(crate) fn is_section(key: &str) -> bool {
    SECTIONS.iter().any(|(section, _)| *section == key)
}

/// Everything that may stand in the file, sections included.
fn names() -> impl Iterator<Item = &'static str> {
    SETTINGS.iter().map(|setting| setting.key()).chain(SECTIONS.iter().map(|(section, _)| *section))
}

/// What stands directly in a section (the whole file is the section without a name), for people.
pub(crate) fn members(section: &str) -> String {
    let inner = |name: &'static str| {
        let rest = if section.is_empty() { name } else { name.strip_prefix(section)?.strip_prefix('.')? };
        (!rest.contains('.')).then_some(rest)
    };
    names().filter_map(inner).collect::<Vec<_>>().join(", ")
}

/// What to say of a name that means nothing.
pub(crate) fn unknown(key: &str) -> String {
    if let Some(meant) = nearest(key, names()) {
        return format!("no such setting; did you mean {meant}?");
    }
    let section = key.rsplit_once('.').map_or("", |(section, _)| section);
    // The nearest section that there is; the whole file at last.
    let section = if is_section(section) { section } else { "" };
    format!("no such setting; allowed: {}", members(section))
}
