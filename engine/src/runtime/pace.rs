//! How large steps are, and the waves in which a long one goes through the graph.
//!
//! Under load a wave grows to the job's limit, because large batches cost least. It stays small
//! where rows are expensive (a foreign function that asks a server): between two waves a job can be
//! stopped, and that must not wait for ten thousand slow calls.
//!
//! A step is one wave, unless the job gains by longer ones: a GROUP BY that sends the net change of
//! a step sends the less, the more rows a step has. Then further waves follow in the same step, as
//! long as rows are there or are just being read, until the time of a step is over:
//!
//! ```text
//!   rows ─▶ wave ─▶ rows ─▶ wave ─▶ … ─▶ nobody has rows, or time is over ─▶ the end of the step
//! ```

use std::time::{Duration, Instant};

use super::graph::{Graph, NodeKind};
use super::options::JobOptions;
use crate::operators::StepLength;

/// Rows of the first wave, before anything is known.
const FIRST_ROWS: usize = 64;
/// What a wave should take at most.
const BUDGET: Duration = Duration::from_millis(100);
/// How much a wave may grow over the last one.
const GROWTH: usize = 4;
/// Bytes of rows for its sinks at which a step ends: mostly these show them behind it.
const MAX_STEP_BYTES: usize = 64 << 20;

/// The size of the next wave, learned from the last ones.
#[derive(Debug)]
pub(super) struct Pace {
    rows: usize,
    max_rows: usize,
}

impl Pace {
    /// Starts small; `max_rows` is the job's limit.
    pub(super) fn new(max_rows: usize) -> Self {
        let max_rows = max_rows.max(1);
        Self {
            rows: FIRST_ROWS.min(max_rows),
            max_rows,
        }
    }

    /// Rows that the next wave may take.
    pub(super) fn rows(&self) -> usize {
        self.rows
    }

    /// Learns that a wave of `n_rows` took `elapsed`.
    pub(super) fn learn(&mut self, n_rows: usize, elapsed: Duration) {
        if n_rows == 0 {
            return;
        }
        let affordable = BUDGET.as_secs_f64() / elapsed.as_secs_f64().max(1e-9);
        #[allow(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            clippy::cast_precision_loss,
            reason = "an estimate, and the casts saturate"
        )]
        let fitting = (n_rows as f64 * affordable) as usize;
        // A wave that was not full says nothing about larger ones than it allows for.
        self.rows = fitting
            .min(self.rows.saturating_mul(GROWTH))
            .clamp(1, self.max_rows);
    }
}

/// What a step of a job may be.
#[derive(Debug, Clone, Copy)]
pub(super) struct StepLimits {
    is_long: bool,
    max_rows: usize,
    time: Duration,
}

impl StepLimits {
    /// Steps are long if some operator gains by that and none loses, and if there are no
    /// watermarks: these move between steps, and windows should not wait for them.
    pub(super) fn new(graph: &Graph, options: &JobOptions) -> Self {
        let lengths = || {
            graph.nodes.iter().map(|node| match &node.kind {
                NodeKind::Operator(factory) => factory.step_length(),
                NodeKind::Source {
                    watermark: Some(_), ..
                } => StepLength::Short,
                _ => StepLength::Any,
            })
        };
        Self {
            is_long: lengths().any(|it| it == StepLength::Long)
                && lengths().all(|it| it != StepLength::Short),
            max_rows: options.max_step_rows.max(1),
            time: options.step_time,
        }
    }

    /// Begins a step.
    pub(super) fn begin(self) -> OpenStep {
        OpenStep {
            limits: self,
            started: Instant::now(),
            n_rows: 0,
            n_bytes: 0,
        }
    }
}

/// A step that has begun and not ended.
#[derive(Debug)]
pub(super) struct OpenStep {
    limits: StepLimits,
    started: Instant,
    n_rows: usize,
    /// Of the rows for its sinks.
    n_bytes: usize,
}

impl OpenStep {
    /// Rows have come in.
    pub(super) fn take(&mut self, n_rows: usize) {
        self.n_rows += n_rows;
    }

    /// Sinks have got so many bytes.
    pub(super) fn give(&mut self, n_bytes: usize) {
        self.n_bytes += n_bytes;
    }

    /// Rows of all its waves.
    pub(super) fn n_rows(&self) -> usize {
        self.n_rows
    }

    /// Whether a further wave could belong to the step.
    pub(super) fn has_room(&self) -> bool {
        self.limits.is_long
            && self.n_rows < self.limits.max_rows
            && self.n_bytes < MAX_STEP_BYTES
            && self.started.elapsed() < self.limits.time
    }

    /// Rows that the next wave may have, if `wanted` are wanted.
    pub(super) fn rows(&self, wanted: usize) -> usize {
        wanted.min(self.limits.max_rows.saturating_sub(self.n_rows).max(1))
    }

    /// Until when rows may be waited for that are just being read: no longer than the step has taken
    /// so far, so that the only row of a step waits for next to nothing.
    pub(super) fn patience(&self) -> Instant {
        let elapsed = self.started.elapsed();
        Instant::now() + elapsed.min(self.limits.time.saturating_sub(elapsed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cheap_rows_soon_fill_waves() {
        let mut pace = Pace::new(65_536);
        let mut sizes = Vec::new();
        for _ in 0..6 {
            sizes.push(pace.rows());
            pace.learn(pace.rows(), Duration::from_micros(10));
        }
        assert_eq!(sizes, [64, 256, 1024, 4096, 16_384, 65_536]);
        assert_eq!(pace.rows(), 65_536);
    }

    #[test]
    fn expensive_rows_come_one_by_one() {
        let mut pace = Pace::new(65_536);
        pace.learn(64, Duration::from_secs(64));
        assert_eq!(pace.rows(), 1);
        pace.learn(1, Duration::from_millis(10));
        assert_eq!(pace.rows(), 4);
    }

    #[test]
    fn the_limit_of_the_job_holds() {
        let mut pace = Pace::new(7);
        assert_eq!(pace.rows(), 7);
        pace.learn(7, Duration::ZERO);
        assert_eq!(pace.rows(), 7);
    }

    /// A step ends with its rows, with its time, or when too much is on its way.
    #[test]
    fn steps_have_limits() {
        let limits = |is_long: bool, time: Duration| StepLimits {
            is_long,
            max_rows: 10,
            time,
        };
        let mut step = limits(true, Duration::from_secs(3600)).begin();
        step.take(7);
        assert!(step.has_room());
        assert_eq!(step.rows(7), 3);
        step.take(3);
        assert!(!step.has_room());
        let mut step = limits(true, Duration::from_secs(3600)).begin();
        step.give(MAX_STEP_BYTES);
        assert!(!step.has_room());
        assert!(!limits(true, Duration::ZERO).begin().has_room());
        assert!(!limits(false, Duration::from_secs(3600)).begin().has_room());
    }
}
