//! The program `repair`: what an operator asks of [`archive::Archive::audit`] and [`archive::Archive::repair`], and a
//! daemon that asks by itself.
//!
//! What damage is and how it is undone is the crate `archive`'s business. Here are arguments, what is told on standard
//! output and on a terminal, exit statuses, and when the daemon does what.
//!
//! Architecture invariant: standard output carries what was asked for and nothing else (with `--json`, one object per
//! line); logs and the progress bar go to standard error. Nothing here touches a block.

mod alarm;
mod arguments;
mod assemble;
mod daemon;
mod describe;
mod metadata_commands;
mod output;
mod progress;
mod quantity;
mod replace;
mod run;
mod standing;
mod status;

pub use arguments::Arguments;
pub use run::{completions, run};
