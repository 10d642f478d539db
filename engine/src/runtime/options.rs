//! How a job runs: what the session's configuration says about steps, memory and checkpoints.

use std::time::Duration;

use super::checkpoint::CheckpointOptions;
use super::restart::RestartStrategy;
use crate::catalog::options::parse_duration;
use crate::error::{EngineError, Result};
use crate::state::memory;
use crate::state::ttl;

/// How a job runs.
#[derive(Debug, Clone)]
pub struct JobOptions {
    /// Name of the job, for people.
    pub name: String,
    /// Number of workers.
    pub parallelism: usize,
    /// Rows that a step takes in at most.
    pub max_step_rows: usize,
    /// Rows of a step that go through the graph together, at most.
    pub wave_rows: usize,
    /// How long a step takes in more rows, where the job gains by long steps.
    pub step_time: Duration,
    /// Rows that a reader is asked for at a time.
    pub source_batch_rows: usize,
    /// Rows below which a step's input is not split over workers.
    pub min_worker_rows: usize,
    /// Bytes of state of all jobs of the process, and of rows on their way in this one, above which
    /// the job fails; none for no limit.
    pub max_memory_bytes: Option<usize>,
    /// After how long state of a key that is not written is forgotten; none for never.
    pub state_ttl_ms: Option<i64>,
    /// How the job is saved, and from what it starts.
    pub checkpoints: CheckpointOptions,
    /// Whether it begins again after a failure.
    pub restart: RestartStrategy,
}

impl Default for JobOptions {
    fn default() -> Self {
        Self {
            name: "job".to_owned(),
            parallelism: 1,
            max_step_rows: 16 << 20,
            wave_rows: 65_536,
            step_time: Duration::from_millis(50),
            source_batch_rows: 8_192,
            min_worker_rows: 1_024,
            max_memory_bytes: None,
            state_ttl_ms: None,
            checkpoints: CheckpointOptions::default(),
            restart: RestartStrategy::None,
        }
    }
}

impl JobOptions {
    /// Rows that go through the graph together, at most.
    pub(super) fn max_wave_rows(&self) -> usize {
        self.wave_rows.min(self.max_step_rows)
    }

    /// These options with what the session's configuration says about steps, by key:
    /// `table.exec.mini-batch.size` (rows of a step), `table.exec.mini-batch.allow-latency` (how
    /// long it may take in more), `tidemill.step.wave-rows` (rows of a step that go through the
    /// graph together), `tidemill.source.batch-rows` (rows that a reader is asked for at a time),
    /// `tidemill.worker.min-rows` (rows below which a wave is not split over workers),
    /// `tidemill.memory.limit`, `table.exec.state.ttl`; and about checkpoints.
    ///
    /// # Errors
    /// `Options` for a value that is no positive number; `-1` leaves the default.
    pub fn with_config(mut self, get: impl Fn(&str) -> Option<String>) -> Result<Self> {
        for (key, option) in [
            ("table.exec.mini-batch.size", &mut self.max_step_rows),
            ("tidemill.step.wave-rows", &mut self.wave_rows),
            ("tidemill.source.batch-rows", &mut self.source_batch_rows),
            ("tidemill.worker.min-rows", &mut self.min_worker_rows),
        ] {
            if let Some(number) = positive(key, &get)? {
                *option = number;
            }
        }
        if get("table.exec.mini-batch.enabled").is_some_and(|it| it.eq_ignore_ascii_case("true"))
            && let Some(latency) = get("table.exec.mini-batch.allow-latency")
        {
            self.step_time = parse_duration(&latency).ok_or_else(|| EngineError::Options {
                message: format!(
                    "the value '{latency}' of 'table.exec.mini-batch.allow-latency' is no duration"
                ),
            })?;
        }
        self.max_memory_bytes = memory::limit_of_config(&get)?;
        self.state_ttl_ms = ttl::of_config(&get)?;
        self.checkpoints = CheckpointOptions::of_config(&get)?;
        self.restart = RestartStrategy::of_config(get, self.checkpoints.is_periodic())?;
        Ok(self)
    }
}

/// The number that the configuration has for `key`.
fn positive(key: &str, get: impl Fn(&str) -> Option<String>) -> Result<Option<usize>> {
    let Some(value) = get(key) else {
        return Ok(None);
    };
    let value = value.trim();
    if value == "-1" {
        return Ok(None);
    }
    match value.parse() {
        Ok(number) if number > 0 => Ok(Some(number)),
        _ => Err(EngineError::Options {
            message: format!("the value '{value}' of '{key}' is no positive number"),
        }),
    }
}
