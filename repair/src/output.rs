//! Standard output: text for people, or JSON objects, one per line.

use std::fmt;
use std::io::{self, Write};
use std::sync::{Mutex, PoisonError};

use serde_json::Value;

/// Where answers go.
#[derive(Debug)]
pub(crate) struct Output {
    json: bool,
    /// The first error: whoever reads us may be gone, which ends no repair.
    failed: Mutex<Option<io::Error>>,
}

impl Output {
    pub(crate) fn new(json: bool) -> Self {
        Self { json, failed: Mutex::new(None) }
    }

    pub(crate) fn is_json(&self) -> bool {
        self.json
    }

    /// Writes an object, if JSON was asked for.
    pub(crate) fn object(&self, object: &Value) {
        if self.json {
            self.write(format_args!("{object}\n"));
        }
    }

    /// Writes a line of text, unless JSON was asked for.
    pub(crate) fn line(&self, line: impl fmt::Display) {
        if !self.json {
            self.write(format_args!("{line}\n"));
        }
    }

    /// Writes an object, or its text for people.
    pub(crate) fn either(&self, object: &Value, line: impl fmt::Display) {
        self.object(object);
        self.line(line);
    }

    /// The first error of writing.
    pub(crate) fn finish(&self) -> io::Result<()> {
        self.failed().take().map_or(Ok(()), Err)
    }

    fn failed(&self) -> std::sync::MutexGuard<'_, Option<io::Error>> {
        self.failed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self, text: fmt::Arguments<'_>) {
        let mut failed = self.failed();
        if failed.is_none()
            && let Err(error) = io::stdout().lock().write_fmt(text)
        {
            tracing::warn!(%error, "nobody reads standard output");
            *failed = Some(error);
        }
    }
}
