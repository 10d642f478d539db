//! Results of statements: rows that are there, or a changelog that arrives.

use std::collections::VecDeque;

use arrow::datatypes::SchemaRef;
use chrono_tz::Tz;
use parking_lot::Mutex;
use pyo3::prelude::*;
use pyo3::types::PyList;
use tidemill_engine::connectors::collect::{ChangeEvent, ChangeStream};
use tidemill_engine::data::Delta;
use tidemill_engine::data::types::FlinkType;
use tidemill_engine::runtime::JobHandle;
use tidemill_engine::session::{ResultContent, ResultKind, TableResult};

use super::job::PyJob;
use super::values::{ColumnReader, rows};
use super::{POLL, errors, text};

/// A row's kind and texts.
type CellRow = (u8, Vec<String>);

/// How a result is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    /// A streaming query: rows with kinds.
    Changelog,
    /// A batch query: rows without kinds.
    FinalRows,
    /// SHOW, DESCRIBE: a table as wide as its content.
    Listing,
    /// `OK`, `-1`, a plan: without a table around it.
    Raw,
}

/// The result of a statement. Its rows can be read once, as values or as cells.
#[pyclass(frozen, name = "Result", module = "tidemill._native.engine")]
pub(super) struct PyTableResult {
    kind: ResultKind,
    schema: SchemaRef,
    job: Option<JobHandle>,
    shape: Shape,
    time_zone: String,
    /// Locked only while the interpreter is released, so that two threads that read cannot wait
    /// for each other's lock and interpreter.
    content: Mutex<Content>,
}

enum Content {
    Rows(VecDeque<Delta>),
    Changes(ChangeStream),
    Ended,
}

impl PyTableResult {
    /// Wraps the result of a statement of some shape.
    pub(super) fn new(result: TableResult, time_zone: String, shape: Shape) -> Self {
        let content = match result.content {
            ResultContent::Rows(batches) => {
                Content::Rows(batches.into_iter().map(Delta::insert_only).collect())
            }
            ResultContent::Changes(stream) => Content::Changes(stream),
        };
        Self {
            kind: result.kind,
            schema: result.schema,
            job: result.job,
            shape,
            time_zone,
            content: Mutex::new(content),
        }
    }

    /// The next rows, or `None` at the end. Waits, and looks for Ctrl-C meanwhile.
    fn next_delta(&self, py: Python<'_>) -> PyResult<Option<Delta>> {
        loop {
            let event = py.detach(|| match &mut *self.content.lock() {
                Content::Rows(deltas) => Ok(deltas
                    .pop_front()
                    .map_or(ChangeEvent::End, ChangeEvent::Delta)),
                Content::Changes(stream) => stream.next(POLL),
                Content::Ended => Ok(ChangeEvent::End),
            });
            let job = self.job.as_ref().map(JobHandle::name);
            match event.map_err(|error| errors::of_job(&error, job))? {
                ChangeEvent::Delta(delta) if delta.num_rows() > 0 => return Ok(Some(delta)),
                ChangeEvent::Delta(_) | ChangeEvent::Timeout => {}
                ChangeEvent::End => return Ok(None),
            }
            py.check_signals()?;
        }
    }
}

#[pymethods]
impl PyTableResult {
    #[getter]
    fn kind(&self) -> &'static str {
        match self.kind {
            ResultKind::Success => "success",
            ResultKind::SuccessWithContent => "success_with_content",
        }
    }

    /// Whether the content is printed without a table around it: `OK`, `-1`, a plan.
    #[getter]
    fn is_raw(&self) -> bool {
        self.shape == Shape::Raw
    }

    /// Whether rows come with kinds, as streaming queries give them.
    #[getter]
    fn is_changelog(&self) -> bool {
        self.shape == Shape::Changelog
    }

    /// Whether the rows are those of a query, and not of SHOW and its like.
    #[getter]
    fn is_query(&self) -> bool {
        matches!(self.shape, Shape::Changelog | Shape::FinalRows)
    }

    #[getter]
    fn job(&self) -> Option<PyJob> {
        self.job.clone().map(PyJob::new)
    }

    fn schema(&self) -> Vec<(String, String)> {
        fields(&self.schema)
    }

    /// The next rows as `(kind, values)`, or None at the end.
    fn next_rows<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyList>>> {
        let Some(delta) = self.next_delta(py)? else {
            return Ok(None);
        };
        let readers = delta
            .batch()
            .columns()
            .iter()
            .map(|column| ColumnReader::of_result(py, column, &self.time_zone))
            .collect::<PyResult<Vec<_>>>()?;
        let kinds = (0..delta.num_rows()).map(|row_idx| delta.kind(row_idx) as u8);
        rows(py, &readers, kinds).map(Some)
    }

    /// The next rows as `(kind, texts)`, or None at the end.
    fn next_cells(&self, py: Python<'_>) -> PyResult<Option<Vec<CellRow>>> {
        let Some(delta) = self.next_delta(py)? else {
            return Ok(None);
        };
        // The session checked its time zone when it was set.
        let zone: Tz = self.time_zone.parse().unwrap_or(Tz::UTC);
        let schema = delta.schema();
        let cells = (0..delta.num_rows()).map(|row_idx| {
            let texts = delta
                .batch()
                .columns()
                .iter()
                .zip(schema.fields())
                .map(|(column, field)| text::cell(column, field, row_idx, zone))
                .collect();
            (delta.kind(row_idx) as u8, texts)
        });
        Ok(Some(cells.collect()))
    }

    /// Forgets the rest; a query that still runs is stopped.
    fn close(&self, py: Python<'_>) {
        py.detach(|| {
            let content = std::mem::replace(&mut *self.content.lock(), Content::Ended);
            drop(content);
        });
    }
}

/// Names and complete type texts of a schema.
pub(super) fn fields(schema: &SchemaRef) -> Vec<(String, String)> {
    schema
        .fields()
        .iter()
        .map(|field| (field.name().clone(), type_text(field)))
        .collect()
}

fn type_text(field: &arrow::datatypes::Field) -> String {
    FlinkType::from_field(field).as_serializable_string()
}
