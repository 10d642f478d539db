//! The loop of a job: admit rows, let the workers walk the graph, give the results to the sinks,
//! and again.
//!
//! A step takes what is there, up to a limit: a single row through an idle job is a step of its
//! own, under load steps grow as long as they are quick (`pace`). The job's thread is worker 0;
//! with one worker there is nothing to synchronize.

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use parking_lot::Mutex;

use super::barrier::Barrier;
use super::job::JobOptions;
use super::metrics::{Counters, NodeWork};
use super::pace::Pace;
use super::source::{Admission, Inbox};
use super::watermark::NodeWatermarks;
use super::worker::{Step, Walk, Worker};
use crate::connectors::Sink;
use crate::data::Delta;
use crate::error::{EngineError, Result};

/// How a job ended.
#[derive(Debug)]
pub(super) enum Outcome {
    Finished,
    Stopped,
    Failed(EngineError),
}

/// A sink and the node that it stands for.
pub(super) struct JobSink {
    pub(super) node_idx: usize,
    pub(super) sink: Box<dyn Sink>,
}

/// All that the thread of a job works with.
pub(super) struct StepLoop {
    pub(super) options: JobOptions,
    pub(super) inbox: Arc<Inbox>,
    pub(super) walk: Arc<Walk>,
    pub(super) watermarks: NodeWatermarks,
    pub(super) counters: Arc<Counters>,
    pub(super) crew: Crew,
    pub(super) sinks: Vec<JobSink>,
}

impl StepLoop {
    /// Runs the job to its end, or until it is stopped. The sinks have been told how it ended.
    pub(super) fn run(&mut self) -> Outcome {
        let outcome = match self.run_steps() {
            Ok(outcome) => outcome,
            Err(error) => Outcome::Failed(error),
        };
        if matches!(outcome, Outcome::Failed(_)) {
            return outcome;
        }
        match self
            .sinks
            .iter_mut()
            .try_for_each(|job_sink| job_sink.sink.finish())
        {
            Ok(()) => outcome,
            Err(error) => Outcome::Failed(error),
        }
    }

    /// Tells the sinks that the job failed.
    pub(super) fn fail_sinks(&mut self, error: &EngineError) {
        for job_sink in &mut self.sinks {
            job_sink.sink.fail(error);
        }
    }

    fn run_steps(&mut self) -> Result<Outcome> {
        let mut number = 0;
        let mut pace = Pace::new(self.options.max_step_rows);
        loop {
            for node_idx in self.crew.unneeded_sources() {
                self.inbox.close_source(node_idx);
            }
            let timer = self.walk.next_timer_ms().map(until);
            let (rows, progress, ended) = match self.inbox.admit(pace.rows(), timer) {
                Admission::Step {
                    rows,
                    progress,
                    ended,
                } => (rows, progress, ended),
                Admission::Stopped => return Ok(Outcome::Stopped),
                Admission::Failed(error) => return Err(error),
            };
            number += 1;
            let n_rows = rows.iter().map(|(_, delta)| delta.num_rows()).sum();
            let started = Instant::now();
            let watermarks = self.watermarks.advance(&progress);
            self.spread(rows);
            self.run_step(Step {
                number,
                processing_time_ms: now_ms(),
                watermarks,
                ended,
            })?;
            pace.learn(n_rows, started.elapsed());
            self.write()?;
            self.counters.add_step();
            if ended {
                return Ok(Outcome::Finished);
            }
        }
    }

    fn run_step(&mut self, step: Step) -> Result<()> {
        self.crew.run_step(&step);
        if let Some(error) = self.walk.take_failure() {
            return Err(error);
        }
        match self.options.max_state_bytes {
            Some(max_bytes) => self.counters.check_state(max_bytes),
            None => Ok(()),
        }
    }

    /// Gives each worker a run of neighboring rows, so that the order in which an exchange brings
    /// them together again is the order of arrival. Few rows stay on one worker.
    fn spread(&self, rows: Vec<(usize, Delta)>) {
        let n_rows: usize = rows.iter().map(|(_, delta)| delta.num_rows()).sum();
        let n_workers = self.walk.n_workers;
        let share = n_rows
            .div_ceil(n_workers)
            .max(self.options.min_worker_rows)
            .max(1);
        let (mut worker_idx, mut room) = (0, share);
        for (node_idx, delta) in rows {
            let mut offset = 0;
            while offset < delta.num_rows() {
                if room == 0 {
                    (worker_idx, room) = (worker_idx + 1, share);
                }
                let length = room.min(delta.num_rows() - offset);
                let part = if length == delta.num_rows() {
                    delta.clone()
                } else {
                    delta.slice(offset, length)
                };
                self.walk.put_source_rows(node_idx, worker_idx, part);
                offset += length;
                room -= length;
            }
        }
    }

    fn write(&mut self) -> Result<()> {
        for JobSink { node_idx, sink } in &mut self.sinks {
            let started = Instant::now();
            let mut work = NodeWork::default();
            for delta in self.walk.take_sink_rows(*node_idx) {
                work.records_in += delta.num_rows() as u64;
                sink.write(&delta)?;
            }
            sink.on_step_end()?;
            work.busy = started.elapsed();
            self.counters.add_work(*node_idx, 0, work);
        }
        Ok(())
    }
}

/// The instant of a processing time.
fn until(processing_time_ms: i64) -> Instant {
    /// A timer far away is looked at again now and then: clocks are set.
    const MAX_WAIT_MS: i64 = 60_000;
    let wait_ms = processing_time_ms
        .saturating_sub(now_ms())
        .clamp(0, MAX_WAIT_MS);
    Instant::now() + Duration::from_millis(wait_ms.unsigned_abs())
}

fn now_ms() -> i64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .ok()
        .and_then(|since_epoch| i64::try_from(since_epoch.as_millis()).ok())
        .unwrap_or(0)
}

/// The workers of a job: the first one runs where [`Crew::run_step`] is called, the others on
/// threads that end with the crew.
pub(super) struct Crew {
    first: Worker,
    others: Option<Others>,
}

struct Others {
    order: Arc<Order>,
    threads: Vec<JoinHandle<()>>,
}

/// What the other workers wait for.
struct Order {
    /// Opens before and after each step.
    gate: Barrier,
    /// The step to run, or none to end.
    step: Mutex<Option<Step>>,
}

impl Crew {
    pub(super) fn start(mut workers: Vec<Worker>, thread_name: &str) -> Result<Self> {
        if workers.is_empty() {
            return Err(EngineError::internal("a job without workers"));
        }
        let n_workers = workers.len();
        let first = workers.remove(0);
        let mut crew = Self {
            first,
            others: None,
        };
        if n_workers == 1 {
            return Ok(crew);
        }
        let order = Arc::new(Order {
            gate: Barrier::new(n_workers),
            step: Mutex::new(None),
        });
        let threads = workers
            .into_iter()
            .enumerate()
            .map(|(worker_idx, mut worker)| {
                let order = Arc::clone(&order);
                super::spawn(format!("{thread_name}-w{}", worker_idx + 1), move || {
                    loop {
                        order.gate.wait();
                        let Some(step) = order.step.lock().clone() else {
                            break;
                        };
                        worker.run_step(&step);
                        order.gate.wait();
                    }
                })
            })
            .collect::<Result<Vec<_>>>()?;
        crew.others = Some(Others { order, threads });
        Ok(crew)
    }

    /// The sources whose rows nobody needs any more. Operators that can be done before their
    /// input ends have all their rows on the first worker.
    pub(super) fn unneeded_sources(&self) -> Vec<usize> {
        self.first.unneeded_sources()
    }

    /// Runs one step on all workers. Returns when all have done it.
    pub(super) fn run_step(&mut self, step: &Step) {
        let Some(others) = &self.others else {
            self.first.run_step(step);
            return;
        };
        *others.order.step.lock() = Some(step.clone());
        others.order.gate.wait();
        self.first.run_step(step);
        others.order.gate.wait();
    }
}

impl Drop for Crew {
    fn drop(&mut self) {
        let Some(others) = self.others.take() else {
            return;
        };
        *others.order.step.lock() = None;
        others.order.gate.wait();
        for thread in others.threads {
            // A worker catches the panics of operators; there is nothing to learn from the join.
            drop(thread.join());
        }
    }
}
