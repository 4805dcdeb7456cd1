//! What every binary does: options, configuration, logging, signals, backends, exit status.
//!
//! A binary's `main` is [`run`] and what only it does:
//!
//! ```no_run
//! # use clap::Parser;
//! /// Keeps documents.
//! #[derive(Parser)]
//! struct Arguments {
//!     #[command(flatten)]
//!     common: runtime::Options,
//! }
//!
//! impl AsRef<runtime::Options> for Arguments {
//!     fn as_ref(&self) -> &runtime::Options {
//!         &self.common
//!     }
//! }
//!
//! fn main() -> std::process::ExitCode {
//!     runtime::run(async |arguments: Arguments, configuration| {
//!         let stop = runtime::shutdown()?;
//!         // build, bind, serve ...
//!         stop.await;
//!         // ... and drain.
//!         Ok(runtime::ExitStatus::Ok)
//!     })
//! }
//! ```
//!
//! Architecture invariant: nothing is bound, opened or created before the configuration has been checked whole.

pub mod backends;
mod exit;
mod logging;
mod options;
mod run;
mod signals;

pub use exit::ExitStatus;
pub use options::Options;
pub use run::{run, run_from};
pub use signals::{Signal, shutdown};
