//! What bounds a long run: how much at once, how fast, how long, and a way to stop it.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

/// Stops a run cleanly: what is under way is finished, what is done is kept. Cloning shares it.
#[derive(Debug, Clone)]
pub struct Cancel {
    sender: Arc<watch::Sender<bool>>,
}

impl Default for Cancel {
    fn default() -> Self {
        Self { sender: Arc::new(watch::Sender::new(false)) }
    }
}

impl Cancel {
    /// Not cancelled.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Cancels, for good.
    pub fn cancel(&self) {
        self.sender.send_replace(true);
    }

    /// Whether it was cancelled.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        *self.sender.borrow()
    }

    /// Returns when it was cancelled.
    pub async fn cancelled(&self) {
        // The sender is ours, so waiting cannot fail.
        let _ = self.sender.subscribe().wait_for(|cancelled| *cancelled).await;
    }
}

/// Bounds of a run.
#[derive(Debug, Clone)]
pub struct Limits {
    /// How many blocks (audit) or codewords (repair) are worked on at once, at least 1.
    pub concurrency: usize,
    /// Most bytes a second, read and written together.
    pub bytes_per_second: Option<u64>,
    /// For how long at most.
    pub duration: Option<Duration>,
    /// Ends it earlier.
    pub cancel: Cancel,
}

impl Default for Limits {
    fn default() -> Self {
        Self { concurrency: 8, bytes_per_second: None, duration: None, cancel: Cancel::new() }
    }
}

/// Why a run ended before its work did. Everything done is kept; another run goes on from there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// It was cancelled.
    Cancelled,
    /// Its time was up.
    Duration,
}

/// The bounds of a run under way.
#[derive(Debug)]
pub(crate) struct Control {
    pub(crate) concurrency: usize,
    cancel: Cancel,
    deadline: Option<Instant>,
    bytes_per_second: Option<u64>,
    /// When the bytes spent so far will have been paid for.
    paid: Mutex<Instant>,
}

impl Control {
    pub(crate) fn start(limits: &Limits) -> Self {
        let now = Instant::now();
        Self {
            concurrency: limits.concurrency.max(1),
            cancel: limits.cancel.clone(),
            // A time beyond the clock's range is no bound.
            deadline: limits.duration.and_then(|duration| now.checked_add(duration)),
            bytes_per_second: limits.bytes_per_second.map(|rate| rate.max(1)),
            paid: Mutex::new(now),
        }
    }

    /// Whether to stop now, and why.
    pub(crate) fn stop(&self) -> Option<Stop> {
        if self.cancel.is_cancelled() {
            return Some(Stop::Cancelled);
        }
        self.deadline.filter(|deadline| *deadline <= Instant::now()).map(|_| Stop::Duration)
    }

    /// Returns when the run is to stop.
    pub(crate) async fn stopped(&self) {
        let deadline = async {
            match self.deadline {
                Some(deadline) => sleep_until(deadline).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = self.cancel.cancelled() => {}
            () = deadline => {}
        }
    }

    /// Waits for `duration`, or until the run is to stop.
    pub(crate) async fn pause(&self, duration: Duration) {
        // That the time was up is no error.
        let _ = tokio::time::timeout(duration, self.stopped()).await;
    }

    /// Waits until `bytes` more may be read or written. A run that is to stop is not held up.
    pub(crate) async fn spend(&self, bytes: u64) {
        let Some(rate) = self.bytes_per_second else { return };
        let now = Instant::now();
        let begin = {
            let mut paid = self.paid.lock().unwrap_or_else(PoisonError::into_inner);
            let begin = (*paid).max(now);
            *paid = begin + Duration::from_secs_f64(bytes as f64 / rate as f64);
            begin
        };
        self.pause(begin.saturating_duration_since(now)).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn bytes_are_spent_at_the_rate_and_never_after_a_stop() {
        let limits = Limits { bytes_per_second: Some(1000), ..Limits::default() };
        let (control, begin) = (Control::start(&limits), Instant::now());
        for _ in 0..10 {
            control.spend(500).await;
        }
        assert_eq!(begin.elapsed().as_millis() / 100, 45, "the first is free, the last is still owed");
        limits.cancel.cancel();
        control.spend(1 << 40).await;
        assert_eq!(begin.elapsed().as_millis() / 100, 45);
        assert_eq!(control.stop(), Some(Stop::Cancelled));
    }

    #[tokio::test(start_paused = true)]
    async fn time_runs_out() {
        let control = Control::start(&Limits { duration: Some(Duration::from_secs(3)), ..Limits::default() });
        assert_eq!(control.stop(), None);
        control.stopped().await;
        assert_eq!(control.stop(), Some(Stop::Duration));
    }
}
