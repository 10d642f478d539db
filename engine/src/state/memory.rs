//! How much memory jobs may take: the state of their operators and the rows that are on their way
//! within a step.
//!
//! ```text
//!   state, counted after each step, of all jobs of the process ─┐
//!   rows emitted and not yet taken, of this job's step ─────────┴─▶ above the limit: the job fails
//! ```
//!
//! The job fails with a message that names the operator; the process goes on. Rows are counted as
//! they are emitted, so that a join that makes a million rows of one is stopped on the way.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use crate::catalog::options::parse_bytes;
use crate::error::{EngineError, Result};

/// The key of the limit.
const LIMIT_KEY: &str = "tidemill.memory.limit";

/// Of the machine's memory that a job may take unless the configuration says otherwise, in percent:
/// the rest is for Python, for what is read and written, and for the other programs.
const DEFAULT_PERCENT: usize = 60;

/// Bytes of state of all jobs of this process.
static STATE_OF_ALL_JOBS: AtomicUsize = AtomicUsize::new(0);

/// The limit that the configuration has; none if it has none and the machine's memory is unknown.
///
/// # Errors
/// `Options` for a value that is no size.
pub(crate) fn limit_of_config(get: impl Fn(&str) -> Option<String>) -> Result<Option<usize>> {
    let Some(text) = get(LIMIT_KEY) else {
        return Ok(machine_bytes().map(|bytes| bytes / 100 * DEFAULT_PERCENT));
    };
    let bytes = parse_bytes(&text).filter(|&bytes| bytes > 0);
    let bytes = bytes.ok_or_else(|| EngineError::Options {
        message: format!("'{text}' is no value of '{LIMIT_KEY}'; expected a size such as '2 gb'"),
    })?;
    Ok(Some(usize::try_from(bytes).unwrap_or(usize::MAX)))
}

/// The memory that this process can have: the machine's, or less in a container.
fn machine_bytes() -> Option<usize> {
    let machine = std::fs::read_to_string("/proc/meminfo")
        .ok()
        .and_then(|text| {
            let line = text.lines().find(|line| line.starts_with("MemTotal:"))?;
            let kilobytes: usize = line.split_whitespace().nth(1)?.parse().ok()?;
            kilobytes.checked_mul(1024)
        });
    let container = std::fs::read_to_string("/sys/fs/cgroup/memory.max")
        .ok()
        .and_then(|text| text.trim().parse().ok());
    machine.into_iter().chain(container).min()
}

/// The memory of one job.
#[derive(Debug)]
pub(crate) struct JobMemory {
    limit: usize,
    /// Bytes of state after the last step: the job's part of the sum over all jobs.
    state: AtomicUsize,
    /// Bytes of rows that were emitted and not yet taken.
    on_the_way: AtomicUsize,
    /// Somebody stopped the job: who emits rows need not go on.
    is_stopped: AtomicBool,
}

impl JobMemory {
    pub(crate) fn new(limit: Option<usize>) -> Arc<Self> {
        Arc::new(Self {
            limit: limit.unwrap_or(usize::MAX),
            state: AtomicUsize::new(0),
            on_the_way: AtomicUsize::new(0),
            is_stopped: AtomicBool::new(false),
        })
    }

    /// Rows have been emitted. Whether there is room for them.
    #[must_use]
    pub(crate) fn add_rows(&self, n_bytes: usize) -> bool {
        self.on_the_way.fetch_add(n_bytes, Ordering::Relaxed);
        self.has_room(0)
    }

    /// Whether there is room for so many bytes besides what is on the way.
    pub(crate) fn has_room(&self, n_bytes: usize) -> bool {
        let on_the_way = self.on_the_way.load(Ordering::Relaxed);
        let state = STATE_OF_ALL_JOBS.load(Ordering::Relaxed);
        on_the_way.saturating_add(state).saturating_add(n_bytes) <= self.limit
    }

    /// Rows have been taken.
    pub(crate) fn remove_rows(&self, n_bytes: usize) {
        // A job that fails leaves rows behind; the counter need not be exact then.
        let update = |bytes: usize| Some(bytes.saturating_sub(n_bytes));
        let _ = self
            .on_the_way
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, update);
    }

    pub(crate) fn stop(&self) {
        self.is_stopped.store(true, Ordering::Relaxed);
    }

    pub(crate) fn is_stopped(&self) -> bool {
        self.is_stopped.load(Ordering::Relaxed)
    }

    /// The error for rows that `name` has emitted and for which there is no room.
    /// `n_bytes` are those that it has not emitted yet.
    pub(crate) fn too_many_rows(&self, name: &str, n_bytes: usize) -> EngineError {
        let on_the_way = self
            .on_the_way
            .load(Ordering::Relaxed)
            .saturating_add(n_bytes);
        let state = STATE_OF_ALL_JOBS.load(Ordering::Relaxed);
        EngineError::ResourcesExhausted {
            message: format!(
                "out of memory: {name} has made {} of rows in one step beside {} of state, {} are \
                 allowed; let it make fewer, keep less, or raise the limit with \
                 SET '{LIMIT_KEY}' = '…'",
                size(on_the_way),
                size(state),
                size(self.limit)
            ),
        }
    }

    /// Takes in how much state the job holds now; `largest` is the operator that holds most.
    ///
    /// # Errors
    /// If all jobs together hold more than this one's limit.
    pub(crate) fn check_state(&self, state: usize, largest: (usize, &str)) -> Result<()> {
        let total = self.set_state(state);
        if total <= self.limit {
            return Ok(());
        }
        let (largest_bytes, name) = largest;
        let others = match total - state {
            0 => String::new(),
            others => format!(" ({} of them in other jobs)", size(others)),
        };
        Err(EngineError::ResourcesExhausted {
            message: format!(
                "out of memory: {} of state are held{others}, {} are allowed; {} of them are in \
                 {name}; keep less, for instance with 'table.exec.state.ttl', or raise the limit \
                 with SET '{LIMIT_KEY}' = '…'",
                size(total),
                size(self.limit),
                size(largest_bytes)
            ),
        })
    }

    /// Gives what all jobs hold.
    fn set_state(&self, state: usize) -> usize {
        let before = self.state.swap(state, Ordering::Relaxed);
        if state >= before {
            STATE_OF_ALL_JOBS.fetch_add(state - before, Ordering::Relaxed) + (state - before)
        } else {
            STATE_OF_ALL_JOBS.fetch_sub(before - state, Ordering::Relaxed) - (before - state)
        }
    }

    /// The job has ended and its state is gone.
    pub(crate) fn release(&self) {
        self.set_state(0);
    }
}

impl Drop for JobMemory {
    fn drop(&mut self) {
        self.release();
    }
}

/// Bytes for people.
#[must_use]
pub fn size(n_bytes: usize) -> String {
    const UNITS: [&str; 4] = ["kB", "MB", "GB", "TB"];
    if n_bytes < 1_000 {
        return format!("{n_bytes} bytes");
    }
    let mut number = n_bytes as f64;
    let mut unit = "bytes";
    for larger in UNITS {
        if number < 999.5 {
            break;
        }
        number /= 1e3;
        unit = larger;
    }
    format!("{number:.1} {unit}")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn limits_are_sizes() {
        let read = |text: &'static str| limit_of_config(|_| Some(text.to_owned()));
        assert_eq!(read("2 gb").unwrap(), Some(2 << 30));
        assert_eq!(
            read("much").unwrap_err().to_string(),
            "'much' is no value of 'tidemill.memory.limit'; expected a size such as '2 gb'"
        );
        assert!(
            limit_of_config(|_| None)
                .unwrap()
                .is_none_or(|bytes| bytes > 1 << 20)
        );
    }

    #[test]
    fn rows_on_the_way_count_until_they_are_taken() {
        let memory = JobMemory::new(Some(usize::MAX / 2));
        assert!(memory.add_rows(1_000));
        assert!(!memory.add_rows(usize::MAX / 2));
        memory.remove_rows(usize::MAX / 2);
        assert!(memory.add_rows(0));
    }

    #[test]
    fn sizes_are_readable() {
        assert_eq!(size(999), "999 bytes");
        assert_eq!(size(1_500_000), "1.5 MB");
    }
}
