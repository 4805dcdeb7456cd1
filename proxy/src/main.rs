//! The HTTP door of an archive.

use std::process::ExitCode;

use clap::Parser;
use runtime::ExitStatus;

/// Serves an archive over HTTP.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    #[command(flatten)]
    common: runtime::Options,
}

impl AsRef<runtime::Options> for Arguments {
    fn as_ref(&self) -> &runtime::Options {
        &self.common
    }
}

fn main() -> ExitCode {
    runtime::run(async |_: Arguments, configuration| {
        let stop = runtime::shutdown()?;
        proxy::run(&configuration, stop).await?;
        Ok(ExitStatus::Ok)
    })
}
