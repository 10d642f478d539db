//! Foreign functions that hold up the end of a job.
//!
//! ```text
//!   request_stop ──▶ the step that runs ends by itself ─────────────────────▶ stopped
//!                └─▶ not within a second: its functions are interrupted,
//!                    again every second ──▶ their calls fail, the step ends ─┘
//! ```

use std::time::Duration;

use super::job::{JobHandle, JobStatus};

/// How long the step that runs when a job is stopped may take, and what is between interruptions.
const GRACE: Duration = Duration::from_secs(1);

impl JobHandle {
    /// Watches over the end of a job that was asked to stop, in a thread of the job.
    pub(super) fn interrupt_functions(&self) {
        if self.functions().is_empty() || self.status().is_terminal() {
            return;
        }
        let job = self.clone();
        let watching = self.spawn(format!("tidemill-{}-stop", self.id()), move || {
            while matches!(job.wait(Some(GRACE)), JobStatus::Running) {
                job.interrupt_once();
            }
        });
        if watching.is_err() {
            // There can be no more threads: no time for grace.
            self.interrupt_once();
        }
    }

    fn interrupt_once(&self) {
        for function in self.functions() {
            function.interrupt();
        }
    }
}
