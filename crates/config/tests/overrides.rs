//! What the environment may change, and how.

#![allow(clippy::panic, clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::path::Path;

use config::{Configuration, ConfigurationError, Selection};

const SHIPPED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../configuration.json");

fn load(variables: &[(&str, &str)]) -> Result<Configuration, ConfigurationError> {
    let pairs = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    Configuration::load(Path::new(SHIPPED), pairs)
}

fn problems(variables: &[(&str, &str)]) -> Vec<String> {
    match load(variables) {
        Err(ConfigurationError::Refused { problems, .. }) => {
            problems.iter().map(ToString::to_string).collect()
        }
        other => panic!("expected problems, got {other:?}"),
    }
}

#[test]
fn every_kind_of_setting_can_be_overridden() {
    let configuration = load(&[
        ("SELVAGE__PROXY__LISTEN", "127.0.0.1:3100"),
        ("selvage__Proxy__Limits__Connections", "7"),
        ("SELVAGE__PROXY__GRAPH", "true"),
        ("SELVAGE__ARCHIVE__DIRECTORY", "/12"),
        ("SELVAGE__ENTANGLEMENT__SELECTION", "window"),
        ("SELVAGE__STORAGE__NODES", r#"[{"name": "a"}, {"name": "b"}]"#),
        ("SELVAGE__STORAGE__REPLICATION_FACTOR", "2"),
        ("PATH", "/bin"),
    ])
    .unwrap();
    assert_eq!(configuration.proxy.listen.to_string(), "127.0.0.1:3100");
    assert_eq!(configuration.proxy.limits.connections, 7);
    assert!(configuration.proxy.graph);
    assert_eq!(configuration.archive.directory, Path::new("/12"));
    assert_eq!(configuration.entanglement.selection, Selection::Window);
    assert_eq!(configuration.storage.nodes.len(), 2);
    assert_eq!(configuration.storage.replication_factor, 2);
}

#[test]
fn a_text_is_taken_as_it_stands() {
    let configuration = load(&[("SELVAGE__ARCHIVE__DIRECTORY", "12")]).unwrap();
    assert!(configuration.archive.directory.ends_with("12"));
}

#[test]
fn a_section_changes_only_what_it_names_and_its_settings_come_last() {
    let configuration = load(&[
        ("SELVAGE__ENTANGLEMENT__CONFIGURATION__T", "6"),
        ("SELVAGE__ENTANGLEMENT__CONFIGURATION", r#"{"t": 5, "p": 4}"#),
    ])
    .unwrap();
    assert_eq!(configuration.entanglement.parameters.to_string(), "(1,6,4)");
}

#[test]
fn an_override_replaces_a_wrong_value_of_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("configuration.json");
    std::fs::write(&path, r#"{"cache": {"bytes": "much"}}"#).unwrap();
    let pair = ("SELVAGE__CACHE__BYTES".to_owned(), "0".to_owned());
    let loaded = Configuration::load(&path, std::iter::once(pair));
    assert_eq!(loaded.unwrap().cache.bytes, 0);
}

#[test]
fn an_override_of_nothing_is_refused_by_name() {
    assert_eq!(
        problems(&[("SELVAGE__PROXY__LISTNE", "x")]),
        ["proxy.listne (set by SELVAGE__PROXY__LISTNE): no such setting; did you mean proxy.listen?"]
    );
    assert_eq!(problems(&[("SELVAGE__", "x")]).len(), 1);
    assert!(problems(&[("SELVAGE__STORAGE__NODES__0__NAME", "a")])[0].starts_with("storage.nodes.0.name"));
}

#[test]
fn variables_with_one_underscore_are_no_overrides() {
    assert!(load(&[("SELVAGE_CONFIGURATION", "x"), ("SELVAGE_LOG", "debug"), ("SELVAGEX__A", "1")]).is_ok());
}

#[test]
fn a_wrong_value_names_the_variable_too() {
    assert_eq!(
        problems(&[
            ("SELVAGE__CACHE__BYTES", "much"),
            ("SELVAGE__STORAGE__NODES", "[5]"),
            ("SELVAGE__PROXY", r#"{"limits": {"list_max": 0}}"#),
            ("SELVAGE__METADATA", "sqlite"),
        ]),
        [
            "metadata (set by SELVAGE__METADATA): \"sqlite\" is not allowed; allowed: {...} with type, partitions",
            "proxy.limits.list_max (set by SELVAGE__PROXY): 0 is not allowed; allowed: a whole number from 1 to 100000",
            "storage.nodes[0] (set by SELVAGE__STORAGE__NODES): 5 is not allowed; allowed: {...} with name, type, \
             zone, directory, url",
            "cache.bytes (set by SELVAGE__CACHE__BYTES): \"much\" is not allowed; allowed: a whole number from 0 to \
             1099511627776",
        ]
    );
}

#[test]
fn two_variables_for_one_setting_are_refused() {
    let problems = problems(&[("SELVAGE__CACHE__BYTES", "1"), ("selvage__cache__bytes", "2")]);
    assert_eq!(
        problems,
        ["cache.bytes: set by both SELVAGE__CACHE__BYTES and selvage__cache__bytes; allowed: one of them"]
    );
}
