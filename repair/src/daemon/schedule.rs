//! When passes begin, and which part of the archive each reads.

use std::time::Duration;

use config::Repair;
use rand::RngExt;
use rand::rngs::StdRng;

/// The times between passes.
#[derive(Debug)]
pub(super) struct Schedule {
    interval: Duration,
    jitter: f64,
    deep_period: Duration,
    rng: StdRng,
}

impl Schedule {
    /// `interval` is the operator's, if there is one.
    pub(super) fn new(interval: Option<Duration>, settings: &Repair, rng: StdRng) -> Self {
        Self {
            interval: interval.unwrap_or(settings.interval),
            jitter: f64::from(settings.jitter_percent) / 100.0,
            deep_period: settings.deep_period,
            rng,
        }
    }

    pub(super) fn interval(&self) -> Duration {
        self.interval
    }

    /// Time from the beginning of a pass to the next one's: the interval, a little more or less.
    pub(super) fn next(&mut self) -> Duration {
        let spread = self.rng.random_range(-1.0..=1.0) * self.jitter;
        self.interval.mul_f64((1.0 + spread).max(0.0))
    }

    /// Which fraction of the archive each pass reads, so that the period covers all of it. The audit takes another
    /// part each time, as long as the fraction stays the same: hence the nominal interval, not the measured one.
    pub(super) fn sample(&self) -> f64 {
        (self.interval.as_secs_f64() / self.deep_period.as_secs_f64()).clamp(f64::MIN_POSITIVE, 1.0)
    }
}

#[cfg(test)]
mod tests {
    use config::Configuration;
    use rand::SeedableRng;

    use super::*;

    fn schedule(text: &str) -> Schedule {
        let configuration = Configuration::from_text(text, std::path::Path::new("/")).unwrap();
        Schedule::new(None, &configuration.repair, StdRng::seed_from_u64(1))
    }

    #[test]
    fn intervals_vary_by_the_jitter_and_no_more() {
        let mut schedule = schedule(r#"{"repair": {"interval_ms": 1000, "jitter_percent": 20}}"#);
        let times: Vec<Duration> = (0..1000).map(|_| schedule.next()).collect();
        assert!(times.iter().all(|time| (800..=1200).contains(&time.as_millis())));
        assert!(times.iter().any(|time| time.as_millis() < 850));
        assert!(times.iter().any(|time| time.as_millis() > 1150));
    }

    #[test]
    fn the_samples_of_a_period_cover_the_archive() {
        let sample = schedule("{}").sample();
        // 30 days of passes every ten minutes.
        assert!((sample * 4320.0 - 1.0).abs() < 1e-9);
        let often = schedule(r#"{"repair": {"deep_period_s": 1}}"#).sample();
        assert!((often - 1.0).abs() < f64::EPSILON);
    }
}
