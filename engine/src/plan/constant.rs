//! Constant rows as a source: VALUES, and the single row under a SELECT without FROM.

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;

use crate::connectors::{Boundedness, Source, SourcePoll, SourceReader};
use crate::data::Delta;
use crate::error::Result;

/// A source that gives the rows of `batch` once.
#[must_use]
pub fn source(batch: RecordBatch) -> Arc<dyn Source> {
    Arc::new(Constant { batch })
}

#[derive(Debug)]
struct Constant {
    batch: RecordBatch,
}

impl Source for Constant {
    fn schema(&self) -> SchemaRef {
        self.batch.schema()
    }

    fn boundedness(&self) -> Boundedness {
        Boundedness::Bounded
    }

    fn open(
        &self,
        projection: &[usize],
        _parallelism: usize,
    ) -> Result<Vec<Box<dyn SourceReader>>> {
        let batch = if projection.len() == self.batch.num_columns() {
            self.batch.clone()
        } else {
            self.batch.project(projection)?
        };
        Ok(vec![Box::new(ConstantReader { batch, n_read: 0 })])
    }
}

struct ConstantReader {
    batch: RecordBatch,
    n_read: usize,
}

impl SourceReader for ConstantReader {
    fn poll(&mut self, max_rows: usize) -> Result<SourcePoll> {
        let n_rows = (self.batch.num_rows() - self.n_read).min(max_rows);
        if n_rows == 0 {
            return Ok(SourcePoll::End);
        }
        let rows = self.batch.slice(self.n_read, n_rows);
        self.n_read += n_rows;
        Ok(SourcePoll::Rows(Delta::insert_only(rows)))
    }

    fn position(&self) -> serde_json::Value {
        self.n_read.into()
    }

    fn seek(&mut self, position: &serde_json::Value) -> Result<()> {
        let n_read = position.as_u64().and_then(|n| usize::try_from(n).ok());
        self.n_read = n_read
            .filter(|n_read| *n_read <= self.batch.num_rows())
            .ok_or_else(|| crate::EngineError::internal("position outside of constant rows"))?;
        Ok(())
    }
}
