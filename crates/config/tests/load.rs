//! What a configuration is, and what is refused.

#![allow(clippy::panic, clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use config::{
    Configuration, ConfigurationError, CoordinationBackend, EntanglementScheme, MetadataBackend, NodeBackend,
    Selection,
};
use types::{BlockSizes, CodeParameters};

const SHIPPED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../configuration.json");

fn no_environment() -> impl Iterator<Item = (String, String)> {
    std::iter::empty()
}

fn from(text: &str) -> Configuration {
    Configuration::from_text(text, Path::new("/srv/selvage")).unwrap_or_else(|error| panic!("{error}"))
}

/// All problems of a file, one a line.
fn problems(text: &str) -> Vec<String> {
    match Configuration::from_text(text, Path::new("/srv")) {
        Err(ConfigurationError::Refused { problems, .. }) => {
            problems.iter().map(ToString::to_string).collect()
        }
        other => panic!("expected problems of {text}, got {other:?}"),
    }
}

fn only_problem(text: &str) -> String {
    let problems = problems(text);
    assert_eq!(problems.len(), 1, "{text}: {problems:#?}");
    problems[0].clone()
}

#[test]
fn the_shipped_file_works_as_shipped() {
    let shipped = Configuration::load(Path::new(SHIPPED), no_environment()).unwrap();
    let folder = std::path::absolute(SHIPPED).unwrap().parent().unwrap().to_owned();
    let nodes = &shipped.storage.nodes;
    assert_eq!(nodes.len(), 16);
    assert_eq!(nodes[0].name.as_str(), "storage-node-1");
    assert_eq!(nodes[15].name.as_str(), "storage-node-16");
    assert!(shipped.archive.directory.ends_with("data"));
    assert!(nodes.iter().all(|node| node.zone.is_none()));
    let NodeBackend::Directory(directory) = &nodes[15].backend else { panic!("{:?}", nodes[15]) };
    assert_eq!(directory, &shipped.archive.directory.join("nodes/storage-node-16"));
    assert!(folder.is_absolute() && shipped.archive.directory.is_absolute());
    assert_eq!(shipped.storage.replication_factor, 1);
    assert_eq!(shipped.entanglement.parameters, CodeParameters::DEFAULT);
    assert_eq!(shipped.entanglement.selection, Selection::Mixed);
    assert_eq!(shipped.entanglement.scheme, EntanglementScheme::Step);
    assert_eq!(shipped.cache.bytes, 268_435_456);
    assert_eq!(shipped.metadata.backend, MetadataBackend::Sqlite);
    assert_eq!(shipped.coordination.backend, CoordinationBackend::File);
    assert_eq!(shipped.proxy.listen, "0.0.0.0:3000".parse::<SocketAddr>().unwrap());
}

#[test]
fn an_empty_file_means_the_shipped_one() {
    let folder = Path::new("/srv/selvage");
    let shipped = std::fs::read_to_string(SHIPPED).unwrap();
    assert_eq!(from("{}"), Configuration::from_text(&shipped, folder).unwrap());
}

#[test]
fn settings_left_out_have_their_defaults() {
    let configuration = from("{}");
    let limits = &configuration.proxy.limits;
    assert_eq!(configuration.archive.block_sizes, BlockSizes::DEFAULT);
    assert_eq!(limits.document_bytes, 1 << 40);
    assert_eq!(limits.in_flight_bytes, 96 << 20);
    assert_eq!(limits.drain, Duration::from_secs(30));
    assert_eq!(limits.list_max, 10_000);
    assert_eq!(configuration.storage.write_quorum, 1);
    assert_eq!(configuration.proxy.workers, None);
    assert!(!configuration.proxy.graph);
    assert_eq!(configuration.metadata.partitions, 1);
}

#[test]
fn the_write_quorum_is_a_majority_unless_given() {
    for (replication_factor, quorum) in [(1, 1), (2, 2), (3, 2), (4, 3), (5, 3)] {
        let text = format!(r#"{{"storage": {{"replication_factor": {replication_factor}}}}}"#);
        assert_eq!(from(&text).storage.write_quorum, quorum);
    }
    let text = r#"{"storage": {"replication_factor": 3, "write_quorum": 3}}"#;
    assert_eq!(from(text).storage.write_quorum, 3);
}

#[test]
fn very_large_codewords_raise_the_default_in_flight_limit() {
    let text = r#"{"entanglement": {"configuration": {"s": 10, "t": 40, "p": 50}}}"#;
    assert_eq!(from(text).proxy.limits.in_flight_bytes, 400 << 20);
    let text = r#"{"proxy": {"limits": {"in_flight_bytes": 1048576}}}"#;
    assert_eq!(
        only_problem(text),
        "proxy.limits.in_flight_bytes: 1048576 is not allowed; allowed: at least 14680064, one codeword of the \
         longest blocks: (s + t + p) * archive.max_block"
    );
}

#[test]
fn nodes_of_a_list_say_what_they_are() {
    let configuration = from(
        r#"{"archive": {"directory": "./x/../data"}, "storage": {"type": "memory", "nodes": [
            {"name": "a", "type": "directory", "directory": "disks/a", "zone": "left"},
            {"name": "b", "type": "directory", "directory": "/disks/b"},
            {"name": "c", "type": "directory"},
            {"name": "d"}]}}"#,
    );
    let backends: Vec<NodeBackend> =
        configuration.storage.nodes.iter().map(|node| node.backend.clone()).collect();
    let directory = |path: &str| NodeBackend::Directory(PathBuf::from(path));
    assert_eq!(
        backends,
        [
            directory("/srv/selvage/disks/a"),
            directory("/disks/b"),
            directory("/srv/selvage/data/nodes/c"),
            NodeBackend::Memory
        ]
    );
    assert_eq!(configuration.storage.nodes[0].zone.as_ref().unwrap().as_str(), "left");
}

#[test]
fn relative_folders_are_relative_to_the_files_folder() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("other.json");
    std::fs::write(&path, r#"{"archive": {"directory": "elsewhere"}}"#).unwrap();
    let loaded = Configuration::load(&path, no_environment());
    assert_eq!(loaded.unwrap().archive.directory, folder.path().join("elsewhere"));
}

#[test]
fn a_missing_file_is_named_with_the_way_to_name_another() {
    let error = Configuration::load(Path::new("/no/such/file.json"), no_environment()).unwrap_err();
    let text = error.to_string();
    assert!(matches!(error, ConfigurationError::Unreadable { .. }));
    for part in ["/no/such/file.json", "No such file", "--configuration", "SELVAGE_CONFIGURATION"] {
        assert!(text.contains(part), "{text}");
    }
}

#[test]
fn text_that_is_not_json_is_told_with_its_place() {
    for text in ["", "{", r#"{"archive": }"#, "{} {}"] {
        let error = Configuration::from_text(text, Path::new("/srv")).unwrap_err();
        assert!(matches!(error, ConfigurationError::Syntax { .. }), "{text}");
        assert!(error.to_string().contains("line 1 column"), "{error}");
    }
    assert!(
        only_problem("[1]").starts_with("(the whole file): [1] is not allowed; allowed: {...} with archive")
    );
}

#[test]
fn unknown_names_are_refused_in_full_with_the_nearest_allowed() {
    for (text, message) in [
        (r#"{"proxy": {"listne": 1}}"#, "proxy.listne: no such setting; did you mean proxy.listen?"),
        (r#"{"listen": 1}"#, "listen: no such setting; did you mean proxy.listen?"),
        (r#"{"entanglements": {}}"#, "entanglements: no such setting; did you mean entanglement?"),
        (
            r#"{"storage": {"redundancy": 1}}"#,
            "storage.redundancy: no such setting; allowed: nodes, type, replication_factor, write_quorum, \
             read_deadline_ms, write_deadline_ms, hedge_after_ms",
        ),
        (
            r#"{"storage": {"nodes": [{"name": "a", "directroy": "x"}]}}"#,
            "storage.nodes[0].directroy: no such setting of a node; did you mean directory?",
        ),
    ] {
        assert_eq!(only_problem(text), message);
    }
}

#[test]
fn wrong_values_name_the_key_the_value_and_what_is_allowed() {
    for (text, message) in [
        (
            r#"{"cache": {"bytes": "much"}}"#,
            r#"cache.bytes: "much" is not allowed; allowed: a whole number from 0 to 1099511627776"#,
        ),
        (
            r#"{"proxy": {"limits": {"connections": 0}}}"#,
            "proxy.limits.connections: 0 is not allowed; allowed: a whole number from 1 to 1000000",
        ),
        (
            r#"{"proxy": {"limits": {"drain_ms": 1.5}}}"#,
            "proxy.limits.drain_ms: 1.5 is not allowed; allowed: a whole number from 1 to 86400000",
        ),
        (r#"{"proxy": {"graph": 1}}"#, "proxy.graph: 1 is not allowed; allowed: true or false"),
        (
            r#"{"archive": {"min_block": 5000}}"#,
            "archive.min_block: 5000 is not allowed; allowed: a power of two from 64 to 67108864",
        ),
        (
            r#"{"archive": {"directory": null}}"#,
            r#"archive.directory: null is not allowed; allowed: a folder's path, such as "data""#,
        ),
        (
            r#"{"entanglement": {"selection": "random"}}"#,
            r#"entanglement.selection: "random" is not allowed; allowed: "uniform", "normal", "window", "mixed""#,
        ),
        (
            r#"{"storage": {"nodes": 0}}"#,
            "storage.nodes: 0 is not allowed; allowed: a whole number from 1 to 4096, or a list of as many nodes",
        ),
        (
            r#"{"storage": {"nodes": []}}"#,
            "storage.nodes: [] is not allowed; allowed: a whole number from 1 to 4096, or a list of as many nodes",
        ),
        (r#"{"cache": 5}"#, "cache: 5 is not allowed; allowed: {...} with bytes"),
    ] {
        assert_eq!(only_problem(text), message);
    }
    let listen = only_problem(r#"{"proxy": {"listen": "localhost:3000"}}"#);
    assert!(
        listen.starts_with(r#"proxy.listen: "localhost:3000" is not allowed; allowed: an IP address"#),
        "{listen}"
    );
}

#[test]
fn backends_of_other_builds_are_known_but_refused() {
    for (text, message) in [
        (
            r#"{"storage": {"type": "s3"}}"#,
            r#"storage.type: "s3" is not in this build; allowed here: "directory", "memory""#,
        ),
        (
            r#"{"metadata": {"type": "redis"}}"#,
            r#"metadata.type: "redis" is not in this build; allowed here: "sqlite", "memory""#,
        ),
        (
            r#"{"coordination": {"type": "zookeeper"}}"#,
            r#"coordination.type: "zookeeper" is not in this build; allowed here: "file", "local""#,
        ),
        (
            r#"{"metadata": {"type": "oracle"}}"#,
            r#"metadata.type: "oracle" is not allowed; allowed: "sqlite", "memory""#,
        ),
    ] {
        assert_eq!(only_problem(text), message);
    }
}

#[test]
fn values_that_make_no_sense_together_are_refused() {
    for (text, parts) in [
        (
            r#"{"storage": {"nodes": 2, "replication_factor": 3}}"#,
            ["storage.replication_factor: 3", "never on the same node"],
        ),
        (
            r#"{"storage": {"replication_factor": 2, "write_quorum": 3}}"#,
            ["storage.write_quorum: 3", "which is 2"],
        ),
        (
            r#"{"entanglement": {"configuration": {"s": 4}}}"#,
            ["entanglement.configuration: (4,10,3)", "1 <= s <= p"],
        ),
        (
            r#"{"entanglement": {"configuration": {"t": 254}}}"#,
            ["entanglement.configuration: (1,254,3)", "<= 256"],
        ),
        (
            r#"{"archive": {"max_block": 2048}}"#,
            ["archive.min_block: 4096", "archive.max_block, which is 2048"],
        ),
        (r#"{"storage": {"hedge_after_ms": 10000}}"#, ["storage.hedge_after_ms: 10000", "less than"]),
        (
            r#"{"storage": {"nodes": [{"name": "a"}, {"name": "b"}, {"name": "a"}]}}"#,
            ["storage.nodes: two nodes", "name a"],
        ),
        (
            r#"{"storage": {"nodes": [{"name": "a", "directory": "x"}, {"name": "b", "directory": "y/../x"}]}}"#,
            ["storage.nodes: b is in the folder of a", "/srv/x"],
        ),
        (
            r#"{"storage": {"nodes": [{"name": "a", "directory": "x"}, {"name": "b", "directory": "x/b"}]}}"#,
            ["storage.nodes: b is in the folder of a", "/srv/x"],
        ),
        (
            r#"{"storage": {"nodes": [{"name": "a", "type": "memory", "directory": "x"}]}}"#,
            ["storage.nodes: a", "\"memory\""],
        ),
        (r#"{"storage": {"nodes": [{"zone": "a"}]}}"#, ["storage.nodes[0].name: not given", "must"]),
        (
            r#"{"storage": {"nodes": [{"name": "a", "url": "s3://b"}]}}"#,
            ["storage.nodes[0].url: \"s3://b\"", "not in this build"],
        ),
    ] {
        let problem = only_problem(text);
        assert!(parts.iter().all(|part| problem.contains(part)), "{text}: {problem}");
    }
}

#[test]
fn names_given_twice_are_refused() {
    assert_eq!(
        only_problem(r#"{"cache": {"bytes": 1, "bytes": 2}}"#),
        "cache.bytes: given more than once; allowed: once"
    );
    assert_eq!(
        only_problem(r#"{"storage": {"nodes": [{"name": "a", "name": "b"}]}}"#),
        "storage.nodes[0].name: given more than once; allowed: once"
    );
}

#[test]
fn all_problems_are_told_at_once() {
    let text = r#"{"colour": 1, "proxy": {"listen": 3, "limits": {"list_max": -1}}, "metadata": {"type": "redis"},
        "storage": {"nodes": [{"name": "/"}, 5], "replication_factor": 65}}"#;
    let keys: Vec<String> =
        problems(text).iter().map(|line| line.split(": ").next().unwrap().to_owned()).collect();
    assert_eq!(
        keys,
        [
            "colour",
            "proxy.listen",
            "proxy.limits.list_max",
            "storage.nodes[0].name",
            "storage.nodes[1]",
            "storage.replication_factor",
            "metadata.type"
        ]
    );
}

#[test]
fn long_values_are_cut_in_messages() {
    let problem = only_problem(&format!(r#"{{"proxy": {{"listen": "{}"}}}}"#, "ö".repeat(10_000)));
    assert!(problem.len() < 600 && problem.contains("..."), "{problem}");
}

#[test]
fn a_files_pointer_to_its_schema_is_no_setting() {
    assert_eq!(from(r#"{"$schema": "docs/configuration.schema.json"}"#), from("{}"));
}
