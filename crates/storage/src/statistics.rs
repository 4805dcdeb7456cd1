//! The counters of a node, and what they say.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::Instant;
use types::ErrorKind;

/// Upper bounds of the buckets of a [`LatencyHistogram`]: from a block in memory to a node that hangs.
pub const LATENCY_BOUNDS: [Duration; 15] = [
    Duration::from_micros(100),
    Duration::from_micros(250),
    Duration::from_micros(500),
    Duration::from_millis(1),
    Duration::from_micros(2500),
    Duration::from_millis(5),
    Duration::from_millis(10),
    Duration::from_millis(25),
    Duration::from_millis(50),
    Duration::from_millis(100),
    Duration::from_millis(250),
    Duration::from_millis(500),
    Duration::from_secs(1),
    Duration::from_millis(2500),
    Duration::from_secs(10),
];

/// One bucket for each bound, and one for what takes longer.
const BUCKETS: usize = LATENCY_BOUNDS.len() + 1;

/// How long it takes until a failure counts half: long enough to keep away from a node that is down, short
/// enough to come back to one that was restarted.
pub const FAILURE_HALF_LIFE: Duration = Duration::from_secs(30);

/// The share of the newest read in the average: the last eight or so make most of it.
const READ_LATENCY_SHARE: f64 = 1.0 / 8.0;

/// What a node can be asked to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Operation {
    /// `identity`.
    Identity,
    /// `claim`.
    Claim,
    /// `put`.
    Put,
    /// `get`.
    Get,
    /// `stat`.
    Stat,
    /// `delete`.
    Delete,
    /// `list`.
    List,
    /// `list_document`.
    ListDocument,
}

impl Operation {
    /// Every operation.
    pub const ALL: [Self; 8] = [
        Self::Identity,
        Self::Claim,
        Self::Put,
        Self::Get,
        Self::Stat,
        Self::Delete,
        Self::List,
        Self::ListDocument,
    ];

    /// The operation in `snake_case`, for a metric's label.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Identity => "identity",
            Self::Claim => "claim",
            Self::Put => "put",
            Self::Get => "get",
            Self::Stat => "stat",
            Self::Delete => "delete",
            Self::List => "list",
            Self::ListDocument => "list_document",
        }
    }
}

/// What a node did since its [`crate::Metered`] was made.
#[derive(Debug, Clone, PartialEq)]
pub struct NodeStatistics {
    /// For each operation, in the order of [`Operation::ALL`].
    pub operations: Vec<OperationStatistics>,
    /// Bytes of blocks that were read.
    pub bytes_read: u64,
    /// Bytes of blocks that were written.
    pub bytes_written: u64,
    /// See [`crate::Metered::read_latency`].
    pub read_latency: Option<Duration>,
    /// See [`crate::Metered::recent_failures`].
    pub recent_failures: f64,
    /// Operations under way.
    pub in_flight: u64,
}

/// What a node did by one operation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OperationStatistics {
    /// Which.
    pub operation: Operation,
    /// How many succeeded.
    pub ok: u64,
    /// How many failed, by kind, in the order of [`ErrorKind::ALL`].
    pub errors: [u64; ErrorKind::ALL.len()],
    /// How many nobody waited for to the end.
    pub abandoned: u64,
    /// How long those took that succeeded or failed.
    pub latency: LatencyHistogram,
}

impl OperationStatistics {
    /// How many failed with `kind`.
    #[must_use]
    pub fn errors_of(&self, kind: ErrorKind) -> u64 {
        ErrorKind::ALL.iter().zip(self.errors).find(|(each, _)| **each == kind).map_or(0, |(_, count)| count)
    }
}

/// How long operations took.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LatencyHistogram {
    /// How many took at most the bound of the same index in [`LATENCY_BOUNDS`] and more than the one before;
    /// the last counts those over every bound. Not cumulative.
    pub counts: [u64; BUCKETS],
    /// The sum of the times.
    pub total: Duration,
}

impl LatencyHistogram {
    /// How many operations were timed.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }
}

/// The live counters.
#[derive(Debug)]
pub(crate) struct Meter {
    operations: [OperationMeter; Operation::ALL.len()],
    bytes_read: AtomicU64,
    bytes_written: AtomicU64,
    in_flight: AtomicU64,
    /// Nanoseconds; 0 before the first read.
    read_latency: AtomicU64,
    failures: RecentFailures,
}

#[derive(Debug, Default)]
struct OperationMeter {
    ok: AtomicU64,
    errors: [AtomicU64; ErrorKind::ALL.len()],
    abandoned: AtomicU64,
    buckets: [AtomicU64; BUCKETS],
    nanos_total: AtomicU64,
}

impl Meter {
    pub(crate) fn new() -> Self {
        Self {
            operations: Default::default(),
            bytes_read: AtomicU64::new(0),
            bytes_written: AtomicU64::new(0),
            in_flight: AtomicU64::new(0),
            read_latency: AtomicU64::new(0),
            failures: RecentFailures { zero: Instant::now(), state: AtomicU64::new(0) },
        }
    }

    /// Times an operation that begins now.
    pub(crate) fn start(self: &Arc<Self>, operation: Operation) -> Timed {
        self.in_flight.fetch_add(1, Ordering::Relaxed);
        Timed { meter: Arc::clone(self), operation, started: Instant::now(), outcome: None }
    }

    pub(crate) fn read(&self, bytes: usize) {
        self.bytes_read.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    pub(crate) fn wrote(&self, bytes: usize) {
        self.bytes_written.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    pub(crate) fn read_latency(&self) -> Option<Duration> {
        let nanos = self.read_latency.load(Ordering::Relaxed);
        (nanos != 0).then(|| Duration::from_nanos(nanos))
    }

    pub(crate) fn recent_failures(&self) -> f64 {
        self.failures.score()
    }

    pub(crate) fn in_flight(&self) -> u64 {
        self.in_flight.load(Ordering::Relaxed)
    }

    pub(crate) fn statistics(&self) -> NodeStatistics {
        let operations = Operation::ALL.into_iter().zip(&self.operations);
        NodeStatistics {
            operations: operations.map(|(operation, meter)| meter.statistics(operation)).collect(),
            bytes_read: self.bytes_read.load(Ordering::Relaxed),
            bytes_written: self.bytes_written.load(Ordering::Relaxed),
            read_latency: self.read_latency(),
            recent_failures: self.recent_failures(),
            in_flight: self.in_flight(),
        }
    }

    /// Moves the average towards `took`; where that is a lower bound only, never down.
    fn saw_read(&self, took: Duration, is_bound: bool) {
        let took = nanos(took).max(1);
        let moved = |average: u64| match average {
            0 => Some(took),
            _ if is_bound && took <= average => None,
            _ => {
                let step = (took as f64 - average as f64) * READ_LATENCY_SHARE;
                Some(average.saturating_add_signed(whole(step)).max(1))
            }
        };
        let _ = self.read_latency.fetch_update(Ordering::Relaxed, Ordering::Relaxed, moved);
    }
}

/// A time in nanoseconds; 584 years are as good as more.
fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

#[allow(clippy::cast_possible_truncation, reason = "nanoseconds of a latency; saturates")]
fn whole(nanos: f64) -> i64 {
    nanos as i64
}

impl OperationMeter {
    fn statistics(&self, operation: Operation) -> OperationStatistics {
        let load = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        OperationStatistics {
            operation,
            ok: load(&self.ok),
            errors: self.errors.each_ref().map(load),
            abandoned: load(&self.abandoned),
            latency: LatencyHistogram {
                counts: self.buckets.each_ref().map(load),
                total: Duration::from_nanos(load(&self.nanos_total)),
            },
        }
    }

    fn count(&self, outcome: Option<Result<(), ErrorKind>>, took: Duration) {
        let counter = match outcome {
            None => Some(&self.abandoned),
            Some(Ok(())) => Some(&self.ok),
            Some(Err(kind)) => ErrorKind::ALL
                .iter()
                .zip(&self.errors)
                .find(|(each, _)| **each == kind)
                .map(|(_, counter)| counter),
        };
        let bucket = LATENCY_BOUNDS.partition_point(|bound| *bound < took);
        let bucket = outcome.and_then(|_| self.buckets.get(bucket));
        for counter in [counter, bucket].into_iter().flatten() {
            counter.fetch_add(1, Ordering::Relaxed);
        }
        if outcome.is_some() {
            self.nanos_total.fetch_add(nanos(took), Ordering::Relaxed);
        }
    }
}

/// An operation under way. Dropped before its end, it was abandoned: that, too, says something of the node.
pub(crate) struct Timed {
    meter: Arc<Meter>,
    operation: Operation,
    started: Instant,
    outcome: Option<Result<(), ErrorKind>>,
}

impl Timed {
    pub(crate) fn finish(mut self, outcome: Result<(), ErrorKind>) {
        self.outcome = Some(outcome);
    }
}

impl Drop for Timed {
    fn drop(&mut self) {
        let took = self.started.elapsed();
        self.meter.in_flight.fetch_sub(1, Ordering::Relaxed);
        let meters = Operation::ALL.iter().zip(&self.meter.operations);
        if let Some((_, meter)) = meters.into_iter().find(|(operation, _)| **operation == self.operation) {
            meter.count(self.outcome, took);
        }
        if let Some(Err(kind)) = self.outcome
            && is_failure(kind)
        {
            self.meter.failures.add();
        }
        if self.operation == Operation::Get {
            match self.outcome {
                Some(Ok(())) => self.meter.saw_read(took, false),
                None | Some(Err(ErrorKind::Timeout)) => self.meter.saw_read(took, true),
                // How fast a node fails says nothing about how fast it reads.
                Some(Err(_)) => {}
            }
        }
    }
}

/// Whether an error speaks against the node, and not only of a block or of the question.
fn is_failure(kind: ErrorKind) -> bool {
    match kind {
        ErrorKind::Corrupt
        | ErrorKind::Unavailable
        | ErrorKind::Timeout
        | ErrorKind::Denied
        | ErrorKind::Internal => true,
        ErrorKind::NotFound | ErrorKind::AlreadyExists | ErrorKind::Conflict | ErrorKind::Invalid => false,
    }
}

/// A count of failures in which old ones fade.
#[derive(Debug)]
struct RecentFailures {
    zero: Instant,
    /// The count when it last changed (the bits of an `f32`, upper half) and when that was (tenths of a second
    /// since `zero`, lower half): in one word, so that they change together.
    state: AtomicU64,
}

impl RecentFailures {
    fn score(&self) -> f64 {
        f64::from(self.faded(self.state.load(Ordering::Relaxed)).0)
    }

    fn add(&self) {
        let added = |state| {
            let (score, now) = self.faded(state);
            Some(u64::from((score + 1.0).to_bits()) << 32 | u64::from(now))
        };
        let _ = self.state.fetch_update(Ordering::Relaxed, Ordering::Relaxed, added);
    }

    /// What a count has faded to by now, and the time.
    fn faded(&self, state: u64) -> (f32, u32) {
        let now = u32::try_from(self.zero.elapsed().as_millis() / 100).unwrap_or(u32::MAX);
        let half = |word: u64| u32::try_from(word & u64::from(u32::MAX)).unwrap_or_default();
        let (score, then) = (f32::from_bits(half(state >> 32)), half(state));
        let age = Duration::from_millis(100).saturating_mul(now.saturating_sub(then));
        (score * (-age.as_secs_f32() / FAILURE_HALF_LIFE.as_secs_f32()).exp2(), now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn statistics(meter: &Meter, operation: Operation) -> OperationStatistics {
        meter.statistics().operations.into_iter().find(|each| each.operation == operation).unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn outcomes_are_counted_and_timed() {
        let meter = Arc::new(Meter::new());
        for outcome in [Ok(()), Err(ErrorKind::NotFound)] {
            let timed = meter.start(Operation::Put);
            tokio::time::advance(Duration::from_millis(3)).await;
            assert_eq!(meter.in_flight(), 1);
            timed.finish(outcome);
        }
        let put = statistics(&meter, Operation::Put);
        assert_eq!((put.ok, put.errors_of(ErrorKind::NotFound), put.abandoned), (1, 1, 0));
        assert_eq!((put.latency.count(), put.latency.counts[5]), (2, 2), "{:?}", put.latency);
        assert_eq!(put.latency.total, Duration::from_millis(6));
        assert_eq!((meter.in_flight(), meter.recent_failures().to_bits()), (0, 0.0_f64.to_bits()));
    }

    #[tokio::test(start_paused = true)]
    async fn failures_fade() {
        let meter = Arc::new(Meter::new());
        for _ in 0..2 {
            meter.start(Operation::Get).finish(Err(ErrorKind::Unavailable));
        }
        assert!((meter.recent_failures() - 2.0).abs() < 0.01);
        tokio::time::advance(FAILURE_HALF_LIFE).await;
        assert!((meter.recent_failures() - 1.0).abs() < 0.01);
        tokio::time::advance(10 * FAILURE_HALF_LIFE).await;
        assert!(meter.recent_failures() < 0.01);
        assert_eq!(meter.read_latency(), None, "failing fast is not reading fast");
    }

    #[tokio::test(start_paused = true)]
    async fn read_latency_follows_reads_and_never_falls_by_an_abandoned_one() {
        let meter = Arc::new(Meter::new());
        let read = async |millis, finished| {
            let timed = meter.start(Operation::Get);
            tokio::time::advance(Duration::from_millis(millis)).await;
            if finished {
                timed.finish(Ok(()));
            } else {
                drop(timed);
            }
            meter.read_latency().unwrap()
        };
        assert_eq!(read(8, true).await, Duration::from_millis(8));
        assert_eq!(read(16, true).await, Duration::from_millis(9));
        assert_eq!(read(1, false).await, Duration::from_millis(9));
        assert_eq!(read(809, false).await, Duration::from_millis(109));
        assert_eq!(statistics(&meter, Operation::Get).abandoned, 2);
    }
}
