//! Planned queries in Python.

use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow::array::{RecordBatch, UInt64Array};
use arrow::compute::{SortColumn, SortOptions, lexsort_to_indices, take_record_batch};
use pyo3::prelude::*;
use pyo3_arrow::PyTable;
use tidemill_engine::Result;
use tidemill_engine::connectors::view::ViewOptions;
use tidemill_engine::data::map_keys;
use tidemill_engine::data::types::TIME_ATTRIBUTE_KEY;
use tidemill_engine::runtime::JobStatus;
use tidemill_engine::session::{OrderKey, Query, ResultContent};

use super::result::{PyTableResult, Shape, fields};
use super::session::answered;
use super::{POLL, errors};

/// A query that was planned and not started.
#[pyclass(frozen, name = "Query", module = "tidemill._native.engine")]
pub(crate) struct PyQuery {
    query: Query,
    time_zone: String,
}

impl PyQuery {
    pub(super) fn new(query: Query, time_zone: String) -> Self {
        Self { query, time_zone }
    }

    /// The engine's query, for displays.
    pub(crate) fn inner(&self) -> &Query {
        &self.query
    }

    /// The session's time zone when the query was planned, for displays.
    pub(crate) fn time_zone(&self) -> &str {
        &self.time_zone
    }
}

#[pymethods]
impl PyQuery {
    #[getter]
    fn sql(&self) -> String {
        self.query.sql().to_owned()
    }

    fn schema(&self) -> Vec<(String, String)> {
        fields(&self.query.schema())
    }

    /// What each column is for time: `ROWTIME`, `PROCTIME` or nothing.
    fn time_attributes(&self) -> Vec<Option<String>> {
        let schema = self.query.schema();
        let fields = schema.fields().iter();
        fields
            .map(|field| field.metadata().get(TIME_ATTRIBUTE_KEY).cloned())
            .collect()
    }

    fn is_bounded(&self) -> bool {
        self.query.is_bounded()
    }

    fn ends(&self) -> bool {
        self.query.ends()
    }

    fn is_ordered(&self) -> bool {
        self.query.is_ordered()
    }

    fn changelog_mode(&self) -> String {
        self.query.changelog_mode().to_string()
    }

    fn explain(&self, py: Python<'_>) -> PyResult<String> {
        py.detach(|| answered(|| self.query.explain()))
            .map_err(|error| errors::to_exception(&error))
    }

    /// Starts the query; gives its changelog.
    fn collect(&self, py: Python<'_>) -> PyResult<PyTableResult> {
        let result = py
            .detach(|| answered(|| self.query.collect()))
            .map_err(|error| errors::to_exception(&error))?;
        let shape = match result.content {
            ResultContent::Changes(_) if !self.query.is_batch() => Shape::Changelog,
            ResultContent::Changes(_) | ResultContent::Rows(_) => Shape::FinalRows,
        };
        Ok(PyTableResult::new(result, self.time_zone.clone(), shape))
    }

    /// Runs the query and gives the table that results, through the Arrow interface, and whether
    /// the query ended. With `within_ms` it is stopped after that time.
    #[pyo3(signature = (within_ms = None))]
    fn to_arrow(&self, py: Python<'_>, within_ms: Option<u64>) -> PyResult<(PyTable, bool)> {
        let options = ViewOptions {
            max_rows: None,
            upsert_key: None,
        };
        let (job, view) = py
            .detach(|| answered(|| self.query.materialize(options)))
            .map_err(|error| errors::to_exception(&error))?;
        let deadline = within_ms.map(|ms| Instant::now() + Duration::from_millis(ms));
        let ended = loop {
            match py.detach(|| job.wait(Some(POLL))) {
                JobStatus::Running => {}
                JobStatus::Failed(error) => {
                    return Err(errors::of_job(&error, Some(job.name())));
                }
                JobStatus::Finished | JobStatus::Stopped => break true,
            }
            if deadline.is_some_and(|deadline| Instant::now() >= deadline) {
                py.detach(|| job.stop());
                break false;
            }
            if let Err(interrupt) = py.check_signals() {
                py.detach(|| job.stop());
                return Err(interrupt);
            }
        };
        let ordering = self.query.ordering();
        let rows = py
            .detach(|| {
                let rows = sorted(view.snapshot(usize::MAX)?.rows, &ordering)?;
                map_keys::to_plain_batch(&rows)
            })
            .map_err(|error| errors::to_exception(&error))?;
        let schema = rows.schema();
        Ok((PyTable::try_new(vec![rows], Arc::clone(&schema))?, ended))
    }
}

/// The rows in the order that the query asks for: a view keeps rows in their places while they
/// change. Rows with equal keys stay as they are.
fn sorted(rows: RecordBatch, ordering: &[OrderKey]) -> Result<RecordBatch> {
    if ordering.is_empty() {
        return Ok(rows);
    }
    let mut columns: Vec<SortColumn> = ordering
        .iter()
        .filter_map(|key| {
            let options = SortOptions::new(key.descending, key.nulls_first);
            Some(SortColumn {
                values: Arc::clone(rows.columns().get(key.column)?),
                options: Some(options),
            })
        })
        .collect();
    let positions: UInt64Array = (0_u64..).take(rows.num_rows()).collect();
    columns.push(SortColumn {
        values: Arc::new(positions),
        options: None,
    });
    let indices = lexsort_to_indices(&columns, None)?;
    Ok(take_record_batch(&rows, &indices)?)
}
