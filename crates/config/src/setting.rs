//! A setting: its name, what it may be, what it is when nobody says, and what it is for.

use serde_json::{Map, Value};

use crate::document::Values;
use crate::kind::Kind;
use crate::problem::Problems;

/// A setting that has a value always.
pub(crate) struct Setting<K: Kind> {
    /// Full dotted name.
    pub(crate) key: &'static str,
    /// What it may be.
    pub(crate) kind: K,
    /// What it is when nobody says.
    pub(crate) default: K::Default,
    /// What it is for, in a sentence or two.
    pub(crate) about: &'static str,
}

/// A setting whose default follows from other settings, or that may be left out.
pub(crate) struct OptionalSetting<K: Kind> {
    /// Full dotted name; in a node's object, the name there.
    pub(crate) key: &'static str,
    /// What it may be.
    pub(crate) kind: K,
    /// What holds when nobody says, in words.
    pub(crate) otherwise: &'static str,
    /// What it is for, in a sentence or two.
    pub(crate) about: &'static str,
}

impl<K: Kind> Setting<K> {
    /// The value given, or the default; what is wrong with it goes to `problems`.
    pub(crate) fn read(&self, values: &Values, problems: &mut Problems) -> K::Value {
        values
            .get(self.key)
            .and_then(|value| self.kind.read(self.key, value, problems))
            .unwrap_or_else(|| self.kind.value_of(self.default))
    }
}

impl<K: Kind> OptionalSetting<K> {
    /// The value given, if it is one; what is wrong with it goes to `problems`.
    pub(crate) fn read(&self, values: &Values, problems: &mut Problems) -> Option<K::Value> {
        self.kind.read(self.key, values.get(self.key)?, problems)
    }
}

/// What a document about settings, and the check of names, need to know of one.
pub(crate) trait Described: Sync {
    /// Full dotted name.
    fn key(&self) -> &'static str;
    /// What it is for.
    fn about(&self) -> &'static str;
    /// What it may be, in words.
    fn allowed(&self) -> String;
    /// What it is when nobody says, for people.
    fn default_text(&self) -> String;
    /// Whether a value in an environment variable is text as it stands, not JSON.
    fn is_text(&self) -> bool;
    /// Its JSON Schema.
    fn schema(&self) -> Map<String, Value>;
}

impl<K: Kind> Described for Setting<K> {
    fn key(&self) -> &'static str {
        self.key
    }

    fn about(&self) -> &'static str {
        self.about
    }

    fn allowed(&self) -> String {
        self.kind.allowed()
    }

    fn default_text(&self) -> String {
        format!("`{}`", self.kind.json_of(self.default))
    }

    fn is_text(&self) -> bool {
        self.kind.is_text()
    }

    fn schema(&self) -> Map<String, Value> {
        let mut schema = described(self.about, self.kind.schema());
        schema.insert("default".to_owned(), self.kind.json_of(self.default));
        schema
    }
}

impl<K: Kind> Described for OptionalSetting<K> {
    fn key(&self) -> &'static str {
        self.key
    }

    fn about(&self) -> &'static str {
        self.about
    }

    fn allowed(&self) -> String {
        self.kind.allowed()
    }

    fn default_text(&self) -> String {
        self.otherwise.to_owned()
    }

    fn is_text(&self) -> bool {
        self.kind.is_text()
    }

    fn schema(&self) -> Map<String, Value> {
        described(&format!("{} Default: {}.", self.about, self.otherwise), self.kind.schema())
    }
}

/// The schema with the description in front.
fn described(about: &str, schema: Map<String, Value>) -> Map<String, Value> {
    let mut whole = Map::new();
    whole.insert("description".to_owned(), about.into());
    whole.extend(schema);
    whole
}
