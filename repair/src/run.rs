//! What the arguments ask for.

use std::ffi::OsString;
use std::time::Duration;

use anyhow::Result;
use archive::audit::{AuditMode, AuditOptions, AuditReport, Cancel, Limits, Stop};
use archive::repair::{Loss, RepairOptions, RepairReport};
use clap::CommandFactory;
use config::Configuration;
use runtime::ExitStatus;
use serde_json::json;
use tokio::time::Instant;

use crate::arguments::{Arguments, Command, Work};
use crate::assemble::{self, Opened};
use crate::output::Output;
use crate::progress::Console;
use crate::{alarm, daemon, describe, metadata_commands, replace, standing, status};

/// Planned blocks told to people one by one; `--json` tells all.
const PLANNED_MAX: usize = 20;

/// Writes a shell's completions, if that is what is asked for.
pub fn completions(arguments: impl IntoIterator<Item = OsString>) -> Option<ExitStatus> {
    let shell = Arguments::shell(arguments)?;
    clap_complete::generate(shell, &mut Arguments::command(), "repair", &mut std::io::stdout());
    Some(ExitStatus::Ok)
}

/// Does what the arguments ask for.
pub async fn run(arguments: &Arguments, configuration: &Configuration) -> Result<ExitStatus> {
    if let Err(refused) = arguments.check() {
        // If nobody can read it, so be it.
        let _ = refused.print();
        return Ok(ExitStatus::Usage);
    }
    let output = Output::new(arguments.json);
    let status = dispatch(arguments, configuration, &output).await?;
    output.finish()?;
    Ok(status)
}

async fn dispatch(
    arguments: &Arguments,
    configuration: &Configuration,
    output: &Output,
) -> Result<ExitStatus> {
    let work = &arguments.work;
    match &arguments.command {
        Some(Command::Status) => status::status(configuration, output).await,
        Some(Command::Pause) => status::pause(configuration, output, true).await,
        Some(Command::Resume) => status::pause(configuration, output, false).await,
        Some(Command::ReplaceNode { name }) => replace::replace(configuration, name, output).await,
        // Answered before the configuration was read.
        Some(Command::Completions { .. }) => Ok(ExitStatus::Ok),
        None if work.daemon => daemon::run(work, configuration, output).await,
        None if work.rebuild_metadata => metadata_commands::rebuild(work, configuration, output).await,
        None if work.verify_metadata => metadata_commands::verify(work, configuration, output).await,
        None if work.export => metadata_commands::export(configuration).await,
        None => repair(work, configuration, output).await,
    }
}

/// Bounds of a run.
pub(crate) fn limits(work: &Work, configuration: &Configuration, cancel: Cancel) -> Limits {
    Limits {
        concurrency: work.concurrency.map_or(configuration.repair.concurrency, usize::from),
        bytes_per_second: work.bandwidth.or(configuration.repair.bandwidth),
        duration: work.max_duration,
        cancel,
    }
}

/// Audits and repairs once.
async fn repair(work: &Work, configuration: &Configuration, output: &Output) -> Result<ExitStatus> {
    let begin = Instant::now();
    let cancel = Cancel::new();
    cancel_on_signal(&cancel)?;
    let opened = assemble::open(configuration).await?;
    let limits = limits(work, configuration, cancel.clone());
    let run = Run { opened: &opened, work, output, console: Console::new(output), limits, begin };
    let done = run.run(configuration).await;
    run.console.end();
    opened.archive.close().await;
    let done = done?;
    done.tell(output);
    status::record(&*opened.metadata, &done.record()).await;
    Ok(done.status(cancel.is_cancelled()))
}

/// Cancels on the first signal; a second one ends the process at once.
pub(crate) fn cancel_on_signal(cancel: &Cancel) -> Result<()> {
    let (stop, cancel) = (runtime::shutdown()?, cancel.clone());
    tokio::spawn(async move {
        stop.await;
        cancel.cancel();
    });
    Ok(())
}

struct Run<'a> {
    opened: &'a Opened,
    work: &'a Work,
    output: &'a Output,
    console: Console<'a>,
    limits: Limits,
    begin: Instant,
}

impl Run<'_> {
    async fn run(&self, configuration: &Configuration) -> Result<Done> {
        let (scope, standing) = (self.work.scope(), standing::of_operator(configuration));
        let options = AuditOptions { limits: self.limits.clone(), standing, copies_min: None };
        let mode: AuditMode = self.work.audit_mode();
        let audit = self.opened.archive.audit(&scope, mode, &options, &self.console).await?;
        self.output.either(&describe::audit(&audit), describe::audit_text(&audit));
        if audit.stopped.is_some() {
            return Ok(Done { audit, repair: Outcome::NotBegun });
        }
        if audit.counts.findings > 0 {
            alarm::ring(self.opened, standing, self.output).await?;
        }
        let options = RepairOptions { limits: self.limits_left(), standing, ..RepairOptions::default() };
        if self.work.dry_run {
            let plan = self.opened.archive.plan_repair(&scope, &options).await?;
            for block in &plan.blocks {
                self.output.object(&describe::planned(block));
            }
            for block in plan.blocks.iter().take(PLANNED_MAX) {
                self.output.line(describe::planned_text(block));
            }
            if plan.blocks.len() > PLANNED_MAX {
                self.output.line(format_args!("... and {} more", plan.blocks.len() - PLANNED_MAX));
            }
            self.output.either(&describe::totals(&plan.totals), describe::totals_text(&plan.totals));
            let left = plan.totals.blocks;
            return Ok(Done { audit, repair: Outcome::Planned { left, lost: plan.lost } });
        }
        self.console.begin_repair();
        let report = self.opened.archive.repair(&scope, &options, &self.console).await?;
        Ok(Done { audit, repair: Outcome::Repaired(Box::new(report)) })
    }

    /// The bounds of what is left of the run.
    fn limits_left(&self) -> Limits {
        let spent = self.begin.elapsed();
        let left = |duration: Duration| duration.saturating_sub(spent).max(Duration::from_millis(1));
        Limits { duration: self.limits.duration.map(left), ..self.limits.clone() }
    }
}

/// How a run ended.
pub(crate) struct Done {
    pub(crate) audit: AuditReport,
    pub(crate) repair: Outcome,
}

/// What became of the repair.
pub(crate) enum Outcome {
    /// The audit was stopped before its end.
    NotBegun,
    /// A dry run.
    Planned { left: u64, lost: Vec<Loss> },
    /// It ran.
    Repaired(Box<RepairReport>),
}

impl Done {
    fn lost(&self) -> &[Loss] {
        match &self.repair {
            Outcome::NotBegun => &[],
            Outcome::Planned { lost, .. } => lost,
            Outcome::Repaired(report) => &report.lost,
        }
    }

    /// Blocks that are still damaged, as far as is known.
    fn left(&self) -> u64 {
        match &self.repair {
            Outcome::NotBegun => 0,
            Outcome::Planned { left, .. } => *left,
            Outcome::Repaired(report) => report.left.max(report.failures.len() as u64),
        }
    }

    pub(crate) fn is_stopped(&self) -> bool {
        self.stopped().is_some()
    }

    fn stopped(&self) -> Option<Stop> {
        let repair = match &self.repair {
            Outcome::Repaired(report) => report.stopped,
            Outcome::NotBegun | Outcome::Planned { .. } => None,
        };
        self.audit.stopped.or(repair)
    }

    /// The exit status, of which the first that applies is the worst news.
    pub(crate) fn status(&self, interrupted: bool) -> ExitStatus {
        if interrupted && self.stopped().is_some() {
            return ExitStatus::Interrupted;
        }
        if self.lost().iter().any(|loss| loss.for_good) {
            return ExitStatus::Lost;
        }
        let uncertain = self.stopped().is_some() || !self.audit.unknown.is_empty();
        if uncertain || self.left() > 0 || !self.lost().is_empty() {
            return ExitStatus::DamageLeft;
        }
        ExitStatus::Ok
    }

    /// What `repair status` is to tell of it.
    pub(crate) fn record(&self) -> serde_json::Value {
        let lost = describe::lost_documents(self.lost());
        let repair = match &self.repair {
            Outcome::Repaired(report) => describe::repair(report),
            Outcome::NotBegun | Outcome::Planned { .. } => serde_json::Value::Null,
        };
        json!({
            "ended": assemble::now().to_string(),
            "by": assemble::process_name(),
            "audit": describe::audit(&self.audit),
            "repair": repair,
            "left": self.left(),
            "lost_documents": lost.len(),
            "lost": status::names_that_fit(lost),
        })
    }

    pub(crate) fn tell(&self, output: &Output) {
        for loss in self.lost() {
            output.either(&describe::loss(loss), describe::loss_text(loss));
        }
        if let Outcome::Repaired(report) = &self.repair {
            output.line(describe::repair_text(report));
        }
        if self.stopped().is_some() {
            output.line("stopped before the end; run it again to go on from here");
        }
        let status = self.status(self.stopped() == Some(Stop::Cancelled));
        let mut report = json!({
            "type": "report",
            "exit_code": status.code(),
            "stopped": describe::stop(self.stopped()),
        });
        if let (Some(report), serde_json::Value::Object(record)) = (report.as_object_mut(), self.record()) {
            report.extend(record);
        }
        output.object(&report);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn done(change: impl FnOnce(&mut AuditReport, &mut RepairReport)) -> Done {
        let (mut audit, mut repair) = (AuditReport::default(), RepairReport::default());
        audit.complete = true;
        change(&mut audit, &mut repair);
        Done { audit, repair: Outcome::Repaired(Box::new(repair)) }
    }

    #[test]
    fn the_exit_status_tells_the_worst_news() {
        assert_eq!(done(|_, _| {}).status(false), ExitStatus::Ok);
        assert_eq!(done(|_, repair| repair.left = 1).status(false), ExitStatus::DamageLeft);
        let unknown = done(|audit, _| {
            audit.unknown.insert(types::NodeName::new("a").unwrap(), 1);
        });
        assert_eq!(unknown.status(false), ExitStatus::DamageLeft);
        let stopped = |why| done(move |_, repair| repair.stopped = Some(why));
        assert_eq!(stopped(Stop::Duration).status(false), ExitStatus::DamageLeft);
        assert_eq!(stopped(Stop::Cancelled).status(true), ExitStatus::Interrupted);
        // The signal came when all was done.
        assert_eq!(done(|_, _| {}).status(true), ExitStatus::Ok);
    }
}
