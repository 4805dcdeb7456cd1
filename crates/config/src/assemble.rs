//! Makes the configuration of the values given, and checks what no value can be checked for alone.
//!
//! Where a value is refused, its default stands in, so that the rest can still be checked: what is returned is a
//! configuration only if no problem was told.

use std::path::Path;
use std::time::Duration;

use serde_json::Value;
use types::{BlockSizes, CodeParameters};

use crate::configuration::{
    Archive, Cache, Configuration, Coordination, Entanglement, Limits, Metadata, Proxy, Repair, Storage,
};
use crate::document::Values;
use crate::nodes::{self, resolved};
use crate::problem::Problems;
use crate::table;

/// Memory for documents on their way, unless codewords are very large.
const IN_FLIGHT_BYTES_DEFAULT: usize = 96 << 20;

/// Codewords of the longest blocks that the memory for documents on their way holds by default.
const IN_FLIGHT_CODEWORDS_DEFAULT: usize = 4;

/// The configuration, if nothing is told to `problems`.
pub(crate) fn assemble(values: &Values, folder: &Path, problems: &mut Problems) -> Configuration {
    let archive = archive(values, folder, problems);
    let entanglement = entanglement(values, problems);
    let parameters = entanglement.parameters;
    let codeword_bytes = (parameters.k() + parameters.p()).saturating_mul(archive.block_sizes.max().bytes());
    Configuration {
        proxy: proxy(values, codeword_bytes, problems),
        storage: storage(values, &archive, folder, problems),
        archive,
        entanglement,
        cache: Cache { bytes: table::CACHE_BYTES.read(values, problems) },
        metadata: Metadata {
            backend: table::METADATA_TYPE.read(values, problems),
            partitions: table::PARTITIONS.read(values, problems),
        },
        coordination: Coordination { backend: table::COORDINATION_TYPE.read(values, problems) },
        repair: repair(values, problems),
    }
}

fn archive(values: &Values, folder: &Path, problems: &mut Problems) -> Archive {
    let directory = resolved(folder, &table::ARCHIVE_DIRECTORY.read(values, problems));
    let min = table::MIN_BLOCK.read(values, problems);
    let max = table::MAX_BLOCK.read(values, problems);
    let block_sizes = BlockSizes::new(min, max).unwrap_or_else(|_| {
        refuse(
            problems,
            table::MIN_BLOCK.key,
            min.bytes(),
            format_args!("at most {}, which is {max}", table::MAX_BLOCK.key),
        );
        BlockSizes::DEFAULT
    });
    Archive { directory, block_sizes }
}

fn entanglement(values: &Values, problems: &mut Problems) -> Entanglement {
    let s = table::S.read(values, problems);
    let t = table::T.read(values, problems);
    let p = table::P.read(values, problems);
    let parts_refused = [table::S.key, table::T.key, table::P.key].iter().any(|key| problems.has(key));
    let parameters = CodeParameters::new(s, t, p).unwrap_or_else(|error| {
        if !parts_refused {
            problems.add(
                "entanglement.configuration",
                format_args!("{error}; allowed: 1 <= s <= p, 0 <= t, s + t + p <= 256"),
            );
        }
        CodeParameters::DEFAULT
    });
    Entanglement {
        scheme: table::ENTANGLEMENT_TYPE.read(values, problems),
        parameters,
        selection: table::SELECTION.read(values, problems),
        window: table::WINDOW.read(values, problems),
    }
}

fn storage(values: &Values, archive: &Archive, folder: &Path, problems: &mut Problems) -> Storage {
    let node_type = table::STORAGE_TYPE.read(values, problems);
    let given = table::NODES.read(values, problems);
    let nodes = nodes::resolve(given, node_type, &archive.directory, folder, problems);
    let replication_factor = table::REPLICATION_FACTOR.read(values, problems);
    if replication_factor > nodes.len() && !problems.is_about(table::NODES.key) {
        refuse(
            problems,
            table::REPLICATION_FACTOR.key,
            replication_factor,
            format_args!(
                "at most the number of nodes, {}: copies of one block are never on the same node",
                nodes.len()
            ),
        );
    }
    let majority = replication_factor / 2 + 1;
    let write_quorum = table::WRITE_QUORUM.read(values, problems).unwrap_or(majority);
    if write_quorum > replication_factor {
        refuse(
            problems,
            table::WRITE_QUORUM.key,
            write_quorum,
            format_args!("from 1 to {}, which is {replication_factor}", table::REPLICATION_FACTOR.key),
        );
    }
    let read_deadline = table::READ_DEADLINE.read(values, problems);
    let hedge_after = table::HEDGE_AFTER.read(values, problems);
    if hedge_after >= read_deadline {
        refuse(
            problems,
            table::HEDGE_AFTER.key,
            u64::try_from(hedge_after.as_millis()).unwrap_or(u64::MAX),
            format_args!("less than {}, which is {}", table::READ_DEADLINE.key, read_deadline.as_millis()),
        );
    }
    Storage {
        nodes,
        replication_factor,
        write_quorum,
        read_deadline,
        write_deadline: table::WRITE_DEADLINE.read(values, problems),
        hedge_after,
    }
}

fn proxy(values: &Values, codeword_bytes: usize, problems: &mut Problems) -> Proxy {
    let in_flight_default =
        IN_FLIGHT_BYTES_DEFAULT.max(codeword_bytes.saturating_mul(IN_FLIGHT_CODEWORDS_DEFAULT));
    let in_flight_bytes = table::IN_FLIGHT_BYTES.read(values, problems).unwrap_or(in_flight_default);
    if in_flight_bytes < codeword_bytes {
        refuse(
            problems,
            table::IN_FLIGHT_BYTES.key,
            in_flight_bytes,
            format_args!(
                "at least {codeword_bytes}, one codeword of the longest blocks: (s + t + p) * {}",
                table::MAX_BLOCK.key
            ),
        );
    }
    Proxy {
        listen: table::LISTEN.read(values, problems),
        workers: table::WORKERS.read(values, problems),
        graph: table::GRAPH.read(values, problems),
        reservation_ttl: table::RESERVATION_TTL.read(values, problems),
        limits: Limits {
            document_bytes: table::DOCUMENT_BYTES.read(values, problems),
            header_bytes: table::HEADER_BYTES.read(values, problems),
            header_timeout: table::HEADER_TIMEOUT.read(values, problems),
            body_timeout: table::BODY_TIMEOUT.read(values, problems),
            connections: table::CONNECTIONS.read(values, problems),
            in_flight_bytes,
            drain: table::DRAIN.read(values, problems),
            list_max: table::LIST_MAX.read(values, problems),
        },
    }
}

fn repair(values: &Values, problems: &mut Problems) -> Repair {
    Repair {
        interval: table::REPAIR_INTERVAL.read(values, problems),
        jitter_percent: table::REPAIR_JITTER.read(values, problems),
        deep_period: Duration::from_secs(table::REPAIR_DEEP_PERIOD.read(values, problems)),
        grace: table::REPAIR_GRACE.read(values, problems),
        bandwidth: table::REPAIR_BANDWIDTH.read(values, problems),
        concurrency: table::REPAIR_CONCURRENCY.read(values, problems),
        metrics_listen: table::REPAIR_METRICS_LISTEN.read(values, problems),
    }
}

/// The value of `key` makes no sense beside others.
fn refuse(problems: &mut Problems, key: &str, value: impl Into<Value>, allowed: impl std::fmt::Display) {
    problems.add_value(key, &value.into(), allowed);
}
