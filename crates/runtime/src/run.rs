//! From `main` to exit status.

use std::ffi::OsString;
use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::Parser;
use config::Configuration;

use crate::{ExitStatus, Options, logging};

/// For threads that still block (on a disk that hangs, say) when all is done; then they are left behind.
const STRAGGLERS_MAX: Duration = Duration::from_secs(2);

/// Runs a binary: reads its arguments and configuration, or refuses; starts logging and the asynchronous runtime;
/// does `work`, and logs why it failed if it did.
///
/// What is refused is told on standard error in plain text, with status 2 (arguments) or 64 (configuration).
pub fn run<Arguments, Work>(work: Work) -> ExitCode
where
    Arguments: Parser + AsRef<Options>,
    Work: AsyncFnOnce(Arguments, Configuration) -> Result<ExitStatus>,
{
    run_from(std::env::args_os(), work)
}

/// As [`run`], with these arguments, the first of which is the binary's name.
pub fn run_from<Arguments, Work>(arguments: impl IntoIterator<Item = OsString>, work: Work) -> ExitCode
where
    Arguments: Parser + AsRef<Options>,
    Work: AsyncFnOnce(Arguments, Configuration) -> Result<ExitStatus>,
{
    let arguments = match Arguments::try_parse_from(arguments) {
        Ok(arguments) => arguments,
        Err(told) => {
            // Help and version are told this way too, with status 0. If nobody can read it, so be it.
            let _ = told.print();
            return if told.use_stderr() { ExitStatus::Usage } else { ExitStatus::Ok }.into();
        }
    };
    let options = arguments.as_ref();
    let configuration = match Configuration::load(&options.configuration, environment()) {
        Ok(configuration) => configuration,
        Err(refused) => {
            tell(format_args!("error: {refused}"));
            return ExitStatus::Configuration.into();
        }
    };
    if let Err(error) = logging::start(&options.log) {
        tell(format_args!("error: {error:#}"));
        return ExitStatus::Failed.into();
    }
    match block_on(work(arguments, configuration)) {
        Ok(status) => status.into(),
        Err(error) => {
            tracing::error!(error = format_args!("{error:#}"), "failed");
            ExitStatus::of_error(&error).into()
        }
    }
}

/// The environment, with what is not UTF-8 replaced: a variable of ours that is not is refused by its value.
fn environment() -> impl Iterator<Item = (String, String)> {
    let text = |text: OsString| text.to_string_lossy().into_owned();
    std::env::vars_os().map(move |(name, value)| (text(name), text(value)))
}

/// Says something before logging starts. If nobody can read it, so be it.
fn tell(message: std::fmt::Arguments<'_>) {
    let _ = writeln!(std::io::stderr(), "{message}");
}

fn block_on(work: impl Future<Output = Result<ExitStatus>>) -> Result<ExitStatus> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("cannot start the asynchronous runtime")?;
    let done = runtime.block_on(work);
    runtime.shutdown_timeout(STRAGGLERS_MAX);
    done
}
