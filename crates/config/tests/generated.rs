//! The documents in `docs/` are those of the table of settings.

#![allow(clippy::panic, clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::Value;

fn committed(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs").join(name);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

const HOW: &str = "is not what the table of settings says; run: cargo run -p xtask -- configuration";

#[test]
fn the_committed_schema_is_the_tables() {
    assert!(
        committed("configuration.schema.json") == config::schema(),
        "docs/configuration.schema.json {HOW}"
    );
}

#[test]
fn the_committed_reference_is_the_tables() {
    assert!(committed("CONFIGURATION.md") == config::document(), "docs/CONFIGURATION.md {HOW}");
}

/// A file that gives every setting its default, as the schema states it.
fn defaults(schema: &Value) -> Value {
    if let Some(default) = schema.get("default") {
        return default.clone();
    }
    let properties = schema["properties"].as_object().unwrap();
    let given = |schema: &&Value| schema.get("default").is_some() || schema.get("properties").is_some();
    properties
        .iter()
        .filter(|(_, schema)| given(schema))
        .map(|(name, schema)| (name.clone(), defaults(schema)))
        .collect::<serde_json::Map<_, _>>()
        .into()
}

#[test]
fn the_schemas_defaults_are_what_holds_when_nothing_is_given() {
    let schema: Value = serde_json::from_str(&config::schema()).unwrap();
    let folder = Path::new("/srv");
    let given = config::Configuration::from_text(&defaults(&schema).to_string(), folder).unwrap();
    assert_eq!(given, config::Configuration::from_text("{}", folder).unwrap());
}

#[test]
fn every_setting_and_section_is_described_and_closed() {
    fn check(path: &str, schema: &Value, seen: &mut BTreeSet<String>) {
        if let Some(properties) = schema.get("properties") {
            assert_eq!(schema["additionalProperties"], false, "{path}");
            for (name, inner) in properties.as_object().unwrap() {
                let inner_path = format!("{path}.{name}");
                assert!(
                    name == "$schema" || inner["description"].as_str().is_some_and(|text| text.len() > 10),
                    "{inner_path}"
                );
                check(&inner_path, inner, seen);
                seen.insert(inner_path);
            }
        }
    }
    let schema: Value = serde_json::from_str(&config::schema()).unwrap();
    let mut seen = BTreeSet::new();
    check("", &schema, &mut seen);
    for fixed in [
        ".archive.directory",
        ".proxy.listen",
        ".storage.nodes",
        ".storage.type",
        ".storage.replication_factor",
        ".entanglement.type",
        ".entanglement.configuration.s",
        ".entanglement.configuration.t",
        ".entanglement.configuration.p",
        ".entanglement.selection",
        ".cache.bytes",
        ".metadata.type",
        ".coordination.type",
    ] {
        assert!(seen.contains(fixed), "{fixed}");
    }
}
