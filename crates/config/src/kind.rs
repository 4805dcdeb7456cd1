//! What values settings may have: reading one, and saying in words and in JSON Schema what is allowed.

use std::fmt::Display;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::{Map, Value, json};
use types::LengthClass;

use crate::problem::Problems;

/// What a setting may be.
pub(crate) trait Kind: Sync {
    /// What the program uses.
    type Value;
    /// How the table writes a default.
    type Default: Copy + Sync;

    /// The value, or `None` after telling `problems` what is wrong with it.
    fn read(&self, key: &str, value: &Value, problems: &mut Problems) -> Option<Self::Value>;
    /// The default as the program uses it.
    fn value_of(&self, default: Self::Default) -> Self::Value;
    /// The default as it would stand in the file.
    fn json_of(&self, default: Self::Default) -> Value;
    /// What is allowed, in words.
    fn allowed(&self) -> String;
    /// What is allowed, in JSON Schema.
    fn schema(&self) -> Map<String, Value>;
    /// Whether every value is a text.
    fn is_text(&self) -> bool;
}

/// The members of a JSON object.
pub(crate) fn members(value: Value) -> Map<String, Value> {
    if let Value::Object(members) = value { members } else { Map::new() }
}

/// A whole number in a range.
pub(crate) struct Integer<N> {
    pub(crate) min: N,
    pub(crate) max: N,
}

impl<N> Kind for Integer<N>
where
    N: Copy + PartialOrd + Display + Sync + TryFrom<u64> + Into<Value>,
{
    type Value = N;
    type Default = N;

    fn read(&self, key: &str, value: &Value, problems: &mut Problems) -> Option<N> {
        let number = value.as_u64().and_then(|number| N::try_from(number).ok());
        let number = number.filter(|number| (self.min..=self.max).contains(number));
        if number.is_none() {
            problems.add_value(key, value, self.allowed());
        }
        number
    }

    fn value_of(&self, default: N) -> N {
        default
    }

    fn json_of(&self, default: N) -> Value {
        default.into()
    }

    fn allowed(&self) -> String {
        format!("a whole number from {} to {}", self.min, self.max)
    }

    fn schema(&self) -> Map<String, Value> {
        let (min, max): (Value, Value) = (self.min.into(), self.max.into());
        members(json!({ "type": "integer", "minimum": min, "maximum": max }))
    }

    fn is_text(&self) -> bool {
        false
    }
}

/// A time in milliseconds, at most a day.
pub(crate) struct Milliseconds;

impl Milliseconds {
    const RANGE: Integer<u64> = Integer { min: 1, max: 86_400_000 };
}

impl Kind for Milliseconds {
    type Value = Duration;
    type Default = u64;

    fn read(&self, key: &str, value: &Value, problems: &mut Problems) -> Option<Duration> {
        Self::RANGE.read(key, value, problems).map(Duration::from_millis)
    }

    fn value_of(&self, default: u64) -> Duration {
        Duration::from_millis(default)
    }

    fn json_of(&self, default: u64) -> Value {
        default.into()
    }

    fn allowed(&self) -> String {
        Self::RANGE.allowed()
    }

    fn schema(&self) -> Map<String, Value> {
        Self::RANGE.schema()
    }

    fn is_text(&self) -> bool {
        false
    }
}

/// The length of a block.
pub(crate) struct BlockLength;

impl BlockLength {
    fn lengths() -> impl Iterator<Item = usize> {
        (LengthClass::MIN.log2()..=LengthClass::MAX.log2()).map(|log2| 1 << log2)
    }
}

impl Kind for BlockLength {
    type Value = LengthClass;
    type Default = LengthClass;

    fn read(&self, key: &str, value: &Value, problems: &mut Problems) -> Option<LengthClass> {
        let class = value.as_u64().and_then(|bytes| LengthClass::of_bytes(bytes).ok());
        if class.is_none() {
            problems.add_value(key, value, self.allowed());
        }
        class
    }

    fn value_of(&self, default: LengthClass) -> LengthClass {
        default
    }

    fn json_of(&self, default: LengthClass) -> Value {
        default.bytes().into()
    }

    fn allowed(&self) -> String {
        format!("a power of two from {} to {}", LengthClass::MIN, LengthClass::MAX)
    }

    fn schema(&self) -> Map<String, Value> {
        members(json!({ "enum": Self::lengths().collect::<Vec<_>>() }))
    }

    fn is_text(&self) -> bool {
        false
    }
}

/// Yes or no.
pub(crate) struct Flag;

impl Kind for Flag {
    type Value = bool;
    type Default = bool;

    fn read(&self, key: &str, value: &Value, problems: &mut Problems) -> Option<bool> {
        let flag = value.as_bool();
        if flag.is_none() {
            problems.add_value(key, value, self.allowed());
        }
        flag
    }

    fn value_of(&self, default: bool) -> bool {
        default
    }

    fn json_of(&self, default: bool) -> Value {
        default.into()
    }

    fn allowed(&self) -> String {
        "true or false".to_owned()
    }

    fn schema(&self) -> Map<String, Value> {
        members(json!({ "type": "boolean" }))
    }

    fn is_text(&self) -> bool {
        false
    }
}

/// A text that something makes a value of: an address, a name, a folder.
pub(crate) struct Parsed<V> {
    /// Makes the value, if the text is one.
    pub(crate) parse: fn(&str) -> Option<V>,
    /// What is allowed, in words.
    pub(crate) allowed: &'static str,
    /// What is allowed, as a regular expression for the schema; not necessarily all of it.
    pub(crate) pattern: &'static str,
}

impl<V: Clone + Sync> Kind for Parsed<V> {
    type Value = V;
    /// The value and its text.
    type Default = (fn() -> V, &'static str);

    fn read(&self, key: &str, value: &Value, problems: &mut Problems) -> Option<V> {
        let parsed = value.as_str().and_then(self.parse);
        if parsed.is_none() {
            problems.add_value(key, value, self.allowed);
        }
        parsed
    }

    fn value_of(&self, default: Self::Default) -> V {
        default.0()
    }

    fn json_of(&self, default: Self::Default) -> Value {
        default.1.into()
    }

    fn allowed(&self) -> String {
        self.allowed.to_owned()
    }

    fn schema(&self) -> Map<String, Value> {
        members(json!({ "type": "string", "pattern": self.pattern }))
    }

    fn is_text(&self) -> bool {
        true
    }
}

/// A folder; relative ones are relative to the configuration file's folder.
pub(crate) const FOLDER: Parsed<PathBuf> = Parsed {
    parse: |text| (!text.is_empty() && !text.contains('\0')).then(|| PathBuf::from(text)),
    allowed: "a folder's path, such as \"data\"",
    pattern: "^[^\\u0000]+$",
};

/// An address to listen on.
pub(crate) const ADDRESS: Parsed<SocketAddr> = Parsed {
    parse: |text| text.parse().ok(),
    allowed: "an IP address and a port, such as \"127.0.0.1:3000\", \"[::]:3000\" or, for any free port, \"127.0.0.1:0\"",
    pattern: "^(\\[[0-9A-Fa-f:.%]+\\]|[0-9.]+):[0-9]{1,5}$",
};

/// One of a few names.
pub(crate) struct Choice<E: 'static> {
    /// The names, and what they mean.
    pub(crate) here: &'static [(&'static str, E)],
    /// Names that mean something, but not in this build.
    pub(crate) elsewhere: &'static [&'static str],
}

impl<E: Copy + PartialEq + Sync> Kind for Choice<E> {
    type Value = E;
    type Default = E;

    fn read(&self, key: &str, value: &Value, problems: &mut Problems) -> Option<E> {
        let text = value.as_str().unwrap_or_default();
        let chosen = self.here.iter().find(|(name, _)| *name == text).map(|(_, chosen)| *chosen);
        if chosen.is_none() && self.elsewhere.contains(&text) {
            problems.add(key, format_args!("{value} is not in this build; allowed here: {}", self.allowed()));
        } else if chosen.is_none() {
            problems.add_value(key, value, self.allowed());
        }
        chosen
    }

    fn value_of(&self, default: E) -> E {
        default
    }

    fn json_of(&self, default: E) -> Value {
        self.here.iter().find(|(_, choice)| *choice == default).map(|(name, _)| *name).into()
    }

    fn allowed(&self) -> String {
        let names: Vec<String> = self.here.iter().map(|(name, _)| format!("\"{name}\"")).collect();
        names.join(", ")
    }

    fn schema(&self) -> Map<String, Value> {
        let names: Vec<&str> = self.here.iter().map(|(name, _)| *name).collect();
        members(json!({ "enum": names }))
    }

    fn is_text(&self) -> bool {
        true
    }
}
