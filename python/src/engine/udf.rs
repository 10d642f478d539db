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
use pyo3::prelude::*;
use pyo3::types::{PyIterator, PyList, PyTuple};
use pyo3_arrow::{PyArray, PyField};
use tidemill_engine::data::map_keys;
use tidemill_engine::functions::udf::UdfRuntime;
use tidemill_engine::functions::usage::FunctionUse;
use tidemill_engine::{EngineError, Result};

use super::builders::ColumnBuilder;
use super::distinct::{DistinctRows, distinct_rows};
use super::python_values::Rounding;
use super::registration::{self, Registration};
use super::values::ColumnReader;

/// How a function is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum FunctionKind {
    /// With the values of one row.
    General,
    /// With one pandas series or pyarrow array a column.
    Vectorized,
}

/// A registered scalar or table function.
pub(super) struct PythonFunction {
    registration: Arc<Registration>,
    kind: FunctionKind,
}

impl fmt::Debug for PythonFunction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PythonFunction({})", self.registration.name)
    }
}

impl UdfRuntime for PythonFunction {
    fn call(&self, arguments: &[ArrayRef], n_rows: usize) -> Result<ArrayRef> {
        if let Some((pool, function)) = self.registration.workers()? {
            return pool.call(&function, arguments, n_rows);
        }
        let _one_batch = self.registration.one_batch.lock();
        self.registration.with_python(|py| {
            let results = match self.kind {
                FunctionKind::General => self.call_general(py, arguments, n_rows),
                FunctionKind::Vectorized => self.call_vectorized(py, arguments, n_rows),
            };
            self.registration.note_metrics(py);
            results
        })
    }

    fn for_job(&self) -> Option<Arc<dyn UdfRuntime>> {
        let registration = Arc::new(self.registration.for_job()?);
        Some(Arc::new(Self::new(registration)))
    }

    fn begin_use(&self) -> Option<Box<dyn FunctionUse>> {
        Some(registration::begin_use(&self.registration))
    }
}

impl PythonFunction {
    pub(super) fn new(registration: Arc<Registration>) -> Self {
        let kind = if registration.kind == "general" {
            FunctionKind::General
        } else {
            // Which package the columns are of, the runner knows.
            FunctionKind::Vectorized
        };
        Self { registration, kind }
    }

    fn call_general(
        &self,
        py: Python<'_>,
        arguments: &[ArrayRef],
        n_rows: usize,
    ) -> Result<ArrayRef> {
        if self.registration.reuse_results
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
        let callable = self.registration.open(py).map_err(raised)?;
        let time_zone = self.registration.time_zone();
        let readers = arguments
            .iter()
            .map(|column| ColumnReader::try_new(py, column, &time_zone))
            .collect::<PyResult<Vec<_>>>()
            .map_err(raised)?;
        let mut results = ColumnBuilder::try_new(
            py,
            &self.registration.result,
            n_rows,
            &time_zone,
            Rounding::HalfEven,
        )
        .map_err(raised)?;
        let calls = Calls::try_new(py, &callable, &readers, n_rows).map_err(raised)?;
        for row_idx in 0..n_rows {
            let value = calls.next(row_idx).map_err(|error| {
                let values = row(py, &readers, row_idx);
                self.raised(py, &error, values)
            })?;
            results.append(&value).map_err(|mismatch| {
                let values = row(py, &readers, row_idx).map_or_else(String::new, |values| {
                    format!(" (arguments: {})", join_reprs(&values))
                });
                self.registration.failure(format!(
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
            let callable = self.registration.open(py)?;
            let result = Arc::new(map_keys::plain_field(&self.registration.result));
            let field = PyField::new(result).into_pyobject(py)?;
            let mut parameters = vec![field.into_any(), n_rows.into_pyobject(py)?.into_any()];
            for column in arguments {
                let array = PyArray::from_array_ref(plain(column)?);
                parameters.push(array.into_pyobject(py)?.into_any());
            }
            let result = callable.call1(PyTuple::new(py, parameters)?)?;
            Ok(result.extract::<PyArray>()?.into_inner().0)
        };
        let result = call().map_err(|error| self.raised(py, &error, None))?;
        if result.data_type() == self.registration.result.data_type() {
            return Ok(result);
        }
        // Arrow names the same values in several ways (field names inside of maps and lists).
        let wanted = self.registration.result.data_type();
        let result = arrow::compute::cast(&result, &map_keys::plain_type(wanted))?;
        map_keys::from_plain(&result, wanted)
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
        self.registration
            .failure(described.unwrap_or_else(|_| error.to_string()))
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

/// A column as libraries of Python know it.
fn plain(column: &ArrayRef) -> PyResult<ArrayRef> {
    map_keys::to_plain(column).map_err(|error| super::errors::to_exception(&error))
}
