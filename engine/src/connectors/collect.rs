//! The sink whose other end is a client that reads the changelog row by row or batch by batch.
//!
//! ```text
//!   job ──write──▶ [bounded buffer] ──next──▶ ChangeStream (a cell, a Python iterator)
//! ```
//!
//! The buffer is bounded: a client that does not read holds the job, and nothing is lost. A stop
//! of the job or the drop of the stream ends the waiting.
//!
//! What was given cannot be taken back. A job that begins again goes on behind it, if its rows come
//! as before; if not, it fails, and is not begun again. Flink's sink holds rows back until their
//! checkpoint is complete instead, and without checkpoints it fails.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use arrow::datatypes::SchemaRef;
use parking_lot::{Condvar, Mutex};

use super::delivered::Delivered;
use super::{CancelSink, Sink, SinkFactory};
use crate::data::{ChangelogMode, Delta};
use crate::error::{EngineError, Result};
use crate::runtime::JobHandle;
use crate::state::StateTable;

/// Rows that wait for the client at most (one delta more, if it comes as a whole).
pub const DEFAULT_BUFFER_ROWS: usize = 65_536;

/// A sink and the stream that reads what is written to it. The stream stops its job when it is
/// dropped, once it knows it: [`ChangeStream::attach`]. `may_restart` says whether the job may begin
/// again; then what is given is counted.
#[must_use]
pub fn channel(
    schema: SchemaRef,
    max_buffer_rows: usize,
    may_restart: bool,
) -> (Arc<dyn SinkFactory>, ChangeStream) {
    let buffer = Arc::new(Buffer {
        state: Mutex::new(State::default()),
        readable: Condvar::new(),
        writable: Condvar::new(),
        max_rows: max_buffer_rows.max(1),
    });
    let may_restart = may_restart && Delivered::can_tell(&schema);
    let factory = CollectSinkFactory {
        buffer: Arc::clone(&buffer),
        n_runs: AtomicUsize::new(0),
        may_restart: Arc::new(AtomicBool::new(may_restart)),
        counts: may_restart,
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
    /// What has been put into the buffer, of all runs; not counted if the job runs once.
    delivered: Delivered,
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
    buffer: Arc<Buffer>,
    /// How often a job has opened the sink.
    n_runs: AtomicUsize,
    /// Not any more once rows have come differently.
    may_restart: Arc<AtomicBool>,
    counts: bool,
}

impl SinkFactory for CollectSinkFactory {
    fn changelog_mode(&self, _requested: ChangelogMode) -> ChangelogMode {
        ChangelogMode::ALL
    }

    fn is_restartable(&self) -> bool {
        self.may_restart.load(Ordering::Acquire)
    }

    fn create(&self) -> Result<Box<dyn Sink>> {
        let n_runs = self.n_runs.fetch_add(1, Ordering::AcqRel);
        if n_runs > 0 && !self.is_restartable() {
            return Err(EngineError::internal(
                "a change stream is written by more than one job",
            ));
        }
        Ok(Box::new(CollectSink {
            buffer: Arc::clone(&self.buffer),
            pending: Vec::new(),
            counts: self.counts,
            run: Delivered::default(),
            is_first_run: n_runs == 0,
            has_begun: false,
            is_followed: false,
            may_restart: Arc::clone(&self.may_restart),
        }))
    }

    fn close(&self, end: Result<()>) {
        self.buffer.end(end);
    }
}

#[derive(Debug)]
struct CollectSink {
    buffer: Arc<Buffer>,
    /// Rows of the step that runs.
    pending: Vec<Delta>,
    counts: bool,
    /// What this run has given or counted off, and what was given before its checkpoint.
    run: Delivered,
    is_first_run: bool,
    /// Whether a step has ended.
    has_begun: bool,
    /// Whether another run comes.
    is_followed: bool,
    may_restart: Arc<AtomicBool>,
}

impl CollectSink {
    /// The rows of a delta that were not given before.
    fn not_given(&mut self, delta: Delta) -> Result<Option<Delta>> {
        let delivered = self.buffer.state.lock().delivered;
        let n_again = delivered.n_rows.saturating_sub(self.run.n_rows);
        let n_again = usize::try_from(n_again).unwrap_or(usize::MAX);
        if n_again == 0 {
            self.run.add(&delta)?;
            self.buffer.state.lock().delivered = self.run;
            return Ok(Some(delta));
        }
        let n_again = n_again.min(delta.num_rows());
        self.run.add(&delta.slice(0, n_again))?;
        if self.run.n_rows == delivered.n_rows && self.run != delivered {
            return Err(self.differs("they come differently now"));
        }
        let rest = delta.slice(n_again, delta.num_rows() - n_again);
        if rest.num_rows() == 0 {
            return Ok(None);
        }
        self.not_given(rest)
    }

    /// The error for rows that cannot be taken back; the job does not begin again after it.
    fn differs(&self, how: &str) -> EngineError {
        self.may_restart.store(false, Ordering::Release);
        EngineError::Execution {
            message: format!(
                "the job has begun again after a failure, and cannot go on behind the rows that its \
                 reader has seen: {how}"
            ),
        }
    }
}

impl Sink for CollectSink {
    fn write(&mut self, delta: &Delta) -> Result<()> {
        self.pending.push(delta.clone());
        Ok(())
    }

    fn on_step_end(&mut self) -> Result<()> {
        self.has_begun = true;
        for delta in std::mem::take(&mut self.pending) {
            let delta = match self.counts {
                true => self.not_given(delta)?,
                false => Some(delta),
            };
            if let Some(delta) = delta {
                self.buffer.push(delta);
            }
        }
        Ok(())
    }

    fn finish(&mut self) -> Result<()> {
        let delivered = self.buffer.state.lock().delivered;
        // A job that was stopped may not have come so far again.
        let is_stopped = self.buffer.state.lock().is_cancelled;
        if self.counts && self.run.n_rows < delivered.n_rows && !is_stopped {
            return Err(self.differs("there are fewer of them now"));
        }
        self.buffer.end(Ok(()));
        Ok(())
    }

    fn fail(&mut self, error: &EngineError) {
        self.buffer.end(Err(error.clone()));
    }

    fn interrupt(&mut self, _error: &EngineError) {
        self.pending.clear();
        self.is_followed = true;
    }

    fn prepare(&mut self, _checkpoint: u64) -> Result<Vec<StateTable>> {
        match self.counts {
            true => Ok(vec![self.run.save()?]),
            false => Ok(Vec::new()),
        }
    }

    fn restore(&mut self, tables: Vec<StateTable>) -> Result<()> {
        if self.counts {
            self.run = Delivered::restored(&tables)?;
            if self.is_first_run {
                self.buffer.state.lock().delivered = self.run;
            }
        }
        Ok(())
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
    /// A client never waits for a job that is gone. A later run that could not be opened is followed
    /// by another one, or by [`SinkFactory::close`].
    fn drop(&mut self) {
        if !self.is_followed && (self.is_first_run || self.has_begun) {
            self.buffer.end(Err(EngineError::internal(
                "the job ended without saying how",
            )));
        }
    }
}
