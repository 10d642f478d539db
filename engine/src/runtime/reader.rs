//! The thread of one reader: it polls, and offers what it gets to the job's inbox.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use super::inbox::Inbox;
use super::panic_error;
use super::queue::Arrival;
use super::watermark::Tracker;
use crate::connectors::{SourcePoll, SourceReader};
use crate::error::{EngineError, Result};

/// One reader with all that its thread needs.
pub(super) struct ReaderThread {
    pub(super) reader: Box<dyn SourceReader>,
    /// If the table has a watermark.
    pub(super) tracker: Option<Tracker>,
    pub(super) reader_idx: usize,
    /// Columns that the rows must have.
    pub(super) n_columns: usize,
    pub(super) max_batch_rows: usize,
    pub(super) inbox: Arc<Inbox>,
}

impl ReaderThread {
    /// Polls until the source ends, fails or the job is stopped.
    pub(super) fn run(mut self) {
        let outcome = catch_unwind(AssertUnwindSafe(|| self.poll_all()));
        let failure = match outcome {
            Ok(Ok(())) => None,
            Ok(Err(error)) => Some(error),
            Err(payload) => Some(panic_error("a source", payload.as_ref())),
        };
        self.inbox.close(self.reader_idx, failure);
    }

    fn poll_all(&mut self) -> Result<()> {
        while !self.inbox.is_closed(self.reader_idx) {
            match self.reader.poll(self.max_batch_rows)? {
                SourcePoll::Rows(delta) if delta.num_rows() == 0 => {}
                SourcePoll::Rows(delta) => {
                    if delta.batch().num_columns() != self.n_columns {
                        return Err(EngineError::internal(format!(
                            "a source gave {} columns instead of {}",
                            delta.batch().num_columns(),
                            self.n_columns
                        )));
                    }
                    let track = match &mut self.tracker {
                        Some(tracker) => Some(tracker.track(&delta)?),
                        None => None,
                    };
                    let arrival = Arrival {
                        delta,
                        track,
                        position: self.reader.position(),
                        tracker: self.tracker.as_ref().map(Tracker::state),
                    };
                    if !self.inbox.offer(self.reader_idx, arrival) {
                        break;
                    }
                }
                SourcePoll::Idle(pause) => {
                    let pause = self.watch_time(pause);
                    if !self.inbox.idle(self.reader_idx, pause) {
                        break;
                    }
                }
                SourcePoll::End => break,
            }
        }
        Ok(())
    }

    /// Sends the watermark that waited for rows, and says when the reader becomes idle. Gives how
    /// long the thread may sleep.
    fn watch_time(&mut self, pause: Duration) -> Duration {
        let Some(tracker) = &mut self.tracker else {
            return pause;
        };
        let flushed_ms = tracker.flush();
        let becomes_idle = tracker.becomes_idle(self.reader.has_input());
        if flushed_ms.is_some() || becomes_idle {
            self.inbox
                .tell_time(self.reader_idx, flushed_ms, becomes_idle);
        }
        tracker.max_pause().map_or(pause, |most| pause.min(most))
    }
}
