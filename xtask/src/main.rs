//! Chores of the project: `cargo run -p xtask -- CHORE`. Its tests hold the architecture.

use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result};

#[cfg(test)]
mod architecture;

/// What can be asked for.
const USAGE: &str = "usage: cargo run -p xtask -- configuration
  configuration   writes docs/configuration.schema.json and docs/CONFIGURATION.md";

/// The exit status of a command line that makes no sense.
const EXIT_USAGE: u8 = 2;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments != ["configuration"] {
        eprintln!("{USAGE}");
        return ExitCode::from(EXIT_USAGE);
    }
    match write_configuration_documents() {
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
