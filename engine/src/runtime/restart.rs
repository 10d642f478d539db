//! Restart strategies: whether and when a job that has failed begins again.
//!
//! ```text
//!   Running ──failure──▶ strategy ──▶ wait ──▶ newest checkpoint (else the beginning) ──▶ Running
//!                           └──▶ Failed, with the last error; the others stay in its history
//! ```
//!
//! Without a type the strategy is `exponential-delay` if the job is checkpointed, else `none`, as in
//! Flink; but a job whose rows go to a reader of its changes or to a live view begins again only if
//! a strategy is set: whoever waits for a result wants to hear of a mistake in it. A live view takes
//! its rows back from the checkpoint, a reader of changes gets those behind the ones it has seen
//! (`connectors/collect.rs`).
//!
//! Source: Flink 2.3, `RestartStrategyOptions` and the `RestartBackoffTimeStrategy`s.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::catalog::options::parse_duration;
use crate::error::{EngineError, Result};

/// Failures of a job that are remembered.
const MAX_HISTORY: usize = 16;

/// When a job that has failed begins again.
#[derive(Debug, Clone, PartialEq)]
pub enum RestartStrategy {
    /// Never.
    None,
    /// After a delay, so many times.
    FixedDelay {
        /// How many times.
        attempts: usize,
        /// How long after a failure.
        delay: Duration,
    },
    /// After a delay, unless too many failures have come in a time.
    FailureRate {
        /// How many may come in the interval.
        max_failures: usize,
        /// The interval.
        interval: Duration,
        /// How long after a failure.
        delay: Duration,
    },
    /// After a delay that grows with failures that come soon after each other.
    ExponentialDelay {
        /// The first delay.
        initial: Duration,
        /// The longest delay.
        max: Duration,
        /// What the delay is multiplied with.
        multiplier: f64,
        /// After so long without a failure the delay is the first one again.
        reset_after: Duration,
        /// Delays vary by this part of them.
        jitter: f64,
        /// How many restarts there are until the delay is reset; none for any number.
        attempts: Option<usize>,
    },
}

impl RestartStrategy {
    /// What the configuration says under `restart-strategy.type` and its options.
    ///
    /// # Errors
    /// `Options` for an unknown type or a malformed value.
    pub fn of_config(get: impl Fn(&str) -> Option<String>, is_checkpointed: bool) -> Result<Self> {
        let kind = Self::chosen(&get).map(|kind| kind.trim().to_lowercase());
        let default = if is_checkpointed {
            "exponential-delay"
        } else {
            "none"
        };
        let options = Options { get };
        Ok(match kind.as_deref().unwrap_or(default) {
            "none" | "off" | "disable" | "no-restart" => Self::None,
            "fixed-delay" | "fixeddelay" => Self::FixedDelay {
                attempts: options.count("restart-strategy.fixed-delay.attempts", 1)?,
                delay: options.duration("restart-strategy.fixed-delay.delay", 1_000)?,
            },
            "failure-rate" | "failurerate" => Self::FailureRate {
                max_failures: options
                    .count("restart-strategy.failure-rate.max-failures-per-interval", 1)?,
                interval: options.duration(
                    "restart-strategy.failure-rate.failure-rate-interval",
                    60_000,
                )?,
                delay: options.duration("restart-strategy.failure-rate.delay", 1_000)?,
            },
            "exponential-delay" | "exponentialdelay" => Self::exponential(&options)?,
            other => {
                return Err(EngineError::Options {
                    message: format!(
                        "'{other}' is no value of 'restart-strategy.type'; expected one of: none, \
                         fixed-delay, failure-rate, exponential-delay"
                    ),
                });
            }
        })
    }

    fn exponential(options: &Options<impl Fn(&str) -> Option<String>>) -> Result<Self> {
        let key = |name: &str| format!("restart-strategy.exponential-delay.{name}");
        let initial = options.duration(&key("initial-backoff"), 1_000)?;
        let max = options.duration(&key("max-backoff"), 60_000)?;
        let multiplier = options.number(&key("backoff-multiplier"), 1.5)?;
        let jitter = options.number(&key("jitter-factor"), 0.1)?;
        let wrong = |message: &str| {
            Err(EngineError::Options {
                message: format!("restart strategy exponential-delay: {message}"),
            })
        };
        if initial > max {
            return wrong("the initial backoff cannot be higher than the maximum backoff");
        }
        if multiplier < 1.0 {
            return wrong("the backoff multiplier must be at least 1");
        }
        if !(0.0..=1.0).contains(&jitter) {
            return wrong("the jitter factor must be from 0 to 1");
        }
        Ok(Self::ExponentialDelay {
            initial,
            max,
            multiplier,
            reset_after: options.duration(&key("reset-backoff-threshold"), 3_600_000)?,
            jitter,
            attempts: options.limit(&key("attempts-before-reset-backoff"))?,
        })
    }

    /// The type that the configuration sets, if it sets one.
    pub fn chosen(get: impl Fn(&str) -> Option<String>) -> Option<String> {
        get("restart-strategy.type").or_else(|| get("restart-strategy"))
    }

    /// The strategy as DESCRIBE JOB shows it.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::None => "none",
            Self::FixedDelay { .. } => "fixed-delay",
            Self::FailureRate { .. } => "failure-rate",
            Self::ExponentialDelay { .. } => "exponential-delay",
        }
    }
}

/// The configuration, read with types.
struct Options<F> {
    get: F,
}

impl<F: Fn(&str) -> Option<String>> Options<F> {
    fn read<T>(
        &self,
        key: &str,
        default: T,
        expected: &str,
        parse: impl Fn(&str) -> Option<T>,
    ) -> Result<T> {
        let Some(text) = (self.get)(key) else {
            return Ok(default);
        };
        parse(text.trim()).ok_or_else(|| EngineError::Options {
            message: format!("'{text}' is no value of '{key}'; expected {expected}"),
        })
    }

    fn duration(&self, key: &str, default_ms: u64) -> Result<Duration> {
        let default = Duration::from_millis(default_ms);
        self.read(key, default, "a duration such as '10 s'", parse_duration)
    }

    fn count(&self, key: &str, default: usize) -> Result<usize> {
        self.read(key, default, "a whole number", |text| text.parse().ok())
    }

    fn number(&self, key: &str, default: f64) -> Result<f64> {
        self.read(key, default, "a number", |text| text.parse().ok())
    }

    /// A number of times; none for any number.
    fn limit(&self, key: &str) -> Result<Option<usize>> {
        self.read(key, None, "a whole number", |text| {
            text.parse().ok().map(Some)
        })
    }
}

/// The strategy of one job, with the failures so far.
#[derive(Debug)]
pub(super) struct Backoff {
    strategy: RestartStrategy,
    n_restarts: usize,
    /// Of failures in the interval (failure rate).
    recent: VecDeque<Instant>,
    /// The delay of the last restart (exponential).
    delay: Option<Duration>,
    /// Restarts since the delay was reset (exponential).
    n_since_reset: usize,
    last_failure: Option<Instant>,
}

impl Backoff {
    pub(super) fn new(strategy: RestartStrategy) -> Self {
        Self {
            strategy,
            n_restarts: 0,
            recent: VecDeque::new(),
            delay: None,
            n_since_reset: 0,
            last_failure: None,
        }
    }

    /// How long to wait before the job begins again after a failure at `now`; none if it does not.
    /// `random` gives a number from 0 to 1.
    pub(super) fn after_failure(
        &mut self,
        now: Instant,
        random: impl FnOnce() -> f64,
    ) -> Option<Duration> {
        let delay = match &self.strategy {
            RestartStrategy::None => None,
            RestartStrategy::FixedDelay { attempts, delay } => {
                (self.n_restarts < *attempts).then_some(*delay)
            }
            RestartStrategy::FailureRate {
                max_failures,
                interval,
                delay,
            } => {
                if self.recent.len() > *max_failures {
                    self.recent.pop_front();
                }
                self.recent.push_back(now);
                let first = self.recent.front().copied().unwrap_or(now);
                let is_rare = self.recent.len() <= *max_failures
                    || now.saturating_duration_since(first) > *interval;
                is_rare.then_some(*delay)
            }
            RestartStrategy::ExponentialDelay {
                initial,
                max,
                multiplier,
                reset_after,
                jitter,
                attempts,
            } => {
                let before = self.delay.unwrap_or(*initial);
                let is_quiet = self.last_failure.is_none_or(|last| {
                    now.saturating_duration_since(last) >= *reset_after + before
                });
                let base = if is_quiet {
                    self.n_since_reset = 0;
                    *initial
                } else {
                    before.mul_f64(*multiplier).clamp(*initial, *max)
                };
                self.delay = Some(base);
                self.n_since_reset += 1;
                let varied = base.mul_f64(1.0 + jitter * (2.0 * random() - 1.0));
                attempts
                    .is_none_or(|attempts| self.n_since_reset <= attempts)
                    .then_some(varied.min(*max))
            }
        };
        self.last_failure = Some(now);
        self.n_restarts += usize::from(delay.is_some());
        delay
    }
}

/// The restarts of a job so far.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RestartStats {
    /// Name of the strategy.
    pub strategy: &'static str,
    /// How often the job has begun again.
    pub n_restarts: usize,
    /// Whether it waits to begin again.
    pub is_waiting: bool,
    /// The newest failures that were followed by a restart, oldest first.
    pub failures: VecDeque<String>,
}

impl RestartStats {
    pub(super) fn failed(&mut self, error: &EngineError) {
        self.is_waiting = true;
        self.failures.push_back(error.to_string());
        if self.failures.len() > MAX_HISTORY {
            self.failures.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn read(pairs: &[(&str, &str)], is_checkpointed: bool) -> Result<RestartStrategy> {
        RestartStrategy::of_config(
            |key| {
                let found = pairs.iter().find(|(known, _)| *known == key);
                found.map(|(_, value)| (*value).to_owned())
            },
            is_checkpointed,
        )
    }

    /// The delays in milliseconds after failures at these milliseconds.
    fn delays(strategy: RestartStrategy, failures_ms: &[u64]) -> Vec<Option<u128>> {
        let mut backoff = Backoff::new(strategy);
        let start = Instant::now();
        failures_ms
            .iter()
            .map(|&ms| {
                let now = start + Duration::from_millis(ms);
                let delay = backoff.after_failure(now, || 0.5);
                delay.map(|delay| delay.as_millis())
            })
            .collect()
    }

    #[test]
    fn the_default_hangs_on_checkpoints() {
        assert_eq!(read(&[], false).unwrap(), RestartStrategy::None);
        assert_eq!(read(&[], true).unwrap().name(), "exponential-delay");
        let off = read(&[("restart-strategy", "off")], true).unwrap();
        assert_eq!(off, RestartStrategy::None);
        let error = read(&[("restart-strategy.type", "often")], false).unwrap_err();
        assert!(error.to_string().starts_with("'often' is no value of"));
        let error = read(
            &[
                ("restart-strategy.type", "fixed-delay"),
                ("restart-strategy.fixed-delay.delay", "soon"),
            ],
            false,
        );
        assert!(
            error
                .unwrap_err()
                .to_string()
                .contains("'soon' is no value of")
        );
    }

    #[test]
    fn fixed_delay_restarts_so_many_times() {
        let strategy = read(
            &[
                ("restart-strategy.type", "fixed-delay"),
                ("restart-strategy.fixed-delay.attempts", "2"),
                ("restart-strategy.fixed-delay.delay", "7 ms"),
            ],
            false,
        )
        .unwrap();
        assert_eq!(
            delays(strategy, &[0, 1, 2, 3]),
            [Some(7), Some(7), None, None]
        );
    }

    #[test]
    fn failure_rate_counts_an_interval() {
        let strategy = read(
            &[
                ("restart-strategy.type", "failure-rate"),
                (
                    "restart-strategy.failure-rate.max-failures-per-interval",
                    "2",
                ),
                (
                    "restart-strategy.failure-rate.failure-rate-interval",
                    "100 ms",
                ),
                ("restart-strategy.failure-rate.delay", "5 ms"),
            ],
            false,
        )
        .unwrap();
        let given = delays(strategy, &[0, 10, 200, 210, 220]);
        assert_eq!(given, [Some(5), Some(5), Some(5), Some(5), None]);
    }

    #[test]
    fn exponential_delay_grows_and_is_reset() {
        let strategy = read(
            &[
                ("restart-strategy.type", "exponential-delay"),
                (
                    "restart-strategy.exponential-delay.initial-backoff",
                    "10 ms",
                ),
                ("restart-strategy.exponential-delay.max-backoff", "30 ms"),
                (
                    "restart-strategy.exponential-delay.backoff-multiplier",
                    "2.0",
                ),
                (
                    "restart-strategy.exponential-delay.reset-backoff-threshold",
                    "1 s",
                ),
                (
                    "restart-strategy.exponential-delay.attempts-before-reset-backoff",
                    "3",
                ),
            ],
            false,
        )
        .unwrap();
        let given = delays(strategy, &[0, 20, 40, 60, 5_000]);
        assert_eq!(given, [Some(10), Some(20), Some(30), None, Some(10)]);
    }
}
