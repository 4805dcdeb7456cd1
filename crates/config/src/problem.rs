//! What is wrong with a configuration, all of it at once.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::path::PathBuf;

use serde_json::Value;
use thiserror::Error;

/// Longest text of a value that a message repeats, in characters.
const SHOWN_CHARACTERS_MAX: usize = 120;

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The full dotted name of the setting.
    pub key: String,
    /// The environment variable that set it, if one did.
    pub variable: Option<String>,
    /// The value and what is allowed.
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.variable {
            Some(variable) => write!(f, "{} (set by {variable}): {}", self.key, self.message),
            None => write!(f, "{}: {}", self.key, self.message),
        }
    }
}

/// Why there is no configuration.
#[derive(Debug, Error)]
pub enum ConfigurationError {
    /// The file could not be read.
    #[error(
        "cannot read the configuration {}: {source}; name another file with --configuration PATH or SELVAGE_CONFIGURATION",
        path.display()
    )]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// The file is not JSON.
    #[error("the configuration {} is not JSON: {source}", path.display())]
    Syntax {
        /// The file.
        path: PathBuf,
        /// Where and why.
        source: serde_json::Error,
    },
    /// The file is JSON, and some of it makes no sense.
    #[error("the configuration {} is refused:{}", path.display(), Lines(problems))]
    Refused {
        /// The file.
        path: PathBuf,
        /// Everything that is wrong, at least one thing.
        problems: Vec<Problem>,
    },
}

struct Lines<'a>(&'a [Problem]);

impl fmt::Display for Lines<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|problem| write!(f, "\n  {problem}"))
    }
}

/// Collects problems, and knows which settings came from the environment.
#[derive(Debug, Default)]
pub(crate) struct Problems {
    found: Vec<Problem>,
    /// The environment variable being looked at.
    current: Option<String>,
    /// The environment variables that set the settings which none left to the file.
    variables: BTreeMap<String, String>,
}

impl Problems {
    /// What follows is about this environment variable, or about none.
    pub(crate) fn look_at(&mut self, variable: Option<&str>) {
        self.current = variable.map(str::to_owned);
    }

    /// The setting `key` is set by what is being looked at, as later problems of it will say.
    pub(crate) fn is_set(&mut self, key: &str) {
        if let Some(variable) = &self.current {
            self.variables.insert(key.to_owned(), variable.clone());
        }
    }

    /// Something is wrong with the setting `key`.
    pub(crate) fn add(&mut self, key: &str, message: impl fmt::Display) {
        let variable = self.current.as_ref().or_else(|| self.variables.get(setting_of(key))).cloned();
        self.found.push(Problem { key: key.to_owned(), variable, message: message.to_string() });
    }

    /// The value of `key` is none that it may have.
    pub(crate) fn add_value(&mut self, key: &str, value: &Value, allowed: impl fmt::Display) {
        self.add(key, format_args!("{} is not allowed; allowed: {allowed}", shown(value)));
    }

    /// Whether something is wrong with `key` itself.
    pub(crate) fn has(&self, key: &str) -> bool {
        self.found.iter().any(|problem| problem.key == key)
    }

    /// Whether something is wrong with `key` or with something in it.
    pub(crate) fn is_about(&self, key: &str) -> bool {
        self.found.iter().any(|problem| setting_of(&problem.key) == key)
    }

    /// All of it, in the order found.
    pub(crate) fn into_vec(self) -> Vec<Problem> {
        self.found
    }
}

/// The name of the setting that a place in a list belongs to.
fn setting_of(key: &str) -> &str {
    key.split('[').next().unwrap_or(key)
}

/// The value as JSON, cut where it is long.
fn shown(value: &Value) -> String {
    let text = value.to_string();
    match text.char_indices().nth(SHOWN_CHARACTERS_MAX) {
        Some((end, _)) => format!("{}...", text.get(..end).unwrap_or_default()),
        None => text,
    }
}
