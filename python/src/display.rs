//! `_native.display`: SQL cells, live tables and the list of jobs.
//!
//! The interpreter is released while a cell waits for its query, so that the query's Python
//! functions can run; some 25 times a second the waiting thread takes it to look for Ctrl-C.

use pyo3::exceptions::{PyRuntimeError, PyValueError};
use pyo3::prelude::*;
use tidemill_engine::runtime;
use tidemill_kernel::display::jobs::{JobLine, jobs_bundle};
use tidemill_kernel::display::live::LiveDisplays;
use tidemill_kernel::sql_cell::assist::{complete_cell, inspect_cell};
use tidemill_kernel::sql_cell::{CellContext, CellError, LiveMode, LiveSettings};
use tidemill_kernel::{CellKind, MimeBundle, classify};

use crate::engine::errors;
use crate::engine::query::PyQuery;
use crate::engine::session::PySession;
use crate::kernel::Parent;

/// Adds the submodule to the extension module.
///
/// # Errors
/// As Python's import system.
pub(crate) fn register(parent: &Bound<'_, PyModule>) -> PyResult<()> {
    let module = PyModule::new(parent.py(), "display")?;
    module.add_function(wrap_pyfunction!(install, &module)?)?;
    module.add_function(wrap_pyfunction!(run_sql_cell, &module)?)?;
    module.add_function(wrap_pyfunction!(show_query, &module)?)?;
    module.add_function(wrap_pyfunction!(cell_starts, &module)?)?;
    module.add_function(wrap_pyfunction!(change_settings, &module)?)?;
    module.add_function(wrap_pyfunction!(show_again, &module)?)?;
    module.add_function(wrap_pyfunction!(is_sql, &module)?)?;
    module.add_function(wrap_pyfunction!(complete, &module)?)?;
    module.add_function(wrap_pyfunction!(inspect, &module)?)?;
    module.add_function(wrap_pyfunction!(jobs_forms, &module)?)?;
    parent.add_submodule(&module)
}

/// Connects the engine with the kernel of this process.
#[pyfunction]
fn install() -> PyResult<()> {
    tidemill_kernel::sql_cell::install(&kernel()?);
    Ok(())
}

fn kernel() -> PyResult<tidemill_kernel::KernelHandle> {
    tidemill_kernel::current()
        .ok_or_else(|| PyRuntimeError::new_err("there is no kernel in this process"))
}

/// Runs the statements of a SQL cell and shows their results in the cell of `parent`.
#[pyfunction]
fn run_sql_cell(py: Python<'_>, session: &PySession, code: &str, parent: &Parent) -> PyResult<()> {
    let session = session.inner();
    in_cell(py, "UTC", parent, |context| context.run_cell(session, code))
}

/// Shows a query in the cell of `parent`.
#[pyfunction]
fn show_query(py: Python<'_>, query: &PyQuery, parent: &Parent) -> PyResult<()> {
    in_cell(py, query.time_zone(), parent, |context| {
        context.run_query(query.inner())
    })
}

/// A run of a cell begins: what its earlier runs left running is stopped.
#[pyfunction]
fn cell_starts(py: Python<'_>, parent: &Parent) {
    py.detach(|| LiveDisplays::global().replace_earlier_runs(&parent.0));
}

/// Shows the live displays of earlier cells in the cell of `parent` too; gives their number.
#[pyfunction]
fn show_again(py: Python<'_>, parent: &Parent) -> usize {
    py.detach(|| LiveDisplays::global().show_again(&parent.0))
}

/// Applies the arguments of `%live`; gives mode, pictures a second, and rows then.
#[pyfunction]
fn change_settings(arguments: &str) -> PyResult<(&'static str, f64, usize)> {
    let settings = LiveSettings::change(arguments)
        .map_err(|error| PyValueError::new_err(error.to_string()))?;
    let mode = match settings.mode {
        LiveMode::Auto => "auto",
        LiveMode::On => "on",
        LiveMode::Off => "off",
    };
    Ok((mode, settings.hz, settings.max_rows))
}

/// The plain text and the HTML of the jobs with these ids, in the order in which they started.
#[pyfunction]
fn jobs_forms(py: Python<'_>, ids: Vec<String>) -> (String, Option<String>) {
    let lines: Vec<JobLine> = py.detach(|| {
        let jobs = runtime::jobs();
        let wanted = jobs
            .iter()
            .filter(|job| ids.iter().any(|id| id == job.id()));
        wanted.map(JobLine::of).collect()
    });
    forms(&jobs_bundle(&lines))
}

/// Whether a cell is SQL.
#[pyfunction]
fn is_sql(code: &str) -> bool {
    classify(code) == CellKind::Sql
}

/// Start, end, and texts with their kinds.
type Completions = (usize, usize, Vec<(String, &'static str)>);

/// What could be written at a character of a SQL cell.
#[pyfunction]
fn complete(py: Python<'_>, session: &PySession, code: &str, cursor: usize) -> Option<Completions> {
    let found = py.detach(|| complete_cell(session.inner(), code, cursor))?;
    Some((found.start, found.end, found.items))
}

/// Plain text and HTML about the table at a character of a SQL cell.
#[pyfunction]
fn inspect(
    py: Python<'_>,
    session: &PySession,
    code: &str,
    cursor: usize,
) -> Option<(String, Option<String>)> {
    let bundle = py.detach(|| inspect_cell(session.inner(), code, cursor))?;
    Some(forms(&bundle))
}

/// The plain text and the HTML of a bundle.
fn forms(bundle: &MimeBundle) -> (String, Option<String>) {
    let text = |media_type| bundle.data.get(media_type)?.as_str().map(str::to_owned);
    (text("text/plain").unwrap_or_default(), text("text/html"))
}

/// Runs `work` for a cell without the interpreter; Ctrl-C ends it.
fn in_cell(
    py: Python<'_>,
    time_zone: &str,
    parent: &Parent,
    work: impl Send + FnOnce(&mut CellContext<'_>) -> Result<(), CellError>,
) -> PyResult<()> {
    let kernel = kernel()?;
    let parent = parent.0.clone();
    let (outcome, interrupt) = py.detach(|| {
        let mut interrupt = None;
        let mut interrupted = || {
            Python::attach(|py| match py.check_signals() {
                Ok(()) => false,
                Err(error) => {
                    interrupt = Some(error);
                    true
                }
            })
        };
        let publisher = kernel.publisher().clone();
        let mut context = CellContext::new(publisher, parent, time_zone, &mut interrupted);
        let outcome = work(&mut context);
        drop(context);
        (outcome, interrupt)
    });
    match outcome {
        Ok(()) => Ok(()),
        Err(CellError::Engine(error)) => Err(errors::to_exception(&error)),
        Err(CellError::Options(error)) => Err(PyValueError::new_err(error.to_string())),
        Err(CellError::Interrupted) => {
            Err(interrupt
                .unwrap_or_else(|| PyErr::new::<pyo3::exceptions::PyKeyboardInterrupt, _>(())))
        }
    }
}
