//! A job of the engine as something that a live display can show.

use std::sync::Arc;
use std::time::Duration;

use tidemill_engine::connectors::view::MaterializedView;
use tidemill_engine::runtime::{JobHandle, JobStatus};

use crate::display::frame::{Progress, Rows};
use crate::display::live::LiveSource;
use crate::display::status::RunState;

/// Who stops a job waits for its end so long; the job ends when its step does.
const STOP_PATIENCE: Duration = Duration::from_secs(2);

/// A job, with the view that it feeds if it is a query.
#[derive(Debug, Clone)]
pub(super) struct JobSource {
    pub(super) job: JobHandle,
    pub(super) view: Option<Arc<MaterializedView>>,
}

impl JobSource {
    /// The error of a failed job.
    pub(super) fn failure(&self) -> Option<tidemill_engine::EngineError> {
        match self.job.status() {
            JobStatus::Failed(error) => Some(error),
            JobStatus::Running | JobStatus::Finished | JobStatus::Stopped => None,
        }
    }
}

impl LiveSource for JobSource {
    fn progress(&self) -> Progress {
        let (state, error) = match self.job.status() {
            JobStatus::Running => (RunState::Running, None),
            JobStatus::Finished => (RunState::Finished, None),
            JobStatus::Stopped => (RunState::Stopped, None),
            JobStatus::Failed(error) => (RunState::Failed, Some(error.to_string())),
        };
        let metrics = self.job.metrics();
        Progress {
            state,
            error,
            n_records: metrics.records_in,
            n_written: self.view.is_none().then_some(metrics.records_out),
            elapsed: metrics.elapsed,
        }
    }

    fn version(&self) -> u64 {
        self.view.as_ref().map_or(0, |view| view.version())
    }

    fn n_rows(&self) -> Option<u64> {
        self.rows(0).map(|rows| rows.n_rows)
    }

    fn rows(&self, max_rows: usize) -> Option<Rows> {
        let snapshot = match self.view.as_ref()?.snapshot(max_rows) {
            Ok(snapshot) => snapshot,
            Err(error) => {
                crate::log::warn(format_args!("a view cannot be read: {error}"));
                return None;
            }
        };
        Some(Rows {
            batch: snapshot.rows,
            n_rows: snapshot.n_rows,
            append_only: snapshot.append_only,
        })
    }

    fn stop(&self) {
        self.job.request_stop();
        // A job ends after its step, and a step may be in a function of the user that sleeps.
        self.wait(STOP_PATIENCE);
    }

    fn wait(&self, timeout: Duration) -> bool {
        self.job.wait(Some(timeout)).is_terminal()
    }
}
