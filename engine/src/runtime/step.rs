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
use super::checkpoint::{Checkpoints, Due, Gathered, NodeTables, Stop};
use super::event_time::{EventTimes, Passed};
use super::inbox::{Admission, Arrived, Inbox};
use super::metrics::{Counters, NodeWork};
use super::options::JobOptions;
use super::pace::{Pace, StepLimits};
use super::positions::Positions;
use super::watermark::{NodeWatermark, NodeWatermarks, Progress};
use super::worker::{Step, Walk, Worker};
use crate::connectors::Sink;
use crate::data::Delta;
use crate::data::size::batch_bytes;
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
    pub(super) limits: StepLimits,
    pub(super) inbox: Arc<Inbox>,
    pub(super) walk: Arc<Walk>,
    pub(super) watermarks: NodeWatermarks,
    pub(super) times: EventTimes,
    pub(super) counters: Arc<Counters>,
    pub(super) crew: Crew,
    pub(super) sinks: Vec<JobSink>,
    pub(super) positions: Positions,
    pub(super) checkpoints: Checkpoints,
    /// The number of the last step.
    pub(super) number: u64,
}

impl StepLoop {
    /// Runs the job to its end, or until it is stopped. The sinks have been told how it ended.
    pub(super) fn run(&mut self) -> Outcome {
        let outcome = match self.run_steps() {
            Ok(outcome) => outcome,
            // A step that is stopped on the way fails with whatever it meets.
            Err(_) if self.walk.memory().is_stopped() => Outcome::Stopped,
            Err(error) => Outcome::Failed(error),
        };
        let written = self.commit(true);
        if matches!(outcome, Outcome::Failed(_)) {
            return outcome;
        }
        let finished = written.and_then(|_| {
            self.sinks
                .iter_mut()
                .try_for_each(|job_sink| job_sink.sink.finish())
        });
        match finished {
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

    /// Tells the sinks that the job has failed and begins again.
    pub(super) fn interrupt_sinks(&mut self, error: &EngineError) {
        for job_sink in &mut self.sinks {
            job_sink.sink.interrupt(error);
        }
    }

    fn run_steps(&mut self) -> Result<Outcome> {
        let mut pace = Pace::new(self.options.max_wave_rows());
        loop {
            self.close_unneeded();
            self.commit(false)?;
            if let Some(due) = self.checkpoints.due()
                && let Some(outcome) = self.checkpoint(due)?
            {
                return Ok(outcome);
            }
            let of_sinks = self.sinks.iter().filter_map(|it| it.sink.next_timer_ms());
            let timer = self.walk.next_timer_ms().into_iter().chain(of_sinks).min();
            let timer = timer.map(until);
            let wake_at = timer.into_iter().chain(self.checkpoints.wake_at()).min();
            let arrived = match self.inbox.admit(pace.rows(), wake_at) {
                Admission::Step(arrived) => arrived,
                Admission::Woken => continue,
                Admission::Stopped => return Ok(Outcome::Stopped),
                Admission::Failed(error) => return Err(error),
            };
            let ended = self.take_step(arrived, &mut pace)?;
            self.counters.add_step();
            if ended {
                return Ok(Outcome::Finished);
            }
        }
    }

    /// Ends the readers of sources whose rows nobody needs any more.
    fn close_unneeded(&self) {
        for node_idx in self.crew.unneeded_sources() {
            self.inbox.close_source(node_idx);
        }
    }

    /// One step, wave by wave. Whether it was the last one.
    fn take_step(&mut self, first: Arrived, pace: &mut Pace) -> Result<bool> {
        self.catch_up(&first.before)?;
        let mut step = self.limits.begin();
        self.number += 1;
        let processing_time_ms = now_ms();
        let mut arrived = first;
        let mut passed = Passed::default();
        let mut is_one_wave = true;
        loop {
            let n_rows = arrived.n_rows();
            step.take(n_rows);
            passed.note(&arrived, &self.times);
            self.spread(std::mem::take(&mut arrived.rows));
            if !arrived.has_more || !step.has_room() {
                break;
            }
            is_one_wave = false;
            let started = Instant::now();
            let watermarks = self.watermarks.held();
            self.run_wave(Step {
                number: self.number,
                processing_time_ms,
                watermarks,
                passed: Arc::default(),
                ended: false,
                is_open: true,
            })?;
            pace.learn(n_rows, started.elapsed());
            step.give(self.write_rows()?);
            self.close_unneeded();
            let max_rows = step.rows(pace.rows());
            match self.inbox.admit_more(max_rows, step.patience())? {
                Some(more) => arrived = more,
                None => break,
            }
        }
        let started = Instant::now();
        let watermarks = self.watermarks.advance(&arrived.progress);
        self.run_wave(Step {
            number: self.number,
            processing_time_ms,
            watermarks: Arc::clone(&watermarks),
            passed: Arc::new(passed),
            ended: arrived.ended,
            is_open: false,
        })?;
        // What the end of a step takes says nothing about rows if others came before.
        if is_one_wave {
            pace.learn(step.n_rows(), started.elapsed());
        }
        self.write(&watermarks)?;
        self.counters
            .note_watermarks(watermarks.iter().map(|node| node.after_ms));
        Ok(arrived.ended)
    }

    /// A step without rows, if event time has moved since the last one: its rows come later.
    fn catch_up(&mut self, sources: &[(usize, Progress)]) -> Result<()> {
        if !self.watermarks.is_behind(sources) {
            return Ok(());
        }
        let watermarks = self.watermarks.advance(sources);
        self.number += 1;
        self.run_wave(Step {
            number: self.number,
            processing_time_ms: now_ms(),
            watermarks: Arc::clone(&watermarks),
            passed: Arc::default(),
            ended: false,
            is_open: false,
        })?;
        self.write(&watermarks)
    }

    /// Gathers what a checkpoint needs and hands it to its writer. Gives how the job ends, if it
    /// ends with this savepoint.
    fn checkpoint(&mut self, due: Due) -> Result<Option<Outcome>> {
        let stop = due.stop();
        if stop == Some(Stop::Drain) {
            let ends = self.inbox.progress().into_iter();
            let ends: Vec<_> = ends
                .map(|(node_idx, _)| (node_idx, Progress::END))
                .collect();
            let watermarks = self.watermarks.advance(&ends);
            self.number += 1;
            self.run_wave(Step {
                number: self.number,
                processing_time_ms: now_ms(),
                watermarks: Arc::clone(&watermarks),
                passed: Arc::default(),
                ended: true,
                is_open: false,
            })?;
            self.write(&watermarks)?;
        }
        let started = Instant::now();
        let gathered = self.gather();
        self.checkpoints.begin(due, gathered, started)?;
        if stop.is_none() {
            return Ok(None);
        }
        // A job whose savepoint came to nothing goes on, unless it has been drained.
        let is_saved = self.commit(true)?;
        Ok((is_saved || stop == Some(Stop::Drain)).then_some(Outcome::Finished))
    }

    fn gather(&mut self) -> Result<Gathered> {
        let workers = self.crew.save();
        if let Some(error) = self.walk.take_failure() {
            return Err(error);
        }
        let number = self.checkpoints.next_number();
        let mut sinks = NodeTables::new();
        for JobSink { node_idx, sink } in &mut self.sinks {
            sinks.push((*node_idx, sink.prepare(number)?));
        }
        self.positions.note(number, &self.inbox);
        let mut readers = self.inbox.reader_states()?;
        for reader in &mut readers {
            let known_ms = self.watermarks.known_ms(reader.node_idx);
            if let Some(time) = &mut reader.time {
                // The end of a source is known again when its readers end.
                time.known_ms = known_ms.filter(|known_ms| *known_ms < i64::MAX);
            }
        }
        Ok(Gathered {
            step: self.number,
            workers,
            sinks,
            readers,
        })
    }

    /// Lets the sinks show what belongs to a checkpoint that is complete; with `wait` the one that
    /// is being written is waited for. Whether there was one.
    fn commit(&mut self, wait: bool) -> Result<bool> {
        let Some(checkpoint) = self.checkpoints.finished(wait)? else {
            return Ok(false);
        };
        for job_sink in &mut self.sinks {
            job_sink.sink.commit(checkpoint)?;
        }
        self.positions.commit(checkpoint);
        Ok(true)
    }

    fn run_wave(&mut self, wave: Step) -> Result<()> {
        self.crew.run_wave(wave);
        if let Some(error) = self.walk.take_failure() {
            return Err(error);
        }
        self.counters.check_state(&self.walk.memory())
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

    /// Gives the sinks the rows of a wave. Gives their bytes.
    fn write_rows(&mut self) -> Result<usize> {
        let mut n_bytes = 0;
        for JobSink { node_idx, sink } in &mut self.sinks {
            let started = Instant::now();
            let mut work = NodeWork::default();
            for delta in self.walk.take_sink_rows(*node_idx) {
                work.records_in += delta.num_rows() as u64;
                n_bytes += batch_bytes(delta.batch());
                sink.write(&delta)?;
            }
            work.state_bytes = sink.state_bytes();
            work.busy = started.elapsed();
            self.counters.add_work(*node_idx, 0, work);
        }
        Ok(n_bytes)
    }

    /// Gives the sinks the last rows of a step, and its end.
    fn write(&mut self, watermarks: &[NodeWatermark]) -> Result<()> {
        self.write_rows()?;
        for JobSink { node_idx, sink } in &mut self.sinks {
            let started = Instant::now();
            let mut work = NodeWork::default();
            if let Some(watermark) = watermarks.get(*node_idx) {
                sink.on_watermark(watermark.after_ms);
            }
            sink.on_step_end()?;
            work.state_bytes = sink.state_bytes();
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

/// The workers of a job: the first one runs where [`Crew::run_wave`] is called, the others on
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
    /// What to do, or none to end.
    task: Mutex<Option<Task>>,
}

#[derive(Debug, Clone)]
enum Task {
    Step(Step),
    Save,
}

impl Task {
    fn run(&self, worker: &mut Worker) {
        match self {
            Self::Step(step) => worker.run_step(step),
            Self::Save => worker.save(),
        }
    }
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
            task: Mutex::new(None),
        });
        let threads = workers
            .into_iter()
            .enumerate()
            .map(|(worker_idx, mut worker)| {
                let order = Arc::clone(&order);
                super::spawn(format!("{thread_name}-w{}", worker_idx + 1), move || {
                    loop {
                        order.gate.wait();
                        let Some(task) = order.task.lock().clone() else {
                            break;
                        };
                        task.run(&mut worker);
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

    /// Runs one wave on all workers. Returns when all have done it.
    pub(super) fn run_wave(&mut self, wave: Step) {
        self.run(&Task::Step(wave));
    }

    /// What all operators remember, worker by worker; a failure is left in the walk.
    pub(super) fn save(&mut self) -> Vec<NodeTables> {
        self.run(&Task::Save);
        self.first.walk().take_saved()
    }

    fn run(&mut self, task: &Task) {
        let Some(others) = &self.others else {
            task.run(&mut self.first);
            return;
        };
        *others.order.task.lock() = Some(task.clone());
        others.order.gate.wait();
        task.run(&mut self.first);
        others.order.gate.wait();
    }
}

impl Drop for Crew {
    fn drop(&mut self) {
        let Some(others) = self.others.take() else {
            return;
        };
        *others.order.task.lock() = None;
        others.order.gate.wait();
        for thread in others.threads {
            // A worker catches the panics of operators; there is nothing to learn from the join.
            drop(thread.join());
        }
    }
}
