//! Python functions in the engine: the implementation of `UdfRuntime`.
//!
//! ```text
//!   worker thread ── call(columns, n_rows) ──▶ attach once ─┬─ general: list(map(f, *columns)), a value at a time
//!                                                           └─ pandas, arrow: one call for the whole batch
//!                 ◀── Arrow array of the declared type ─────┘
//! ```
//!
//! The engine holds no lock during a call, and nothing in here waits for the engine: that is what
//! keeps a cell that waits for a job from deadlocking with a job that waits for the interpreter.

use std::fmt;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, UInt32Array};
use arrow::datatypes::FieldRef;
use parking_lot::Mutex;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyIterator, PyList, PyTuple};
use pyo3_arrow::{PyArray, PyField};
use tidemill_engine::functions::udf::UdfRuntime;
use tidemill_engine::session::Configuration;
use tidemill_engine::{EngineError, Result};

use super::builders::ColumnBuilder;
use super::distinct::{DistinctRows, distinct_rows};
use super::values::ColumnReader;
use super::worker::{Pool, RemoteFunction, Settings};

/// How a function is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FunctionKind {
    /// With the values of one row.
    General,
    /// With one pandas series or pyarrow array a column.
    Vectorized,
}

impl FunctionKind {
    /// The kind for PyFlink's `func_type`.
    pub(super) fn of(func_type: &str) -> Self {
        if func_type == "general" {
            Self::General
        } else {
            Self::Vectorized
        }
    }

    /// A `func_type` that gives this kind: which package the columns are of, the runner knows.
    const fn func_type(self) -> &'static str {
        match self {
            Self::General => "general",
            Self::Vectorized => "arrow",
        }
    }
}

/// A registered Python function.
pub(super) struct PythonFunction {
    pub(super) name: String,
    /// `tidemill.table.udf_runtime.FunctionRunner`.
    pub(super) runner: Py<PyAny>,
    pub(super) kind: FunctionKind,
    pub(super) result: FieldRef,
    /// The same as Flink's text.
    pub(super) result_type: String,
    /// One result may serve all equal rows of a batch.
    pub(super) reuse_results: bool,
    pub(super) time_zone: String,
    /// What the runner gave when it was opened.
    pub(super) callable: PyOnceLock<Py<PyAny>>,
    /// One batch at a time: in PyFlink every worker has a function of its own, so functions keep
    /// cursors and buffers and are not made for several threads. Always taken before the
    /// interpreter, never while holding it.
    pub(super) one_batch: Mutex<()>,
    /// Where it runs.
    pub(super) place: Place,
}

/// Where a function runs.
pub(super) struct Place {
    /// The options that say it; none for a function that runs in this process in any case.
    options: Option<Configuration>,
    remote: Mutex<Remote>,
}

/// What a function needs that runs in other processes, from the first call there.
#[derive(Default)]
struct Remote {
    function: Option<Arc<RemoteFunction>>,
    pool: Option<Arc<Pool>>,
    /// The options by which this process was prepared last.
    prepared: Option<Settings>,
}

impl Place {
    /// In this process.
    pub(super) fn here() -> Self {
        Self {
            options: None,
            remote: Mutex::default(),
        }
    }

    /// Where the options of a session say, batch by batch.
    pub(super) fn by(options: Configuration) -> Self {
        Self {
            options: Some(options),
            remote: Mutex::default(),
        }
    }
}

impl fmt::Debug for PythonFunction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PythonFunction({})", self.name)
    }
}

impl UdfRuntime for PythonFunction {
    fn call(&self, arguments: &[ArrayRef], n_rows: usize) -> Result<ArrayRef> {
        if let Some(options) = &self.place.options {
            let settings = Settings::of(options);
            if settings.needs_process() {
                return self.call_elsewhere(settings, arguments, n_rows);
            }
            self.prepare(settings)?;
        }
        let _one_batch = self.one_batch.lock();
        self.with_python(|py| match self.kind {
            FunctionKind::General => self.call_general(py, arguments, n_rows),
            FunctionKind::Vectorized => self.call_vectorized(py, arguments, n_rows),
        })
    }
}

impl PythonFunction {
    /// Calls the function in a process that these settings ask for.
    fn call_elsewhere(
        &self,
        settings: Settings,
        arguments: &[ArrayRef],
        n_rows: usize,
    ) -> Result<ArrayRef> {
        let known = self.place.remote.lock().function.clone();
        let function = match known {
            Some(function) => function,
            None => Arc::new(self.to_remote()?),
        };
        let mut remote = self.place.remote.lock();
        let function = Arc::clone(remote.function.get_or_insert(function));
        let pool = match &remote.pool {
            Some(pool) if pool.is_for(&settings) => Arc::clone(pool),
            _ => Arc::clone(remote.pool.insert(Arc::new(Pool::new(settings)))),
        };
        drop(remote);
        pool.call(&function, arguments, n_rows)
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
                "kind": self.kind.func_type(),
                "result_type": self.result_type,
                "reuse_results": self.reuse_results,
                "time_zone": self.time_zone,
            }),
            pickled,
            result: Arc::clone(&self.result),
        })
    }

    /// Makes the session's files importable in this process.
    fn prepare(&self, settings: Settings) -> Result<()> {
        if self.place.remote.lock().prepared.as_ref() == Some(&settings) {
            return Ok(());
        }
        self.with_python(|py| {
            py.import("tidemill.table.worker_launch")
                .and_then(|module| module.getattr("extend_path"))
                .and_then(|extend| extend.call1((settings.options(),)))
                .map(drop)
                .map_err(|error| self.failure(error.value(py).to_string()))
        })?;
        self.place.remote.lock().prepared = Some(settings);
        Ok(())
    }

    /// Runs `work` attached to the interpreter. No interpreter any more means that the process
    /// ends.
    fn with_python<T>(&self, work: impl FnOnce(Python<'_>) -> Result<T>) -> Result<T> {
        Python::try_attach(work).unwrap_or_else(|| {
            Err(self.failure("the Python interpreter is shutting down".to_owned()))
        })
    }

    fn call_general(
        &self,
        py: Python<'_>,
        arguments: &[ArrayRef],
        n_rows: usize,
    ) -> Result<ArrayRef> {
        if self.reuse_results
            && let Some(distinct) = distinct_rows(arguments, n_rows)?
        {
            let DistinctRows { columns, indices } = distinct;
            let n_distinct = columns.first().map_or(0, Array::len);
            let results = self.call_rows(py, &columns, n_distinct)?;
            return Ok(arrow::compute::take(
                &results,
                &UInt32Array::from(indices),
                None,
            )?);
        }
        self.call_rows(py, arguments, n_rows)
    }

    fn call_rows(&self, py: Python<'_>, arguments: &[ArrayRef], n_rows: usize) -> Result<ArrayRef> {
        let raised = |error: PyErr| self.raised(py, &error, None);
        let callable = self.open(py).map_err(raised)?;
        let readers = arguments
            .iter()
            .map(|column| ColumnReader::try_new(py, column, &self.time_zone))
            .collect::<PyResult<Vec<_>>>()
            .map_err(raised)?;
        let mut results =
            ColumnBuilder::try_new(py, &self.result, n_rows, &self.time_zone).map_err(raised)?;
        let calls = Calls::try_new(py, callable, &readers, n_rows).map_err(raised)?;
        for row_idx in 0..n_rows {
            let value = calls.next(row_idx).map_err(|error| {
                let values = row(py, &readers, row_idx);
                self.raised(py, &error, values)
            })?;
            results.append(&value).map_err(|mismatch| {
                let values = row(py, &readers, row_idx).map_or_else(String::new, |values| {
                    format!(" (arguments: {})", join_reprs(&values))
                });
                self.failure(format!(
                    "its result {} does not fit the declared type {}{values}",
                    mismatch.found, mismatch.expected
                ))
            })?;
        }
        results.finish()
    }

    fn call_vectorized(
        &self,
        py: Python<'_>,
        arguments: &[ArrayRef],
        n_rows: usize,
    ) -> Result<ArrayRef> {
        let call = || -> PyResult<ArrayRef> {
            let callable = self.open(py)?;
            let field = PyField::new(Arc::clone(&self.result)).into_pyobject(py)?;
            let mut parameters = vec![field.into_any(), n_rows.into_pyobject(py)?.into_any()];
            for column in arguments {
                let array = PyArray::from_array_ref(Arc::clone(column));
                parameters.push(array.into_pyobject(py)?.into_any());
            }
            let result = callable.call1(PyTuple::new(py, parameters)?)?;
            Ok(result.extract::<PyArray>()?.into_inner().0)
        };
        let result = call().map_err(|error| self.raised(py, &error, None))?;
        if result.data_type() == self.result.data_type() {
            return Ok(result);
        }
        // Arrow names the same values in several ways (field names inside of maps and lists).
        Ok(arrow::compute::cast(&result, self.result.data_type())?)
    }

    fn open<'py>(&self, py: Python<'py>) -> PyResult<&Bound<'py, PyAny>> {
        let callable = self
            .callable
            .get_or_try_init(py, || self.runner.call_method0(py, "open"))?;
        Ok(callable.bind(py))
    }

    /// The error for an exception; `arguments` are the values of the failing row if it is known.
    fn raised(
        &self,
        py: Python<'_>,
        error: &PyErr,
        arguments: Option<Bound<'_, PyList>>,
    ) -> EngineError {
        let described = py
            .import("tidemill.table.udf_runtime")
            .and_then(|module| module.getattr("describe_failure"))
            .and_then(|describe| describe.call1((error.value(py), error.traceback(py), arguments)))
            .and_then(|text| text.extract::<String>());
        self.failure(described.unwrap_or_else(|_| error.to_string()))
    }

    fn failure(&self, message: String) -> EngineError {
        EngineError::Function {
            function: self.name.clone(),
            message,
        }
    }
}

/// The calls of one batch. With arguments, Python's own `map` calls the function: that is the
/// quickest loop that a stable-ABI module has, about 50 ns a call.
enum Calls<'py> {
    Mapped(Bound<'py, PyIterator>),
    NoArguments(Bound<'py, PyAny>),
}

impl<'py> Calls<'py> {
    fn try_new(
        py: Python<'py>,
        callable: &Bound<'py, PyAny>,
        readers: &[ColumnReader],
        n_rows: usize,
    ) -> PyResult<Self> {
        if readers.is_empty() {
            return Ok(Self::NoArguments(callable.clone()));
        }
        let mut columns = Vec::with_capacity(readers.len() + 1);
        for reader in readers {
            let values = (0..n_rows)
                .map(|row_idx| reader.value(py, row_idx))
                .collect::<PyResult<Vec<_>>>()?;
            columns.push(PyList::new(py, values)?.into_any());
        }
        // Asynchronous functions take the rows of a batch together.
        let mapped = if let Some(map_batch) = callable.getattr_opt("map_batch")? {
            map_batch.call1(PyTuple::new(py, columns)?)?
        } else {
            columns.insert(0, callable.clone());
            let map = py.import("builtins")?.getattr("map")?;
            map.call1(PyTuple::new(py, columns)?)?
        };
        Ok(Self::Mapped(mapped.cast_into()?))
    }

    fn next(&self, row_idx: usize) -> PyResult<Bound<'py, PyAny>> {
        match self {
            Self::NoArguments(callable) => callable.call0(),
            Self::Mapped(iterator) => iterator.clone().next().unwrap_or_else(|| {
                // `map` takes a StopIteration of the function for its own end.
                Err(pyo3::exceptions::PyRuntimeError::new_err(format!(
                    "the function raised StopIteration in row {row_idx}"
                )))
            }),
        }
    }
}

fn row<'py>(
    py: Python<'py>,
    readers: &[ColumnReader],
    row_idx: usize,
) -> Option<Bound<'py, PyList>> {
    let values = readers
        .iter()
        .map(|reader| reader.value(py, row_idx))
        .collect::<PyResult<Vec<_>>>()
        .ok()?;
    PyList::new(py, values).ok()
}

fn join_reprs(values: &Bound<'_, PyList>) -> String {
    let texts: Vec<String> = values
        .iter()
        .map(|value| super::python_values::describe(&value))
        .collect();
    texts.join(", ")
}
