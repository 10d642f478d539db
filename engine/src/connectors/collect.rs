//! The sink whose other end is a client that reads the changelog row by row or batch by batch.
//!
//! ```text
//!   job ──write──▶ [bounded buffer] ──next──▶ ChangeStream (a cell, a Python iterator)
//! ```
//!
//! The buffer is bounded: a client that does not read holds the job, and nothing is lost. A stop
//! of the job or the drop of the stream ends the waiting.

use std::collections::VecDeque;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use arrow::datatypes::SchemaRef;
use parking_lot::{Condvar, Mutex};

use super::{CancelSink, Sink, SinkFactory};
use crate::data::{ChangelogMode, Delta};
use crate::error::{EngineError, Result};
use crate::runtime::JobHandle;

/// Rows that wait for the client at most (one delta more, if it comes as a whole).
pub const DEFAULT_BUFFER_ROWS: usize = 65_536;

/// A sink and the stream that reads what is written to it. The stream stops its job when it is
/// dropped, once it knows it: [`ChangeStream::attach`].
#[must_use]
pub fn channel(schema: SchemaRef, max_buffer_rows: usize) -> (Arc<dyn SinkFactory>, ChangeStream) {
    let buffer = Arc::new(Buffer {
        state: Mutex::new(State::default()),
        readable: Condvar::new(),
        writable: Condvar::new(),
        max_rows: max_buffer_rows.max(1),
    });
    let factory = CollectSinkFactory {
        buffer: Mutex::new(Some(Arc::clone(&buffer))),
    };
    let stream = ChangeStream {
        schema,
        buffer,
        job: None,
    };
    (Arc::new(factory), stream)
}

/// What a client finds at its end.
#[derive(Debug)]
pub enum ChangeEvent {
    /// Changes, in order.
    Delta(Delta),
    /// Nothing came in time.
    Timeout,
    /// The job has finished or was stopped; nothing follows.
    End,
}

/// The client's end of a job.
#[derive(Debug)]
pub struct ChangeStream {
    schema: SchemaRef,
    buffer: Arc<Buffer>,
    job: Option<JobHandle>,
}

impl ChangeStream {
    /// Schema of the rows.
    #[must_use]
    pub fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    /// Names the job that writes, so that it ends with this stream.
    pub fn attach(&mut self, job: JobHandle) {
        self.job = Some(job);
    }

    /// The next changes; waits at most for `timeout`.
    ///
    /// # Errors
    /// The job's error if it failed, after all changes that came before; again on every call.
    pub fn next(&self, timeout: Duration) -> Result<ChangeEvent> {
        let deadline = Instant::now().checked_add(timeout);
        let mut state = self.buffer.state.lock();
        loop {
            if let Some(delta) = state.deltas.pop_front() {
                state.n_rows -= delta.num_rows();
                drop(state);
                self.buffer.writable.notify_one();
                return Ok(ChangeEvent::Delta(delta));
            }
            match &state.end {
                Some(Ok(())) => return Ok(ChangeEvent::End),
                Some(Err(error)) => return Err(error.clone()),
                None => {}
            }
            match deadline {
                None => self.buffer.readable.wait(&mut state),
                Some(deadline) if Instant::now() >= deadline => return Ok(ChangeEvent::Timeout),
                Some(deadline) => {
                    self.buffer.readable.wait_until(&mut state, deadline);
                }
            }
        }
    }
}

impl Drop for ChangeStream {
    fn drop(&mut self) {
        self.buffer.cancel();
        if let Some(job) = &self.job {
            job.request_stop();
        }
    }
}

#[derive(Debug)]
struct Buffer {
    state: Mutex<State>,
    readable: Condvar,
    writable: Condvar,
    max_rows: usize,
}

#[derive(Debug, Default)]
struct State {
    deltas: VecDeque<Delta>,
    n_rows: usize,
    /// How the job ended.
    end: Option<Result<()>>,
    /// Nobody will read on: what is written is dropped.
    is_cancelled: bool,
}

impl Buffer {
    fn push(&self, delta: Delta) {
        let mut state = self.state.lock();
        while state.n_rows >= self.max_rows && !state.is_cancelled {
            self.writable.wait(&mut state);
        }
        if !state.is_cancelled {
            state.n_rows += delta.num_rows();
            state.deltas.push_back(delta);
        }
        drop(state);
        self.readable.notify_one();
    }

    fn end(&self, end: Result<()>) {
        self.state.lock().end.get_or_insert(end);
        self.readable.notify_all();
    }

    fn cancel(&self) {
        self.state.lock().is_cancelled = true;
        self.writable.notify_all();
    }
}

#[derive(Debug)]
struct CollectSinkFactory {
    /// Taken by the one job that it is for.
    buffer: Mutex<Option<Arc<Buffer>>>,
}

impl SinkFactory for CollectSinkFactory {
    fn changelog_mode(&self, _requested: ChangelogMode) -> ChangelogMode {
        ChangelogMode::ALL
    }

    fn is_restartable(&self) -> bool {
        false
    }

    fn create(&self) -> Result<Box<dyn Sink>> {
        let buffer = self.buffer.lock().take().ok_or_else(|| {
            EngineError::internal("a change stream is written by more than one job")
        })?;
        Ok(Box::new(CollectSink {
            buffer,
            pending: Vec::new(),
        }))
    }
}

#[derive(Debug)]
struct CollectSink {
    buffer: Arc<Buffer>,
    /// Rows of the step that runs.
    pending: Vec<Delta>,
}

impl Sink for CollectSink {
    fn write(&mut self, delta: &Delta) -> Result<()> {
        self.pending.push(delta.clone());
        Ok(())
    }

    fn on_step_end(&mut self) -> Result<()> {
        for delta in self.pending.drain(..) {
            self.buffer.push(delta);
        }
        Ok(())
    }

    fn finish(&mut self) -> Result<()> {
        self.buffer.end(Ok(()));
        Ok(())
    }

    fn fail(&mut self, error: &EngineError) {
        self.buffer.end(Err(error.clone()));
    }

    fn canceller(&self) -> Option<CancelSink> {
        // Weak: the list of jobs keeps cancellers longer than anybody reads.
        let buffer: Weak<Buffer> = Arc::downgrade(&self.buffer);
        Some(Box::new(move || {
            if let Some(buffer) = buffer.upgrade() {
                buffer.cancel();
            }
        }))
    }
}

impl Drop for CollectSink {
    /// A client never waits for a job that is gone.
    fn drop(&mut self) {
        self.buffer.end(Err(EngineError::internal(
            "the job ended without saying how",
        )));
    }
}
