//! How many rows the next step takes.
//!
//! Under load a step grows to the job's limit, because large batches cost least. It stays small
//! where rows are expensive (a foreign function that asks a server): between two steps a job shows
//! its results and can be stopped, and that must not wait for ten thousand slow calls.

use std::time::Duration;

/// Rows of the first step, before anything is known.
const FIRST_ROWS: usize = 64;
/// What a step should take at most.
const BUDGET: Duration = Duration::from_millis(100);
/// How much a step may grow over the last one.
const GROWTH: usize = 4;

/// The size of the next step, learned from the last ones.
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

    /// Rows that the next step may take.
    pub(super) fn rows(&self) -> usize {
        self.rows
    }

    /// Learns that a step of `n_rows` took `elapsed`.
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
        // A step that was not full says nothing about larger ones than it allows for.
        self.rows = fitting
            .min(self.rows.saturating_mul(GROWTH))
            .clamp(1, self.max_rows);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cheap_rows_soon_fill_steps() {
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
}
