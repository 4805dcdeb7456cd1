//! The documents about the configuration, made of the table of settings.

use std::fmt::Write;

use serde_json::{Map, Value, json};

use crate::setting::Described;
use crate::table::{NODE_SETTINGS, SECTIONS, SETTINGS};

/// What stands above the tables of `docs/CONFIGURATION.md`.
const INTRODUCTION: &str = include_str!("introduction.md");

/// The JSON Schema (2020-12) of the file, as `docs/configuration.schema.json` holds it.
#[must_use]
pub fn schema() -> String {
    let mut whole = Map::new();
    whole.insert("$schema".to_owned(), "https://json-schema.org/draft/2020-12/schema".into());
    whole.insert("title".to_owned(), "configuration.json of Selvage".into());
    whole.extend(section_schema(""));
    // Not a setting: editors look for the schema's path here.
    if let Some(Value::Object(properties)) = whole.get_mut("properties") {
        properties.insert("$schema".to_owned(), json!({ "type": "string" }));
    }
    // Serialising a value of strings, numbers and objects cannot fail; alternate `Display` is indented.
    format!("{:#}\n", Value::Object(whole))
}

/// The schema of a section; the whole file is the section without a name.
fn section_schema(section: &str) -> Map<String, Value> {
    let mut properties = Map::new();
    for setting in SETTINGS {
        if let Some(name) = direct_member(section, setting.key()) {
            properties.insert(name.to_owned(), setting.schema().into());
        }
    }
    for (inner, about) in SECTIONS {
        if let Some(name) = direct_member(section, inner) {
            let mut schema = Map::new();
            schema.insert("description".to_owned(), (*about).into());
            schema.extend(section_schema(inner));
            properties.insert(name.to_owned(), schema.into());
        }
    }
    let mut schema = Map::new();
    schema.insert("type".to_owned(), "object".into());
    schema.insert("properties".to_owned(), properties.into());
    schema.insert("additionalProperties".to_owned(), false.into());
    schema
}

/// The last word of `key`, if it stands directly in `section`.
fn direct_member<'a>(section: &str, key: &'a str) -> Option<&'a str> {
    let (outer, name) = key.rsplit_once('.').unwrap_or(("", key));
    (outer == section).then_some(name)
}

/// The reference of all settings, as `docs/CONFIGURATION.md` holds it.
#[must_use]
pub fn document() -> String {
    let mut text = INTRODUCTION.to_owned();
    for (section, about) in SECTIONS {
        let settings = SETTINGS.iter().filter(|setting| direct_member(section, setting.key()).is_some());
        table(&mut text, &format!("`{section}`"), about, settings);
    }
    table(
        &mut text,
        "A node of the list `storage.nodes`",
        "An object for each node, instead of a count.",
        NODE_SETTINGS.iter(),
    );
    text
}

fn table<'a>(
    text: &mut String,
    title: &str,
    about: &str,
    settings: impl Iterator<Item = &'a &'a dyn Described>,
) {
    // Writing to a string cannot fail.
    let _ = write!(text, "\n## {title}\n\n{about}\n\n");
    text.push_str("| setting | default | allowed | what it is for |\n| --- | --- | --- | --- |\n");
    for setting in settings {
        let _ = writeln!(
            text,
            "| `{}` | {} | {} | {} |",
            setting.key(),
            setting.default_text(),
            setting.allowed(),
            setting.about()
        );
    }
}
