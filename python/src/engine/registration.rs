//! A registered Python function of any kind: its code, its types, where it runs, and the jobs that
//! use it.
//!
//! ```text
//!   registered ─ for_job ─▶ begin_use ──▶ opened by the first call ──▶ calls ──▶ the job ends ──▶ closed
//!                                             (in this process, or in workers)
//! ```
//!
//! Each job has a registration of its own, with a copy of the function, as each has in Flink: what a
//! function keeps, measures and prints is that of one job. Jobs share the workers.
//!
//! What a function measures is read where it runs, after batches, and kept here: whoever looks at
//! a job's metrics never waits for the interpreter.

use std::ffi::{c_long, c_ulong};
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow::datatypes::FieldRef;
use parking_lot::Mutex;
use pyo3::exceptions::PyKeyboardInterrupt;
use pyo3::prelude::*;
use tidemill_engine::functions::usage::{self, FunctionMetric, FunctionUse};
use tidemill_engine::session::Configuration;
use tidemill_engine::{EngineError, Result};

use super::voice::Voice;
use super::worker::{Pool, RemoteFunction, Settings};

/// How old metrics may be while the function is being called.
pub(super) const METRICS_INTERVAL: Duration = Duration::from_millis(250);

/// How long closing waits for the last batch.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);

/// A registered Python function.
pub(super) struct Registration {
    pub(super) name: String,
    /// `tidemill.table.udf_runtime.FunctionRunner`, or what derives from it.
    pub(super) runner: Py<PyAny>,
    /// PyFlink's `func_type`, or that it is an aggregate.
    pub(super) kind: String,
    pub(super) result: FieldRef,
    /// The same as Flink's text.
    pub(super) result_type: String,
    /// One result may serve all equal rows of a batch.
    pub(super) reuse_results: bool,
    /// The session's when it was registered; see [`Self::time_zone`].
    registered_time_zone: String,
    /// The options that say where it runs; none for a function that runs in this process in any
    /// case.
    options: Option<Configuration>,
    /// What the runner gave when it was opened.
    opened: Mutex<Option<Py<PyAny>>>,
    remote: Mutex<Remote>,
    /// Workers, for all jobs.
    pool: Arc<Mutex<Option<Arc<Pool>>>>,
    /// Jobs that use it. Held while the last one closes the function, so that the next one does
    /// not begin meanwhile; never while holding the interpreter.
    n_uses: Mutex<usize>,
    /// Where it prints to.
    voice: Arc<Voice>,
    /// What it has measured in this process, and when that was read.
    metrics: Mutex<(Option<Instant>, Vec<FunctionMetric>)>,
    /// One batch at a time, of all jobs: in PyFlink every worker has a function of its own, so
    /// functions keep cursors and buffers and are not made for several threads. Always taken before
    /// the interpreter, never while holding it.
    pub(super) one_batch: Arc<Mutex<()>>,
    /// The threads, as Python names them, that are in the function. Changed only by who holds the
    /// interpreter.
    threads: Mutex<Vec<c_ulong>>,
}

/// What a function needs that runs in other processes, from the first call there.
#[derive(Default)]
struct Remote {
    function: Option<Arc<RemoteFunction>>,
    /// The options by which this process was prepared last.
    prepared: Option<Settings>,
}

/// What Python and workers know of a function.
pub(super) struct Properties {
    pub(super) name: String,
    pub(super) kind: String,
    pub(super) result: FieldRef,
    pub(super) result_type: String,
    pub(super) reuse_results: bool,
    pub(super) time_zone: String,
}

impl Registration {
    /// A function that runs where `options` say, batch by batch; in this process without.
    pub(super) fn new(
        runner: Py<PyAny>,
        properties: Properties,
        options: Option<Configuration>,
    ) -> Self {
        Self {
            name: properties.name,
            runner,
            kind: properties.kind,
            result: properties.result,
            result_type: properties.result_type,
            reuse_results: properties.reuse_results,
            registered_time_zone: properties.time_zone,
            options,
            opened: Mutex::new(None),
            remote: Mutex::default(),
            pool: Arc::default(),
            n_uses: Mutex::new(0),
            voice: Arc::default(),
            metrics: Mutex::default(),
            one_batch: Arc::default(),
            threads: Mutex::default(),
        }
    }

    /// The same function for one job; the function itself is copied when it is opened. None if
    /// there is no interpreter any more.
    pub(super) fn for_job(&self) -> Option<Self> {
        let runner = Python::try_attach(|py| self.runner.call_method0(py, "for_job"))?;
        let runner = match runner {
            Ok(runner) => runner,
            Err(error) => {
                Python::try_attach(|py| error.write_unraisable(py, Some(self.runner.bind(py))));
                return None;
            }
        };
        let properties = Properties {
            name: self.name.clone(),
            kind: self.kind.clone(),
            result: Arc::clone(&self.result),
            result_type: self.result_type.clone(),
            reuse_results: self.reuse_results,
            time_zone: self.registered_time_zone.clone(),
        };
        let mut own = Self::new(runner, properties, self.options.clone());
        own.pool = Arc::clone(&self.pool);
        own.one_batch = Arc::clone(&self.one_batch);
        Some(own)
    }

    /// The session's time zone, as it is now.
    pub(super) fn time_zone(&self) -> String {
        let now = self.options.as_ref().map(Configuration::time_zone);
        now.unwrap_or_else(|| self.registered_time_zone.clone())
    }

    /// The workers in which the function runs now, and what they get of it; none if it runs in
    /// this process, which is prepared for it then.
    ///
    /// # Errors
    /// `Function` if it cannot leave the process, or what it needs is missing.
    pub(super) fn workers(&self) -> Result<Option<(Arc<Pool>, Arc<RemoteFunction>)>> {
        let Some(options) = &self.options else {
            return Ok(None);
        };
        let settings = Settings::of(options);
        if !settings.needs_process() {
            self.prepare(settings)?;
            return Ok(None);
        }
        let known = self.remote.lock().function.clone();
        let function = match known {
            Some(function) => function,
            None => Arc::new(self.to_remote()?),
        };
        let mut remote = self.remote.lock();
        let function = Arc::clone(remote.function.get_or_insert(function));
        drop(remote);
        let mut pool = self.pool.lock();
        let pool = match &*pool {
            Some(pool) if pool.is_for(&settings) => Arc::clone(pool),
            _ => Arc::clone(pool.insert(Arc::new(Pool::new(settings)))),
        };
        Ok(Some((pool, function)))
    }

    /// Runs `work` attached to the interpreter. No interpreter any more means that the process
    /// ends.
    pub(super) fn with_python<T>(&self, work: impl FnOnce(Python<'_>) -> Result<T>) -> Result<T> {
        Python::try_attach(|py| {
            self.voice.take(py);
            let _inside = Inside::enter(py, &self.threads);
            work(py)
        })
        .unwrap_or_else(|| Err(self.failure("the Python interpreter is shutting down".to_owned())))
    }

    /// What the runner's method `open` gives: called once until the function is closed.
    pub(super) fn open<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let known = self
            .opened
            .lock()
            .as_ref()
            .map(|opened| opened.clone_ref(py));
        if let Some(opened) = known {
            return Ok(opened.into_bound(py));
        }
        let opened = self.runner.bind(py).call_method0("open")?;
        *self.opened.lock() = Some(opened.clone().unbind());
        Ok(opened)
    }

    /// Reads the metrics if the last reading is old.
    pub(super) fn note_metrics(&self, py: Python<'_>) {
        let is_recent = |read: Instant| read.elapsed() < METRICS_INTERVAL;
        if !self.metrics.lock().0.is_some_and(is_recent) {
            self.read_metrics(py);
        }
    }

    /// Reads the metrics. A gauge that fails must not take the job with it: the last reading
    /// stays, and Python's hook for such errors tells the user.
    pub(super) fn read_metrics(&self, py: Python<'_>) {
        let read = || -> PyResult<Vec<FunctionMetric>> {
            let text: String = self.runner.call_method0(py, "metrics_json")?.extract(py)?;
            serde_json::from_str(&text)
                .map_err(|error| pyo3::exceptions::PyValueError::new_err(error.to_string()))
        };
        let read = read();
        let mut metrics = self.metrics.lock();
        metrics.0 = Some(Instant::now());
        match read {
            Ok(mut read) => {
                for metric in &mut read {
                    metric.function.clone_from(&self.name);
                }
                metrics.1 = read;
            }
            Err(error) => {
                drop(metrics);
                error.write_unraisable(py, Some(self.runner.bind(py)));
            }
        }
    }

    /// What it has measured in this process, as of the last reading.
    pub(super) fn own_metrics(&self) -> Vec<FunctionMetric> {
        self.metrics.lock().1.clone()
    }

    /// Closes the function in this process, if it is open; its last metrics stay.
    pub(super) fn close(&self) {
        // A batch of a stopped job may still be computed.
        let _one_batch = self.one_batch.try_lock_for(CLOSE_TIMEOUT);
        // Without an interpreter there is nothing left to close.
        Python::try_attach(|py| {
            let Some(_opened) = self.opened.lock().take() else {
                return;
            };
            self.read_metrics(py);
            if let Err(error) = self.runner.call_method0(py, "close") {
                error.write_unraisable(py, Some(self.runner.bind(py)));
            }
        });
    }

    pub(super) fn failure(&self, message: String) -> EngineError {
        EngineError::Function {
            function: self.name.clone(),
            message,
        }
    }

    fn to_remote(&self) -> Result<RemoteFunction> {
        let pickled = self.with_python(|py| {
            let pickled = self.runner.call_method0(py, "pickled");
            pickled
                .and_then(|pickled| pickled.extract::<Vec<u8>>(py))
                .map_err(|error| self.failure(error.value(py).to_string()))
        })?;
        Ok(RemoteFunction {
            name: self.name.clone(),
            identity: RemoteFunction::next_identity(),
            properties: serde_json::json!({
                "name": self.name,
                "kind": self.kind,
                "result_type": self.result_type,
                "reuse_results": self.reuse_results,
                "time_zone": self.time_zone(),
            }),
            pickled,
            result: Arc::clone(&self.result),
            voice: Arc::clone(&self.voice),
        })
    }

    /// Makes the session's files importable in this process.
    fn prepare(&self, settings: Settings) -> Result<()> {
        if self.remote.lock().prepared.as_ref() == Some(&settings) {
            return Ok(());
        }
        self.with_python(|py| {
            py.import("tidemill.table.worker_launch")
                .and_then(|module| module.getattr("extend_path"))
                .and_then(|extend| extend.call1((settings.options(),)))
                .map(drop)
                .map_err(|error| self.failure(error.value(py).to_string()))
        })?;
        self.remote.lock().prepared = Some(settings);
        Ok(())
    }

    /// Breaks off the calls that run. One that waits in compiled code, such as `time.sleep`, ends
    /// when that returns; a worker process that is in a call ends at once.
    fn interrupt(&self) {
        if let Some((pool, function)) = self.elsewhere() {
            pool.interrupt(&function);
        }
        Python::try_attach(|py| {
            let threads = self.threads.lock().clone();
            if threads.is_empty() {
                return;
            }
            // An exception does not reach those who wait for calls in other threads.
            if let Err(error) = self.runner.call_method0(py, "interrupt") {
                error.write_unraisable(py, Some(self.runner.bind(py)));
            }
            let exception = py.get_type::<PyKeyboardInterrupt>();
            for thread in threads {
                // SAFETY: the interpreter is held, and the exception is a class that lives on. A
                // thread that has left the function is not among them any more.
                unsafe {
                    pyo3::ffi::PyThreadState_SetAsyncExc(thread as c_long, exception.as_ptr());
                }
            }
        });
    }

    fn end_use(&self) {
        let mut n_uses = self.n_uses.lock();
        *n_uses = n_uses.saturating_sub(1);
        if *n_uses > 0 {
            return;
        }
        self.close();
        if let Some((pool, function)) = self.elsewhere() {
            pool.end(&function);
        }
        self.voice.finish();
    }

    /// The workers that it has used, and what they got of it.
    fn elsewhere(&self) -> Option<(Arc<Pool>, Arc<RemoteFunction>)> {
        let function = self.remote.lock().function.clone();
        self.pool.lock().clone().zip(function)
    }

    fn metrics(&self) -> Vec<FunctionMetric> {
        let elsewhere = self.elsewhere();
        let elsewhere = elsewhere.map(|(pool, function)| pool.metrics(&function));
        let elsewhere = elsewhere.unwrap_or_default();
        let mut all = usage::merged([self.own_metrics(), elsewhere]);
        for metric in &mut all {
            metric.function.clone_from(&self.name);
        }
        all
    }
}

impl fmt::Debug for Registration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Registration({})", self.name)
    }
}

/// A thread that is in a function.
struct Inside<'a> {
    threads: &'a Mutex<Vec<c_ulong>>,
    thread: c_ulong,
}

impl<'a> Inside<'a> {
    fn enter(_py: Python<'_>, threads: &'a Mutex<Vec<c_ulong>>) -> Self {
        // SAFETY: may be called by any thread.
        let thread = unsafe { pyo3::ffi::PyThread_get_thread_ident() };
        threads.lock().push(thread);
        Self { threads, thread }
    }
}

impl Drop for Inside<'_> {
    fn drop(&mut self) {
        let mut threads = self.threads.lock();
        if let Some(place) = threads.iter().position(|thread| *thread == self.thread) {
            threads.swap_remove(place);
        }
    }
}

/// A job's hold on a function.
#[derive(Debug)]
struct PythonUse {
    registration: Arc<Registration>,
    /// The metrics as they were when the job ended.
    last: Mutex<Option<Vec<FunctionMetric>>>,
}

/// A job begins to use the function.
pub(super) fn begin_use(registration: &Arc<Registration>) -> Box<dyn FunctionUse> {
    registration.voice.begin(&registration.runner);
    let mut n_uses = registration.n_uses.lock();
    if *n_uses == 0 {
        // Another job's figures.
        registration.metrics.lock().1.clear();
        if let Some((pool, function)) = registration.elsewhere() {
            pool.forget_metrics(&function);
        }
    }
    *n_uses += 1;
    drop(n_uses);
    Box::new(PythonUse {
        registration: Arc::clone(registration),
        last: Mutex::new(None),
    })
}

impl FunctionUse for PythonUse {
    fn metrics(&self) -> Vec<FunctionMetric> {
        let last = self.last.lock().clone();
        last.unwrap_or_else(|| self.registration.metrics())
    }

    fn interrupt(&self) {
        self.registration.interrupt();
    }

    fn end(&self) {
        if self.last.lock().is_some() {
            return;
        }
        self.registration.end_use();
        *self.last.lock() = Some(self.registration.metrics());
    }
}

impl Drop for PythonUse {
    /// For a job that could not be started.
    fn drop(&mut self) {
        self.end();
    }
}
