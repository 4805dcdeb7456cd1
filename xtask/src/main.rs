//! Chores of the project: `cargo run -p xtask -- CHORE`. The tests beside it hold the architecture.

use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result};

/// What can be asked for.
const USAGE: &str = "usage: cargo run -p xtask -- configuration
  configuration   writes docs/configuration.schema.json and docs/CONFIGURATION.md";

fn main() -> ExitCode {
    let chore = std::env::args().nth(1);
    let done = match chore.as_deref() {
        Some("configuration") => write_configuration_documents(),
        _ => {
            eprintln!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Writes the documents that the table of settings makes.
fn write_configuration_documents() -> Result<()> {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs");
    std::fs::create_dir_all(&docs).with_context(|| format!("cannot make {}", docs.display()))?;
    for (name, text) in
        [("configuration.schema.json", config::schema()), ("CONFIGURATION.md", config::document())]
    {
        let path = docs.join(name);
        std::fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(())
}
