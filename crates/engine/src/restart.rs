//! Restarts: what becomes of a job when something outside fails.
//!
//! Invariant: only failures of outside systems are tried again, from the last checkpoint; what the user or the data
//! did wrong ends the job at once. Source of the strategies: Flink's `restart-strategy.*`.

use crate::pipeline_state::{duration, number};
use std::collections::VecDeque;
use std::time::{Duration, Instant};
use tidemill_sql::catalog::Settings;
use tidemill_types::{Error, Result};

/// When a failed job is started again.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Strategy {
    /// Never.
    Never,
    /// So many times, with the same pause.
    FixedDelay { attempts_max: u32, delay: Duration },
    /// With pauses that grow, for ever or so many times; after a time without failure they start over.
    ExponentialDelay {
        initial: Duration,
        max: Duration,
        multiplier: f64,
        reset_after: Duration,
        attempts_max: Option<u32>,
    },
    /// As long as there are not more failures than this in the interval.
    FailureRate { failures_max: usize, interval: Duration, delay: Duration },
}

impl Strategy {
    /// What the settings say. Flink's default with checkpoints is the exponential delay.
    pub(crate) fn of(settings: &Settings) -> Result<Self> {
        let old = settings.get("restart-strategy");
        let kind = settings.get("restart-strategy.type").or(old).unwrap_or("exponential-delay");
        let key = |kind: &str, name: &str| format!("restart-strategy.{kind}.{name}");
        let time = |kind: &str, name: &str, default: u64| {
            Ok(duration(settings, &key(kind, name))?.unwrap_or(Duration::from_secs(default)))
        };
        match kind.to_ascii_lowercase().as_str() {
            "none" | "off" | "disable" => Ok(Strategy::Never),
            "fixed-delay" | "fixeddelay" => Ok(Strategy::FixedDelay {
                attempts_max: number(settings, &key("fixed-delay", "attempts"))?.unwrap_or(1),
                delay: time("fixed-delay", "delay", 1)?,
            }),
            "exponential-delay" | "exponentialdelay" => Ok(Strategy::ExponentialDelay {
                initial: time("exponential-delay", "initial-backoff", 1)?,
                max: time("exponential-delay", "max-backoff", 60)?,
                multiplier: multiplier(settings)?,
                reset_after: time("exponential-delay", "reset-backoff-threshold", 3600)?,
                attempts_max: number(settings, &key("exponential-delay", "attempts-before-reset-backoff"))?,
            }),
            "failure-rate" | "failurerate" => Ok(Strategy::FailureRate {
                failures_max: number(settings, &key("failure-rate", "max-failures-per-interval"))?
                    .unwrap_or(1) as usize,
                interval: time("failure-rate", "failure-rate-interval", 60)?,
                delay: time("failure-rate", "delay", 1)?,
            }),
            other => Err(Error::user_hint(
                format!("setting 'restart-strategy.type' is '{other}'"),
                "it must be none, fixed-delay, exponential-delay or failure-rate",
            )),
        }
    }
}

fn multiplier(settings: &Settings) -> Result<f64> {
    const KEY: &str = "restart-strategy.exponential-delay.backoff-multiplier";
    let text = settings.get(KEY).unwrap_or("1.5");
    text.trim()
        .parse()
        .ok()
        .filter(|multiplier| *multiplier > 1.0)
        .ok_or_else(|| Error::user(format!("setting '{KEY}' is '{text}', but must be a number above 1")))
}

/// The failures of one job.
#[derive(Debug)]
pub(crate) struct Failures {
    strategy: Strategy,
    made: u32,
    recent: VecDeque<Instant>,
}

impl Failures {
    /// None so far.
    pub(crate) fn new(strategy: Strategy) -> Self {
        Failures { strategy, made: 0, recent: VecDeque::new() }
    }

    /// How long to wait before the job is started again after a failure at this moment; `None`: it has failed.
    pub(crate) fn pause(&mut self, error: &Error, now: Instant) -> Option<Duration> {
        if !matches!(error, Error::External { retryable: true, .. }) {
            return None;
        }
        let since_last = self.recent.back().map(|last| now.duration_since(*last));
        self.recent.push_back(now);
        match &self.strategy {
            Strategy::Never => None,
            Strategy::FixedDelay { attempts_max, delay } => {
                self.made += 1;
                (self.made <= *attempts_max).then_some(*delay)
            }
            Strategy::ExponentialDelay { initial, max, multiplier, reset_after, attempts_max } => {
                if since_last.is_some_and(|since| since >= *reset_after) {
                    self.made = 0;
                }
                self.made += 1;
                let grown = initial.as_secs_f64() * multiplier.powi(self.made as i32 - 1);
                let pause = Duration::from_secs_f64(grown.min(max.as_secs_f64()));
                attempts_max.is_none_or(|attempts_max| self.made <= attempts_max).then_some(pause)
            }
            Strategy::FailureRate { failures_max, interval, delay } => {
                while self.recent.front().is_some_and(|first| now.duration_since(*first) > *interval) {
                    self.recent.pop_front();
                }
                (self.recent.len() <= *failures_max).then_some(*delay)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(pairs: &[(&str, &str)]) -> Settings {
        let mut settings = Settings::default();
        pairs.iter().for_each(|(key, value)| drop(settings.set(key, value).unwrap()));
        settings
    }

    fn pauses(pairs: &[(&str, &str)], at_secs: &[u64]) -> Vec<Option<u64>> {
        let mut failures = Failures::new(Strategy::of(&settings(pairs)).unwrap());
        let start = Instant::now();
        let error = Error::external("the wire broke");
        let pause = |&at: &u64| failures.pause(&error, start + Duration::from_secs(at));
        at_secs.iter().map(pause).map(|pause| pause.map(|pause| pause.as_millis() as u64)).collect()
    }

    #[test]
    fn pauses_grow_to_a_limit_and_start_over_after_a_quiet_time() {
        let settings = [("restart-strategy.exponential-delay.max-backoff", "2 s")];
        assert_eq!(
            pauses(&settings, &[0, 1, 2, 3, 3603]),
            [Some(1000), Some(1500), Some(2000), Some(2000), Some(1000)]
        );
    }

    #[test]
    fn attempts_and_rates_are_limited() {
        let fixed = [
            ("restart-strategy.type", "fixed-delay"),
            ("restart-strategy.fixed-delay.attempts", "2"),
            ("restart-strategy.fixed-delay.delay", "5 s"),
        ];
        assert_eq!(pauses(&fixed, &[0, 1, 2]), [Some(5000), Some(5000), None]);
        let rate = [
            ("restart-strategy.type", "failure-rate"),
            ("restart-strategy.failure-rate.max-failures-per-interval", "2"),
        ];
        assert_eq!(
            pauses(&rate, &[0, 10, 100, 110, 120]),
            [Some(1000), Some(1000), Some(1000), Some(1000), None]
        );
        assert_eq!(pauses(&[("restart-strategy.type", "none")], &[0]), [None]);
    }

    #[test]
    fn only_outside_failures_are_tried_again() {
        let mut failures = Failures::new(Strategy::of(&settings(&[])).unwrap());
        assert_eq!(failures.pause(&Error::data("no number"), Instant::now()), None);
        assert_eq!(failures.pause(&Error::external_fatal("no such topic"), Instant::now()), None);
    }
}
