//! The worker processes of a function: as many as threads call it at the same time.

use std::collections::BTreeSet;
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use arrow::array::{Array, ArrayRef};
use arrow::datatypes::FieldRef;
use arrow::error::ArrowError;
use parking_lot::{Condvar, Mutex};
use pyo3::prelude::*;
use tidemill_engine::functions::usage::{self, FunctionMetric};
use tidemill_engine::{EngineError, Result};

use super::hosts::Hosts;
use super::process::{END_TIMEOUT, Launch, Process, Reported};
use super::settings::Settings;
use crate::engine::voice::Voice;

/// Why a worker gave no results.
#[derive(Debug)]
pub(super) enum Failure {
    /// It could not be started.
    Start(String),
    /// The function raised an exception; the text is for the user.
    Raised(String),
    /// It took too long.
    Slow(String),
    /// It went away after so many bundles.
    Ended { how: String, n_bundles_done: usize },
    /// A stream broke: it goes away, or has gone.
    Stream(std::io::Error),
    /// A batch could not be written or read.
    Arrow(ArrowError),
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        Self::Stream(error)
    }
}

impl From<ArrowError> for Failure {
    fn from(error: ArrowError) -> Self {
        Self::Arrow(error)
    }
}

/// A function as workers get it.
pub(in crate::engine) struct RemoteFunction {
    pub(in crate::engine) name: String,
    /// Distinguishes functions of this process.
    pub(in crate::engine) identity: u64,
    /// What the worker's runtime needs to know beside the code.
    pub(in crate::engine) properties: serde_json::Value,
    /// The code, by cloudpickle.
    pub(in crate::engine) pickled: Vec<u8>,
    pub(in crate::engine) result: FieldRef,
    /// Where it prints to.
    pub(in crate::engine) voice: Arc<Voice>,
}

impl RemoteFunction {
    /// A number for [`Self::identity`].
    pub(in crate::engine) fn next_identity() -> u64 {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        NEXT.fetch_add(1, Ordering::Relaxed)
    }
}

/// The workers that one function of one session uses, whichever job calls it.
pub(in crate::engine) struct Pool {
    settings: Settings,
    state: Mutex<State>,
    /// A worker has come back.
    returned: Condvar,
    /// Rows that were given to workers before the batch that runs.
    n_rows: AtomicU64,
    /// What functions measure in them.
    metrics: Arc<Reported>,
    /// Where accumulators live, if it is an aggregate function.
    hosts: Arc<Hosts>,
}

#[derive(Default)]
struct State {
    idle: Vec<Process>,
    /// Those that are lent out or start.
    n_running: usize,
    /// Whether a worker has just done something: then more may be worth their start.
    is_proven: bool,
    /// How long threads have waited for workers that are proven, since the last one was started.
    waited: Duration,
    /// Which worker, by the number of its process, has which function.
    known: BTreeSet<(u32, u64)>,
    /// The workers that are in calls, with the function; shutting the stream down ends one.
    calling: Vec<(u64, u32, Arc<TcpStream>)>,
}

impl State {
    fn worker_with(&self, identity: u64) -> Option<u32> {
        let mut known = self.known.iter();
        known.find_map(|(process, function)| (*function == identity).then_some(*process))
    }

    fn take_idle(&mut self, process_id: u32) -> Option<Process> {
        let mut idle = self.idle.iter();
        let place = idle.position(|process| process.id() == process_id)?;
        self.n_running += 1;
        Some(self.idle.remove(place))
    }
}

/// Another worker is worth its start, which takes about as long on a processor, when threads have
/// waited for so long: a job that ends soon does better with the first.
const WORTH_A_START: Duration = Duration::from_millis(250);

impl Pool {
    /// Workers for these settings; the first starts with the first call.
    pub(in crate::engine) fn new(settings: Settings) -> Self {
        let metrics = Arc::default();
        Self {
            hosts: Arc::new(Hosts::new(settings.clone(), Arc::clone(&metrics))),
            metrics,
            settings,
            state: Mutex::new(State::default()),
            returned: Condvar::new(),
            n_rows: AtomicU64::new(0),
        }
    }

    /// Whether the workers are those that `settings` ask for.
    pub(in crate::engine) fn is_for(&self, settings: &Settings) -> bool {
        self.settings == *settings
    }

    /// Calls the function with `n_rows` rows. Waits for a worker if all are busy.
    ///
    /// # Errors
    /// `Function` if it raises, its worker cannot be started, is too slow, or dies.
    pub(in crate::engine) fn call(
        self: &Arc<Self>,
        function: &RemoteFunction,
        arguments: &[ArrayRef],
        n_rows: usize,
    ) -> Result<ArrayRef> {
        let first_row = self.n_rows.fetch_add(n_rows as u64, Ordering::Relaxed) + 1;
        let bundle_rows = self.settings.bundle_rows;
        let bundles: Vec<(Vec<ArrayRef>, usize)> = (0..n_rows)
            .step_by(bundle_rows)
            .map(|start| {
                let length = bundle_rows.min(n_rows - start);
                let columns = arguments
                    .iter()
                    .map(|column| column.slice(start, length))
                    .collect();
                (columns, length)
            })
            .collect();
        let failed = |failure: Failure| EngineError::Function {
            function: function.name.clone(),
            message: failure.describe(|n_bundles_done| {
                let done = (n_bundles_done * bundle_rows) as u64;
                let length = bundles.get(n_bundles_done).map_or(0, |(_, length)| *length);
                let first = first_row + done;
                (first, (first + length as u64).saturating_sub(1))
            }),
        };
        let mut process = self.take().map_err(failed)?;
        let process_id = process.id();
        let mut state = self.state.lock();
        state.known.insert((process_id, function.identity));
        let calling = (function.identity, process_id, process.control());
        state.calling.push(calling);
        drop(state);
        let called = process.call(function, &bundles, self.settings.timeout);
        let mut state = self.state.lock();
        state
            .calling
            .retain(|(_, process, _)| *process != process_id);
        if called.is_err() {
            state.known.retain(|(process, _)| *process != process_id);
        }
        drop(state);
        // After an error of the function the streams may hold answers to bundles that nobody
        // waits for: such a worker is not used again.
        self.give_back(called.is_ok().then_some(process));
        let results = called.map_err(failed)?;
        let fits = |array: &ArrayRef| array.data_type() == function.result.data_type();
        let n_results: usize = results.iter().map(|array| array.len()).sum();
        if n_results != n_rows || !results.iter().all(fits) {
            return Err(EngineError::internal(format!(
                "the worker of function '{}' gave {n_results} results for {n_rows} rows",
                function.name
            )));
        }
        if let [result] = results.as_slice() {
            return Ok(Arc::clone(result));
        }
        let results: Vec<&dyn Array> = results.iter().map(AsRef::as_ref).collect();
        Ok(arrow::compute::concat(&results)?)
    }

    /// A worker. The first one starts here; further ones start beside, and whoever waits takes the
    /// worker that is there first.
    fn take(self: &Arc<Self>) -> std::result::Result<Process, Failure> {
        let mut state = self.state.lock();
        loop {
            if let Some(process) = state.idle.pop() {
                state.n_running += 1;
                return Ok(process);
            }
            if state.n_running == 0 {
                state.n_running = 1;
                break;
            }
            if state.waited >= WORTH_A_START && state.n_running < self.settings.n_processes {
                state.n_running += 1;
                state.waited = Duration::ZERO;
                let pool = Arc::clone(self);
                let starting = std::thread::Builder::new()
                    .name("worker-start".to_owned())
                    // One that cannot be started is told when there is no other.
                    .spawn(move || pool.give_back(pool.start().ok()));
                if starting.is_err() {
                    state.n_running -= 1;
                }
            }
            let began = Instant::now();
            self.returned.wait_for(&mut state, WORTH_A_START);
            if state.is_proven {
                state.waited += began.elapsed();
            }
        }
        drop(state);
        let started = self.start();
        if started.is_err() {
            self.give_back(None);
        }
        started
    }

    fn start(&self) -> std::result::Result<Process, Failure> {
        launch(&self.settings).and_then(|launch| Process::start(&launch, &self.metrics))
    }

    fn give_back(&self, process: Option<Process>) {
        let mut state = self.state.lock();
        state.n_running -= 1;
        state.is_proven = process.is_some();
        state.idle.extend(process);
        drop(state);
        // Some wait for any worker, some for a certain one.
        self.returned.notify_all();
    }

    /// The processes for accumulators.
    pub(in crate::engine) fn hosts(&self) -> &Arc<Hosts> {
        &self.hosts
    }

    /// Ends the workers that are in a call of the function, whose results nobody needs any more.
    pub(in crate::engine) fn interrupt(&self, function: &RemoteFunction) {
        for (identity, _, control) in &self.state.lock().calling {
            if *identity == function.identity {
                // One that has ended meanwhile is as well.
                drop(control.shutdown(Shutdown::Both));
            }
        }
    }

    /// Closes the function in all workers that have it, which stay for the next job. One that is busy
    /// for another job is waited for a while; after that it keeps the function until it ends.
    pub(in crate::engine) fn end(&self, function: &RemoteFunction) {
        let deadline = Instant::now() + END_TIMEOUT;
        let mut state = self.state.lock();
        while let Some(process_id) = state.worker_with(function.identity) {
            if let Some(mut process) = state.take_idle(process_id) {
                state.known.remove(&(process_id, function.identity));
                drop(state);
                // A worker that does not answer is not used again.
                let ended = process.end(function.identity).is_ok();
                self.give_back(ended.then_some(process));
                state = self.state.lock();
            } else if self.returned.wait_until(&mut state, deadline).timed_out() {
                break;
            }
        }
        state
            .known
            .retain(|(_, identity)| *identity != function.identity);
        drop(state);
        self.hosts.end(function);
    }

    /// What the function has measured in its workers, as far as they have told.
    pub(in crate::engine) fn metrics(&self, function: &RemoteFunction) -> Vec<FunctionMetric> {
        let of_function = (function.identity, u32::MIN)..=(function.identity, u32::MAX);
        let metrics = self.metrics.lock();
        usage::merged(
            metrics
                .range(of_function)
                .map(|(_, metrics)| metrics.clone()),
        )
    }

    /// Forgets what the function has measured.
    pub(in crate::engine) fn forget_metrics(&self, function: &RemoteFunction) {
        let mut metrics = self.metrics.lock();
        metrics.retain(|(identity, _), _| *identity != function.identity);
    }
}

/// What to run: made by Python, which installs requirements and unpacks archives first.
pub(super) fn launch(settings: &Settings) -> std::result::Result<Launch, Failure> {
    Python::try_attach(|py| {
        py.import("tidemill.table.worker_launch")
            .and_then(|module| module.getattr("prepare"))
            .and_then(|prepare| prepare.call1((settings.options(),)))
            .and_then(|launch| launch.extract::<Launch>())
            .map_err(|error| Failure::Start(error.value(py).to_string()))
    })
    .unwrap_or_else(|| {
        let message = "the Python interpreter is shutting down";
        Err(Failure::Start(message.to_owned()))
    })
}

impl Failure {
    /// What the user reads. `rows` are those that were in the worker when it ended.
    pub(super) fn describe(self, rows: impl FnOnce(usize) -> (u64, u64)) -> String {
        match self {
            Self::Start(why) => format!("its worker process could not be started: {why}"),
            Self::Raised(text) | Self::Slow(text) => text,
            Self::Ended {
                how,
                n_bundles_done,
            } => {
                let (first, last) = rows(n_bundles_done);
                format!("its worker process, at rows {first} to {last}, {how}")
            }
            Self::Stream(error) => {
                format!("the connection to its worker process broke: {error}")
            }
            Self::Arrow(error) => format!("its rows cannot be sent to a process: {error}"),
        }
    }
}
