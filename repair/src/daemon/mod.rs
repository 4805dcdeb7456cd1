//! The daemon: a pass every interval, by whoever leads.
//!
//! A leader is found by a lease; the others stand by and look for it. The lease saves double work and protects
//! nothing: two that both believe to lead harm nobody, because every change is a compare-and-swap.
//!
//! Architecture invariant: whatever ends a pass early (a signal, a pause, a lost lease) ends it cleanly, and the next
//! pass, here or elsewhere, goes on from there.

mod leader;
mod metrics;
mod page;
mod pass;
mod schedule;

use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use archive::audit::Cancel;
use config::Configuration;
use coordination::Member;
use rand::{SeedableRng, rngs::StdRng};
use runtime::ExitStatus;
use types::OwnerId;
use uuid::Uuid;

use crate::arguments::Work;
use crate::assemble::{self, Opened};
use crate::output::Output;
use crate::run::cancel_on_signal;
use crate::status;
use leader::{Leadership, STANDBY};
use metrics::Metrics;
use pass::Passes;
use schedule::Schedule;

/// Why a leader stopped working.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Why {
    /// It was told to stop.
    Stopped,
    /// An operator asked for a pause.
    Paused,
    /// Another may lead.
    Deposed,
}

struct Daemon<'a> {
    opened: Opened,
    id: OwnerId,
    passes: Passes<'a>,
    schedule: Schedule,
    metrics: Arc<Metrics>,
    /// Set by a signal.
    stop: Cancel,
}

/// Runs until a signal comes.
pub(crate) async fn run(work: &Work, configuration: &Configuration, output: &Output) -> Result<ExitStatus> {
    let stop = Cancel::new();
    cancel_on_signal(&stop)?;
    let metrics = Arc::new(Metrics::new());
    // Bound first: a port in use is found out before anything is opened.
    let page = match configuration.repair.metrics_listen {
        Some(address) => Some(page::bind(address).await?),
        None => None,
    };
    let opened = assemble::open(configuration).await?;
    if let Some(listener) = page {
        tokio::spawn(page::serve(listener, Arc::clone(&metrics)));
    }
    let id = OwnerId::from_random(Uuid::new_v4().into_bytes());
    let member = Member { id, address: assemble::process_name() };
    let membership = opened.coordinator.join(status::DAEMONS, member).await?;
    let rng = StdRng::seed_from_u64(assemble::seed());
    let schedule = Schedule::new(work.interval, &configuration.repair, rng);
    let passes = Passes::new(work, configuration, schedule.sample(), output);
    let mut daemon = Daemon { opened, id, passes, schedule, metrics, stop };
    tracing::info!(interval = ?daemon.schedule.interval(), "daemon started");
    let done = daemon.run().await;
    if let Err(error) = membership.leave().await {
        tracing::warn!(%error, "did not leave the group of daemons");
    }
    daemon.opened.archive.close().await;
    tracing::info!("stopped");
    done.map(|()| ExitStatus::Ok)
}

impl Daemon<'_> {
    async fn run(&mut self) -> Result<()> {
        while !self.stop.is_cancelled() {
            match Leadership::take(&*self.opened.coordinator, self.id).await {
                Ok(Some(leadership)) => self.lead(leadership).await,
                Ok(None) => {}
                Err(error) => tracing::warn!(%error, "cannot ask who leads"),
            }
            self.wait(STANDBY).await;
        }
        Ok(())
    }

    /// Leads until told to stop, or until another may lead.
    async fn lead(&mut self, leadership: Leadership) {
        tracing::info!(fence = leadership.fence(), "leading");
        if let Err(error) = status::set_leader(&*self.opened.metadata, &self.id.to_string()).await {
            tracing::warn!(%error, "cannot tell who leads");
        }
        self.metrics.leads(true);
        let why = self.work(&leadership).await;
        self.metrics.leads(false);
        tracing::info!(?why, "no longer leading");
        leadership.resign().await;
    }

    async fn work(&mut self, leadership: &Leadership) -> Why {
        loop {
            let begin = tokio::time::Instant::now();
            match self.pass(leadership).await {
                Some(why @ (Why::Stopped | Why::Deposed)) => return why,
                Some(Why::Paused) => tracing::info!("paused"),
                None => {}
            }
            let wait = self.schedule.next().saturating_sub(begin.elapsed());
            let rest = async {
                tokio::time::sleep(wait).await;
                None
            };
            let why = tokio::select! {
                why = rest => why,
                why = self.interrupted(leadership, false) => Some(why),
            };
            if let Some(why) = why {
                return why;
            }
            if !self.wait_while_paused(leadership).await {
                return if self.stop.is_cancelled() { Why::Stopped } else { Why::Deposed };
            }
        }
    }

    /// One pass; why it ended early, if it did.
    async fn pass(&self, leadership: &Leadership) -> Option<Why> {
        if self.is_paused().await {
            self.metrics.pauses(true);
            return Some(Why::Paused);
        }
        let cancel = Cancel::new();
        let pass = self.passes.pass(&self.opened, &self.metrics, &cancel);
        tokio::pin!(pass);
        tokio::select! {
            () = &mut pass => None,
            why = self.interrupted(leadership, true) => {
                cancel.cancel();
                pass.await;
                Some(why)
            }
        }
    }

    /// Returns when work must end.
    async fn interrupted(&self, leadership: &Leadership, pausable: bool) -> Why {
        tokio::select! {
            () = self.stop.cancelled() => Why::Stopped,
            () = leadership.lost() => Why::Deposed,
            () = self.paused(), if pausable => Why::Paused,
        }
    }

    async fn is_paused(&self) -> bool {
        // If it cannot be known, the audit will not get far either.
        status::is_paused(&*self.opened.metadata).await.unwrap_or(false)
    }

    /// Returns when a pause is asked for.
    async fn paused(&self) {
        while !self.is_paused().await {
            tokio::time::sleep(STANDBY).await;
        }
    }

    /// Whether to go on, when a pause, if there is one, is over.
    async fn wait_while_paused(&self, leadership: &Leadership) -> bool {
        loop {
            let paused = self.is_paused().await;
            self.metrics.pauses(paused);
            if !paused {
                return true;
            }
            tokio::select! {
                () = tokio::time::sleep(STANDBY) => {}
                _ = self.interrupted(leadership, false) => return false,
            }
        }
    }

    /// Waits, or until told to stop.
    async fn wait(&self, time: Duration) {
        tokio::select! {
            () = tokio::time::sleep(time) => {}
            () = self.stop.cancelled() => {}
        }
    }
}
