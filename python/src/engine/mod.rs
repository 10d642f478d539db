//! `_native.engine`: sessions, queries, results, jobs and Python functions.
//!
//! ```text
//!   tidemill.table ──SQL text──▶ Session ──▶ Query ──▶ Result ──rows──▶ tidemill.table
//!                                   ▲                    │ values · cells · Arrow
//!                     PythonFunction (UdfRuntime)        ▼
//!                  called by worker threads, a batch at a time
//! ```
//!
//! Rules for everything in here: a call that may block releases the interpreter, looks for Ctrl-C
//! at least every [`POLL`], and holds no lock of its own while it attaches again.
mod aggregate;
mod builders;
mod calendar;
mod distinct;
pub(crate) mod errors;
mod functions;
mod iterable;
mod job;
mod python_values;
pub(crate) mod query;
mod registration;
mod result;
pub(crate) mod session;
mod text;
mod udf;
mod values;
mod voice;
mod worker;

use std::sync::Arc;
use std::time::Duration;

use arrow::array::ArrayRef;
use pyo3::prelude::*;
use pyo3_arrow::{PyArray, PyField};
use tidemill_engine::data::map_keys;
use tidemill_engine::data::types::FlinkType;
use tidemill_engine::functions::udf::UdfRuntime;

/// How often a waiting call looks for signals.
const POLL: Duration = Duration::from_millis(50);

/// How long the end of the process waits for jobs to stop.
const SHUTDOWN: Duration = Duration::from_secs(2);

/// Adds the submodule to the extension module.
///
/// # Errors
/// As Python's import system.
pub(crate) fn register(parent: &Bound<'_, PyModule>) -> PyResult<()> {
    worker::note_interpreter(parent.py())?;
    let module = PyModule::new(parent.py(), "engine")?;
    module.add_class::<session::PySession>()?;
    module.add_class::<query::PyQuery>()?;
    module.add_class::<result::PyTableResult>()?;
    module.add_class::<job::PyJob>()?;
    module.add_function(wrap_pyfunction!(jobs, &module)?)?;
    module.add_function(wrap_pyfunction!(shutdown, &module)?)?;
    module.add_function(wrap_pyfunction!(call_function, &module)?)?;
    module.add_function(wrap_pyfunction!(arrow_field, &module)?)?;
    module.add_function(wrap_pyfunction!(flink_type, &module)?)?;
    module.add_function(wrap_pyfunction!(worker::serve_worker, &module)?)?;
    parent.add_submodule(&module)
}

/// All jobs of this process, oldest first.
#[pyfunction]
fn jobs() -> Vec<job::PyJob> {
    let jobs = tidemill_engine::runtime::jobs();
    jobs.into_iter().map(job::PyJob::new).collect()
}

/// Stops all jobs; for the end of the process, while the interpreter still lives.
#[pyfunction]
fn shutdown(py: Python<'_>) {
    py.detach(|| tidemill_engine::runtime::shutdown_all(SHUTDOWN));
}

/// The Arrow field in which values of a type lie.
#[pyfunction]
fn arrow_field(name: &str, type_text: &str) -> PyResult<PyField> {
    let flink_type = session::parse_type(type_text)?;
    let field = map_keys::plain_field(&flink_type.to_arrow_field(name));
    Ok(PyField::new(Arc::new(field)))
}

/// The type of the values of an Arrow field, as Flink's text.
#[pyfunction]
fn flink_type(field: PyField) -> String {
    FlinkType::from_field(&map_keys::engine_field(&field.into_inner())).as_serializable_string()
}

/// Calls a function on columns as a job would: for tests and benchmarks of functions.
#[pyfunction]
#[pyo3(signature = (runner, kind, columns, n_rows, result_type, *, reuse_results = false))]
fn call_function(
    py: Python<'_>,
    runner: Py<PyAny>,
    kind: &str,
    columns: Vec<PyArray>,
    n_rows: usize,
    result_type: &str,
    reuse_results: bool,
) -> PyResult<PyArray> {
    let result = FlinkType::parse(result_type).map_err(|error| errors::to_exception(&error))?;
    let result = Arc::new(result.to_arrow_field("result"));
    let properties = registration::Properties {
        name: "function".to_owned(),
        kind: kind.to_owned(),
        result: Arc::clone(&result),
        result_type: result_type.to_owned(),
        reuse_results,
        time_zone: "UTC".to_owned(),
    };
    let registration = registration::Registration::new(runner, properties, None);
    let function = udf::PythonFunction::new(Arc::new(registration));
    let arrays: Vec<ArrayRef> = columns
        .into_iter()
        .map(|column| {
            let (array, field) = column.into_inner();
            map_keys::from_plain(&array, map_keys::engine_field(&field).data_type())
        })
        .collect::<tidemill_engine::Result<_>>()
        .map_err(|error| errors::to_exception(&error))?;
    let results = py
        .detach(|| map_keys::to_plain(&function.call(&arrays, n_rows)?))
        .map_err(|error| errors::to_exception(&error))?;
    let result = Arc::new(map_keys::plain_field(&result));
    Ok(PyArray::new(results, result))
}
