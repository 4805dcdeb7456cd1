//! What is told while a run goes on: JSON lines, and a bar on a terminal.

use std::io::IsTerminal;
use std::time::Duration;

use archive::audit::{Event, Progress};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::describe;
use crate::output::Output;

/// How often a bar is drawn even if nothing happens.
const TICK: Duration = Duration::from_millis(250);

const AUDIT: &str = "audit  [{bar:30}] {percent:>3}% {pos}/{len} codewords, {per_sec}, {eta} left, {msg}";
const REPAIR: &str =
    "repair [{bar:30}] {percent:>3}% {bytes}/{total_bytes}, {binary_bytes_per_sec}, {eta} left, {msg}";
const SCAN: &str = "scan   [{bar:30}] {percent:>3}% {pos}/{len} documents, {per_sec}, {eta} left, {msg}";

/// Tells a run's events.
pub(crate) struct Console<'a> {
    output: &'a Output,
    bar: ProgressBar,
}

impl<'a> Console<'a> {
    /// For an audit, then a repair.
    pub(crate) fn new(output: &'a Output) -> Self {
        Self { output, bar: bar(AUDIT) }
    }

    /// For a scan of the blocks.
    pub(crate) fn of_scan(output: &'a Output) -> Self {
        Self { output, bar: bar(SCAN) }
    }

    /// From now on the bar is a repair's.
    pub(crate) fn begin_repair(&self) {
        self.bar.reset();
        self.bar.set_style(style(REPAIR));
        self.bar.set_length(0);
        self.bar.set_message("");
    }

    /// So far it is, of so much.
    pub(crate) fn at(&self, position: u64, length: u64, message: String) {
        self.bar.set_length(length);
        self.bar.set_position(position);
        self.bar.set_message(message);
    }

    /// Takes the bar off the terminal.
    pub(crate) fn end(&self) {
        self.bar.finish_and_clear();
    }

    /// Writes a line above the bar.
    fn above(&self, line: impl std::fmt::Display) {
        self.bar.suspend(|| self.output.line(line));
    }
}

impl Progress for Console<'_> {
    fn event(&self, event: &Event<'_>) {
        match event {
            Event::Audited(counts) => {
                let message = format!("{} found", counts.findings);
                self.at(counts.codewords, counts.codewords_total, message);
            }
            Event::Found(finding) => self.output.object(&describe::finding(finding)),
            Event::Planned(totals) => {
                self.bar.set_length(self.bar.position() + totals.bytes_written);
                self.bar.set_message(format!("{} blocks planned", totals.blocks));
                self.output.object(&describe::totals(totals));
            }
            Event::Repaired(repaired) => {
                self.bar.inc(repaired.bytes * repaired.nodes.len() as u64);
                self.output.object(&describe::repaired(repaired));
            }
            Event::Failed(failure) => {
                self.output.object(&describe::failure(failure));
                self.above(format_args!("block {} not repaired: {}", failure.id, failure.message));
            }
        }
    }
}

/// A bar on standard error, if that is a terminal, else nowhere.
fn bar(template: &str) -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::with_draw_target(Some(0), ProgressDrawTarget::stderr());
    bar.set_style(style(template));
    bar.enable_steady_tick(TICK);
    bar
}

fn style(template: &str) -> ProgressStyle {
    // The templates are ours and tested; a plain bar would do no harm.
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_templates_are_well_made() {
        for template in [AUDIT, REPAIR, SCAN] {
            ProgressStyle::with_template(template).unwrap();
        }
    }
}
