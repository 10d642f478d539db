//! Python aggregate functions in the engine: the implementation of `AggregateRuntime`.
//!
//! The accumulators are Python objects in a list that is indexed by the engine's group numbers;
//! `tidemill.table.aggregate_runtime.GroupStates` holds them and loops over the rows of a batch.
//! Here columns become Python lists, and lists of results become columns. A function that runs in
//! worker processes has its accumulators there (`worker/states.rs`).

use std::fmt;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BinaryArray};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList, PyTuple};
use pyo3_arrow::PyArray;
use tidemill_engine::Result;
use tidemill_engine::functions::udf::{AggregateRuntime, GroupStates, GroupedRows};
use tidemill_engine::functions::usage::FunctionUse;

use super::builders::ColumnBuilder;
use super::python_values::Rounding;
use super::registration::{self, Registration};
use super::values::ColumnReader;
use super::worker::RemoteStates;

/// What is assumed of an accumulator: Python objects do not tell what hangs on them.
const ACCUMULATOR_BYTES: usize = 256;

/// A registered aggregate function.
#[derive(Clone)]
pub(super) struct PythonAggregate {
    registration: Arc<Registration>,
}

impl fmt::Debug for PythonAggregate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PythonAggregate({})", self.registration.name)
    }
}

impl AggregateRuntime for PythonAggregate {
    fn create(&self) -> Result<Box<dyn GroupStates>> {
        if let Some((pool, function)) = self.registration.workers()? {
            return Ok(Box::new(RemoteStates::open(pool.hosts(), function)?));
        }
        let states = self.with_python(|py| {
            let opened = self.registration.open(py)?;
            Ok(opened.call0()?.unbind())
        })?;
        Ok(Box::new(PythonStates {
            function: self.clone(),
            states,
            n_groups: 0,
            are_types_known: false,
        }))
    }

    fn for_job(&self) -> Option<Arc<dyn AggregateRuntime>> {
        let registration = Arc::new(self.registration.for_job()?);
        Some(Arc::new(Self::new(registration)))
    }

    fn begin_use(&self) -> Option<Box<dyn FunctionUse>> {
        Some(registration::begin_use(&self.registration))
    }
}

impl PythonAggregate {
    pub(super) fn new(registration: Arc<Registration>) -> Self {
        Self { registration }
    }

    /// Runs `work` attached to the interpreter. What it raises is written for the user already.
    fn with_python<T>(&self, work: impl FnOnce(Python<'_>) -> PyResult<T>) -> Result<T> {
        self.registration.with_python(|py| {
            let done = work(py);
            self.registration.note_metrics(py);
            done.map_err(|error| self.registration.failure(error.value(py).to_string()))
        })
    }

    fn column(&self, py: Python<'_>, values: &Bound<'_, PyAny>) -> PyResult<ArrayRef> {
        let values = values.cast::<PyList>()?;
        let mut column = ColumnBuilder::try_new(
            py,
            &self.registration.result,
            values.len(),
            &self.registration.time_zone(),
            Rounding::HalfEven,
        )?;
        for value in values {
            column.append(&value).map_err(|mismatch| {
                pyo3::exceptions::PyTypeError::new_err(format!(
                    "its result {} does not fit the declared type {}",
                    mismatch.found, mismatch.expected
                ))
            })?;
        }
        column
            .finish()
            .map_err(|error| pyo3::exceptions::PyValueError::new_err(error.to_string()))
    }
}

/// The accumulators of one worker.
struct PythonStates {
    function: PythonAggregate,
    /// `tidemill.table.aggregate_runtime.GroupStates`.
    states: Py<PyAny>,
    n_groups: usize,
    /// Whether Python knows of which types the arguments are.
    are_types_known: bool,
}

impl PythonStates {
    fn change<'py>(
        &self,
        py: Python<'py>,
        method: &str,
        rows: &GroupedRows<'_>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let time_zone = self.function.registration.time_zone();
        let columns = rows
            .arguments
            .iter()
            .map(|column| {
                let reader = ColumnReader::try_new(py, column, &time_zone)?;
                let values = (0..column.len())
                    .map(|row_idx| reader.value(py, row_idx))
                    .collect::<PyResult<Vec<_>>>()?;
                PyList::new(py, values)
            })
            .collect::<PyResult<Vec<_>>>()?;
        let groups = PyList::new(py, rows.groups)?;
        let signs = rows.signs.map(|signs| PyList::new(py, signs)).transpose()?;
        let counted = rows
            .counted
            .map(|counted| PyList::new(py, counted))
            .transpose()?;
        let columns = PyTuple::new(py, columns)?;
        self.states
            .bind(py)
            .call_method1(method, (groups, signs, counted, columns))
    }

    /// Tells Python the types of the arguments: functions of columns get series of these.
    fn note_types(&mut self, py: Python<'_>, rows: &GroupedRows<'_>) -> PyResult<()> {
        if !self.are_types_known {
            let arrays = rows
                .arguments
                .iter()
                .map(|column| {
                    let none = PyArray::from_array_ref(column.slice(0, 0));
                    Ok(none.into_pyobject(py)?.into_any())
                })
                .collect::<PyResult<Vec<_>>>()?;
            self.states.call_method1(py, "note_types", (arrays,))?;
            self.are_types_known = true;
        }
        Ok(())
    }

    fn note_groups(&mut self, groups: &[u32]) {
        let largest = groups.iter().max().map_or(0, |group| *group as usize + 1);
        self.n_groups = self.n_groups.max(largest);
    }
}

impl GroupStates for PythonStates {
    fn update(&mut self, rows: &GroupedRows<'_>) -> Result<()> {
        self.note_groups(rows.groups);
        let function = self.function.clone();
        function.with_python(|py| {
            self.note_types(py, rows)?;
            self.change(py, "update", rows).map(drop)
        })
    }

    fn update_each(&mut self, rows: &GroupedRows<'_>) -> Result<ArrayRef> {
        self.note_groups(rows.groups);
        let function = self.function.clone();
        function.with_python(|py| {
            self.note_types(py, rows)?;
            let values = self.change(py, "update_each", rows)?;
            self.function.column(py, &values)
        })
    }

    fn read(&self, groups: &[u32]) -> Result<ArrayRef> {
        self.function.with_python(|py| {
            let values = self
                .states
                .bind(py)
                .call_method1("read", (groups.to_vec(),))?;
            self.function.column(py, &values)
        })
    }

    fn clear(&mut self, group: u32) {
        // Clearing an entry of a list does not fail; without an interpreter nothing is left to do.
        let cleared = self
            .function
            .with_python(|py| self.states.call_method1(py, "clear", (group,)).map(drop));
        drop(cleared);
    }

    fn save(&self, groups: &[u32]) -> Result<ArrayRef> {
        self.function.with_python(|py| {
            let saved = self
                .states
                .bind(py)
                .call_method1("save", (groups.to_vec(),))?;
            let saved: Vec<Option<Vec<u8>>> = saved.extract()?;
            let column: BinaryArray = saved.iter().map(Option::as_deref).collect();
            Ok(Arc::new(column) as ArrayRef)
        })
    }

    fn restore(&mut self, groups: &[u32], states: &ArrayRef) -> Result<()> {
        self.note_groups(groups);
        self.function.with_python(|py| {
            let saved = states.as_binary_opt::<i32>().ok_or_else(|| {
                pyo3::exceptions::PyTypeError::new_err("its saved accumulators are not binary")
            })?;
            let saved: Vec<_> = saved
                .iter()
                .map(|state| state.map(|state| PyBytes::new(py, state)))
                .collect();
            self.states
                .bind(py)
                .call_method1("restore", (groups.to_vec(), saved))
                .map(drop)
        })
    }

    fn state_bytes(&self) -> usize {
        self.n_groups * ACCUMULATOR_BYTES
    }
}
