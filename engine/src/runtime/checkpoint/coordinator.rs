//! When a checkpoint is made, who asked for it, and what became of it.
//!
//! ```text
//!   interval, JobHandle ──▶ due ──▶ the job gathers ──▶ begin ──▶ thread writes ──▶ finished ──▶
//!                                                                      sinks commit, old ones go
//! ```
//!
//! One checkpoint is written at a time; what is asked for meanwhile waits.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};
use parking_lot::Mutex;

use super::manifest::Manifest;
use super::options::CheckpointOptions;
use super::read::FOLDER_PREFIX;
use super::restore::Restored;
use super::snapshot::{GraphNames, NodeTables, ReaderState, Snapshot};
use super::write::{self, Limit, Target};
use crate::error::{EngineError, Result};
use crate::runtime::graph::Graph;
use crate::runtime::{panic_error, spawn};

/// A checkpoint that is complete.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckpointInfo {
    /// Its number in the job.
    pub checkpoint: u64,
    /// Its folder.
    pub path: PathBuf,
    /// Whether somebody asked for it as a savepoint.
    pub is_savepoint: bool,
    /// The step after which it was taken.
    pub step: u64,
    /// Rows of state.
    pub n_rows: u64,
    /// Bytes on disk.
    pub n_bytes: u64,
    /// How long the job stood still.
    pub pause: Duration,
    /// From the beginning until it was complete.
    pub elapsed: Duration,
}

/// What a job has saved so far.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CheckpointStats {
    /// Complete ones.
    pub n_completed: u64,
    /// Those that came to nothing.
    pub n_failed: u64,
    /// The newest complete one.
    pub last: Option<CheckpointInfo>,
    /// Why the last one that failed did.
    pub last_failure: Option<String>,
    /// What the job started from, in a sentence.
    pub restored: Option<String>,
}

/// What is asked of a job.
#[derive(Debug, Clone)]
pub(in crate::runtime) enum Wanted {
    Checkpoint,
    Savepoint {
        folder: Option<PathBuf>,
        /// What becomes of the job: none if it goes on.
        stop: Option<Stop>,
    },
}

/// How a job ends with its savepoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::runtime) enum Stop {
    /// As it stands, to be continued.
    Suspend,
    /// After event time has come to its end: everything that waits for it is emitted.
    Drain,
}

/// A checkpoint to make now.
#[derive(Debug)]
pub(in crate::runtime) struct Due {
    wanted: Wanted,
    /// None if the interval has passed.
    reply: Option<Sender<Result<PathBuf>>>,
}

impl Due {
    pub(in crate::runtime) fn stop(&self) -> Option<Stop> {
        match self.wanted {
            Wanted::Checkpoint => None,
            Wanted::Savepoint { stop, .. } => stop,
        }
    }
}

/// A checkpoint that has been asked for.
#[derive(Debug)]
pub struct PendingCheckpoint {
    job: String,
    reply: Receiver<Result<PathBuf>>,
}

impl PendingCheckpoint {
    /// The folder of the checkpoint, if it is complete after at most this time.
    ///
    /// # Errors
    /// If it came to nothing, or the job has ended before.
    pub fn wait(&self, timeout: Duration) -> Result<Option<PathBuf>> {
        match self.reply.recv_timeout(timeout) {
            Ok(outcome) => outcome.map(Some),
            Err(RecvTimeoutError::Timeout) => Ok(None),
            Err(RecvTimeoutError::Disconnected) => Err(has_ended(&self.job)),
        }
    }
}

fn has_ended(job: &str) -> EngineError {
    EngineError::Options {
        message: format!("job '{job}' has ended; there is nothing to save"),
    }
}

/// What a job's handle and its thread share.
#[derive(Debug, Default)]
pub(in crate::runtime) struct Board {
    state: Mutex<BoardState>,
}

#[derive(Debug, Default)]
struct BoardState {
    requests: VecDeque<Due>,
    stats: CheckpointStats,
    /// The job has ended.
    is_closed: bool,
}

impl Board {
    /// Leaves a request for the job.
    ///
    /// # Errors
    /// If the job has ended.
    pub(in crate::runtime) fn ask(&self, job: &str, wanted: Wanted) -> Result<PendingCheckpoint> {
        let (sender, reply) = bounded(1);
        let mut state = self.state.lock();
        if state.is_closed {
            return Err(has_ended(job));
        }
        state.requests.push_back(Due {
            wanted,
            reply: Some(sender),
        });
        Ok(PendingCheckpoint {
            job: job.to_owned(),
            reply,
        })
    }

    pub(in crate::runtime) fn stats(&self) -> CheckpointStats {
        self.state.lock().stats.clone()
    }

    /// Nothing is made any more; who waits is told so.
    pub(in crate::runtime) fn close(&self) {
        let mut state = self.state.lock();
        state.is_closed = true;
        let dropped = std::mem::take(&mut state.requests);
        drop(state);
        drop(dropped);
    }
}

/// The checkpoints of one job, as its thread sees them.
pub(in crate::runtime) struct Checkpoints {
    options: CheckpointOptions,
    names: GraphNames,
    job_name: String,
    /// The job's own folder.
    folder: Option<PathBuf>,
    /// A part of the names of savepoints.
    job_digits: String,
    board: Arc<Board>,
    /// Called from the writing thread when it is done.
    wake: Arc<dyn Fn() + Send + Sync>,
    next_number: u64,
    next_due: Option<Instant>,
    n_failures_in_a_row: usize,
    writing: Option<Writing>,
    /// Complete ones that have not been deleted, oldest first.
    kept: VecDeque<PathBuf>,
}

struct Writing {
    thread: JoinHandle<()>,
    outcome: Arc<Mutex<Option<Result<Manifest>>>>,
    target: Target,
    due: Due,
    started: Instant,
    pause: Duration,
}

impl Checkpoints {
    pub(in crate::runtime) fn new(
        options: &CheckpointOptions,
        graph: &Graph,
        job_name: &str,
        restored: Option<&Restored>,
        board: Arc<Board>,
        wake: Arc<dyn Fn() + Send + Sync>,
    ) -> Self {
        let job_digits = format!("{:032x}", rand::random::<u128>());
        board.state.lock().stats.restored = restored.map(Restored::summary);
        let folder = options.folder.as_ref().map(|root| root.join(&job_digits));
        Self {
            names: GraphNames::new(graph),
            job_name: job_name.to_owned(),
            job_digits,
            board,
            wake,
            next_number: restored.map_or(1, |restored| restored.checkpoint() + 1),
            next_due: options
                .interval
                .filter(|_| options.is_periodic())
                .map(|interval| Instant::now() + interval),
            folder,
            n_failures_in_a_row: 0,
            writing: None,
            kept: VecDeque::new(),
            options: options.clone(),
        }
    }

    /// What the next run of the job has to know of the folder and what is in it.
    pub(in crate::runtime) fn heritage(&mut self) -> Heritage {
        // What is being written may still become whole; if not, it is noted as failed.
        drop(self.finished(true));
        Heritage {
            folder: self.folder.clone(),
            job_digits: self.job_digits.clone(),
            kept: self.kept.clone(),
            next_number: self.next_number,
        }
    }

    /// Goes on where the checkpoints of the run before ended.
    pub(in crate::runtime) fn inherit(&mut self, heritage: Heritage) {
        self.folder = heritage.folder;
        self.job_digits = heritage.job_digits;
        self.kept = heritage.kept;
        self.next_number = self.next_number.max(heritage.next_number);
    }

    /// When the job should look here again, if no rows wake it before.
    pub(in crate::runtime) fn wake_at(&self) -> Option<Instant> {
        self.next_due.filter(|_| self.writing.is_none())
    }

    /// What is to be saved now.
    pub(in crate::runtime) fn due(&mut self) -> Option<Due> {
        if self.writing.is_some() {
            return None;
        }
        if let Some(due) = self.board.state.lock().requests.pop_front() {
            return Some(due);
        }
        self.next_due
            .is_some_and(|next_due| next_due <= Instant::now())
            .then_some(Due {
                wanted: Wanted::Checkpoint,
                reply: None,
            })
    }

    /// The number of the checkpoint that is made next.
    pub(in crate::runtime) fn next_number(&self) -> u64 {
        self.next_number
    }

    /// Starts to write what was gathered since `started`.
    ///
    /// # Errors
    /// As [`Self::failed`].
    pub(in crate::runtime) fn begin(
        &mut self,
        due: Due,
        gathered: Result<Gathered>,
        started: Instant,
    ) -> Result<()> {
        let number = self.next_number;
        self.next_number += 1;
        if let Some(interval) = self.options.interval
            && self.next_due.is_some()
        {
            self.next_due = Some(started + interval);
        }
        let prepared = gathered.and_then(|gathered| {
            let target = self.target(&due, number, started)?;
            let Gathered {
                step,
                workers,
                sinks,
                readers,
            } = gathered;
            let snapshot = Snapshot::try_new(&self.names, step, workers, sinks, readers)?;
            let outcome = Arc::new(Mutex::new(None));
            let thread = self.spawn_writer(snapshot, &target, Arc::clone(&outcome))?;
            Ok((target, outcome, thread))
        });
        match prepared {
            Ok((target, outcome, thread)) => {
                self.writing = Some(Writing {
                    thread,
                    outcome,
                    target,
                    due,
                    started,
                    pause: started.elapsed(),
                });
                Ok(())
            }
            Err(error) => self.failed(due, error),
        }
    }

    fn spawn_writer(
        &self,
        snapshot: Snapshot,
        target: &Target,
        outcome: Arc<Mutex<Option<Result<Manifest>>>>,
    ) -> Result<JoinHandle<()>> {
        let target = target.clone();
        let wake = Arc::clone(&self.wake);
        spawn(format!("tidemill-chk-{}", target.checkpoint), move || {
            let written = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                write::write(snapshot, &target)
            }))
            .unwrap_or_else(|payload| Err(panic_error("a checkpoint", payload.as_ref())));
            *outcome.lock() = Some(written);
            wake();
        })
    }

    fn target(&self, due: &Due, number: u64, started: Instant) -> Result<Target> {
        let (folder, is_savepoint) = match &due.wanted {
            Wanted::Checkpoint => {
                let folder = self.folder.as_ref().ok_or_else(|| EngineError::Options {
                    message: "there is no folder for checkpoints; set \
                              'execution.checkpointing.dir' before the job starts"
                        .to_owned(),
                })?;
                (folder.join(format!("{FOLDER_PREFIX}{number}")), false)
            }
            Wanted::Savepoint { folder, .. } => {
                let parent = folder
                    .as_ref()
                    .or(self.options.savepoint_folder.as_ref())
                    .ok_or_else(|| EngineError::Options {
                        message: "there is no folder for savepoints; name one, or set \
                                  'execution.checkpointing.savepoint-dir' before the job starts"
                            .to_owned(),
                    })?;
                let job = self.job_digits.get(..6).unwrap_or_default();
                let digits = format!("{:016x}", rand::random::<u64>());
                let digits = digits.get(..12).unwrap_or_default();
                (parent.join(format!("savepoint-{job}-{digits}")), true)
            }
        };
        Ok(Target {
            folder,
            checkpoint: number,
            is_savepoint,
            job_name: self.job_name.clone(),
            limit: Limit {
                started,
                timeout: self.options.timeout,
            },
        })
    }

    /// The number of the checkpoint that has become complete, if one has. With `wait` it is waited
    /// for.
    ///
    /// # Errors
    /// As [`Self::failed`].
    pub(in crate::runtime) fn finished(&mut self, wait: bool) -> Result<Option<u64>> {
        let is_done = |writing: &Writing| writing.outcome.lock().is_some();
        if !wait && !self.writing.as_ref().is_some_and(is_done) {
            return Ok(None);
        }
        let Some(writing) = self.writing.take() else {
            return Ok(None);
        };
        // What the thread had to say lies in the outcome.
        drop(writing.thread.join());
        let outcome = writing.outcome.lock().take();
        let manifest = match outcome {
            Some(Ok(manifest)) => manifest,
            Some(Err(error)) => return self.failed(writing.due, error).map(|()| None),
            None => {
                let error = EngineError::internal("a checkpoint was not written to its end");
                return self.failed(writing.due, error).map(|()| None);
            }
        };
        self.n_failures_in_a_row = 0;
        if let (Some(next_due), Some(min_pause)) = (self.next_due, self.options.min_pause) {
            self.next_due = Some(next_due.max(Instant::now() + min_pause));
        }
        let Target {
            folder, checkpoint, ..
        } = writing.target;
        let info = CheckpointInfo {
            checkpoint,
            path: folder.clone(),
            is_savepoint: manifest.is_savepoint,
            step: manifest.step,
            n_rows: manifest.n_rows(),
            n_bytes: manifest.n_bytes(),
            pause: writing.pause,
            elapsed: writing.started.elapsed(),
        };
        if !manifest.is_savepoint {
            self.kept.push_back(folder.clone());
        }
        while self.kept.len() > self.options.n_retained {
            self.delete_oldest();
        }
        let mut state = self.board.state.lock();
        state.stats.n_completed += 1;
        state.stats.last = Some(info);
        drop(state);
        if let Some(reply) = writing.due.reply {
            // Whoever asked may have gone.
            let _ = reply.send(Ok(folder));
        }
        Ok(Some(checkpoint))
    }

    /// A checkpoint has come to nothing: tells who asked for it.
    ///
    /// # Errors
    /// The same error if nobody asked and no more failures are tolerated; but not because a part of
    /// the job cannot be saved at all: then no more are tried.
    fn failed(&mut self, due: Due, error: EngineError) -> Result<()> {
        let mut state = self.board.state.lock();
        state.stats.n_failed += 1;
        state.stats.last_failure = Some(error.to_string());
        drop(state);
        if let Some(reply) = due.reply {
            // As above.
            let _ = reply.send(Err(error));
            return Ok(());
        }
        if matches!(error, EngineError::Unsupported { .. }) {
            self.next_due = None;
            return Ok(());
        }
        self.n_failures_in_a_row += 1;
        if self.n_failures_in_a_row > self.options.n_tolerated_failures {
            return Err(error);
        }
        Ok(())
    }

    /// The job has ended. `finished` says by itself, `stopped` that somebody stopped it.
    pub(in crate::runtime) fn close(&mut self, end: JobEnd) {
        self.board.close();
        let is_useless = match end {
            JobEnd::Finished => true,
            JobEnd::Stopped => !self.options.keep_on_stop,
            JobEnd::Failed => false,
        };
        if is_useless {
            while !self.kept.is_empty() {
                self.delete_oldest();
            }
            if let Some(folder) = &self.folder {
                // Only if it is empty; it may not exist.
                let _ = std::fs::remove_dir(folder);
            }
        }
    }

    fn delete_oldest(&mut self) {
        if let Some(oldest) = self.kept.pop_front() {
            delete(&oldest);
        }
    }
}

/// What one run of a job leaves to the next.
#[derive(Debug)]
pub(in crate::runtime) struct Heritage {
    folder: Option<PathBuf>,
    job_digits: String,
    kept: VecDeque<PathBuf>,
    next_number: u64,
}

impl Heritage {
    /// The newest complete checkpoint.
    pub(in crate::runtime) fn newest(&self) -> Option<&Path> {
        self.kept.back().map(PathBuf::as_path)
    }
}

/// How a job ended, as far as its checkpoints are concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::runtime) enum JobEnd {
    Finished,
    Stopped,
    Failed,
}

/// What the job gives: all that is needed to go on from here.
#[derive(Debug)]
pub(in crate::runtime) struct Gathered {
    pub(in crate::runtime) step: u64,
    pub(in crate::runtime) workers: Vec<NodeTables>,
    pub(in crate::runtime) sinks: NodeTables,
    pub(in crate::runtime) readers: Vec<ReaderState>,
}

/// Deletes a checkpoint; nobody takes what is half deleted for a whole one. A folder that cannot be
/// deleted does no harm.
fn delete(folder: &Path) {
    let mut doomed = folder.as_os_str().to_owned();
    doomed.push(".tmp");
    let doomed = PathBuf::from(doomed);
    if std::fs::rename(folder, &doomed).is_ok() {
        let _ = std::fs::remove_dir_all(&doomed);
    }
}
