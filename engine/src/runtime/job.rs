//! Jobs: a graph that runs, and the handle by which it is watched and stopped.
//!
//! ```text
//!                       ┌─ all input read ─▶ Finished
//!   start() ─▶ Running ─┼─ stop() ─────────▶ Stopped
//!                 ▲     └─ an error ───┬───▶ Failed
//!                 └─ a restart later ◀─┘
//! ```

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};

use super::attempt::{self, CurrentParts};
use super::checkpoint::{Board, CheckpointStats, JobEnd, PendingCheckpoint, Stop, Wanted};
use super::graph::{Graph, NodeKind};
use super::metrics::{Counters, JobMetrics};
use super::options::JobOptions;
use super::reader::ReaderThread;
use super::restart::{Backoff, RestartStats, RestartStrategy};
use super::step::{Outcome, StepLoop};
use super::{panic_error, spawn};
use crate::connectors::Boundedness;
use crate::error::{EngineError, Result};
use crate::functions::usage::{self, FunctionUse, UsedFunction};

/// Finished jobs that are remembered.
const MAX_ENDED_JOBS: usize = 100;

/// Where a job stands.
#[derive(Debug, Clone)]
pub enum JobStatus {
    /// It works, or waits for input.
    Running,
    /// All input was read and all output written.
    Finished,
    /// Somebody stopped it.
    Stopped,
    /// It ended with this error.
    Failed(EngineError),
}

impl JobStatus {
    /// Whether the job has ended, in whatever way.
    #[must_use]
    pub fn is_terminal(&self) -> bool {
        !matches!(self, Self::Running)
    }
}

/// A job. Clones are the same job; dropping them does not stop it.
#[derive(Debug, Clone)]
pub struct JobHandle {
    shared: Arc<Shared>,
}

struct Shared {
    id: String,
    name: String,
    is_bounded: bool,
    n_readers: usize,
    started: Instant,
    progress: Mutex<Progress>,
    /// The status or the number of threads has changed.
    changed: Condvar,
    /// What the run of the moment has; a restart replaces it.
    parts: CurrentParts,
    counters: Arc<Counters>,
    /// Threads of this job that still run.
    n_threads: AtomicUsize,
    /// Requests for checkpoints, and what became of them.
    board: Arc<Board>,
    /// Its hold on foreign functions.
    functions: Vec<Box<dyn FunctionUse>>,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Job")
            .field("id", &self.id)
            .field("name", &self.name)
            .field("status", &self.progress.lock().status)
            .finish_non_exhaustive()
    }
}

#[derive(Debug)]
struct Progress {
    status: JobStatus,
    /// Time from the start to the end.
    ended_after: Option<Duration>,
    /// Somebody has asked it to end.
    is_stopping: bool,
    restarts: RestartStats,
}

/// What a job needs to begin again.
struct Restarts {
    graph: Graph,
    options: JobOptions,
    backoff: Backoff,
    thread_name: String,
}

static JOBS: Mutex<VecDeque<JobHandle>> = Mutex::new(VecDeque::new());
static N_JOBS: AtomicU64 = AtomicU64::new(0);

/// Starts `graph` as a job of this process and returns at once.
///
/// Sources, operators and sinks are opened here, on the calling thread: what cannot be opened is
/// the caller's error, not a failed job.
///
/// # Errors
/// If the graph is malformed or something cannot be opened.
pub fn start(graph: &Graph, options: JobOptions) -> Result<JobHandle> {
    let number = N_JOBS.fetch_add(1, Ordering::Relaxed) + 1;
    let thread_name = format!("tidemill-{number}");
    let counters = Arc::new(Counters::new(graph, options.parallelism.max(1)));
    let board = Arc::new(Board::default());
    let attempt = attempt::open(graph, &options, &counters, &board, &thread_name)?;
    let functions = graph
        .functions
        .iter()
        .filter_map(UsedFunction::begin_use)
        .collect();
    let strategy = match attempt::is_restartable(graph) {
        true => options.restart.clone(),
        false => RestartStrategy::None,
    };
    let job = JobHandle {
        shared: Arc::new(Shared {
            id: number.to_string(),
            name: options.name.clone(),
            is_bounded: is_bounded(graph),
            n_readers: attempt.readers.len(),
            started: Instant::now(),
            progress: Mutex::new(Progress {
                status: JobStatus::Running,
                ended_after: None,
                is_stopping: false,
                restarts: RestartStats {
                    strategy: strategy.name(),
                    ..RestartStats::default()
                },
            }),
            changed: Condvar::new(),
            parts: Mutex::new(attempt.parts),
            counters,
            n_threads: AtomicUsize::new(0),
            board,
            functions,
        }),
    };
    let mut restarts = Restarts {
        graph: graph.clone(),
        options,
        backoff: Backoff::new(strategy),
        thread_name: thread_name.clone(),
    };
    let step_loop = attempt.step_loop;
    let job_of_thread = job.clone();
    job.spawn(thread_name.clone(), move || {
        job_of_thread.run(step_loop, &mut restarts);
    })?;
    remember(&job);
    job.start_readers(attempt.readers, &thread_name)?;
    Ok(job)
}

/// Every job of this process, oldest first. Of the ended ones, the last hundred.
#[must_use]
pub fn jobs() -> Vec<JobHandle> {
    JOBS.lock().iter().cloned().collect()
}

/// Stops every job and waits until no thread of any of them runs any more, at most for `timeout`.
/// To be called before the interpreter that runs foreign functions goes away. False if some
/// thread still runs.
#[must_use]
pub fn shutdown_all(timeout: Duration) -> bool {
    let deadline = Instant::now() + timeout;
    let jobs = jobs();
    for job in &jobs {
        job.request_stop();
    }
    jobs.iter().all(|job| job.wait_for_threads(deadline))
}

impl JobHandle {
    /// Number of the job in this process, as text.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.shared.id
    }

    /// Name of the job, for people.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.shared.name
    }

    /// Whether all its sources end by themselves.
    #[must_use]
    pub fn is_bounded(&self) -> bool {
        self.shared.is_bounded
    }

    /// Readers that its sources have: with one, rows come in an order that does not depend on
    /// how threads take turns.
    #[must_use]
    pub fn n_readers(&self) -> usize {
        self.shared.n_readers
    }

    /// Where the job stands now.
    #[must_use]
    pub fn status(&self) -> JobStatus {
        self.shared.progress.lock().status.clone()
    }

    /// What the job has done so far.
    #[must_use]
    pub fn metrics(&self) -> JobMetrics {
        let ended_after = self.shared.progress.lock().ended_after;
        let elapsed = ended_after.unwrap_or_else(|| self.shared.started.elapsed());
        JobMetrics {
            functions: usage::merged(self.shared.functions.iter().map(|used| used.metrics())),
            ..self.shared.counters.read(elapsed)
        }
    }

    /// What the job has saved so far, and what it started from.
    #[must_use]
    pub fn checkpoints(&self) -> CheckpointStats {
        self.shared.board.stats()
    }

    /// How often it has begun again, and after which failures.
    #[must_use]
    pub fn restarts(&self) -> RestartStats {
        self.shared.progress.lock().restarts.clone()
    }

    /// Asks for a checkpoint in the job's own folder, besides those that its interval brings.
    ///
    /// # Errors
    /// If the job has ended.
    pub fn checkpoint(&self) -> Result<PendingCheckpoint> {
        self.ask(Wanted::Checkpoint)
    }

    /// Asks for a savepoint in `folder`, or where the configuration says; the job goes on.
    ///
    /// # Errors
    /// If the job has ended.
    pub fn savepoint(&self, folder: Option<PathBuf>) -> Result<PendingCheckpoint> {
        self.ask(Wanted::Savepoint { folder, stop: None })
    }

    /// As [`Self::savepoint`], and the job ends with it. With `drain` event time first comes to its
    /// end, so that all windows fire: for a job that will not be continued.
    ///
    /// # Errors
    /// If the job has ended.
    pub fn stop_with_savepoint(
        &self,
        folder: Option<PathBuf>,
        drain: bool,
    ) -> Result<PendingCheckpoint> {
        let stop = Some(if drain { Stop::Drain } else { Stop::Suspend });
        self.ask(Wanted::Savepoint { folder, stop })
    }

    fn ask(&self, wanted: Wanted) -> Result<PendingCheckpoint> {
        let pending = self.shared.board.ask(self.name(), wanted)?;
        self.shared.parts.lock().inbox.wake();
        Ok(pending)
    }

    /// Asks the job to end after the step that runs, and returns at once. Foreign functions that
    /// hold up this end are interrupted.
    pub fn request_stop(&self) {
        let was_stopping = std::mem::replace(&mut self.shared.progress.lock().is_stopping, true);
        self.shared.changed.notify_all();
        let parts = self.shared.parts.lock().clone();
        parts.stop();
        if !was_stopping {
            self.interrupt_functions();
        }
    }

    /// Stops the job and returns when it has ended. A job that has ended already keeps its status.
    /// Not to be called from a function or a sink of the same job.
    pub fn stop(&self) {
        self.request_stop();
        self.wait(None);
    }

    /// Waits until the job has ended, at most for `timeout`, and gives the status then.
    pub fn wait(&self, timeout: Option<Duration>) -> JobStatus {
        let deadline = timeout.map(|timeout| Instant::now() + timeout);
        let mut progress = self.shared.progress.lock();
        while !progress.status.is_terminal() {
            match deadline {
                None => self.shared.changed.wait(&mut progress),
                Some(deadline) => {
                    let waited = self.shared.changed.wait_until(&mut progress, deadline);
                    if waited.timed_out() {
                        break;
                    }
                }
            }
        }
        progress.status.clone()
    }

    /// Runs until the job has ended, from restart to restart.
    fn run(&self, step_loop: StepLoop, restarts: &mut Restarts) {
        let mut step_loop = step_loop;
        loop {
            let outcome = catch_unwind(AssertUnwindSafe(|| step_loop.run()))
                .unwrap_or_else(|payload| Outcome::Failed(panic_error("a sink", payload.as_ref())));
            self.shared.parts.lock().inbox.stop();
            let Outcome::Failed(error) = outcome else {
                return self.conclude(outcome, Some(step_loop));
            };
            match self.begin_again(error, step_loop, restarts) {
                Ok(next) => step_loop = next,
                Err((outcome, rest)) => {
                    if rest.is_none() {
                        attempt::close_sinks(&restarts.graph, &outcome);
                    }
                    return self.conclude(outcome, rest.map(|rest| *rest));
                }
            }
        }
    }

    /// After a failure: waits as the strategy says and opens everything again, from the newest
    /// checkpoint if there is one. Gives how the job ends if it does not begin again.
    fn begin_again(
        &self,
        error: EngineError,
        mut step_loop: StepLoop,
        restarts: &mut Restarts,
    ) -> Result<StepLoop, (Outcome, Option<Box<StepLoop>>)> {
        let delay = match attempt::is_restartable(&restarts.graph) {
            true => restarts.next_delay(),
            false => None,
        };
        let Some(delay) = delay else {
            return Err((Outcome::Failed(error), Some(Box::new(step_loop))));
        };
        self.shared.progress.lock().restarts.failed(&error);
        drop(catch_unwind(AssertUnwindSafe(|| {
            step_loop.interrupt_sinks(&error)
        })));
        let heritage = step_loop.checkpoints.heritage();
        drop(catch_unwind(AssertUnwindSafe(|| drop(step_loop))));
        self.shared.parts.lock().memory.release();
        if let Some(newest) = heritage.newest() {
            restarts.options.checkpoints.restore_from = Some(newest.to_owned());
        }
        let mut delay = delay;
        loop {
            if !self.waits(delay) {
                return Err((Outcome::Stopped, None));
            }
            match self.opened_again(restarts) {
                Ok(mut next) => {
                    next.checkpoints.inherit(heritage);
                    return Ok(next);
                }
                Err(error) => match restarts.next_delay() {
                    None => return Err((Outcome::Failed(error), None)),
                    Some(next) => {
                        self.shared.progress.lock().restarts.failed(&error);
                        delay = next;
                    }
                },
            }
        }
    }

    fn opened_again(&self, restarts: &Restarts) -> Result<StepLoop> {
        let Restarts {
            graph,
            options,
            thread_name,
            ..
        } = restarts;
        let Shared {
            counters, board, ..
        } = self.shared.as_ref();
        let attempt = attempt::open(graph, options, counters, board, thread_name)?;
        *self.shared.parts.lock() = attempt.parts.clone();
        self.start_readers(attempt.readers, thread_name)?;
        let mut progress = self.shared.progress.lock();
        progress.restarts.n_restarts += 1;
        progress.restarts.is_waiting = false;
        // Who asked for an end meanwhile has reached the parts of the run before.
        if progress.is_stopping {
            attempt.parts.stop();
        }
        Ok(attempt.step_loop)
    }

    /// Waits; false if somebody asks the job to end meanwhile.
    fn waits(&self, delay: Duration) -> bool {
        let deadline = Instant::now() + delay;
        let mut progress = self.shared.progress.lock();
        while !progress.is_stopping {
            let waited = self.shared.changed.wait_until(&mut progress, deadline);
            if waited.timed_out() {
                return !progress.is_stopping;
            }
        }
        false
    }

    fn start_readers(&self, readers: Vec<ReaderThread>, thread_name: &str) -> Result<()> {
        for reader in readers {
            let name = format!("{thread_name}-r{}", reader.reader_idx);
            if let Err(error) = self.spawn(name, move || reader.run()) {
                self.request_stop();
                return Err(error);
            }
        }
        Ok(())
    }

    /// Tells sinks and readers of the status how the job ended; frees its state before. There is
    /// nothing to free if it ends between two runs.
    fn conclude(&self, outcome: Outcome, step_loop: Option<StepLoop>) {
        let mut step_loop = step_loop;
        let end = match &outcome {
            Outcome::Finished => JobEnd::Finished,
            Outcome::Stopped => JobEnd::Stopped,
            Outcome::Failed(_) => JobEnd::Failed,
        };
        match &mut step_loop {
            Some(step_loop) => step_loop.checkpoints.close(end),
            None => self.shared.board.close(),
        }
        let status = match outcome {
            Outcome::Finished => JobStatus::Finished,
            Outcome::Stopped => JobStatus::Stopped,
            Outcome::Failed(error) => {
                if let Some(step_loop) = &mut step_loop {
                    let told = catch_unwind(AssertUnwindSafe(|| step_loop.fail_sinks(&error)));
                    drop(told);
                }
                JobStatus::Failed(error)
            }
        };
        // A destructor of an operator or a sink may panic too; the status is told nevertheless.
        drop(catch_unwind(AssertUnwindSafe(|| drop(step_loop))));
        self.shared.parts.lock().memory.release();
        for used in &self.shared.functions {
            drop(catch_unwind(AssertUnwindSafe(|| used.end())));
        }
        let mut progress = self.shared.progress.lock();
        progress.status = status;
        progress.restarts.is_waiting = false;
        progress.ended_after = Some(self.shared.started.elapsed());
        drop(progress);
        self.shared.changed.notify_all();
    }

    pub(super) fn functions(&self) -> &[Box<dyn FunctionUse>] {
        &self.shared.functions
    }

    /// Runs `body` in a thread that counts as one of the job's.
    pub(super) fn spawn(&self, name: String, body: impl FnOnce() + Send + 'static) -> Result<()> {
        self.shared.n_threads.fetch_add(1, Ordering::AcqRel);
        let job = self.clone();
        let spawned = spawn(name, move || {
            body();
            job.thread_ended();
        });
        if let Err(error) = spawned {
            self.thread_ended();
            return Err(error);
        }
        Ok(())
    }

    fn thread_ended(&self) {
        let progress = self.shared.progress.lock();
        self.shared.n_threads.fetch_sub(1, Ordering::AcqRel);
        drop(progress);
        self.shared.changed.notify_all();
    }

    fn wait_for_threads(&self, deadline: Instant) -> bool {
        let mut progress = self.shared.progress.lock();
        while self.shared.n_threads.load(Ordering::Acquire) > 0 {
            let waited = self.shared.changed.wait_until(&mut progress, deadline);
            if waited.timed_out() {
                return self.shared.n_threads.load(Ordering::Acquire) == 0;
            }
        }
        true
    }
}

impl Restarts {
    /// How long to wait after a failure now; none if the job does not begin again.
    fn next_delay(&mut self) -> Option<Duration> {
        self.backoff
            .after_failure(Instant::now(), rand::random::<f64>)
    }
}

fn is_bounded(graph: &Graph) -> bool {
    graph.nodes.iter().all(|node| match &node.kind {
        NodeKind::Source { source, .. } => source.boundedness() == Boundedness::Bounded,
        _ => true,
    })
}

/// Adds the job to the list, and forgets the oldest ended ones above the limit.
fn remember(job: &JobHandle) {
    let mut jobs = JOBS.lock();
    jobs.push_back(job.clone());
    let mut n_surplus = jobs
        .iter()
        .filter(|job| job.status().is_terminal())
        .count()
        .saturating_sub(MAX_ENDED_JOBS);
    jobs.retain(|job| {
        let forget = n_surplus > 0 && job.status().is_terminal();
        n_surplus -= usize::from(forget);
        !forget
    });
}
