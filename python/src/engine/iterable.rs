//! Python iterables as sources of tables.
//!
//! ```text
//!   Python thread: for row in iterable ──▶ queue ──▶ RowReader.take(max_rows) ──▶ columns ──▶ the job
//! ```
//!
//! The rows are pulled by a Python thread (`tidemill.table.iterable_source.RowReader`), so that a
//! generator that waits does not hold the job: the reader looks at the queue and goes on.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use arrow::datatypes::SchemaRef;
use pyo3::prelude::*;
use pyo3::types::PyList;
use serde_json::Value;
use tidemill_engine::connectors::{Boundedness, Source, SourcePoll, SourceReader};
use tidemill_engine::data::Delta;
use tidemill_engine::{EngineError, Result};

use super::session::batch_of;

/// How soon the reader looks again when there was nothing.
const IDLE: Duration = Duration::from_millis(5);

/// A Python iterable.
pub(super) struct IterableSource {
    pub(super) schema: SchemaRef,
    /// `tidemill.table.iterable_source.IterableSource`.
    pub(super) iterable: Arc<Py<PyAny>>,
    pub(super) is_bounded: bool,
    pub(super) time_zone: String,
}

impl fmt::Debug for IterableSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "IterableSource({})", self.schema)
    }
}

impl Source for IterableSource {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn boundedness(&self) -> Boundedness {
        match self.is_bounded {
            true => Boundedness::Bounded,
            false => Boundedness::Unbounded,
        }
    }

    /// One reader: the order of the rows matters.
    fn open(&self, projection: &[usize], _: usize) -> Result<Vec<Box<dyn SourceReader>>> {
        let reader = attached(|py| self.iterable.call_method0(py, "open"))?;
        Ok(vec![Box::new(IterableReader {
            schema: Arc::clone(&self.schema),
            projection: projection.to_vec(),
            reader,
            time_zone: self.time_zone.clone(),
            n_rows: 0,
        })])
    }
}

struct IterableReader {
    schema: SchemaRef,
    projection: Vec<usize>,
    /// `tidemill.table.iterable_source.RowReader`.
    reader: Py<PyAny>,
    time_zone: String,
    /// Rows that were given.
    n_rows: u64,
}

impl SourceReader for IterableReader {
    fn poll(&mut self, max_rows: usize) -> Result<SourcePoll> {
        let batch = attached(|py| {
            let taken = self.reader.call_method1(py, "take", (max_rows,))?;
            let taken = taken.into_bound(py);
            if taken.is_none() {
                return Ok(None);
            }
            let rows = taken.cast_into::<PyList>()?;
            let range = 0..rows.len();
            batch_of(py, &self.schema, &rows, range, &self.time_zone).map(Some)
        })?;
        let Some(batch) = batch else {
            return Ok(SourcePoll::End);
        };
        if batch.num_rows() == 0 {
            return Ok(SourcePoll::Idle(IDLE));
        }
        self.n_rows += batch.num_rows() as u64;
        let batch = batch.project(&self.projection)?;
        Ok(SourcePoll::Rows(Delta::insert_only(batch)))
    }

    fn position(&self) -> Value {
        self.n_rows.into()
    }

    fn seek(&mut self, position: &Value) -> Result<()> {
        let n_rows = position
            .as_u64()
            .ok_or_else(|| EngineError::internal(format!("no number of rows in {position}")))?;
        attached(|py| self.reader.call_method1(py, "skip", (n_rows,)).map(drop))?;
        self.n_rows = n_rows;
        Ok(())
    }
}

impl Drop for IterableReader {
    fn drop(&mut self) {
        // Nothing is left to do without an interpreter; a generator's own error has no reader.
        let closed = Python::try_attach(|py| self.reader.call_method0(py, "close").map(drop));
        drop(closed);
    }
}

/// Runs `work` attached to the interpreter; what it raises is the user's.
fn attached<T>(work: impl FnOnce(Python<'_>) -> PyResult<T>) -> Result<T> {
    Python::try_attach(|py| {
        work(py).map_err(|error| EngineError::Data {
            message: error.value(py).to_string(),
        })
    })
    .unwrap_or_else(|| {
        Err(EngineError::Data {
            message: "the Python interpreter is shutting down".to_owned(),
        })
    })
}
