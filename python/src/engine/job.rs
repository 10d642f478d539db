//! Handles of jobs in Python.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use pyo3::prelude::*;
use pyo3::types::PyDict;
use tidemill_engine::functions::usage::MetricValue;
use tidemill_engine::runtime::{JobHandle, JobStatus, PendingCheckpoint};

use super::{POLL, errors};

/// A job of this process.
#[pyclass(frozen, name = "Job", module = "tidemill._native.engine")]
pub(super) struct PyJob {
    handle: JobHandle,
}

impl PyJob {
    pub(super) fn new(handle: JobHandle) -> Self {
        Self { handle }
    }
}

/// Waits until a job has ended. An interrupt of the user stops it.
///
/// # Errors
/// The job's own, or the interrupt.
pub(super) fn wait_or_stop(py: Python<'_>, job: &JobHandle) -> PyResult<()> {
    loop {
        match py.detach(|| job.wait(Some(POLL))) {
            JobStatus::Running => {}
            JobStatus::Failed(error) => return Err(errors::of_job(&error, Some(job.name()))),
            JobStatus::Finished | JobStatus::Stopped => return Ok(()),
        }
        if let Err(interrupt) = py.check_signals() {
            py.detach(|| job.stop());
            return Err(interrupt);
        }
    }
}

#[pymethods]
impl PyJob {
    #[getter]
    fn id(&self) -> String {
        self.handle.id().to_owned()
    }

    #[getter]
    fn name(&self) -> String {
        self.handle.name().to_owned()
    }

    fn status(&self) -> &'static str {
        match self.handle.status() {
            JobStatus::Running => "running",
            JobStatus::Finished => "finished",
            JobStatus::Stopped => "stopped",
            JobStatus::Failed(_) => "failed",
        }
    }

    /// What `status` gives, under the name that lists of jobs have for it.
    #[getter]
    fn state(&self) -> &'static str {
        self.status()
    }

    /// Waits until the job has ended; tells whether it has. Raises the job's error if it failed.
    #[pyo3(signature = (timeout_ms))]
    fn wait(&self, py: Python<'_>, timeout_ms: Option<u64>) -> PyResult<bool> {
        let deadline = timeout_ms.map(|millis| Instant::now() + Duration::from_millis(millis));
        loop {
            let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
            let pause = left.map_or(POLL, |left| left.min(POLL));
            match py.detach(|| self.handle.wait(Some(pause))) {
                JobStatus::Running => {}
                JobStatus::Failed(error) => {
                    return Err(errors::of_job(&error, Some(self.handle.name())));
                }
                JobStatus::Finished | JobStatus::Stopped => return Ok(true),
            }
            py.check_signals()?;
            if left.is_some_and(|left| left.is_zero()) {
                return Ok(false);
            }
        }
    }

    /// Stops the job and returns when it has stopped.
    fn stop(&self, py: Python<'_>) {
        py.detach(|| self.handle.stop());
    }

    /// Saves the job in a new folder under `folder`, or under the one that the configuration names,
    /// and gives its path. With `stop` the job ends with it; with `drain` event time comes to its
    /// end before.
    #[pyo3(signature = (folder, *, stop = false, drain = false))]
    fn savepoint(
        &self,
        py: Python<'_>,
        folder: Option<PathBuf>,
        stop: bool,
        drain: bool,
    ) -> PyResult<String> {
        let pending = if stop {
            self.handle.stop_with_savepoint(folder, drain)
        } else {
            self.handle.savepoint(folder)
        };
        self.await_checkpoint(py, pending)
    }

    /// Saves the job in its own folder of checkpoints, and gives the path.
    fn checkpoint(&self, py: Python<'_>) -> PyResult<String> {
        self.await_checkpoint(py, self.handle.checkpoint())
    }

    /// What has been saved so far: `completed`, `failed`, `last_failure`, `restored`, `last`.
    fn checkpoints<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let stats = self.handle.checkpoints();
        let dict = PyDict::new(py);
        dict.set_item("completed", stats.n_completed)?;
        dict.set_item("failed", stats.n_failed)?;
        dict.set_item("last_failure", stats.last_failure)?;
        dict.set_item("restored", stats.restored)?;
        let last = match stats.last {
            None => None,
            Some(info) => {
                let last = PyDict::new(py);
                last.set_item("path", info.path.display().to_string())?;
                last.set_item("savepoint", info.is_savepoint)?;
                last.set_item("rows", info.n_rows)?;
                last.set_item("bytes", info.n_bytes)?;
                last.set_item("pause_ms", info.pause.as_secs_f64() * 1e3)?;
                last.set_item("elapsed_ms", info.elapsed.as_secs_f64() * 1e3)?;
                Some(last)
            }
        };
        dict.set_item("last", last)?;
        Ok(dict)
    }

    /// What the job has done so far: `records_in`, `records_out`, `steps`, `elapsed_ms`,
    /// `state_bytes`, the `nodes` of its graph, and what `functions` have measured.
    fn metrics<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let metrics = py.detach(|| self.handle.metrics());
        let dict = PyDict::new(py);
        dict.set_item("records_in", metrics.records_in)?;
        dict.set_item("records_out", metrics.records_out)?;
        dict.set_item("steps", metrics.steps)?;
        dict.set_item("elapsed_ms", millis(metrics.elapsed))?;
        dict.set_item("state_bytes", metrics.state_bytes)?;
        let nodes = metrics
            .nodes
            .iter()
            .map(|node| {
                let dict = PyDict::new(py);
                dict.set_item("name", &node.name)?;
                dict.set_item("records_in", node.records_in)?;
                dict.set_item("records_out", node.records_out)?;
                dict.set_item("state_bytes", node.state_bytes)?;
                dict.set_item("late_records", node.late_records)?;
                dict.set_item("watermark_ms", node.watermark_ms)?;
                dict.set_item("busy_ms", millis(node.busy))?;
                Ok(dict)
            })
            .collect::<PyResult<Vec<_>>>()?;
        dict.set_item("nodes", nodes)?;
        let functions = PyDict::new(py);
        for metric in &metrics.functions {
            let of_function = match functions.get_item(&metric.function)? {
                Some(known) => known.cast_into::<PyDict>()?,
                None => {
                    let made = PyDict::new(py);
                    functions.set_item(&metric.function, &made)?;
                    made
                }
            };
            of_function.set_item(metric.path(), metric_value(py, metric.value)?)?;
        }
        dict.set_item("functions", functions)?;
        Ok(dict)
    }

    fn __repr__(&self) -> String {
        format!(
            "Job({}, {}, {})",
            self.handle.id(),
            self.handle.name(),
            self.status()
        )
    }
}

impl PyJob {
    fn await_checkpoint(
        &self,
        py: Python<'_>,
        pending: tidemill_engine::Result<PendingCheckpoint>,
    ) -> PyResult<String> {
        let pending = pending.map_err(|error| errors::to_exception(&error))?;
        loop {
            let path = py
                .detach(|| pending.wait(POLL))
                .map_err(|error| errors::to_exception(&error))?;
            if let Some(path) = path {
                return Ok(path.display().to_string());
            }
            py.check_signals()?;
        }
    }
}

/// A counter or gauge as a number; of meters and distributions the parts by name.
fn metric_value(py: Python<'_>, value: MetricValue) -> PyResult<Bound<'_, PyAny>> {
    let dict = PyDict::new(py);
    match value {
        MetricValue::Counter(count) => return Ok(count.into_pyobject(py)?.into_any()),
        MetricValue::Gauge(value) => return number(py, value),
        MetricValue::Meter { count, rate } => {
            dict.set_item("count", count)?;
            dict.set_item("rate", rate)?;
        }
        MetricValue::Distribution {
            count,
            sum,
            min,
            max,
        } => {
            dict.set_item("count", count)?;
            dict.set_item("sum", number(py, sum)?)?;
            dict.set_item("min", min.map(|min| number(py, min)).transpose()?)?;
            dict.set_item("max", max.map(|max| number(py, max)).transpose()?)?;
        }
    }
    Ok(dict.into_any())
}

/// A whole number as an int, as functions have given it.
fn number(py: Python<'_>, value: f64) -> PyResult<Bound<'_, PyAny>> {
    const EXACT: f64 = 9e15;
    let value = value.into_pyobject(py)?;
    if value.value().fract() == 0.0 && value.value().abs() < EXACT {
        return value.call_method0("__int__");
    }
    Ok(value.into_any())
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
