//! Where logs go and what they look like.

use std::backtrace::{Backtrace, BacktraceStatus};
use std::io::{self, IsTerminal};
use std::panic::PanicHookInfo;

use anyhow::{Result, anyhow};
use tracing_subscriber::EnvFilter;

/// From now on, what is logged goes to standard error: as text on a terminal, elsewhere as JSON lines with
/// `timestamp`, `level`, `target`, `message` and the event's fields side by side. Panics are logged too.
pub(crate) fn start(filter: &str) -> Result<()> {
    let builder = tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::try_new(filter)?)
        .with_writer(io::stderr)
        // Nobody is there to be told that standard error is gone.
        .log_internal_errors(false);
    let started = if io::stderr().is_terminal() {
        builder.try_init()
    } else {
        builder.json().flatten_event(true).with_span_list(false).try_init()
    };
    started.map_err(|error| anyhow!("cannot start logging: {error}"))?;
    std::panic::set_hook(Box::new(log_panic));
    Ok(())
}

/// A panic is a defect: it is logged where everything else is, not printed between the lines.
fn log_panic(panic: &PanicHookInfo<'_>) {
    let payload = panic.payload();
    let text = payload.downcast_ref::<&str>().copied();
    let reason =
        text.or_else(|| payload.downcast_ref::<String>().map(String::as_str)).unwrap_or("not a text");
    let location = panic.location().map(ToString::to_string);
    let backtrace = Backtrace::capture();
    let backtrace = (backtrace.status() == BacktraceStatus::Captured).then(|| backtrace.to_string());
    let thread = std::thread::current();
    tracing::error!(reason, location, thread = thread.name(), backtrace, "panicked");
}
