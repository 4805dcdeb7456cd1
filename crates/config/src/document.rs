//! The file and the environment as one set of named values.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

use crate::problem::Problems;
use crate::setting::Described;
use crate::table;

/// What a variable's name starts with to override a setting.
const OVERRIDE_PREFIX: &str = "selvage__";

/// The values given, by the full dotted names of their settings.
#[derive(Debug, Default)]
pub(crate) struct Values(BTreeMap<String, Value>);

impl Values {
    /// The value given for the setting `key`.
    pub(crate) fn get(&self, key: &str) -> Option<&Value> {
        self.0.get(key)
    }

    /// Takes the settings of a section, telling `problems` of names that mean nothing.
    fn add_section(&mut self, section: &str, members: Map<String, Value>, problems: &mut Problems) {
        for (name, value) in members {
            let key = if section.is_empty() { name } else { format!("{section}.{name}") };
            self.add(&key, value, problems);
        }
    }

    fn add(&mut self, key: &str, value: Value, problems: &mut Problems) {
        // Names the schema for editors that look for it here.
        if key == "$schema" {
            return;
        }
        if table::find(key).is_some() {
            problems.is_set(key);
            self.0.insert(key.to_owned(), value);
        } else if table::is_section(key) {
            match value {
                Value::Object(members) => self.add_section(key, members, problems),
                other => {
                    problems.add_value(key, &other, format_args!("{{...}} with {}", table::members(key)));
                }
            }
        } else {
            problems.add(key, table::unknown(key));
        }
    }
}

/// Reads the file's text and what overrides it.
pub(crate) fn read(
    text: &str,
    environment: impl Iterator<Item = (String, String)>,
) -> Result<(Values, Problems), serde_json::Error> {
    let mut problems = Problems::default();
    let mut values = Values::default();
    let (whole, duplicates) = parse(text)?;
    for key in duplicates {
        problems.add(&key, "given more than once; allowed: once");
    }
    match whole {
        Value::Object(members) => values.add_section("", members, &mut problems),
        other => {
            problems.add_value(
                "(the whole file)",
                &other,
                format_args!("{{...}} with {}", table::members("")),
            );
        }
    }
    override_with(&mut values, environment, &mut problems);
    Ok((values, problems))
}

/// Lets the environment override the file: sections first, then what is in them.
fn override_with(
    values: &mut Values,
    environment: impl Iterator<Item = (String, String)>,
    problems: &mut Problems,
) {
    let mut variables: Vec<(String, String, String)> =
        environment.filter_map(|(variable, text)| Some((overridden(&variable)?, variable, text))).collect();
    variables
        .sort_by_cached_key(|(key, variable, _)| (key.matches('.').count(), key.clone(), variable.clone()));
    for pair in variables.windows(2) {
        if let [(key, first, _), (again, second, _)] = pair
            && key == again
        {
            problems.add(key, format_args!("set by both {first} and {second}; allowed: one of them"));
        }
    }
    for (key, variable, text) in variables {
        problems.look_at(Some(&variable));
        let is_text = table::find(&key).is_some_and(Described::is_text);
        let value = if is_text { Value::String(text) } else { parse_or_text(&key, text, problems) };
        values.add(&key, value, problems);
    }
    problems.look_at(None);
}

/// The name of the setting that a variable means to override, if it means to.
fn overridden(variable: &str) -> Option<String> {
    Some(variable.to_lowercase().strip_prefix(OVERRIDE_PREFIX)?.replace("__", "."))
}

fn parse_or_text(key: &str, text: String, problems: &mut Problems) -> Value {
    let Ok((value, duplicates)) = parse(&text) else {
        return Value::String(text);
    };
    for inner in duplicates {
        problems.add(&format!("{key}.{inner}"), "given more than once; allowed: once");
    }
    value
}

/// JSON, and the dotted names of members that an object has more than once.
fn parse(text: &str) -> Result<(Value, Vec<String>), serde_json::Error> {
    let duplicates = RefCell::default();
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let value = Strict { path: String::new(), duplicates: &duplicates }.deserialize(&mut deserializer)?;
    deserializer.end()?;
    Ok((value, duplicates.into_inner()))
}

/// Reads any JSON and notes repeated members, which `serde_json` alone would let pass.
struct Strict<'a> {
    path: String,
    duplicates: &'a RefCell<Vec<String>>,
}

impl Strict<'_> {
    fn inner(&self, path: String) -> Self {
        Self { path, duplicates: self.duplicates }
    }
}

impl<'de> DeserializeSeed<'de> for Strict<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(item) =
            items.next_element_seed(self.inner(format!("{}[{}]", self.path, list.len())))?
        {
            list.push(item);
        }
        Ok(list.into())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        while let Some(name) = members.next_key::<String>()? {
            let path = if self.path.is_empty() { name.clone() } else { format!("{}.{name}", self.path) };
            let value = members.next_value_seed(self.inner(path.clone()))?;
            if object.insert(name, value).is_some() {
                self.duplicates.borrow_mut().push(path);
            }
        }
        Ok(object.into())
    }
}
