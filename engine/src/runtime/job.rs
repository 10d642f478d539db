//! Jobs: a graph that runs, and the handle by which it is watched and stopped.
//!
//! ```text
//!                       ┌─ all input read ─▶ Finished
//!   start() ─▶ Running ─┼─ stop() ─────────▶ Stopped
//!                       └─ an error ───────▶ Failed
//! ```

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};

use super::checkpoint::{
    Board, CheckpointOptions, CheckpointStats, Checkpoints, JobEnd, PendingCheckpoint, Restored,
    Stop, Wanted,
};
use super::graph::{Graph, NodeKind};
use super::metrics::{Counters, JobMetrics};
use super::open;
use super::source::Inbox;
use super::step::{Crew, Outcome, StepLoop};
use super::watermark::NodeWatermarks;
use super::worker::{Walk, Worker};
use super::{panic_error, spawn};
use crate::connectors::{Boundedness, CancelSink};
use crate::error::{EngineError, Result};
use crate::functions::usage::{self, FunctionUse, UsedFunction};
use crate::state::memory::{self, JobMemory};
use crate::state::ttl;

/// Finished jobs that are remembered.
const MAX_ENDED_JOBS: usize = 100;

/// How a job runs.
#[derive(Debug, Clone)]
pub struct JobOptions {
    /// Name of the job, for people.
    pub name: String,
    /// Number of workers.
    pub parallelism: usize,
    /// Rows that a step takes in at most.
    pub max_step_rows: usize,
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
}

impl Default for JobOptions {
    fn default() -> Self {
        Self {
            name: "job".to_owned(),
            parallelism: 1,
            max_step_rows: 65_536,
            source_batch_rows: 8_192,
            min_worker_rows: 1_024,
            max_memory_bytes: None,
            state_ttl_ms: None,
            checkpoints: CheckpointOptions::default(),
        }
    }
}

impl JobOptions {
    /// These options with what the session's configuration says about steps, by key:
    /// `table.exec.mini-batch.size` (rows of a step), `tidemill.source.batch-rows` (rows that a
    /// reader is asked for at a time), `tidemill.worker.min-rows` (rows of a step below which it
    /// is not split over workers), `tidemill.memory.limit`, `table.exec.state.ttl`; and about
    /// checkpoints.
    ///
    /// # Errors
    /// `Options` for a value that is no positive number; `-1` leaves the default.
    pub fn with_config(mut self, get: impl Fn(&str) -> Option<String>) -> Result<Self> {
        for (key, option) in [
            ("table.exec.mini-batch.size", &mut self.max_step_rows),
            ("tidemill.source.batch-rows", &mut self.source_batch_rows),
            ("tidemill.worker.min-rows", &mut self.min_worker_rows),
        ] {
            if let Some(number) = positive(key, &get)? {
                *option = number;
            }
        }
        self.max_memory_bytes = memory::limit_of_config(&get)?;
        self.state_ttl_ms = ttl::of_config(&get)?;
        self.checkpoints = CheckpointOptions::of_config(get)?;
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
    inbox: Arc<Inbox>,
    counters: Arc<Counters>,
    /// Wake sinks that wait for their readers, when the job is stopped.
    cancels: Vec<CancelSink>,
    /// Threads of this job that still run.
    n_threads: AtomicUsize,
    /// Requests for checkpoints, and what became of them.
    board: Arc<Board>,
    memory: Arc<JobMemory>,
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
    let n_workers = options.parallelism.max(1);
    let restored = Restored::load(&options.checkpoints, graph)?;
    let counters = Arc::new(Counters::new(graph, n_workers));
    let walk = Arc::new(Walk::new(
        graph,
        n_workers,
        &options,
        Arc::clone(&counters),
    )?);
    let memory = walk.memory();
    let mut workers = (0..n_workers)
        .map(|worker_idx| Worker::new(graph, worker_idx, Arc::clone(&walk)))
        .collect::<Result<Vec<_>>>()?;
    let mut sinks = open::sinks(graph)?;
    let (inbox, readers) = open::sources(graph, &options, restored.as_ref())?;
    let mut watermarks = NodeWatermarks::new(graph);
    if let Some(restored) = &restored {
        open::restore(graph, restored, &mut workers, &mut sinks)?;
        // What the last step before the checkpoint knew.
        let _known = watermarks.advance(&inbox.progress());
    }
    if options.checkpoints.is_periodic() {
        sinks
            .iter_mut()
            .for_each(|job_sink| job_sink.sink.expect_checkpoints());
    }
    let board = Arc::new(Board::default());
    let wake: Arc<dyn Fn() + Send + Sync> = {
        let inbox = Arc::clone(&inbox);
        Arc::new(move || inbox.wake())
    };
    let checkpoints = Checkpoints::new(
        &options.checkpoints,
        graph,
        &options.name,
        restored.as_ref(),
        Arc::clone(&board),
        wake,
    );

    let functions = graph
        .functions
        .iter()
        .filter_map(UsedFunction::begin_use)
        .collect();
    let number = N_JOBS.fetch_add(1, Ordering::Relaxed) + 1;
    let job = JobHandle {
        shared: Arc::new(Shared {
            id: number.to_string(),
            name: options.name.clone(),
            is_bounded: is_bounded(graph),
            n_readers: readers.len(),
            started: Instant::now(),
            progress: Mutex::new(Progress {
                status: JobStatus::Running,
                ended_after: None,
            }),
            changed: Condvar::new(),
            inbox: Arc::clone(&inbox),
            counters: Arc::clone(&counters),
            cancels: sinks
                .iter()
                .filter_map(|job_sink| job_sink.sink.canceller())
                .collect(),
            n_threads: AtomicUsize::new(0),
            board,
            memory,
            functions,
        }),
    };
    let thread_name = format!("tidemill-{number}");
    let mut step_loop = StepLoop {
        crew: Crew::start(workers, &thread_name)?,
        options,
        inbox,
        walk,
        watermarks,
        counters,
        sinks,
        checkpoints,
        number: restored.as_ref().map_or(0, Restored::step),
    };
    let job_of_thread = job.clone();
    job.spawn(thread_name.clone(), move || {
        let outcome = catch_unwind(AssertUnwindSafe(|| step_loop.run()))
            .unwrap_or_else(|payload| Outcome::Failed(panic_error("a sink", payload.as_ref())));
        job_of_thread.shared.inbox.stop();
        job_of_thread.conclude(outcome, step_loop);
    })?;
    remember(&job);
    for reader in readers {
        let name = format!("{thread_name}-r{}", reader.reader_idx);
        if let Err(error) = job.spawn(name, move || reader.run()) {
            job.request_stop();
            return Err(error);
        }
    }
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
        self.shared.inbox.wake();
        Ok(pending)
    }

    /// Asks the job to end after the step that runs, and returns at once.
    pub fn request_stop(&self) {
        self.shared.inbox.stop();
        self.shared.memory.stop();
        for cancel in &self.shared.cancels {
            cancel();
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

    /// Tells sinks and readers of the status how the job ended; frees its state before.
    fn conclude(&self, outcome: Outcome, mut step_loop: StepLoop) {
        step_loop.checkpoints.close(match &outcome {
            Outcome::Finished => JobEnd::Finished,
            Outcome::Stopped => JobEnd::Stopped,
            Outcome::Failed(_) => JobEnd::Failed,
        });
        let status = match outcome {
            Outcome::Finished => JobStatus::Finished,
            Outcome::Stopped => JobStatus::Stopped,
            Outcome::Failed(error) => {
                let told = catch_unwind(AssertUnwindSafe(|| step_loop.fail_sinks(&error)));
                drop(told);
                JobStatus::Failed(error)
            }
        };
        // A destructor of an operator or a sink may panic too; the status is told nevertheless.
        drop(catch_unwind(AssertUnwindSafe(|| drop(step_loop))));
        self.shared.memory.release();
        for used in &self.shared.functions {
            drop(catch_unwind(AssertUnwindSafe(|| used.end())));
        }
        let mut progress = self.shared.progress.lock();
        progress.status = status;
        progress.ended_after = Some(self.shared.started.elapsed());
        drop(progress);
        self.shared.changed.notify_all();
    }

    fn spawn(&self, name: String, body: impl FnOnce() + Send + 'static) -> Result<()> {
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
